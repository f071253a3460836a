"""weETH by a rebase, by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg

from indexer.protocols.etherfi import RATE
from tests.decode.making import topic
from tests.protocols.linked import COIN, addr, index, rates, registered, words

WEETH, EETH, POOL = addr(0x71), addr(0x72), addr(0x73)
REBASE = "Rebase(uint256,uint256)"
E18 = 10**18


def test_rebase(linkdb: psycopg.Connection[Any]) -> None:
    """2.1m ether for 2.0m shares is 1.05; read as 1.051 later."""
    assert topic(REBASE) == "0x11c6bf55864ff83827df712625d7a80e5583eef0264921025e7cd22003a21511"
    made: list[Any] = [(10, POOL, REBASE, [], words(2_100_000 * E18, 2_000_000 * E18))]
    read = {(20, WEETH, RATE): words(1_051 * 10**15)}
    index(linkdb, "etherfi", {"WeETH": WEETH, "EETH": EETH, "LiquidityPool": POOL}, made, reads=read)
    assert [rates(linkdb, WEETH, block)[0] for block in (10, 20)] == [
        (EETH, Decimal("1.05"), 10), (EETH, Decimal("1.051"), 20),
    ]  # fmt: skip
    assert registered(linkdb, WEETH) == ("lrt", "etherfi", EETH, COIN)
    assert registered(linkdb, EETH) == ("lrt", "etherfi", COIN, COIN)
