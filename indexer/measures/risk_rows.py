"""The rows of `risk_head`: computed by the accountings of the chain, written over those that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Ways:
    """SQL functions of the accountings that these deployments have: `<accounting>_risk`, `_levels`, `_legs`."""

    risks: list[str]
    levels: list[str]
    legs: list[str]


def ways(connection: Connection, chain: int, keys: list[int]) -> Ways:
    """Return what the deployments' accountings provide."""
    rows = connection.execute(
        "SELECT a.accounting, to_regproc(a.accounting || '_risk') IS NOT NULL, "
        "to_regproc(a.accounting || '_levels') IS NOT NULL, to_regproc(a.accounting || '_legs') IS NOT NULL "
        "FROM (SELECT DISTINCT accounting FROM market WHERE chain_id = %s AND deployment_key = ANY(%s)) a ORDER BY 1",
        (chain, keys),
    ).fetchall()
    kinds = ("_risk", "_levels", "_legs")
    return Ways(*([row[0] + kind for row in rows if row[at]] for at, kind in enumerate(kinds, 1)))


def union(functions: list[str], arguments: LiteralString) -> sql.Composable:
    """All rows of several functions of the same shape."""
    return sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT * FROM {}(" + arguments + ")").format(sql.Identifier(name)) for name in functions
    )


MANY: Final = 1_000
"""Accounts from which on statistics are worth planning the statements anew."""

OF_ACCOUNTS: Final[LiteralString] = "%(chain)s, %(block)s, %(accounts)s::bytea[]"

COLUMNS: Final[LiteralString] = """
chain_id, deployment_key, scope, account, is_open, as_of_block, as_of_time, safe_until, project, version, deployment, market_id,
owner, health_factor, health_factor_raw, is_liquidatable, collateral_usd, debt_usd, collateral_assets, debt_assets, emode,
pair_class, status, price_usd, liquidation_price_usd, distance, first_eligible_drop, loss_boundary_drop, liquidation_bonus,
is_toxic
"""

ROWS: Final[LiteralString] = """
SELECT r.chain_id, r.deployment_key, coalesce(r.market_key, 0), unhex(r.account), true, r.as_of_block, r.as_of_time,
    risk_safe_until(r.health_factor, p.pressure,
        cardinality(r.collateral_assets) + cardinality(r.debt_assets), p.unit_value, r.debt_size, r.weighted_size,
        r.threshold_bps),
    r.project, r.version, r.deployment, r.market_id, r.owner, r.health_factor, r.health_factor_raw, r.is_liquidatable,
    r.collateral_usd, r.debt_usd, r.collateral_assets, r.debt_assets, r.emode, r.pair_class, r.status, r.price_usd,
    r.liquidation_price_usd, r.distance, r.first_eligible_drop, r.loss_boundary_drop, r.liquidation_bonus, r.is_toxic
FROM ({}) r
LEFT JOIN risk_pressure p ON p.chain_id = r.chain_id AND p.deployment_key = r.deployment_key
    AND p.scope = coalesce(r.market_key, 0)
WHERE r.deployment_key = ANY(%(keys)s)
"""

LATER: Final[LiteralString] = """
liquidation_prices, best_debt_asset, best_collateral_asset, max_repay_raw, seize_raw, max_repay_usd, est_profit_usd,
health_factor_after, blocked_reason, oracle_block
"""
"""Columns that are filled in after the row is there; a row that is written again begins without them."""

REPLACED: Final[LiteralString] = ", ".join(
    f"{name.strip()} = excluded.{name.strip()}" for name in f"{COLUMNS}, {LATER}".split(",")[4:]
)

PRICES: Final[LiteralString] = """
UPDATE new_risk_head n SET liquidation_prices = x.prices
FROM (
    SELECT a.deployment_key, coalesce(a.market_key, 0) AS scope, a.account,
        CASE WHEN bool_and(a.own IS NOT NULL AND a.price_usd IS NOT NULL) THEN coalesce(
            jsonb_object_agg(hex(a.asset), jsonb_build_object('price_usd', a.price::text,
                'direction', CASE WHEN a.own > 0 THEN 'down' ELSE 'up' END)) FILTER (WHERE a.price IS NOT NULL), '{{}}')
        END AS prices
    FROM (
        SELECT b.*, liquidation_price(b.price_usd, b.own, CASE WHEN count(*) OVER w = count(b.own) OVER w
            THEN sum(b.own) OVER w END) AS price
        FROM (
            SELECT l.deployment_key, l.market_key, l.account, l.asset, max(l.price_usd) AS price_usd,
                CASE WHEN bool_or((l.side = 'debt' OR l.counts) AND l.decides_raw IS NULL) THEN NULL
                     ELSE sum(CASE WHEN l.side = 'debt' THEN -l.decides_raw WHEN l.counts THEN l.decides_raw ELSE 0 END)
                END AS own
            FROM ({}) l
            GROUP BY l.deployment_key, l.market_key, l.account, l.asset
        ) b
        WINDOW w AS (PARTITION BY b.deployment_key, b.market_key, b.account)
    ) a
    GROUP BY a.deployment_key, a.market_key, a.account
) x
WHERE x.deployment_key = n.deployment_key AND x.scope = n.scope AND x.account = n.account
"""


TOLD_TABLE: Final[LiteralString] = (
    "CREATE TEMP TABLE IF NOT EXISTS told_risk_head (deployment_key bigint, scope bigint, account bytea, gone boolean) "
    "ON COMMIT DELETE ROWS"
)

TOLD: Final[LiteralString] = """
INSERT INTO told_risk_head
SELECT n.deployment_key, n.scope, n.account, false
FROM new_risk_head n
LEFT JOIN risk_head r USING (chain_id, deployment_key, scope, account)
WHERE least(n.health_factor, CASE WHEN r.is_open THEN r.health_factor END) < 1.1
  AND (r.is_open IS NOT TRUE OR health_bucket(n.health_factor) IS DISTINCT FROM health_bucket(r.health_factor)
       OR n.is_liquidatable IS DISTINCT FROM r.is_liquidatable)
UNION ALL
SELECT r.deployment_key, r.scope, r.account, true
FROM risk_head r
WHERE r.chain_id = %(chain)s AND r.deployment_key = ANY(%(keys)s) AND r.is_open AND r.health_factor < 1.1
  AND {} AND NOT EXISTS (SELECT FROM new_risk_head n
  WHERE (n.chain_id, n.deployment_key, n.scope, n.account) = (r.chain_id, r.deployment_key, r.scope, r.account))
"""
"""Who comes into, moves within or leaves the buckets below 1.1: what `/v1/stream` tells. Before the rows are replaced."""

CLOSED: Final[LiteralString] = """
UPDATE risk_head r SET is_open = false, as_of_block = %(block)s, safe_until = 'Infinity'
WHERE r.chain_id = %(chain)s AND r.deployment_key = ANY(%(keys)s) AND r.is_open AND {}
  AND NOT EXISTS (SELECT FROM new_risk_head n
  WHERE (n.chain_id, n.deployment_key, n.scope, n.account) = (r.chain_id, r.deployment_key, r.scope, r.account))
"""
"""Who owes nothing any more."""


def write(
    connection: Connection, chain: int, block: int, keys: list[int], accounts: list[bytes] | None, ways: Ways
) -> None:
    """Write the rows of accounts (None: of everybody) as of a block, and close those that owe nothing any more."""
    parameters = {"chain": chain, "block": block, "keys": keys, "accounts": accounts}
    final = "(SELECT coalesce(finalized_block, -1) FROM chain WHERE chain_id = %(chain)s)"
    connection.execute(
        f"DELETE FROM risk_head WHERE chain_id = %(chain)s AND NOT is_open AND as_of_block <= {final}", parameters
    )
    if (accounts is not None and not accounts) or not ways.risks:
        return
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS new_risk_head (LIKE risk_head) ON COMMIT DELETE ROWS")
    # not TRUNCATE, nor ANALYZE for a few rows: either throws away the plans below, which take longer to make than to run
    connection.execute("DELETE FROM new_risk_head")
    connection.execute(TOLD_TABLE)
    rows = sql.SQL(ROWS).format(union(ways.risks, OF_ACCOUNTS))
    connection.execute(sql.SQL(f"INSERT INTO new_risk_head ({COLUMNS}) ") + rows, parameters, prepare=True)
    if accounts is None or len(accounts) > MANY:
        connection.execute("ANALYZE new_risk_head")  # without statistics the joins below are nested loops
    if ways.legs:
        connection.execute(sql.SQL(PRICES).format(union(ways.legs, OF_ACCOUNTS)), parameters, prepare=True)
    of: sql.Composable = sql.SQL("true")
    if accounts is not None:
        # few are written out: a plan for any accounts goes through the whole table, not by its index
        some = sql.Literal(accounts) if len(accounts) <= MANY else sql.SQL("%(accounts)s")
        of = sql.SQL("r.account = ANY({})").format(some)
    connection.execute(sql.SQL(TOLD).format(of), parameters, prepare=False)
    connection.execute(sql.SQL(CLOSED).format(of), parameters, prepare=False)
    connection.execute(
        f"INSERT INTO risk_head ({COLUMNS}, {LATER}) SELECT {COLUMNS}, {LATER} FROM new_risk_head "
        f"ON CONFLICT (chain_id, deployment_key, scope, account) DO UPDATE SET {REPLACED}"
    )
