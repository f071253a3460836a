"""The state behind `follow`: what is committed, what is in flight, and how a replaced branch is found and swapped."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Literal

from indexer.chain.fetch import fetch_logs, fetch_range
from indexer.chain.logs import MAX_READS, Checks, Planner, fingerprint
from indexer.chain.node import Node
from indexer.chain.pool import NodePool, another, distrust
from indexer.chain.unproven import Unproven, joined
from indexer.chain.wire import logs_request
from indexer.errors import BlockNotYetKnown, NodeDisagrees, ReorgTooDeep
from indexer.types import BlockRef, Finalized, Heads, Idle, Range, Reorg, Step, Watch

logger = logging.getLogger(__name__)

FINALITY_DEPTH = 64
"""Blocks behind the head that count as final on a chain without the `finalized` tag."""

_HEADS_EVERY = 32
"""Ranges of a backfill between two looks at the head."""

_FINALIZED_EVERY = 16
"""Ranges of a backfill between two `Finalized` steps."""

_BRANCH_BEYOND = 128
"""Blocks of a new branch above the old tip that still go into the Reorg; the rest follows as ranges."""

_FORK_ATTEMPTS = 10

_HEALS = 3
"""Times in a row that unfinalized blocks are replaced by themselves, read anew, before that is an error."""


class Follower:
    """The state of one `follow`. Everything but `_fetch` runs in the consumer's thread."""

    def __init__(
        self,
        node: Node,
        start: BlockRef | None,
        start_block: int,
        recent: Sequence[BlockRef],
        watch: Callable[[], Watch],
        to: int | Literal["latest", "finalized"] | None,
        depth: int,
        prefetch: int,
        checks: Checks,
        stop: threading.Event,
        planner: Planner,
    ) -> None:
        self._node = node
        self._tip = start
        self._next = start.number + 1 if start else start_block
        self._kept: dict[int, BlockRef] = {ref.number: ref for ref in sorted(recent)}
        if start:
            self._kept[start.number] = start
        self._announced = min(self._kept) if recent else -1
        self._watch = watch
        self._to = to
        self._depth = depth
        self._prefetch = prefetch
        self._checks = checks
        self.stop = stop
        self.pause: Callable[[], object] = lambda: None
        self._planner = planner
        self._threads: ThreadPoolExecutor | None = None
        self._final = -1
        self._unproven: list[Unproven] = []
        self._vain = 0
        self._heals = 0

    def steps(self) -> Iterator[Step]:
        """Poll, and yield what each poll brings; Idle where that is nothing."""
        while not self.stop.is_set():
            heads = self._heads()
            if self._next > self._limit(heads):
                return
            progressed = False
            try:
                for step in self._poll(heads):
                    progressed = True
                    yield step
            except BlockNotYetKnown as error:
                logger.debug("not there yet: %s", error)
            if not progressed:
                yield Idle(heads)
                self.pause()

    def prove(self, committed: Sequence[Range]) -> None:
        """Note logs that an earlier run committed above the finalized block."""
        self._unproven = [Unproven(part.first, part.last, part.watch, fingerprint(part.logs)) for part in committed]

    def close(self) -> None:
        """Stop the threads and what they wait for."""
        assert self._checks.stop is not None
        self._checks.stop.set()
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)
            if isinstance(self._node, NodePool):
                self._node.interrupt()

    # ------------------------------------------------------------------ one poll

    def _poll(self, heads: Heads) -> Iterator[Step]:
        target = min(heads.latest, self._limit(heads))
        if self._tip is None and self._next > self._final and self._next > 0 and self._next <= target:
            # Nothing is committed and the first block may be replaced: its parent is the anchor to come back to.
            self._keep([self._node.headers([self._next - 1])[0].ref])
            self._announced = self._next - 1
        linked = self._final < self._next <= target  # then the next header's parent hash tells of a reorg
        if not linked:
            if self._replaced(heads):
                yield from self._reorg()
                return
            yield from self._finalize()  # what an earlier run committed is proven before more is built upon it
        yield from self._advance(target, heads)
        yield from self._finalize()

    def _advance(self, target: int, heads: Heads) -> Iterator[Step]:
        """Yield ranges up to `target`, several in flight, strictly in order."""
        pending: deque[Future[Range]] = deque()
        cursor, done = self._next, 0
        single = self._last_of(cursor, target) >= target
        try:
            while not self.stop.is_set():
                # Begin with one range: what it reveals (factories, reserve listings) the next ones ask for already.
                while cursor <= target and len(pending) < min(self._prefetch, 1 + done):
                    last = self._last_of(cursor, target)
                    pending.append(self._submit(cursor, last, heads, inline=single))
                    cursor = last + 1
                if not pending:
                    return
                part = pending.popleft().result()
                if not self._follows(part):
                    yield from self._reorg()
                    return
                self._commit(part)
                yield part
                done += 1
                if done % _FINALIZED_EVERY == 0:
                    yield from self._finalize()
                if done % _HEADS_EVERY == 0:
                    heads = self._heads()
                    target = max(target, min(heads.latest, self._limit(heads)))
                single = False
        finally:
            for future in pending:
                future.cancel()

    def _last_of(self, first: int, target: int) -> int:
        """Return the range's last block; a range never straddles the finalized block."""
        return self._planner.last_of(first, min(self._final, target) if first <= self._final else target)

    def _submit(self, first: int, last: int, heads: Heads, *, inline: bool) -> Future[Range]:
        watch = self._watch()
        if inline:  # at the head: a thread would only cost time
            done: Future[Range] = Future()
            done.set_result(self._fetch(first, last, watch, heads))
            return done
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._prefetch, thread_name_prefix="chain")
        return self._threads.submit(self._fetch, first, last, watch, heads)

    def _fetch(self, first: int, last: int, watch: Watch, heads: Heads) -> Range:
        return fetch_range(self._node, first, last, watch, heads=heads, planner=self._planner, checks=self._checks)

    # ------------------------------------------------------------------ replaced branches

    def _follows(self, part: Range) -> bool:
        """Tell whether a range stands on the committed tip; yes where its first header was not fetched."""
        parent = self._kept.get(part.first - 1)
        header = part.headers[0]
        return parent is None or header.number != part.first or header.parent_hash in ("", parent.hash)

    def _replaced(self, heads: Heads) -> bool:
        """Tell whether the node, asked twice, has another block at the height of a committed one."""
        ours = self._kept.get(min(heads.latest, self._tip.number)) if self._tip else None
        if ours is None:
            return False
        try:
            return (
                self._node.headers([ours.number])[0].hash != ours.hash
                and another(self._node).headers([ours.number])[0].hash != ours.hash
            )
        except BlockNotYetKnown:
            return False  # it lags

    def _reorg(self) -> Iterator[Step]:
        """Find the fork, fetch the new branch, yield it. Yields nothing when the old branch turns out to stand."""
        pause = self._checks.pause
        for attempt in range(_FORK_ATTEMPTS):
            if attempt:
                self.stop.wait(min(pause * 2**attempt, 2.0))
            heads = self._heads()
            try:
                # The second opinion; unless the other node has contradicted the first for several polls running.
                ancestor = self._fork(heads, another(self._node) if self._vain < 3 else self._node)
                if ancestor is None or ancestor == self._tip:
                    self._vain += 1
                    return
                branch = self._branch(ancestor, heads)
            except (BlockNotYetKnown, NodeDisagrees) as error:
                logger.info("the chain changes while the new branch is read: %s", error)
                continue
            if branch is None:
                return  # not one block above the ancestor yet
            self._vain = 0
            yield from self._swap(ancestor, branch)
            return
        logger.warning("block %d was replaced, and the chain keeps changing while it is read", self._next - 1)

    def _fork(self, heads: Heads, source: Node) -> BlockRef | None:
        """Return the highest committed block that the source still has; None when its head is below all of them."""
        numbers = sorted((number for number in self._kept if number <= heads.latest), reverse=True)
        chunk, place = 4, 0
        while place < len(numbers):
            part = numbers[place : place + chunk]
            for header in source.headers(part):
                if header.hash == self._kept[header.number].hash:
                    return self._kept[header.number]
            place, chunk = place + len(part), 100
        if not numbers:
            return None
        oldest = self._kept[numbers[-1]]
        theirs = self._node.headers([oldest.number])[0]
        if theirs.hash == oldest.hash:
            raise BlockNotYetKnown(f"{source.name} is on another branch at block {oldest.number}")
        raise ReorgTooDeep(
            f"block {oldest.number}, the oldest that could be undone, was {oldest.hash} and is {theirs.hash} now: the chain "
            f"was replaced at or below it (committed up to block {self._next - 1})"
        )

    def _branch(self, ancestor: BlockRef, heads: Heads) -> Range | None:
        """Return the checked blocks above the ancestor; None when there is none.

        Raises  BlockNotYetKnown when the chain changed again meanwhile
        """
        last = min(heads.latest, self._limit(heads), max(self._next - 1, ancestor.number + 1) + _BRANCH_BEYOND)
        if last <= ancestor.number:
            return None
        # Every header of the branch, whatever the new head says of finality: the branch is linked down to the ancestor.
        open_heads = heads._replace(finalized=min(ancestor.number, self._final))
        branch = self._fetch(ancestor.number + 1, last, self._watch(), open_heads)
        if branch.headers[0].parent_hash != ancestor.hash:
            raise BlockNotYetKnown(f"block {branch.first} does not follow block {ancestor.number} any more")
        if self._node.headers([last])[0].hash != branch.headers[-1].hash:
            raise BlockNotYetKnown(f"block {last} was replaced again")
        return replace(branch, heads=heads)

    def _swap(self, ancestor: BlockRef, branch: Range) -> Iterator[Step]:
        self._kept = {number: ref for number, ref in self._kept.items() if number <= ancestor.number}
        self._unproven = [
            piece.upto(ancestor.number) if piece.last > ancestor.number else piece
            for piece in self._unproven
            if piece.first <= ancestor.number
        ]
        self._commit(branch)
        yield Reorg(ancestor, branch)

    # ------------------------------------------------------------------ finality

    def _finalize(self) -> Iterator[Step]:
        """Yield Finalized when it moved, after the logs that were read before were read again."""
        if self._tip is None:
            return
        number = max((kept for kept in self._kept if kept <= self._final), default=-1)
        if number <= self._announced:
            return
        due = [piece.upto(min(piece.last, number)) for piece in self._unproven if piece.first <= number]
        if not all([self._proven(piece) for piece in joined(due)]):
            yield from self._heal()
            return
        self._unproven = [
            piece.above(number) if piece.first <= number else piece for piece in self._unproven if piece.last > number
        ]
        self._announced, self._heals = number, 0
        self._kept = {kept: ref for kept, ref in self._kept.items() if kept >= number}
        yield Finalized(self._kept[number])

    def _proven(self, piece: Unproven) -> bool:
        """Read the logs of a piece again; False when two reads agree that the committed ones are wrong."""
        votes = Counter([piece.logs])
        for turn in range(MAX_READS):
            source = self._node if turn % 2 else another(self._node)
            logs = fetch_logs(source, piece.first, piece.last, piece.watch, planner=self._planner, checks=self._checks)
            found = fingerprint(logs)
            votes[found] += 1
            if votes[found] == 2:
                if turn:
                    logger.warning("a node answered blocks %d..%d with other logs once", piece.first, piece.last)
                return found == piece.logs
            distrust(self._node, f"other logs than before for blocks {piece.first}..{piece.last}")
        request = logs_request(piece.first, piece.last, piece.watch)
        counts = ", ".join(str(len(found)) for found in votes)
        raise NodeDisagrees(
            f"no two reads of blocks {piece.first}..{piece.last} agree ({counts} logs)", request, request
        )

    def _heal(self) -> Iterator[Step]:
        """Replace the unfinalized blocks by themselves, read anew: a node had left out logs when they were committed."""
        ancestor = self._kept[min(self._kept)]
        pieces = self._unproven
        request = logs_request(pieces[0].first, pieces[0].last, pieces[0].watch)
        self._heals += 1
        if ancestor.number >= pieces[0].first or self._heals > _HEALS:
            raise NodeDisagrees(
                f"blocks {pieces[0].first}..{pieces[-1].last} became final with other logs than were committed",
                request,
                request,
            )
        logger.warning("blocks from %d were committed with logs lacking; they are replaced", ancestor.number + 1)
        branch = self._branch(ancestor, self._heads())
        if branch is not None:
            yield from self._swap(ancestor, branch)

    # ------------------------------------------------------------------ small things

    def _commit(self, part: Range) -> None:
        """Note what the consumer is about to commit."""
        refs = [header.ref for header in part.headers]
        final = part.heads.finalized is not None and part.last <= part.heads.finalized
        if final and not self._unproven:
            self._kept = {}  # final blocks cannot be undone, only the last one is built upon
        self._keep(refs[-1:] if final else refs)
        self._tip, self._next = refs[-1], part.last + 1
        if not final:
            self._unproven.append(Unproven(part.first, part.last, part.watch, fingerprint(part.logs)))

    def _keep(self, refs: Sequence[BlockRef]) -> None:
        self._kept.update((ref.number, ref) for ref in refs)

    def _heads(self) -> Heads:
        """Return the heads with `finalized` filled in, which never decreases."""
        heads = self._node.heads()
        final = heads.finalized if heads.finalized is not None else heads.latest - self._depth
        self._final = max(self._final, final)
        return heads._replace(finalized=self._final)

    def _limit(self, heads: Heads) -> int:
        """Return the last block wanted; a tag is resolved once, at the first poll."""
        if self._to is None:
            return 1 << 62
        if not isinstance(self._to, int):
            self._to = heads.latest if self._to == "latest" else self._final
        return self._to
