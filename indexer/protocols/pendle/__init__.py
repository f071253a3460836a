"""Pendle: a principal token pays one of the asset at its expiry; before, its market says by what yearly rate it is discounted.

Source   pendle-finance/pendle-core-v2-public PendleYieldContractFactory, PendleMarketFactory, PendleMarket, MarketMathCore
Units    ln rate WAD a year of 365 days; one PT in base units of the asset of its SY
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Contract, Fact, Finds, Protocol, Wants, changes
from indexer.protocols.pendle import rules


def create_yield_contract(e: Events) -> Sequence[Fact]:
    return [
        Wants(e, e["SY"], rules.ASSET_INFO, "asset of a standardized yield token"),
        changes(e, rules.yield_contract, e["SY"], e["expiry"], e["PT"], e["YT"]),
    ]


def create_new_market(e: Events) -> Sequence[Fact]:
    return [Finds(e, "Market", e["market"]), changes(e, rules.new_market, e["market"], e["PT"])]


def update_implied_rate(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.implied_rate, e["lnLastImpliedRate"])]


PROTOCOL = Protocol(
    slug="pendle",
    project="pendle",
    version="2",
    kind="link",
    contracts=[
        Contract("YieldContractFactory", {"CreateYieldContract": create_yield_contract}),
        Contract("MarketFactory", {"CreateNewMarket": create_new_market}),
        Contract("Market", {"UpdateImpliedRate": update_implied_rate}),
    ],
    required=("YieldContractFactory",),
)
