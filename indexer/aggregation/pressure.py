"""How far health factors can have fallen since somebody looked: which accounts a block makes worth looking at.

    pressure(t) = sum over steps of  max_i ln(c_i / c_i') + max_j ln(p_j' / p_j) + max_j (ln(g_j' / g_j) + r_j' dt)
                  c: price as collateral, p: price as debt, g: debt index as stored, r: yearly rate beyond it; each max at least 0
    HF(t) >= HF(s) exp(pressure(s) - pressure(t))      for an account that nobody touched between s and t

Why it holds: HF = sum C_i LT_i / sum D_j. No C_i falls by more than the first term, no D_j rises by more than the other two,
and no ratio of sums moves more than its parts. The terms are added, never netted, so any path between s and t bounds its ends.

Units    pressure is a natural logarithm, rates are yearly fractions, time in seconds
Edge     an item met for the first time, or unknown (None) before or after, does nothing: accounts that hold it have changed
         themselves, or have no health factor. Rounding is a margin of each account's own (`rounding_margin`)
Source   own derivation; held against `account_health` after every block of recorded chains in tests/measures/test_risk_head.py
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

YEAR_SECONDS = 31_536_000

FLOAT_MARGIN = 1e-12
"""Added to every step that moved: more than what 64-bit logarithms lose in it."""


class Level(NamedTuple):
    """One thing that can lower health factors: exact levels, None where it has none or it is unknown."""

    collateral: Decimal | None
    debt: Decimal | None
    growth: Decimal | None
    debt_rate: Decimal | None


def step_pressure(before: Mapping[str, Level], now: Mapping[str, Level], seconds: float) -> float:
    """Return by how much a step can have lowered ln(HF) of any account of the scope; 0 or above.

    Formula  the summands of the module's pressure; `seconds` is the step's length
    Edge     0 when nothing moved and nothing grows
    """
    collateral = debt = growth = 0.0
    for item, level in now.items():
        was = before.get(item)
        if was is not None:
            collateral = max(collateral, -_ln_ratio(was.collateral, level.collateral))
            debt = max(debt, _ln_ratio(was.debt, level.debt))
        interest = float(level.debt_rate or 0) * max(seconds, 0.0) / YEAR_SECONDS
        growth = max(growth, interest + (_ln_ratio(was.growth, level.growth) if was is not None else 0.0))
    total = collateral + debt + growth
    return total + FLOAT_MARGIN if total else 0.0


def became_known(before: Mapping[str, Level], now: Mapping[str, Level]) -> bool:
    """Tell whether some level that was unknown is known now, or the other way round."""
    return any(
        (one is None) != (other is None)
        for item in before.keys() & now.keys()
        for one, other in zip(before[item], now[item], strict=True)
    )


def rounding_margin(legs: int, unit_value: float, debt: float, weighted: float, threshold_bps: float | None) -> float:
    """Return by how much rounding alone can move ln(HF) between two looks; infinite when it can move it anywhere.

    Formula  every leg's value is off by at most one base unit and one unit of account at each look, and an average threshold
             that the contract floors by one basis point: u = 2 legs (unit_value + 1);
             ln(1 + u / debt) - ln(1 - u / weighted) + 2 / threshold_bps
    Units    `unit_value`, `debt` and `weighted` (collateral by its thresholds) in the unit that the contract counts debt in
    """
    slack = 2.0 * legs * (unit_value + 1)
    if debt <= 0 or weighted <= slack:
        return math.inf
    floor = 2.0 / threshold_bps if threshold_bps else 0.0
    return math.log1p(slack / debt) - math.log1p(-slack / weighted) + floor + 1e-9


def safe_until(health_factor: float | None, pressure: float, margin: float) -> float | None:
    """Return the pressure at which HF can reach 1: ln(HF) - margin + pressure. None without a health factor.

    Edge     minus infinity: it may be anywhere at once, look in every block
    """
    if health_factor is None:
        return None
    if health_factor <= 0 or math.isinf(margin):
        return -math.inf
    return math.log(health_factor) - margin + pressure


def worst_safe_until(edge: float, pressure: float) -> float:
    """Return the `safe_until` below which an account's health factor may be below `edge` by now."""
    return math.log(edge) + pressure


def highest_unit(values: Iterable[Decimal | None]) -> Decimal:
    """Return the most that one base unit of any asset of a scope is worth; 0 of nothing known."""
    return max((value for value in values if value is not None), default=Decimal(0))


def _ln_ratio(before: Decimal | None, now: Decimal | None) -> float:
    """Return ln(now / before), 0 where either is unknown; a fall to zero is infinite, as is a rise from it."""
    if before is None or now is None or before == now:
        return 0.0
    if now <= 0:
        return -math.inf
    if before <= 0:
        return math.inf
    return math.log(now / before)
