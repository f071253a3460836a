"""The books of one chain: its desks, their cursors and the thread that commits. `run` drives them step by step."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from psycopg.types.json import Jsonb

from indexer import measures
from indexer.apply import Applied, PriceBlocks, apply_range, cut, vouched
from indexer.catalog import Covered
from indexer.config import ChainSettings
from indexer.errors import BadConfig, BadData
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.pump import Pump
from indexer.source import Source
from indexer.store import reader
from indexer.store.database import connect
from indexer.store.writer import CursorRow, StepRows, Writer, spell
from indexer.types import BlockRef, Heads, Logs, Range, Reorg, Watch

logger = logging.getLogger(__name__)

KEEP_POSITIONS = 200_000
"""Balances that stay in memory between steps; the rest is loaded again when needed."""

LOCK_SECONDS = 10
"""How long to wait for the previous writer of this chain to go (its connection may outlive a killed process)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Protocols that stand at the same block and go on together, up to `upto` (None: for ever)."""

    protocols: tuple[str, ...]
    after: int
    upto: int | None

    @property
    def first(self) -> int:
        """Return the first block to index."""
        return self.after + 1


class ChainBooks:
    """Desks, cursors and commits of one chain. A context manager: one process at a time may hold it."""

    def __init__(
        self,
        chain: ChainSettings,
        covered: Mapping[str, Covered],
        database_url: str,
        source: Source,
        reindex: Collection[str] = (),
        wallet_flows: bool = False,
    ) -> None:
        self.chain = chain
        self.covered = covered
        self.source = source
        self.group_changed = False
        self.commits = 0
        self.desks: dict[str, Desk] = {}
        self.cursors: dict[str, CursorRow] = {}
        self._url = database_url
        self._reindex = frozenset(reindex)
        self._wallet_flows = wallet_flows
        self._flowing: dict[str, bool] = {}
        self._prices = PriceBlocks(chain.price_interval_blocks)
        self._interval = {"1d": 86_400, "1h": 3_600}[chain.snapshot_interval]
        self._highest = -1

    # ------------------------------------------------------------------------------------------ open and close

    def __enter__(self) -> ChainBooks:
        with ExitStack() as opened:  # what is open is closed again when one of these fails
            self._writing = opened.enter_context(closing(connect(self._url)))
            self._reading = opened.enter_context(closing(connect(self._url)))
            self._writing.autocommit = self._reading.autocommit = True
            self._loading = self._reading
            self._lock()
            self.writer = Writer(self._writing, self.chain.chain_id)
            self._register()
            opened.pop_all()
        self.pump = Pump(self._commit)
        return self

    def __exit__(self, *_: object) -> None:
        self.pump.close()
        self._writing.close()
        self._reading.close()

    def _lock(self) -> None:
        """Hold the chain for this process. Two writers of one chain would each undo the other's work."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            row = self._writing.execute(
                "SELECT pg_try_advisory_lock(hashtext('leverage'), %s::int)", (self.chain.chain_id % 2**31,)
            ).fetchone()
            if row and row[0]:
                return
            if time.monotonic() > deadline:
                raise BadConfig(f"another process is indexing chain {self.chain.name} into this database; stop it")
            time.sleep(0.02)

    def _register(self) -> None:
        """Write the chain and its deployments, and open the books of protocols that are new."""
        chain_id = self.chain.chain_id
        with self._writing.transaction():
            self._writing.execute(
                "INSERT INTO chain (chain_id, name) VALUES (%s, %s) ON CONFLICT (chain_id) DO UPDATE SET name = excluded.name",
                (chain_id, self.chain.name),
            )
            self.cursors = {
                slug: row for slug, row in reader.cursors(self._writing, chain_id).items() if slug in self.covered
            }
            for slug in self._reindex & self.cursors.keys():
                self.writer.forget(slug, rows=True)
                del self.cursors[slug]
            self._flowing = reader.wallet_flows(self._writing, chain_id)  # what began without stays without
            known = {row[0] for row in self._writing.execute("SELECT deployment_key FROM deployment")}
            for slug, covered in self.covered.items():
                protocol = covered.protocol
                for deployment in covered.deployments.values():
                    if slug in self.cursors and deployment.key not in known:
                        raise BadConfig(
                            f"deployment {deployment.name!r} of {slug} was added after {slug} was indexed on "
                            f"{self.chain.name}; run `leverage index --to latest --reindex {slug}` to begin it anew"
                        )
                    self._writing.execute(
                        "INSERT INTO deployment VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
                        "ON CONFLICT (chain_id, deployment_key) DO UPDATE SET proven = excluded.proven",
                        (
                            chain_id, deployment.key, slug, protocol.project, protocol.version, deployment.name,
                            protocol.kind, deployment.start_block, Jsonb(dict(sorted(deployment.contracts.items()))),
                            protocol.proven or None,
                        ),
                    )  # fmt: skip
                if slug not in self.cursors:
                    self._open(slug)
        row = self._writing.execute(
            "SELECT greatest((SELECT max(block_number) FROM cursor WHERE chain_id = %(c)s), "
            "(SELECT max(block_number) FROM block WHERE chain_id = %(c)s), "
            "(SELECT max(block_number) FROM raw_log WHERE chain_id = %(c)s))",
            {"c": chain_id},
        ).fetchone()
        self._highest = row[0] if row and row[0] is not None else -1

    def _open(self, slug: str) -> None:
        covered = self.covered[slug]
        desk = self._new_desk(slug)
        desk.open(covered.deployments.values())
        cursor = CursorRow(slug, covered.start_block, covered.start_block - 1, None, "backfill")
        self.writer.write(StepRows([cursor], desk.take_rows(), fresh=False))
        self.cursors[slug] = cursor

    def _new_desk(self, slug: str) -> Desk:
        protocol = self.covered[slug].protocol
        load = reader.position_loader(lambda: self._loading, self.chain.chain_id)
        flowing = protocol.kind == "lending" and self._flowing.get(slug, self._wallet_flows)
        return Desk(protocol, Book(self.chain.chain_id, slug, protocol.project, load), wallet_flows=flowing)

    def _load(self, slug: str) -> Desk:
        """Return a desk as the tables have it."""
        desk = self._new_desk(slug)
        reader.load_desk(self._loading, desk, self.covered[slug].deployments)
        return desk

    # --------------------------------------------------------------------------------------------------- groups

    def next_group(self, among: Collection[str] | None = None) -> Group | None:
        """Return the protocols furthest behind (`among` some), and load their desks. None when all have stopped."""
        self.drain()
        active = {
            slug: row
            for slug, row in self.cursors.items()
            if row.status != "stopped" and (among is None or slug in among)
        }
        if not active:
            return None
        after = min(row.block_number for row in active.values())
        slugs = tuple(slug for slug, row in active.items() if row.block_number == after)
        ahead = [row.block_number for row in active.values() if row.block_number > after]
        self.desks = {slug: self._load(slug) for slug in slugs}
        self.group_changed = False
        return Group(slugs, after, min(ahead) if ahead else None)

    def resume_stopped(self) -> None:
        """Try protocols again that had stopped: the cause may be mended."""
        for slug, row in self.cursors.items():
            if row.status == "stopped":
                self.cursors[slug] = replace(row, status="backfill", error=None)

    def watch(self) -> Watch:
        """Return what the group's desks need from the node."""
        watches = [desk.watch() for desk in self.desks.values()]
        return Watch(
            frozenset().union(*(watch.addresses for watch in watches)),
            frozenset().union(*(watch.topics for watch in watches)),
        )

    def position(self, group: Group) -> tuple[BlockRef | None, list[BlockRef]]:
        """Return the group's last committed block, if its header is kept, and the kept ones above finality."""
        final = reader.finalized_block(self._reading, self.chain.chain_id)
        # without a finalized block yet, a window of the newest headers is all there is to find a fork in
        first = max(group.after if final is None else min(final, group.after), group.after - 4096)
        recent = [
            ref
            for ref in reader.recent_blocks(self._reading, self.chain.chain_id, first, group.after)
            if ref.parent_hash
        ]
        blocks = reader.recent_blocks(self._reading, self.chain.chain_id, group.after, group.after)
        return (blocks[-1] if blocks else None), recent

    def unproven(self, group: Group) -> list[Range]:
        """Return the logs that were committed above the finalized block, by protocol, also of those that stopped.

        A node may have left some out; they are read again before their blocks are final, whichever process does it.
        """
        chain_id = self.chain.chain_id
        final = reader.finalized_block(self._reading, chain_id)
        first = max(-1 if final is None else final, group.after - 4096) + 1
        found = []
        for slug, row in self.cursors.items():
            last = min(row.block_number, group.after)
            if last >= first:
                desk = self.desks.get(slug) or self._load(slug)
                # a contract found in these blocks was not asked for in those before
                known = reader.contracts_before(self._reading, chain_id, slug, first)
                watch = Watch(known, desk.watch().topics)
                logs = reader.stored_logs(self._reading, chain_id, first, last, watch)
                hashes = {ref.number: ref.hash for ref in reader.recent_blocks(self._reading, chain_id, first, last)}
                logs.block_hash[:] = [hashes[number] for number in logs.block_number]
                found.append(Range(first, last, logs, (), Heads(last, None, final), watch))
        return found

    # ---------------------------------------------------------------------------------------------------- steps

    def apply(self, part: Range, *, keep_truth: bool = True) -> None:
        """Book a range and hand it to the commit thread. `keep_truth` False: its logs and reads are in the tables."""
        applied = apply_range(part, self.desks.values(), self.source, self._prices)
        stopped = self._settle_stopped(part, applied) if applied.stopped else []
        step = self._step(part, applied, stopped)
        if not keep_truth:
            step.truth, step.reads, step.heads = False, (), None
        spell(self.chain.chain_id, step)
        self.pump.put(step)
        if all(len(desk.book.positions) <= KEEP_POSITIONS for desk in self.desks.values()):
            return
        self.drain()
        for desk in self.desks.values():
            desk.book.trim(KEEP_POSITIONS // 2)

    def replace(self, reorg: Reorg) -> None:
        """Swap a replaced branch for the new one, in one transaction."""
        self.drain()
        ancestor, part = reorg.ancestor.number, reorg.branch
        old = reader.recent_blocks(self._reading, self.chain.chain_id, ancestor + 1, ancestor + 1)
        depth = max(row.block_number for row in self.cursors.values()) - ancestor
        logger.warning("chain %s: %s blocks above %s were replaced", self.chain.name, depth, ancestor)
        with self._writing.transaction():
            self._loading = self._writing
            try:
                self._undo(ancestor)
                others = []
                for slug, row in self.cursors.items():
                    if row.block_number > ancestor and slug not in self.desks:
                        lowered = replace(
                            row, block_number=ancestor, block_hash=reorg.ancestor.hash, status="backfill", error=None
                        )
                        self.cursors[slug] = lowered
                        others.append(lowered)
                        self.group_changed = True
                self.desks = {slug: self._load(slug) for slug in self.desks}
                applied = apply_range(part, self.desks.values(), self.source, self._prices)
                stopped = self._settle_stopped(part, applied) if applied.stopped else []
                step = self._step(part, applied, [*stopped, *others])
                step.fresh, step.final = False, None
                self.writer.write(step)
                measures.take(self._writing, self.chain.chain_id, step, self._interval, reorg=True)
                if old:
                    self.writer.replaced(old[0], depth, int(time.time()))
            finally:
                self._loading = self._reading
        self._highest = part.last

    def lower(self, ancestor: int, *, keep_truth: bool = True) -> None:
        """Drop what was derived above a block, and unless `keep_truth` what nodes said too; put the cursors back there."""
        self.drain()
        with self._writing.transaction():
            self._undo(ancestor, keep_truth=keep_truth)
            if not keep_truth:
                self._writing.execute(
                    "UPDATE chain SET finalized_block = least(finalized_block, %s) WHERE chain_id = %s",
                    (ancestor, self.chain.chain_id),
                )
            for slug, row in list(self.cursors.items()):
                if row.start_block > ancestor:
                    self.writer.forget(slug)
                    self._open(slug)
                elif row.block_number > ancestor:
                    kept = reader.recent_blocks(self._writing, self.chain.chain_id, ancestor, ancestor)
                    self.cursors[slug] = CursorRow(
                        slug, row.start_block, ancestor, kept[0].hash if kept else None, "backfill"
                    )
                    self.writer.write(StepRows([self.cursors[slug]]))
            self._highest = max([ancestor, *(row.block_number for row in self.cursors.values())])  # kept truth stays

    def _undo(self, ancestor: int, *, keep_truth: bool = False) -> None:
        self.writer.undo(ancestor, keep_truth=keep_truth)
        measures.undo(self._writing, self.chain.chain_id, self._interval, ancestor)

    def finalize(self, block: BlockRef) -> None:
        """Note that nothing up to a block can change any more."""
        if not self._complete():
            return
        self.drain()
        self._writing.execute(
            "UPDATE chain SET finalized_block = greatest(finalized_block, %s) WHERE chain_id = %s",
            (block.number, self.chain.chain_id),
        )

    def idle(self, heads: Heads) -> None:
        """Note that the node answered and had nothing new."""
        self.drain()
        self.writer.saw(heads, int(time.time()))

    def drain(self) -> None:
        """Wait until everything booked is committed."""
        self.pump.drain()

    # --------------------------------------------------------------------------------------------------- inside

    def _step(self, part: Range, applied: Applied, special: list[CursorRow]) -> StepRows:
        """Return the rows to commit for a range; cursors of the desks that went through it move to its end."""
        status = "following" if part.last >= part.heads.latest else "backfill"
        last = applied.headers.get(part.last)
        for slug in self.desks:
            row = self.cursors[slug]
            self.cursors[slug] = CursorRow(slug, row.start_block, part.last, last.hash if last else None, status)
        done = {row.protocol for row in special}
        cursors = [*special, *(self.cursors[slug] for slug in self.desks if slug not in done)]
        fresh = part.first > self._highest and not applied.past
        self._highest = max(self._highest, part.last)
        final = part.last if part.last <= (part.heads.finalized or -1) and self._complete() else None
        met = min((row[-1] for name in ("wallet_owner", "wallet_state") for row in applied.rows[name]), default=None)
        return StepRows(
            cursors, applied.rows, applied.logs, sorted(applied.headers.values()), applied.reads, part.heads, fresh,
            part.first, met, final,
        )  # fmt: skip

    def _complete(self) -> bool:
        """Tell whether no other protocol has rows further on, which this group's look at the chain proves nothing of."""
        return all(
            slug in self.desks or row.status == "stopped" or row.block_number < row.start_block
            for slug, row in self.cursors.items()
        )

    def _settle_stopped(self, part: Range, applied: Applied) -> list[CursorRow]:
        """Book a stopped desk up to the block before the bad one and take it out of the group."""
        if self._loading is self._reading:
            self.drain()
        rows, doubted, parts = [], [], [applied.logs]
        for slug, error in applied.stopped.items():
            good, row = part.first - 1, self.cursors[slug]
            failure: BadData | None = error
            while failure is not None and failure.block_number is not None and failure.block_number > part.first:
                good = failure.block_number - 1
                again = apply_range(cut(part, good), [self._load(slug)], self.source, self._prices)
                error, failure = failure, again.stopped.get(slug)
                if failure is None:
                    applied.rows.extend(again.rows)
                    applied.reads += again.reads
                    parts.append(again.logs)  # it may have stopped before it had asked for these
                    applied.headers = again.headers | applied.headers
                    applied.past = applied.past or again.past
            if failure is not None:
                error, good = failure, part.first - 1
            header = applied.headers.get(good)
            stopped = CursorRow(
                slug, row.start_block, good, header.hash if header else row.block_hash if good < part.first else None,
                "stopped", {**error.details(), "protocol": slug},
            )  # fmt: skip
            self.cursors[slug] = stopped
            doubted.append((self.desks.pop(slug).watch(), good))
            rows.append(stopped)
        self.group_changed = True
        running = [desk.watch() for desk in self.desks.values()]
        applied.logs = vouched(Logs.concat(parts).in_order(), doubted, running)
        return rows

    def _commit(self, step: StepRows) -> None:
        with self._writing.transaction():
            self.writer.write(step)
            measures.take(self._writing, self.chain.chain_id, step, self._interval)
        self.commits += 1
