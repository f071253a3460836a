"""What the history's metrics share: everybody's books at the end of an interval, computed once for each block.

    interval_account   account_books: one row an account and scope        both temporary, emptied at commit
    interval_balance   held_balances: one row a balance and scope

`scope` is a deployment, or 0 for the whole chain. `account_health` is by far the dearest thing that a metric asks for; no
metric asks for it again.
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
    bucket bigint, scope bigint, deployment_key bigint, account text, owner text, status text,
    pair_class text, has_debt boolean, assets_usd numeric, debt_usd numeric, collateral_usd numeric, leverage numeric,
    cluster_asset text, liquidation_price_usd numeric
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS interval_balance (
    bucket bigint, scope bigint, deployment_key bigint, market_key bigint, owner text, side text,
    asset bytea, amount_raw numeric, usd numeric, is_minted boolean
) ON COMMIT DELETE ROWS;
"""

ACCOUNTS: Final[LiteralString] = """
INSERT INTO interval_account
SELECT %(bucket)s, 0, h.deployment_key, h.account, coalesce(o.owner_id, h.account), h.status, h.pair_class,
    cardinality(h.debt_assets) > 0, h.assets_usd, h.debt_usd, h.collateral_usd, h.assets_to_equity,
    closed_form_asset(ROW(h.*)::account_health_row), closed_form_price(ROW(h.*)::account_health_row)
FROM (SELECT * FROM {health}(%(chain)s, %(block)s) OFFSET 0) h  -- each column is computed once, however often it is named
LEFT JOIN owners_at(%(chain)s, %(block)s) o ON o.address = h.account
WHERE h.deployment_key = ANY (%(deployments)s)
"""

BALANCES: Final[LiteralString] = """
INSERT INTO interval_balance
SELECT %(bucket)s, 0, deployment_key, market_key, owner, side, asset, amount_raw, usd, is_minted
FROM held_balances(%(chain)s, %(block)s, %(accounting)s) WHERE deployment_key = ANY (%(deployments)s)
"""

COPIES: Final[tuple[LiteralString, ...]] = tuple(
    "INSERT INTO " + table + " SELECT bucket, deployment_key, " + columns + " FROM " + table + " "
    "WHERE bucket = %(bucket)s AND scope = 0 AND deployment_key = ANY (%(deployments)s)"
    for table, columns in (
        ("interval_account", "deployment_key, account, owner, status, pair_class, has_debt, assets_usd, debt_usd, "
         "collateral_usd, leverage, cluster_asset, liquidation_price_usd"),
        ("interval_balance", "deployment_key, market_key, owner, side, asset, amount_raw, usd, is_minted"),
    )
)  # fmt: skip

ACCOUNTINGS: Final[LiteralString] = """
SELECT DISTINCT accounting, accounting = ANY (lending_accountings())
FROM market WHERE chain_id = %(chain)s AND deployment_key = ANY (%(deployments)s) ORDER BY 1
"""


def at_interval(connection: Connection, interval: Interval) -> None:
    """Fill both tables for an interval: only accountings that the chain has are asked, each by itself."""
    if connection.execute("SELECT to_regclass('pg_temp.interval_balance')").fetchone() == (None,):
        connection.execute(TABLES)
    at = {
        "chain": interval.chain_id, "bucket": interval.bucket, "block": interval.block_number,
        "deployments": list(interval.deployments),
    }  # fmt: skip
    connection.execute("DELETE FROM interval_account WHERE bucket = %(bucket)s", at)
    connection.execute("DELETE FROM interval_balance WHERE bucket = %(bucket)s", at)
    for accounting, lends in accountings_of(connection, interval).items():
        bound = {**at, "accounting": accounting}
        if lends:
            statement = sql.SQL(ACCOUNTS).format(health=sql.Identifier(f"{accounting}_health"))
            connection.execute(statement, bound, prepare=True)
        connection.execute(BALANCES, bound, prepare=True)
    for copy in COPIES:
        connection.execute(copy, at, prepare=True)


def accountings_of(connection: Connection, interval: Interval) -> dict[str, bool]:
    """Return the accountings of an interval's markets, each with whether its accounts have a health."""
    at = {"chain": interval.chain_id, "deployments": list(interval.deployments)}
    return dict(connection.execute(ACCOUNTINGS, at, prepare=True).fetchall())


def scopes_of(interval: Interval) -> list[int]:
    """Return the scopes that an interval writes: the chain, and every deployment."""
    return [WHOLE_CHAIN, *interval.deployments]


def renew(
    connection: Connection, table: LiteralString, statement: LiteralString | None, interval: Interval, **more: Any
) -> None:
    """Delete an interval's rows of the scopes that it writes, then run the statement that inserts them anew."""
    bound = {
        "chain": interval.chain_id, "bucket": interval.bucket, "block": interval.block_number,
        "scopes": scopes_of(interval), **more,
    }  # fmt: skip
    delete: LiteralString = (
        "DELETE FROM " + table + " "
        "WHERE chain_id = %(chain)s AND bucket = %(bucket)s AND deployment_key = ANY (%(scopes)s)"
    )
    connection.execute(delete, bound, prepare=True)
    if statement is not None:
        connection.execute(statement, bound, prepare=True)
