"""M11, M21: hourly bins of every market's exposure and liquidations, and hourly closes of every asset.

Purges and corrections are read from these bins by SQL (`purge_events_at`, `market_corrections_at`); nothing else of them is
kept, so that they are the same however the bins came to be. The hour is theirs, whatever the interval of the history is.
Cost     a few set-wise statements an hour that ends, over the blocks of that hour
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from indexer.measures import Committed

Connection = psycopg.Connection[Any]

MARKETS = """
INSERT INTO market_hour (chain_id, market_key, bucket, block_number, exposure_raw, long_raw, short_raw, liquidated_raw,
    liquidated_long_raw, mark)
SELECT %(chain)s, e.market_key, (e.n + 1) * 3600, e.block_number, coalesce(e.debt, e.long + e.short), e.long, e.short,
    coalesce(l.raw, 0),
    CASE WHEN e.debt IS NULL AND coalesce(l.unsided, 0) = 0 THEN coalesce(l.long_raw, 0) END, e.mark
FROM (
    SELECT s.market_key, s.n, s.block_number, s.mark, s.long, s.short,
        CASE WHEN s.kind = 'lending' THEN (market_quote_of(s.accounting, s.state, s.block_timestamp, s.block_number)).debt_assets_raw END AS debt
    FROM (
        SELECT m.market_key, l.n, s AS state, s.block_number, b.block_timestamp, m.accounting, d.kind,
            (i).mark, (i).long_raw AS long, (i).short_raw AS short
        FROM market m
        JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
            AND d.kind IN ('lending', 'perp') AND d.protocol = ANY(%(protocols)s)
        CROSS JOIN LATERAL (  -- a range of the key of each market, whatever the statistics say; whole states are read later
            SELECT (SELECT b.block_timestamp FROM block b
                    WHERE b.chain_id = s.chain_id AND b.block_number = s.block_number) / 3600 AS n,
                max(s.block_number) AS block_number
            FROM market_state s
            WHERE s.chain_id = m.chain_id AND s.market_key = m.market_key
              AND s.block_number BETWEEN %(first)s AND %(last)s
            GROUP BY 1
            OFFSET 0
        ) l
        JOIN market_state s ON s.chain_id = m.chain_id AND s.market_key = m.market_key AND s.block_number = l.block_number
        JOIN block b ON b.chain_id = s.chain_id AND b.block_number = s.block_number
        CROSS JOIN LATERAL (SELECT interest_of(m.accounting, s) AS i) x
        WHERE m.chain_id = %(chain)s
    ) s
) e
LEFT JOIN (
    SELECT x.market_key, (SELECT b.block_timestamp FROM block b
            WHERE b.chain_id = %(chain)s AND b.block_number = x.block_number) / 3600 AS n,
        sum(x.raw) AS raw, sum(x.raw) FILTER (WHERE x.side = 'long') AS long_raw, count(*) FILTER (WHERE x.side IS NULL) AS unsided
    FROM (
        SELECT a.market_key, a.block_number, NULL::text AS side, a.amount_raw AS raw
        FROM action a
        WHERE a.chain_id = %(chain)s AND a.block_number BETWEEN %(first)s AND %(last)s AND a.transaction_type = 'liquidation'
        UNION ALL
        SELECT p.market_key, p.block_number, p.side, p.size_raw FROM perp_liquidations(%(chain)s, %(first)s, %(last)s) p
    ) x
    GROUP BY 1, 2
) l ON l.market_key = e.market_key AND l.n = e.n
WHERE coalesce(e.debt, e.long + e.short) IS NOT NULL
ON CONFLICT (chain_id, market_key, bucket) DO UPDATE SET
    block_number = excluded.block_number, exposure_raw = excluded.exposure_raw, long_raw = excluded.long_raw,
    short_raw = excluded.short_raw, liquidated_raw = excluded.liquidated_raw,
    liquidated_long_raw = excluded.liquidated_long_raw, mark = excluded.mark
"""

ASSETS = """
INSERT INTO asset_hour (chain_id, asset, bucket, block_number, price_usd)
SELECT DISTINCT ON (p.asset, b.block_timestamp / 3600)
    p.chain_id, p.asset, (b.block_timestamp / 3600 + 1) * 3600, p.block_number, price_of(p.price_raw, p.unit_raw)
FROM price p
JOIN block b ON b.chain_id = p.chain_id AND b.block_number = p.block_number
WHERE p.chain_id = %(chain)s AND p.block_number BETWEEN %(first)s AND %(last)s
  AND b.block_timestamp >= %(since)s AND b.block_timestamp < %(until)s
  AND p.quote = 'usd' AND p.source = 'oracle' AND p.unit_raw IS NOT NULL
ORDER BY p.asset, b.block_timestamp / 3600, p.block_number DESC, p.feed, p.log_index DESC
ON CONFLICT (chain_id, asset, bucket) DO UPDATE SET block_number = excluded.block_number, price_usd = excluded.price_usd
"""


def at_step(connection: Connection, step: Committed) -> None:
    """Write the bins of the hours that end within the step, of the protocols that went through it."""
    since = _hour(connection, step.chain_id, step.first - 1)
    until = _hour(connection, step.chain_id, step.last)
    if since >= until:
        return
    span = connection.execute(
        "SELECT min(block_number), max(block_number) FROM block "
        "WHERE chain_id = %s AND block_timestamp >= %s AND block_timestamp < %s",
        (step.chain_id, since, until),
    ).fetchone()
    if span is None or span[0] is None:
        return
    values = {
        "chain": step.chain_id, "since": since, "until": until, "first": span[0], "last": span[1],
        "protocols": list(step.protocols),
    }  # fmt: skip
    connection.execute(MARKETS, values)
    connection.execute(ASSETS, values)


def undo(connection: Connection, chain_id: int, ancestor: int) -> None:
    """Delete the bins of the hour that is open again at the end of block `ancestor`."""
    from indexer.store.schema_perps import HOURLY  # SQLAlchemy: not at every start

    since = _hour(connection, chain_id, ancestor)
    for table in HOURLY:
        query = sql.SQL("DELETE FROM {} WHERE chain_id = %s AND bucket > %s")
        connection.execute(query.format(sql.Identifier(table.name)), (chain_id, since))


def _hour(connection: Connection, chain_id: int, block: int) -> int:
    """Return when the hour began that is open at the end of a block: unix seconds, 0 before the first block."""
    row = connection.execute(
        "SELECT block_timestamp / 3600 * 3600 FROM block WHERE chain_id = %s AND block_number <= %s "
        "ORDER BY block_number DESC LIMIT 1",
        (chain_id, block),
    ).fetchone()
    return int(row[0]) if row else 0
