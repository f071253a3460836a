"""Metric history: protocol leverage at the end of every interval, written as the chain passes it.

The block of a snapshot is the last one with a log before the interval's end, so backfilling in any chunks and
following block by block write the same rows.
"""

from __future__ import annotations

from typing import Any

import psycopg

from indexer.aggregation.leverage import AccountBooks, protocol_leverage

Connection = psycopg.Connection[Any]


def take(connection: Connection, chain_id: int, interval: int, now: int) -> None:
    """Write the snapshots of all intervals that ended at or before `now` (unix seconds) and have none yet.

    Units   `interval` seconds; intervals are counted from the epoch, so days are UTC days
    """
    for block in _missing(connection, chain_id, interval, now):
        accounts = connection.execute(
            "SELECT deployment_key, status, assets_usd, debt_usd FROM account_health(%s, %s)", (chain_id, block)
        )
        for (deployment, population), sums in protocol_leverage(AccountBooks(*row) for row in accounts).items():
            connection.execute(
                "INSERT INTO protocol_leverage_snapshot (chain_id, deployment_key, population, block_number, assets_usd, "
                "debt_usd, n_ok, n_zero_equity, n_insolvent, n_unpriced, latent_bad_debt_usd) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (
                    chain_id, deployment, population, block, sums.assets_usd, sums.debt_usd, sums.n_ok,
                    sums.n_zero_equity, sums.n_insolvent, sums.n_unpriced, sums.latent_bad_debt_usd,
                ),
            )  # fmt: skip


def _missing(connection: Connection, chain_id: int, interval: int, now: int) -> list[int]:
    """Return the snapshot blocks that are due, ascending: one an interval with logs since the last snapshot."""
    row = connection.execute(
        """
        SELECT min(b.block_timestamp) FROM block b
        WHERE b.chain_id = %(chain)s AND b.block_number > coalesce(
            (SELECT max(block_number) FROM protocol_leverage_snapshot WHERE chain_id = %(chain)s), -1)
        """,
        {"chain": chain_id},
    ).fetchone()
    if row is None or row[0] is None or row[0] // interval == now // interval:
        return []
    found = connection.execute(
        """
        SELECT max(b.block_number) FROM block b
        WHERE b.chain_id = %(chain)s AND b.block_timestamp >= %(since)s
          AND b.block_timestamp < %(now)s / %(interval)s * %(interval)s
          AND EXISTS (SELECT FROM raw_log l WHERE l.chain_id = b.chain_id AND l.block_number = b.block_number)
        GROUP BY b.block_timestamp / %(interval)s ORDER BY 1
        """,
        {"chain": chain_id, "since": row[0], "now": now, "interval": interval},
    )
    return [number for (number,) in found]
