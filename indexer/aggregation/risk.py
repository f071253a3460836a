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
