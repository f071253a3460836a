"""M16, M19: how much leverage is allowed, how much of it is used, and how near its liquidation is.

Units    ratios as fractions or multiples, USD as Decimal, volatility a year, time in days
Source   docs/methodology.md M16, M19
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

ONE = Decimal(1)
YEAR_DAYS = 365


def max_leverage(ltv_max: Decimal) -> Decimal | None:
    """Return 1 / (1 - LTV_max): assets over equity when everything that may be borrowed is. None at LTV 1."""
    return ONE / (1 - ltv_max) if ltv_max < 1 else None


def liquidation_leverage(threshold: Decimal) -> Decimal | None:
    """Return 1 / (1 - LT): assets over equity at which liquidation begins. None at LT 1."""
    return ONE / (1 - threshold) if threshold < 1 else None


def perp_max_leverage(size_usd: Decimal, tiers: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Return 1 / IMR(size) of tiered margin: `tiers` are (up to this size in USD, initial margin ratio), ascending.

    Edge     None above the last tier: no such size is allowed
    """
    return next((ONE / ratio for upto, ratio in tiers if size_usd <= upto), None)


def leverage(collateral_usd: Decimal, debt_usd: Decimal) -> Decimal | None:
    """Return assets over equity, C / (C - D); None without equity."""
    return collateral_usd / (collateral_usd - debt_usd) if collateral_usd > debt_usd else None


def limit_usage(collateral_usd: Decimal, debt_usd: Decimal, ltv_max: Decimal) -> Decimal | None:
    """Return L / max leverage = C (1 - LTV_max) / (C - D). Above 1 is legal after prices moved. None without equity."""
    return collateral_usd * (1 - ltv_max) / (collateral_usd - debt_usd) if collateral_usd > debt_usd else None


def borrow_headroom_usd(legs: Iterable[tuple[Decimal, Decimal]], debt_usd: Decimal, *room: Decimal | None) -> Decimal:
    """Return max(0, sum C LTV - D), and no more than each `room`: liquidity, borrow cap left, debt ceiling left (None: no limit)."""
    own = max(sum((value * ltv for value, ltv in legs), Decimal(0)) - debt_usd, Decimal(0))
    return min([own, *(max(limit, Decimal(0)) for limit in room if limit is not None)])


def mean_limit_usage(accounts: Iterable[tuple[Decimal | None, Decimal]]) -> Decimal | None:
    """Return the debt-weighted mean of (usage, debt). Accounts without usage are left out; None of none."""
    known = [(usage, debt) for usage, debt in accounts if usage is not None]
    total = sum((debt for _, debt in known), Decimal(0))
    return sum((usage * debt for usage, debt in known), Decimal(0)) / total if total else None


# --------------------------------------------------------------------------------------------------- sensitivity


def leverage_elasticity(leverage: Decimal) -> Decimal:
    """Return d ln L / d ln P with the debt fixed: 1 - L."""
    return 1 - leverage


def equity_elasticity(leverage: Decimal) -> Decimal:
    """Return d ln E / d ln P with the debt fixed: L."""
    return leverage


def health_elasticity(weighted: Sequence[Decimal], asset: int) -> Decimal | None:
    """Return d ln HF / d ln P of one collateral: its share of the threshold-weighted collateral; 1 for the only one."""
    total = sum(weighted, Decimal(0))
    return weighted[asset] / total if total else None


def distance(leverage: Decimal, threshold: Decimal) -> Decimal:
    """Return the fall of the collateral that liquidates a position of leverage L: 1 - (1 - 1/L) / LT; 0 or below: already."""
    return 1 - (1 - ONE / leverage) / threshold


def liquidation_probability(distance: float, volatility: float, days: float) -> float:
    """Return the chance that a driftless price touches the liquidation price within `days`.

    Formula  p = 2 Phi(ln(1 - x*) / (sigma sqrt(h))), h = days / 365, sigma a year; at most 1
    Edge     1 when distance is 0 or below, 0 when it is 1 or more (nothing but zero liquidates) or nothing can move. For a pair
             that moves together give the volatility of the ratio
    """
    if distance <= 0:
        return 1.0
    spread = volatility * math.sqrt(days / YEAR_DAYS)
    if distance >= 1 or spread <= 0:
        return 0.0
    return min(1.0, math.erfc(-math.log1p(-distance) / (spread * math.sqrt(2))))


def drop_sensitivity(drops: Sequence[Decimal], debts_usd: Sequence[Decimal]) -> list[Decimal]:
    """Return d(debt liquidatable) / d(drop) between neighbours of the drop curve, USD for a fall of 1 (100 %)."""
    curve = list(zip(drops, debts_usd, strict=True))
    return [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(curve)]
