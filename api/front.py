"""Polling at the door: a question whose answer is kept is answered with one shared look at where the index is.

Most of what bots send was asked before and has the same answer as before, or the one that another bot is just getting. Such a
request needs no thread, no pooled connection and no snapshot of its own, and its parameters were checked when it was asked
first. What is not kept goes on to the application; of several that want the same new answer one goes on and the others wait.

Fresh    a look begins after the request came, so that nobody is told less than what was committed when it asked
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import psycopg
from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import etag
from api.kept import Asked, Kept, key_of, question_of, whole
from api.problems import Unchanged
from indexer.store import queries
from indexer.store.database import normalise
from indexer.store.queries.coverage import BlockAt, Head

TRIES: Final = 3
"""Looks for one request while blocks arrive; then it goes the way of all others."""

WAIT_SECONDS: Final = 2.0
"""How long to wait for the one who makes the answer."""

LOOK_TIMEOUT_MS: Final = 1_000


class Newest:
    """Where the index is, asked for all who wait: one look at a time, on a connection of its own."""

    def __init__(self, database: str) -> None:
        self._database = normalise(database)
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._running: asyncio.Task[list[Head]] | None = None
        self._next: asyncio.Task[list[Head]] | None = None

    async def look(self) -> list[Head]:
        """Return every chain with its newest block, by a look that begins after this call.

        Raises  psycopg.Error, OSError or TimeoutError when the database does not answer
        """
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running), name="look")
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """End the connection. The next look makes a new one."""
        tasks = [task for task in (self._running, self._next) if task is not None]
        self._running = self._next = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._leave()

    async def _after(self, before: asyncio.Task[list[Head]] | None) -> list[Head]:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None  # who comes from here on needs a later look
        try:
            if self._connection is None:
                self._connection = await self._connect()
            async with asyncio.timeout(2 * LOOK_TIMEOUT_MS / 1e3):
                return await queries.coverage.newest(self._connection)
        except BaseException:
            await self._leave()
            raise

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            self._database, autocommit=True, application_name="leverage api front", connect_timeout=5,
            options=f"-c statement_timeout={LOOK_TIMEOUT_MS} -c jit=off -c default_transaction_read_only=on",
        )  # fmt: skip

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class Front:
    """ASGI middleware that gives out kept answers."""

    def __init__(self, app: ASGIApp, kept: Kept, newest: Newest) -> None:
        self.app = app
        self._kept = kept
        self._newest = newest
        self._making: dict[object, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        request = Request(scope)
        asked = self._kept.known(question_of(request))
        if asked is None or request.headers.get("if-none-match", "").strip() == "*":
            return await self.app(scope, receive, send)
        for _ in range(TRIES):
            head = await self._head(asked)
            if head is None or head.at is None:
                break
            key = key_of(question_of(request), etag.tag(request, head.at), head.holds if asked.of_head else None)
            rows = self._kept.peek(key)
            if rows is not None:
                scope["route"] = asked.route  # for the metrics
                return await answer(request, head.at, rows)(scope, receive, send)
            making = self._making.get(key)
            if making is None:
                return await self._make(key, scope, receive, send)
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await making.wait()
            except TimeoutError:
                break
        await self.app(scope, receive, send)

    async def _head(self, asked: Asked) -> Head | None:
        """Return the chain asked for, or None where the application has to say what is wrong."""
        try:
            heads = await self._newest.look()
        except (psycopg.Error, OSError, TimeoutError):
            return None
        if asked.chain is None:
            return heads[0] if len(heads) == 1 else None
        return next((head for head in heads if asked.chain in (head.chain, str(head.chain_id))), None)

    async def _make(self, key: object, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer; who wants the same goes on as soon as it begins to."""
        done = self._making[key] = asyncio.Event()

        def over() -> None:
            if self._making.get(key) is done:
                del self._making[key]
            done.set()

        async def watch(message: Message) -> None:
            over()
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            over()


def answer(request: Request, at: BlockAt, rows: bytes) -> Response:
    """Return kept rows, or that the client has them already."""
    try:
        return whole(rows, at, etag.headers(request, at))
    except Unchanged as unchanged:
        return Response(status_code=304, headers=unchanged.headers)
