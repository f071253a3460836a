"""M12: health factor and liquidation prices of an account with everything else held fixed.

    health factor          HF = sum C_i LT_i / sum D_j
    liquidation price      P* = (D_rest - K_rest) / (q LT - d)          K: threshold-weighted collateral
    joint fall of group G  x* = 1 - (D_rest - K_rest) / (K_G - D_G)

Units    USD as Decimal, thresholds as fractions
Edge     None without debt; HF = 1 is not liquidatable on Aave
Source   docs/methodology.md M12; who is liquidatable is decided by the exact integers of `account_health`, never by these
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple


class Leg(NamedTuple):
    """One asset of an account: amounts in whole tokens, price in USD, threshold as a fraction (0 for none)."""

    asset: str
    price_usd: Decimal
    collateral: Decimal
    debt: Decimal
    liquidation_threshold: Decimal


def health_factor(legs: Sequence[Leg]) -> Decimal | None:
    """Return the threshold-weighted collateral over the debt, or None without debt."""
    debt = sum((leg.debt * leg.price_usd for leg in legs), Decimal(0))
    weighted = sum((leg.collateral * leg.price_usd * leg.liquidation_threshold for leg in legs), Decimal(0))
    return weighted / debt if debt else None


def liquidation_price(legs: Sequence[Leg], asset: str) -> Decimal | None:
    """Return the price of `asset` at which HF reaches 1, all others fixed; None when no positive price does."""
    rest = [leg for leg in legs if leg.asset != asset]
    own = [leg for leg in legs if leg.asset == asset]
    missing = sum((leg.price_usd * (leg.debt - leg.collateral * leg.liquidation_threshold) for leg in rest), Decimal(0))
    slope = sum((leg.collateral * leg.liquidation_threshold - leg.debt for leg in own), Decimal(0))
    if slope == 0 or not any(leg.debt for leg in legs):
        return None
    price = missing / slope
    return price if price > 0 else None


def group_drop(legs: Sequence[Leg], group: Sequence[str]) -> Decimal | None:
    """Return the uniform fall of a group of assets at which HF reaches 1; None when the group's fall does no harm."""
    inside = sum(
        (leg.price_usd * (leg.collateral * leg.liquidation_threshold - leg.debt) for leg in legs if leg.asset in group),
        Decimal(0),
    )
    outside = sum(
        (
            leg.price_usd * (leg.debt - leg.collateral * leg.liquidation_threshold)
            for leg in legs
            if leg.asset not in group
        ),
        Decimal(0),
    )
    return 1 - outside / inside if inside > 0 and any(leg.debt for leg in legs) else None


def first_eligible_drop(factor: Decimal) -> Decimal:
    """Return the fall of the collateral at which an account becomes liquidatable: 1 - 1/HF."""
    return 1 - 1 / factor


def loss_boundary_drop(factor: Decimal, bonus: Decimal, threshold: Decimal) -> Decimal:
    """Return the fall at which liquidating no longer covers the debt: max(1 - 1/HF, 1 - (1 + b) LT / HF)."""
    return max(1 - 1 / factor, 1 - (1 + bonus) * threshold / factor)


def depeg_to_liquidation(ratio: Decimal, collateral: Decimal, debt: Decimal, threshold: Decimal) -> Decimal | None:
    """Return the fall of the ratio collateral/debt price at which a position of one group is liquidated: 1 - r*/r.

    Formula  r* = debt units / (collateral units LT), in debt units for one unit of collateral
    Edge     None without collateral or threshold; the USD price of either cancels and is not asked for
    """
    if collateral * threshold == 0 or ratio == 0:
        return None
    return 1 - debt / (collateral * threshold) / ratio


def health_factor_at(factor: Decimal, growths: Sequence[tuple[Decimal, Decimal]], seconds: int) -> Decimal:
    """Return the health factor after `seconds` without any event: debts grow, collateral does not.

    Formula  HF sum(D_j) / sum(D_j (1 + r_j t)), simple yearly rates, year of 365 days
    Units    `growths` are (debt in USD, yearly rate) of each debt
    Edge     interest that collateral earns is left out: the answer errs towards earlier
    """
    now = sum((debt for debt, _ in growths), Decimal(0))
    later = sum((debt * (1 + rate * seconds / 31_536_000) for debt, rate in growths), Decimal(0))
    return factor * now / later


DROPS = tuple(Decimal(percent) / 100 for percent in (1, 3, 5, 10, 15, 20, 30, 50))

BUCKETS = tuple(Decimal(edge) for edge in ("0", "1", "1.05", "1.1", "1.25", "1.5", "2"))
"""Lower bounds of the health factor buckets, half-open; the last has no upper bound."""


def bucket(factor: Decimal | None) -> str:
    """Return the bucket of a health factor: `[1,1.05)`, `no_debt` for None."""
    if factor is None:
        return "no_debt"
    low = max(edge for edge in BUCKETS if edge <= factor)
    at = BUCKETS.index(low)
    return f"[{low},{BUCKETS[at + 1]})" if at + 1 < len(BUCKETS) else f"[{low},inf)"
