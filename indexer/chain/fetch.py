"""A block range, complete and checked: its logs, and the headers that vouch for them.

Lesson 4 of the peers' page: below the finalized block headers are fetched only where they are needed. Where the node puts
`blockTimestamp` into its logs, the headers of blocks with logs are built from the logs, and one of them is held against
the node's own header; without it they are fetched in batches. Above the finalized block every header is fetched and
linked, because any of these blocks may be replaced.

Lesson 9, a node can lie: every fetched header has the hash that its logs name, its bloom has every address and topic of
them, and where the bloom says that a watched log may be missing the block is asked for again by hash.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from operator import lt
from typing import TypeVar

from indexer.chain import bloom, wire
from indexer.chain.node import Node
from indexer.chain.pool import NodePool, another, distrust
from indexer.chain.ranges import Plan
from indexer.errors import BlockNotYetKnown, NodeDisagrees, NodeUnavailable, RangeTooLarge
from indexer.types import Header, Heads, Logs, Range, Watch

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_READS = 6
"""Reads of one range before two of them must have agreed."""

_SPARSE = 512
"""A bloom with fewer of its 2,048 bits set says of an absent address that it may be there in one case of 64."""

_LONGEST_PAUSE = 2.0

_PINNED_SPAN = 4
"""Ranges above the finalized block up to this long are read by block hash: pinned, and no dearer than a range read."""


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


def fetch_range(
    node: Node,
    first: int,
    last: int,
    watch: Watch,
    *,
    heads: Heads,
    planner: Planner | None = None,
    checks: Checks = DEFAULT,
) -> Range:
    """Fetch and check blocks `first..last`.

    Units   `heads.finalized` is the block up to which nothing can change; None means that nothing is final
    Raises  NodeDisagrees after `checks.attempts` contradicting answers; BlockNotYetKnown; RangeTooLarge for one block
    """
    return _insist(node, checks, lambda: _fetch(node, first, last, watch, heads, planner or Planner(), checks))


def fetch_logs(
    node: Node,
    first: int,
    last: int,
    watch: Watch,
    *,
    known: Iterable[Header] = (),
    planner: Planner | None = None,
    checks: Checks = DEFAULT,
) -> Logs:
    """Fetch the watched logs of `first..last`, split as needed, in order and held against the `known` headers.

    Raises  BlockNotYetKnown when a known block was replaced meanwhile: follow again from the committed block
    """
    headers = {header.number: header for header in known}

    def read() -> Logs:
        logs = _read(node, first, last, watch, planner or Planner(), checks)
        blocks = dict(zip(logs.block_number, logs.block_hash, strict=True))
        _hold_against(node, logs, blocks, [headers[n] for n in blocks if n in headers], first, last, watch, checks)
        return _timed(logs, headers)

    return _insist(node, checks, read)


def fetch_more(
    node: Node, part: Range, watch: Watch, *, planner: Planner | None = None, checks: Checks = DEFAULT
) -> Range:
    """Fetch the logs that `watch` asks for in the blocks of a range that was fetched before it was known.

    Returns a range of the same blocks with the additional logs only, and only the headers that `part` does not hold.
    Raises  BlockNotYetKnown when the blocks were replaced meanwhile: follow again from the committed block
    """
    known = {header.number: header for header in part.headers}
    final = part.heads.finalized if part.heads.finalized is not None else -1
    loose = [header for header in part.headers if header.number > final]
    try:
        if len(loose) == len(part.headers) == part.last - part.first + 1 <= 4 * _PINNED_SPAN:
            # By hash: the answer is about these very blocks even when the chain has moved on.
            parts = [_of_block(node, header, watch, checks) for header in loose]
            return Range(part.first, part.last, Logs.concat(parts), (), part.heads, watch)
        more = fetch_range(
            node,
            part.first,
            part.last,
            watch,
            heads=part.heads._replace(finalized=part.last),
            planner=planner,
            checks=checks,
        )
    except NodeDisagrees as error:
        if loose:
            raise BlockNotYetKnown(f"blocks {part.first}..{part.last} changed while they were read: {error}") from error
        raise
    for header in more.headers:
        if header.number in known and known[header.number].hash != header.hash:
            raise BlockNotYetKnown(f"block {header.number} is {header.hash} now, it was {known[header.number].hash}")
    return replace(more, heads=part.heads, headers=tuple(h for h in more.headers if h.number not in known))


# ---------------------------------------------------------------------- one attempt


def _insist(node: Node, checks: Checks, attempt: Callable[[], T]) -> T:
    """Try again while answers contradict each other, each time from another node where there is one."""
    pause = checks.pause
    for left in range(checks.attempts - 1, -1, -1):
        try:
            return attempt()
        except NodeDisagrees as error:
            if not left:
                raise
            distrust(node, str(error))
            # A reorg under way looks the same and passes by itself.
            if checks.stop is None:
                time.sleep(pause)
            elif checks.stop.wait(pause):
                raise
            pause = min(pause * 2, _LONGEST_PAUSE)
    raise AssertionError("unreachable")


def _fetch(node: Node, first: int, last: int, watch: Watch, heads: Heads, planner: Planner, checks: Checks) -> Range:
    final = heads.finalized if heads.finalized is not None else -1
    pinned = final < first and last - first < _PINNED_SPAN
    fetched: dict[int, Header] = {}
    pieces: list[Logs] = []
    if pinned:
        _add_headers(node, fetched, range(first, last + 1))
        logs = Logs.concat([_of_block(node, fetched[n], watch, checks) for n in range(first, last + 1)])
    else:
        logs = _read(node, first, last, watch, planner, checks, pieces, twice=checks.double_read)
    numbers = logs.block_number
    blocks = dict(zip(numbers, logs.block_hash, strict=True))
    built: dict[int, Header] = {}
    needed = set(range(first if checks.all_headers else max(first, final + 1), last + 1)) | {last}
    # A finalized range ends with a block that nobody vouches for unless its successor does.
    successor = {last + 1} if last <= final and last < heads.latest else set()
    below = [n for n in blocks if n not in needed]
    if below and 0 not in logs.timestamp:
        times = dict(zip(numbers, logs.timestamp, strict=True))
        if list(map(times.__getitem__, numbers)) == logs.timestamp:
            # Two blocks of each answer of the node: an answer from another branch is wrong in most of its blocks.
            samples = {piece.block_number[at] for piece in pieces if len(piece) for at in (0, len(piece) // 2)}
            _add_headers(node, fetched, needed | successor | samples)
            if all(times.get(n, header.timestamp) == header.timestamp for n, header in fetched.items()):
                built = {n: Header(n, blocks[n], "", times[n], "") for n in below if n not in samples}
    _add_headers(node, fetched, (needed | successor | blocks.keys()) - built.keys())
    _settle(node, fetched, blocks)
    headers = [fetched[n] for n in sorted(fetched)]
    for below_it, header in pairwise(headers):
        if header.number == below_it.number + 1 and header.parent_hash != below_it.hash:
            raise NodeDisagrees(
                f"{node.name}: block {header.number} does not follow block {below_it.number}",
                wire.header_request(below_it.number),
                wire.header_request(header.number),
            )
    if successor:
        del fetched[last + 1], headers[-1]
    logs = _hold_against(node, logs, blocks, headers, first, last, watch, checks, final)
    everything = sorted({**built, **fetched}.values())
    return Range(first, last, _timed(logs, {h.number: h for h in everything}), tuple(everything), heads, watch)


def _read(
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
        pieces.append(_tidy(node, logs, todo, end, watch, wire.logs_request(todo, end, watch)))
        todo = end + 1
        end = planner.last_of(todo, last)
    return Logs.concat(pieces)


def _of_block(node: Node, header: Header, watch: Watch, checks: Checks) -> Logs:
    """Read the logs of one block by its hash, unless its bloom rules out that there are any."""
    filled = bloom.bits(header.logs_bloom) if checks.blooms else None
    if not watch.addresses or (filled is not None and not bloom.may_hide(filled, watch, frozenset())):
        return Logs()
    request = wire.block_logs_request(header.hash, watch)
    logs = _tidy(node, node.logs_of_block(header.hash, watch), header.number, header.number, watch, request)
    if any(found != header.hash for found in logs.block_hash):
        raise NodeDisagrees(
            f"{node.name}: logs of another block than {header.hash}", request, wire.header_request(header.number)
        )
    return logs


def _tidy(node: Node, logs: Logs, first: int, last: int, watch: Watch, request: str) -> Logs:
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


def _add_headers(node: Node, fetched: dict[int, Header], numbers: Iterable[int]) -> None:
    """Fetch those of the headers that are not there yet."""
    wanted = sorted(set(numbers) - fetched.keys())
    if wanted:
        fetched.update((header.number, header) for header in node.headers(wanted))


def _settle(node: Node, fetched: dict[int, Header], blocks: dict[int, str]) -> None:
    """Ask again for the headers that contradict a neighbour or a log, and keep what is said twice of each.

    One wrong header of hundreds would otherwise cost reading the whole range anew. Agreeing with the log is no reason to
    believe a header: the log may be the one that is wrong.
    """
    suspects = {number for number, header in fetched.items() if blocks.get(number, header.hash) != header.hash}
    for below, number in pairwise(sorted(fetched)):
        if number == below + 1 and fetched[number].parent_hash != fetched[below].hash:
            suspects |= {below, number}
    votes = Counter(fetched[number] for number in suspects)
    for _ in range(MAX_READS):
        if not suspects:
            return
        for header in another(node).headers(sorted(suspects)):
            votes[header] += 1
            if votes[header] == 2:
                fetched[header.number] = header
                suspects.discard(header.number)


def _hold_against(
    node: Node,
    logs: Logs,
    blocks: dict[int, str],
    headers: Sequence[Header],
    first: int,
    last: int,
    watch: Watch,
    checks: Checks,
    final: int = -1,
) -> Logs:
    """Hold logs against the headers of their blocks; return them, with what a second look by hash found besides.

    In finalized blocks topics after the first are taken on trust: each costs a keccak of 5 us, as much as everything
    else that is done to a log, and the block hash vouches for the branch already.
    """
    replaced: dict[int, Logs] = {}
    request = wire.logs_request(first, last, watch)
    for header in headers:
        number = header.number
        if blocks.get(number, header.hash) != header.hash:
            raise NodeDisagrees(
                f"{node.name}: logs of block {number} are of {blocks[number]}, its header is {header.hash}",
                request,
                wire.header_request(number),
            )
        try:
            filled = bloom.bits(header.logs_bloom) if checks.blooms else None
        except ValueError as error:
            raise NodeUnavailable(f"{node.name}: header {number} has {error}") from None
        if filled is None or not watch.addresses:
            continue
        start, end = bisect_left(logs.block_number, number), bisect_right(logs.block_number, number)
        if start < end and not _in_bloom(filled, logs, start, end, number <= final):
            raise NodeDisagrees(
                f"{node.name}: block {number} has logs that its bloom rules out (a chain without blooms needs "
                "`blooms = false`)",
                request,
                wire.header_request(number),
            )
        seen = frozenset(logs.address[start:end])
        strict = number > final or filled.bit_count() < _SPARSE
        if (start == end or strict) and bloom.may_hide(filled, watch, seen):
            again = _of_block(another(node), header, watch, checks)
            if len(again) > end - start:
                if not _in_bloom(filled, again, 0, len(again), False):
                    raise NodeDisagrees(
                        f"{node.name}: block {number} has logs that its bloom rules out",
                        wire.block_logs_request(header.hash, watch),
                        wire.header_request(number),
                    )
                replaced[number] = again
    if not replaced:
        return logs
    kept = logs.take([row for row, number in enumerate(logs.block_number) if number not in replaced])
    return Logs.concat([kept, *replaced.values()]).in_order()


def _in_bloom(filled: int, logs: Logs, start: int, end: int, only_first: bool) -> bool:
    """Tell whether a bloom has the addresses and topics of these rows."""
    if only_first:
        items = bloom.union([*logs.address[start:end], *(t[0] for t in logs.topics[start:end] if t)])
    else:
        items = bloom.union([*logs.address[start:end], *(topic for t in logs.topics[start:end] for topic in t)])
    return filled & items == items


def _timed(logs: Logs, headers: dict[int, Header]) -> Logs:
    """Return the logs with the headers' timestamps, where the node gave none or others."""
    if not len(logs) or not all(number in headers for number in set(logs.block_number)):
        return logs
    times = {number: header.timestamp for number, header in headers.items()}
    timestamps = list(map(times.__getitem__, logs.block_number))
    return logs if timestamps == logs.timestamp else replace(logs, timestamp=timestamps)


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
