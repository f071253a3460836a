"""Where a step's logs and reads come from: a node, a recording, or the tables themselves (`rebuild`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import psycopg

from indexer.chain import Checks, Node, ReplayNode, fetch_more, fetch_reads
from indexer.errors import BlockNotYetKnown, MissingFact
from indexer.store import reader
from indexer.types import Answer, Heads, Range, Read, Watch


class Source(Protocol):
    """What applying a range needs besides the range."""

    def more(self, part: Range, watch: Watch) -> Range:
        """Return the logs of further contracts in the blocks of a range."""
        ...

    def answers(self, reads: Sequence[Read]) -> list[Answer]:
        """Return the answers; one that cannot be had has no result."""
        ...

    def metadata(self, reads: Sequence[Read], heads: Heads) -> list[Answer]:
        """Return answers that no block changes (a token's decimals)."""
        ...

    def price_answers(self, first: int, last: int, reads: Sequence[Read]) -> list[Answer]:
        """Return the prices of `first..last`: those asked for, or those that were recorded."""
        ...

    def confirm(self, part: Range) -> None:
        """Check that the range's last block still stands after reads were made at it, for nodes that read by number only.

        Raises  BlockNotYetKnown when it was replaced meanwhile: follow again from the committed block
        """
        ...


class NodeSource:
    """A live node."""

    def __init__(self, node: Node, checks: Checks | None = None) -> None:
        self.node = node
        self.checks = checks or Checks()

    def more(self, part: Range, watch: Watch) -> Range:
        return fetch_more(self.node, part, watch, checks=self.checks)

    def answers(self, reads: Sequence[Read]) -> list[Answer]:
        try:
            return fetch_reads(self.node, reads) if reads else []
        except MissingFact:
            # a node without old state: what depends on the read says so by name, prices stay unpriced
            return [Answer(read, None) for read in reads]

    def metadata(self, reads: Sequence[Read], heads: Heads) -> list[Answer]:
        found = self.answers(reads)
        lacking = [answer.read for answer in found if answer.result is None]
        newest = self.answers([read._replace(block_number=heads.latest, block_hash=None) for read in lacking])
        late = {(answer.read.to, answer.read.data): answer.result for answer in newest}
        return [
            answer if answer.result is not None else Answer(answer.read, late.get((answer.read.to, answer.read.data)))
            for answer in found
        ]

    def price_answers(self, first: int, last: int, reads: Sequence[Read]) -> list[Answer]:
        return self.answers(reads)

    def confirm(self, part: Range) -> None:
        if not part.headers or part.last <= (part.heads.finalized or -1):
            return
        now = self.node.headers([part.last])[0]
        if now.hash != part.headers[-1].hash:
            raise BlockNotYetKnown(f"block {part.last} is {now.hash} now, it was {part.headers[-1].hash}")


class ReplaySource(NodeSource):
    """A recording: every read that it holds in a range counts, whatever this run would have asked for."""

    def __init__(self, node: ReplayNode) -> None:
        super().__init__(node)
        self.recording = node

    def price_answers(self, first: int, last: int, reads: Sequence[Read]) -> list[Answer]:
        return self.recording.recorded_reads(first, last)

    def confirm(self, part: Range) -> None:
        """A recording does not change."""


class StoredSource:
    """The kept truth of one chain."""

    def __init__(self, connection: psycopg.Connection[Any], chain_id: int) -> None:
        self.connection = connection
        self.chain_id = chain_id

    def ranges(self, first: int, last: int, size: int) -> Iterator[tuple[int, int]]:
        """Yield block ranges of about `size` logs each, `first..last` in all."""
        found = self.connection.execute(
            """
            SELECT max(block_number) FROM (
                SELECT block_number, (row_number() OVER (ORDER BY block_number, log_index) - 1) / %s AS part
                FROM raw_log WHERE chain_id = %s AND block_number BETWEEN %s AND %s
            ) AS numbered GROUP BY part ORDER BY 1
            """,
            (size, self.chain_id, first, last),
        ).fetchall()
        ends = [row[0] for row in found]
        for end in [*ends[:-1], last]:
            if end >= first:
                yield first, end
                first = end + 1

    def range(self, first: int, last: int, watch: Watch, heads: Heads) -> Range:
        """Return a kept range as it was once fetched."""
        logs = reader.stored_logs(self.connection, self.chain_id, first, last, watch)
        headers = reader.stored_headers(self.connection, self.chain_id, first, last)
        return Range(first, last, logs, tuple(headers), heads, watch)

    def more(self, part: Range, watch: Watch) -> Range:
        return self.range(part.first, part.last, watch, part.heads)

    def answers(self, reads: Sequence[Read]) -> list[Answer]:
        if not reads:
            return []
        blocks = [read.block_number for read in reads]
        kept = {
            (answer.read.block_number, answer.read.to, answer.read.data): answer.result
            for answer in reader.stored_answers(self.connection, self.chain_id, min(blocks), max(blocks))
        }
        return [Answer(read, kept.get((read.block_number, read.to, read.data))) for read in reads]

    def metadata(self, reads: Sequence[Read], heads: Heads) -> list[Answer]:
        return self.answers(reads)

    def price_answers(self, first: int, last: int, reads: Sequence[Read]) -> list[Answer]:
        return reader.stored_answers(self.connection, self.chain_id, first, last)

    def confirm(self, part: Range) -> None:
        """What is kept does not change."""
