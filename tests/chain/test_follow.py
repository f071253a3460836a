"""Follow: whatever the chain does, the consumer ends with what the canonical chain says."""

from __future__ import annotations

import threading

import pytest

from indexer.chain import Planner, fetch_more
from indexer.chain.ranges import Plan
from indexer.errors import NodeUnavailable, ReorgTooDeep
from indexer.types import Finalized, Idle, Range, Reorg, Watch
from tests.chain.book import MINT, POOL, TOKEN, TRANSFER, WATCH, Book, branch, chain, contents, honest, keys, log, pool
from tests.fakenode import FakeNode, Faults


@pytest.mark.parametrize("block_timestamp", [True, False])
@pytest.mark.parametrize("double_read", [True, False])
def test_backfill_is_complete_and_in_order(block_timestamp: bool, double_read: bool) -> None:
    made = chain(1_500)
    with FakeNode(made, Faults(range_cap=60), block_timestamp=block_timestamp) as node:
        book = Book()
        book.run(book.follow(pool(node), to="latest", double_read=double_read))
        honest(book, made)
        assert len(book.ranges) >= 4
        asked = node.asked("eth_getBlockByNumber")
    if block_timestamp:
        assert asked < 300, "headers of finalized blocks come from the logs, but for a sample"
    else:
        assert asked > 1_000


def test_every_header_on_demand() -> None:
    made = chain(300)
    with FakeNode(made) as node:
        book = Book()
        book.run(book.follow(pool(node), to="latest", all_headers=True))
    honest(book, made)
    assert sorted(book.blocks) == list(range(300))


def test_to_a_block_and_to_the_finalized_one() -> None:
    made = chain(200)
    with FakeNode(made, finality_depth=50) as node:
        book = Book()
        book.run(book.follow(pool(node), to=99))
        assert book.tip is not None and book.tip.number == 99
        book.run(book.follow(pool(node), to="finalized"))
        assert book.tip.number == 149
        assert book.final == 149
        assert list(book.follow(pool(node), to=120)) == []


@pytest.mark.parametrize("depth", [1, 2, 16, 63, 64])
@pytest.mark.parametrize("longer", [-1, 0, 1, 5])
def test_reorg(depth: int, longer: int) -> None:
    made = chain(150)
    with FakeNode(made) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        if depth + longer == 0:
            return
        made.reorg(depth, branch(depth + longer))
        book.run(steps)
        honest(book, made)
        assert book.reorgs == [(149 - depth, 149, 149 + longer)]
        made.extend([contents(3), contents(5)])
        book.run(steps)
        honest(book, made)
        assert len(book.reorgs) == 1


def test_two_reorgs_in_a_row_and_one_back_to_the_first_branch() -> None:
    made = chain(120)
    with FakeNode(made) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        old = made.snapshot()[-3:]
        made.reorg(3, branch(4))
        book.run(steps)
        made.reorg(2, branch(3, seed=11))
        book.run(steps)
        honest(book, made)
        del made.blocks[-5:]
        made.append(old)
        book.run(steps)
        honest(book, made)
        assert len(book.reorgs) == 3


def test_reorg_while_the_consumer_was_away() -> None:
    made = chain(120)
    with FakeNode(made) as node:
        book = Book()
        book.run(book.follow(pool(node)))
        made.reorg(20, branch(90))
        book.run(book.follow(pool(node)))
        honest(book, made)
        assert [ancestor for ancestor, _, _ in book.reorgs] == [99]


def test_reorg_while_backfilling_the_unfinalized_blocks() -> None:
    made = chain(400)
    with FakeNode(made, finality_depth=300) as node:
        book = Book()
        steps = book.follow(pool(node), prefetch=2, planner=Planner(Plan(span=20, max_span=20)))
        for step in steps:
            book.take(step)
            if isinstance(step, Range) and step.last > 150:
                break
        assert book.tip is not None and book.tip.number < 300
        made.reorg(400 - book.tip.number + 4, branch(270))
        book.run(steps)
        honest(book, made)
        assert len(book.reorgs) == 1


def test_the_chain_changes_again_while_the_branch_is_read() -> None:
    made = chain(120)
    with FakeNode(made) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        made.reorg(10, branch(12))
        real = node.answer
        left = [3]

        def answer(call: dict[str, object]) -> dict[str, object]:
            if call["method"] == "eth_getLogs" and left[0]:
                left[0] -= 1
                made.reorg(11, branch(12, seed=left[0]))
            return real(call)

        node.answer = answer  # type: ignore[assignment,method-assign]
        book.run(steps, idle=3)
        honest(book, made)


def test_a_lagging_head_is_no_reorg() -> None:
    made = chain(120)
    with FakeNode(made) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        node.head = 100
        for _ in range(3):
            step = next(steps)
            assert isinstance(step, Idle) and step.heads.latest == 100
        node.head = None
        made.extend([contents(1)])
        book.run(steps)
        honest(book, made)
        assert book.reorgs == []


def test_one_answer_from_another_branch_is_no_reorg() -> None:
    made = chain(120)
    with FakeNode(made) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        node.faults = Faults(other_branch=1.0, in_a_row=1)
        book.run(steps, idle=4)
        node.faults = Faults()
        made.extend([contents(2)])
        book.run(steps)
        honest(book, made)
        assert book.reorgs == []


def test_a_reorg_below_the_kept_window_stops_with_block_numbers() -> None:
    made = chain(150)
    with FakeNode(made) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        made.reorg(80, branch(90))
        with pytest.raises(ReorgTooDeep, match=r"block 85, the oldest .* up to block 149"):
            book.run(steps)


def test_finality_by_depth_where_the_chain_has_no_tag() -> None:
    made = chain(100)
    with FakeNode(made) as node:
        node._do_eth_getBlockByNumber = _untagged(node)  # type: ignore[method-assign]
        book = Book()
        steps = book.follow(pool(node), finality_depth=10)
        book.run(steps)
        assert book.final == 89
        for n in range(5):
            made.extend([contents(n)])
            book.run(steps)
        assert book.final == 94
        made.reorg(10, branch(11))
        book.run(steps)
        honest(book, made)
        assert book.final == 95


def _untagged(node: FakeNode):  # type: ignore[no-untyped-def]
    real = node._do_eth_getBlockByNumber
    return lambda tag, full=False: None if tag in ("safe", "finalized") else real(tag, full)


def test_finalized_never_decreases() -> None:
    made = chain(200)
    with FakeNode(made, finality_depth=20) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        assert book.final == 179
        node.finality_depth = 100
        made.extend([contents(n) for n in range(10)])
        book.run(steps)
        assert book.final == 179
        node.finality_depth = 20
        made.extend([[]])
        book.run(steps)
        assert book.final == 190


def test_logs_left_out_at_the_head_are_found_by_bloom() -> None:
    """The node answers the first read of every block without its logs, as nodes under load do."""
    made = chain(100)
    with FakeNode(made, finality_depth=90) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        node.faults = Faults(empty_result=1.0, in_a_row=1)
        for n in range(101, 110):
            made.extend([contents(n)])
            book.run(steps)
            assert book.logs == keys(made)
        assert book.reorgs == []


def test_logs_left_out_that_no_bloom_tells_are_healed_before_they_are_final() -> None:
    """One of two logs of the same emitter and topic is missing: only the second read, before finality, shows it."""
    made = chain(60)
    with FakeNode(made, finality_depth=10) as node:
        book = Book()
        steps = book.follow(pool(node))
        book.run(steps)
        made.extend([[log(1), log(2)]])
        real = node._do_eth_getLogs
        node._do_eth_getLogs = lambda query: [  # type: ignore[method-assign]
            entry for entry in real(query) if (entry["blockNumber"], entry["logIndex"]) != (hex(60), "0x1")
        ]
        book.run(steps)
        assert book.logs != keys(made)
        node._do_eth_getLogs = real  # type: ignore[method-assign]
        made.extend([contents(n) for n in range(12)])
        book.run(steps, idle=2)
        honest(book, made)
        assert len(book.reorgs) == 1
        assert book.final == made.head - 10


@pytest.mark.parametrize("seed", range(6))
def test_a_lying_node_ends_with_the_rows_of_an_honest_one(seed: int) -> None:
    faults = Faults(
        seed=seed, drop_logs=0.15, other_branch=0.1, rate_limit=0.05, server_error=0.1, garbage=0.1, truncated=0.1,
        empty_result=0.1, lagging_head=0.1, null_block=0.02, range_cap=100, logs_cap=200, retry_after_seconds=0,
    )  # fmt: skip
    made = chain(600)
    with FakeNode(made, faults) as node:
        book = Book()
        steps = book.follow(pool(node), double_read=True)
        book.run(steps, idle=2)
        for n in range(30):
            if n % 10 == 9:
                made.reorg(n // 2, branch(n // 2 + 1, seed=n))
            made.extend([contents(n + seed)])
            book.run(steps)
        node.faults = Faults()
        made.extend([contents(n) for n in range(70)])
        book.run(steps, idle=3)
        honest(book, made)


def test_addresses_found_on_the_way_are_watched_from_the_next_request_on() -> None:
    made = chain(400)
    known = {TOKEN}
    extra = Watch(frozenset({POOL}), frozenset({MINT, TRANSFER}))
    with FakeNode(made, Faults(range_cap=20), finality_depth=30) as node:
        nodes, book, more = pool(node), Book(), set()
        for step in book.follow(nodes, to="latest", watch=lambda: Watch(frozenset(known), frozenset({TRANSFER, MINT}))):
            book.take(step)
            if isinstance(step, Range):
                known.add(POOL)
                if POOL not in step.watch.addresses:
                    added = fetch_more(nodes, step, extra)
                    assert set(added.logs.address) <= {POOL}
                    assert not {h.number for h in added.headers} & {h.number for h in step.headers}
                    logs = added.logs
                    more |= set(zip(logs.block_number, logs.log_index, logs.tx_hash, logs.block_hash, strict=True))
                    assert all(logs.timestamp)
        assert book.logs | more == keys(made, WATCH)
        assert more and book.logs != keys(made, WATCH)


def test_fetch_more_of_unfinalized_blocks_is_pinned_to_their_hashes() -> None:
    made = chain(100)
    with FakeNode(made, finality_depth=90) as node:
        nodes = pool(node)
        book = Book()
        steps = book.follow(nodes, watch=lambda: Watch(frozenset({TOKEN}), WATCH.topics))
        book.run(steps)
        made.extend([[log(1), log(2, MINT, POOL)]])
        part = next(steps)
        assert isinstance(part, Range) and part.first == part.last == 100
        made.reorg(1, [[], []])
        added = fetch_more(nodes, part, Watch(frozenset({POOL}), WATCH.topics))
        assert added.logs.block_hash == [part.headers[0].hash]


def test_start_in_the_unfinalized_part_keeps_an_anchor() -> None:
    made = chain(50)
    with FakeNode(made) as node:
        book = Book()
        steps = book.follow(pool(node), start_block=45)
        book.run(steps)
        assert sorted(book.blocks) == list(range(45, 50))
        made.reorg(5, branch(6))
        seen = []
        for step in steps:
            seen.append(step)
            if isinstance(step, Idle):
                break
        assert isinstance(seen[0], Reorg) and seen[0].ancestor.number == 44 and seen[0].branch.last == 50
        assert not any(isinstance(step, Finalized) for step in seen)


def test_waits_for_the_start_block_and_stops_when_told() -> None:
    made = chain(10)
    stop = threading.Event()
    with FakeNode(made) as node:
        steps = Book().follow(pool(node), start_block=12, stop=stop)
        assert isinstance(next(steps), Idle)
        made.extend([[], [], [log(3)]])
        part = next(steps)
        assert isinstance(part, Range) and (part.first, part.last, len(part.logs)) == (12, 12, 1)
        stop.set()
        assert [step for step in steps if not isinstance(step, Finalized)] == []


def test_closing_ends_the_threads() -> None:
    made = chain(2_000)
    with FakeNode(made, Faults(range_cap=50)) as node:
        before = threading.active_count()
        steps = Book().follow(pool(node))
        next(steps)
        steps.close()  # type: ignore[attr-defined]
        for _ in range(250):
            if not [t for t in threading.enumerate() if t.name.startswith("chain")]:
                break
            threading.Event().wait(0.02)
        assert not [t for t in threading.enumerate() if t.name.startswith("chain")]
        assert threading.active_count() <= before + 20  # the fake node's own


def test_no_node_in_time_ends_with_an_error() -> None:
    with (
        FakeNode(chain(10), Faults(server_error=1.0, sticky=True)) as node,
        pytest.raises(NodeUnavailable, match="HTTP 50"),
    ):
        list(Book().follow(pool(node, give_up_after=0.05), to=5))


def test_nothing_watched_is_no_log_and_no_question() -> None:
    made = chain(300)
    with FakeNode(made) as node:
        book = Book()
        book.run(book.follow(pool(node), to="latest", watch=lambda: Watch(frozenset(), WATCH.topics)))
        assert book.logs == set() and book.tip is not None and book.tip.number == 299
        assert node.asked("eth_getLogs") == 0
