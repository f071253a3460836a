"""`leverage rebuild`: drop what was derived and derive it again from the kept logs and reads. No node is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from indexer import catalog
from indexer.books import ChainBooks
from indexer.config import ChainSettings
from indexer.run import Progress, collect_rarely
from indexer.source import StoredSource
from indexer.store import reader
from indexer.store.database import connect
from indexer.types import Heads

LOGS_A_STEP = 8_000


def forget(chain: ChainSettings, database_url: str, from_block: int) -> None:
    """Drop everything from a block on, what nodes said too: the next run reads it again. For a branch that is gone."""
    with connect(database_url) as connection:
        connection.autocommit = True
        source = StoredSource(connection, chain.chain_id)
        with ChainBooks(chain, catalog.covered(chain), database_url, source) as books:
            books.lower(from_block - 1, keep_truth=False)


def rebuild(
    chain: ChainSettings,
    database_url: str,
    *,
    from_block: int | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> None:
    """Rebuild a chain's derived tables from block `from_block` on (None: from the start), up to where they were.

    Interrupted, it leaves the cursors where it was: `leverage run` goes on from there with a node.
    """
    stop = stop or threading.Event()
    collect_rarely()
    covered = catalog.covered(chain)
    with connect(database_url) as connection:
        connection.autocommit = True
        source = StoredSource(connection, chain.chain_id)
        with ChainBooks(chain, covered, database_url, source) as books:
            ends = {slug: row.block_number for slug, row in books.cursors.items()}
            books.resume_stopped()
            books.lower((from_block or 0) - 1)
            logs = 0
            while not stop.is_set():
                pending = {slug for slug, row in books.cursors.items() if row.block_number < ends[slug]}
                group = books.next_group(pending)
                if group is None:
                    break
                end = min([ends[slug] for slug in group.protocols] + ([group.upto] if group.upto is not None else []))
                final = reader.finalized_block(connection, chain.chain_id)
                heads = Heads(max(ends.values()), None, final)
                for first, last in source.ranges(group.first, end, LOGS_A_STEP):
                    part = source.range(first, last, books.watch(), heads)
                    books.apply(part, keep_truth=False)
                    logs += len(part.logs)
                    progress(Progress(chain.name, group.first, last, end, logs))
                    if stop.is_set() or books.group_changed:
                        break
            books.drain()
