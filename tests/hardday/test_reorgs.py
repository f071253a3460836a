"""After any reorg within the kept window every table equals that of a database built from the new branch alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from indexer.errors import ReorgTooDeep
from indexer.rebuild import forget, rebuild
from tests.fakenode import FakeBlock, FakeNode, RpcError
from tests.hardday.database import assert_equal, count, dump
from tests.hardday.drive import Following, index, wait_for
from tests.hardday.story import Keep, Story, answer, everything, nothing, only_aave, only_morpho, serve, settings

DAY = 86_400
SLOW = pytest.mark.slow
Database = Callable[[], str]
HEAD = 110
"""Where most stories stand when their branch is replaced: late enough for every kind of row, early enough to be quick."""


def fresh(node: FakeNode, database: Database, **changes: Any) -> str:
    """A database built from the branch that the node has now."""
    return index(settings(node, **changes), database())


def changed(story: Story, node: FakeNode, change: Callable[[], None]) -> None:
    """Change a story that is being served."""
    with node.lock:
        change()


@pytest.mark.parametrize(
    ("depth", "length", "keep", "empty"),
    [
        (1, 2, everything, 0),
        (2, 3, only_morpho, 0),
        (16, 4, only_morpho, 13),
        (64, 65, only_aave, 0),
        pytest.param(1, 1, nothing, 1, marks=SLOW),
        pytest.param(2, 0, nothing, 3, marks=SLOW),
        pytest.param(16, 17, only_aave, 0, marks=SLOW),
        pytest.param(16, 12, everything, 5, marks=SLOW),
        pytest.param(64, 30, everything, 35, marks=SLOW),
        pytest.param(5, 3, nothing, 0, marks=SLOW),
    ],
)  # fmt: skip
def test_following(depth: int, length: int, keep: Keep, empty: int, database: Database) -> None:
    story = Story(HEAD)
    with serve(story) as node:
        with Following(settings(node), database()) as indexer:
            indexer.reach(story)
            before = dump(indexer.url)
            changed(story, node, lambda: story.replace(depth, length, keep, empty))
            if length + empty < depth:  # a lower head on another branch is a reorg too, but only its blocks tell
                changed(story, node, lambda: story.idle(depth))
            indexer.reach(story)
        assert dump(indexer.url)["block"] != before["block"]
        assert count(indexer.url, "SELECT count(*) FROM reorg") == 1
        assert count(indexer.url, "SELECT depth FROM reorg") == depth
        assert_equal(indexer.url, fresh(node, database))


def test_two_in_a_row_and_on(database: Database) -> None:
    story = Story(HEAD)
    with serve(story) as node, Following(settings(node), database()) as indexer:
        indexer.reach(story)
        changed(story, node, lambda: story.replace(3, 4, only_aave))
        indexer.reach(story)
        changed(story, node, lambda: story.replace(6, 7, only_morpho))
        indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database))
        changed(story, node, lambda: story.idle(20))
        indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database))


@SLOW
def test_two_before_the_first_is_seen(database: Database) -> None:
    story = Story(HEAD)
    with serve(story) as node, Following(settings(node, poll_seconds=0.5), database()) as indexer:
        indexer.reach(story)
        changed(story, node, lambda: story.replace(3, 4, only_aave))
        changed(story, node, lambda: story.replace(9, 10, only_morpho))
        indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database))


@SLOW
def test_away_and_back_to_the_first_branch(database: Database) -> None:
    story = Story(HEAD)
    with serve(story) as node, Following(settings(node), database()) as indexer:
        indexer.reach(story)
        before, first = dump(indexer.url), story.snapshot()
        changed(story, node, lambda: story.replace(4, 5, only_aave))
        indexer.reach(story)

        def back() -> None:
            story.cut(5)
            story.append(first[-4:])

        changed(story, node, back)
        changed(story, node, lambda: story.go_on(HEAD + 3))
        indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database))
        assert before["position_change"] != []


def test_while_the_indexer_was_away(database: Database) -> None:
    story, url = Story(HEAD), database()
    with serve(story) as node:
        index(settings(node), url)
        story.replace(16, 30, only_morpho, 40)
        index(settings(node), url)
        assert_equal(url, fresh(node, database))


@pytest.mark.parametrize("span", [pytest.param(1, marks=SLOW), 7])
def test_while_backfilling(span: int, database: Database) -> None:
    """The head is replaced again and again while the indexer comes nearer; finality is deep, so it walks in open blocks."""
    story = Story(HEAD + 40)
    chain = {"finality_depth": 130}
    with serve(story, **chain) as node, Following(settings(node, max_block_range=span), database()) as indexer:
        for mark, depth, keep in ((30, 100, everything), (50, 90, only_aave), (80, 60, everything)):
            indexer.pass_by(mark)
            with node.lock:
                story.replace(depth, depth + 1, keep)
        indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database))


def test_a_lower_head_is_no_reorg(database: Database) -> None:
    story = Story(HEAD)
    with serve(story) as node, Following(settings(node), database()) as indexer:
        indexer.reach(story)
        before = dump(indexer.url)
        node.head = HEAD - 20
        wait_for(lambda: count(indexer.url, "SELECT head_block FROM chain") == HEAD - 20, "the lower head", indexer)
        after = dump(indexer.url)
        assert {name for name in after if after[name] != before[name]} == {"chain"}
        assert count(indexer.url, "SELECT count(*) FROM reorg") == 0
        node.head = None
        changed(story, node, lambda: story.go_on(HEAD + 2))
        indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database))


def test_over_the_end_of_a_day(database: Database) -> None:
    """The first branch ends a day, and writes its snapshot, before a block that the second still has in that day."""
    recorded = Story(HEAD).blocks
    late = next(
        n for n in range(60, HEAD)
        if recorded[n].logs and recorded[n - 1].logs and recorded[n].timestamp // DAY == recorded[n - 1].timestamp // DAY
    )  # fmt: skip
    story = Story(late - 1)
    story.idle(1, DAY)
    with serve(story) as node, Following(settings(node), database()) as indexer:
        indexer.reach(story)
        assert count(indexer.url, "SELECT max(block_number) FROM protocol_leverage_snapshot") == late - 1

        def later() -> None:
            story.cut(1)
            story.go_on(late)
            story.idle(1, DAY)

        changed(story, node, later)
        indexer.reach(story)
        assert count(indexer.url, "SELECT max(block_number) FROM protocol_leverage_snapshot") == late
        assert_equal(indexer.url, fresh(node, database))


def test_deeper_than_the_kept_window_stops_and_says_what_to_run(database: Database) -> None:
    story = Story(HEAD)
    with serve(story, finality_depth=10) as node:
        with Following(settings(node), database()) as indexer:
            indexer.reach(story)
            wait_for(lambda: count(indexer.url, "SELECT finalized_block FROM chain") == HEAD - 10, "finality", indexer)
            before = dump(indexer.url)
            changed(story, node, lambda: story.replace(20, 22, nothing))
            error = indexer.ended()
        assert isinstance(error, ReorgTooDeep)
        assert str(HEAD) in str(error) and "leverage rebuild" in error.hint
        after = dump(indexer.url)
        assert {name for name in after if after[name] != before[name]} <= {"chain"}
        forget(settings(node), indexer.url, HEAD - 25)
        with Following(settings(node), indexer.url) as indexer:
            indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database, finality_depth=10))


def test_rebuilt_after_a_reorg(database: Database) -> None:
    story = Story(HEAD)
    with serve(story) as node, Following(settings(node), database()) as indexer:
        indexer.reach(story)
        changed(story, node, lambda: story.replace(16, 17, only_morpho))
        indexer.reach(story)
    before = dump(indexer.url)
    chain = settings("http://127.0.0.1:9")
    for first in (None, HEAD - 20):
        rebuild(chain, indexer.url, from_block=first)
        after = dump(indexer.url)
        assert {name: rows for name, rows in after.items() if rows != before[name]} == {}, first


class Flipping(FakeNode):
    """A node that goes to another branch for each view call at new blocks, and is back before the next question."""

    other: list[FakeBlock] | None = None
    flips = 0

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if self.other is None or call["method"] != "eth_call":
                return super().answer(call)
            self.flips += 1
            here, self.chain.blocks = self.chain.blocks, self.other
            self.chain.orphans = here
            try:
                return super().answer(call)
            finally:
                self.chain.blocks, self.chain.orphans = here, []


def test_another_branch_between_the_logs_and_the_reads(database: Database) -> None:
    """Logs of A, reads while the node stands on B, and A again when it is asked whether the block still stands.

    Prices of the story depend on their block's hash: one of B among the rows of A would show.
    """
    story = Story(HEAD)
    with Flipping(story, eth_call=answer, lifetime_seconds=120.0) as node:
        with Following(settings(node), database()) as indexer:
            indexer.reach(story)
            other = Story(HEAD)
            other.replace(2, 6, nothing)

            def flip() -> None:
                story.go_on(HEAD + 3)
                node.other = other.blocks

            changed(story, node, flip)
            indexer.reach(story)
            assert node.flips > 0
        node.other = None
        assert_equal(indexer.url, fresh(node, database))


def test_a_block_that_is_gone_when_its_prices_are_read(database: Database) -> None:
    """The reads of a block come after its logs; a node that has dropped the block meanwhile is no reason to end."""
    story, gone = Story(HEAD), [12]

    def forgetful(to: str, data: str, block: FakeBlock) -> str | None:
        if block.number > HEAD and gone[0]:
            gone[0] -= 1
            raise RpcError(-32000, "header not found")
        return answer(to, data, block)

    with serve(story) as node:
        with Following(settings(node), database()) as indexer:
            indexer.reach(story)
            with node.lock:
                node.eth_call = forgetful
                story.go_on(HEAD + 3)
            wait_for(lambda: not gone[0], "the reads", indexer)
            with node.lock:
                story.replace(3, 4, only_aave)
            indexer.reach(story)
        assert_equal(indexer.url, fresh(node, database))
