"""Metrics that the indexer keeps: computed in the transaction that commits the rows they are made of.

Two kinds, each a function of its own module, listed here:
  at_interval   history: once an interval (hour, day) is complete, as of its last block; the same rows whether a chain was
                backfilled in any chunks, followed block by block, or a protocol was added or mended later
  at_step       what is kept up with the head: after every commit, for what the step changed

Reorg-safe by construction: history rows carry `bucket` (the interval's end) and `block_number`; both are deleted when
their block is undone, then computed again. See docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

from indexer.measures import accounts, exposure, hours, leverage, loops, markets, perps, risk, stream, velocity
from indexer.store.writer import StepRows

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval that is complete for some protocols: what a history row is of.

    Units  `seconds` its length, `bucket` its end, unix seconds (exclusive); intervals are counted from the epoch: UTC days
    """

    chain_id: int
    seconds: int
    bucket: int
    block_number: int
    """The last block in it with a log of any protocol that is past it: where every metric of the interval is taken."""
    deployments: tuple[int, ...]
    """Keys of the lending and perp deployments that had begun by that block and are past the interval, ascending."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A step whose rows have just been written, in a transaction that is still open."""

    chain_id: int
    first: int
    last: int
    protocols: tuple[str, ...]
    """Protocols whose cursor moved to `last`."""
    at_head: bool
    """Whether `last` is the newest block that the node spoke of."""
    reorg: bool = False
    fresh: bool = False
    """Whether no row of these blocks, nor of any block before, can have been added but by this step."""
    rows: StepRows | None = None
    """The rows of a fresh step with what the node said; None where something of it is in the tables alone."""


AT_INTERVAL: tuple[Callable[[Connection, Interval], None], ...] = (
    accounts.at_interval, markets.at_interval, leverage.at_interval, velocity.at_interval, exposure.at_interval,
    perps.at_interval,
    loops.at_interval,
)  # fmt: skip
"""In order: a later one may read what an earlier one wrote."""

BEFORE: tuple[Callable[[Connection, Committed], None], ...] = (loops.at_step,)
"""As AT_STEP, but ahead of the intervals: their rows are keyed by block and history reads them as of its own block."""

AT_STEP: tuple[Callable[[Connection, Committed], None], ...] = (hours.at_step, risk.at_step, stream.at_step)
"""In order; `stream` last, which tells what the others have written."""

UNDO: tuple[Callable[[Connection, int, int], None], ...] = (hours.undo, loops.undo, risk.undo)
"""Called with (connection, chain_id, ancestor) before rows above `ancestor` are computed anew, for tables that are not
keyed by block or bucket."""


def take(connection: Connection, chain_id: int, step: StepRows, interval: int, *, reorg: bool = False) -> None:
    """Compute what a step makes due whose rows are written; of a protocol that stopped in it up to there.

    `interval` is the length of the history's intervals in seconds.
    """
    if step.first is None:
        return
    for last in sorted({row.block_number for row in step.cursors if row.block_number >= step.first}):
        moved = tuple(row.protocol for row in step.cursors if row.block_number == last)
        at_head = step.heads is not None and last >= step.heads.latest
        rows = step if step.fresh and step.logs is not None else None
        done = Committed(chain_id, step.first, last, moved, at_head, reorg, step.fresh, rows)
        _look_at_sizes(connection, done)
        for follow in BEFORE:
            follow(connection, done)
        intervals = _due(connection, done, interval, step.first if step.since is None else min(step.first, step.since))
        if intervals:
            _plan(connection, len(intervals))
        for due in intervals:
            for measure in AT_INTERVAL:
                measure(connection, due)
        for follow in AT_STEP:
            follow(connection, done)


_planned: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
"""How many intervals a connection has computed."""

_ANALYZED: LiteralString = (
    "chain, cursor, deployment, market, contract, token, token_link, token_rate, param, account_setting, price, "
    "market_state, block, position, loop_link, wallet_owner, wallet_state"
)
"""What statements over everything join. PostgreSQL never analyses small tables by itself (fewer than 50 changed rows), and
large ones not before a minute has passed; without statistics it takes everybody's balances for one row."""


def _plan(connection: Connection, intervals: int) -> None:
    """Have statements planned once a connection: planning the large ones takes ten times as long as running them.

    A plan that was made while tables were small is a bad one when they are large: planned again at 4, 16, 64, ...
    """
    done = _planned.get(connection, 0)
    _planned[connection] = done + intervals
    if not done or done.bit_length() // 2 != (done + intervals).bit_length() // 2:
        connection.execute(f"ANALYZE {_ANALYZED}")
        connection.execute("DISCARD PLANS")
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")


_steps: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()


def _look_at_sizes(connection: Connection, step: Committed) -> None:
    """Take statistics at a backfill's 2nd, 8th, 32nd, ... step: not at the first, which a restart waits for."""
    if step.at_head:
        return
    done = _steps[connection] = _steps.get(connection, 0) + 1
    if done > 1 and done & (done - 1) == 0 and done.bit_length() % 2 == 0:
        connection.execute(f"ANALYZE {_ANALYZED}")


def undo(connection: Connection, chain_id: int, interval: int, ancestor: int) -> None:
    """Delete the history of the interval that is open again at the end of block `ancestor`: another block may end it."""
    from indexer.store.schema import BY_BUCKET  # SQLAlchemy: not at every start

    since = _opened(connection, chain_id, interval, ancestor)
    for table in BY_BUCKET:
        query = sql.SQL("DELETE FROM {} WHERE chain_id = %s AND bucket > %s")
        connection.execute(query.format(sql.Identifier(table.name)), (chain_id, since))
    for restore in UNDO:
        restore(connection, chain_id, ancestor)


def _opened(connection: Connection, chain_id: int, interval: int, block: int) -> int:
    """Return when the interval began that is open at the end of a block: unix seconds, 0 before the first block."""
    row = connection.execute(
        "SELECT block_timestamp / %(interval)s * %(interval)s FROM block "
        "WHERE chain_id = %(chain)s AND block_number <= %(block)s ORDER BY block_number DESC LIMIT 1",
        {"chain": chain_id, "block": block, "interval": interval},
    ).fetchone()
    return int(row[0]) if row else 0


def _due(connection: Connection, step: Committed, interval: int, first: int) -> list[Interval]:
    """Return the intervals that end between block `first` and the step's last, ascending, with all protocols past them.

    Those that were past them before are looked at again: a later block may end the interval now, and prices of one
    protocol may value the positions of another. So the rows are the same in whatever order protocols got there.
    Logs count that are there by now however the chain was read: of a contract from the block in which it was found on, and
    not those of wallets, which may be read long after their interval.
    """
    chain_id = step.chain_id
    since, until = (_opened(connection, chain_id, interval, block) for block in (first - 1, step.last))
    if since == until:
        return []
    rows = connection.execute(
        """
        WITH past AS (
            SELECT p.protocol, (
                SELECT b.block_timestamp / %(interval)s FROM block b
                WHERE b.chain_id = p.chain_id AND b.block_number <= p.block_number ORDER BY b.block_number DESC LIMIT 1
            ) AS n
            FROM cursor p WHERE p.chain_id = %(chain)s
        ), emitter AS (
            SELECT c.address, p.n, min(c.block_number) AS since FROM contract c JOIN past p ON p.protocol = c.protocol
            WHERE c.chain_id = %(chain)s AND c.kind <> 'WalletToken'
              AND NOT EXISTS (SELECT FROM wallet_state w WHERE w.chain_id = c.chain_id AND w.wallet = c.address)
            GROUP BY 1, 2
        ), due AS (
            SELECT b.block_timestamp / %(interval)s AS n, max(b.block_number) AS block_number
            FROM block b
            JOIN raw_log l ON l.chain_id = b.chain_id AND l.block_number = b.block_number
            JOIN emitter e ON e.address = l.address AND e.n > b.block_timestamp / %(interval)s AND e.since <= l.block_number
            WHERE b.chain_id = %(chain)s AND b.block_timestamp >= %(since)s AND b.block_timestamp < %(until)s
            GROUP BY 1
        )
        SELECT i.n, i.block_number, coalesce(array_agg(d.deployment_key ORDER BY d.deployment_key)
            FILTER (WHERE d.start_block <= i.block_number), '{}')
        FROM due i
        LEFT JOIN past p ON p.n > i.n
        LEFT JOIN deployment d ON d.chain_id = %(chain)s AND d.protocol = p.protocol AND d.kind IN ('lending', 'perp')
        GROUP BY i.n, i.block_number ORDER BY i.n
        """,
        {"chain": chain_id, "since": since, "until": until, "interval": interval},
    ).fetchall()
    return [
        Interval(chain_id, interval, (number + 1) * interval, block, tuple(deployments))
        for number, block, deployments in rows
    ]
