"""Perpetual Protocol v2 (Curie): takers' positions and everybody's margin; makers' orders are noted, not valued.

Source   @perp/curie-contract 2.8.4 and 1.0.8 to 2.0.1: ClearingHouse, AccountBalance, Vault, MarketRegistry, Exchange
Units    base and quote 18 decimals, margin in base units of its token, prices 1e18, ratios 1e-6
Omits    makers' share of the pools and their pending fees, funding that is not settled yet, allowances, referrals
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from indexer.decode.abi import call, selector
from indexer.decode.layout import Events
from indexer.protocol import (
    Contract,
    Fact,
    Finds,
    MarketFacts,
    PerpActions,
    PriceFeed,
    Protocol,
    Wants,
    always,
    changes,
)
from indexer.protocols.perp_v2 import rules
from indexer.protocols.perp_v2.checks import checks
from indexer.units import WAD

# -------------------------------------------------------------------------------------------------------- positions


def position_changed(e: Events) -> Sequence[Fact]:
    sizes, notionals = e["exchangedPositionSize"], e["exchangedPositionNotional"]
    # nothing exchanged: the last word of a removal of liquidity
    kinds = ["trade" if size else "liquidity" for size in sizes]
    return [
        PerpActions(e, kinds, e["trader"], e["baseToken"], side=[side_of(size) for size in sizes], size=sizes,
                    price=list(map(price_of, notionals, sizes)), fee=e["fee"], pnl=e["realizedPnl"]),
        changes(e, rules.position_changed, e["baseToken"], e["trader"], sizes, notionals, e["fee"], e["openNotional"],
                e["realizedPnl"], e["sqrtPriceAfterX96"], e.tx_index, touches=_touches(e, "trader")),
    ]  # fmt: skip


def position_liquidated(e: Events) -> Sequence[Fact]:
    prices = list(map(price_of, e["positionNotional"], e["positionSize"]))
    return [
        PerpActions(e, "liquidation", e["trader"], e["baseToken"], size=e["positionSize"], price=prices,
                    fee=e["liquidationFee"], is_liquidation=True),
    ]  # fmt: skip


def position_closed(e: Events) -> Sequence[Fact]:
    sizes = e["closedPositionSize"]
    return [
        PerpActions(e, "decrease", e["trader"], e["baseToken"], side=[side_of(size) for size in sizes], size=sizes,
                    price=e["closedPrice"], pnl=e["realizedPnl"]),
        changes(e, rules.position_closed, e["baseToken"], e["trader"], sizes, e["openNotional"],
                touches=_touches(e, "trader")),
    ]  # fmt: skip


def liquidity_changed(e: Events) -> Sequence[Fact]:
    return [
        PerpActions(e, "liquidity", e["maker"], e["baseToken"], size=e["base"], fee=e["quoteFee"]),
        changes(e, rules.liquidity_changed, e["baseToken"], e["maker"], e["liquidity"], e.tx_index,
                touches=_touches(e, "maker")),
    ]  # fmt: skip


def funding_payment_settled(e: Events) -> Sequence[Fact]:
    return [PerpActions(e, "funding", e["trader"], e["baseToken"], funding=e["fundingPayment"])]


# ----------------------------------------------------------------------------------------------------------- margin


def pnl_realized(e: Events) -> Sequence[Fact]:
    return [
        PerpActions(e, "settle_pnl", e["trader"], pnl=e["amount"]),
        changes(e, rules.pnl_realized, e["trader"], e["amount"]),
    ]


def deposited(e: Events) -> Sequence[Fact]:
    token, trader = e["collateralToken"], e["trader"]
    return [
        PerpActions(e, "deposit", trader, token, margin_delta=e["amount"]),
        changes(e, rules.deposited, token, trader, e["amount"], touches=_margin_touches(e)),
    ]


def withdrawn(e: Events) -> Sequence[Fact]:
    token, trader = e["collateralToken"], e["trader"]
    return [
        Wants(e, token, selector("decimals()"), "decimals that owed pnl is settled in"),
        Wants(e, e.address, [call(rules.BALANCE, account) for account in trader], "balance after owed pnl was settled"),
        PerpActions(e, "withdraw", trader, token, margin_delta=minus(e["amount"])),
        changes(e, rules.withdrawn, token, trader, e["amount"], touches=_margin_touches(e)),
    ]


def collateral_liquidated(e: Events) -> Sequence[Fact]:
    trader, token, repaid = e["trader"], e["collateralToken"], e["repaidSettlementWithoutInsuranceFundFeeX10_S"]
    return [
        PerpActions(e, "liquidation", trader, token, margin_delta=minus(e["collateral"]), is_liquidation=True),
        PerpActions(e, "liquidation", trader, margin_delta=repaid, fee=e["insuranceFundFeeX10_S"], is_liquidation=True,
                    leg=1),
        changes(e, rules.collateral_liquidated, trader, token, e["collateral"], repaid, e["insuranceFundFeeX10_S"],
                touches=_margin_touches(e)),
    ]  # fmt: skip


def bad_debt_settled(e: Events) -> Sequence[Fact]:
    return [
        PerpActions(e, "bad_debt", e["trader"], margin_delta=e["amount"]),
        changes(e, rules.bad_debt_settled, e["trader"], e["amount"]),
    ]


# ------------------------------------------------------------------------------------------- listings and parameters


def pool_added(e: Events) -> Sequence[Fact]:
    return [
        Finds(e, "BaseToken", e["baseToken"]),
        changes(e, rules.pool_added, e["baseToken"], e["feeRatio"], e["pool"]),
    ]


def market_param(name: str, column: str, e: Events) -> Sequence[Fact]:
    return [changes(e, rules.market_param_set, e["baseToken"], always(name), e[column])]


def deployment_param(name: str, column: str, e: Events) -> Sequence[Fact]:
    return [changes(e, rules.deployment_param_set, always(name), e[column])]


def funding_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.twaps_told, e["baseToken"], e["marketTwap"], e["indexTwap"])]


def status_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.status_updated, e["status"])]


def price_feed_changed(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.price_feed_changed, e["priceFeed"])]


def collateral_manager_changed(e: Events) -> Sequence[Fact]:
    return [Finds(e, "CollateralManager", e["collateralManager"])]


def collateral_added(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.collateral_added, e["token"], e["collateralRatio"], e["discountRatio"], e["priceFeed"])]


def collateral_ratio_changed(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.collateral_ratio_changed, e["token"], e["collateralRatio"])]


# ---------------------------------------------------------------------------------------------------------- helpers


def side_of(size: int) -> str | None:
    """Return the side of a signed size, None for nothing."""
    return "long" if size > 0 else "short" if size < 0 else None


def price_of(notional: int, size: int) -> int | None:
    """Return quote per base, 1e18, floored; None for nothing."""
    return abs(notional) * WAD // abs(size) if size else None


def minus(values: Sequence[int]) -> list[int]:
    """Return the values negated."""
    return [-value for value in values]


def _touches(e: Events, account: str) -> list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]:
    markets = list(zip(e.address, e["baseToken"], strict=True))
    return [(markets, e[account], side) for side in (rules.LONG, rules.SHORT)]


def _margin_touches(e: Events) -> list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]:
    markets = list(zip(e.address, e["collateralToken"], strict=True))
    return [(markets, e["trader"], side) for side in (rules.MARGIN, rules.DEBT)]


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return the index price of every base token at its last second: USD, in the token's own decimals."""

    def feed(base: str, decimals: int | None) -> PriceFeed:
        unit = None if decimals is None else 10**decimals
        return PriceFeed(base, call("getIndexPrice(uint256)", 0), base, unit, "usd")

    bases = [listing.asset for listing in facts.listings.values() if listing.accounting == rules.TAKERS]
    return [feed(base, facts.decimals.get(base)) for base in bases]


PROTOCOL = Protocol(
    slug="perp_v2",
    project="perpetual",
    version="2",
    kind="perp",
    contracts=[
        Contract("ClearingHouse", {
            "PositionChanged": position_changed, "PositionLiquidated": position_liquidated,
            "PositionClosed": position_closed, "LiquidityChanged": liquidity_changed,
            "FundingPaymentSettled": funding_payment_settled,
        }),
        Contract("AccountBalance", {"PnlRealized": pnl_realized}),
        Contract("Vault", {
            "Deposited": deposited, "Withdrawn": withdrawn, "CollateralLiquidated": collateral_liquidated,
            "BadDebtSettled": bad_debt_settled, "CollateralManagerChanged": collateral_manager_changed,
        }),
        Contract("MarketRegistry", {
            "PoolAdded": pool_added,
            "FeeRatioChanged": partial(market_param, "fee_ratio", "feeRatio"),
            "InsuranceFundFeeRatioChanged": partial(market_param, "insurance_fund_fee_ratio", "feeRatio"),
        }),
        Contract("Exchange", {"FundingUpdated": funding_updated}),
        Contract("CollateralManager", {
            "CollateralAdded": collateral_added, "CollateralRatioChanged": collateral_ratio_changed,
        }),
        Contract("ClearingHouseConfig", {
            "LiquidationPenaltyRatioChanged":
                partial(deployment_param, "liquidation_penalty_ratio", "liquidationPenaltyRatio"),
            "MaxFundingRateChanged": partial(deployment_param, "max_funding_rate", "rate"),
        }),
        Contract("BaseToken", {"StatusUpdated": status_updated, "PriceFeedChanged": price_feed_changed}),
    ],
    required=("ClearingHouse", "AccountBalance", "Vault", "MarketRegistry", "InsuranceFund"),
    feeds=feeds,
    checks=checks,
    proven="takers and margin of 2.8.4 on recordings, to the wei; makers' orders are not valued",
)  # fmt: skip
