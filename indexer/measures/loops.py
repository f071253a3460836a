"""M6 and M7 kept up: links and tags of the owners that a step touched, and the debt-financed share of every interval."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg

from indexer.aggregation.dfc import RULES
from indexer.aggregation.lots import Link
from indexer.aggregation.pledges import Trace
from indexer.aggregation.provenance import follow
from indexer.store import loop_events
from indexer.store.loop_events import OwnerEvents, Registry
from indexer.types import key64

if TYPE_CHECKING:
    from indexer.measures import Committed, Interval

Connection = psycopg.Connection[Any]

MIN_LINK_USD = Decimal(1)
"""Links below this many USD are dust (the last digits of a receipt left behind) and no recursion. Unpriced ones count."""


def at_step(connection: Connection, step: Committed) -> None:
    """Follow the owners that the step touched anew, each from its first event: a pure function of its events."""
    accounts = loop_events.touched(connection, step.chain_id, step.first, step.last)
    if not accounts:
        return
    owners = loop_events.owners_of(connection, step.chain_id, accounts)
    tokens = loop_events.registry(connection, step.chain_id)
    for owner, found in loop_events.load(connection, step.chain_id, owners).items():
        _write(connection, step.chain_id, owner, found, tokens)


def undo(connection: Connection, chain_id: int, ancestor: int) -> None:
    """Open again what was closed above a block. Rows that came to be above it are gone already, by block."""
    connection.execute(
        "UPDATE loop_link SET closed_block = NULL WHERE chain_id = %s AND closed_block > %s", (chain_id, ancestor)
    )


def _write(connection: Connection, chain_id: int, owner: str, found: OwnerEvents, tokens: Registry) -> None:
    def trace(**options: Any) -> Trace:
        return follow(
            found.events, found.addresses, receipts=tokens.receipts, flows=tokens.flows, base_of=tokens.base_of,
            **options,
        )  # fmt: skip

    key = bytes.fromhex(owner[2:])
    links = trace(min_link_usd=MIN_LINK_USD).links
    low, mid = (trace(rule=rule) for rule in RULES[:2])
    high = trace(rule="debt_first", keep_tagged=True)
    with connection.cursor() as cursor:
        for table in ("loop_link", "collateral_tag"):
            cursor.execute(f"DELETE FROM {table} WHERE chain_id = %s AND owner = %s", (chain_id, key))
        if links:
            cursor.executemany(INSERT_LINK, [_link_row(chain_id, owner, link) for link in links])
        rows = _tag_rows(chain_id, key, low, mid, high)
        if rows:
            cursor.executemany(INSERT_TAG, rows)


INSERT_LINK = f"INSERT INTO loop_link VALUES ({', '.join(['%s'] * 28)})"
INSERT_TAG = f"INSERT INTO collateral_tag VALUES ({', '.join(['%s'] * 12)})"


def _link_row(chain_id: int, owner: str, link: Link) -> tuple[Any, ...]:
    borrow, supply = link.borrow.act, link.supply
    return (
        chain_id, key64(f"link:{chain_id}:{owner}:{borrow.block}:{borrow.log}:{supply.block}:{supply.log}"),
        key64(f"loop:{chain_id}:{owner}:{link.loop[0]}:{link.loop[1]}"), bytes.fromhex(owner[2:]),
        supply.block, supply.log, supply.market, supply.scope, borrow.block, borrow.log, borrow.market, borrow.scope,
        bytes.fromhex(str(supply.token)[2:]), bytes.fromhex(str(borrow.token)[2:]), link.amount, link.borrowed, link.usd,
        link.age, link.same_transaction, *link.depths, link.turn, link.kind, link.is_flash, link.is_repledge,
        link.evidence, link.closed_block,
    )  # fmt: skip


def _tag_rows(chain_id: int, owner: bytes, low: Trace, mid: Trace, high: Trace) -> list[tuple[Any, ...]]:
    """Return the newest tag of each log by the three rules side by side, of each market from its first tagged log on.

    What came before has no row and is zero: rows must not depend on what happens after them, or a reorg would show.
    """
    by_rule = [{(tag.market, tag.block, tag.log): tag for tag in found.tags} for found in (low, mid, high)]
    rows = []
    begun: set[Any] = set()
    last: dict[tuple[int, Any], int | None] = {}
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
