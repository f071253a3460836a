"""Each adapter's own work: logs a second of translate and settle over its recording, no node and no database.

The recording is read and its reads are answered outside the measured time. A fork has no recording of its own: it is
measured on its family's (`FORKS`).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.measure import WrongResult
from bench.replay_node import ROOT
from indexer.apply import PriceBlocks, apply_range
from indexer.chain import ReplayNode
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk, Facts
from indexer.protocol import Deployment, Protocol
from indexer.protocols import discover
from indexer.source import ReplaySource
from indexer.types import Answer, Logs, Range

YARDSTICK = "aave_v3"
FORKS = {"spark": "aave_v3", "moonwell": "compound_v2"}
"""Whose recording a fork is measured on. Moonwell counts interest by seconds and Compound v2 by blocks: each block's number
is taken for its time there, so that both count the same."""
BY_SECONDS = frozenset({"moonwell"})
PASSES = 7
"""Folds of each recording; the fastest counts. Adapters take turns, so that a busy moment does not fall on one of them."""


class TimedDesk(Desk):
    """A desk that knows how long it took, in seconds of its own thread: what else runs on the machine is not counted."""

    seconds = 0.0

    def translate(self, logs: Logs) -> Facts:
        begun = time.thread_time()
        try:
            return super().translate(logs)
        finally:
            self.seconds += time.thread_time() - begun

    def settle(
        self, facts: Facts, answers: Sequence[Answer], timestamps: Mapping[int, int], told: Sequence[Answer] = ()
    ) -> None:
        begun = time.thread_time()
        try:
            super().settle(facts, answers, timestamps, told)
        finally:
            self.seconds += time.thread_time() - begun


def recording_of(slug: str) -> Path | None:
    """Return the longest recording of a protocol that is here: the shared one, its tests', or the demo chain."""
    slug = FORKS.get(slug, slug)
    shared, demo = ROOT.parent / "shared" / "recordings" / slug, ROOT / "demo"
    for folder in (shared, ROOT / "tests" / "protocols" / slug / "recording"):
        if (folder / "chain.jsonl.gz").is_file():
            return folder
    return demo if slug in ("aave_v3", "morpho_blue") else None


def fold(protocol: Protocol, node: ReplayNode) -> tuple[int, float]:
    """Book a whole recording on empty books. Returns how many logs there were and the seconds they took."""
    names = {*protocol.required, *(contract.kind for contract in protocol.contracts)}  # also what may be listed (Jug)
    contracts = {name: address.lower() for name, address in node.meta["contracts"].items() if name in names}
    desk = TimedDesk(protocol, Book(node.chain_id(), protocol.slug, protocol.project, lambda keys: {}))
    desk.open([Deployment(1, protocol.slug, node.chain_id(), "recorded", node.first, contracts)])
    watch = desk.watch()
    headers, logs = node.headers(range(node.first, node.last + 1)), node.logs(node.first, node.last, watch)
    if protocol.slug in BY_SECONDS:
        headers = [header._replace(timestamp=header.number) for header in headers]
        logs.timestamp[:] = logs.block_number
    part = Range(node.first, node.last, logs, tuple(headers), node.heads(), watch)
    gc.collect()
    applied = apply_range(part, [desk], ReplaySource(node), PriceBlocks(100))
    if applied.stopped:
        raise WrongResult(f"{protocol.slug} stops on its recording: {applied.stopped[protocol.slug]}")
    return len(applied.logs), desk.seconds


def run(passes: int = PASSES) -> dict[str, Any]:
    """Measure every adapter that has a recording, its own or its family's; `ratio` is logs a second to those of Aave v3."""
    nodes = {slug: ReplayNode(folder) for slug in discover() if (folder := recording_of(slug)) is not None}
    best: dict[str, float] = {}
    logs: dict[str, int] = {}
    for _ in range(passes):
        for slug, node in nodes.items():
            logs[slug], seconds = fold(discover()[slug], node)
            best[slug] = min(seconds, best.get(slug, seconds))
    speed = {slug: logs[slug] / best[slug] for slug in nodes}
    return {
        slug: {"logs": logs[slug], "logs_per_second": round(speed[slug]), "ratio": speed[slug] / speed[YARDSTICK]}
        for slug in nodes
    }
