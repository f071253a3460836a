"""Long polls: many requests wait for a block, one query a tick asks for all of them.

A waiting request holds neither a thread nor a connection. The tick runs only while somebody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from api.problems import unavailable
from indexer.store.queries.coverage import Coverage

Read = Callable[[], list[Coverage]]


class Heads:
    """The indexed head of every chain, at most `tick_seconds` old."""

    def __init__(self, read: Read, tick_seconds: float, max_waiting: int) -> None:
        self._read = read
        self._tick_seconds = tick_seconds
        self._max_waiting = max_waiting
        self._read_at = float("-inf")
        self._reading: asyncio.Task[list[Coverage]] | None = None
        self.waiting = 0

    async def until(self, reached: Callable[[list[Coverage]], bool], seconds: float) -> bool:
        """Wait until `reached` holds; return False when it does not within `seconds`.

        Raises  Problem (503) if too many requests wait already
        """
        if self.waiting >= self._max_waiting:
            raise unavailable("too-busy", f"{self.waiting} requests are waiting for a block already", 5)
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        self.waiting += 1
        try:
            while True:
                if reached(await self._next()):
                    return True
                if clock() >= deadline:
                    return False
        finally:
            self.waiting -= 1

    async def _next(self) -> list[Coverage]:
        """Return the heads read at the next tick. Whoever asks meanwhile shares the answer."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._read_at_tick())
        return await asyncio.shield(self._reading)

    async def _read_at_tick(self) -> list[Coverage]:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._read_at + self._tick_seconds - clock())
        self._read_at = clock()
        return await run_in_threadpool(self._read)
