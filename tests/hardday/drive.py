"""Run the indexer beside a test: in a thread that can be watched and stopped, or to an end."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

import psycopg

from indexer.chain import RpcNode
from indexer.config import ChainSettings
from indexer.run import follow_chain
from tests.fakenode import FakeChain

PATIENCE = 60.0


def index(chain: ChainSettings, url: str, to: Any = "latest") -> str:
    """Index up to a block and return the database's URL."""
    follow_chain(chain, url, to=to)
    return url


class Following:
    """`follow_chain` without an end, in a thread. Leaving the block stops it and shows what it failed with."""

    def __init__(self, chain: ChainSettings, url: str) -> None:
        self.chain, self.url = chain, url
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            follow_chain(self.chain, self.url, stop=self.stop)
        except BaseException as error:  # shown to the test
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "follow_chain did not stop"
        if kind is None and self.error is not None:
            raise self.error

    def ended(self) -> BaseException | None:
        """Wait for the end and return what it failed with."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "follow_chain goes on"
        error, self.error = self.error, None
        return error

    def pass_by(self, number: int) -> None:
        """Wait until every protocol stands at this block or above it."""
        wait_for(lambda: lowest(self.url) >= number, f"block {number}", self)

    def reach(self, chain: FakeChain) -> None:
        """Wait until every running protocol stands on the head of the chain and the node's heads are noted."""
        top = chain.blocks[-1]
        self.reach_block(top.number, top.hash)

    def reach_block(self, number: int, block_hash: str) -> None:
        """Wait until every running protocol stands on this block, it is noted as the head, and so is what is final."""
        wait_for(lambda: stands(self.url, number, block_hash), lambda: f"block {number}", self)
        final = RpcNode(self.chain.rpc[0]).heads().finalized
        wait_for(lambda: final_block(self.url) >= (final or -1), lambda: f"finality of block {final}", self)


def stands(url: str, number: int, block_hash: str) -> bool:
    """Tell whether every running protocol stands on this block and it is noted as the head."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT coalesce(bool_and(block_hash = %s AND status = 'following') FILTER (WHERE status <> 'stopped'), false), "
            "(SELECT max(head_block) FROM chain) FROM cursor",
            (bytes.fromhex(block_hash[2:]),),
        ).fetchone()
    return row is not None and row[0] and row[1] == number


def lowest(url: str) -> int:
    """Return the block at which the last protocol stands; -1 before there is one."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT coalesce(min(block_number), -1) FROM cursor").fetchone()
    assert row is not None
    return int(row[0])


def final_block(url: str) -> int:
    """Return the block up to which the database says that nothing can change; -1 for none."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT coalesce(max(finalized_block), -1) FROM chain").fetchone()
    assert row is not None
    return int(row[0])


def wait_for(done: Any, what: Any, following: Following | None = None, seconds: float = PATIENCE) -> None:
    """Poll until a condition holds; fail with what was waited for."""
    deadline, pause = time.monotonic() + seconds, 0.004
    while not done():
        if following is not None and following.error is not None:
            raise following.error
        assert time.monotonic() < deadline, f"not there after {seconds:.0f} s: {what() if callable(what) else what}"
        time.sleep(pause)
        pause = min(2 * pause, 0.06)  # most conditions are a connection each: they must not keep the machine busy
