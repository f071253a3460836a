"""Several nodes as one: fail over, back off, put a lagging or contradicting node aside, and give up in bounded time.

Order    the first node in the list answers as long as it can; the others are there for its bad days
Units    seconds
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from indexer.chain.node import NoAnswer, Node, RecordableNode
from indexer.errors import BadConfig, BlockNotYetKnown, NodeUnavailable, RangeTooLarge, RateLimited, Retry
from indexer.types import Answer, Header, Heads, Logs, Read, Watch

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHUNK = 100
"""Headers or calls of one retried request: what was answered before a failure is not asked again."""

_UNKNOWN_ROUNDS = 4
"""Rounds over all nodes for a block that none has. The caller has better things to do then: look at the head again."""

_TIMEOUTS_TO_SPLIT = 2
"""A wide range that brought no answer this often is taken for too heavy, and split."""


@dataclass
class _Member:
    """A node and what is held against it, as clock readings: asked last until `rests_until`, not before `limited_until`."""

    node: Node
    rests_until: float = 0.0
    limited_until: float = 0.0
    checked: bool = False


class NodePool:
    """Implements `Node` over several nodes of one chain. Safe from several threads.

    `give_up_after` bounds every call: then NodeUnavailable, with what the last node said. `lag_blocks` is how far a node
    may be behind what was seen before it is put aside for `quarantine` seconds.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        chain_id: int | None = None,
        give_up_after: float = 300.0,
        first_wait: float = 0.05,
        longest_wait: float = 15.0,
        lag_blocks: int = 5,
        quarantine: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not nodes:
            raise BadConfig("rpc: give at least one node URL")
        self._members = [_Member(node) for node in nodes]
        self._chain_id = chain_id
        self._give_up_after = give_up_after
        self._wait = wait_random_exponential(
            multiplier=first_wait, max=longest_wait, min=min(first_wait, longest_wait) / 2
        )
        self._lag_blocks = lag_blocks
        self._quarantine = quarantine
        self._clock = clock
        self._lock = threading.Lock()
        self._local = threading.local()
        self._interrupted = threading.Event()
        self._highest = -1

    @property
    def name(self) -> str:
        """The names of all nodes."""
        return ", ".join(member.node.name for member in self._members)

    # ------------------------------------------------------------------ Node

    def chain_id(self) -> int:
        """Return the chain id, the same for every node (checked at a node's first use)."""
        if self._chain_id is None:
            self._ask(lambda node: node.chain_id())
        assert self._chain_id is not None
        return self._chain_id

    def heads(self) -> Heads:
        """Return the heads of the first node that keeps up with what was seen; if all lag, of the best of them."""
        behind: list[Heads] = []

        def ask(node: Node) -> Heads:
            heads = node.heads()
            if heads.latest + self._lag_blocks < self._highest:
                behind.append(heads)
                self._rest(node, self._quarantine, f"lags: head {heads.latest}, {self._highest} was seen")
                if len(behind) < len(self._members):
                    raise BlockNotYetKnown(f"{node.name} lags at {heads.latest}")
                return max(behind)
            self._highest = max(self._highest, heads.latest)
            return heads

        return self._ask(ask)

    def headers(self, numbers: Sequence[int]) -> list[Header]:
        """Return canonical headers, chunk by chunk."""
        found: list[Header] = []
        for start in range(0, len(numbers), CHUNK):
            part = numbers[start : start + CHUNK]
            found += self._ask(lambda node, part=part: node.headers(part))  # type: ignore[misc]
        return found

    def header_by_hash(self, block_hash: str) -> Header | None:
        """Return the header with this hash from the first node that answers."""
        return self._ask(lambda node: node.header_by_hash(block_hash))

    def logs(self, first: int, last: int, watch: Watch) -> Logs:
        """Return the watched logs of a range. RangeTooLarge goes to the caller, also for a range that only times out."""
        return self._ask_range(lambda node: node.logs(first, last, watch), first, last)

    def logs_twice(self, first: int, last: int, watch: Watch) -> Logs | None:
        """Return the logs when the only node gives them twice, byte for byte; None when not, or with several nodes."""
        twice = getattr(self._members[0].node, "logs_twice", None)
        if twice is None or len(self._members) > 1:
            return None
        ask: Callable[[Node], Logs | None] = lambda node: twice(first, last, watch)  # noqa: E731
        return self._ask_range(ask, first, last)

    def logs_of_block(self, block_hash: str, watch: Watch) -> Logs:
        """Return the watched logs of one block, pinned by hash."""
        return self._ask(lambda node: node.logs_of_block(block_hash, watch))

    def call(self, reads: Sequence[Read]) -> list[Answer]:
        """Answer view calls, chunk by chunk."""
        found: list[Answer] = []
        for start in range(0, len(reads), CHUNK):
            part = reads[start : start + CHUNK]
            found += self._ask(lambda node, part=part: node.call(part))  # type: ignore[misc]
        return found

    def raw_headers(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return header objects as a node gives them."""
        return self._ask(lambda node: _recordable(node).raw_headers(numbers))

    def raw_logs(self, first: int, last: int) -> list[dict[str, Any]]:
        """Return log entries as a node gives them."""
        return self._ask_range(lambda node: _recordable(node).raw_logs(first, last), first, last)

    # ------------------------------------------------------------------ for those who know that it is a pool

    def another(self) -> Node:
        """Return a view of this pool that asks the node that answered this thread last only after all others."""
        return _Another(self) if len(self._members) > 1 else self

    def distrust(self, reason: str) -> None:
        """Put aside the node that answered this thread last."""
        node = getattr(self._local, "node", None)
        if node is not None:
            self._rest(node, self._quarantine, reason)

    def interrupt(self) -> None:
        """End the waiting of every call under way; calls made later are not affected."""
        with self._lock:
            waiting, self._interrupted = self._interrupted, threading.Event()
        waiting.set()

    def close(self) -> None:
        """Interrupt what waits and close idle connections."""
        self.interrupt()
        for member in self._members:
            close = getattr(member.node, "close", None)
            if close:
                close()

    # ------------------------------------------------------------------ how a call is tried

    def _ask_range(self, ask: Callable[[Node], T], first: int, last: int) -> T:
        silent = 0

        def once(node: Node) -> T:
            nonlocal silent
            try:
                return ask(node)
            except NoAnswer as error:
                silent += 1
                if last > first and silent >= _TIMEOUTS_TO_SPLIT * len(self._members):
                    raise RangeTooLarge(
                        f"no answer for blocks {first}..{last} after {silent} tries: {error}"
                    ) from error
                raise

        return self._ask(once)

    def _ask(self, ask: Callable[[Node], T], avoid: Node | None = None) -> T:
        """Try every node, then back off and start over, until one answers or the time is up."""
        started = self._clock()
        interrupted = self._interrupted
        unknown = 0

        def pause(seconds: float) -> None:
            if interrupted.wait(seconds):
                raise NodeUnavailable("interrupted")

        def over(state: RetryCallState) -> bool:
            nonlocal unknown
            error = state.outcome.exception() if state.outcome else None
            unknown += isinstance(error, BlockNotYetKnown)
            return unknown >= _UNKNOWN_ROUNDS or self._clock() - started >= self._give_up_after

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.wait_seconds if isinstance(error, RateLimited) else None
            return min(asked if asked is not None else self._wait(state), self._give_up_after)

        try:
            answer: T = Retrying(
                retry=retry_if_exception_type((NodeUnavailable, RateLimited, BlockNotYetKnown)),
                wait=wait,
                stop=over,
                sleep=pause,
                reraise=True,
            )(self._round, ask, avoid)
            return answer
        except RateLimited as error:
            raise NodeUnavailable(f"rate limited for {self._give_up_after:.0f} s: {error}") from error

    def _round(self, ask: Callable[[Node], T], avoid: Node | None) -> T:
        """Ask each node once, those in disgrace last; raise what says most about why none answered."""
        now = self._clock()
        order = sorted(self._members, key=lambda m: (m.node is avoid, max(0.0, m.rests_until - now)))
        # A 429 is honoured even when everybody else is down; with all of them limited the soonest is asked.
        order = [m for m in order if m.limited_until <= now] or [min(order, key=lambda m: m.limited_until)]
        errors: list[Retry] = []
        for member in order:
            try:
                self._check_chain(member)
                answer = ask(member.node)
            except RangeTooLarge:
                raise
            except RateLimited as error:
                if len(self._members) > 1:
                    member.limited_until = self._clock() + (error.wait_seconds or 1.0)
                errors.append(error)
            except (NodeUnavailable, BlockNotYetKnown) as error:
                if len(self._members) > 1 and isinstance(error, NodeUnavailable):
                    # Short: the next call starts with a node that works, and comes back to this one soon.
                    self._rest(member.node, 1.0, str(error))
                errors.append(error)
            else:
                self._local.node = member.node
                return answer
        # A node that does not know the block at least answers; one that is down says nothing about the chain.
        known = [error for error in errors if isinstance(error, BlockNotYetKnown)]
        raise (known or errors)[-1]

    def _check_chain(self, member: _Member) -> None:
        """Refuse a node of another chain before its first answer is used."""
        if member.checked:
            return
        found = member.node.chain_id()
        with self._lock:
            if self._chain_id is None:
                self._chain_id = found
        if found != self._chain_id:
            raise BadConfig(
                f"rpc: {member.node.name} serves chain id {found}, not {self._chain_id}; "
                "remove it from `rpc` or correct `chain_id`"
            )
        member.checked = True

    def _rest(self, node: Node, seconds: float, reason: str) -> None:
        until = self._clock() + seconds
        for member in self._members:
            if member.node is node:
                member.rests_until = max(member.rests_until, until)
        if len(self._members) > 1:
            logger.info("node %s put aside for %.0f s: %s", node.name, seconds, reason)


class _Another:
    """A pool seen from its other nodes first. Lives for one question or two."""

    def __init__(self, pool: NodePool) -> None:
        self._pool = pool
        self._avoid: Node | None = getattr(pool._local, "node", None)
        self.name = pool.name
        self.chain_id = pool.chain_id

    def heads(self) -> Heads:
        return self._pool._ask(lambda node: node.heads(), self._avoid)

    def headers(self, numbers: Sequence[int]) -> list[Header]:
        return self._pool._ask(lambda node: node.headers(numbers), self._avoid)

    def header_by_hash(self, block_hash: str) -> Header | None:
        return self._pool._ask(lambda node: node.header_by_hash(block_hash), self._avoid)

    def logs(self, first: int, last: int, watch: Watch) -> Logs:
        return self._pool._ask(lambda node: node.logs(first, last, watch), self._avoid)

    def logs_of_block(self, block_hash: str, watch: Watch) -> Logs:
        return self._pool._ask(lambda node: node.logs_of_block(block_hash, watch), self._avoid)

    def call(self, reads: Sequence[Read]) -> list[Answer]:
        return self._pool._ask(lambda node: node.call(reads), self._avoid)


def another(node: Node) -> Node:
    """Return the same chain through another node than the one that answered last, where there is another."""
    return node.another() if isinstance(node, NodePool) else node


def distrust(node: Node, reason: str) -> None:
    """Put the node aside that answered last, where there is another to ask instead."""
    if isinstance(node, NodePool):
        node.distrust(reason)


def _recordable(node: Node) -> RecordableNode:
    if not isinstance(node, RecordableNode):
        raise BadConfig(f"{node.name} cannot be recorded")
    return node
