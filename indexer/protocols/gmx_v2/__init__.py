"""GMX v2 (Synthetics): every position, open interest, the fee accumulators, and the oracle's prices at execution.

Source   gmx-synthetics: EventEmitter, PositionEventUtils, MarketEventUtils, MarketFactory, Oracle, PositionUtils
Units    size in base units of the index token and in USD 1e30, collateral and pools in base units of their token,
         prices USD 1e30 a base unit, borrowing factors 1e30
Omits    fees that grew since the last update, pending price impact, claimable funding and collateral, orders, GM and GLV
         holders, config
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from indexer.decode.abi import selector
from indexer.decode.layout import Events
from indexer.protocol import Contract, Fact, PerpActions, Protocol, Wants, always, changes
from indexer.protocols.gmx_v2 import rules
from indexer.protocols.gmx_v2.checks import checks
from indexer.protocols.gmx_v2.eventlog import pick, split
from indexer.protocols.gmx_v2.rules import margin_id, position_id
from indexer.units import ZERO_ADDRESS

LIQUIDATION = 7
"""Order.OrderType.Liquidation."""

# -------------------------------------------------------------------------------------------------------- positions

_POSITION = (
    "account", "market", "collateralToken", "isLong", "sizeInUsd", "sizeInTokens", "collateralAmount", "borrowingFactor",
    "fundingFeeAmountPerSize", "longTokenClaimableFundingAmountPerSize", "shortTokenClaimableFundingAmountPerSize",
    "executionPrice", "sizeDeltaUsd", "sizeDeltaInTokens", "collateralDeltaAmount", "orderType",
)  # fmt: skip


def position_increased(e: Events) -> Sequence[Fact]:
    sizes = _signed_sizes(e, 1)
    return [
        PerpActions(e, "increase", e["account"], _positions(e), side=_sides(e), size=sizes, price=e["executionPrice"],
                    margin_delta=e["collateralDeltaAmount"]),
        _position_set(e, e["sizeDeltaUsd"], e["sizeDeltaInTokens"]),
    ]  # fmt: skip


def position_decreased(e: Events) -> Sequence[Fact]:
    return [
        _decrease("decrease", _of_kind(e, False)),
        _decrease("liquidation", _of_kind(e, True)),
        _position_set(e, _minus(e["sizeDeltaUsd"]), _minus(e["sizeDeltaInTokens"])),
    ]


def _decrease(action: str, e: Events) -> Fact:
    return PerpActions(
        e, action, e["account"], _positions(e), side=_sides(e), size=_signed_sizes(e, -1), price=e["executionPrice"],
        margin_delta=_minus(e["collateralDeltaAmount"]), pnl=e["basePnlUsd"], is_liquidation=action == "liquidation",
    )  # fmt: skip


def _position_set(e: Events, usd: Sequence[int], tokens: Sequence[int]) -> Fact:
    positions = list(zip(e.address, _positions(e), strict=True))
    margins = list(zip(e.address, map(margin_id, e["market"], e["collateralToken"], _sides(e)), strict=True))
    return changes(
        e, rules.position_set, e["market"], e["collateralToken"], e["account"], _sides(e), e["sizeInUsd"],
        e["sizeInTokens"], e["collateralAmount"], e["borrowingFactor"], e["fundingFeeAmountPerSize"],
        e["longTokenClaimableFundingAmountPerSize"], e["shortTokenClaimableFundingAmountPerSize"], usd, tokens,
        touches=[(positions, e["account"], "long"), (positions, e["account"], "short"), (margins, e["account"], "margin")],
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- markets


def market_created(e: Events) -> Sequence[Fact]:
    tokens = [e[role] for role in ("indexToken", "longToken", "shortToken")]
    return [
        *(
            # a market for swaps only has no index token
            Wants(
                e,
                [to if to != ZERO_ADDRESS else "" for to in token],
                selector("decimals()"),
                "decimals of a priced token",
            )
            for token in tokens
        ),
        changes(e, rules.market_created, e["marketToken"], *tokens),
    ]


def side_total(name: str) -> Callable[[Events], Sequence[Fact]]:
    """Return the handler of a total that is kept per market, collateral token and side, and summed per market."""

    def handle(e: Events) -> Sequence[Fact]:
        return [
            changes(e, rules.side_total_told, e["market"], e["collateralToken"], _sides(e), always(name), e["delta"],
                    e["nextValue"]),
        ]  # fmt: skip

    return handle


def per_size(name: str) -> Callable[[Events], Sequence[Fact]]:
    """Return the handler of an accumulator per market, collateral token and side."""

    def handle(e: Events) -> Sequence[Fact]:
        return [changes(e, rules.per_size_told, e["market"], e["collateralToken"], _sides(e), always(name), e["value"])]

    return handle


def borrowing_factor_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.borrowing_factor_told, e["market"], _sides(e), e["nextValue"])]


def pool_amount_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.pool_amount_told, e["market"], e["token"], e["nextValue"])]


def impact_pool_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.impact_pool_told, e["market"], e["nextValue"])]


def oracle_price_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.price_told, e["token"], e["minPrice"], e["maxPrice"])]


# ---------------------------------------------------------------------------------------------------------- helpers


def _sides(e: Events) -> list[str]:
    return ["long" if is_long else "short" for is_long in e["isLong"]]


def _positions(e: Events) -> list[str]:
    return list(map(position_id, e["market"], e["collateralToken"]))


def _signed_sizes(e: Events, sign: int) -> list[int]:
    """Return the base amounts that moved, positive for what was bought: a long that grows, a short that shrinks."""
    return [
        sign * size if is_long else -sign * size
        for size, is_long in zip(e["sizeDeltaInTokens"], e["isLong"], strict=True)
    ]


def _minus(values: Sequence[int]) -> list[int]:
    return [-value for value in values]


def _of_kind(e: Events, liquidations: bool) -> Events:
    rows = [n for n, kind in enumerate(e["orderType"]) if (kind == LIQUIDATION) is liquidations]
    return pick(e, rows, e.name, {key: [column[n] for n in rows] for key, column in e.columns.items()})


_SIDE = ("market", "collateralToken", "isLong")

NAMED: Mapping[str, tuple[Callable[[Events], Sequence[Fact]], Sequence[str]]] = {
    "MarketCreated": (market_created, ("marketToken", "indexToken", "longToken", "shortToken")),
    "PositionIncrease": (position_increased, _POSITION),
    "PositionDecrease": (position_decreased, (*_POSITION, "basePnlUsd?")),
    "OpenInterestUpdated": (side_total("open_interest"), (*_SIDE, "delta", "nextValue")),
    "OpenInterestInTokensUpdated": (side_total("open_interest_in_tokens"), (*_SIDE, "delta", "nextValue")),
    "CollateralSumUpdated": (side_total("collateral"), (*_SIDE, "delta", "nextValue")),
    "FundingFeeAmountPerSizeUpdated": (per_size("funding_fee_per_size"), (*_SIDE, "value")),
    "ClaimableFundingAmountPerSizeUpdated": (per_size("claimable_funding_per_size"), (*_SIDE, "value")),
    "CumulativeBorrowingFactorUpdated": (borrowing_factor_updated, ("market", "isLong", "nextValue")),
    "PoolAmountUpdated": (pool_amount_updated, ("market", "token", "nextValue")),
    "PositionImpactPoolAmountUpdated": (impact_pool_updated, ("market", "nextValue")),
    "OraclePriceUpdate": (oracle_price_updated, ("token", "minPrice", "maxPrice")),
}
"""Handlers by event name, with the keys that each reads. A name that is not here is not decoded."""


def logged(e: Events) -> Sequence[Fact]:
    """Read the packed logs of the names above."""
    wanted = {name: keys for name, (_, keys) in NAMED.items()}
    return [fact for part in split(e, wanted) for fact in NAMED[part.name][0](part)]


PROTOCOL = Protocol(
    slug="gmx_v2",
    project="gmx",
    version="2",
    kind="perp",
    contracts=[Contract("EventEmitter", {"EventLog1": logged})],
    required=("EventEmitter",),
    checks=checks,
    proven="",
)
