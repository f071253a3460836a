"""Markets with their books, parameters and prices as of a block."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select_one, select_slice

MARKETS_KEY: Final[Keyset] = (("market_id", "text"),)

COLUMNS: Final[LiteralString] = """
SELECT d.protocol, m.project, m.version, m.deployment, m.market_id, m.accounting, m.regime,
       m.asset, m.symbol, m.decimals, m.collateral_asset, m.collateral_symbol, m.supply_token, m.debt_token, m.oracle, m.irm,
       m.supply_index_raw::text, m.debt_index_raw::text, m.total_supply_raw::text, m.total_debt_raw::text,
       m.supply_shares_raw::text, m.debt_shares_raw::text, m.supply_rate_raw::text, m.debt_rate_raw::text,
       m.rate_at_target_raw::text, m.fee_raw::text,
       trim_scale(m.total_supply)::text AS total_supply, trim_scale(m.total_debt)::text AS total_debt,
       trim_scale(m.total_supply_usd)::text AS total_supply_usd, trim_scale(m.total_debt_usd)::text AS total_debt_usd,
       m.utilization::float8, m.ltv_max::float8, m.liquidation_threshold::float8, m.liquidation_bonus::float8,
       m.lltv_raw::text, m.reserve_factor::float8,
       m.supply_cap::text, m.borrow_cap::text, m.debt_ceiling::text,
       m.is_active, m.is_frozen, m.is_paused, m.borrowing_enabled, m.flash_loan_enabled,
       trim_scale(m.price_usd)::text AS price_usd, m.price_block,
       trim_scale(m.collateral_price_usd)::text AS collateral_price_usd,
       m.oracle_price_raw::text, m.oracle_price_block, m.listed_block, m.as_of_block
FROM markets_at(%(chain_id)s, %(block_number)s) m
JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
"""

MARKETS: Final[LiteralString] = (
    COLUMNS
    + """
WHERE (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(asset)s::text IS NULL OR %(asset)s IN (m.asset, m.collateral_asset))
  AND (%(key_0)s::text IS NULL OR m.market_id > %(key_0)s::text)
ORDER BY m.market_id LIMIT %(limit)s
"""
)

MARKET: Final[LiteralString] = COLUMNS + "WHERE m.market_id = %(market_id)s"


def markets(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, protocol: str | None, deployment: str | None, asset: str | None,
) -> Slice:  # fmt: skip
    """Return the markets listed by a block, by id."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "protocol": protocol,
        "deployment": deployment,
        "asset": asset,
    }
    return select_slice(connection, MARKETS, MARKETS_KEY, after, limit, parameters)


def market(connection: Connection[Any], at: BlockAt, market_id: str) -> Row | None:
    """Return one market as of a block, or None when it is not listed by then."""
    parameters = {"chain_id": at.chain_id, "block_number": at.block_number, "market_id": market_id}
    return select_one(connection, MARKET, parameters)


MARKET_PROTOCOL: Final[LiteralString] = """
SELECT d.protocol, m.block_number AS listed_block
FROM market m
JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
WHERE m.chain_id = %(chain_id)s AND m.market_id = %(market_id)s
"""


def listing(connection: Connection[Any], chain_id: int, market_id: str) -> Row | None:
    """Return protocol and listing block of a market, or None when there is no such market on the chain."""
    return select_one(connection, MARKET_PROTOCOL, {"chain_id": chain_id, "market_id": market_id})
