"""Connections for requests: read-only snapshots whose statements time out.

A request waits for its turn without holding a thread. Were threads to wait instead, all of them could stand waiting while
the requests that have a connection find no thread to go on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg_pool import ConnectionPool
from starlette.concurrency import run_in_threadpool

from api.problems import unavailable
from api.settings import Settings
from indexer.store.database import normalise

SPARE = 2
"""Connections beside those of requests: for the tick of long polls, and for health and metrics."""

QUICK = 2
"""Turns that only quick questions get: however many slow ones run, what bots poll is answered."""


SLOW = 2
"""Questions about everybody that are worked on at the same time."""

SLOW_TIMES = 6
"""How much longer than others such a question may take; for its turn it may wait twice that, as a page asks several at once."""


class Pool:
    """The connections of one app."""

    def __init__(self, settings: Settings) -> None:
        self._wait_seconds = settings.pool_wait_seconds
        self._turns = asyncio.Semaphore(settings.pool_size)
        self._quick_turns = asyncio.Semaphore(QUICK)
        self._slow_turns = asyncio.Semaphore(SLOW)
        self._slow_timeout_ms = SLOW_TIMES * settings.statement_timeout_ms
        self._alone: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()
        self.connections: ConnectionPool[Connection[Any]] = ConnectionPool(
            normalise(settings.database),
            min_size=1,
            max_size=settings.pool_size + QUICK + SLOW + SPARE,
            timeout=settings.pool_wait_seconds,
            kwargs={"application_name": "leverage api", "connect_timeout": 5},
            configure=lambda connection: configure(connection, settings.statement_timeout_ms),
            # a connection that the server closed meanwhile is replaced before a request gets it; one round trip
            check=ConnectionPool.check_connection,
            name="api",
            open=False,
        )

    @asynccontextmanager
    async def lend(self, quick: bool = False) -> AsyncIterator[Connection[Any]]:
        """Lend a connection whose statements see one state of the database. A quick question takes a turn of its own kind
        where the others are all taken.

        Raises  Problem (503) if none becomes free in time
        """
        turns = self._quick_turns if quick and self._turns.locked() else self._turns
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turns.acquire()
        except TimeoutError as error:
            raise unavailable("too-busy", "All database connections are busy") from error
        try:
            connection = await run_in_threadpool(self.connections.getconn)
            try:
                yield connection
            finally:
                await run_in_threadpool(self._take_back, connection)
        finally:
            turns.release()

    @asynccontextmanager
    async def lend_slow(self, question: object) -> AsyncIterator[Connection[Any]]:
        """Lend a connection to a question that looks at everybody: few at a time, of equal ones one, longer, on one core.

        Raises  Problem (503) if its turn does not come in time
        """
        alone = self._alone.setdefault(question, asyncio.Lock())
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(max(2 * self._slow_timeout_ms / 1e3, self._wait_seconds)):
                    await held.enter_async_context(alone)
                    await held.enter_async_context(self._slow_turns)
            except TimeoutError as error:
                raise unavailable("too-busy", "Other questions about everybody are being worked on", 5) from error
            connection = await run_in_threadpool(self.connections.getconn)
            try:
                await run_in_threadpool(take_time, connection, self._slow_timeout_ms)
                yield connection
            finally:
                await run_in_threadpool(self._take_back, connection)

    def write(self, change: Callable[[Connection[Any]], object]) -> None:
        """Commit a change on a connection of its own: requests themselves read only."""
        with self.connections.connection() as connection:
            connection.read_only = False
            try:
                with connection.transaction():
                    change(connection)
            finally:
                connection.read_only = True

    def _take_back(self, connection: Connection[Any]) -> None:
        """End the snapshot; a connection that broke is replaced by the pool."""
        with suppress(psycopg.Error):
            connection.rollback()
        self.connections.putconn(connection)


def configure(connection: Connection[Any], statement_timeout_ms: int) -> None:
    """Set up a new connection. Compiling queries that take milliseconds would cost more than it gains, hence no JIT."""
    connection.autocommit = True
    connection.execute("SELECT set_config('statement_timeout', %s, false)", [str(statement_timeout_ms)])
    connection.execute("SET jit = off")
    connection.autocommit = False
    connection.read_only = True
    connection.isolation_level = IsolationLevel.REPEATABLE_READ


def take_time(connection: Connection[Any], statement_timeout_ms: int) -> None:
    """Let the transaction that begins here take longer, without helpers that would take the other cores too, and sort in memory."""
    connection.execute("SELECT set_config('statement_timeout', %s, true)", [str(statement_timeout_ms)])
    connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
    connection.execute("SET LOCAL work_mem = '64MB'")
