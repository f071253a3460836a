"""GMX v1 (Vault): every position's size and collateral in USD, the pools behind them, and the borrow fee's accumulator.

Source   gmx-contracts contracts/core/Vault.sol
Units    size, collateral, profit and prices USD 1e30 (a price: of one whole token); funding rates 1e-6; pools in base units
Omits    profit, fees since the last hourly update, health, GLP holders, global shorts, swaps, requests
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from indexer.decode.abi import call
from indexer.decode.layout import Events
from indexer.protocol import Contract, Fact, MarketFacts, PerpActions, PriceFeed, Protocol, always, changes
from indexer.protocols.gmx_v1 import rules
from indexer.protocols.gmx_v1.checks import checks
from indexer.protocols.gmx_v1.rules import position_id

# -------------------------------------------------------------------------------------------------------- positions


def position_increased(e: Events) -> Sequence[Fact]:
    kinds = ["increase" if size else "deposit" for size in e["sizeDelta"]]
    return [
        PerpActions(e, kinds, e["account"], _markets(e), side=_sides(e), size=_signed(e, e["sizeDelta"], 1),
                    price=e["price"], margin_delta=e["collateralDelta"], fee=e["fee"]),
        changes(e, rules.position_increased, e["key"], e["account"], e["collateralToken"], e["indexToken"], _sides(e),
                e["sizeDelta"], e["collateralDelta"], e["fee"], touches=_touches(e)),
    ]  # fmt: skip


def position_decreased(e: Events) -> Sequence[Fact]:
    kinds = ["decrease" if size else "withdraw" for size in e["sizeDelta"]]
    return [
        PerpActions(e, kinds, e["account"], _markets(e), side=_sides(e), size=_signed(e, e["sizeDelta"], -1),
                    price=e["price"], margin_delta=[-amount for amount in e["collateralDelta"]], fee=e["fee"]),
        changes(e, rules.position_decreased, e["key"], e["account"], e["collateralToken"], e["indexToken"], _sides(e),
                e["sizeDelta"], touches=_touches(e)),
    ]  # fmt: skip


def position_updated(e: Events) -> Sequence[Fact]:
    return [
        changes(e, rules.position_updated, e["key"], e["size"], e["collateral"], e["averagePrice"], e["entryFundingRate"],
                e["reserveAmount"], e["realisedPnl"]),
    ]  # fmt: skip


def position_closed(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.position_closed, e["key"], e["size"])]


def position_liquidated(e: Events) -> Sequence[Fact]:
    return [
        PerpActions(e, "liquidation", e["account"], _markets(e), side=_sides(e), size=_signed(e, e["size"], -1),
                    price=e["markPrice"], margin_delta=[-amount for amount in e["collateral"]], is_liquidation=True),
        changes(e, rules.position_liquidated, e["account"], e["collateralToken"], e["indexToken"], _sides(e), e["size"],
                touches=_touches(e)),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ pools


def funding_rate_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.funding_rate_told, e["token"], e["fundingRate"])]


def pool_moved(name: str, sign: int) -> Callable[[Events], Sequence[Fact]]:
    """Return the handler of a token's total that events move up or down."""

    def handle(e: Events) -> Sequence[Fact]:
        return [changes(e, rules.pool_moved, e["token"], always(name), [sign * amount for amount in e["amount"]])]

    return handle


# ---------------------------------------------------------------------------------------------------------- helpers


def _sides(e: Events) -> list[str]:
    return ["long" if is_long else "short" for is_long in e["isLong"]]


def _markets(e: Events) -> list[str]:
    return list(map(position_id, e["collateralToken"], e["indexToken"]))


def _signed(e: Events, sizes: Sequence[int], sign: int) -> list[int]:
    """Return what was bought positive: a long that grows, a short that shrinks."""
    return [sign * size if is_long else -sign * size for size, is_long in zip(sizes, e["isLong"], strict=True)]


def _touches(e: Events) -> list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]:
    markets = list(zip(e.address, _markets(e), strict=True))
    return [(markets, e["account"], side) for side in ("long", "short", "margin")]


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return the price that a long is closed at, of every token that the vault is known to hold or follow."""
    tokens = {
        (listing.oracle, token)
        for listing in facts.listings.values()
        for token in (listing.asset, listing.collateral_asset)
        if listing.oracle and token
    }
    return [
        PriceFeed(vault, call("getMinPrice(address)", token), token, rules.USD, "usd")
        for vault, token in sorted(tokens)
    ]


PROTOCOL = Protocol(
    slug="gmx_v1",
    project="gmx",
    version="1",
    kind="perp",
    contracts=[
        Contract("Vault", {
            "IncreasePosition": position_increased, "DecreasePosition": position_decreased,
            "UpdatePosition": position_updated, "ClosePosition": position_closed,
            "LiquidatePosition": position_liquidated, "UpdateFundingRate": funding_rate_updated,
            "IncreasePoolAmount": pool_moved("pool_amount", 1), "DecreasePoolAmount": pool_moved("pool_amount", -1),
            "IncreaseReservedAmount": pool_moved("reserved_amount", 1),
            "DecreaseReservedAmount": pool_moved("reserved_amount", -1),
            "IncreaseGuaranteedUsd": pool_moved("guaranteed_usd", 1),
            "DecreaseGuaranteedUsd": pool_moved("guaranteed_usd", -1),
        }),
    ],
    required=("Vault",),
    feeds=feeds,
    checks=checks,
    proven="",
)  # fmt: skip
