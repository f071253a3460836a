"""Other ways to come by the same rows: ranges of other sizes, a protocol added later, a second process, a rebuild."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from indexer import books
from indexer.errors import BadConfig
from indexer.rebuild import rebuild
from indexer.run import follow_chain
from tests.hardday.database import assert_equal, count, cursors, dump
from tests.hardday.drive import Following, index
from tests.hardday.story import Story, only_morpho, serve, settings

Database = Callable[[], str]
HEAD = 200
SLOW = pytest.mark.slow
ORDERS = pytest.mark.parametrize(
    ("first", "later"), [("morpho_blue", "aave_v3"), pytest.param("aave_v3", "morpho_blue", marks=SLOW)]
)


@pytest.fixture(scope="module")
def both(migrated_database: Database) -> str:
    """Both protocols from the start."""
    with serve(Story(HEAD)) as node:
        return index(settings(node), migrated_database())


@pytest.mark.parametrize("span", [pytest.param(1, marks=SLOW), pytest.param(3, marks=SLOW), None])
def test_ranges_of_any_size_give_the_same_rows(span: int | None, both: str, database: Database) -> None:
    with serve(Story(HEAD)) as node:
        url = index(settings(node, max_block_range=span), database())
        asked = {
            int(query[0]["toBlock"], 16) - int(query[0]["fromBlock"], 16) + 1
            for method, query in node.requests
            if method == "eth_getLogs" and "fromBlock" in query[0]
        }
    assert span is None or max(asked, default=0) <= span
    assert_equal(url, both)


@SLOW
def test_block_by_block_as_they_come(both: str, database: Database) -> None:
    whole, story = Story(HEAD), Story(60)
    with serve(story) as node, Following(settings(node), database()) as indexer:
        for block in whole.blocks[61:]:
            with node.lock:
                story.append([block])
            if block.number % 7 == 0:
                indexer.reach(story)
        indexer.reach(story)
        assert_equal(indexer.url, both)


@ORDERS
def test_a_protocol_added_later_catches_up_alone(first: str, later: str, both: str, database: Database) -> None:
    url = database()
    with serve(Story(HEAD)) as node:
        only = settings(node, protocols=(first,))
        index(only, url, to=HEAD - 20)
        assert set(cursors(url)) == {first}
        index(settings(node, protocols=(first, later)), url)
    assert_equal(url, both)


@ORDERS
def test_added_later_on_another_branch(first: str, later: str, database: Database) -> None:
    """The branch on which the first stands is gone when the second catches up through the same blocks."""
    story, url = Story(HEAD), database()
    with serve(story) as node:
        index(settings(node, protocols=(first,)), url)
        story.replace(16, 17, only_morpho)
        index(settings(node), url)
        assert_equal(url, index(settings(node), database()))


@SLOW
def test_stopped_in_the_middle_and_taken_up(both: str, database: Database) -> None:
    url = database()
    with serve(Story(HEAD)) as node:
        for to in (10, 57, 58, 101, "finalized", "latest"):
            index(settings(node, max_block_range=9), url, to=to)
    assert_equal(url, both)


def test_two_processes_on_one_chain(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "LOCK_SECONDS", 0.2)
    story = Story(60)
    with serve(story) as node, Following(settings(node), database()) as indexer:
        indexer.reach(story)
        with pytest.raises(BadConfig, match="another process is indexing chain demo"):
            follow_chain(settings(node), indexer.url, to="latest")
        with pytest.raises(BadConfig, match="another process"):
            rebuild(settings(node), indexer.url)
        connections = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'leverage'"
        )
        assert count(indexer.url, connections) == 2, "those refused have let go of their connections"
        with node.lock:
            story.go_on(64)
        indexer.reach(story)
        assert_equal(indexer.url, index(settings(node), database()))


@pytest.mark.parametrize("first", [None, HEAD - 30, *(pytest.param(n, marks=SLOW) for n in (1, 57, HEAD - 1))])
def test_rebuild_gives_the_same_rows(first: int | None, both: str) -> None:
    before = dump(both)
    rebuild(settings("http://127.0.0.1:9"), both, from_block=first)
    after = dump(both)
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}


@SLOW
def test_rebuild_that_is_broken_off_goes_on_with_a_node(both: str, database: Database) -> None:
    import threading

    stop = threading.Event()
    with serve(Story(HEAD)) as node:
        url = index(settings(node), database())
        rebuild(settings(node), url, from_block=50, progress=lambda _: stop.set(), stop=stop)
        index(settings(node), url)
    assert_equal(url, both)
