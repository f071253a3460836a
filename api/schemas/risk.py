"""Rows of liquidation risk and limits (M12, M16)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import AccountStatus, Address, Exact, Model, OfDeployment, PairClass, Whole


class LiquidationPrice(Model):
    """A price that liquidates."""

    price_usd: Exact = Field(description="Price of one whole token, USD.")
    direction: Literal["down", "up"] = Field(description="Whether the price has to fall or to rise to it.")


class AtRisk(OfDeployment):
    """A borrower in one risk scope. A candidate: re-check on chain in the block you send in."""

    market_id: str | None = Field(
        description="Market where risk is isolated; null where it is pooled over the deployment."
    )
    account: Address = Field(description="The debtor.")
    owner: Address = Field(description="Who is behind the account, as far as known; else the account.")
    status: AccountStatus = Field(description="ok, zero_equity, insolvent, or unpriced where USD values are unknown.")
    health_factor: float = Field(description="Threshold-weighted collateral over debt, a ratio.")
    health_factor_raw: Whole | None = Field(description="The same as the contract states it, 1e18.")
    bucket: str = Field(description="Interval of the health factor, e.g. [1,1.05).")
    is_liquidatable: bool | None = Field(description="Whether the contract would let it be liquidated at this block.")
    is_toxic: bool | None = Field(description="Whether liquidating worsens it: debt with bonus exceeds collateral.")
    collateral_usd: Exact | None = Field(description="Value of what backs debt, USD.")
    debt_usd: Exact | None = Field(description="Debt with interest to this block, USD.")
    collateral_assets: list[Address] = Field(description="Assets that back debt.")
    debt_assets: list[Address] = Field(description="Assets owed.")
    emode: int | None = Field(description="Aave e-mode category, 0 for none.")
    pair_class: PairClass | None = Field(description="How collateral and debt move together.")
    price_usd: Exact | None = Field(description="Price of the collateral when it is one asset, USD.")
    liquidation_price_usd: Exact | None = Field(
        description="Price of the collateral at which liquidation begins, all else fixed, USD; null unless one collateral "
        "backs one other debt asset."
    )
    distance: float | None = Field(description="|1 - liquidation price / price|, a ratio.")
    first_eligible_drop: float | None = Field(
        description="Uniform fall of collateral that makes it liquidatable, a ratio."
    )
    loss_boundary_drop: float | None = Field(
        description="Fall from which liquidation no longer covers the debt, a ratio."
    )
    liquidation_bonus: float | None = Field(description="What a liquidator gets on top, a ratio (0.05 is 5 %).")
    liquidation_prices: dict[str, LiquidationPrice] | None = Field(
        description="By asset: its price at which liquidation begins, all else fixed; no entry where no price does. Null as of "
        "an older block than the head."
    )
    best_debt_asset: Address | None = Field(description="Liquidatable: the debt whose repayment pays most.")
    best_collateral_asset: Address | None = Field(description="Liquidatable: the collateral to take for it.")
    max_repay_raw: Whole | None = Field(description="Most of that debt one call may repay, base units.")
    seize_raw: Whole | None = Field(description="Collateral received for it, base units.")
    max_repay_usd: Exact | None = Field(description="max_repay_raw, USD.")
    est_profit_usd: Exact | None = Field(description="Seized less repaid, USD, before gas, slippage and protocol fees.")
    health_factor_after: float | None = Field(
        description="Health factor after that, a ratio; null when no debt is left."
    )
    blocked_reason: str | None = Field(
        description="reserve_paused, reserve_inactive or grace_period; null when nothing known speaks against it."
    )
    oracle_block: int | None = Field(description="Block of the oldest price used; of liquidatable rows.")
    as_of_block: int = Field(
        description="Block at whose end this row is exact: the head for health factors below 1.05, perhaps an older one for the rest."
    )


class Bucket(OfDeployment):
    """Borrowers of a deployment by health factor, half-open."""

    bucket: str | None = Field(
        description="Interval of the health factor; null where none is known for want of a price."
    )
    n_accounts: int = Field(description="Borrowers in it.")
    n_unpriced: int = Field(description="Of them without a USD value, which the sums leave out.")
    debt_usd: Exact = Field(description="Their debt, USD.")
    collateral_usd: Exact = Field(description="Their collateral, USD.")
    oldest_block: int = Field(description="Oldest block that a row of it is exact as of.")


class Drop(OfDeployment):
    """What is liquidatable after a fall of the chosen assets, each position once."""

    drop: float = Field(description="Uniform fall, a ratio; 0 is now.")
    debt_usd: Exact = Field(description="Debt that is liquidatable then, USD at today's prices.")
    collateral_usd: Exact = Field(description="Collateral behind it, USD at today's prices.")
    n_positions: int = Field(description="Positions.")


class LiquidationLevel(Model):
    """Collateral of one asset whose owners become liquidatable in a bin of its price."""

    asset: Address = Field(description="The collateral.")
    symbol: str | None = Field(description="Its ERC-20 symbol.")
    price_low: Exact = Field(description="Lower end of the bin, USD, included.")
    price_high: Exact = Field(description="Upper end, USD, excluded.")
    collateral_amount: Exact = Field(description="Collateral in it, whole tokens.")
    collateral_usd: Exact | None = Field(description="The same, USD at today's price.")
    debt_usd: Exact | None = Field(description="Debt of its owners, USD.")
    n_positions: int = Field(description="Positions; each is in one bin.")
    price_usd: Exact | None = Field(description="Price today, USD.")


class Limit(OfDeployment):
    """M16: leverage allowed and used in a risk scope."""

    market_id: str | None = Field(description="Market where risk is isolated; null where it is pooled.")
    n_borrowers: int = Field(description="Borrowers.")
    n_over_limit: int = Field(description="Of them above their limit: legal after prices moved.")
    collateral_usd: Exact | None = Field(description="What backs their debt, USD.")
    debt_usd: Exact | None = Field(description="Debt with interest, USD.")
    assets_to_equity: float | None = Field(description="Collateral over collateral less debt, a multiple.")
    ltv_max: float | None = Field(description="LTV by value of collateral, e-mode applied, a ratio.")
    max_leverage: float | None = Field(description="1 / (1 - ltv_max), a multiple.")
    liquidation_leverage: float | None = Field(description="1 / (1 - liquidation threshold by value), a multiple.")
    limit_usage: float | None = Field(
        description="Leverage over its limit of each borrower, weighted by debt, a ratio."
    )
    headroom_usd: Exact | None = Field(description="What borrowers may still borrow by their collateral, USD.")
    available_usd: Exact | None = Field(description="What liquidity and borrow caps leave, USD.")
    borrow_headroom_usd: Exact | None = Field(description="The lesser of the two, USD.")
    supply_room_usd: Exact | None = Field(description="What supply caps leave, USD; null without caps.")
