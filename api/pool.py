"""Connections for requests: read-only snapshots whose statements time out.

A request waits for its turn without holding a thread. Were threads to wait instead, all of them could stand waiting while
the requests that have a connection find no thread to go on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

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


class Pool:
    """The connections of one app."""

    def __init__(self, settings: Settings) -> None:
        self._wait_seconds = settings.pool_wait_seconds
        self._turns = asyncio.Semaphore(settings.pool_size)
        self._quick_turns = asyncio.Semaphore(QUICK)
        self.connections: ConnectionPool[Connection[Any]] = ConnectionPool(
            normalise(settings.database),
            min_size=1,
            max_size=settings.pool_size + QUICK + SPARE,
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
