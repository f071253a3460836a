"""M20: utilization of a market, and what a loop costs.

    Aave                  debt / (available + debt)
    Compound v2           borrows / (cash + borrows - reserves)
    Compound v3, Morpho   total borrow / total supply
    kink_pressure = (U - U*) / (1 - U*) for U > U*
    loop_carry = L y - (L - 1) r      breakeven_rate = L y / (L - 1)

Units    amounts of one token; rates as simple APR fractions, rewards not included; leverage as A / E
Edge     U may exceed 1 (interest not accrued yet, moved liquidity). Nothing there: None; nothing borrowed: 0
Source   docs/methodology.md M20; the protocols' contracts
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

Number = Decimal | Fraction | int


def utilization_aave(debt: Number, available: Number) -> Fraction | None:
    """Return debt / (available + debt)."""
    return _share(debt, Fraction(available) + Fraction(debt))


def utilization_compound_v2(borrows: Number, cash: Number, reserves: Number) -> Fraction | None:
    """Return borrows / (cash + borrows - reserves)."""
    return _share(borrows, Fraction(cash) + Fraction(borrows) - Fraction(reserves))


def utilization_of_totals(borrowed: Number, supplied: Number) -> Fraction | None:
    """Return total borrow / total supply (Compound v3, Morpho Blue, Euler v2)."""
    return _share(borrowed, Fraction(supplied))


def _share(part: Number, whole: Fraction) -> Fraction | None:
    if part == 0:
        return Fraction(0)
    return Fraction(part) / whole if whole > 0 else None


def kink_pressure(utilization: Number | None, target: Number | None) -> Fraction | None:
    """Return how far beyond the kink U is, as a share of the room there is. 0 up to the kink, None if either is unknown."""
    if utilization is None or target is None or target >= 1:
        return None
    u, kink = Fraction(utilization), Fraction(target)
    return (u - kink) / (1 - kink) if u > kink else Fraction(0)


def kinked_rate(utilization: Number, target: Number, slope_1: Number, slope_2: Number, base: Number = 0) -> Fraction:
    """Return the rate of a two-slope curve: slope_1 is earned up to the kink, slope_2 from there to U = 1."""
    u, kink = Fraction(utilization), Fraction(target)
    if u <= kink:
        return Fraction(base) + Fraction(slope_1) * u / kink
    return Fraction(base) + Fraction(slope_1) + Fraction(slope_2) * (u - kink) / (1 - kink)


def loop_carry(leverage: Number, collateral_yield: Number, borrow_rate: Number) -> Fraction:
    """Return L y - (L - 1) r: the net APR on equity of a loop."""
    level = Fraction(leverage)
    return level * Fraction(collateral_yield) - (level - 1) * Fraction(borrow_rate)


def breakeven_rate(leverage: Number, collateral_yield: Number) -> Fraction | None:
    """Return L y / (L - 1): the borrow rate at which a loop earns nothing. None without debt (L <= 1)."""
    level = Fraction(leverage)
    return level * Fraction(collateral_yield) / (level - 1) if level > 1 else None


class Elasticity(NamedTuple):
    """Slope of a least squares line through (change of rate, change of ln borrow)."""

    slope: float
    n: int
    r2: float | None


def rate_elasticity(rates: Sequence[float | None], borrowed: Sequence[float]) -> Elasticity | None:
    """Return the slope of d ln(borrowed) on d rate, both between neighbours.

    Shape   equally spaced points; `borrowed` in tokens: at constant prices of one asset
    Edge    pairs with a missing rate or nothing borrowed are left out; fewer than 3, or a constant rate: None
    """
    pairs = [
        (rates[n] - rates[n - 1], math.log(borrowed[n] / borrowed[n - 1]))  # type: ignore[operator]
        for n in range(1, len(rates))
        if rates[n] is not None and rates[n - 1] is not None and borrowed[n] > 0 and borrowed[n - 1] > 0
    ]
    if len(pairs) < 3:
        return None
    mean_x, mean_y = (math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True))
    xx = math.fsum((x - mean_x) ** 2 for x, _ in pairs)
    yy = math.fsum((y - mean_y) ** 2 for _, y in pairs)
    xy = math.fsum((x - mean_x) * (y - mean_y) for x, y in pairs)
    return None if xx == 0 else Elasticity(xy / xx, len(pairs), None if yy == 0 else xy * xy / (xx * yy))
