"""A wrapped staking token that announces its own rate: `RateUpdated(uint256)`, underlying for one token in WAD.

Source   the wstETH-like token of the private chains; any token with this event and a rate of 18 decimals
Units    rate WAD; token and underlying must have the same decimals
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.abi import selector
from indexer.decode.layout import Events
from indexer.protocol import BookLike, Contract, Deployment, Fact, MarketFacts, PriceFeed, Protocol, changes
from indexer.types import Address
from indexer.units import WAD

RATE = selector("rate()")


def rate_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, updated, e["rate"])]


def updated(book: BookLike, token: Address, rate: int) -> None:
    """The token has a new rate."""
    book.add_rate(token, book.deployment(token).contracts["Underlying"], rate, WAD)


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """What the listing alone says: a share of the underlying."""
    token, underlying = deployment.contracts["RateToken"], deployment.contracts["Underlying"]
    book.add_link(deployment.key, token, "lst", underlying, rule="told", source="rate(); RateUpdated")


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """The rate function, where prices are read."""
    listed = [deployment.contracts for deployment in facts.deployments]
    return [PriceFeed(one["RateToken"], RATE, one["RateToken"], WAD, one["Underlying"]) for one in listed]


PROTOCOL = Protocol(
    slug="rate_token",
    project="rate_token",
    version="1",
    kind="link",
    contracts=[Contract("RateToken", {"RateUpdated": rate_updated})],
    required=("RateToken", "Underlying"),
    feeds=feeds,
    open_deployment=open_deployment,
)
