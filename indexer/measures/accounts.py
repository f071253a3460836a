"""What the history's metrics share: everybody's books at the end of an interval, computed once for each block.

    interval_account   account_books: one row an account and scope        both temporary, emptied at commit
    interval_balance   held_balances: one row a balance and scope

`scope` is a deployment, at its own last block, or 0 for the whole chain, at the last block of any protocol. `account_health`
is by far the dearest thing that a metric asks for; no metric asks for it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg

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

ACCOUNT_COLUMNS: Final[LiteralString] = (
    "deployment_key, account, owner, status, pair_class, has_debt, assets_usd, debt_usd, collateral_usd, leverage, "
    "cluster_asset, liquidation_price_usd"
)
BALANCE_COLUMNS: Final[LiteralString] = "deployment_key, market_key, owner, side, asset, amount_raw, usd, is_minted"

CHAIN_ACCOUNTS: Final[LiteralString] = (
    "INSERT INTO interval_account SELECT %(bucket)s, 0, %(block)s, " + ACCOUNT_COLUMNS + " "
    "FROM account_books(%(chain)s, %(block)s)"
)
CHAIN_BALANCES: Final[LiteralString] = (
    "INSERT INTO interval_balance SELECT %(bucket)s, 0, %(block)s, " + BALANCE_COLUMNS + " "
    "FROM held_balances(%(chain)s, %(block)s)"
)
COPY_ACCOUNTS: Final[LiteralString] = (
    "INSERT INTO interval_account SELECT bucket, deployment_key, block_number, " + ACCOUNT_COLUMNS + " "
    "FROM interval_account WHERE bucket = %(bucket)s AND scope = 0 AND deployment_key = ANY (%(deployments)s)"
)
COPY_BALANCES: Final[LiteralString] = (
    "INSERT INTO interval_balance SELECT bucket, deployment_key, block_number, " + BALANCE_COLUMNS + " "
    "FROM interval_balance WHERE bucket = %(bucket)s AND scope = 0 AND deployment_key = ANY (%(deployments)s)"
)
OWN_ACCOUNTS: Final[LiteralString] = (
    "INSERT INTO interval_account SELECT %(bucket)s, deployment_key, %(block)s, " + ACCOUNT_COLUMNS + " "
    "FROM account_books(%(chain)s, %(block)s, %(accountings)s) WHERE deployment_key = ANY (%(deployments)s)"
)
OWN_BALANCES: Final[LiteralString] = (
    "INSERT INTO interval_balance SELECT %(bucket)s, deployment_key, %(block)s, " + BALANCE_COLUMNS + " "
    "FROM held_balances(%(chain)s, %(block)s, %(accounting)s) WHERE deployment_key = ANY (%(deployments)s)"
)


def at_interval(connection: Connection, interval: Interval) -> None:
    """Fill both tables for an interval."""
    if connection.execute("SELECT to_regclass('pg_temp.interval_balance')").fetchone() == (None,):
        connection.execute(TABLES)
    chain, bucket = interval.chain_id, interval.bucket
    for table in (CLEAR_ACCOUNTS, CLEAR_BALANCES):
        connection.execute(table, {"bucket": bucket})
    at_chain = {"chain": chain, "bucket": bucket, "block": interval.block_number}
    connection.execute(CHAIN_ACCOUNTS, at_chain, prepare=True)
    connection.execute(CHAIN_BALANCES, at_chain, prepare=True)
    for block, deployments in by_block(interval).items():
        own = {**at_chain, "block": block, "deployments": deployments}
        if block == interval.block_number:
            connection.execute(COPY_ACCOUNTS, own, prepare=True)
            connection.execute(COPY_BALANCES, own, prepare=True)
            continue
        accountings = accountings_of(connection, chain, deployments)
        connection.execute(OWN_ACCOUNTS, {**own, "accountings": accountings}, prepare=True)
        for accounting in accountings:
            connection.execute(OWN_BALANCES, {**own, "accounting": accounting}, prepare=True)


CLEAR_ACCOUNTS: Final[LiteralString] = "DELETE FROM interval_account WHERE bucket = %(bucket)s"
CLEAR_BALANCES: Final[LiteralString] = "DELETE FROM interval_balance WHERE bucket = %(bucket)s"


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
    connection: Connection, table: LiteralString, statement: LiteralString, interval: Interval, **more: Any
) -> None:
    """Replace an interval's rows of the scopes that it writes by what a statement selects."""
    scopes = list(scopes_of(interval))
    bound = {"chain": interval.chain_id, "bucket": interval.bucket, "scopes": scopes, **more}
    connection.execute(
        "DELETE FROM "
        + table
        + " WHERE chain_id = %(chain)s AND bucket = %(bucket)s AND deployment_key = ANY (%(scopes)s)",
        bound,
        prepare=True,
    )
    connection.execute(statement, bound, prepare=True)
