"""Quantities, prices and flows of every market at the end of every interval: the basis of velocity and utilization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg

from indexer.measures.accounts import accountings_of, renew
from indexer.measures.leverage import REVENUE

if TYPE_CHECKING:
    from indexer.measures import Interval

Connection = psycopg.Connection[Any]

STARTS: Final[LiteralString] = """
SELECT d.deployment_key, coalesce((
    SELECT s.block_number FROM market_snapshot s
    WHERE s.chain_id = %(chain)s AND s.deployment_key = d.deployment_key AND s.bucket < %(bucket)s
    ORDER BY s.bucket DESC LIMIT 1), -1)
FROM unnest(%(deployments)s::bigint[]) d (deployment_key)
"""

MARKETS: Final[LiteralString] = """
INSERT INTO market_snapshot
SELECT %(chain)s, b.market_key, %(bucket)s, b.deployment_key, %(block)s, d.flows_from,
    (b.quote).debt_assets_raw, (b.quote).supply_assets_raw, c.collateral, b.price_usd,
    CASE WHEN b.collateral_asset IS NOT NULL THEN b.collateral_price_usd END,
    (b.quote).debt_rate_raw * (b.quote).rate_unit, (b.quote).supply_rate_raw * (b.quote).rate_unit,
    utilization_target(b.accounting, b.state), coalesce(f.borrowed, 0), coalesce(f.repaid, 0), coalesce(f.liquidated, 0), coalesce(f.written_off, 0),
    coalesce(f.covered, 0), coalesce(f.migrated, 0)
FROM unnest(%(deployments)s::bigint[], %(starts)s::bigint[]) d (deployment_key, flows_from)
JOIN books(%(chain)s, %(block)s, NULL, %(accounting)s) b ON b.deployment_key = d.deployment_key
LEFT JOIN (
    SELECT a.market_key, sum(a.amount_raw) AS collateral FROM interval_balance a
    WHERE a.bucket = %(bucket)s AND a.scope <> 0 AND a.side = 'collateral' GROUP BY a.market_key
) c ON c.market_key = b.market_key
LEFT JOIN (
    SELECT x.market_key, sum(x.borrowed) AS borrowed, sum(x.repaid) AS repaid, sum(x.liquidated) AS liquidated,
        sum(x.written_off) AS written_off, sum(x.covered) AS covered, sum(x.migrated) AS migrated
    FROM debt_flows(%(chain)s, %(first)s, %(block)s) x
    JOIN unnest(%(deployments)s::bigint[], %(starts)s::bigint[]) y (deployment_key, flows_from)
        ON y.deployment_key = x.deployment_key AND x.block_number > y.flows_from
    GROUP BY x.market_key
) f ON f.market_key = b.market_key
WHERE NOT is_internal_book(b.accounting)
  AND ((b.quote).debt_assets_raw > 0 OR (b.quote).supply_assets_raw > 0 OR c.collateral > 0
       OR f.borrowed > 0 OR f.repaid > 0 OR f.liquidated > 0 OR f.written_off > 0 OR f.covered > 0)
"""


def at_interval(connection: Connection, interval: Interval) -> None:
    """Write `market_snapshot` and `liquidator_revenue` of every deployment that is past the interval."""
    at = {"chain": interval.chain_id, "bucket": interval.bucket, "deployments": list(interval.deployments)}
    starts = dict(connection.execute(STARTS, at, prepare=True).fetchall())
    since = [starts[key] for key in interval.deployments]
    renew(connection, "market_snapshot", None, interval)
    bound = {**at, "block": interval.block_number, "starts": since, "first": min(since, default=-1)}
    for accounting in accountings_of(connection, interval):
        connection.execute(MARKETS, {**bound, "accounting": accounting}, prepare=True)
    renew(connection, "liquidator_revenue", REVENUE, interval, deployments=list(interval.deployments), starts=since)
