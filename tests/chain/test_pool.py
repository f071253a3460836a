"""Several nodes as one: what happens when some, or all, are unwell."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from indexer.chain import Checks, NodePool, fetch_range, fetch_reads
from indexer.errors import BadConfig, NodeDisagrees, NodeUnavailable, RangeTooLarge
from indexer.types import Answer, Heads, Read
from tests.chain.book import WATCH, Book, branch, chain, honest, keys, log, pool
from tests.fakenode import FakeNode, Faults


def test_failover_and_back() -> None:
    made = chain(50)
    with FakeNode(made) as first, FakeNode(made) as second:
        nodes = pool(first, second)
        assert nodes.heads().latest == 49 and second.requests == []
        first.faults = Faults(server_error=1.0, sticky=True)
        assert len(nodes.logs(0, 49, WATCH)) == len(keys(made))
        assert second.asked("eth_getLogs") == 1
        second.faults = Faults(rate_limit=1.0, sticky=True, retry_after_seconds=0)
        first.faults = Faults()
        assert nodes.heads().latest == 49


def test_a_lagging_node_is_put_aside_but_better_than_none() -> None:
    made = chain(50)
    with FakeNode(made) as first, FakeNode(made) as second:
        nodes = pool(first, second)
        nodes.heads()
        first.head = 20
        assert nodes.heads().latest == 49
        count = len(first.requests)
        nodes.headers([48])
        assert len(first.requests) == count, "it rests"
        second.faults = Faults(server_error=1.0, sticky=True)
        assert nodes.heads().latest == 20


def test_another_chain_is_refused_before_its_answers_are_used() -> None:
    made = chain(5)
    with FakeNode(made) as good, FakeNode(made, Faults(wrong_chain_id=99)) as bad:
        with pytest.raises(BadConfig, match="serves chain id 99, not 31337"):
            pool(bad, chain_id=31_337).heads()
        nodes = pool(good, bad)
        nodes.heads()
        good.faults = Faults(server_error=1.0, sticky=True)
        with pytest.raises(BadConfig, match="chain id 99"):
            nodes.logs(0, 4, WATCH)


def test_every_call_is_bounded() -> None:
    for faults in (Faults(server_error=1.0, sticky=True), Faults(rate_limit=1.0, sticky=True, retry_after_seconds=9)):
        with FakeNode(chain(5), faults) as node, pytest.raises(NodeUnavailable):
            started = time.monotonic()
            try:
                pool(node, give_up_after=0.1).heads()
            finally:
                assert time.monotonic() - started < 2.0


def test_interrupt_ends_the_waiting() -> None:
    with FakeNode(chain(5), Faults(server_error=1.0, sticky=True)) as node:
        nodes = pool(node, first_wait=30.0, longest_wait=60.0, give_up_after=60.0)
        failed: list[str] = []

        def ask() -> None:
            try:
                nodes.heads()
            except NodeUnavailable as error:
                failed.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        while not node.injected:
            time.sleep(0.005)
        time.sleep(0.03)
        nodes.interrupt()
        thread.join(timeout=5)
        assert failed == ["interrupted"]


def test_a_wide_range_that_only_times_out_is_split() -> None:
    made = chain(8)
    with FakeNode(made) as node:
        real = node._do_eth_getLogs

        def heavy(query: dict[str, Any]) -> Any:
            if int(query["toBlock"], 16) - int(query["fromBlock"], 16) > 3:
                node.stopping.wait(0.15)
            return real(query)

        node._do_eth_getLogs = heavy  # type: ignore[method-assign]
        nodes = pool(node, timeout=0.06)
        with pytest.raises(RangeTooLarge, match="no answer"):
            nodes.logs(0, 7, WATCH)


def test_logs_of_another_branch_are_found_by_hash_and_asked_again() -> None:
    made = chain(60)
    made.reorg(20, branch(20))
    with FakeNode(made, Faults(other_branch=1.0, in_a_row=1)) as node:
        real = node._fault
        honest_turn = Faults().choose((), "")
        node._fault = lambda method, query: real(method, query) if method == "eth_getLogs" else honest_turn  # type: ignore[method-assign]
        part = fetch_range(pool(node), 30, 59, WATCH, heads=Heads(59, None, 10), checks=Checks(pause=0.001))
        assert set(part.logs.block_hash) <= {block.hash for block in made.blocks}
        assert len(part.logs) == len(keys(made, first=30))


def test_a_node_that_insists_on_a_contradiction_is_quoted() -> None:
    made = chain(60)
    with FakeNode(made) as node:
        real = node._do_eth_getLogs
        node._do_eth_getLogs = lambda query: [{**e, "blockHash": "0x" + "99" * 32} for e in real(query)]  # type: ignore[method-assign]
        with pytest.raises(
            NodeDisagrees, match=r"first request: .*eth_getLogs.* second request: .*eth_getBlockByNumber"
        ):
            fetch_range(pool(node), 10, 40, WATCH, heads=Heads(59, None, 5), checks=Checks(pause=0.001, attempts=3))


@pytest.mark.parametrize(
    "spoil",
    [
        {"address": "0x" + "12" * 20},
        {"topics": ["0x" + "13" * 32]},
        {"blockNumber": "0x3a"},
        {"blockHash": "0x99"},
    ],
)
def test_answers_to_another_question_are_refused(spoil: dict[str, Any]) -> None:
    with FakeNode(chain(60)) as node:
        real = node._do_eth_getLogs
        node._do_eth_getLogs = lambda query: [{**e, **spoil} for e in real(query)]  # type: ignore[method-assign]
        with pytest.raises(NodeDisagrees):
            fetch_range(pool(node), 0, 29, WATCH, heads=Heads(59, None, 50), checks=Checks(pause=0.001, attempts=2))


def test_a_log_that_the_bloom_rules_out_is_refused_unless_the_chain_has_no_blooms() -> None:
    made = chain(60)
    for block in made.blocks:
        block.header["logsBloom"] = "0x" + "00" * 256
    with FakeNode(made) as node:
        with pytest.raises(NodeDisagrees, match="blooms = false"):
            fetch_range(pool(node), 0, 29, WATCH, heads=Heads(59, None, 5), checks=Checks(pause=0.001, attempts=2))
        part = fetch_range(pool(node), 0, 29, WATCH, heads=Heads(59, None, 5), checks=Checks(blooms=False))
        assert len(part.logs) == len(keys(made, last=29))


def test_wrong_timestamps_in_logs_are_noticed_and_the_headers_used() -> None:
    made = chain(100)
    with FakeNode(made) as node:
        real = node._do_eth_getLogs
        node._do_eth_getLogs = lambda query: [{**e, "blockTimestamp": "0x1"} for e in real(query)]  # type: ignore[method-assign]
        book = Book()
        book.run(book.follow(pool(node), to="latest"))
        honest(book, made)


def test_reads_are_asked_once_and_answered_in_order() -> None:
    asked: list[Read] = []

    class Oracle:
        name = "oracle"

        def chain_id(self) -> int:
            return 1

        def call(self, reads: Sequence[Read]) -> list[Answer]:
            asked.extend(reads)
            return [Answer(read, read.data) for read in reads]

    reads = [Read(9, "0xb", "0x1", "price"), Read(3, "0xa", "0x2", "rate"), Read(9, "0xb", "0x1", "other reason")]
    found = fetch_reads(NodePool([Oracle()]), reads)  # type: ignore[list-item]
    assert [answer.read for answer in found] == reads
    assert [answer.result for answer in found] == ["0x1", "0x2", "0x1"]
    assert len(asked) == 2
    assert fetch_reads(NodePool([Oracle()]), []) == []  # type: ignore[list-item]


def test_a_log_left_out_by_one_node_comes_from_the_other() -> None:
    made = chain(80)
    made.extend([[log(5)]])
    with FakeNode(made) as liar, FakeNode(made) as other:
        real = liar._do_eth_getLogs
        liar._do_eth_getLogs = lambda query: [e for e in real(query) if e["blockNumber"] != hex(80)]  # type: ignore[method-assign]
        part = fetch_range(pool(liar, other), 80, 80, WATCH, heads=Heads(80, None, 16))
        assert len(part.logs) == 1
        assert other.asked("eth_getLogs") == 1
