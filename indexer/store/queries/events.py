"""What happened: liquidations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_slice

LIQUIDATIONS_KEY: Final[Keyset] = (("block_number", "integer"), ("evt_index", "integer"))

ROWS: Final[LiteralString] = """
SELECT d.protocol, l.blockchain, l.project, l.version, l.deployment, l.market_id, l.collateral_market_id,
       l.borrower, l.liquidator,
       l.debt_token, l.debt_symbol, l.debt_repaid_raw::text, trim_scale(l.debt_repaid)::text AS debt_repaid,
       trim_scale(l.debt_repaid_usd)::text AS debt_repaid_usd,
       l.collateral_token, l.collateral_symbol, l.collateral_seized_raw::text,
       trim_scale(l.collateral_seized)::text AS collateral_seized,
       trim_scale(l.collateral_seized_usd)::text AS collateral_seized_usd,
       l.bonus::float8, trim_scale(l.profit_usd)::text AS profit_usd, trim_scale(l.bad_debt_usd)::text AS bad_debt_usd,
       l.block_number, to_char(l.block_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS block_time,
       l.tx_hash, l.tx_index, l.evt_index, l.project_contract_address
FROM liquidation_events l
JOIN deployment d
  ON d.chain_id = l.chain_id AND d.project = l.project AND d.version = l.version AND d.name = l.deployment
"""

LIQUIDATIONS: Final[LiteralString] = (
    ROWS
    + """
WHERE l.chain_id = %(chain_id)s AND l.block_number <= %(block_number)s
  AND d.protocol <> ALL (%(not_covered)s::text[])
  AND (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(borrower)s::text IS NULL OR l.borrower = %(borrower)s)
  AND (%(liquidator)s::text IS NULL OR l.liquidator = %(liquidator)s)
  AND (%(from_block)s::bigint IS NULL OR l.block_number >= %(from_block)s)
  AND (%(key_0)s::bigint IS NULL OR (l.block_number, l.evt_index) < (%(key_0)s::bigint, %(key_1)s::bigint))
ORDER BY l.block_number DESC, l.evt_index DESC LIMIT %(limit)s
"""
)


def liquidations(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, protocol: str | None, deployment: str | None, borrower: str | None, liquidator: str | None, from_block: int | None,
) -> Slice:  # fmt: skip
    """Return the liquidations up to a block, newest first."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "not_covered": at.not_covered,
        "protocol": protocol,
        "deployment": deployment,
        "borrower": borrower,
        "liquidator": liquidator,
        "from_block": from_block,
    }
    return select_slice(connection, LIQUIDATIONS, LIQUIDATIONS_KEY, after, limit, parameters)


LIQUIDATIONS_BETWEEN: Final[LiteralString] = (
    ROWS
    + """
WHERE l.chain_id = %(chain_id)s AND l.block_number BETWEEN %(first)s AND %(last)s
  AND d.protocol = ANY (%(protocols)s::text[])
ORDER BY l.block_number, l.evt_index
"""
)


def liquidations_between(
    connection: Connection[Any], *, chain_id: int, first: int, last: int, protocols: Sequence[str]
) -> list[Row]:
    """Return the liquidations of some protocols in blocks `first..last`, oldest first."""
    asked = {"chain_id": chain_id, "first": first, "last": last, "protocols": list(protocols)}
    return select(connection, LIQUIDATIONS_BETWEEN, asked)
