"""M1 over time: protocol leverage at the end of every interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from indexer.aggregation.leverage import AccountBooks, protocol_leverage

if TYPE_CHECKING:
    from indexer.measures import Interval

Connection = psycopg.Connection[Any]


def at_interval(connection: Connection, interval: Interval) -> None:
    """Write `protocol_leverage_snapshot` of every deployment that is past the interval, each at its own last block."""
    by_block: dict[int, list[int]] = {}
    for deployment, block in interval.deployments.items():
        by_block.setdefault(block, []).append(deployment)
    for block, deployments in by_block.items():
        accounts = connection.execute(
            "SELECT deployment_key, status, assets_usd, debt_usd FROM account_health(%s, %s) WHERE deployment_key = ANY(%s)",
            (interval.chain_id, block, deployments),
        )
        for (deployment, population), sums in protocol_leverage(AccountBooks(*row) for row in accounts).items():
            connection.execute(
                "INSERT INTO protocol_leverage_snapshot (chain_id, deployment_key, population, bucket, block_number, "
                "assets_usd, debt_usd, n_ok, n_zero_equity, n_insolvent, n_unpriced, latent_bad_debt_usd) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
                "ON CONFLICT (chain_id, deployment_key, population, bucket) DO UPDATE SET "
                "block_number = excluded.block_number, "
                "assets_usd = excluded.assets_usd, debt_usd = excluded.debt_usd, n_ok = excluded.n_ok, "
                "n_zero_equity = excluded.n_zero_equity, n_insolvent = excluded.n_insolvent, "
                "n_unpriced = excluded.n_unpriced, latent_bad_debt_usd = excluded.latent_bad_debt_usd",
                (
                    interval.chain_id, deployment, population, interval.bucket, block, sums.assets_usd, sums.debt_usd,
                    sums.n_ok, sums.n_zero_equity, sums.n_insolvent, sums.n_unpriced, sums.latent_bad_debt_usd,
                ),
            )  # fmt: skip
