"""Markets, accounts, risk and events: one row each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import AccountStatus, Address, Exact, Hash, Model, OfDeployment, PairClass, Side, Time, Whole


class Market(OfDeployment):
    """One market: an Aave reserve, a Morpho market. Interest is extrapolated to the block's own second."""

    market_id: str = Field(description="Readable id: slug, chain id, native id.")
    accounting: str = Field(description="Family of index mathematics.")
    regime: str | None = Field(description="Rules in force at the block.")
    asset: Address = Field(description="Asset supplied and borrowed (Morpho: the loan token).")
    symbol: str | None = Field(description="Its ERC-20 symbol.")
    decimals: int | None = Field(description="Its ERC-20 decimals; amounts are null when unknown.")
    collateral_asset: Address | None = Field(description="Morpho: the collateral token.")
    collateral_symbol: str | None = Field(description="Its ERC-20 symbol.")
    supply_token: Address | None = Field(description="Receipt token (aToken).")
    debt_token: Address | None = Field(description="Debt token.")
    oracle: Address | None = Field(description="Price oracle.")
    irm: Address | None = Field(description="Morpho: interest rate model.")
    supply_index_raw: Whole | None = Field(description="Aave liquidity index, ray (1e27).")
    debt_index_raw: Whole | None = Field(description="Aave variable borrow index, ray (1e27).")
    total_supply_raw: Whole | None = Field(description="All supplied, base units of the asset.")
    total_debt_raw: Whole | None = Field(description="All owed, base units of the asset.")
    supply_shares_raw: Whole | None = Field(description="All supply shares, base units that do not grow with interest.")
    debt_shares_raw: Whole | None = Field(description="All debt shares, base units that do not grow with interest.")
    supply_rate_raw: Whole | None = Field(description="Supply rate in the protocol's unit (Aave ray a year).")
    debt_rate_raw: Whole | None = Field(
        description="Borrow rate in the protocol's unit (Aave ray a year, Morpho WAD a second)."
    )
    rate_at_target_raw: Whole | None = Field(description="Morpho adaptive curve: rate at target, WAD a second.")
    fee_raw: Whole | None = Field(description="Morpho fee, WAD (1e18).")
    total_supply: Exact | None = Field(description="All supplied, whole tokens.")
    total_debt: Exact | None = Field(description="All owed, whole tokens.")
    total_supply_usd: Exact | None = Field(description="All supplied, USD.")
    total_debt_usd: Exact | None = Field(description="All owed, USD.")
    utilization: float | None = Field(description="Debt over supply, a ratio.")
    ltv_max: float | None = Field(description="Most debt over collateral at borrowing, a ratio.")
    liquidation_threshold: float | None = Field(
        description="Debt over collateral at which liquidation begins, a ratio."
    )
    liquidation_bonus: float | None = Field(description="What a liquidator gets on top, a ratio (0.05 is 5 %).")
    lltv_raw: Whole | None = Field(description="Morpho LLTV, WAD (1e18).")
    reserve_factor: float | None = Field(description="Aave: share of interest kept, a ratio.")
    supply_cap: Whole | None = Field(description="Aave: cap in whole tokens, 0 for none.")
    borrow_cap: Whole | None = Field(description="Aave: cap in whole tokens, 0 for none.")
    debt_ceiling: Whole | None = Field(description="Aave isolation mode: debt ceiling, USD cents; 0 for none.")
    is_active: bool | None = Field(description="Aave reserve flag.")
    is_frozen: bool | None = Field(description="Aave reserve flag.")
    is_paused: bool | None = Field(description="Aave reserve flag.")
    borrowing_enabled: bool | None = Field(description="Aave reserve flag.")
    flash_loan_enabled: bool | None = Field(description="Aave reserve flag.")
    price_usd: Exact | None = Field(description="Oracle price of one whole asset, USD.")
    price_block: int | None = Field(description="Block at which that price was seen.")
    collateral_price_usd: Exact | None = Field(description="Oracle price of one whole collateral token, USD.")
    oracle_price_raw: Whole | None = Field(
        description="The oracle's own integer, in its own unit, by which the protocol decides."
    )
    oracle_price_block: int | None = Field(description="Block at which that integer was seen.")
    listed_block: int = Field(description="Block in which the market was listed.")
    as_of_block: int = Field(description="Block at whose end this holds.")


# ---------------------------------------------------------------------------------------------------- accounts


class Health(OfDeployment):
    """An account in one risk scope: a deployment where collateral is pooled, a market where it is not."""

    market_id: str | None = Field(
        description="Market where risk is isolated; null where it is pooled over the deployment."
    )
    account: Address = Field(description="The debtor.")
    status: AccountStatus = Field(
        description="no_debt, ok, zero_equity, insolvent, or unpriced when a price is missing."
    )
    collateral_usd: Exact | None = Field(description="Value of what backs debt, USD; null when unpriced.")
    debt_usd: Exact | None = Field(description="Debt with interest to this block, USD; null when unpriced.")
    health_factor: float | None = Field(
        description="Threshold-weighted collateral over debt, a ratio; null without debt or when unpriced."
    )
    health_factor_raw: Whole | None = Field(description="The same as the contract states it, 1e18; null as above.")
    is_liquidatable: bool | None = Field(description="Whether the contract would let it be liquidated at this block.")
    total_collateral_base_raw: Whole | None = Field(
        description="Aave getUserAccountData, base currency units (1e8 a USD)."
    )
    total_debt_base_raw: Whole | None = Field(description="Aave getUserAccountData, base currency units.")
    available_borrows_base_raw: Whole | None = Field(description="Aave getUserAccountData, base currency units.")
    current_liquidation_threshold_bps: int | None = Field(description="Aave getUserAccountData, 1/10000.")
    ltv_bps: int | None = Field(
        description="Aave getUserAccountData: most that may be borrowed, 1/10000 of collateral."
    )
    max_borrow_raw: Whole | None = Field(
        description="Morpho: most debt that keeps it healthy, base units of the loan token."
    )
    debt_raw: Whole | None = Field(description="Morpho: debt, base units of the loan token.")
    emode: int | None = Field(description="Aave e-mode category, 0 for none.")
    collateral_assets: list[Address] | None = Field(description="Assets that back debt.")
    debt_assets: list[Address] | None = Field(description="Assets owed.")
    liquidation_bonus_bps: int | None = Field(description="Discount a liquidator gets, 1/10000 (10500 is 5 %).")


class AccountLeverage(OfDeployment):
    """Leverage of an account in one risk scope."""

    market_id: str | None = Field(
        description="Market where risk is isolated; null where it is pooled over the deployment."
    )
    account: Address = Field(description="The account.")
    status: AccountStatus = Field(description="Ratios are null unless ok or no_debt.")
    collateral_usd: Exact | None = Field(description="Value of what backs debt, USD.")
    assets_usd: Exact | None = Field(description="Value of everything supplied (A), USD.")
    debt_usd: Exact | None = Field(description="Debt with interest to this block (D), USD.")
    equity_usd: Exact | None = Field(description="A - D, USD.")
    assets_to_equity: float | None = Field(description="A / E, a ratio: the leverage.")
    debt_to_equity: float | None = Field(description="D / E, a ratio.")
    ltv: float | None = Field(description="D / A, a ratio.")
    health_factor: float | None = Field(description="Threshold-weighted collateral over debt, a ratio.")
    pair_class: PairClass | None = Field(description="How collateral and debt move together.")


class Position(OfDeployment):
    """One balance: an account on one side of one market."""

    market_id: str = Field(description="Market.")
    account: Address = Field(description="Who the protocol books.")
    owner: Address = Field(description="Who is behind the account, as far as known; else the account.")
    side: Side
    asset: Address = Field(description="Asset held or owed.")
    symbol: str | None = Field(description="Its ERC-20 symbol.")
    shares_raw: Whole = Field(description="Balance in units that do not grow with interest.")
    amount_raw: Whole | None = Field(description="What the contract's own balance view returns, base units.")
    amount: Exact | None = Field(description="The same in whole tokens; null when decimals are unknown.")
    price_usd: Exact | None = Field(description="Oracle price of one whole token, USD; null when there is none.")
    amount_usd: Exact | None = Field(description="amount x price, USD; null when either is.")
    is_collateral: bool = Field(description="Whether it backs debt.")
    as_of_block: int = Field(description="Block at whose end this holds.")


# ------------------------------------------------------------------------------------------------ aggregates


class ProtocolLeverage(OfDeployment):
    """Leverage of a deployment over one population of accounts: a ratio of sums."""

    population: Literal["borrowers", "all"] = Field(
        description="borrowers: debt and positive equity; all: with pure suppliers."
    )
    assets_usd: Exact = Field(description="Sum of assets, USD.")
    debt_usd: Exact = Field(description="Sum of debts, USD.")
    equity_usd: Exact = Field(description="Sum of equities, USD.")
    leverage: float | None = Field(description="Assets over equity, a ratio; null without equity.")
    n_ok: int = Field(description="Accounts counted in the sums.")
    n_zero_equity: int = Field(description="Accounts with debt and no equity; not in the sums.")
    n_insolvent: int = Field(description="Accounts that owe more than they have; not in the sums.")
    n_unpriced: int = Field(description="Accounts with a leg that has no price; not in the sums.")
    latent_bad_debt_usd: Exact = Field(description="What insolvent accounts owe beyond their assets, USD.")
    as_of_block: int = Field(description="Block at whose end this holds.")
    as_of_time: Time = Field(description="Its timestamp.")


class Liquidation(Model):
    """A liquidation: debt repaid by the liquidator, collateral taken for it."""

    protocol: str = Field(description="Protocol slug.")
    blockchain: str = Field(description="Chain name.")
    project: str = Field(description="Dune's project.")
    version: str = Field(description="Dune's version.")
    deployment: str = Field(description="Deployment name.")
    market_id: str | None = Field(description="Market of the debt.")
    collateral_market_id: str | None = Field(description="Market of the collateral.")
    borrower: Address | None = Field(description="Who was liquidated.")
    liquidator: Address | None = Field(description="Who liquidated.")
    debt_token: Address | None = Field(description="Asset repaid.")
    debt_symbol: str | None = Field(description="Its ERC-20 symbol.")
    debt_repaid_raw: Whole | None = Field(description="Repaid, base units.")
    debt_repaid: Exact | None = Field(description="Repaid, whole tokens.")
    debt_repaid_usd: Exact | None = Field(description="Repaid, USD at the block of the event.")
    collateral_token: Address | None = Field(description="Asset taken.")
    collateral_symbol: str | None = Field(description="Its ERC-20 symbol.")
    collateral_seized_raw: Whole | None = Field(description="Taken, base units.")
    collateral_seized: Exact | None = Field(description="Taken, whole tokens.")
    collateral_seized_usd: Exact | None = Field(description="Taken, USD at the block of the event.")
    bonus: float | None = Field(description="Taken over repaid, less 1, in USD: a ratio.")
    profit_usd: Exact | None = Field(description="Taken less repaid, USD, before gas and slippage.")
    bad_debt_usd: Exact | None = Field(description="Debt written off with it, USD.")
    block_number: int = Field(description="Block of the event.")
    block_time: Time | None = Field(description="Its timestamp.")
    tx_hash: Hash = Field(description="Transaction.")
    tx_index: int = Field(description="Index of the transaction within the block.")
    evt_index: int = Field(description="Index of the log within the block.")
    project_contract_address: Address = Field(description="Contract that emitted it.")


class ParamChange(OfDeployment):
    """A parameter took a new value."""

    market_id: str | None = Field(description="Market, null for a parameter of the whole deployment.")
    name: str = Field(description="Parameter, e.g. liquidation_threshold_bps.")
    qualifier: str = Field(description="What it is for within the subject, e.g. an e-mode category; empty for none.")
    value_raw: Whole | None = Field(description="Number in the protocol's own unit.")
    value_text: str | None = Field(description="Address or label.")
    block_number: int = Field(description="Block from whose end on it holds.")
    block_time: Time | None = Field(description="Its timestamp.")
    evt_index: int = Field(description="Index of the log within the block; -1 for a node read.")
