"""An account made for Alice, shared with Bob, left to Bob, by hand."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.protocols.linked import ALICE, BOB, addr, index, owners, who, words

INDEX, DSA = addr(0xE7), addr(0xE8)
ENABLED, DISABLED = "LogEnableUser(address)", "LogDisableUser(address)"
LIFE: list[Any] = [
    (10, DSA, ENABLED, who(ALICE), "0x"),
    (10, INDEX, "LogAccountCreated(address,address,address,address)", who(ALICE, DSA, BOB), words(ALICE)),
    (30, DSA, ENABLED, who(BOB), "0x"),
    (40, DSA, DISABLED, who(ALICE), "0x"),
]


def test_an_account_that_changes_hands(linkdb: psycopg.Connection[Any]) -> None:
    index(linkdb, "instadapp", {"InstaIndex": INDEX}, LIFE, met=[(20, DSA)])
    assert owners(linkdb, 10) == {DSA: (ALICE, "instadapp_dsa: its owner")}
    assert owners(linkdb, 30) == {DSA: (DSA, "instadapp_dsa: 1 of 2, its own owner")}
    assert owners(linkdb, 40) == {DSA: (BOB, "instadapp_dsa: its owner")}
