"""M12: what a liquidator may repay and take, by each protocol's own size rule, and which pair pays most.

    seize = repay * (1 + b) * price(debt) / price(collateral), at most the collateral there is; then repay = what that pays for
    gross profit = seize in USD - repay in USD        before gas, slippage and the protocol's own cut of the bonus

Units    whole tokens and USD as Decimal, bonus b and thresholds as fractions
Edge     who is liquidatable is not decided here but by the exact integers of `account_health`; a leg without a price has no
         amount that can be compared, so it is in no pair
Source   aave-v3-origin LiquidationLogic (3.3: close factor on the whole debt and no dust left; before: per reserve);
         morpho-blue Morpho.liquidate; comet absorb; compound Comptroller.liquidateBorrowAllowed; dss Dog.bark;
         liquity TroveManager; euler-vault-kit Liquidation.calculateMaxLiquidation
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Final, NamedTuple

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

CLOSE_FACTOR: Final = Decimal("0.5")
CLOSE_FACTOR_HEALTH: Final = Decimal("0.95")
"""Aave: at or below it everything may be repaid."""
AAVE_SMALL_USD: Final = Decimal(2000)
"""Aave 3.3: below it, of debt or collateral in the chosen reserves, everything may be repaid (base currency)."""
AAVE_DUST_USD: Final = Decimal(1000)
"""Aave 3.3: less than this may not be left of both, unless nothing is left of one."""


class Debt(NamedTuple):
    """What is owed in one asset: whole tokens, USD of one."""

    asset: str
    units: Decimal
    price_usd: Decimal

    @property
    def usd(self) -> Decimal:
        """USD owed."""
        return self.units * self.price_usd


class Collateral(NamedTuple):
    """What backs the debt in one asset: whole tokens, USD of one, threshold (0 counts for nothing), bonus b."""

    asset: str
    units: Decimal
    price_usd: Decimal
    threshold: Decimal
    bonus: Decimal

    @property
    def usd(self) -> Decimal:
        """USD of it."""
        return self.units * self.price_usd


class Account(NamedTuple):
    """A borrower in one risk scope; `health_factor` as the contract has it."""

    debts: tuple[Debt, ...]
    collaterals: tuple[Collateral, ...]
    health_factor: Decimal

    @property
    def debt_usd(self) -> Decimal:
        """USD of all debts."""
        return sum((debt.usd for debt in self.debts), ZERO)


class Liquidation(NamedTuple):
    """The most that one call may do to a pair: repay and seize in whole tokens, USD, and what health is left."""

    debt_asset: str
    collateral_asset: str
    repay: Decimal
    seize: Decimal
    repay_usd: Decimal
    profit_usd: Decimal
    health_factor_after: Decimal | None


Rule = Callable[[Account, Debt, Collateral], Decimal]
"""USD of the debt that may be repaid against a collateral in one call, before the collateral caps it."""


# ------------------------------------------------------------------------------------------------- how much debt


def aave_v33_repay_usd(account: Account, debt: Debt, collateral: Collateral) -> Decimal:
    """Return the USD of a reserve's debt that Aave v3.3 and later lets one call repay.

    Formula  the whole reserve's debt, unless its collateral and debt are both at least 2000 and HF > 0.95: then at most half
             of the account's total debt; and no less than 1000 of both may stay, unless one is gone
    Units    USD (the pool's base currency)
    """
    most = debt.usd
    large = collateral.usd >= AAVE_SMALL_USD and debt.usd >= AAVE_SMALL_USD
    if large and account.health_factor > CLOSE_FACTOR_HEALTH:
        most = min(most, account.debt_usd * CLOSE_FACTOR)
    seized = most * (1 + collateral.bonus)
    if most < debt.usd and seized < collateral.usd:
        most = min(most, debt.usd - AAVE_DUST_USD, (collateral.usd - AAVE_DUST_USD) / (1 + collateral.bonus))
    return max(most, ZERO)


def aave_v3_repay_usd(account: Account, debt: Debt, collateral: Collateral) -> Decimal:
    """Return the same before 3.3: half of the reserve's debt, all of it at HF 0.95 and below."""
    return debt.usd * (CLOSE_FACTOR if account.health_factor > CLOSE_FACTOR_HEALTH else ONE)


def half_of_debt_repay_usd(account: Account, debt: Debt, collateral: Collateral) -> Decimal:
    """Return half of one asset's debt: Aave v2, and Compound v2 with its usual close factor."""
    return debt.usd * CLOSE_FACTOR


def whole_debt_repay_usd(account: Account, debt: Debt, collateral: Collateral) -> Decimal:
    """Return all of one asset's debt: Morpho (any amount up to it), Liquity, Euler."""
    return debt.usd


def compound_repay_usd(close_factor: Decimal) -> Rule:
    """Return Compound v2's rule for a comptroller's close factor, a fraction."""

    def repay(account: Account, debt: Debt, collateral: Collateral) -> Decimal:
        return debt.usd * close_factor

    return repay


RULES: Final[dict[str, Rule]] = {
    "aave_v33": aave_v33_repay_usd,
    "aave_v3": aave_v3_repay_usd,
    "aave_v2": half_of_debt_repay_usd,
    "compound_v2": half_of_debt_repay_usd,
    "morpho_blue": whole_debt_repay_usd,
    "euler_v2": whole_debt_repay_usd,
}
"""Protocols whose liquidators repay debt for collateral of their choice. Of the others (Comet absorbs, Maker auctions, Liquity
offsets) the whole account goes: `whole_account`."""


# --------------------------------------------------------------------------------------------------------- bonus


def morpho_bonus(lltv: Decimal) -> Decimal:
    """Return b of a Morpho market: min(1.15, 1 / (1 - 0.3 (1 - LLTV))) - 1."""
    return min(Decimal("1.15"), 1 / (1 - Decimal("0.3") * (1 - lltv))) - 1


def euler_bonus(health_factor: Decimal, max_discount: Decimal) -> Decimal:
    """Return b of an Euler v2 liquidation: the discount grows as health falls, 1 / max(HF, 1 - max discount) - 1."""
    return 1 / max(min(health_factor, ONE), 1 - max_discount) - 1


def is_toxic(debt_usd: Decimal, collateral_usd: Decimal, bonus: Decimal) -> bool:
    """Tell whether liquidating worsens a position: LTV > 1 / (1 + b), though D may still be below C."""
    return debt_usd * (1 + bonus) > collateral_usd


# --------------------------------------------------------------------------------------------------------- pairs


def pair(account: Account, debt: Debt, collateral: Collateral, rule: Rule) -> Liquidation | None:
    """Return the most that one call may repay of `debt` and take of `collateral`; None where that is nothing."""
    with localcontext(prec=60):
        repay_usd = rule(account, debt, collateral)
        seize_usd = repay_usd * (1 + collateral.bonus)
        if seize_usd > collateral.usd:
            seize_usd = collateral.usd
            repay_usd = seize_usd / (1 + collateral.bonus)
        if repay_usd <= 0 or debt.price_usd <= 0 or collateral.price_usd <= 0:
            return None
        left = account.debt_usd - repay_usd
        weighted = (
            sum((leg.usd * leg.threshold for leg in account.collaterals), ZERO) - seize_usd * collateral.threshold
        )
        return Liquidation(
            debt.asset, collateral.asset, repay_usd / debt.price_usd, seize_usd / collateral.price_usd, repay_usd,
            seize_usd - repay_usd, weighted / left if left > 0 else None,
        )  # fmt: skip


def pairs(account: Account, rule: Rule) -> Iterator[Liquidation]:
    """Return what may be done to every pair of debt and counting collateral."""
    for debt in account.debts:
        for collateral in account.collaterals:
            if collateral.threshold > 0 and (found := pair(account, debt, collateral, rule)) is not None:
                yield found


def best_pair(account: Account, rule: Rule) -> Liquidation | None:
    """Return the pair with the highest gross profit, ties by addresses; None where nothing can be repaid."""
    return max(
        pairs(account, rule),
        key=lambda found: (found.profit_usd, found.debt_asset, found.collateral_asset),
        default=None,
    )


def whole_account(account: Account) -> Liquidation | None:
    """Return what happens where the protocol itself takes the whole account: all debt, all collateral, nothing left.

    Edge     several assets: the largest of each is named; the amounts are of those, the USD of everything
    """
    if not account.debts or not account.collaterals:
        return None
    debt = max(account.debts, key=lambda leg: (leg.usd, leg.asset))
    collateral = max(account.collaterals, key=lambda leg: (leg.usd, leg.asset))
    total = sum((leg.usd for leg in account.collaterals), ZERO)
    return Liquidation(
        debt.asset, collateral.asset, debt.units, collateral.units, account.debt_usd, total - account.debt_usd, None
    )


def base_units(amount: Decimal, decimals: int) -> int:
    """Return whole tokens as base units, rounded down: never more than may be asked for."""
    with localcontext(prec=90):
        return int(amount.scaleb(decimals).to_integral_value(ROUND_DOWN))


# --------------------------------------------------------------------------------------------------------- perps


def perp_liquidation_price(
    size: Decimal, entry_price: Decimal, margin: Decimal, maintenance_ratio: Decimal
) -> Decimal | None:
    """Return the mark price at which an isolated position's margin and profit fall to its maintenance margin.

    Formula  long P* = (q P0 - M) / (q (1 - mmr)), short P* = (q P0 + M) / (q (1 + mmr)); `size` is signed
    Edge     None without size, or where no positive price does it (a long with more margin than notional)
    """
    if size == 0:
        return None
    sign = ONE if size > 0 else -ONE
    quantity = abs(size)
    price = (quantity * entry_price - sign * margin) / (quantity * (1 - sign * maintenance_ratio))
    return price if price > 0 else None


def blocked_reason(
    *, paused: Sequence[bool | None], inactive: Sequence[bool | None], grace_until: Sequence[int | None], now: int
) -> str | None:
    """Return why the contract would refuse to liquidate a pair, None where nothing known speaks against it.

    Edge     what is unknown (None) blocks nothing; a sequencer's grace period is known to no event and is not told
    """
    if any(paused):
        return "reserve_paused"
    if any(inactive):
        return "reserve_inactive"
    if any(until is not None and until >= now for until in grace_until):
        return "grace_period"
    return None
