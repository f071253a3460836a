"""Streams: many listeners, one connection to PostgreSQL.

The indexer writes messages into `stream_message` and announces them with NOTIFY in the transaction that commits what they
tell. One task here listens, reads what is new once, keeps the newest in memory and wakes the listeners. Each listener pulls
from its own place at its own pace, so a slow one delays nobody and loses nothing: what is no longer in memory is read from
the table. An event's id is `<chain id>-<seq>`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from types import FrameType
from typing import Any

import msgspec
import psycopg
from starlette.concurrency import run_in_threadpool

from api.problems import unavailable
from indexer.store.database import normalise
from indexer.store.queries import Row

log = logging.getLogger("api")

CHANNELS = ("block", "liquidation_risk", "liquidations", "loops", "purges", "params", "reorg")
IN_MEMORY = 5_000
"""Messages a chain that are kept in memory for listeners who are up to date."""
PAGE = 500
AT_ONCE = 8
"""Listeners woken together; requests are served between one such group and the next."""
FALL_BACK_SECONDS = 5.0
"""How often to look without being notified: a connection may be cut without a word."""

EVENT_ID = re.compile(r"(\d{1,19})-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was written; `text` is its body as JSON."""

    seq: int
    block_number: int
    channel: str
    body: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a listener wants to hear. A reorg is always told, and every block at least as a heartbeat."""

    channels: frozenset[str]
    protocol: str | None = None
    account: str | None = None
    health_factor_lt: Decimal | None = None
    min_debt_usd: Decimal | None = None

    def takes(self, message: Message) -> bool:
        """Return whether a listener wants this message."""
        if message.channel == "reorg":
            return True
        if message.channel not in self.channels:
            return False
        if message.channel == "block":
            return True
        body = message.body
        if self.protocol is not None and body.get("protocol", self.protocol) != self.protocol:
            return False
        if self.account is not None and self.account not in (
            body.get("account"), body.get("borrower"), body.get("owner"), body.get("owner_id"), self._whole(body),
        ):  # fmt: skip
            return False
        if message.channel == "liquidation_risk":
            return self._below(body)
        return True

    def _whole(self, body: Mapping[str, Any]) -> str | None:
        """Return the account itself for messages that are about nobody."""
        about = {"account", "borrower", "owner", "owner_id"} & body.keys()
        return None if about else self.account

    def _below(self, body: Mapping[str, Any]) -> bool:
        """Return whether a borrower is within the filter. One who left the list is told to all: they may hold its row."""
        if body.get("gone"):
            return True
        factor, debt = body.get("health_factor"), body.get("debt_usd")
        if self.health_factor_lt is not None and (factor is None or Decimal(str(factor)) >= self.health_factor_lt):
            return False
        return not (self.min_debt_usd is not None and (debt is None or Decimal(debt) < self.min_debt_usd))


class Ring:
    """The newest messages of one chain, in order and without a gap."""

    def __init__(self, newest: int) -> None:
        self.messages: deque[Message] = deque(maxlen=IN_MEMORY)
        self.newest = newest

    def add(self, rows: list[Row]) -> None:
        """Append messages read from the table."""
        for row in rows:
            if row["seq"] > self.newest:
                self.messages.append(message_of(row))
                self.newest = row["seq"]

    def after(self, seq: int) -> list[Message] | None:
        """Return what follows a number, or None when that is no longer all here."""
        if seq >= self.newest:
            return []
        if not self.messages or self.messages[0].seq > seq + 1:
            return None
        first = seq + 1 - self.messages[0].seq
        return [self.messages[at] for at in range(first, len(self.messages))]


def message_of(row: Row) -> Message:
    """Return a row of `stream_message` as a message, its body encoded once for all listeners."""
    return Message(
        row["seq"], row["block_number"], row["channel"], row["body"], msgspec.json.encode(row["body"]).decode()
    )


@dataclass(frozen=True, slots=True)
class Reads:
    """The three questions that the hub asks the database; each takes a pooled connection of its own."""

    chains: Callable[[], list[Row]]
    messages: Callable[[int, int, int], list[Row]]
    window: Callable[[int], tuple[int, int]]


class Hub:
    """The listeners of one app. `start` and `stop` belong to the app's lifespan."""

    def __init__(self, database: str, reads: Reads, max_listeners: int) -> None:
        self._database = normalise(database)
        self._reads = reads
        self._max_listeners = max_listeners
        self._rings: dict[int, Ring] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.listeners = 0
        self.closing = False

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen(), name="stream")

    async def stop(self) -> None:
        """End every stream and the task."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def close(self) -> None:
        """End every stream. Also from a signal handler's callback."""
        self.closing = True
        for listener in self._called():
            _call(listener)

    def check_room(self) -> None:
        """Raise Problem (503) when there are too many listeners already."""
        if self.listeners >= self._max_listeners:
            raise unavailable("too-busy", f"{self.listeners} streams are open already", 5)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count a listener in and out."""
        self.listeners += 1
        try:
            yield
        finally:
            self.listeners -= 1

    async def place(self, chain_id: int, event_id: str | None) -> tuple[int, str | None]:
        """Return the number after which a listener goes on, and why messages were lost, if they were."""
        oldest, newest = await run_in_threadpool(self._reads.window, chain_id)
        if event_id is None:
            return newest, None
        found = EVENT_ID.fullmatch(event_id)
        if found is None or int(found[1]) != chain_id:
            return newest, f"{event_id[:60]!r} is not an event id of chain {chain_id}"
        seq = int(found[2])
        if seq > newest:
            return newest, f"event {event_id} is not known here; the index was made anew since"
        if seq + 1 < oldest:
            return oldest - 1, f"messages {seq + 1} to {oldest - 1} are no longer kept"
        return seq, None

    async def follow(
        self, chain_id: int, seq: int, pause: float, seconds: float | None = None
    ) -> AsyncIterator[list[Message]]:
        """Yield what follows number `seq`, as it comes; an empty list when nothing came for `pause` seconds.

        Ends when the app stops, or after `seconds`.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + seconds if seconds is not None else float("inf")
        while not self.closing and (left := end - clock()) > 0:
            news = asyncio.get_running_loop().create_future()
            self._waiting.add(news)  # before looking: what comes while we look is not missed
            try:
                ring = self._rings.get(chain_id)
                found = ring.after(seq) if ring is not None else None
                if found is None:
                    rows = await run_in_threadpool(self._reads.messages, chain_id, seq, PAGE)
                    found = [message_of(row) for row in rows]
                if not found:
                    async with asyncio.timeout(min(pause, left)):
                        await news
            except TimeoutError:
                if clock() < end:
                    yield []
            finally:
                self._waiting.discard(news)
            if found:
                seq = found[-1].seq
                yield found

    def _called(self) -> list[asyncio.Future[None]]:
        """Return who waits for news, and begin anew."""
        waiting, self._waiting = list(self._waiting), set()
        return waiting

    async def _wake(self) -> None:
        """Call who waits for news, a few at a time: hundreds who write at once would keep every request waiting."""
        waiting = self._called()
        for first in range(0, len(waiting), AT_ONCE):
            for listener in waiting[first : first + AT_ONCE]:
                _call(listener)
            await asyncio.sleep(0)

    async def _listen(self) -> None:
        """Keep a connection that listens; make it anew when it breaks."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._database, autocommit=True, application_name="leverage stream", connect_timeout=5
                ) as connection:
                    await connection.execute("LISTEN leverage_stream")
                    await self._catch_up()
                    while True:
                        async for _ in connection.notifies(timeout=FALL_BACK_SECONDS, stop_after=1):
                            pass
                        await self._catch_up()
            except (psycopg.Error, OSError) as error:
                log.warning("stream: the database does not answer (%s); trying again", str(error).strip())
                await asyncio.sleep(1)

    async def _catch_up(self) -> None:
        """Read what is new on every chain and wake the listeners."""
        came = False
        for chain in await run_in_threadpool(self._reads.chains):
            ring = self._rings.get(chain["chain_id"])
            if ring is None or chain["newest"] < ring.newest:  # seen first, or the index was made anew
                ring = self._rings[chain["chain_id"]] = Ring(max(chain["newest"] - PAGE, 0))
            while ring.newest < chain["newest"]:
                rows = await run_in_threadpool(self._reads.messages, chain["chain_id"], ring.newest, PAGE)
                if not rows:
                    break
                ring.add(rows)
                came = True
        if came:
            await self._wake()


def _call(listener: asyncio.Future[None]) -> None:
    if not listener.done():
        listener.set_result(None)


@contextmanager
def closing_on_signals(hub: Hub) -> Iterator[None]:
    """End the streams as soon as the process is told to stop.

    The server waits for open responses before it ends the app's lifespan; streams would keep it waiting to its time limit.
    """
    if threading.current_thread() is not threading.main_thread():  # signals come to the main thread only
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def pass_on(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(hub.close)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.default_int_handler(number, frame)

    for number in before:
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def event(chain_id: int, message: Message, choice: Choice) -> str:
    """Return a message as a server-sent event; one that the listener did not choose as a heartbeat, or not at all."""
    identity = f"id: {chain_id}-{message.seq}\n"
    if choice.takes(message):
        return f"{identity}event: {message.channel}\ndata: {message.text}\n\n"
    if message.channel == "block":
        return f'{identity}event: heartbeat\ndata: {{"block_number":{message.block_number}}}\n\n'
    return ""
