"""wstETH -> stETH -> ether -> WETH: reports by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg

from indexer.protocols.lido.rules import ST_ETH_PER_TOKEN
from tests.protocols.linked import COIN, addr, index, price, rates, registered, who, words, worth

STETH, WSTETH, WETH = addr(0x51), addr(0x52), addr(0x53)
REBASED = "TokenRebased(uint256,uint256,uint256,uint256,uint256,uint256,uint256)"
INTERNAL = "InternalShareRateUpdated(uint256,uint256,uint256,uint256)"
E18 = 10**18


def rebased(block: int, ether: int, shares: int) -> Any:
    return (block, STETH, REBASED, who(1700000000), words(86400, 1, 1, shares * E18, ether * E18, 0))


def internal(block: int, ether: int, shares: int) -> Any:
    return (block, STETH, INTERNAL, who(1700000000), words(shares * E18, ether * E18, 0))


def test_reports_and_reads(linkdb: psycopg.Connection[Any]) -> None:
    """9.0m / 8.0m = 1.125. V3: 9.081m / 8.0m = 1.135125 of internal shares replaces 9.09m / 8.0m of the same report."""
    made = [
        rebased(10, 9_000_000, 8_000_000),
        rebased(20, 9_090_000, 8_000_000), internal(20, 9_081_000, 8_000_000),
        internal(40, 9_120_000, 8_000_000), rebased(40, 9_200_000, 8_000_000),
    ]  # fmt: skip
    read = {(25, WSTETH, ST_ETH_PER_TOKEN): words(1_137 * 10**15)}
    index(linkdb, "lido", {"StETH": STETH, "WstETH": WSTETH}, made, reads=read)
    found = {block: rates(linkdb, WSTETH, block) for block in (9, 10, 24, 25, 39, 40)}
    assert found == {
        9: [(STETH, None, None)],
        10: [(STETH, Decimal("1.125"), 10)],
        24: [(STETH, Decimal("1.135125"), 20)],
        25: [(STETH, Decimal("1.137"), 25)],
        39: [(STETH, Decimal("1.137"), 25)],
        40: [(STETH, Decimal("1.14"), 40)],
    }
    assert rates(linkdb, STETH, 10) == [(COIN, 1, 10)]
    assert registered(linkdb, WSTETH) == ("lst", "lido", STETH, COIN)

    assert worth(linkdb, WSTETH, 10) is None  # nothing of the chain of claims has a price
    index(linkdb, "token_list", {"WrappedNative": WETH})
    price(linkdb, WETH, 2000)
    assert worth(linkdb, WSTETH, 10) == 2250  # 1.125 * 1 * 2000
    assert worth(linkdb, STETH, 10) == worth(linkdb, COIN, 10) == 2000
    price(linkdb, STETH, 1900)  # an oracle of a link on the way comes first
    assert worth(linkdb, WSTETH, 10) == Decimal("2137.5")


def test_the_topics_are_those_of_the_fact_sheet(linkdb: psycopg.Connection[Any]) -> None:
    from tests.decode.making import topic

    assert topic(REBASED) == "0xff08c3ef606d198e316ef5b822193c489965899eb4e3c248cea1a4626c3eda50"
    assert topic(INTERNAL) == "0xaf00d86be4cd299db16aa59803992e174fa88b67d81a0c7dd0148f9a75606a8d"
