"""Leverage of protocols: now, as of a block, and its history."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Slice, select_slice

PROTOCOL_LEVERAGE_KEY: Final[Keyset] = (("deployment", "text"), ("population", "text"))

PROTOCOL_LEVERAGE: Final[LiteralString] = """
SELECT d.protocol, l.project, l.version, l.deployment, l.population,
       trim_scale(l.assets_usd)::text AS assets_usd, trim_scale(l.debt_usd)::text AS debt_usd,
       trim_scale(l.equity_usd)::text AS equity_usd, l.leverage::float8,
       l.n_ok, l.n_zero_equity, l.n_insolvent, l.n_unpriced,
       trim_scale(l.latent_bad_debt_usd)::text AS latent_bad_debt_usd, l.block_number AS as_of_block,
       to_char(l.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS as_of_time
FROM protocol_leverage_at(%(chain_id)s, %(block_number)s) l
JOIN deployment d ON d.chain_id = l.chain_id AND d.deployment_key = l.deployment_key
WHERE d.protocol = %(protocol)s
  AND (%(deployment)s::text IS NULL OR l.deployment = %(deployment)s)
  AND (%(population)s::text IS NULL OR l.population = %(population)s)
  AND (%(key_0)s::text IS NULL OR (l.deployment, l.population) > (%(key_0)s::text, %(key_1)s::text))
ORDER BY l.deployment, l.population LIMIT %(limit)s
"""

HISTORY_KEY: Final[Keyset] = (("as_of_block", "integer"), ("deployment", "text"), ("population", "text"))

HISTORY: Final[LiteralString] = """
SELECT d.protocol, d.project, d.version, d.name AS deployment, s.population,
       trim_scale(s.assets_usd)::text AS assets_usd, trim_scale(s.debt_usd)::text AS debt_usd,
       trim_scale(s.assets_usd - s.debt_usd)::text AS equity_usd,
       (s.assets_usd / nullif(s.assets_usd - s.debt_usd, 0))::float8 AS leverage,
       s.n_ok, s.n_zero_equity, s.n_insolvent, s.n_unpriced,
       trim_scale(s.latent_bad_debt_usd)::text AS latent_bad_debt_usd, s.block_number AS as_of_block,
       to_char(to_timestamp(b.block_timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS as_of_time
FROM protocol_leverage_snapshot s
JOIN deployment d ON d.chain_id = s.chain_id AND d.deployment_key = s.deployment_key
JOIN block b ON b.chain_id = s.chain_id AND b.block_number = s.block_number
WHERE s.chain_id = %(chain_id)s AND s.block_number <= %(block_number)s AND d.protocol = %(protocol)s
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(population)s::text IS NULL OR s.population = %(population)s)
  AND (%(from_time)s::bigint IS NULL OR b.block_timestamp >= %(from_time)s)
  AND (%(key_0)s::bigint IS NULL
       OR (s.block_number, d.name, s.population) < (%(key_0)s::bigint, %(key_1)s::text, %(key_2)s::text))
ORDER BY s.block_number DESC, d.name DESC, s.population DESC LIMIT %(limit)s
"""


def of_protocol(
    connection: Connection[Any], at: BlockAt, protocol: str, limit: int, after: Key | None,
    *, deployment: str | None, population: str | None,
) -> Slice:  # fmt: skip
    """Return the leverage of each deployment of a protocol and each population as of a block."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "protocol": protocol,
        "deployment": deployment,
        "population": population,
    }
    return select_slice(connection, PROTOCOL_LEVERAGE, PROTOCOL_LEVERAGE_KEY, after, limit, parameters)


def history(
    connection: Connection[Any], at: BlockAt, protocol: str, limit: int, after: Key | None,
    *, deployment: str | None, population: str | None, from_time: int | None,
) -> Slice:  # fmt: skip
    """Return the snapshots of a protocol up to a block, newest first."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "protocol": protocol,
        "deployment": deployment,
        "population": population,
        "from_time": from_time,
    }
    return select_slice(connection, HISTORY, HISTORY_KEY, after, limit, parameters)
