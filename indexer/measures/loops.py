"""M6 and M7 kept up: links and tags of the owners that a step touched, and the debt-financed share of every interval."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import psycopg

from indexer.aggregation.dfc import RULES, Rule
from indexer.aggregation.lots import Link
from indexer.aggregation.provenance import Wallet
from indexer.store import loop_events
from indexer.store.loop_events import OwnerEvents, Registry
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
    links: Wallet
    tags: tuple[Wallet, Wallet, Wallet]
    begun: set[Any] = field(default_factory=set)
    """Markets with a tagged log."""
    newest: dict[tuple[int, Any], int | None] = field(default_factory=dict)
    """Tagged part by rule and market."""


@dataclass(slots=True)
class _Followed:
    """Owners in memory. Only a cache: whoever is not in it is followed from its first event, with the same result."""

    chain_id: int
    last: int
    tokens: Registry
    owners: OrderedDict[str, _Owner] = field(default_factory=OrderedDict)


_followed: WeakKeyDictionary[Connection, _Followed] = WeakKeyDictionary()


def at_step(connection: Connection, step: Committed) -> None:
    """Follow the owners that the step touched through what is new: a pure function of their events.

    What is in memory holds while step follows step; after a reorg, a step taken again, blocks of long ago or a newly listed
    token owners are followed from their first event.
    """
    known = _followed.pop(connection, None)  # back in when the step is through
    if known and (known.chain_id != step.chain_id or known.last != step.first - 1 or step.reorg or not step.fresh):
        known = None
    accounts = loop_events.touched(connection, step.chain_id, step.first, step.last)
    if accounts:
        tokens = loop_events.registry(connection, step.chain_id)
        if known is None or known.tokens != tokens:
            known = _Followed(step.chain_id, step.last, tokens)
        _follow(connection, step, known, loop_events.owners_of(connection, step.chain_id, accounts))
    if known is not None:
        known.last = step.last
        _followed[connection] = known


def _follow(connection: Connection, step: Committed, known: _Followed, owners: dict[str, str]) -> None:
    addresses: dict[str, set[str]] = {}
    for address, owner in owners.items():
        addresses.setdefault(owner, set()).add(address)
    for owner, own in addresses.items():
        if owner in known.owners and known.owners[owner].addresses != own:
            del known.owners[owner]
    since = {owner: known.owners[owner].last + 1 for owner in addresses if owner in known.owners}
    begun = [owner for owner in addresses if owner not in since]
    links: list[tuple[Any, ...]] = []
    closed: list[tuple[int | None, int, int]] = []
    tags: list[tuple[Any, ...]] = []
    for owner, found in loop_events.load(connection, step.chain_id, owners, since).items():
        books = known.owners.get(owner)
        if books is None:
            books = known.owners[owner] = _open(frozenset(addresses[owner]), known.tokens)
        _go_on(step.chain_id, owner, books, found, links, closed, tags)
        books.last = step.last
        known.owners.move_to_end(owner)
    while len(known.owners) > KEPT:
        known.owners.popitem(last=False)
    with connection.cursor() as cursor:
        for table in ("loop_link", "collateral_tag") if begun else ():
            cursor.execute(
                f"DELETE FROM {table} WHERE chain_id = %s AND owner = ANY(%s)",
                (step.chain_id, [bytes.fromhex(owner[2:]) for owner in begun]),
            )
        if links:
            cursor.executemany(INSERT_LINK, links)
        if closed:
            cursor.executemany("UPDATE loop_link SET closed_block = %s WHERE chain_id = %s AND link_id = %s", closed)
        if tags:
            cursor.executemany(INSERT_TAG, tags)


def _open(addresses: frozenset[str], tokens: Registry) -> _Owner:
    def wallet(rule: Rule, min_link_usd: Decimal = Decimal(0), *, keep_tagged: bool = False) -> Wallet:
        return Wallet(addresses, tokens.receipts, tokens.flows, rule, min_link_usd, tokens.base_of, keep_tagged)

    tags = wallet(RULES[0]), wallet(RULES[1]), wallet("debt_first", keep_tagged=True)
    return _Owner(addresses, -1, wallet("debt_first", MIN_LINK_USD), tags)


def _go_on(
    chain_id: int, owner: str, books: _Owner, found: OwnerEvents, links: list[tuple[Any, ...]],
    closed: list[tuple[int | None, int, int]], tags: list[tuple[Any, ...]],
) -> None:  # fmt: skip
    """Feed an owner's events and add the rows that came of them; what cannot change any more is let go."""
    before = len(books.links.trace.links)
    for wallet in (books.links, *books.tags):
        wallet.feed(found.events)
    trace = books.links.trace
    for n, link in enumerate(trace.links):
        if n >= before:
            links.append(_link_row(chain_id, owner, link))
        elif link.closed_block is not None:
            closed.append((link.closed_block, chain_id, _link_id(chain_id, owner, link)))
    trace.links[:] = [link for link in trace.links if link.closed_block is None]
    tags += _tag_rows(chain_id, bytes.fromhex(owner[2:]), books)
    trace.borrows.clear()
    trace.tags.clear()
    for wallet in books.tags:
        for told in (wallet.trace.links, wallet.trace.borrows, wallet.trace.tags):
            told.clear()


def undo(connection: Connection, chain_id: int, ancestor: int) -> None:
    """Open again what was closed above a block. Rows that came to be above it are gone already, by block."""
    connection.execute(
        "UPDATE loop_link SET closed_block = NULL WHERE chain_id = %s AND closed_block > %s", (chain_id, ancestor)
    )


INSERT_LINK = f"INSERT INTO loop_link VALUES ({', '.join(['%s'] * 28)})"
INSERT_TAG = f"INSERT INTO collateral_tag VALUES ({', '.join(['%s'] * 12)})"


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
