"""M1, M2, M14, M17, M18 over time: sums over everybody's books at the end of every interval, set-wise in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg

from indexer.measures.accounts import renew

if TYPE_CHECKING:
    from indexer.measures import Interval

Connection = psycopg.Connection[Any]

LIQUIDATION_COST_USD: Final = 100
"""What a liquidation is taken to cost for economic bad debt; every row says it."""

REVENUE_DAYS: Final = 30

PROTOCOL: Final[LiteralString] = """
INSERT INTO protocol_leverage_snapshot (chain_id, deployment_key, population, bucket, block_number, assets_usd, debt_usd,
    n_ok, n_zero_equity, n_insolvent, n_unpriced, latent_bad_debt_usd)
SELECT chain_id, deployment_key, population, bucket, block_number, assets_usd, debt_usd,
    n_ok, n_zero_equity, n_insolvent, n_unpriced, latent_bad_debt_usd
FROM leverage_scope_snapshot
WHERE chain_id = %(chain)s AND bucket = %(bucket)s AND deployment_key = ANY (%(scopes)s) AND deployment_key <> 0
  AND level = 'account' AND pair_class = 'any'
"""

SCOPES: Final[LiteralString] = """
INSERT INTO leverage_scope_snapshot
SELECT %(chain)s, j.scope, %(bucket)s, j.level, p.population, p.pair_class, %(block)s,
    coalesce(sum(j.assets) FILTER (WHERE j.status = ANY (p.inside)), 0),
    coalesce(sum(j.debt) FILTER (WHERE j.status = ANY (p.inside)), 0),
    count(*) FILTER (WHERE j.status = ANY (p.inside)), count(*) FILTER (WHERE j.status = 'zero_equity'),
    count(*) FILTER (WHERE j.status = 'insolvent'), count(*) FILTER (WHERE j.status = 'unpriced'),
    coalesce(sum(j.debt - j.assets) FILTER (WHERE j.status = 'insolvent'), 0)
FROM (
    SELECT a.scope, 'account' AS level, a.pair_class, a.status, a.assets_usd AS assets, a.debt_usd AS debt
    FROM interval_account a WHERE a.bucket = %(bucket)s
    UNION ALL
    SELECT o.scope, 'owner', NULL, account_status(o.assets, o.debt, o.has_debt), o.assets, o.debt
    FROM (
        SELECT a.scope, a.owner, bool_or(a.has_debt) AS has_debt,
            CASE WHEN count(*) = count(a.assets_usd) THEN sum(a.assets_usd) END AS assets,
            CASE WHEN count(*) = count(a.debt_usd) THEN sum(a.debt_usd) END AS debt
        FROM interval_account a WHERE a.bucket = %(bucket)s GROUP BY a.scope, a.owner
    ) o
) j
CROSS JOIN LATERAL (
    VALUES ('borrowers', 'any', ARRAY['ok']), ('all', 'any', ARRAY['ok', 'no_debt']), ('borrowers', j.pair_class, ARRAY['ok'])
) p (population, pair_class, inside)
WHERE p.pair_class IS NOT NULL
GROUP BY j.scope, j.level, p.population, p.pair_class
"""

DISTRIBUTION: Final[LiteralString] = """
INSERT INTO leverage_distribution_snapshot
SELECT %(chain)s, g.scope, %(bucket)s, g.weight, %(block)s, (g.d).n, (g.d).p10, (g.d).p50, (g.d).p90, (g.d).p99,
    (g.d).share_ge_1_5, (g.d).share_ge_2, (g.d).share_ge_3, (g.d).share_ge_5, (g.d).share_ge_10, (g.d).share_ge_20, (g.d).bins
FROM (
    SELECT a.scope, v.weight, distribution_of(array_agg(a.leverage), array_agg(v.amount)) AS d
    FROM interval_account a
    CROSS JOIN LATERAL (VALUES ('debt', a.debt_usd), ('equity', a.assets_usd - a.debt_usd), ('count', 1)) v (weight, amount)
    WHERE a.bucket = %(bucket)s AND a.status = 'ok' AND a.leverage IS NOT NULL
    GROUP BY a.scope, v.weight
    OFFSET 0
) g
"""

BAD_DEBT: Final[LiteralString] = """
INSERT INTO bad_debt_snapshot
SELECT %(chain)s, a.scope, %(bucket)s, %(block)s,
    coalesce(sum(a.debt_usd - a.assets_usd) FILTER (WHERE a.status = 'insolvent'), 0),
    coalesce(sum(a.debt_usd) FILTER (WHERE a.status IN ('ok', 'zero_equity') AND a.assets_usd - a.debt_usd < %(cost)s), 0),
    %(cost)s,
    coalesce(sum(a.debt_usd) FILTER (WHERE a.status <> 'unpriced'), 0),
    coalesce(min(l.realised), 0), coalesce(min(l.covered), 0),
    count(*) FILTER (WHERE a.status = 'insolvent'),
    count(*) FILTER (WHERE a.status IN ('ok', 'zero_equity') AND a.assets_usd - a.debt_usd < %(cost)s),
    count(*) FILTER (WHERE a.status = 'unpriced')
FROM interval_account a
LEFT JOIN (
    SELECT k.scope,
        CASE WHEN bool_and(s.written_off_raw = 0 OR s.price_usd IS NOT NULL)
             THEN sum(s.written_off_raw * unit_of(t.decimals) * s.price_usd) FILTER (WHERE s.written_off_raw > 0) END AS realised,
        CASE WHEN bool_and(s.covered_raw = 0 OR s.price_usd IS NOT NULL)
             THEN sum(s.covered_raw * unit_of(t.decimals) * s.price_usd) FILTER (WHERE s.covered_raw > 0) END AS covered
    FROM market_snapshot s
    JOIN market m ON m.chain_id = s.chain_id AND m.market_key = s.market_key
    LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
    CROSS JOIN LATERAL (VALUES (s.deployment_key), (0::bigint)) k (scope)
    WHERE s.chain_id = %(chain)s AND s.bucket = %(bucket)s AND (s.written_off_raw > 0 OR s.covered_raw > 0)
    GROUP BY k.scope
) l ON l.scope = a.scope
WHERE a.bucket = %(bucket)s
GROUP BY a.scope
"""

LOCKED: Final[LiteralString] = """
INSERT INTO tvl_snapshot
SELECT %(chain)s, h.scope, %(bucket)s, %(block)s,
    coalesce(sum(greatest(h.supplied - h.lent, 0)) FILTER (WHERE h.is_priced AND h.kind = 'plain'), 0),
    coalesce(sum(greatest(h.supplied - h.lent, 0)) FILTER (WHERE h.is_priced AND h.kind NOT IN ('plain', 'unclassified')), 0),
    coalesce(sum(greatest(h.supplied - h.lent, 0)) FILTER (WHERE h.is_priced AND h.kind = 'unclassified'), 0),
    coalesce(sum(h.lent) FILTER (WHERE h.is_priced), 0), count(*) FILTER (WHERE NOT h.is_priced)
FROM (
    SELECT b.scope, b.deployment_key, coalesce(t.kind, 'unclassified') AS kind,
        coalesce(sum(b.usd) FILTER (WHERE b.side <> 'debt'), 0) AS supplied,
        coalesce(sum(b.usd) FILTER (WHERE b.side = 'debt' AND NOT b.is_minted), 0) AS lent,
        count(*) FILTER (WHERE NOT b.is_minted) = count(b.usd) FILTER (WHERE NOT b.is_minted) AS is_priced
    FROM interval_balance b
    LEFT JOIN token t ON t.chain_id = %(chain)s AND t.address = b.asset
    WHERE b.bucket = %(bucket)s
    GROUP BY b.scope, b.deployment_key, b.asset, t.kind
) h
GROUP BY h.scope
"""

REVENUE: Final[LiteralString] = """
INSERT INTO liquidator_revenue
SELECT e.chain_id, %(bucket)s, e.deployment_key, unhex(e.liquidator), %(block)s, count(*) FILTER (WHERE e.transaction_type = 'liquidation'),
    CASE WHEN count(*) = count(e.usd_amount)
         THEN sum(CASE e.transaction_type WHEN 'seize' THEN e.usd_amount ELSE -e.usd_amount END) END
FROM unnest(%(deployments)s::bigint[], %(starts)s::bigint[]) d (deployment_key, flows_from)
JOIN lending_events e ON e.chain_id = %(chain)s AND e.deployment_key = d.deployment_key
    AND e.block_number > d.flows_from AND e.block_number <= %(block)s
WHERE e.transaction_type IN ('liquidation', 'seize') AND e.liquidator IS NOT NULL
GROUP BY e.chain_id, e.deployment_key, e.liquidator
"""

CONCENTRATION: Final[LiteralString] = """
INSERT INTO concentration_snapshot
SELECT %(chain)s, g.scope, %(bucket)s, g.kind, %(block)s, (g.c).n, (g.c).total_usd, (g.c).hhi, (g.c).effective_n,
    (g.c).gini, (g.c).top_1_share, (g.c).top_10_share, g.n_unpriced,
    (l.c).asset, (l.c).price_usd, ratio((l.c).debt_usd, (g.c).total_usd)
FROM (
    SELECT o.scope, o.kind, concentration_of(array_agg(o.amount)) AS c,
        count(*) FILTER (WHERE o.amount IS NULL) AS n_unpriced
    FROM (
        SELECT a.scope, v.kind, v.amount
        FROM (
            SELECT a.scope, a.owner, CASE WHEN count(*) = count(a.debt_usd) THEN sum(a.debt_usd) END AS debt,
                CASE WHEN count(*) = count(a.collateral_usd) THEN sum(a.collateral_usd) END AS collateral,
                CASE WHEN count(*) = count(a.assets_usd) AND count(*) = count(a.debt_usd)
                     THEN sum(a.assets_usd - a.debt_usd) END AS equity
            FROM interval_account a WHERE a.bucket = %(bucket)s GROUP BY a.scope, a.owner
        ) a
        CROSS JOIN LATERAL (VALUES ('debt', a.debt), ('collateral', a.collateral), ('equity', a.equity)) v (kind, amount)
        UNION ALL
        SELECT b.scope, 'lender_supply', CASE WHEN count(*) = count(b.usd) THEN sum(b.usd) END
        FROM interval_balance b WHERE b.bucket = %(bucket)s AND b.side = 'supply' GROUP BY b.scope, b.owner
        UNION ALL
        SELECT k.scope, 'liquidator_revenue', CASE WHEN count(*) = count(r.revenue_usd) THEN sum(r.revenue_usd) END
        FROM liquidator_revenue r
        CROSS JOIN LATERAL (VALUES (r.deployment_key), (0::bigint)) k (scope)
        WHERE r.chain_id = %(chain)s AND r.bucket > %(bucket)s - %(revenue)s AND r.bucket <= %(bucket)s
          AND k.scope = ANY (%(scopes)s)
        GROUP BY k.scope, r.liquidator
    ) o
    GROUP BY o.scope, o.kind OFFSET 0
) g
LEFT JOIN (
    SELECT a.scope, largest_cluster_of(array_agg(a.cluster_asset), array_agg(a.liquidation_price_usd), array_agg(a.debt_usd)) AS c
    FROM interval_account a WHERE a.bucket = %(bucket)s AND a.status <> 'unpriced' AND a.has_debt GROUP BY a.scope OFFSET 0
) l ON l.scope = g.scope AND g.kind = 'debt'
WHERE (g.c).n > 0
"""


def at_interval(connection: Connection, interval: Interval) -> None:
    """Write the history that is a sum over accounts or balances, from the tables of `accounts`."""
    renew(connection, "leverage_scope_snapshot", SCOPES, interval)
    renew(connection, "protocol_leverage_snapshot", PROTOCOL, interval)
    renew(connection, "leverage_distribution_snapshot", DISTRIBUTION, interval)
    renew(connection, "bad_debt_snapshot", BAD_DEBT, interval, cost=LIQUIDATION_COST_USD)
    renew(connection, "tvl_snapshot", LOCKED, interval)
    renew(connection, "concentration_snapshot", CONCENTRATION, interval, revenue=REVENUE_DAYS * 86_400)
