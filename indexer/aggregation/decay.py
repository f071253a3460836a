"""M22: what it costs to keep synthetic leverage, and how it decays.

    rebalance trade after return r = L (L - 1) r NAV          negative: sell
    decay = -1/2 (L^2 - L) sigma^2 T                          log return lost to variance
    perp carry = funding x notional / margin
    maintenance_buffer = equity / notional - mmr
    days_to_liquidation_from_carry = buffer / daily cost on notional

Units    NAV, notional, margin in one currency; r, sigma (a square root year), funding, mmr as fractions; T in years
Source   docs/methodology.md M22
"""

from __future__ import annotations

from decimal import Decimal


def rebalance_trade(nav: Decimal, leverage: Decimal, asset_return: Decimal) -> Decimal:
    """Return what a target-leverage product has to buy (positive) after its asset returned r; `nav` is before the return."""
    return leverage * (leverage - 1) * asset_return * nav


def volatility_decay(leverage: float, sigma: float, years: float) -> float:
    """Return the log return that rebalancing loses to variance, negative for L > 1 or L < 0, 0 for L of 0 or 1."""
    return -0.5 * (leverage**2 - leverage) * sigma**2 * years


def effective_leverage(exposure: Decimal, nav: Decimal) -> Decimal | None:
    """Return what the product's leverage is now, between rebalances: exposure / NAV, not its stated target."""
    return exposure / nav if nav > 0 else None


def look_through_leverage(held: Decimal, debt: Decimal, product_leverage: Decimal) -> Decimal | None:
    """Return a holder's leverage through the product: held x its effective leverage / (held - debt). None without equity.

    The product's stated target is the holder's leverage only if he bought without debt and nothing moved since (M10).
    """
    equity = held - debt
    return held * product_leverage / equity if equity > 0 else None


def perp_carry(funding: Decimal, notional: Decimal, margin: Decimal) -> Decimal | None:
    """Return what funding costs (+) on margin over the rate's own period: funding x notional / margin."""
    return funding * notional / margin if margin > 0 else None


def maintenance_buffer(equity: Decimal, notional: Decimal, mmr: Decimal) -> Decimal | None:
    """Return equity / notional - maintenance margin ratio; negative: liquidatable. None without a position."""
    return equity / notional - mmr if notional else None


def days_to_liquidation_from_carry(buffer: Decimal | None, daily_cost: Decimal) -> Decimal | None:
    """Return the days that carry alone takes to use up the buffer, 0 when it is used up.

    None when the position costs nothing or earns (it is not liquidated by carry), or there is none.
    """
    if buffer is None:
        return None
    if buffer <= 0:
        return Decimal(0)
    return buffer / daily_cost if daily_cost > 0 else None
