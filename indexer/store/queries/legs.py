"""Legs of every borrower at a block, as columns for the aggregation layer. The API does not import this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import tuple_row

from indexer.aggregation.legs import Legs, legs_of

LEGS: Final[LiteralString] = """
SELECT l.protocol, l.deployment_key, l.market_key, l.account, l.owner, l.side, l.asset, l.symbol,
       l.units::float8, l.price_usd::float8, l.value_usd::float8, l.counts, l.ltv::float8,
       l.liquidation_threshold::float8, l.liquidation_bonus::float8, l.decides_raw::float8, l.leg_market_key, l.emode
FROM risk_legs_at(%(chain_id)s, %(block)s, %(accounts)s) l
WHERE %(protocols)s::text[] IS NULL OR l.protocol = ANY (%(protocols)s)
ORDER BY l.protocol, l.deployment_key, l.market_key, l.account, l.side, l.asset
"""


def load_legs(
    connection: Connection[Any],
    chain_id: int | None,
    block: int | None,
    *,
    protocols: Sequence[str] | None = None,
    accounts: Sequence[bytes] | None = None,
) -> Legs:
    """Return the legs of every borrower as of a block; None for the block is each protocol's indexed head.

    Raises  psycopg.Error (SQLSTATE LV001, LV002) when the block is not covered
    """
    named = {
        "chain_id": chain_id,
        "block": block,
        "accounts": None if accounts is None else list(accounts),
        "protocols": None if protocols is None else list(protocols),
    }
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        return legs_of(cursor.execute(LEGS, named).fetchall())
