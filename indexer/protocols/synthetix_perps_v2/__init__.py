"""Synthetix Perps v2: absolute positions and margin of every market, the funding sequence, risk parameters.

Source   github.com/Synthetixio/synthetix: PerpsV2MarketProxyable, PerpsV2MarketLiquidate, PerpsV2MarketSettings,
         FuturesMarketManager; the older forms from v2.84
Units    size, margin (sUSD), prices, rates and fees 1e18; funding is sUSD per unit of size, 1e18
Omits    delayed orders (intentions; their deposits show in the margin), tracking codes, the older futures markets
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from itertools import compress
from typing import Any

from indexer.decode.abi import selector
from indexer.decode.layout import Events
from indexer.protocol import (
    Contract,
    Fact,
    Finds,
    MarketFacts,
    PerpActions,
    PriceFeed,
    Protocol,
    always,
    changes,
)
from indexer.protocols.synthetix_perps_v2 import rules
from indexer.protocols.synthetix_perps_v2.checks import checks
from indexer.units import WAD

# -------------------------------------------------------------------------------------------------------- positions


def position_modified(e: Events) -> Sequence[Fact]:
    touches = [
        (list(zip(e.address, e.address, strict=True)), e["account"], side)
        for side in (rules.LONG, rules.SHORT, rules.MARGIN)
    ]
    return [
        # nothing traded: margin moved (MarginTransferred tells), an order's deposit, or the end of a liquidation
        _trades(rows_where(e, [size != 0 for size in e["tradeSize"]])),
        changes(e, rules.position_modified, e["account"], e["id"], e["margin"], e["size"], e["lastPrice"],
                e["fundingIndex"], e.columns.get("skew") or always(None), touches=touches),
    ]  # fmt: skip


def _trades(e: Events) -> PerpActions:
    sizes = e["tradeSize"]
    return PerpActions(e, "trade", e["account"], e.address, side=[side_of(size) for size in sizes], size=sizes,
                       price=e["lastPrice"], fee=e["fee"])  # fmt: skip


def margin_transferred(e: Events) -> Sequence[Fact]:
    # the margin itself is in the PositionModified of the same call
    kinds = ["deposit" if amount > 0 else "withdraw" for amount in e["marginDelta"]]
    return [PerpActions(e, kinds, e["account"], e.address, margin_delta=e["marginDelta"])]


def position_flagged(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.position_flagged, e["account"])]


def position_liquidated(e: Events) -> Sequence[Fact]:
    fees = [e[name] for name in ("fee", "flaggerFee", "liquidatorFee", "stakersFee") if name in e.columns]
    sold = [-size for size in e["size"]]
    return [
        PerpActions(e, "liquidation", e["account"], e.address, side=[side_of(size) for size in sold], size=sold,
                    price=e["price"], fee=list(map(sum, zip(*fees, strict=True))), is_liquidation=True),
    ]  # fmt: skip


def funding_recomputed(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.funding_recomputed, e["funding"], e["fundingRate"], e["index"], e["timestamp"])]


# ------------------------------------------------------------------------------------------- listings and parameters


def market_added(e: Events) -> Sequence[Fact]:
    proxies = [market if is_perps(key) else "" for market, key in zip(e["market"], labels(e["marketKey"]), strict=True)]
    return [
        Finds(e, "PerpsV2Proxy", proxies),
        changes(e, rules.market_added, proxies, labels(e["asset"]), labels(e["marketKey"])),
    ]


def market_removed(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.market_removed, e["market"])]


def parameter_updated(e: Events) -> Sequence[Fact]:
    names = [snake(name) for name in labels(e["parameter"])]
    return [changes(e, rules.parameter_set, names, labels(e["marketKey"]), e["value"])]


def global_parameter(name: str, column: str, e: Events) -> Sequence[Fact]:
    return [changes(e, rules.parameter_set, always(name), always(""), e[column])]


# ---------------------------------------------------------------------------------------------------------- helpers


def side_of(size: int) -> str | None:
    """Return the side of a signed size, None for nothing."""
    return "long" if size > 0 else "short" if size < 0 else None


def is_perps(market_key: str) -> bool:
    """Return whether a manager's market is of Perps v2: the older futures have keys like sETH, these sETHPERP."""
    return market_key.endswith("PERP")


def labels(words: Sequence[str]) -> list[str]:
    """Return bytes32 labels as text."""
    return [bytes.fromhex(word[2:]).rstrip(b"\0").decode("ascii", "replace") for word in words]


def snake(name: str) -> str:
    """Return a parameter's name as tables spell it: maxFundingVelocity becomes max_funding_velocity."""
    return re.sub(r"(?<=[a-z])([A-Z]+)", lambda found: "_" + found[1].lower(), name)


def rows_where(e: Events, keep: Sequence[bool]) -> Events:
    """Return the rows of a batch that are to be kept."""

    def of(column: list[Any]) -> list[Any]:
        return list(compress(column, keep))

    columns = {name: of(column) for name, column in e.columns.items()}
    return Events(e.name, of(e.block_number), of(e.log_index), of(e.tx_index), of(e.tx_hash), of(e.address), columns)


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return each market's own price: USD of one unit of size. Whether the contract calls it invalid is not kept."""
    proxies = [listing.asset for listing in facts.listings.values()]
    return [PriceFeed(proxy, selector("assetPrice()"), proxy, WAD, "usd") for proxy in proxies]


MANAGER = {"MarketAdded": market_added, "MarketRemoved": market_removed}

PROTOCOL = Protocol(
    slug="synthetix_perps_v2",
    project="synthetix",
    version="2",
    kind="perp",
    contracts=[
        Contract("PerpsV2Proxy", {
            "PositionModified": position_modified, "PositionLiquidated": position_liquidated,
            "PositionFlagged": position_flagged, "MarginTransferred": margin_transferred,
            "FundingRecomputed": funding_recomputed,
        }),
        Contract("FuturesMarketManager", MANAGER),
        Contract("LegacyFuturesMarketManager", MANAGER),
        Contract("PerpsV2MarketSettings", {
            "ParameterUpdated": parameter_updated,
            "MinKeeperFeeUpdated": partial(global_parameter, "min_keeper_fee", "sUSD"),
            "MaxKeeperFeeUpdated": partial(global_parameter, "max_keeper_fee", "sUSD"),
            "LiquidationFeeRatioUpdated": partial(global_parameter, "liquidation_fee_ratio", "bps"),
            "LiquidationBufferRatioUpdated": partial(global_parameter, "liquidation_buffer_ratio", "bps"),
            "MinInitialMarginUpdated": partial(global_parameter, "min_initial_margin", "minMargin"),
            "KeeperLiquidationFeeUpdated": partial(global_parameter, "keeper_liquidation_fee", "keeperFee"),
        }),
    ],
    required=("FuturesMarketManager", "PerpsV2MarketSettings", "SynthsUSD"),
    feeds=feeds,
    checks=checks,
    proven="",
)  # fmt: skip
