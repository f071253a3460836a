"""How Lido's reports become rates of wstETH.

Source   lidofinance/core Lido.getPooledEthByShares, WstETH.stEthPerToken
Units    one base unit of wstETH is ether / shares base units of stETH
"""

from __future__ import annotations

from indexer.decode.abi import selector
from indexer.protocol import BookLike, Deployment, MarketFacts, PriceFeed
from indexer.types import Address
from indexer.units import NATIVE_TOKEN, WAD

ST_ETH_PER_TOKEN = selector("stEthPerToken()")


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """What the listing alone says: stETH is ether one for one, wstETH a share of it."""
    steth, wsteth = deployment.contracts["StETH"], deployment.contracts.get("WstETH")
    book.add_link(deployment.key, steth, "lst", NATIVE_TOKEN, issuer="lido", rule="par",
                  source="balances are amounts of ether")  # fmt: skip
    if wsteth is not None:
        book.add_link(deployment.key, wsteth, "lst", steth, issuer="lido", rule="told",
                      source="stEthPerToken(); TokenRebased, InternalShareRateUpdated of stETH")  # fmt: skip


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """The rate function, where prices are read: stETH for one wstETH."""
    return [
        PriceFeed(wsteth, ST_ETH_PER_TOKEN, wsteth, WAD, deployment.contracts["StETH"])
        for deployment in facts.deployments
        if (wsteth := deployment.contracts.get("WstETH")) is not None
    ]


def rebased(book: BookLike, steth: Address, ether: int, shares: int) -> None:
    """A report moved the totals. From Lido V3 on the rate is that of internal shares: then that event says it."""
    if book.param(book.deployment(steth).key, "internal_share_rate") is None:
        _rate(book, steth, ether, shares)


def internal_rate(book: BookLike, steth: Address, ether: int, shares: int) -> None:
    """A report of Lido V3 moved the rate."""
    key = book.deployment(steth).key
    if book.param(key, "internal_share_rate") is None:
        book.set_param(key, "internal_share_rate", 1)
    _rate(book, steth, ether, shares)


def _rate(book: BookLike, steth: Address, ether: int, shares: int) -> None:
    wsteth = book.deployment(steth).contracts.get("WstETH")
    if wsteth is not None:
        book.add_rate(wsteth, steth, ether, shares)
