"""A proxy made for Alice and given to Bob, by hand."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.decode.making import topic
from tests.protocols.linked import ALICE, BOB, addr, index, owners, who, words

FACTORY, PROXY, CACHE = addr(0xE4), addr(0xE5), addr(0xE6)
CREATED, SET = "Created(address,address,address,address)", "LogSetOwner(address)"
LIFE: list[Any] = [
    (10, PROXY, SET, who(FACTORY), "0x"),  # the constructor
    (10, PROXY, SET, who(ALICE), "0x"),
    (10, FACTORY, CREATED, who(ALICE, ALICE), words(PROXY, CACHE)),
    (40, PROXY, SET, who(BOB), "0x"),
]


def test_a_proxy_that_is_given_away(linkdb: psycopg.Connection[Any]) -> None:
    index(linkdb, "ds_proxy", {"DSProxyFactory": FACTORY}, LIFE, met=[(20, PROXY)])
    assert owners(linkdb, 10) == owners(linkdb, 39) == {PROXY: (ALICE, "ds_proxy: its owner")}
    assert owners(linkdb, 40) == {PROXY: (BOB, "ds_proxy: its owner")}


def test_without_a_position_it_is_whose_it_was_made_for(linkdb: psycopg.Connection[Any]) -> None:
    index(linkdb, "ds_proxy", {"DSProxyFactory": FACTORY}, LIFE)
    assert owners(linkdb) == {PROXY: (ALICE, "ds_proxy: its owner")}


def test_the_topic_is_that_of_published_bindings() -> None:
    assert topic(CREATED) == "0x259b30ca39885c6d801a0b5dbc988640f3c25e2f37531fe138c5c5af8955d41b"
