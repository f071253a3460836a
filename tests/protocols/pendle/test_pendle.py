"""A principal token from its making to its expiry, by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg

from indexer.protocols.pendle.rules import ASSET_INFO
from tests.decode.making import topic
from tests.protocols.linked import COIN, addr, index, price, rates, registered, who, words, worth

YIELDS, MARKETS, MARKET, SY, PT, YT, ASSET = (addr(n) for n in range(0xA1, 0xA8))
YEAR, E18 = 31_536_000, 10**18
EXPIRY = 1_700_000_000
CREATE = "CreateYieldContract(address,uint256,address,address)"
NEW, NEW_FIRST = (
    "CreateNewMarket(address,address,int256,int256,uint256)",
    "CreateNewMarket(address,address,int256,int256)",
)
IMPLIED = "UpdateImpliedRate(uint256,uint256)"


def story(market_event: str) -> list[Any]:
    fee = (5,) if market_event == NEW else ()
    return [
        (10, YIELDS, CREATE, who(SY, EXPIRY), words(PT, YT)),
        (20, MARKETS, market_event, who(MARKET, PT), words(7, E18, *fee)),
        (30, MARKET, IMPLIED, who(1), words(E18 // 20)),
    ]


TIMES = {30: EXPIRY - YEAR, 60: EXPIRY - YEAR // 2, 90: EXPIRY, 95: EXPIRY + 1}


def test_discount(linkdb: psycopg.Connection[Any]) -> None:
    """ln rate 5 %: a year before expiry e^-0.05 = 0.951229424500714..., half a year e^-0.025 = 0.975309912028332..., then 1."""
    read = {(10, SY, ASSET_INFO): words(0, ASSET, 18)}
    index(
        linkdb,
        "pendle",
        {"YieldContractFactory": YIELDS, "MarketFactory": MARKETS},
        story(NEW),
        reads=read,
        times=TIMES,
    )
    assert rates(linkdb, PT, 20) == [(ASSET, None, None)]
    found = [rates(linkdb, PT, block)[0][1] for block in (30, 60, 90, 95)]
    exact = [Decimal("0.951229424500714016"), Decimal("0.975309912028332669"), Decimal(1), Decimal(1)]
    assert [abs(one - two) < Decimal("1e-17") for one, two in zip(found, exact, strict=True)] == [True] * 4
    assert registered(linkdb, PT) == ("pt", "pendle", ASSET, ASSET)
    assert registered(linkdb, YT)[0] == "yt" and rates(linkdb, YT, 60) == [(ASSET, None, None)]
    row = linkdb.execute(
        "SELECT extract(epoch FROM expiry) FROM token_registry WHERE token_address = %s", (PT,)
    ).fetchone()
    assert row == (EXPIRY,)
    price(linkdb, ASSET, 3000)
    assert worth(linkdb, PT, 90) == 3000 and worth(linkdb, YT, 90) is None


def test_the_first_release_of_the_factory_and_an_sy_of_ether(linkdb: psycopg.Connection[Any]) -> None:
    read = {(10, SY, ASSET_INFO): words(0, 0, 18)}
    made = story(NEW_FIRST)
    index(linkdb, "pendle", {"YieldContractFactory": YIELDS, "MarketFactory": MARKETS}, made, reads=read, times=TIMES)
    assert rates(linkdb, PT, 90) == [(COIN, 1, 30)]


def test_the_topics_are_those_of_the_fact_sheet() -> None:
    assert topic(CREATE) == "0xaa79d8f17776adeaa316c5411b72e8b0057d064974fa8748f32492ecaa22ecd1"
    assert topic(NEW) == "0xae811fae25e2770b6bd1dcb1475657e8c3a976f91d1ebf081271db08eef920af"
    assert topic(IMPLIED) == "0x5c0e21d57bb4cf91d8fe238d6f92e2685a695371b19209afcce6217b478f83e1"
