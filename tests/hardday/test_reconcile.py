"""M23: beside `leverage run` random balances are held against the contracts, whatever the node or the database does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from indexer.chain import RpcNode
from indexer.commands import follow as commands
from indexer.config import Settings
from indexer.errors import BlockNotYetKnown
from indexer.reconcile import BALANCES, reconcile, reconciling
from indexer.store.database import connect
from indexer.verify import verify
from tests.fakenode import FakeBlock, FakeNode
from tests.hardday.drive import Following, index, wait_for
from tests.hardday.story import Story, answer, serve, settings

HEAD = 110
Database = Callable[[], str]
BALANCE_OF, SCALED, POSITION = "0x70a08231", "0x1da24f3e", "0x93c52062"
"""Selectors of balanceOf(address), scaledBalanceOf(address) and position(bytes32,address)."""


class Contracts:
    """Balances as one database has them at its head, answered as the contracts would; `wrong` is added to each word."""

    def __init__(self, url: str) -> None:
        self.wrong: Callable[[int], int] = lambda word: word
        self.asked: list[tuple[str, str]] = []
        with psycopg.connect(url) as connection:
            self.words: dict[tuple[str, str], list[int]] = {}
            rows = connection.execute(
                "SELECT p.market_id, p.account, p.side, p.shares_raw, p.amount_raw, m.supply_token, m.debt_token "
                "FROM positions p JOIN markets m USING (chain_id, market_id) ORDER BY p.side"
            ).fetchall()
        for market_id, account, side, shares, amount, supply, debt in rows:
            word = account[2:].rjust(64, "0")
            if market_id.startswith("aave"):
                token = supply if side == "supply" else debt
                self.words[token, BALANCE_OF + word] = [int(amount)]
                self.words[token, SCALED + word] = [int(shares)]
            else:
                native = market_id.split(":")[2].removeprefix("0x")
                found = self.words.setdefault(("", POSITION + native + word), [0, 0, 0])
                found[("supply", "debt", "collateral").index(side)] = int(amount if side == "collateral" else shares)

    def __call__(self, to: str, data: str, block: FakeBlock) -> str | None:
        words = self.words.get((to, data)) or self.words.get(("", data))
        if words is None:
            return answer(to, data, block)
        self.asked.append((to, data))
        return "0x" + "".join(f"{self.wrong(word) if word else 0:064x}" for word in words)


def kept(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT source, block_number, n_compared, n_differences, worst_error FROM reconciliation ORDER BY seen_at"
        ).fetchall()


@pytest.fixture(scope="module")
def indexed(migrated_database: Database) -> Any:
    """A story and a database that stands at its head."""
    story, url = Story(HEAD), migrated_database()
    with serve(story) as node:
        index(settings(node), url)
    return story, url


@pytest.fixture
def served(indexed: Any) -> Any:
    story, url = indexed
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM reconciliation")
    contracts = Contracts(url)
    with FakeNode(story, eth_call=contracts, lifetime_seconds=60.0) as node:
        yield node, url, contracts


def test_equal(served: Any) -> None:
    node, url, contracts = served
    with connect(url) as connection:
        report = reconcile(settings(node), connection, RpcNode(node.url), seed=1)
    assert report is not None and report.differences == []
    assert {slug for slug, _ in report.compared} == {"aave_v3", "morpho_blue"}
    assert BALANCES < report.total == len(contracts.asked) <= 2 * BALANCES  # of some account it may be two at once
    assert kept(url) == [("run", HEAD, report.total, 0, 0.0)]
    places = [params[1] for method, params in node.requests if method == "eth_call"]
    assert places == [{"blockHash": node.chain.blocks[HEAD].hash}] * len(places)


def test_the_error_is_relative_to_the_contract(served: Any) -> None:
    """A contract that says twice as much: |w - 2w| / 2w is a half. One unit more is a difference, and a tiny error."""
    node, url, contracts = served
    contracts.wrong = lambda word: 2 * word
    with connect(url) as connection:
        report = reconcile(settings(node), connection, RpcNode(node.url))
    assert report is not None and len(report.differences) == report.total > BALANCES
    assert kept(url)[0][3:] == (report.total, 0.5)
    contracts.wrong = lambda word: 0
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM reconciliation")
    with connect(url) as connection:
        report = reconcile(settings(node), connection, RpcNode(node.url))
    assert report is not None and kept(url)[-1][3:] == (report.total, None), (
        "of a contract that says zero there is no relative error"
    )


def test_a_block_that_is_replaced_meanwhile_counts_for_nothing(served: Any) -> None:
    node, url, contracts = served
    before = node.chain.snapshot()

    def replaced(to: str, data: str, block: FakeBlock) -> str | None:
        if node.chain.blocks[-1].hash == before[-1].hash:
            node.chain.replace(1, 2)
        return contracts(to, data, block)

    node.eth_call = replaced
    with connect(url) as connection, pytest.raises(BlockNotYetKnown, match=str(HEAD)):
        reconcile(settings(node), connection, RpcNode(node.url))
    node.chain.blocks, node.chain.orphans = before, []
    assert kept(url) == []


def test_nothing_at_the_head_is_not_compared(database: Database) -> None:
    url = database()
    with connect(url) as connection:
        assert reconcile(settings("http://127.0.0.1:9"), connection, RpcNode("http://127.0.0.1:9")) is None


def test_verify_keeps_what_it_found(served: Any) -> None:
    """Totals, indexes and account figures are not answered here: they count as differences, not in the error."""
    node, url, _ = served
    report = verify(settings(node), url, sample=3)
    balances = [row for row in report.differences if row.check.is_balance and any(row.check.expected)]
    assert balances == [] and report.total > 100
    (row,) = kept(url)
    assert row == ("verify", HEAD, report.total, len(report.differences), 0.0)


def test_now_and_then(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Every fifth of a second: once, and again, and a difference is told as what, whose and how much."""
    node, url, contracts = served
    stop = threading.Event()
    with reconciling(settings(node, reconcile_seconds=0.2), url, stop):
        wait_for(lambda: len(kept(url)) >= 1, "a comparison", seconds=20)
        contracts.wrong = lambda word: word + 1
        with caplog.at_level(logging.ERROR, "indexer.reconcile"):
            wait_for(lambda: kept(url)[-1][3] > BALANCES, "another", seconds=20)
            wait_for(lambda: "leverage verify" in caplog.text, "the log", seconds=20)
        assert 0 < kept(url)[-1][4] < 1
        stop.set()
    assert [one.name for one in threading.enumerate() if one.name.startswith("reconcile")] == []


@pytest.mark.parametrize("seconds", [0, 3600])
def test_never_and_not_yet(seconds: float, served: Any) -> None:
    node, url, _ = served
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciliation VALUES (31337, extract(epoch FROM now())::bigint - 60, 5, 'run', 1, 0, 0)"
        )
    asked = len(node.requests)
    with reconciling(settings(node, reconcile_seconds=seconds), url, threading.Event()):
        time.sleep(0.3)
    assert len(node.requests) == asked


class Silent(FakeNode):
    """A node that takes questions and does not answer."""

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        self.requests.append((str(call["method"]), []))
        self.stopping.wait(30)
        return super().answer(call)


def test_a_node_that_hangs_holds_nobody_up(database: Database) -> None:
    """Following goes on, and ends at once, while a comparison waits for an answer that does not come."""
    story, url = Story(HEAD), database()
    with serve(story) as node, Silent(story, lifetime_seconds=60.0) as silent:
        chain = settings(node, reconcile_seconds=0.1)
        with Following(chain, url) as indexer:
            with reconciling(chain.model_copy(update={"rpc": (silent.url,)}), url, indexer.stop):
                wait_for(lambda: silent.requests, "a question", indexer)
                with node.lock:
                    story.go_on(HEAD + 3)
                indexer.reach(story)
                started = time.monotonic()
            assert time.monotonic() - started < 5
        assert kept(url) == []


def test_only_run_compares(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """`leverage index` ends at a block, and a recording has no contracts to ask."""
    seen: list[str] = []

    @contextmanager
    def compared(*_: Any) -> Iterator[None]:
        seen.append("compared")
        yield

    monkeypatch.setattr("indexer.run.follow_chain", lambda chain, url, **_: seen.append("followed"))
    monkeypatch.setattr("indexer.reconcile.reconciling", compared)
    story = Story(3)
    with serve(story) as node:
        chain = settings(node)
        everything = Settings(database=database(), chain={"demo": chain})
        commands.follow(everything, [chain], to="latest")
        assert seen == ["followed"]
        commands.follow(everything, [chain])
        assert seen == ["followed", "compared", "followed"]
