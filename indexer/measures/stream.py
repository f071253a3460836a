"""Messages for those who listen to `/v1/stream`, written and announced in the transaction that commits what they tell.

When     from the moment a chain first reaches its head; steps that catch up later are told too, so a listener misses none
Order    a reorg first; then what happened, by block; the `block` message last: who has seen it has seen everything of it
Kept     the newest `KEEP` messages a chain; a listener who comes back later than that is told so
Notify   channel `leverage_stream`, payload `<chain id> <last seq>`, sent by PostgreSQL when the transaction commits
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from indexer.store.queries import at_risk, events, loops, params, perps
from indexer.store.queries.rows import select

if TYPE_CHECKING:
    from indexer.measures import Committed

Connection = psycopg.Connection[Any]
Message = tuple[int, str, dict[str, Any]]
"""Block, channel, body."""

KEEP = 100_000
CHANNEL = "leverage_stream"


def at_step(connection: Connection, step: Committed) -> None:
    """Write and announce the messages of a step."""
    newest = connection.execute(
        "SELECT seq FROM stream_message WHERE chain_id = %s ORDER BY seq DESC LIMIT 1", (step.chain_id,)
    ).fetchone()
    if newest is None and not step.at_head:
        return
    seq = 0 if newest is None else newest[0]
    messages: list[Message] = []
    if step.reorg and newest is not None:
        body = {"chain_id": step.chain_id, "first_invalid_block": step.first, "new_head": step.last}
        messages.append((step.first, "reorg", body))
    if newest is None:  # the stream begins: what is now, not what was
        messages += _block(connection, step)
    told = {} if step.reorg else _told(connection, step)
    if newest is not None and (news := tuple(name for name in step.protocols if step.last > told.get(name, -1))):
        step = replace(step, protocols=news)
        happened = [message for source in SOURCES for message in source(connection, step)]
        messages += [*sorted(happened, key=lambda message: message[0]), *_block(connection, step)]
    if not messages:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO stream_message (chain_id, seq, block_number, channel, body) VALUES (%s, %s, %s, %s, %s)",
            [(step.chain_id, seq + n, block, name, Jsonb(body)) for n, (block, name, body) in enumerate(messages, 1)],
        )
    seq += len(messages)
    connection.execute("DELETE FROM stream_message WHERE chain_id = %s AND seq <= %s", (step.chain_id, seq - KEEP))
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{step.chain_id} {seq}"))


def _told(connection: Connection, step: Committed) -> dict[str, int]:
    """Return up to which block each protocol has been told of, reorgs taken back.

    One that was added later, and goes through blocks of long ago, counts as told up to the newest block.
    """
    rows = connection.execute(
        """
        WITH told AS (
            SELECT p.name, coalesce(own.block_number, newest.block_number) AS block_number, coalesce(own.seq, newest.seq) AS seq
            FROM unnest(%(protocols)s::text[]) p (name)
            LEFT JOIN LATERAL (
                SELECT m.seq, m.block_number FROM stream_message m
                WHERE m.chain_id = %(chain)s AND m.channel = 'block' AND m.body -> 'protocols' ? p.name
                ORDER BY m.seq DESC LIMIT 1
            ) own ON true
            LEFT JOIN LATERAL (
                SELECT m.seq, m.block_number FROM stream_message m
                WHERE m.chain_id = %(chain)s AND m.channel = 'block' ORDER BY m.seq DESC LIMIT 1
            ) newest ON true
        )
        SELECT t.name, least(t.block_number, (
            SELECT min(m.block_number) - 1 FROM stream_message m
            WHERE m.chain_id = %(chain)s AND m.channel = 'reorg' AND m.seq > t.seq))
        FROM told t WHERE t.block_number IS NOT NULL
        """,
        {"chain": step.chain_id, "protocols": list(step.protocols)},
    ).fetchall()
    return dict(rows)


def _block(connection: Connection, step: Committed) -> list[Message]:
    """The heartbeat: everything up to this block is in the tables."""
    rows = select(
        connection,
        """
        SELECT b.chain_id, b.block_number, '0x' || encode(b.block_hash, 'hex') AS block_hash,
               to_char(to_timestamp(b.block_timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS block_time
        FROM block b WHERE b.chain_id = %(chain_id)s AND b.block_number = %(block)s
        """,
        {"chain_id": step.chain_id, "block": step.last},
    )
    return [
        (step.last, "block", {**row, "first_block": step.first, "protocols": sorted(step.protocols)}) for row in rows
    ]


def _liquidations(connection: Connection, step: Committed) -> list[Message]:
    rows = events.liquidations_between(
        connection, chain_id=step.chain_id, first=step.first, last=step.last, protocols=step.protocols
    )
    return [(row["block_number"], "liquidations", row) for row in rows]


def _params(connection: Connection, step: Committed) -> list[Message]:
    rows = params.changes_between(
        connection, chain_id=step.chain_id, first=step.first, last=step.last, protocols=step.protocols
    )
    return [(row["block_number"], "params", row) for row in rows]


def _risk(connection: Connection, step: Committed) -> list[Message]:
    """Tell who came into, moved within or left the buckets below 1.1, of a step at the head."""
    rows = at_risk.told(connection, step.chain_id) if step.at_head else []
    return [(step.last, "liquidation_risk", row) for row in rows if row["protocol"] in step.protocols]


def _loops(connection: Connection, step: Committed) -> list[Message]:
    rows = loops.links_between(
        connection, chain_id=step.chain_id, first=step.first, last=step.last, protocols=step.protocols
    )
    return [(row["block_number"], "loops", row) for row in rows]


def _purges(connection: Connection, step: Committed) -> list[Message]:
    """Tell of a purge when an hour of it is over, so of one that lasts again each hour."""
    seconds = dict(
        connection.execute(
            "SELECT n, (SELECT b.block_timestamp FROM block b WHERE b.chain_id = %(chain)s AND b.block_number <= n "
            "ORDER BY b.block_number DESC LIMIT 1) FROM unnest(%(blocks)s::bigint[]) n",
            {"chain": step.chain_id, "blocks": [step.first - 1, step.last]},
        ).fetchall()
    )
    after, until = seconds.get(step.first - 1), seconds.get(step.last)
    if after is None or until is None or after // 3600 == until // 3600:
        return []
    rows = perps.purges_between(
        connection, chain_id=step.chain_id, block_number=step.last, after=after, until=until, protocols=step.protocols
    )
    return [(step.last, "purges", row) for row in rows]


SOURCES: tuple[Callable[[Connection, Committed], list[Message]], ...] = (_liquidations, _params, _risk, _loops, _purges)
"""What happened in a step, a channel each."""
