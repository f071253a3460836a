"""ether.fi: eETH is ether one for one, weETH is a share of it.

Source   etherfi-protocol/smart-contracts LiquidityPool, EETH, WeETH
Units    18 decimals
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.abi import selector
from indexer.decode.layout import Events
from indexer.protocol import BookLike, Contract, Deployment, Fact, MarketFacts, PriceFeed, Protocol, changes
from indexer.types import Address
from indexer.units import NATIVE_TOKEN, WAD

RATE = selector("getRate()")


def rebase(e: Events) -> Sequence[Fact]:
    return [changes(e, rebased, e["totalEthLocked"], e["totalEEthShares"])]


def rebased(book: BookLike, pool: Address, ether: int, shares: int) -> None:
    """LiquidityPool.amountForShare: total ether for all shares, as of the rebase."""
    listed = book.deployment(pool).contracts
    book.add_rate(listed["WeETH"], listed["EETH"], ether, shares)


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """What the listing alone says: eETH is ether one for one, weETH a share of it."""
    eeth, weeth = deployment.contracts["EETH"], deployment.contracts["WeETH"]
    book.add_link(deployment.key, eeth, "lrt", NATIVE_TOKEN, issuer="etherfi", rule="par",
                  source="balances are amounts of ether")  # fmt: skip
    book.add_link(deployment.key, weeth, "lrt", eeth, issuer="etherfi", rule="told",
                  source="getRate(); Rebase of LiquidityPool")  # fmt: skip


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """The rate function, where prices are read: eETH for one weETH."""
    listed = [deployment.contracts for deployment in facts.deployments]
    return [PriceFeed(one["WeETH"], RATE, one["WeETH"], WAD, one["EETH"]) for one in listed]


PROTOCOL = Protocol(
    slug="etherfi",
    project="etherfi",
    version="1",
    kind="link",
    contracts=[Contract("LiquidityPool", {"Rebase": rebase})],
    required=("WeETH", "EETH"),
    feeds=feeds,
    open_deployment=open_deployment,
)
