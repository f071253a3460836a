"""The loop: follow a chain, book each step, commit it. Everything else is a room that this file calls."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psycopg

from indexer import catalog
from indexer.books import ChainBooks, Group
from indexer.chain import Checks, HeadWatcher, Node, NodePool, Plan, Planner, ReplayNode, follow, open_node
from indexer.config import ChainSettings
from indexer.errors import BadConfig, BlockNotYetKnown, DatabaseUnavailable
from indexer.source import NodeSource, ReplaySource, Source
from indexer.store.database import connect
from indexer.types import Finalized, Idle, Range, Reorg, Step

logger = logging.getLogger(__name__)

COLLECT_EVERY = 1_000_000
"""New containers between two cycle collections. Rows and logs hold no cycles; the default threshold of 700 made the
collector walk millions of live tuples again and again, two fifths of the fold's time (bench/RESULTS.md)."""

FEW_BLOCKS = 200_000
"""Chains shorter than this keep every header, so that SQL answers as of any block. A setting decides otherwise."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 5.0
"""Seconds before the work is taken up again after it had to be let go; doubled while nothing gets committed."""

Target = int | Literal["latest", "finalized"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress bar shows: blocks done of those to do, and logs booked since the start."""

    chain: str
    first_block: int
    block_number: int
    target: int
    logs: int


def collect_rarely() -> None:
    """Set the cycle collector for the work of this process: folding and copying."""
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 10, 10)


def follow_chain(
    chain: ChainSettings,
    database_url: str,
    *,
    to: Target | None = None,
    replay: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    stop: threading.Event | None = None,
    reindex: Collection[str] = (),
) -> None:
    """Index a chain up to `to` or, without it, for ever. Protocols in `reindex` begin anew.

    A database that goes away is waited for, and blocks that are replaced while they are booked are booked anew; the work
    resumes at the last commit. A protocol that meets bad data stops there and the others go on; a later run tries it again.
    Raises  NodeUnavailable, DatabaseUnavailable (at the start only), BadConfig, ReorgTooDeep
    """
    stop = stop or threading.Event()
    connect(database_url).close()
    collect_rarely()
    covered = catalog.covered(chain)
    node, source = open_source(chain, replay)
    pause = SHORTEST_PAUSE
    try:
        while True:
            books: ChainBooks | None = None
            try:
                flows = _wallet_flows(chain, node, covered)
                with ChainBooks(chain, covered, database_url, source, reindex, flows) as books:
                    reindex = ()
                    books.resume_stopped()
                    _run(chain, books, node, to, progress, stop)
                    return
            except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnavailable) as error:
                logger.warning("the database went away (%s); waiting for it", str(error).strip())
                _wait_for_database(database_url, stop)
            except BlockNotYetKnown as error:
                logger.info("the chain changed while it was booked (%s); going on from the last commit", error)
            # a database that answers and fails again and again (its disk is full) is not asked without a pause
            pause = SHORTEST_PAUSE if books is not None and books.commits else min(pause * 2, LONGEST_PAUSE)
            if stop.wait(pause):
                return
    finally:
        if not isinstance(node, ReplayNode):
            node.close()


def _wait_for_database(url: str, stop: threading.Event) -> None:
    """Wait until the server takes a connection again, or nobody wants it any more."""
    while not stop.is_set():
        try:
            return connect(url).close()
        except DatabaseUnavailable:
            stop.wait(0.2)


def open_source(chain: ChainSettings, replay: Path | None) -> tuple[NodePool | ReplayNode, Source]:
    """Return the chain's nodes as one, or a recording, and how reads are answered from it.

    Raises  BadConfig when neither is given or the recording is of another chain
    """
    if replay is not None:
        recording = ReplayNode(replay)
        if recording.chain_id() != chain.chain_id:
            raise BadConfig(
                f"{replay} is a recording of chain {recording.chain_id()}, {chain.name} is {chain.chain_id}"
            )
        return recording, ReplaySource(recording)
    if not chain.rpc:
        raise BadConfig(f'chain {chain.name!r} has no rpc; add rpc = ["${{ETH_RPC_URL}}"] or give --replay DIR')
    node = open_node(chain.rpc, chain_id=chain.chain_id, requests_per_second=chain.requests_per_second)
    return node, NodeSource(node, Checks(double_read=chain.double_read))


def _run(
    chain: ChainSettings, books: ChainBooks, node: Node, to: Target | None, progress: Callable[[Progress], None],
    stop: threading.Event,
) -> None:  # fmt: skip
    """Bring the protocols that lag up to the others, then go on with all of them."""
    logs = 0
    while not stop.is_set() and (group := books.next_group()):
        end = to if group.upto is None else group.upto if not isinstance(to, int) else min(to, group.upto)
        if isinstance(end, int) and group.after >= end:
            break
        with closing(_steps(chain, books, node, group, end, stop)) as steps:
            for step in steps:
                match step:
                    case Range():
                        books.apply(step)
                        logs += len(step.logs)
                        target = end if isinstance(end, int) else step.heads.latest
                        progress(Progress(chain.name, group.first, step.last, target, logs))
                    case Reorg():
                        books.replace(step)
                    case Finalized():
                        books.finalize(step.block)
                    case Idle():
                        books.idle(step.heads)
                if books.group_changed:
                    break
        if group.upto is None and not books.group_changed:
            break
    books.drain()


def _all_headers(chain: ChainSettings, node: Node, group: Group) -> bool:
    """Keep every header where the setting says so, or where it costs next to nothing."""
    if chain.all_headers is not None:
        return chain.all_headers
    return isinstance(node, ReplayNode) or node.heads().latest - group.after <= FEW_BLOCKS


def _wallet_flows(chain: ChainSettings, node: Node, covered: Mapping[str, catalog.Covered]) -> bool:
    """Watch the transfers of tokens where the setting says so, or where it costs next to nothing."""
    if chain.wallet_flows is not None:
        return chain.wallet_flows
    if isinstance(node, ReplayNode):
        return True
    return node.heads().latest - min(one.start_block for one in covered.values()) <= FEW_BLOCKS


def _plan(most: int | None) -> Plan:
    """Return the plan to begin with. A range never asks for more blocks than the setting allows, not even the first."""
    plan = Plan()
    return plan if most is None else replace(plan, span=min(plan.span, most), max_span=most)


def _steps(
    chain: ChainSettings, books: ChainBooks, node: Node, group: Group, to: Target | None, stop: threading.Event
) -> Generator[Step]:
    start, recent = books.position(group)
    watcher = HeadWatcher(chain.ws[0]) if chain.ws and to is None else None
    try:
        yield from follow(
            node,
            start=start,
            start_block=group.first,
            recent=recent,
            unproven=books.unproven(group),
            watch=books.watch,
            to=to,
            poll_seconds=chain.poll_seconds,
            finality_depth=chain.finality_depth,
            prefetch=chain.prefetch,
            all_headers=_all_headers(chain, node, group),
            double_read=chain.double_read,
            stop=stop,
            wake=watcher.wait if watcher else None,
            planner=Planner(_plan(chain.max_block_range)),
        )
    finally:
        if watcher is not None:
            watcher.close()
