"""rETH by reports of both forms, by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg

from indexer.protocols.rocket_pool import EXCHANGE_RATE
from tests.decode.making import topic
from tests.protocols.linked import COIN, addr, index, rates, registered, who, words

RETH, BALANCES = addr(0x61), addr(0x62)
NOW = "BalancesUpdated(uint256,uint256,uint256,uint256,uint256,uint256)"
EARLY = "BalancesUpdated(uint256,uint256,uint256,uint256,uint256)"
E18 = 10**18


def test_reports(linkdb: psycopg.Connection[Any]) -> None:
    """1,155,000 ether for 1,100,000 rETH is 1.05; 1.1m for 1.1m is 1; without supply the contract says 1."""
    made: list[Any] = [
        (5, BALANCES, EARLY, [], words(4, 7 * E18, 6 * E18, 0, 1)),
        (10, BALANCES, EARLY, [], words(9, 1_100_000 * E18, 1 * E18, 1_100_000 * E18, 1)),
        (20, BALANCES, NOW, who(19), words(1, 1_155_000 * E18, 1, 1_100_000 * E18, 1)),
    ]
    read = {(30, RETH, EXCHANGE_RATE): words(106 * 10**16)}
    index(linkdb, "rocket_pool", {"RocketTokenRETH": RETH, "RocketNetworkBalances": BALANCES}, made, reads=read)
    assert [rates(linkdb, RETH, block)[0][1] for block in (4, 5, 10, 20, 30)] == [
        None, 1, 1, Decimal("1.05"), Decimal("1.06"),
    ]  # fmt: skip
    assert registered(linkdb, RETH) == ("lst", "rocketpool", COIN, COIN)


def test_without_the_reporting_contract_the_rate_is_read(linkdb: psycopg.Connection[Any]) -> None:
    desk = index(
        linkdb, "rocket_pool", {"RocketTokenRETH": RETH}, reads={(30, RETH, EXCHANGE_RATE): words(106 * 10**16)}
    )
    assert desk.watch().addresses == frozenset()
    assert rates(linkdb, RETH, 30) == [(COIN, Decimal("1.06"), 30)]


def test_the_topics_are_those_of_the_fact_sheet() -> None:
    assert topic(NOW) == "0xdd27295717c4fbd48b1840f846e18be6f0b7bd6b55608e697e53b15848cecdf9"
    assert topic(EARLY) == "0x7bbbb137fdad433d6168b1c75c714c72b8abe8d07460f0c0b433063e7bf1f394"
