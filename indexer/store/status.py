"""What `leverage status` shows: how far each protocol of each chain is, and what stopped the ones that stopped."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row


class Status(NamedTuple):
    """One protocol on one chain. `lag_blocks` is None until the node has spoken; `error` is one line or None."""

    chain: str
    chain_id: int
    protocol: str
    status: str
    start_block: int
    block_number: int
    head_block: int | None
    lag_blocks: int | None
    error: str | None
    hint: str | None


QUERY = """
SELECT coalesce(c.name, k.chain_id::text) AS chain, k.chain_id, k.protocol, k.status, k.start_block, k.block_number,
       c.head_block, greatest(c.head_block - k.block_number, 0) AS lag_blocks,
       k.error ->> 'message' AS error, k.error ->> 'hint' AS hint
FROM cursor k LEFT JOIN chain c USING (chain_id)
ORDER BY k.chain_id, k.protocol
"""


def read(connection: psycopg.Connection[Any]) -> list[Status]:
    """Return one row a chain and protocol; none when nothing was indexed yet."""
    with connection.cursor(row_factory=class_row(Status)) as cursor:
        return cursor.execute(QUERY).fetchall() if migrated(connection) else []


def migrated(connection: psycopg.Connection[Any]) -> bool:
    """Say whether the database has tables at all."""
    row = connection.execute("SELECT to_regclass('public.cursor')").fetchone()
    return row is not None and row[0] is not None


class Summary(NamedTuple):
    """What an index holds of one protocol: rows of the tables that tell how much there is."""

    protocol: str
    markets: int
    accounts: int
    actions: int
    liquidations: int


SUMMARY = """
SELECT d.protocol,
       (SELECT count(*) FROM market m WHERE m.chain_id = d.chain_id AND m.deployment_key = ANY (d.keys)) AS markets,
       (SELECT count(DISTINCT p.account) FROM position p JOIN market m USING (chain_id, market_key)
        WHERE p.chain_id = d.chain_id AND m.deployment_key = ANY (d.keys) AND p.shares_raw > 0) AS accounts,
       count(a.deployment_key) AS actions,
       count(a.deployment_key) FILTER (WHERE a.is_liquidation) AS liquidations
FROM (SELECT chain_id, protocol, array_agg(deployment_key) AS keys FROM deployment GROUP BY chain_id, protocol) d
LEFT JOIN (
    SELECT chain_id, deployment_key, transaction_type = 'liquidation' AS is_liquidation FROM action
    UNION ALL
    SELECT chain_id, deployment_key, is_liquidation FROM perp_action
) a ON a.chain_id = d.chain_id AND a.deployment_key = ANY (d.keys)
WHERE d.chain_id = %s
GROUP BY d.chain_id, d.protocol, d.keys ORDER BY d.protocol
"""


def summary(connection: psycopg.Connection[Any], chain_id: int) -> list[Summary]:
    """Return what was indexed of a chain, one row a protocol."""
    with connection.cursor(row_factory=class_row(Summary)) as cursor:
        return cursor.execute(SUMMARY, [chain_id]).fetchall()


class Leverage(NamedTuple):
    """A deployment's leverage at the indexed head, of accounts with debt. USD; `leverage` is assets over equity."""

    project: str
    version: str
    deployment: str
    n_ok: int
    n_insolvent: int
    n_unpriced: int
    assets_usd: Decimal
    debt_usd: Decimal
    leverage: Decimal | None


LEVERAGE = """
SELECT project, version, deployment, n_ok, n_insolvent, n_unpriced, assets_usd, debt_usd, leverage
FROM protocol_leverage WHERE chain_id = %s AND is_head AND population = 'borrowers'
ORDER BY project, version, deployment
"""


def leverage(connection: psycopg.Connection[Any], chain_id: int) -> list[Leverage]:
    """Return the leverage of a chain's deployments."""
    with connection.cursor(row_factory=class_row(Leverage)) as cursor:
        return cursor.execute(LEVERAGE, [chain_id]).fetchall()


TOKENS = """
SELECT hex(address), symbol, decimals, CASE kind WHEN 'erc4626' THEN 'ERC-4626' ELSE kind END, hex(underlying)
FROM token WHERE chain_id = %s ORDER BY address
"""


def recorded_tokens(connection: psycopg.Connection[Any], chain_id: int) -> dict[str, dict[str, Any]]:
    """Return the tokens met on a chain as a recording's meta line keeps them."""
    return {
        address: {"symbol": symbol, "decimals": decimals, "kind": kind, "asset": underlying}
        for address, symbol, decimals, kind, underlying in connection.execute(TOKENS, [chain_id])
    }
