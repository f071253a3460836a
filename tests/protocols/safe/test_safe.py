"""Safes of both forms of the events, by hand; tests/hardday/test_wallets.py follows some through a chain."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from eth_abi.abi import encode

from tests.decode.making import topic
from tests.protocols.linked import ALICE, BOB, addr, index, owners, who, words

FACTORY, SAFE, OTHER, ZERO = addr(0xE1), addr(0xE2), addr(0xE3), addr(0)
CREATED, SETUP = "ProxyCreation(address,address)", "SafeSetup(address,address[],uint256,address,address)"
ADDED, REMOVED, THRESHOLD = "AddedOwner(address)", "RemovedOwner(address)", "ChangedThreshold(uint256)"


def setup(block: int, safe: str, owned_by: list[str], threshold: int) -> Any:
    data = encode(["address[]", "uint256", "address", "address"], [owned_by, threshold, ZERO, ZERO])
    return (block, safe, SETUP, who(FACTORY), "0x" + data.hex())


def told(block: int, emitter: str, event: str, indexed: bool, *values: Any) -> Any:
    """The first value indexed or not: Safe 1.4 and 1.3."""
    return (block, emitter, event, who(values[0]) if indexed else [], words(*values[indexed:]))


@pytest.mark.parametrize("indexed", [True, False], ids=["1.4", "1.3"])
def test_a_safes_life(linkdb: psycopg.Connection[Any], indexed: bool) -> None:
    made = [
        setup(10, SAFE, [ALICE], 1), told(10, FACTORY, CREATED, indexed, SAFE, ZERO),
        setup(10, OTHER, [ALICE, BOB], 1), told(10, FACTORY, CREATED, indexed, OTHER, ZERO),
        told(20, SAFE, ADDED, indexed, BOB), (20, SAFE, THRESHOLD, [], words(2)),
        told(40, SAFE, REMOVED, indexed, ALICE), (40, SAFE, THRESHOLD, [], words(1)),
    ]  # fmt: skip
    desk = index(linkdb, "safe", {"SafeProxyFactory": FACTORY}, made, met=[(30, SAFE), (30, OTHER), (30, ALICE)])
    assert desk.watch().addresses == {FACTORY, SAFE, OTHER}
    assert owners(linkdb, 29) == {}  # nobody had met them by then
    assert owners(linkdb, 30) == {
        SAFE: (SAFE, "safe: 2 of 2, its own owner"), OTHER: (OTHER, "safe: 1 of 2, its own owner")
    }  # fmt: skip
    assert owners(linkdb)[SAFE] == (BOB, "safe: its owner")
    rows = linkdb.execute("SELECT DISTINCT from_block, block_number FROM wallet_owner ORDER BY 1").fetchall()
    assert rows == [(10, 30), (20, 30), (40, 40)]  # undone with the position of block 30 that made it watched


def test_without_a_position_nobody_asks_a_safe(linkdb: psycopg.Connection[Any]) -> None:
    made = [setup(10, SAFE, [ALICE], 1), told(10, FACTORY, CREATED, True, SAFE, ZERO)]
    desk = index(linkdb, "safe", {"SafeProxyFactory": FACTORY}, made, met=[(9, SAFE), (30, ALICE)])
    assert desk.watch().addresses == {FACTORY}  # a balance before the Safe was made does not count
    assert owners(linkdb) == {}


def test_the_topics_are_those_of_public_logs() -> None:
    """As block explorers and public indexers print them."""
    assert topic(CREATED) == "0x4f51faf6c4561ff95f067657e43439f0f856d97c04d9ec9070a6199ad418e235"
