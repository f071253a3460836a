"""What the history's metrics share: everybody's books at the end of an interval, computed once for each block.

    interval_account   account_books: one row an account and scope        both temporary, emptied at commit
    interval_balance   held_balances: one row a balance and scope

`scope` is a deployment, at its own last block, or 0 for the whole chain, at the last block of any protocol. `account_health`
is by far the dearest thing that a metric asks for; no metric asks for it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from indexer.measures import Interval

Connection = psycopg.Connection[Any]

WHOLE_CHAIN: Final = 0

TABLES: Final[LiteralString] = """
CREATE TEMPORARY TABLE IF NOT EXISTS interval_account (
    bucket bigint, scope bigint, block_number bigint, deployment_key bigint, account text, owner text, status text,
    pair_class text, has_debt boolean, assets_usd numeric, debt_usd numeric, collateral_usd numeric, leverage numeric,
    cluster_asset text, liquidation_price_usd numeric
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS interval_balance (
    bucket bigint, scope bigint, block_number bigint, deployment_key bigint, market_key bigint, owner text, side text,
    asset bytea, amount_raw numeric, usd numeric, is_minted boolean
) ON COMMIT DELETE ROWS;
"""

ACCOUNTS: Final[LiteralString] = """
INSERT INTO interval_account
SELECT %(bucket)s, CASE WHEN %(own)s THEN h.deployment_key ELSE 0 END, %(block)s, h.deployment_key, h.account,
    coalesce(o.owner_id, h.account), h.status, h.pair_class, cardinality(h.debt_assets) > 0,
    h.assets_usd, h.debt_usd, h.collateral_usd, h.assets_to_equity, closed_form_asset(h), closed_form_price(h)
FROM {health}(%(chain)s, %(block)s) h
LEFT JOIN owners_at(%(chain)s, %(block)s) o ON o.address = h.account
WHERE h.deployment_key = ANY (%(deployments)s)
"""

BALANCES: Final[LiteralString] = """
INSERT INTO interval_balance
SELECT %(bucket)s, CASE WHEN %(own)s THEN deployment_key ELSE 0 END, %(block)s, deployment_key, market_key, owner, side,
    asset, amount_raw, usd, is_minted
FROM held_balances(%(chain)s, %(block)s, %(accounting)s) WHERE deployment_key = ANY (%(deployments)s)
"""

COPIES: Final[tuple[LiteralString, ...]] = tuple(
    "INSERT INTO " + table + " SELECT bucket, deployment_key, block_number, " + columns + " FROM " + table + " "
    "WHERE bucket = %(bucket)s AND scope = 0 AND deployment_key = ANY (%(deployments)s)"
    for table, columns in (
        ("interval_account", "deployment_key, account, owner, status, pair_class, has_debt, assets_usd, debt_usd, "
         "collateral_usd, leverage, cluster_asset, liquidation_price_usd"),
        ("interval_balance", "deployment_key, market_key, owner, side, asset, amount_raw, usd, is_minted"),
    )
)  # fmt: skip

COVERED: Final[LiteralString] = """
SELECT d.deployment_key, m.accounting, m.accounting = ANY (lending_accountings())
FROM as_of(%(chain)s, %(block)s) a
JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol
JOIN LATERAL (SELECT DISTINCT k.accounting FROM market k WHERE k.chain_id = d.chain_id AND k.deployment_key = d.deployment_key) m ON true
ORDER BY d.deployment_key, m.accounting
"""


def at_interval(connection: Connection, interval: Interval) -> None:
    """Fill both tables for an interval: only accountings that the chain has are asked, each by itself."""
    if connection.execute("SELECT to_regclass('pg_temp.interval_balance')").fetchone() == (None,):
        connection.execute(TABLES)
    at = {"chain": interval.chain_id, "bucket": interval.bucket, "block": interval.block_number, "own": False}
    connection.execute("DELETE FROM interval_account WHERE bucket = %(bucket)s", at)
    connection.execute("DELETE FROM interval_balance WHERE bucket = %(bucket)s", at)
    covered = connection.execute(COVERED, at, prepare=True).fetchall()
    _fill(connection, at, covered, [deployment for deployment, _, _ in covered])
    for block, deployments in by_block(interval).items():
        own = {**at, "block": block, "deployments": deployments, "own": True}
        if block == interval.block_number:
            for copy in COPIES:
                connection.execute(copy, own, prepare=True)
        else:
            _fill(connection, own, covered, deployments)


def _fill(
    connection: Connection, at: dict[str, Any], covered: list[tuple[int, str, bool]], deployments: list[int]
) -> None:
    chosen = set(deployments)
    asked = {(accounting, healthy) for deployment, accounting, healthy in covered if deployment in chosen}
    for accounting, healthy in sorted(asked):
        bound = {**at, "deployments": sorted(chosen), "accounting": accounting}
        if healthy:
            statement = sql.SQL(ACCOUNTS).format(health=sql.Identifier(f"{accounting}_health"))
            connection.execute(statement, bound, prepare=True)
        connection.execute(BALANCES, bound, prepare=True)


def by_block(interval: Interval) -> dict[int, list[int]]:
    """Return the deployments of an interval by their last block."""
    found: dict[int, list[int]] = {}
    for deployment, block in interval.deployments.items():
        found.setdefault(block, []).append(deployment)
    return found


def accountings_of(connection: Connection, chain_id: int, deployments: list[int]) -> list[str]:
    """Return the accountings of deployments' markets."""
    rows = connection.execute(
        "SELECT DISTINCT accounting FROM market WHERE chain_id = %s AND deployment_key = ANY (%s) ORDER BY 1",
        (chain_id, deployments),
        prepare=True,
    )
    return [row[0] for row in rows]


def scopes_of(interval: Interval) -> dict[int, int]:
    """Return the scopes that an interval writes, each with its block: every deployment, and the chain."""
    return {WHOLE_CHAIN: interval.block_number, **interval.deployments}


def renew(
    connection: Connection, table: LiteralString, statement: LiteralString | None, interval: Interval, **more: Any
) -> None:
    """Delete an interval's rows of the scopes that it writes, then run the statement that inserts them anew."""
    bound = {"chain": interval.chain_id, "bucket": interval.bucket, "scopes": list(scopes_of(interval)), **more}
    delete: LiteralString = (
        "DELETE FROM " + table + " "
        "WHERE chain_id = %(chain)s AND bucket = %(bucket)s AND deployment_key = ANY (%(scopes)s)"
    )
    connection.execute(delete, bound, prepare=True)
    if statement is not None:
        connection.execute(statement, bound, prepare=True)
