"""Apply one range to the desks of a chain: fetch what is lacking, fold, and gather the rows of one commit."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined

from indexer.errors import BadData
from indexer.ledger.desk import Desk, Facts
from indexer.ledger.rows import Rows
from indexer.source import Source
from indexer.types import Answer, Header, Logs, Range, Read, Watch

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Applied:
    """What a range gave: rows and truth to commit, and the protocols that stopped in it."""

    rows: Rows = field(default_factory=Rows)
    logs: Logs = field(default_factory=Logs)
    headers: dict[int, Header] = field(default_factory=dict)
    reads: list[Answer] = field(default_factory=list)
    stopped: dict[str, BadData] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PriceBlocks:
    """Blocks at which prices are read: every `interval`-th, and every range's last block when at the head."""

    interval: int

    def within(self, part: Range) -> list[int]:
        """Return the price blocks of a range, ascending."""
        first = -(-part.first // self.interval) * self.interval
        blocks = list(range(first, part.last + 1, self.interval))
        return [*blocks, part.last] if part.last >= part.heads.latest and part.last not in blocks else blocks


def apply_range(part: Range, desks: Iterable[Desk], source: Source, prices: PriceBlocks) -> Applied:
    """Book a range at every desk. A desk that meets bad data is named in `stopped` and gives no rows.

    The desks' books move on; the caller commits the rows or loads the desks anew.
    """
    applied = Applied(headers={header.number: header for header in part.headers})
    parts = [part.logs]
    for desk in desks:
        try:
            rows = _at_desk(part, desk, source, prices, applied, parts)
        except BadData as error:
            logger.error("%s stops at block %s: %s", desk.protocol.slug, error.block_number, error)
            applied.stopped[desk.protocol.slug] = error
        else:
            applied.rows.extend(rows)
    applied.logs = parts[0] if len(parts) == 1 else Logs.concat(parts).in_order()
    return applied


def _at_desk(
    part: Range, desk: Desk, source: Source, prices: PriceBlocks, applied: Applied, parts: list[Logs]
) -> Rows:
    facts = _facts(part, desk, source, applied, parts)
    answers = source.answers(desk.wanted(facts))
    stamps = _timestamps(applied.headers.values(), parts)
    desk.settle(facts, answers, stamps)
    about_tokens = source.metadata(desk.token_reads(), part.heads)
    desk.book_tokens(about_tokens)
    price_reads = [
        Read(block, feed.to, feed.data, "price") for feed in desk.feeds() for block in prices.within(part)
    ]
    priced = source.price_answers(part.first, part.last, price_reads)
    desk.book_prices(priced)
    applied.reads += {
        (answer.read.block_number, answer.read.to, answer.read.data): answer
        for answer in joined(answers, about_tokens, priced)
    }.values()
    return desk.take_rows()


def _facts(part: Range, desk: Desk, source: Source, applied: Applied, parts: list[Logs]) -> Facts:
    """Translate a range until no new contract turns up in it: a fixed point, not a case for each factory."""
    facts = desk.translate(part.logs)
    fetched = part.watch.addresses
    new = set(desk.learn(facts)) | (desk.watch().addresses - fetched)
    while new:
        found = Facts()
        if here := new & fetched:  # another protocol watches it too, so its logs came with the range
            rows = [row for row, address in enumerate(part.logs.address) if address in here]
            found.extend(desk.translate(part.logs.take(rows)))
        if lacking := new - fetched:
            more = source.more(part, Watch(frozenset(lacking), desk.watch().topics))
            for header in more.headers:
                applied.headers.setdefault(header.number, header)
            parts.append(more.logs)
            found.extend(desk.translate(more.logs))
        new = set(desk.learn(found))
        facts.extend(found)
    return facts


def _timestamps(headers: Iterable[Header], parts: Sequence[Logs]) -> Mapping[int, int]:
    stamps = {
        block: stamp
        for logs in parts
        for block, stamp in zip(logs.block_number, logs.timestamp, strict=True)
        if stamp
    }
    stamps.update((header.number, header.timestamp) for header in headers)
    return stamps


def cut(part: Range, last: int) -> Range:
    """Return the beginning of a range, up to block `last`."""
    rows = [row for row, number in enumerate(part.logs.block_number) if number <= last]
    headers = tuple(header for header in part.headers if header.number <= last)
    return Range(part.first, last, part.logs.take(rows), headers, part.heads, part.watch)
