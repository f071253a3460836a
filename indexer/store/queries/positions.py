"""Balances of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Slice, select_slice

POSITIONS_KEY: Final[Keyset] = (("market_id", "text"), ("side", "text"), ("asset", "text"), ("account", "address"))

POSITIONS: Final[LiteralString] = """
SELECT d.protocol, p.project, p.version, p.deployment, p.market_id, p.account, p.owner, p.side, p.asset, p.symbol,
       p.shares_raw::text, p.amount_raw::text, trim_scale(p.amount)::text AS amount,
       trim_scale(p.price_usd)::text AS price_usd, trim_scale(p.amount_usd)::text AS amount_usd,
       p.is_collateral, p.as_of_block
FROM unnest(%(accounts)s::bytea[]) a (account)
CROSS JOIN LATERAL positions_of(%(chain_id)s, %(block_number)s, a.account) p
JOIN deployment d ON d.chain_id = p.chain_id AND d.deployment_key = p.deployment_key
WHERE (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(key_0)s::text IS NULL OR (p.market_id, p.side, p.asset, p.account)
       > (%(key_0)s::text, %(key_1)s::text, %(key_2)s::text, %(key_3)s::text))
ORDER BY p.market_id, p.side, p.asset, p.account LIMIT %(limit)s
"""


def of_accounts(
    connection: Connection[Any],
    at: BlockAt,
    accounts: Sequence[str],
    limit: int,
    after: Key | None,
    *,
    protocol: str | None = None,
    deployment: str | None = None,
) -> Slice:
    """Return the open positions of accounts as of a block."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "accounts": [bytes.fromhex(account[2:]) for account in accounts],
        "protocol": protocol,
        "deployment": deployment,
    }
    return select_slice(connection, POSITIONS, POSITIONS_KEY, after, limit, parameters)
