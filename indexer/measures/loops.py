"""M6 and M7 kept up: links and tags of the owners that a step touched, and the debt-financed share of every interval."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import psycopg

from indexer.aggregation.dfc import RULES, Rule
from indexer.aggregation.lots import Link
from indexer.aggregation.pledges import Want
from indexer.aggregation.provenance import Wallet
from indexer.aggregation.transactions import transactions
from indexer.store import loop_events
from indexer.store.loop_events import OwnerEvents
from indexer.store.loop_step import Balances, Fresh
from indexer.store.loop_tokens import Registry, registry
from indexer.types import key64

if TYPE_CHECKING:
    from indexer.measures import Committed, Interval

Connection = psycopg.Connection[Any]

MIN_LINK_USD = Decimal(1)
"""Links below this many USD are dust (the last digits of a receipt left behind) and no recursion. Unpriced ones count."""


KEPT: Final = 4_000
"""Owners whose books stay in memory between steps, those acted on last."""


@dataclass(slots=True)
class _Owner:
    """One owner followed up to a block: links by debt_first above dust, tags by the three rules."""

    addresses: frozenset[str]
    last: int
    books: tuple[Wallet, ...]
    """Everything that is fed; `links` and `tags` are among them."""
    links: Wallet
    tags: tuple[Wallet, Wallet, Wallet]
    balances: dict[str, Balances]
    """Of each address."""
    begun: set[Any] = field(default_factory=set)
    """Markets with a tagged log."""
    newest: dict[tuple[int, Any], int | None] = field(default_factory=dict)
    """Tagged part by rule and market."""


@dataclass(slots=True)
class _Followed:
    """Owners in memory. Only a cache: whoever is not in it is followed from its first event, with the same result."""

    chain_id: int
    first: int
    """From here on every price was seen to come."""
    last: int
    tokens: Registry
    owners: OrderedDict[str, _Owner] = field(default_factory=OrderedDict)
    price_blocks: list[int] = field(default_factory=list)
    """Blocks with a price from `first` on, ascending: in between prices stand."""

    def priced_at(self, block: int) -> int:
        """Return the block at which prices became what they are at this one."""
        if block < self.first:
            return block
        n = bisect_right(self.price_blocks, block)
        return max(self.price_blocks[n - 1], self.first) if n else self.first

    def prices_of(self, step: Committed, fresh: Fresh | None) -> None:
        """Note the blocks with a price in a step; forget them all when it is not known which they are."""
        if fresh is None:
            self.first, self.price_blocks = step.last + 1, []
        elif fresh.price_blocks:
            earliest = min(fresh.price_blocks)
            late = self.price_blocks[bisect_left(self.price_blocks, earliest) :]
            self.price_blocks[len(self.price_blocks) - len(late) :] = sorted({*late, *fresh.price_blocks})


@dataclass(slots=True)
class _Found:
    """Rows that a step makes."""

    links: list[tuple[Any, ...]] = field(default_factory=list)
    closed: list[tuple[int | None, int, int]] = field(default_factory=list)
    tags: list[tuple[Any, ...]] = field(default_factory=list)


_followed: WeakKeyDictionary[Connection, _Followed] = WeakKeyDictionary()


def at_step(connection: Connection, step: Committed) -> None:
    """Follow the owners that the step touched through what is new: a pure function of their events.

    What is in memory holds while step follows step; after a reorg, a step taken again, blocks of long ago or a newly listed
    token owners are followed from their first event.
    """
    known = _followed.pop(connection, None)  # back in when the step is through
    if known and (known.chain_id != step.chain_id or known.last != step.first - 1 or step.reorg or not step.fresh):
        known = None
    fresh = Fresh(step.rows, step.first, step.last, loop_events.ACTIONS) if step.rows is not None else None
    accounts = _touched(connection, step, known, fresh)
    if accounts:
        tokens = registry(connection, step.chain_id)
        if known is None or known.tokens != tokens:
            known = _Followed(step.chain_id, step.first, step.last, tokens)
        known.prices_of(step, fresh)
        _follow(connection, step, known, fresh, loop_events.owners_of(connection, step.chain_id, accounts))
    elif known is not None:
        known.prices_of(step, fresh)
    if known is not None:
        known.last = step.last
        _followed[connection] = known


def _touched(connection: Connection, step: Committed, known: _Followed | None, fresh: Fresh | None) -> set[str]:
    """Return the accounts whose books the step acted on and that have ever borrowed: who is followed alone, has."""
    if fresh is None:
        return loop_events.touched(connection, step.chain_id, step.first, step.last)
    owners = known.owners if known is not None else {}
    alone = {account for account in fresh.accounts if account in owners and owners[account].addresses == {account}}
    others = fresh.accounts - alone
    return alone | (loop_events.borrowers(connection, step.chain_id, others) if others else set())


def _follow(
    connection: Connection, step: Committed, known: _Followed, fresh: Fresh | None, owners: dict[str, str]
) -> None:
    addresses: dict[str, set[str]] = {}
    for address, owner in owners.items():
        addresses.setdefault(owner, set()).add(address)
    for owner, own in addresses.items():
        if owner in known.owners and known.owners[owner].addresses != own:
            del known.owners[owner]
    since = {owner: known.owners[owner].last + 1 for owner in addresses if owner in known.owners}
    begun = [owner for owner in addresses if owner not in since]
    # another address of theirs may have been acted on in a step that touched none who had borrowed: read those again
    alone = {o: known.owners[o].balances[o] for o in since if addresses[o] == {o}} if fresh is not None else {}
    new = loop_events.load(
        connection, step.chain_id, known.tokens.deployments, owners, since,
        flows=known.tokens.flows, fresh=fresh, balances=alone, priced_at=known.priced_at,
    )  # fmt: skip
    found = _Found()
    for owner, events in new.items():
        books = known.owners.get(owner)
        if books is None:
            books = known.owners[owner] = _open(frozenset(addresses[owner]), known.tokens)
        _go_on(step.chain_id, owner, books, events, known.tokens, found)
        books.last = step.last
        known.owners.move_to_end(owner)
    while len(known.owners) > KEPT:
        known.owners.popitem(last=False)
    _write(connection, step.chain_id, begun, found)


def _write(connection: Connection, chain_id: int, begun: list[str], found: _Found) -> None:
    with connection.cursor() as cursor:
        for table in ("loop_link", "collateral_tag") if begun else ():
            cursor.execute(
                f"DELETE FROM {table} WHERE chain_id = %s AND owner = ANY(%b)",
                (chain_id, [bytes.fromhex(owner[2:]) for owner in begun]),
            )
        for table, rows in (("loop_link", found.links), ("collateral_tag", found.tags)):
            if rows:
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        if found.closed:
            cursor.execute(
                "UPDATE loop_link l SET closed_block = c.closed_block "
                "FROM unnest(%b::bigint[], %b::bigint[]) c (closed_block, link_id) "
                "WHERE l.chain_id = %s AND l.link_id = c.link_id",
                ([row[0] for row in found.closed], [row[2] for row in found.closed], chain_id),
            )


def _open(addresses: frozenset[str], tokens: Registry) -> _Owner:
    def wallet(rule: Rule, want: Want, min_link_usd: Decimal = Decimal(0), *, keep_tagged: bool = False) -> Wallet:
        return Wallet(tokens.receipts, tokens.flows, rule, min_link_usd, tokens.base_of, keep_tagged, want)

    middle, high = wallet(RULES[1], "tags"), wallet("debt_first", "tags", keep_tagged=True)
    if tokens.flows:
        low, links = wallet(RULES[0], "tags"), wallet("debt_first", "links", MIN_LINK_USD)
    else:  # nobody is seen to pay: which money goes first makes no difference, and one book has both
        low = links = wallet(RULES[0], "both", MIN_LINK_USD)
    books = (low, middle, high, links) if tokens.flows else (low, middle, high)
    balances = {address: Balances() for address in addresses}
    return _Owner(addresses, -1, books, links, (low, middle, high), balances)


def _go_on(
    chain_id: int, owner: str, books: _Owner, new: OwnerEvents, tokens: Registry, found: _Found
) -> None:  # fmt: skip
    """Feed an owner's events and add the rows that came of them; what cannot change any more is let go."""
    for account, balances in books.balances.items():
        balances.note(change for change in new.changes if change.account == account)
    before = len(books.links.trace.links)
    happened = transactions(new.events, books.addresses, tokens.receipts, tokens.flows)
    for wallet in books.books:
        wallet.feed(happened)
    trace = books.links.trace
    if trace.links:
        for n, link in enumerate(trace.links):
            if n >= before:
                found.links.append(_link_row(chain_id, owner, link))
            elif link.closed_block is not None:
                found.closed.append((link.closed_block, chain_id, _link_id(chain_id, owner, link)))
        trace.links[:] = [link for link in trace.links if link.closed_block is None]
    trace.borrows.clear()
    if any(wallet.trace.tags for wallet in books.tags):
        found.tags += _tag_rows(chain_id, bytes.fromhex(owner[2:]), books)
        for wallet in books.tags:
            wallet.trace.tags.clear()


def undo(connection: Connection, chain_id: int, ancestor: int) -> None:
    """Open again what was closed above a block. Rows that came to be above it are gone already, by block."""
    connection.execute(
        "UPDATE loop_link SET closed_block = NULL WHERE chain_id = %s AND closed_block > %s", (chain_id, ancestor)
    )


def _link_id(chain_id: int, owner: str, link: Link) -> int:
    borrow, supply = link.borrow.act, link.supply
    return key64(f"link:{chain_id}:{owner}:{borrow.block}:{borrow.log}:{supply.block}:{supply.log}")


def _link_row(chain_id: int, owner: str, link: Link) -> tuple[Any, ...]:
    borrow, supply = link.borrow.act, link.supply
    return (
        chain_id, _link_id(chain_id, owner, link),
        key64(f"loop:{chain_id}:{owner}:{link.loop[0]}:{link.loop[1]}"), bytes.fromhex(owner[2:]),
        supply.block, supply.log, supply.market, supply.scope, borrow.block, borrow.log, borrow.market, borrow.scope,
        bytes.fromhex(str(supply.token)[2:]), bytes.fromhex(str(borrow.token)[2:]), link.amount, link.borrowed, link.usd,
        link.age, link.same_transaction, *link.depths, link.turn, link.kind, link.is_flash, link.is_repledge,
        link.evidence, link.closed_block,
    )  # fmt: skip


def _tag_rows(chain_id: int, owner: bytes, books: _Owner) -> list[tuple[Any, ...]]:
    """Return the newest tag of each log by the three rules side by side, of each market from its first tagged log on.

    What came before has no row and is zero: rows must not depend on what happens after them, or a reorg would show.
    """
    by_rule = [{(tag.market, tag.block, tag.log): tag for tag in wallet.trace.tags} for wallet in books.tags]
    rows = []
    begun, last = books.begun, books.newest
    for place in sorted(set().union(*by_rule), key=lambda at: (at[1], at[2], at[0])):
        market, block, log = place
        held: list[int | None] = []
        part: list[int | None] = []
        for n, tags in enumerate(by_rule):
            tag = tags.get(place)
            last[n, market] = tag.held if tag is not None else last.get((n, market), 0)
            held.append(last[n, market])
            part.append(tag.supplied_tagged if tag is not None else 0)
        if held[2]:
            begun.add(market)
        if market not in begun:
            continue
        supplied = max((tags[place].supplied for tags in by_rule if place in tags), default=0)
        rows.append((chain_id, owner, market, block, log, *held, supplied, *part))
    return rows


def at_interval(connection: Connection, interval: Interval) -> None:
    """Write `dfc_snapshot` of every deployment that is past the interval."""
    connection.execute(
        """
        INSERT INTO dfc_snapshot
        SELECT f.chain_id, f.deployment_key, f.rule, %(bucket)s, f.block_number, f.tagged_usd, f.collateral_usd,
               f.coverage_start_block
        FROM dfc_at(%(chain)s, %(block)s) f WHERE f.deployment_key = ANY (%(deployments)s)
        ON CONFLICT (chain_id, deployment_key, rule, bucket) DO UPDATE SET block_number = excluded.block_number,
            tagged_usd = excluded.tagged_usd, collateral_usd = excluded.collateral_usd,
            coverage_start_block = excluded.coverage_start_block
        """,
        {
            "chain": interval.chain_id, "block": interval.block_number, "bucket": interval.bucket,
            "deployments": list(interval.deployments),
        },
    )  # fmt: skip
