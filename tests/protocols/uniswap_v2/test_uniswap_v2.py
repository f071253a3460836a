"""A pair of USDC and WETH from its first mint: both rates, and the worth of a share as the sum of both sides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg

from tests.protocols.linked import ALICE, addr, index, price, rates, who, words, worth

FACTORY, PAIR, USDC, WETH = (addr(n) for n in range(0xB1, 0xB5))
CREATED, SYNC, TRANSFER = (
    "PairCreated(address,address,address,uint256)",
    "Sync(uint112,uint112)",
    "Transfer(address,address,uint256)",
)
ZERO, E17 = addr(0), 10**17
LIFE: list[Any] = [
    # 1,000,000 USDC and 10,000 WETH: sqrt(1e12 * 1e22) = 1e17 shares, the first 1000 to nobody
    (20, PAIR, TRANSFER, who(ZERO, ZERO), words(1000)),
    (20, PAIR, TRANSFER, who(ZERO, ALICE), words(E17 - 1000)),
    (20, PAIR, SYNC, [], words(10**12, 10**22)),
    # bought: 1,250,000 USDC and 8,000 WETH
    (30, PAIR, SYNC, [], words(125 * 10**10, 8 * 10**21)),
    # half of the shares go home, are burned, and take half of both
    (40, PAIR, TRANSFER, who(ALICE, PAIR), words(E17 // 2)),
    (40, PAIR, TRANSFER, who(PAIR, ZERO), words(E17 // 2)),
    (40, PAIR, SYNC, [], words(625 * 10**9, 4 * 10**21)),
]


def check(db: psycopg.Connection[Any]) -> None:
    """Per whole share (1e18, ten times the pool at first): 10,000,000 USDC and 100,000 WETH, then 12,500,000 and 80,000."""
    found = {block: [(row[0], row[1]) for row in rates(db, PAIR, block)] for block in (20, 30, 40)}
    assert found[20] == [(USDC, 10_000_000), (WETH, 100_000)]
    assert found[30] == found[40] == [(USDC, 12_500_000), (WETH, 80_000)]
    price(db, WETH, 100)
    assert worth(db, PAIR, 20) is None  # one side has no price: none is made up for it
    price(db, USDC, 1)
    assert worth(db, PAIR, 20) == 20_000_000  # 10,000,000 * 1 + 100,000 * 100
    assert worth(db, PAIR, 40) == Decimal(20_500_000)  # 12,500,000 + 80,000 * 100
    row = db.execute(
        "SELECT kind, underlying, underlying_2, asset_group, is_plain FROM token_registry WHERE token_address = %s",
        (PAIR,),
    ).fetchone()
    assert row == ("lp", USDC, WETH, f"{USDC}+{WETH}", False)


def test_a_pair_of_a_factory(linkdb: psycopg.Connection[Any]) -> None:
    made = [(10, FACTORY, CREATED, who(USDC, WETH), words(PAIR, 1)), *LIFE]
    index(linkdb, "uniswap_v2", {"Factory": FACTORY}, made, decimals={USDC: 6})
    check(linkdb)


def test_a_listed_pair(linkdb: psycopg.Connection[Any]) -> None:
    index(linkdb, "uniswap_v2", {"Pair": PAIR, "Token0": USDC, "Token1": WETH}, LIFE, decimals={USDC: 6})
    check(linkdb)
