"""The logs of a range or block, in as many pieces as the node demands, each held against the question.

What a single answer can be checked for without a header is checked here, whole columns at a time: order, range, emitters,
topics, one hash a block. `fetch` adds the headers.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from operator import lt

from indexer.chain import bloom, wire
from indexer.chain.node import Node
from indexer.chain.pool import NodePool, another
from indexer.chain.ranges import Plan
from indexer.errors import NodeDisagrees, NodeUnavailable, RangeTooLarge
from indexer.types import Header, Logs, Watch

logger = logging.getLogger(__name__)

MAX_READS = 6
"""Reads of one range before two of them must have agreed."""


@dataclass(frozen=True, slots=True)
class Checks:
    """How ranges are fetched.

    `all_headers`   fetch every header, in finalized blocks too
    `blooms`        hold logs against blooms; off for chains whose headers keep none
    `double_read`   read the logs of finalized ranges twice, the second time from another node where there is one
    `attempts`      answers in contradiction before NodeDisagrees is raised; `pause` seconds after the first, then doubled up to 2
    `stop`          set when nobody wants the answer any more
    """

    all_headers: bool = False
    blooms: bool = True
    double_read: bool = False
    attempts: int = 8
    pause: float = 0.1
    stop: threading.Event | None = None


DEFAULT = Checks()


class Planner:
    """The learned `Plan` of one node, shared by the threads that read ranges."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan = plan or Plan()
        self._lock = threading.Lock()

    @property
    def plan(self) -> Plan:
        """What is known now."""
        return self._plan

    def last_of(self, first: int, limit: int) -> int:
        """Return where the range that begins at `first` should end."""
        return self._plan.last_of(first, limit)

    def answered(self, span: int, logs: int) -> None:
        """Learn from an answer."""
        with self._lock:
            self._plan = self._plan.answered(span, logs)

    def refused(self, first: int, last: int, error: RangeTooLarge) -> int:
        """Learn from a refusal and return the last block to try now."""
        with self._lock:
            self._plan, tried = self._plan.refuse(first, last, error.suggested_last, str(error))
        return tried


def read_logs(
    node: Node,
    first: int,
    last: int,
    watch: Watch,
    planner: Planner,
    checks: Checks,
    pieces: list[Logs] | None = None,
    *,
    twice: bool = False,
) -> Logs:
    """Read the logs of a range in as many pieces as the node demands, noted in `pieces`.

    An empty answer is the likeliest lie (an index that lags, a cache) and the cheapest to ask for again, so it is; with
    `twice` every answer has to be given two times, and an empty one three times.
    """
    if not watch.addresses:
        return Logs()  # nothing to watch yet; to a node an empty list means every emitter of the chain
    pieces = [] if pieces is None else pieces
    todo, end = first, last
    while todo <= last:
        if checks.stop is not None and checks.stop.is_set():
            raise NodeUnavailable("interrupted")
        try:
            logs = _agreed(node, todo, end, watch) if twice else node.logs(todo, end, watch)
            if not len(logs) and not twice:
                logs = another(node).logs(todo, end, watch)
                if len(logs):
                    logger.warning("a node answered blocks %d..%d with no logs, there are %d", todo, end, len(logs))
        except RangeTooLarge as error:
            end = planner.refused(todo, end, error)
            continue
        planner.answered(end - todo + 1, len(logs))
        pieces.append(tidy(node, logs, todo, end, watch, wire.logs_request(todo, end, watch)))
        todo = end + 1
        end = planner.last_of(todo, last)
    return Logs.concat(pieces)


def logs_of_header(node: Node, header: Header, watch: Watch, checks: Checks) -> Logs:
    """Read the logs of one block by its hash, unless its bloom rules out that there are any."""
    filled = bloom.bits(header.logs_bloom) if checks.blooms else None
    if not watch.addresses or (filled is not None and not bloom.may_hide(filled, watch, frozenset())):
        return Logs()
    request = wire.block_logs_request(header.hash, watch)
    logs = tidy(node, node.logs_of_block(header.hash, watch), header.number, header.number, watch, request)
    if any(found != header.hash for found in logs.block_hash):
        raise NodeDisagrees(
            f"{node.name}: logs of another block than {header.hash}", request, wire.header_request(header.number)
        )
    return logs


def tidy(node: Node, logs: Logs, first: int, last: int, watch: Watch, request: str) -> Logs:
    """Return the logs in order; raise when one of them does not answer the question. Whole columns at a time."""
    if not len(logs):
        return logs
    numbers = logs.block_number
    keys = list(zip(numbers, logs.log_index, strict=True))
    if not all(map(lt, keys, islice(keys, 1, None))):
        ordered = logs.in_order()
        facts = set(zip(keys, logs.tx_hash, logs.block_hash, logs.address, logs.topics, logs.data, strict=True))
        if len(facts) != len(ordered):
            raise NodeDisagrees(f"{node.name}: two different logs at one place", request, request)
        logs, numbers = ordered, ordered.block_number
    problem = ""
    if numbers[0] < first or numbers[-1] > last:
        problem = f"logs of blocks {numbers[0]}..{numbers[-1]}"
    elif not watch.addresses.issuperset(logs.address):
        problem = f"a log of {next(a for a in logs.address if a not in watch.addresses)}, which was not asked for"
    elif watch.topics and not watch.topics.issuperset([t[0] if t else "" for t in logs.topics]):
        problem = "a log with a first topic that was not asked for"
    elif {*map(len, logs.block_hash), *map(len, logs.tx_hash)} != {66}:
        problem = "a log with a malformed hash"
    else:
        blocks = dict(zip(numbers, logs.block_hash, strict=True))
        if list(map(blocks.__getitem__, numbers)) != logs.block_hash:
            problem = "logs of two blocks with one number"
    if problem:
        raise NodeDisagrees(f"{node.name}: {problem} in answer to blocks {first}..{last}", request, request)
    return logs


def _agreed(node: Node, first: int, last: int, watch: Watch) -> Logs:
    """Return the first answer that was given twice (empty: three times), from different nodes where there are several."""
    votes: Counter[frozenset[tuple[int, int, str, str]]] = Counter()
    if isinstance(node, NodePool) and (logs := node.logs_twice(first, last, watch)) is not None:
        if len(logs):
            return logs
        votes[fingerprint(logs)] = 2
    for turn in range(MAX_READS):
        logs = (node if turn % 2 else another(node)).logs(first, last, watch)
        key = fingerprint(logs)
        votes[key] += 1
        if votes[key] >= (2 if key else 3):
            return logs
    request = wire.logs_request(first, last, watch)
    counts = ", ".join(str(len(key)) for key in votes)
    raise NodeDisagrees(
        f"{node.name}: no two answers agree for blocks {first}..{last} ({counts} logs)", request, request
    )


def fingerprint(logs: Logs) -> frozenset[tuple[int, int, str, str]]:
    """Return what identifies each log: block number, log index, transaction and block hash."""
    return frozenset(zip(logs.block_number, logs.log_index, logs.tx_hash, logs.block_hash, strict=True))
