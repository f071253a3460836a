"""Apply one range to the desks of a chain: fetch what is lacking, fold, and gather the rows of one commit."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined

from indexer.errors import BadData
from indexer.ledger import flows
from indexer.ledger.desk import Desk, Facts
from indexer.ledger.rows import Rows
from indexer.source import Source
from indexer.types import Address, Answer, Header, Logs, Range, Read, Watch

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Applied:
    """What a range gave: rows and truth to commit, and the protocols that stopped in it."""

    rows: Rows = field(default_factory=Rows)
    logs: Logs = field(default_factory=Logs)
    headers: dict[int, Header] = field(default_factory=dict)
    reads: list[Answer] = field(default_factory=list)
    stopped: dict[str, BadData] = field(default_factory=dict)
    past: bool = False
    """Some logs are of blocks before the range: what contracts said before they were found."""

    def pinned(self, reads: Iterable[Read], part: Range) -> list[Read]:
        """Return the reads with the hashes of the blocks that can still be replaced: the state must be the logs' own."""
        final = -1 if part.heads.finalized is None else part.heads.finalized
        if part.last <= final:
            return list(reads)
        hashes = {number: header.hash for number, header in self.headers.items() if number > final}
        return [read._replace(block_hash=hashes.get(read.block_number)) for read in reads]


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
    for desk in sorted(desks, key=lambda desk: desk.protocol.wallet != ""):  # wallets last: of accounts with positions
        try:
            rows = _at_desk(part, desk, source, prices, applied, parts)
        except BadData as error:
            logger.error("%s stops at block %s: %s", desk.protocol.slug, error.block_number, error)
            applied.stopped[desk.protocol.slug] = error
        else:
            applied.rows.extend(rows)
    applied.logs = parts[0] if len(parts) == 1 else Logs.concat(parts).in_order()
    return applied


def _at_desk(part: Range, desk: Desk, source: Source, prices: PriceBlocks, applied: Applied, parts: list[Logs]) -> Rows:
    facts = _facts(part, desk, source, applied, parts)
    answers = source.answers(applied.pinned(desk.wanted(facts), part))
    stamps = _timestamps(applied.headers.values(), parts)
    state = applied.pinned(desk.state_reads(prices.within(part)), part)
    told = source.price_answers(part.first, part.last, state)
    desk.settle(facts, answers, stamps, told)
    if desk.protocol.wallet:
        changed = ((row[3], row[1]) for row in applied.rows["position_change"])
        if new := desk.meet(joined(desk.pending, changed)):
            met = _follow(part, desk, source, new, applied, parts)
            about = source.answers(applied.pinned(desk.wanted(met), part))
            desk.settle(met, about, _timestamps(applied.headers.values(), parts))
        desk.pending = ()
    about_tokens: list[Answer] = []
    while wanted := desk.token_reads():  # a vault's own answer names one more token
        about_tokens += source.metadata(applied.pinned(wanted, part), part.heads)
        desk.book_tokens(about_tokens)
    if desk.wallet_flows:
        _transfers(part, desk, source, applied, parts)
    feeds = desk.feeds()
    asked = applied.pinned(feeds.reads(prices.within(part)), part)
    priced = source.price_answers(part.first, part.last, asked)
    desk.book_prices(priced, feeds)
    if answers or told or priced:
        source.confirm(part)
    applied.reads += {
        (answer.read.block_number, answer.read.to, answer.read.data): answer
        for answer in joined(answers, told, about_tokens, priced)
    }.values()
    return desk.take_rows()


def _facts(part: Range, desk: Desk, source: Source, applied: Applied, parts: list[Logs]) -> Facts:
    """Translate a range until no new contract turns up in it: a fixed point, not a case for each factory."""
    facts = desk.translate(part.logs)
    new = dict.fromkeys(desk.watch().addresses - part.watch.addresses, part.first) | desk.learn(facts)
    facts.extend(_follow(part, desk, source, new, applied, parts))
    return facts


def _follow(
    part: Range, desk: Desk, source: Source, new: Mapping[Address, int], applied: Applied, parts: list[Logs]
) -> Facts:
    """Return what new contracts say, of each from its block on, and those that they name in turn."""
    facts, fetched = Facts(), part.watch.addresses
    while new:
        found = Facts()
        if here := new.keys() & fetched:  # another protocol watches it too, so its logs came with the range
            found.extend(desk.translate(_since(part.logs, {address: new[address] for address in here})))
        if lacking := new.keys() - fetched:
            more = source.more(part, Watch(frozenset(lacking), desk.watch().topics))
            logs = _since(more.logs, new)
            _keep(logs, more, applied, parts)
            found.extend(desk.translate(logs))
        if early := {address: block for address, block in new.items() if block < part.first}:
            found.extend(desk.translate(_before(part, desk, source, early, applied, parts)))
        new = desk.learn(found)
        facts.extend(found)
    return facts


def _transfers(part: Range, desk: Desk, source: Source, applied: Applied, parts: list[Logs]) -> None:
    """Book the transfers of the tokens that the protocol names, of those named in this range from their block on."""
    asked = part.watch.addresses if flows.TRANSFER in part.watch.topics else frozenset()
    lacking = {token: block for token, block in desk.learn_tokens().items() if token not in asked}
    if lacking:
        more = source.more(part, Watch(frozenset(lacking), frozenset({flows.TRANSFER})))
        _keep(_since(more.logs, lacking), more, applied, parts)
    desk.book_transfers(parts)


def _keep(logs: Logs, more: Range, applied: Applied, parts: list[Logs]) -> None:
    """Keep logs that were fetched besides, and the headers of their blocks."""
    blocks = set(logs.block_number)
    for header in more.headers:
        if header.number in blocks:
            applied.headers.setdefault(header.number, header)
    parts.append(logs)


def _before(
    part: Range, desk: Desk, source: Source, early: Mapping[Address, int], applied: Applied, parts: list[Logs]
) -> Logs:
    """Return what contracts logged before the range in which they were found, of each from its block on."""
    watch = Watch(frozenset(early), desk.watch().topics)
    more = source.more(Range(min(early.values()), part.first - 1, Logs(), (), part.heads, watch), watch)
    logs = _since(more.logs, early)
    _keep(logs, more, applied, parts)
    applied.past = applied.past or len(logs) > 0
    return logs


def _since(logs: Logs, first: Mapping[Address, int]) -> Logs:
    """Return the logs of these contracts, of each from its block on."""
    never = 1 << 62
    columns = zip(logs.block_number, logs.address, strict=True)
    return logs.take([row for row, (block, address) in enumerate(columns) if block >= first.get(address, never)])


def _timestamps(headers: Iterable[Header], parts: Sequence[Logs]) -> Mapping[int, int]:
    stamps = {
        block: stamp for logs in parts for block, stamp in zip(logs.block_number, logs.timestamp, strict=True) if stamp
    }
    stamps.update((header.number, header.timestamp) for header in headers)
    return stamps


def cut(part: Range, last: int) -> Range:
    """Return the beginning of a range, up to block `last`."""
    rows = [row for row, number in enumerate(part.logs.block_number) if number <= last]
    headers = tuple(header for header in part.headers if header.number <= last)
    return Range(part.first, last, part.logs.take(rows), headers, part.heads, part.watch)


def vouched(logs: Logs, stopped: Collection[tuple[Watch, int]], running: Collection[Watch]) -> Logs:
    """Return the logs less those that only stopped protocols watch, of each above its last good block.

    Nobody has vouched for these, they are fetched again. A contract may be watched by several for different events.
    """
    never = 1 << 62
    doubted = frozenset().union(*(watch.addresses for watch, _ in stopped))
    limits = [*stopped, *((watch, never) for watch in running)]
    rows = [
        row
        for row, (block, address, topics) in enumerate(zip(logs.block_number, logs.address, logs.topics, strict=True))
        if address not in doubted
        or any(
            block <= last and address in watch.addresses and topics and topics[0] in watch.topics
            for watch, last in limits
        )
    ]
    return logs.take(rows)
