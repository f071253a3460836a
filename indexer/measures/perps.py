"""M3, M8 over time: every perp market at the end of every interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from indexer.measures import Interval

Connection = psycopg.Connection[Any]

COLUMNS = (
    "oi_convention, long_base, short_base, mark, index_price, funding_rate, funding_interval_s, funding_at_cap, "
    "margin_long, margin_short, margin_basis, n_long, n_short"
)
PERPS = "SELECT FROM deployment WHERE chain_id = %s AND deployment_key = ANY(%s) AND kind = 'perp' LIMIT 1"
NEW = ", ".join(f"{name} = excluded.{name}" for name in ("block_number", "deployment_key", *COLUMNS.split(", ")))


def at_interval(connection: Connection, interval: Interval) -> None:
    """Write `perp_market_snapshot` of every perp deployment that is past the interval."""
    deployments = list(interval.deployments)
    if connection.execute(PERPS, (interval.chain_id, deployments)).fetchone() is None:
        return  # planning what follows costs twenty milliseconds
    connection.execute(
        f"INSERT INTO perp_market_snapshot (chain_id, market_key, bucket, block_number, deployment_key, {COLUMNS}) "
        f"SELECT chain_id, market_key, %(bucket)s, as_of_block, deployment_key, {COLUMNS} "
        "FROM perp_markets_at(%(chain)s, %(block)s) WHERE deployment_key = ANY(%(deployments)s) "
        f"ON CONFLICT (chain_id, market_key, bucket) DO UPDATE SET {NEW}".encode(),
        {
            "chain": interval.chain_id, "block": interval.block_number, "bucket": interval.bucket,
            "deployments": deployments,
        },
    )  # fmt: skip
