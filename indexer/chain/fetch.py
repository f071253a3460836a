"""A block range, complete and checked: its logs, and the headers that vouch for them.

Lesson 4 of the peers' page: below the finalized block headers are fetched only where they are needed. Where the node puts
`blockTimestamp` into its logs, the headers of blocks with logs are built from the logs, and two of each answer are held
against the node's own headers; without it they are fetched in batches. Above the finalized block every header is fetched and
linked, because any of these blocks may be replaced.

Lesson 9, a node can lie: every fetched header has the hash that its logs name, its bloom has every address and topic of
them, and where the bloom says that a watched log may be missing the block is asked for again by hash.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from indexer.chain import bloom, wire
from indexer.chain.logs import DEFAULT, MAX_READS, Checks, Planner, logs_of_header, read_logs
from indexer.chain.node import Node
from indexer.chain.pool import another, distrust
from indexer.errors import BlockNotYetKnown, NodeDisagrees, NodeUnavailable
from indexer.types import Header, Heads, Logs, Range, Watch

T = TypeVar("T")

_SPARSE = 512
"""A bloom with fewer of its 2,048 bits set says of an absent address that it may be there in one case of 64."""

_LONGEST_PAUSE = 2.0

_PINNED_SPAN = 4
"""Ranges above the finalized block up to this long are read by block hash: pinned, and no dearer than a range read."""


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

    Raises  NodeDisagrees after `checks.attempts` answers that contradict each other or a known header
    """
    headers = {header.number: header for header in known}

    def read() -> Logs:
        logs = read_logs(node, first, last, watch, planner or Planner(), checks)
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
            parts = [logs_of_header(node, header, watch, checks) for header in loose]
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
        logs = Logs.concat([logs_of_header(node, fetched[n], watch, checks) for n in range(first, last + 1)])
    else:
        logs = read_logs(node, first, last, watch, planner, checks, pieces, twice=checks.double_read)
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
            again = logs_of_header(another(node), header, watch, checks)
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
