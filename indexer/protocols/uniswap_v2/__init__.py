"""Pairs in the manner of Uniswap v2: a share is a claim on both reserves, each reserve / total supply.

Source   Uniswap/v2-core UniswapV2Factory, UniswapV2Pair, UniswapV2ERC20
Units    base units of each reserve for one base unit of the share
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Contract, Fact, Finds, Protocol, changes
from indexer.protocols.uniswap_v2 import rules


def pair_created(e: Events) -> Sequence[Fact]:
    return [Finds(e, "Pair", e["pair"]), changes(e, rules.pair_created, e["pair"], e["token0"], e["token1"])]


def transfer(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.transferred, e["from"], e["to"], e["value"])]


def sync(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.synced, e["reserve0"], e["reserve1"])]


PROTOCOL = Protocol(
    slug="uniswap_v2",
    project="uniswap",
    version="2",
    kind="link",
    contracts=[
        Contract("Factory", {"PairCreated": pair_created}),
        Contract("Pair", {"Transfer": transfer, "Sync": sync}),
    ],
    required=(),
    open_deployment=rules.open_deployment,
)
