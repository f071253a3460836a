"""The Router: the emitter decides first, then topic0, then the topic count; nothing else does."""

from __future__ import annotations

import pytest
from making import event, logs_of, tx, word

from indexer.decode.layout import Layout
from indexer.decode.router import Router, layouts_by_topic
from indexer.errors import DecodeError

PLAIN = Layout.compile(event("Moved(address from, address to)"))
ONE = Layout.compile(event("Moved(address indexed from, address to)"))
TWO = Layout.compile(event("Moved(address indexed from, address indexed to)"))
OTHER = Layout.compile(event("Paid(uint256 amount)"))
POOL, TOKEN, STRANGER = "0x" + "01" * 20, "0x" + "02" * 20, "0x" + "03" * 20
WHO = word("address", "0x" + "aa" * 20)


def router() -> Router:
    kinds = {"Pool": layouts_by_topic([ONE, OTHER]), "Token": layouts_by_topic([PLAIN, TWO])}
    return Router(kinds, {POOL: ("Pool",), TOKEN: ("Token",)})


def log(address: str, *topics: str) -> tuple[str, list[str], str]:
    return address, list(topics), "0x"


def test_the_emitter_decides_before_the_topic() -> None:
    """One topic0 means different events of different contracts."""
    logs = logs_of([log(POOL, ONE.topic0, WHO), log(TOKEN, TWO.topic0, WHO, WHO), log(STRANGER, ONE.topic0, WHO)])
    assert ONE.topic0 == TWO.topic0 == PLAIN.topic0
    assert [(found.kind, found.layout, found.rows) for found in router().route(logs)] == [
        ("Pool", ONE, [0]), ("Token", TWO, [1]),
    ]  # fmt: skip


def test_the_topic_count_tells_the_forms_of_one_event_apart() -> None:
    logs = logs_of([log(TOKEN, PLAIN.topic0), log(TOKEN, TWO.topic0, WHO, WHO), log(TOKEN, PLAIN.topic0)])
    assert [(found.layout, found.rows) for found in router().route(logs)] == [(PLAIN, [0, 2]), (TWO, [1])]


def test_unknown_topics_and_anonymous_logs_of_watched_contracts_are_left_out() -> None:
    logs = logs_of([log(POOL, "0x" + "9" * 64), log(POOL), log(STRANGER, "0x" + "9" * 64), log(POOL, OTHER.topic0)])
    assert [(found.layout, found.rows) for found in router().route(logs)] == [(OTHER, [3])]


@pytest.mark.parametrize("topics", [[], [WHO, WHO]], ids=["missing", "extra"])
def test_a_known_topic_of_a_watched_contract_with_another_count_raises(topics: list[str]) -> None:
    watched, good = router(), log(POOL, ONE.topic0, WHO)
    watched.route(logs_of([good]))  # the good form is remembered and still does not cover the other
    with pytest.raises(DecodeError) as caught:
        watched.route(logs_of([good, log(POOL, ONE.topic0, *topics)]))
    error = caught.value
    assert (error.argument, error.word) == ("topics", str(1 + len(topics)))
    assert (error.event, error.tx_hash, error.log_index) == ("Moved(address,address)", tx(1), 1)
    assert (error.address, error.block_number) == (POOL, 7)


def test_the_same_count_of_an_unwatched_contract_raises_nothing() -> None:
    assert router().route(logs_of([log(STRANGER, ONE.topic0)])) == []


def test_a_contract_found_later_is_routed_from_then_on() -> None:
    watched, logs = router(), logs_of([log(STRANGER, ONE.topic0, WHO)])
    assert watched.route(logs) == []
    assert watched.add(STRANGER, "Pool") is True
    assert [found.rows for found in watched.route(logs)] == [[0]]
    assert watched.add(STRANGER, "Pool") is False


def test_a_contract_may_be_of_two_kinds() -> None:
    watched = router()
    watched.add(TOKEN, "Pool")
    logs = logs_of([log(TOKEN, ONE.topic0, WHO), log(TOKEN, TWO.topic0, WHO, WHO), log(TOKEN, OTHER.topic0)])
    assert [(found.kind, found.rows) for found in watched.route(logs)] == [("Pool", [0]), ("Token", [1]), ("Pool", [2])]


def test_topics_to_ask_the_node_for_are_those_of_every_kind() -> None:
    assert router().topics() == {ONE.topic0, OTHER.topic0}
