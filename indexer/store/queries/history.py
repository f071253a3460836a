"""M1 by owner and pair class, M2, M4, M5, M14, M17, M18, M20: as of a block, and velocity over time."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Slice, select_slice

SCOPED: Final[LiteralString] = """
       CASE r.deployment_key WHEN 0 THEN 'chain' ELSE 'deployment' END AS scope, coalesce(d.protocol || ':' || d.name, '') AS scope_id,
       d.protocol, d.project, d.version, d.name AS deployment
"""
"""What names a row's scope; `scope_id` orders the list, the chain first."""

JOINED: Final[LiteralString] = """
LEFT JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
WHERE (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(scope)s::text IS NULL OR (r.deployment_key = 0) = (%(scope)s = 'chain'))
"""

SCOPES_KEY: Final[Keyset] = (("scope_id", "text"), ("level", "text"), ("population", "text"), ("pair_class", "text"))

SCOPES: Final[LiteralString] = (
    "SELECT " + SCOPED + """, r.level, r.population, r.pair_class,
       trim_scale(r.assets_usd)::text AS assets_usd, trim_scale(r.debt_usd)::text AS debt_usd,
       trim_scale(r.assets_usd - r.debt_usd)::text AS equity_usd, ratio(r.assets_usd, r.assets_usd - r.debt_usd)::float8 AS leverage,
       r.n_ok, r.n_zero_equity, r.n_insolvent, r.n_unpriced, trim_scale(r.latent_bad_debt_usd)::text AS latent_bad_debt_usd,
       r.block_number AS as_of_block
FROM leverage_by_scope_at(%(chain_id)s, %(block_number)s) r
""" + JOINED + """
  AND (%(level)s::text IS NULL OR r.level = %(level)s)
  AND (%(key_0)s::text IS NULL OR (coalesce(d.protocol || ':' || d.name, ''), r.level, r.population, r.pair_class)
       > (%(key_0)s::text, %(key_1)s::text, %(key_2)s::text, %(key_3)s::text))
ORDER BY scope_id, r.level, r.population, r.pair_class LIMIT %(limit)s
"""
)  # fmt: skip

DISTRIBUTION_KEY: Final[Keyset] = (("scope_id", "text"), ("weight", "text"))

DISTRIBUTION: Final[LiteralString] = (
    "SELECT " + SCOPED + """, r.weight, r.n, r.p10::float8, r.p50::float8, r.p90::float8, r.p99::float8,
       r.share_ge_1_5::float8, r.share_ge_2::float8, r.share_ge_3::float8, r.share_ge_5::float8, r.share_ge_10::float8,
       r.share_ge_20::float8,
       ARRAY(SELECT trim_scale(b)::text FROM unnest(r.bins) WITH ORDINALITY u (b, n) ORDER BY u.n) AS bins,
       trim_scale(%(min_debt_usd)s::numeric)::text AS min_debt_usd, r.block_number AS as_of_block
FROM leverage_distribution_at(%(chain_id)s, %(block_number)s, %(min_debt_usd)s::numeric) r
""" + JOINED + """
  AND (%(weight)s::text IS NULL OR r.weight = %(weight)s)
  AND (%(key_0)s::text IS NULL OR (coalesce(d.protocol || ':' || d.name, ''), r.weight) > (%(key_0)s::text, %(key_1)s::text))
ORDER BY scope_id, r.weight LIMIT %(limit)s
"""
)  # fmt: skip

VELOCITY_KEY: Final[Keyset] = (("as_of_block", "integer"), ("scope_id", "text"), ("window_s", "integer"))

VELOCITY: Final[LiteralString] = """
SELECT r.scope, coalesce(d.protocol || ':' || d.name, '') AS scope_id, d.protocol, d.project, d.version, d.name AS deployment,
       r.window_s, r.from_block, trim_scale(r.debt_before_usd)::text AS debt_before_usd, trim_scale(r.debt_usd)::text AS debt_usd,
       trim_scale(r.velocity_usd_day)::text AS velocity_usd, trim_scale(r.price_effect)::text AS price_effect_usd,
       trim_scale(r.organic_effect)::text AS organic_effect_usd, trim_scale(r.forced_effect)::text AS forced_effect_usd,
       trim_scale(r.interest_effect)::text AS interest_effect_usd, trim_scale(r.net_of_migrations)::text AS net_of_migrations_usd,
       trim_scale(r.organic_velocity)::text AS organic_velocity_usd, trim_scale(r.forced_velocity)::text AS forced_velocity_usd,
       trim_scale(r.carry_velocity)::text AS carry_velocity_usd,
       r.growth_rate_day::float8, r.doubling_days::float8, r.activity_growth_day::float8, r.excess_growth_day::float8,
       r.leverage_velocity_day::float8, trim_scale(r.acceleration)::text AS acceleration_usd, r.beta::float8,
       r.beta_doubling_days::float8, r.r2_log::float8, r.sse_exp::float8, r.sse_lin::float8, r.is_exponential,
       r.n_unpriced, r.n_new_price, r.block_number AS as_of_block,
       to_char(r.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS as_of_time
FROM leverage_velocity r
LEFT JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
WHERE r.chain_id = %(chain_id)s AND r.block_number <= %(block_number)s
  AND (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(scope)s::text IS NULL OR r.scope = %(scope)s)
  AND (%(window)s::bigint IS NULL OR r.window_s = %(window)s)
  AND (%(from_time)s::bigint IS NULL OR r.ts >= to_timestamp(%(from_time)s))
  AND (%(key_0)s::bigint IS NULL OR (r.block_number, coalesce(d.protocol || ':' || d.name, ''), r.window_s)
       < (%(key_0)s::bigint, %(key_1)s::text, %(key_2)s::bigint))
ORDER BY r.block_number DESC, scope_id DESC, r.window_s DESC LIMIT %(limit)s
"""

BAD_DEBT_KEY: Final[Keyset] = (("scope_id", "text"),)

BAD_DEBT: Final[LiteralString] = (
    "SELECT " + SCOPED + """, trim_scale(r.latent_usd)::text AS latent_usd, r.latent_ratio::float8,
       trim_scale(r.economic_usd)::text AS economic_usd, trim_scale(r.cost_usd)::text AS cost_usd,
       trim_scale(l.realised)::text AS realised_usd, trim_scale(l.covered)::text AS covered_usd,
       trim_scale(r.debt_usd)::text AS debt_usd, r.n_insolvent, r.n_uneconomic, r.n_unpriced, r.block_number AS as_of_block
FROM bad_debt_at(%(chain_id)s, %(block_number)s, %(cost_usd)s::numeric) r
CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_and(e.usd_amount IS NOT NULL) FILTER (WHERE e.transaction_type = 'bad_debt') IS NOT FALSE
                THEN coalesce(sum(e.usd_amount) FILTER (WHERE e.transaction_type = 'bad_debt'), 0) END AS realised,
           CASE WHEN bool_and(e.usd_amount IS NOT NULL) FILTER (WHERE e.transaction_type = 'cover_deficit') IS NOT FALSE
                THEN coalesce(sum(e.usd_amount) FILTER (WHERE e.transaction_type = 'cover_deficit'), 0) END AS covered
    FROM lending_events e
    WHERE e.chain_id = r.chain_id AND e.block_number <= %(block_number)s AND (r.deployment_key = 0 OR e.deployment_key = r.deployment_key)
      AND e.transaction_type IN ('bad_debt', 'cover_deficit')
) l
""" + JOINED + """
  AND (%(key_0)s::text IS NULL OR coalesce(d.protocol || ':' || d.name, '') > %(key_0)s::text)
ORDER BY scope_id LIMIT %(limit)s
"""
)  # fmt: skip

CONCENTRATION_KEY: Final[Keyset] = (("scope_id", "text"), ("kind", "text"))

CONCENTRATION: Final[LiteralString] = (
    "SELECT " + SCOPED + """, r.kind, r.n, trim_scale(r.total_usd)::text AS total_usd, r.hhi::float8, r.effective_n::float8,
       r.gini::float8, r.top_1_share::float8, r.top_10_share::float8, r.n_unpriced, r.cluster_asset,
       trim_scale(r.cluster_price_usd)::text AS cluster_price_usd, r.cluster_share::float8, r.block_number AS as_of_block
FROM (
    SELECT * FROM concentration_at(%(chain_id)s, %(block_number)s)
    UNION ALL
    SELECT s.chain_id, s.deployment_key, s.kind, s.block_number, s.n, s.total_usd, s.hhi, s.effective_n, s.gini, s.top_1_share,
        s.top_10_share, s.n_unpriced, NULL, NULL, NULL
    FROM (
        SELECT DISTINCT ON (c.deployment_key) c.* FROM concentration_snapshot c
        WHERE c.chain_id = %(chain_id)s AND c.kind = 'liquidator_revenue' AND c.block_number <= %(block_number)s
        ORDER BY c.deployment_key, c.bucket DESC
    ) s
) r
""" + JOINED + """
  AND (%(kind)s::text IS NULL OR r.kind = %(kind)s)
  AND (%(key_0)s::text IS NULL OR (coalesce(d.protocol || ':' || d.name, ''), r.kind) > (%(key_0)s::text, %(key_1)s::text))
ORDER BY scope_id, r.kind LIMIT %(limit)s
"""
)  # fmt: skip

UTILIZATION_KEY: Final[Keyset] = (("market_id", "text"),)

UTILIZATION: Final[LiteralString] = """
SELECT b.protocol, b.project, b.version, b.deployment, b.market_id, b.symbol, u.utilization::float8,
       utilization_formula(b.accounting) AS formula, u.target::float8 AS target_utilization,
       kink_pressure(u.utilization, u.target)::float8 AS kink_pressure,
       ((b.quote).debt_rate_raw * (b.quote).rate_unit)::float8 AS borrow_apr,
       ((b.quote).supply_rate_raw * (b.quote).rate_unit)::float8 AS supply_apr,
       trim_scale(round((b.quote).debt_assets_raw * b.unit * b.price_usd, 18))::text AS debt_usd,
       trim_scale(round((b.quote).supply_assets_raw * b.unit * b.price_usd, 18))::text AS supply_usd,
       e.elasticity AS rate_elasticity, e.r2 AS rate_elasticity_r2, e.n AS rate_elasticity_n, b.as_of_block
FROM books(%(chain_id)s, %(block_number)s) b
CROSS JOIN LATERAL (SELECT utilization_of((b.quote).debt_assets_raw, (b.quote).supply_assets_raw) AS utilization,
    utilization_target(b.accounting, b.state) AS target) u
LEFT JOIN rate_elasticity_at(%(chain_id)s, %(block_number)s) e ON e.market_key = b.market_key
WHERE (b.quote).debt_assets_raw IS NOT NULL AND (b.quote).supply_assets_raw IS NOT NULL AND NOT is_internal_book(b.accounting)
  AND (%(protocol)s::text IS NULL OR b.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR b.deployment = %(deployment)s)
  AND (%(key_0)s::text IS NULL OR b.market_id > %(key_0)s::text)
ORDER BY b.market_id LIMIT %(limit)s
"""

TVL_KEY: Final[Keyset] = (("scope_id", "text"),)

TVL: Final[LiteralString] = (
    "SELECT " + SCOPED + """, trim_scale(t.tvl)::text AS tvl_usd, trim_scale(t.tvl + r.borrowed_usd)::text AS tvl_including_borrowed_usd,
       trim_scale(r.plain_usd)::text AS tvr_usd, trim_scale(t.tvl - r.plain_usd)::text AS double_count_usd,
       ratio(t.tvl, r.plain_usd)::float8 AS defi_multiplier, trim_scale(r.claims_usd)::text AS claims_usd,
       trim_scale(r.unclassified_usd)::text AS unclassified_usd, trim_scale(r.borrowed_usd)::text AS borrowed_usd, r.n_unpriced,
       r.block_number AS as_of_block
FROM tvl_adjusted_at(%(chain_id)s, %(block_number)s) r
CROSS JOIN LATERAL (SELECT r.plain_usd + r.claims_usd + r.unclassified_usd AS tvl) t
""" + JOINED + """
  AND (%(key_0)s::text IS NULL OR coalesce(d.protocol || ':' || d.name, '') > %(key_0)s::text)
ORDER BY scope_id LIMIT %(limit)s
"""
)  # fmt: skip


def scopes(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, **filters: object) -> Slice:
    """Return leverage by scope, level (account, owner) and pair class as of a block. Filters: protocol, deployment, scope, level."""
    return select_slice(connection, SCOPES, SCOPES_KEY, after, limit, _at(at, filters))


def distribution(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, **filters: object) -> Slice:
    """Return the distribution of leverage as of a block. Filters: protocol, deployment, scope, weight, min_debt_usd."""
    return select_slice(connection, DISTRIBUTION, DISTRIBUTION_KEY, after, limit, _at(at, filters))


def velocity(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, **filters: object) -> Slice:
    """Return velocities up to a block, newest first. Filters: protocol, deployment, scope, window (seconds), from_time."""
    return select_slice(connection, VELOCITY, VELOCITY_KEY, after, limit, _at(at, filters))


def bad_debt(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, **filters: object) -> Slice:
    """Return bad debt as of a block. Filters: protocol, deployment, scope, cost_usd."""
    return select_slice(connection, BAD_DEBT, BAD_DEBT_KEY, after, limit, _at(at, filters))


def concentration(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, **filters: object) -> Slice:
    """Return concentration as of a block. Filters: protocol, deployment, scope, kind."""
    return select_slice(connection, CONCENTRATION, CONCENTRATION_KEY, after, limit, _at(at, filters))


def utilization(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, **filters: object) -> Slice:
    """Return the utilization of markets as of a block. Filters: protocol, deployment."""
    return select_slice(connection, UTILIZATION, UTILIZATION_KEY, after, limit, _at(at, filters))


def tvl(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, **filters: object) -> Slice:
    """Return value locked as of a block. Filters: protocol, deployment, scope."""
    return select_slice(connection, TVL, TVL_KEY, after, limit, _at(at, filters))


def _at(at: BlockAt, filters: dict[str, object]) -> dict[str, object]:
    return {"chain_id": at.chain_id, "block_number": at.block_number, "scope": None, **filters}
