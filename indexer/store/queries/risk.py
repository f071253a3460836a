"""Health and leverage of accounts. Everybody's, worst first: `at_risk`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Slice, select_slice

SCOPE_KEY: Final[Keyset] = (
    ("project", "text"),
    ("version", "text"),
    ("deployment", "text"),
    ("scope", "text"),
    ("account", "address"),
)
"""The order of risk scopes. `scope` is the market, '' where risk is pooled over the deployment."""

HEALTH: Final[LiteralString] = """
SELECT d.protocol, h.project, h.version, h.deployment, h.market_id, coalesce(h.market_id, '') AS scope, h.account, h.status,
       trim_scale(h.collateral_usd)::text AS collateral_usd, trim_scale(h.debt_usd)::text AS debt_usd,
       h.health_factor::float8, h.health_factor_raw::text, h.is_liquidatable,
       h.total_collateral_base_raw::text, h.total_debt_base_raw::text, h.available_borrows_base_raw::text,
       h.current_liquidation_threshold_bps::bigint, h.ltv_bps::bigint, h.max_borrow_raw::text, h.debt_raw::text,
       h.emode, h.collateral_assets, h.debt_assets, h.liquidation_bonus_bps::bigint
FROM unnest(%(accounts)s::bytea[]) a (account)
CROSS JOIN LATERAL account_health_of(%(chain_id)s, %(block_number)s, a.account) h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
WHERE (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(key_0)s::text IS NULL OR (h.project, h.version, h.deployment, coalesce(h.market_id, ''), h.account)
       > (%(key_0)s::text, %(key_1)s::text, %(key_2)s::text, %(key_3)s::text, %(key_4)s::text))
ORDER BY h.project, h.version, h.deployment, coalesce(h.market_id, ''), h.account LIMIT %(limit)s
"""

LEVERAGE: Final[LiteralString] = """
SELECT d.protocol, h.project, h.version, h.deployment, h.market_id, coalesce(h.market_id, '') AS scope, h.account, h.status,
       trim_scale(h.collateral_usd)::text AS collateral_usd, trim_scale(h.assets_usd)::text AS assets_usd,
       trim_scale(h.debt_usd)::text AS debt_usd, trim_scale(h.equity_usd)::text AS equity_usd,
       h.assets_to_equity::float8, h.debt_to_equity::float8, h.ltv::float8, h.health_factor::float8, h.pair_class
FROM unnest(%(accounts)s::bytea[]) a (account)
CROSS JOIN LATERAL account_health_of(%(chain_id)s, %(block_number)s, a.account) h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
WHERE (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(key_0)s::text IS NULL OR (h.project, h.version, h.deployment, coalesce(h.market_id, ''), h.account)
       > (%(key_0)s::text, %(key_1)s::text, %(key_2)s::text, %(key_3)s::text, %(key_4)s::text))
ORDER BY h.project, h.version, h.deployment, coalesce(h.market_id, ''), h.account LIMIT %(limit)s
"""


def health(
    connection: Connection[Any], at: BlockAt, accounts: Sequence[str], limit: int, after: Key | None,
    *, protocol: str | None, deployment: str | None,
) -> Slice:  # fmt: skip
    """Return the health of accounts in each of their risk scopes."""
    return select_slice(connection, HEALTH, SCOPE_KEY, after, limit, of_accounts(at, accounts, protocol, deployment))


def leverage(
    connection: Connection[Any], at: BlockAt, accounts: Sequence[str], limit: int, after: Key | None,
    *, protocol: str | None, deployment: str | None,
) -> Slice:  # fmt: skip
    """Return the leverage of accounts in each of their risk scopes."""
    return select_slice(connection, LEVERAGE, SCOPE_KEY, after, limit, of_accounts(at, accounts, protocol, deployment))


def of_accounts(
    at: BlockAt, accounts: Sequence[str], protocol: str | None, deployment: str | None
) -> dict[str, object]:
    """Return the parameters of a query about accounts."""
    return {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "accounts": [bytes.fromhex(account[2:]) for account in accounts],
        "protocol": protocol,
        "deployment": deployment,
    }
