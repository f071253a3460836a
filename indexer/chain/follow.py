"""The chain as a stream of steps: ranges in order, replaced branches, finality, and idle polls.

The consumer commits a step before it asks for the next one, so this generator's own idea of "committed" (`_tip`, `_kept`)
is always what is in the database. Hence the one rule of reorg detection: a new block's parent hash is compared with the
last committed hash, never with a cache of headers (two peers missed reorgs for that reason).

A lower head alone is a lagging node. A block at a committed height with another hash, said twice, is a reorg.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from indexer.chain.follower import FINALITY_DEPTH, Follower
from indexer.chain.logs import Checks, Planner
from indexer.chain.node import Node
from indexer.types import BlockRef, Range, Step, Watch


def follow(
    node: Node,
    *,
    start: BlockRef | None,
    start_block: int,
    recent: Sequence[BlockRef] = (),
    unproven: Sequence[Range] = (),
    watch: Callable[[], Watch],
    to: int | Literal["latest", "finalized"] | None = None,
    poll_seconds: float = 1.0,
    finality_depth: int | None = None,
    prefetch: int = 8,
    all_headers: bool = False,
    blooms: bool = True,
    double_read: bool = False,
    stop: threading.Event | None = None,
    wake: Callable[[float], object] | None = None,
    planner: Planner | None = None,
    retry_pause: float = 0.1,
) -> Iterator[Step]:
    """Yield what happens on the chain after `start`, for ever or until block `to` is reached.

    Shape   `start` is the last committed block (None: begin at `start_block`); `recent` the committed blocks from the last
            finalized one upward, ascending; `unproven` the logs that were committed above it, which are read again
            before they are final (ranges may overlap, each with its own watch). `watch` is asked before each request, in the caller's thread; a Range says
            what it was asked with, and `fetch_more` completes it. A Range whose `last` is at or below its
            `heads.finalized` is final already; `Finalized` tells the same now and then, and never decreases.
            A Reorg may have an ancestor whose branch has the committed hashes again: logs that a node had left out.
    Units   `poll_seconds`, `retry_pause` seconds; `finality_depth` blocks, used on a chain without `finalized` (None: 64)
    Raises  NodeUnavailable when no node answered for the pool's `give_up_after`; NodeDisagrees; ReorgTooDeep
    Wakes   `wake(seconds)` replaces the pause between two polls (see `heads.HeadWatcher`); `stop` ends the stream
    """
    ended = threading.Event()
    follower = Follower(
        node,
        start,
        start_block,
        recent,
        watch,
        to,
        FINALITY_DEPTH if finality_depth is None else finality_depth,
        max(1, prefetch),
        Checks(all_headers, blooms, double_read, pause=retry_pause, stop=ended),
        stop or threading.Event(),
        planner or Planner(),
    )
    follower.prove(unproven)
    follower.pause = lambda: (wake or follower.stop.wait)(poll_seconds)
    try:
        yield from follower.steps()
    finally:
        follower.close()
