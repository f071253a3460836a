-- Metrics over time, and at the head computed live. scope: 'deployment', or 'chain' for all of them together (then project,
-- version and deployment are NULL). ts is the timestamp of block_number.

CREATE VIEW v_owner_leverage AS SELECT * FROM owner_leverage_at(NULL, NULL);

CREATE VIEW leverage_by_scope AS
SELECT
    r.chain_id, CASE r.deployment_key WHEN 0 THEN 'chain' ELSE 'deployment' END AS scope, d.project, d.version,
    d.name AS deployment, r.level, r.population, r.pair_class, to_timestamp(b.block_timestamp) AS ts, r.block_number,
    r.assets_usd, r.debt_usd, r.assets_usd - r.debt_usd AS equity_usd, ratio(r.assets_usd, r.assets_usd - r.debt_usd) AS leverage,
    r.n_ok, r.n_zero_equity, r.n_insolvent, r.n_unpriced, r.latent_bad_debt_usd, r.is_head, r.deployment_key
FROM (
    SELECT h.chain_id, h.deployment_key, h.level, h.population, h.pair_class, h.block_number, h.assets_usd, h.debt_usd, h.n_ok,
        h.n_zero_equity, h.n_insolvent, h.n_unpriced, h.latent_bad_debt_usd, true AS is_head
    FROM leverage_by_scope_at(NULL, NULL) h
    UNION ALL
    SELECT s.chain_id, s.deployment_key, s.level, s.population, s.pair_class, s.block_number, s.assets_usd, s.debt_usd, s.n_ok,
        s.n_zero_equity, s.n_insolvent, s.n_unpriced, s.latent_bad_debt_usd, false
    FROM leverage_scope_snapshot s
) r
LEFT JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
LEFT JOIN block b ON b.chain_id = r.chain_id AND b.block_number = r.block_number;

CREATE VIEW leverage_distribution AS
SELECT
    r.chain_id, CASE r.deployment_key WHEN 0 THEN 'chain' ELSE 'deployment' END AS scope, d.project, d.version,
    d.name AS deployment, to_timestamp(b.block_timestamp) AS ts, r.block_number, r.weight, r.n, r.p10, r.p50, r.p90, r.p99,
    r.share_ge_1_5, r.share_ge_2, r.share_ge_3, r.share_ge_5, r.share_ge_10, r.share_ge_20, r.bins, r.is_head, r.deployment_key
FROM (
    SELECT h.chain_id, h.deployment_key, h.block_number, h.weight, h.n, h.p10, h.p50, h.p90, h.p99, h.share_ge_1_5, h.share_ge_2,
        h.share_ge_3, h.share_ge_5, h.share_ge_10, h.share_ge_20, h.bins, true AS is_head
    FROM leverage_distribution_at(NULL, NULL) h
    UNION ALL
    SELECT s.chain_id, s.deployment_key, s.block_number, s.weight, s.n, s.p10, s.p50, s.p90, s.p99, s.share_ge_1_5, s.share_ge_2,
        s.share_ge_3, s.share_ge_5, s.share_ge_10, s.share_ge_20, s.bins, false
    FROM leverage_distribution_snapshot s
) r
LEFT JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
LEFT JOIN block b ON b.chain_id = r.chain_id AND b.block_number = r.block_number;

CREATE VIEW leverage_velocity AS
SELECT
    v.chain_id, CASE v.deployment_key WHEN 0 THEN 'chain' ELSE 'deployment' END AS scope, d.project, d.version,
    d.name AS deployment, to_timestamp(b.block_timestamp) AS ts, v.block_number, v.from_block, v.window_s,
    v.debt_before_usd, v.debt_usd, p.usd_day AS velocity_usd_day,
    v.price_effect, v.organic_effect, v.forced_effect, v.interest_effect,
    v.organic_effect - v.migrated_effect AS net_of_migrations,
    round(v.organic_effect * 86400 / v.window_s, 18) AS organic_velocity, round(v.forced_effect * 86400 / v.window_s, 18) AS forced_velocity,
    round(v.interest_effect * 86400 / v.window_s, 18) AS carry_velocity,
    v.growth_rate_day, CASE WHEN v.growth_rate_day > 0 THEN round(ln(2::numeric) / v.growth_rate_day, 9) END AS doubling_days,
    v.activity_growth_day, v.growth_rate_day - v.activity_growth_day AS excess_growth_day,
    v.leverage_velocity_day, v.acceleration,
    v.beta, CASE WHEN v.beta > 0 THEN round(ln(2::numeric) / v.beta, 9) END AS beta_doubling_days,
    v.r2_log, v.sse_exp, v.sse_lin, v.is_exponential, v.n_unpriced, v.n_new_price, v.deployment_key
FROM leverage_velocity_snapshot v
CROSS JOIN LATERAL (SELECT round((v.debt_usd - v.debt_before_usd) * 86400 / v.window_s, 18) AS usd_day) p
LEFT JOIN deployment d ON d.chain_id = v.chain_id AND d.deployment_key = v.deployment_key
LEFT JOIN block b ON b.chain_id = v.chain_id AND b.block_number = v.block_number;

CREATE VIEW concentration AS
SELECT
    r.chain_id, CASE r.deployment_key WHEN 0 THEN 'chain' ELSE 'deployment' END AS scope, d.project, d.version,
    d.name AS deployment, to_timestamp(b.block_timestamp) AS ts, r.block_number, r.kind, r.n, r.total_usd, r.hhi, r.effective_n,
    r.gini, r.top_1_share, r.top_10_share, r.n_unpriced, r.cluster_asset, r.cluster_price_usd, r.cluster_share, r.is_head,
    r.deployment_key
FROM (
    SELECT h.chain_id, h.deployment_key, h.block_number, h.kind, h.n, h.total_usd, h.hhi, h.effective_n, h.gini, h.top_1_share,
        h.top_10_share, h.n_unpriced, h.cluster_asset, h.cluster_price_usd, h.cluster_share, true AS is_head
    FROM concentration_at(NULL, NULL) h
    UNION ALL
    SELECT s.chain_id, s.deployment_key, s.block_number, s.kind, s.n, s.total_usd, s.hhi, s.effective_n, s.gini, s.top_1_share,
        s.top_10_share, s.n_unpriced, s.cluster_asset, s.cluster_price_usd, s.cluster_share, false
    FROM concentration_snapshot s
) r
LEFT JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
LEFT JOIN block b ON b.chain_id = r.chain_id AND b.block_number = r.block_number;

CREATE VIEW tvl_adjusted AS
SELECT
    r.chain_id, CASE r.deployment_key WHEN 0 THEN 'chain' ELSE 'deployment' END AS scope, d.project, d.version,
    d.name AS deployment, to_timestamp(b.block_timestamp) AS ts, r.block_number,
    t.tvl AS tvl_usd, t.tvl + r.borrowed_usd AS tvl_including_borrowed_usd, r.plain_usd AS tvr_usd, t.tvl - r.plain_usd AS double_count_usd,
    ratio(t.tvl, r.plain_usd) AS defi_multiplier, r.claims_usd, r.unclassified_usd, r.borrowed_usd, r.n_unpriced, r.is_head,
    r.deployment_key
FROM (
    SELECT h.*, true AS is_head FROM tvl_adjusted_at(NULL, NULL) h
    UNION ALL
    SELECT s.chain_id, s.deployment_key, s.block_number, s.plain_usd, s.claims_usd, s.unclassified_usd, s.borrowed_usd, s.n_unpriced, false
    FROM tvl_snapshot s
) r
CROSS JOIN LATERAL (SELECT r.plain_usd + r.claims_usd + r.unclassified_usd AS tvl) t
LEFT JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
LEFT JOIN block b ON b.chain_id = r.chain_id AND b.block_number = r.block_number;

CREATE VIEW bad_debt_history AS
SELECT
    s.chain_id, CASE s.deployment_key WHEN 0 THEN 'chain' ELSE 'deployment' END AS scope, d.project, d.version,
    d.name AS deployment, to_timestamp(b.block_timestamp) AS ts, s.block_number, s.latent_usd,
    ratio(s.latent_usd, s.debt_usd) AS latent_ratio, s.economic_usd, s.cost_usd, s.debt_usd, s.realised_usd, s.covered_usd,
    CASE WHEN bool_and(s.realised_usd IS NOT NULL) OVER w THEN sum(s.realised_usd) OVER w END AS realised_total_usd,
    CASE WHEN bool_and(s.covered_usd IS NOT NULL) OVER w THEN sum(s.covered_usd) OVER w END AS covered_total_usd,
    s.n_insolvent, s.n_uneconomic, s.n_unpriced, s.deployment_key
FROM bad_debt_snapshot s
LEFT JOIN deployment d ON d.chain_id = s.chain_id AND d.deployment_key = s.deployment_key
LEFT JOIN block b ON b.chain_id = s.chain_id AND b.block_number = s.block_number
WINDOW w AS (PARTITION BY s.chain_id, s.deployment_key ORDER BY s.bucket);

CREATE VIEW utilization AS
SELECT
    h.chain_id, d.project, d.version, d.name AS deployment, m.market_id, t.symbol, to_timestamp(b.block_timestamp) AS ts,
    h.block_number, u.utilization, u.formula, u.target AS target_utilization, kink_pressure(u.utilization, u.target) AS kink_pressure,
    h.debt_apr AS borrow_apr, h.supply_apr, h.debt_raw * unit_of(t.decimals) AS debt, h.supply_raw * unit_of(t.decimals) AS supply,
    round(h.debt_raw * unit_of(t.decimals) * h.price_usd, 18) AS debt_usd, round(h.supply_raw * unit_of(t.decimals) * h.price_usd, 18) AS supply_usd,
    h.net_flow_raw * unit_of(t.decimals) AS net_borrow_flow, h.is_head, h.market_key
FROM (
    SELECT x.chain_id, x.market_key, x.as_of_block AS block_number, (x.quote).debt_assets_raw AS debt_raw,
        (x.quote).supply_assets_raw AS supply_raw, x.price_usd, (x.quote).debt_rate_raw * (x.quote).rate_unit AS debt_apr,
        (x.quote).supply_rate_raw * (x.quote).rate_unit AS supply_apr, NULL::numeric AS net_flow_raw,
        utilization_target(x.accounting, x.state) AS target, true AS is_head
    FROM books(NULL, NULL) x
    WHERE (x.quote).debt_assets_raw IS NOT NULL AND (x.quote).supply_assets_raw IS NOT NULL AND NOT is_internal_book(x.accounting)
    UNION ALL
    SELECT s.chain_id, s.market_key, s.block_number, s.debt_raw, s.supply_raw, s.price_usd, s.debt_apr, s.supply_apr,
        s.borrowed_raw - s.repaid_raw, s.target_utilization, false
    FROM market_snapshot s WHERE s.debt_raw IS NOT NULL AND s.supply_raw IS NOT NULL
) h
JOIN market m ON m.chain_id = h.chain_id AND m.market_key = h.market_key
JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
LEFT JOIN block b ON b.chain_id = h.chain_id AND b.block_number = h.block_number
CROSS JOIN LATERAL (SELECT utilization_of(h.debt_raw, h.supply_raw) AS utilization, utilization_formula(m.accounting) AS formula, h.target) u;

-- M20: the elasticities as of now.
CREATE VIEW rate_elasticity AS
SELECT e.chain_id, d.project, d.version, d.name AS deployment, m.market_id, e.n, e.elasticity, e.r2, e.market_key
FROM (SELECT c.chain_id, found.* FROM chain c CROSS JOIN LATERAL rate_elasticity_at(c.chain_id, 9223372036854775807) found) e
JOIN market m ON m.chain_id = e.chain_id AND m.market_key = e.market_key
JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key;

-- M23: how far what is shown of a deployment can be trusted, at its indexed head.
CREATE VIEW data_quality AS
SELECT
    k.chain_id, d.project, d.version, d.name AS deployment, k.status, k.start_block AS coverage_start_block,
    k.block_number AS indexed_block, greatest(c.head_block - k.block_number, 0) AS lag_blocks,
    o.n_markets, o.n_unpriced_markets, o.oracle_age_s, u.unpriced_share, u.block_number AS unpriced_share_block,
    (SELECT count(*) FROM reorg r WHERE r.chain_id = k.chain_id AND r.seen_at > extract(epoch FROM now()) - 86400) AS reorg_count_24h,
    d.proven, d.deployment_key
FROM cursor k
JOIN deployment d ON d.chain_id = k.chain_id AND d.protocol = k.protocol
LEFT JOIN chain c ON c.chain_id = k.chain_id
LEFT JOIN (
    SELECT x.chain_id, x.deployment_key, count(*) AS n_markets, count(*) FILTER (WHERE x.price_usd IS NULL) AS n_unpriced_markets,
        max(x.as_of_time - b.block_timestamp) AS oracle_age_s
    FROM books(NULL, NULL) x
    LEFT JOIN block b ON b.chain_id = x.chain_id AND b.block_number = x.price_block
    GROUP BY x.chain_id, x.deployment_key
) o ON o.chain_id = k.chain_id AND o.deployment_key = d.deployment_key
LEFT JOIN LATERAL (
    SELECT s.block_number, ratio(s.n_unpriced, s.n_ok + s.n_zero_equity + s.n_insolvent + s.n_unpriced) AS unpriced_share
    FROM leverage_scope_snapshot s
    WHERE s.chain_id = k.chain_id AND s.deployment_key = d.deployment_key AND s.level = 'account' AND s.population = 'all'
      AND s.pair_class = 'any'
    ORDER BY s.bucket DESC LIMIT 1
) u ON true;
