"""M12 for bots: who is at risk, who can be liquidated and for what, and what falls at which price.

At the head rows come from the table that the indexer keeps block by block (`risk_head`), by index; as of an older block they are
computed. Both in one order, so that a listing goes on where the head has moved meanwhile. As of a block that is not final yet the
table still says who cannot have been below the health factor asked for, and only the others are computed (`SUSPECTS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_one, select_slice

AT_RISK_KEY: Final[Keyset] = (
    ("risk_order", "number"),
    ("account", "address"),
    ("deployment_key", "key"),
    ("scope", "text"),
    ("source", "text"),
)
"""Worst first; ties by account, deployment, market. `risk_order` is the exact health factor; `source` says whether a listing
began with the table of the head or was computed as of its block, for the two must not be mixed."""

HEAD: Final = "head"

EXACT_BELOW: Final = Decimal("1.05")
"""Rows of the head's table with a lower health factor are exact as of the head, so that computing them again gives the same:
a listing of nothing else goes on when the head has moved."""

HOLDS: Final[LiteralString] = "SELECT risk_head_holds(%(chain_id)s, %(block_number)s) AS holds"

COLUMNS: Final[LiteralString] = """
       d.protocol, h.project, h.version, h.deployment, h.market_id, coalesce(h.market_id, '') AS scope,
       h.deployment_key::text, h.health_factor::text AS risk_order, h.owner, h.status,
       h.health_factor::float8, h.health_factor_raw::text, health_bucket(h.health_factor) AS bucket, h.is_liquidatable, h.is_toxic,
       trim_scale(h.collateral_usd)::text AS collateral_usd, trim_scale(h.debt_usd)::text AS debt_usd,
       h.collateral_assets, h.debt_assets, h.emode, h.pair_class,
       trim_scale(h.price_usd)::text AS price_usd, trim_scale(h.liquidation_price_usd)::text AS liquidation_price_usd,
       h.distance::float8, h.first_eligible_drop::float8, h.loss_boundary_drop::float8, h.liquidation_bonus::float8,
       h.as_of_block
"""

PAIR: Final[LiteralString] = """,
       h.liquidation_prices, h.best_debt_asset, h.best_collateral_asset, h.max_repay_raw::text, h.seize_raw::text,
       trim_scale(h.max_repay_usd)::text AS max_repay_usd, trim_scale(h.est_profit_usd)::text AS est_profit_usd,
       h.health_factor_after::float8, h.blocked_reason, h.oracle_block
"""

NO_PAIR: Final[LiteralString] = """,
       NULL::jsonb AS liquidation_prices, NULL AS best_debt_asset, NULL AS best_collateral_asset, NULL AS max_repay_raw,
       NULL AS seize_raw, NULL AS max_repay_usd, NULL AS est_profit_usd, NULL::float8 AS health_factor_after,
       NULL AS blocked_reason, NULL::bigint AS oracle_block
"""

# written without OR, the bounds of the health factor are bounds of the index in a plan for any parameters
FILTERS: Final[LiteralString] = """
  AND h.health_factor < coalesce(%(health_factor_lt)s::numeric, 'Infinity'::numeric)
  AND h.health_factor >= coalesce(%(key_0)s::numeric, '-Infinity'::numeric)
  AND (%(drop)s::numeric IS NULL OR h.first_eligible_drop <= %(drop)s::numeric)
  AND (%(asset)s::text IS NULL OR %(asset)s::text = ANY (h.collateral_assets || h.debt_assets))
  AND (%(min_debt_usd)s::numeric IS NULL OR h.debt_usd >= %(min_debt_usd)s::numeric)
  AND (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
"""

AT_HEAD: Final[LiteralString] = (
    """
SELECT hex(h.account) AS account, 'head' AS source, """
    + COLUMNS
    + PAIR
    + """
FROM risk_head h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
JOIN risk_head_state s ON s.chain_id = h.chain_id AND s.deployment_key = h.deployment_key AND s.block_number = %(block_number)s
WHERE h.chain_id = %(chain_id)s AND h.is_open AND h.health_factor IS NOT NULL
  AND (%(key_0)s::text IS NULL OR (h.health_factor, h.account, h.deployment_key, coalesce(h.market_id, ''))
       > (%(key_0)s::numeric, unhex(%(key_1)s::text), %(key_2)s::text::bigint, %(key_3)s::text))
  AND (%(account)s::text IS NULL OR h.account = unhex(%(account)s::text))
  """
    + FILTERS
    + """
ORDER BY h.chain_id, h.health_factor, h.account, h.deployment_key, coalesce(h.market_id, '') LIMIT %(limit)s
"""
)

AS_OF: Final[LiteralString] = (
    """
SELECT h.account, 'as of' AS source, """
    + COLUMNS
    + NO_PAIR
    + """
FROM liquidation_risk_among(%(chain_id)s, %(block_number)s, %(accounts)s::bytea[]) h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
WHERE h.health_factor IS NOT NULL
  AND (%(key_0)s::text IS NULL OR (h.health_factor, h.account, h.deployment_key, coalesce(h.market_id, ''))
       > (%(key_0)s::numeric, %(key_1)s::text, %(key_2)s::text::bigint, %(key_3)s::text))
  AND (%(account)s::text IS NULL OR h.account = %(account)s::text)
  """
    + FILTERS
    + """
ORDER BY h.health_factor, h.account, h.deployment_key, coalesce(h.market_id, '') LIMIT %(limit)s
"""
)


SUSPECTS: Final[LiteralString] = "SELECT risk_suspects(%(chain_id)s, %(block_number)s, %(below)s) AS accounts"


def suspects(connection: Connection[Any], at: BlockAt, below: Decimal | None) -> list[bytes] | None:
    """Return the accounts that may have been below a health factor at a recent block; None: everybody may."""
    row = select_one(connection, SUSPECTS, {**at_block(at), "below": below})
    return None if row is None else row["accounts"]


def holds(connection: Connection[Any], at: BlockAt) -> bool:
    """Tell whether the table of the head answers for a block."""
    row = select_one(connection, HOLDS, at_block(at))
    return bool(row and row["holds"])


def at_block(at: BlockAt) -> dict[str, object]:
    """Return the parameters that name a block."""
    return {"chain_id": at.chain_id, "block_number": at.block_number}


def at_risk(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, health_factor_lt: Decimal | None, drop: Decimal | None, asset: str | None, min_debt_usd: Decimal | None,
    protocol: str | None, deployment: str | None, account: str | None = None,
) -> Slice:  # fmt: skip
    """Return indebted accounts, lowest health factor first. Unpriced ones have none and are not among them."""
    parameters = {
        **at_block(at), "health_factor_lt": health_factor_lt, "drop": drop, "asset": asset, "min_debt_usd": min_debt_usd,
        "protocol": protocol, "deployment": deployment, "account": account,
    }  # fmt: skip
    if (after is None or after[-1] == HEAD) and holds(connection, at):
        return select_slice(connection, AT_HEAD, AT_RISK_KEY, after, limit, parameters)
    among = {**parameters, "accounts": suspects(connection, at, health_factor_lt)}
    return select_slice(connection, AS_OF, AT_RISK_KEY, after, limit, among)


# -------------------------------------------------------------------------------------------------- liquidatable

LIQUIDATABLE_KEY: Final[Keyset] = (
    ("profit_order", "number"),
    ("account", "address"),
    ("deployment_key", "key"),
    ("scope", "text"),
)
"""Highest gross profit first; `profit_order` is its negative, one without a known profit comes last."""

LIQUIDATABLE: Final[LiteralString] = (
    """
SELECT hex(h.account) AS account, (-coalesce(h.est_profit_usd, -1e30))::text AS profit_order, """
    + COLUMNS
    + PAIR
    + """
FROM risk_head h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
JOIN risk_head_state s ON s.chain_id = h.chain_id AND s.deployment_key = h.deployment_key AND s.block_number = %(block_number)s
WHERE h.chain_id = %(chain_id)s AND h.is_open AND h.is_liquidatable
  AND (%(min_profit_usd)s::numeric IS NULL OR h.est_profit_usd >= %(min_profit_usd)s::numeric)
  AND (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(key_0)s::text IS NULL
       OR (-coalesce(h.est_profit_usd, -1e30), h.account, h.deployment_key, coalesce(h.market_id, ''))
       > (%(key_0)s::numeric, unhex(%(key_1)s::text), %(key_2)s::text::bigint, %(key_3)s::text))
ORDER BY -coalesce(h.est_profit_usd, -1e30), h.account, h.deployment_key, coalesce(h.market_id, '') LIMIT %(limit)s
"""
)


def liquidatable(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, min_profit_usd: Decimal | None, protocol: str | None, deployment: str | None,
) -> Slice:  # fmt: skip
    """Return what can be liquidated at the head, most profitable first. Only where `holds`."""
    parameters = {
        **at_block(at), "min_profit_usd": min_profit_usd, "protocol": protocol, "deployment": deployment,
    }  # fmt: skip
    return select_slice(connection, LIQUIDATABLE, LIQUIDATABLE_KEY, after, limit, parameters)


# ---------------------------------------------------------------------------------------------------- summaries

BUCKETS_OF: Final[LiteralString] = """
SELECT d.protocol, h.project, h.version, h.deployment, health_bucket(h.health_factor) AS bucket, count(*) AS n_accounts,
       trim_scale(coalesce(sum(h.debt_usd), 0))::text AS debt_usd,
       trim_scale(coalesce(sum(h.collateral_usd), 0))::text AS collateral_usd,
       count(*) FILTER (WHERE h.debt_usd IS NULL OR h.collateral_usd IS NULL) AS n_unpriced, min(h.as_of_block) AS oldest_block
"""

BUCKETS_AT_HEAD: Final[LiteralString] = (
    BUCKETS_OF
    + """
FROM risk_head h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
JOIN risk_head_state s ON s.chain_id = h.chain_id AND s.deployment_key = h.deployment_key AND s.block_number = %(block_number)s
WHERE h.chain_id = %(chain_id)s AND h.is_open AND (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
GROUP BY d.protocol, h.project, h.version, h.deployment, 5
ORDER BY d.protocol, h.deployment, min(h.health_factor) NULLS LAST
"""
)

BUCKETS_AS_OF: Final[LiteralString] = (
    BUCKETS_OF
    + """
FROM liquidation_risk_at(%(chain_id)s, %(block_number)s) h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
WHERE %(protocol)s::text IS NULL OR d.protocol = %(protocol)s
GROUP BY d.protocol, h.project, h.version, h.deployment, 5
ORDER BY d.protocol, h.deployment, min(h.health_factor) NULLS LAST
"""
)


def buckets(connection: Connection[Any], at: BlockAt, *, protocol: str | None) -> list[Row]:
    """Return borrowers, debt and collateral by bucket of the health factor; bucket None: no health factor is known."""
    statement = BUCKETS_AT_HEAD if holds(connection, at) else BUCKETS_AS_OF
    return select(connection, statement, {**at_block(at), "protocol": protocol})


DROPS: Final[LiteralString] = """
SELECT d.protocol, h.project, h.version, h.deployment, h."drop"::float8, trim_scale(h.debt_usd)::text AS debt_usd,
       trim_scale(h.collateral_usd)::text AS collateral_usd, h.n_positions
FROM liquidation_drops_at(%(chain_id)s, %(block_number)s, %(assets)s) h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
WHERE %(protocol)s::text IS NULL OR d.protocol = %(protocol)s
ORDER BY d.protocol, h.deployment, h."drop"
"""

LEVELS: Final[LiteralString] = """
SELECT h.asset, h.symbol, trim_scale(h.price_low)::text AS price_low, trim_scale(h.price_high)::text AS price_high,
       trim_scale(h.collateral_amount)::text AS collateral_amount, trim_scale(h.collateral_usd)::text AS collateral_usd,
       trim_scale(h.debt_usd)::text AS debt_usd, h.n_positions, trim_scale(h.price_usd)::text AS price_usd
FROM liquidation_levels_at(%(chain_id)s, %(block_number)s, %(asset)s, %(bin_width)s) h
ORDER BY h.price_low DESC LIMIT 1000
"""

LIMITS: Final[LiteralString] = """
SELECT d.protocol, h.project, h.version, h.deployment, h.market_id, h.n_borrowers, h.n_over_limit,
       trim_scale(h.collateral_usd)::text AS collateral_usd, trim_scale(h.debt_usd)::text AS debt_usd, h.assets_to_equity::float8,
       h.ltv_max::float8, h.max_leverage::float8, h.liquidation_leverage::float8, h.limit_usage::float8,
       trim_scale(h.headroom_usd)::text AS headroom_usd, trim_scale(h.available_usd)::text AS available_usd,
       trim_scale(h.borrow_headroom_usd)::text AS borrow_headroom_usd, trim_scale(h.supply_room_usd)::text AS supply_room_usd
FROM limits_at(%(chain_id)s, %(block_number)s) h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
WHERE %(protocol)s::text IS NULL OR d.protocol = %(protocol)s
ORDER BY h.debt_usd DESC NULLS LAST, d.protocol, h.deployment, h.market_id LIMIT 1000
"""


def drops(connection: Connection[Any], at: BlockAt, *, assets: list[str] | None, protocol: str | None) -> list[Row]:
    """Return what becomes liquidatable at each of the eight drops of a group of assets, by deployment."""
    return select(connection, DROPS, {**at_block(at), "assets": assets, "protocol": protocol})


def levels(connection: Connection[Any], at: BlockAt, *, asset: str, bin_width: Decimal) -> list[Row]:
    """Return collateral of one asset by the price that liquidates it, highest first, at most 1000 bins."""
    return select(connection, LEVELS, {**at_block(at), "asset": asset, "bin_width": bin_width})


def limits(connection: Connection[Any], at: BlockAt, *, protocol: str | None) -> list[Row]:
    """Return M16 by risk scope, the most debt first, at most 1000 scopes."""
    parameters: Mapping[str, object] = {**at_block(at), "protocol": protocol}
    return select(connection, LIMITS, parameters)


TOLD: Final[LiteralString] = (
    """
SELECT hex(h.account) AS account, t.gone, """
    + COLUMNS
    + PAIR
    + """
FROM told_risk_head t
JOIN risk_head h ON h.chain_id = %(chain_id)s AND h.deployment_key = t.deployment_key AND h.scope = t.scope
    AND h.account = t.account
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
ORDER BY h.health_factor, h.account, h.deployment_key, h.scope
"""
)


def told(connection: Connection[Any], chain_id: int) -> list[Row]:
    """Return who moved between the buckets below 1.1 in the step that is being committed, shaped as the at-risk list."""
    if not select_one(connection, TOLD_THERE, {})["there"]:  # type: ignore[index]
        return []
    rows = select(connection, TOLD, {"chain_id": chain_id})
    return [{name: value for name, value in row.items() if name not in HIDDEN} for row in rows]


TOLD_THERE: Final[LiteralString] = "SELECT to_regclass('pg_temp.told_risk_head') IS NOT NULL AS there"

HIDDEN: Final = ("scope", "deployment_key", "risk_order")
"""Columns that order lists and are not shown."""
