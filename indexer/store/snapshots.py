"""Metric history: protocol leverage at the end of every interval, written as a protocol passes it.

The block of a snapshot is the protocol's last one with a log before the interval's end, so backfilling in any chunks,
following block by block, and a protocol that is added or mended later write the same rows.
"""

from __future__ import annotations

from typing import Any

import psycopg

from indexer.aggregation.leverage import AccountBooks, protocol_leverage

Connection = psycopg.Connection[Any]


def take(connection: Connection, chain_id: int, interval: int, first: int, last: int) -> None:
    """Write the snapshots of the intervals that end within blocks `first..last`, of every protocol that is past them.

    Those that were past them before are written again: prices of one protocol may value the positions of another.
    Units   `interval` seconds; intervals are counted from the epoch, so days are UTC days
    """
    for block, deployments in _due(connection, chain_id, interval, first, last):
        accounts = connection.execute(
            "SELECT deployment_key, status, assets_usd, debt_usd FROM account_health(%s, %s) WHERE deployment_key = ANY(%s)",
            (chain_id, block, deployments),
        )
        for (deployment, population), sums in protocol_leverage(AccountBooks(*row) for row in accounts).items():
            connection.execute(
                "INSERT INTO protocol_leverage_snapshot (chain_id, deployment_key, population, block_number, assets_usd, "
                "debt_usd, n_ok, n_zero_equity, n_insolvent, n_unpriced, latent_bad_debt_usd) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
                "ON CONFLICT (chain_id, deployment_key, population, block_number) DO UPDATE SET "
                "assets_usd = excluded.assets_usd, debt_usd = excluded.debt_usd, n_ok = excluded.n_ok, "
                "n_zero_equity = excluded.n_zero_equity, n_insolvent = excluded.n_insolvent, "
                "n_unpriced = excluded.n_unpriced, latent_bad_debt_usd = excluded.latent_bad_debt_usd",
                (
                    chain_id, deployment, population, block, sums.assets_usd, sums.debt_usd, sums.n_ok,
                    sums.n_zero_equity, sums.n_insolvent, sums.n_unpriced, sums.latent_bad_debt_usd,
                ),
            )  # fmt: skip


def undo(connection: Connection, chain_id: int, interval: int, ancestor: int) -> None:
    """Delete the snapshots of the interval that is open again at the end of block `ancestor`: another one may end it."""
    connection.execute(
        """
        DELETE FROM protocol_leverage_snapshot s USING block b
        WHERE s.chain_id = %(chain)s AND b.chain_id = %(chain)s AND b.block_number = s.block_number
          AND b.block_timestamp >= %(since)s
        """,
        {"chain": chain_id, "since": _opened(connection, chain_id, interval, ancestor)},
    )


def _opened(connection: Connection, chain_id: int, interval: int, block: int) -> int:
    """Return when the interval began that is open at the end of a block: unix seconds, 0 before the first block."""
    row = connection.execute(
        "SELECT block_timestamp / %(interval)s * %(interval)s FROM block "
        "WHERE chain_id = %(chain)s AND block_number <= %(block)s ORDER BY block_number DESC LIMIT 1",
        {"chain": chain_id, "block": block, "interval": interval},
    ).fetchone()
    return int(row[0]) if row else 0


def _due(connection: Connection, chain_id: int, interval: int, first: int, last: int) -> list[tuple[int, list[int]]]:
    """Return the snapshot blocks of the intervals that end in `first..last`, ascending, with the deployments to look at."""
    since, until = (_opened(connection, chain_id, interval, block) for block in (first - 1, last))
    if since == until:
        return []
    return connection.execute(
        """
        WITH emitter AS (
            SELECT DISTINCT c.address, c.protocol FROM contract c JOIN cursor p USING (chain_id, protocol)
            WHERE c.chain_id = %(chain)s AND p.block_number >= %(last)s
        ), due AS (
            SELECT e.protocol, max(b.block_number) AS block_number
            FROM block b
            JOIN raw_log l ON l.chain_id = b.chain_id AND l.block_number = b.block_number
            JOIN emitter e ON e.address = l.address
            WHERE b.chain_id = %(chain)s AND b.block_timestamp >= %(since)s AND b.block_timestamp < %(until)s
            GROUP BY e.protocol, b.block_timestamp / %(interval)s
        )
        SELECT due.block_number, array_agg(d.deployment_key)
        FROM due JOIN deployment d ON d.chain_id = %(chain)s AND d.protocol = due.protocol
        GROUP BY due.block_number ORDER BY due.block_number
        """,
        {"chain": chain_id, "since": since, "until": until, "interval": interval, "last": last},
    ).fetchall()
