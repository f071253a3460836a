"""Rocket Pool: rETH is a share of the network's ether; the rate moves with each report of balances.

Source   rocket-pool/rocketpool RocketTokenRETH, RocketNetworkBalances
Units    18 decimals
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.abi import selector
from indexer.decode.layout import Events
from indexer.protocol import BookLike, Contract, Deployment, Fact, MarketFacts, PriceFeed, Protocol, changes
from indexer.types import Address
from indexer.units import NATIVE_TOKEN, WAD

EXCHANGE_RATE = selector("getExchangeRate()")


def balances_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, reported, e["totalEth"], e["rethSupply"])]


def reported(book: BookLike, balances: Address, ether: int, supply: int) -> None:
    """getExchangeRate: total ether for the supply of the last report. Without a supply the contract says one for one."""
    reth = book.deployment(balances).contracts["RocketTokenRETH"]
    book.add_rate(reth, NATIVE_TOKEN, ether if supply else 1, supply or 1)


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """What the listing alone says: rETH is a share of ether."""
    book.add_link(deployment.key, deployment.contracts["RocketTokenRETH"], "lst", NATIVE_TOKEN, issuer="rocketpool",
                  rule="told", source="getExchangeRate(); BalancesUpdated of RocketNetworkBalances")  # fmt: skip


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """The rate function, where prices are read: ether for one rETH."""
    tokens = [deployment.contracts["RocketTokenRETH"] for deployment in facts.deployments]
    return [PriceFeed(reth, EXCHANGE_RATE, reth, WAD, NATIVE_TOKEN) for reth in tokens]


PROTOCOL = Protocol(
    slug="rocket_pool",
    project="rocketpool",
    version="1",
    kind="link",
    contracts=[Contract("RocketNetworkBalances", {"BalancesUpdated": balances_updated})],
    required=("RocketTokenRETH",),
    feeds=feeds,
    open_deployment=open_deployment,
)
