-- M1: how much leverage a deployment carries. account_health is generated from the accountings installed.
-- Two populations: `borrowers` (status ok: D > 0 and E > 0) and `all` (ok and no_debt). leverage = sum A / sum E.
-- zero_equity, insolvent and unpriced accounts are counted beside both, never inside; the shortfall of the insolvent is
-- latent bad debt. Sums of nothing are 0, their ratio NULL.
CREATE FUNCTION protocol_leverage_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, population text, ts timestamptz, block_number bigint,
    assets_usd numeric, debt_usd numeric, equity_usd numeric, leverage numeric,
    n_ok bigint, n_zero_equity bigint, n_insolvent bigint, n_unpriced bigint, latent_bad_debt_usd numeric,
    deployment_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        d.chain_id, d.project, d.version, d.name, o.population, to_timestamp(a.as_of_time), a.as_of_block,
        s.assets, s.debt, s.assets - s.debt, ratio(s.assets, s.assets - s.debt),
        s.n_ok, coalesce(g.n_zero_equity, 0), coalesce(g.n_insolvent, 0), coalesce(g.n_unpriced, 0), coalesce(g.shortfall, 0),
        d.deployment_key
    FROM as_of(p_chain, p_block) a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol AND d.kind = 'lending'
        AND d.start_block <= a.as_of_block
    LEFT JOIN (
        SELECT h.chain_id, h.deployment_key,
            sum(h.assets_usd) FILTER (WHERE h.status = 'ok') AS assets_ok,
            sum(h.debt_usd) FILTER (WHERE h.status = 'ok') AS debt_ok,
            count(*) FILTER (WHERE h.status = 'ok') AS n_ok,
            sum(h.assets_usd) FILTER (WHERE h.status IN ('ok', 'no_debt')) AS assets_all,
            count(*) FILTER (WHERE h.status IN ('ok', 'no_debt')) AS n_all,
            count(*) FILTER (WHERE h.status = 'zero_equity') AS n_zero_equity,
            count(*) FILTER (WHERE h.status = 'insolvent') AS n_insolvent,
            count(*) FILTER (WHERE h.status = 'unpriced') AS n_unpriced,
            sum(h.debt_usd - h.assets_usd) FILTER (WHERE h.status = 'insolvent') AS shortfall
        FROM account_health(p_chain, p_block) h
        GROUP BY h.chain_id, h.deployment_key
    ) g ON g.chain_id = d.chain_id AND g.deployment_key = d.deployment_key
    CROSS JOIN (VALUES ('borrowers'), ('all')) o (population)
    CROSS JOIN LATERAL (SELECT
        coalesce(CASE o.population WHEN 'all' THEN g.assets_all ELSE g.assets_ok END, 0) AS assets,
        coalesce(g.debt_ok, 0) AS debt,
        coalesce(CASE o.population WHEN 'all' THEN g.n_all ELSE g.n_ok END, 0) AS n_ok
    ) s
$$;

-- M12: every borrower with a health factor or without one for want of a price.
-- liquidation_price_usd: closed form for one collateral against one other debt asset, the debt's price held:
-- P* = P / HF. It is NULL for everything else. first_eligible_drop = 1 - 1/HF, 0 when already liquidatable:
-- the uniform fall of all collateral against all debt; meaningless, so NULL, where both are the same token.
-- loss_boundary_drop = max(1 - 1/HF, 1 - (1 + b) * LTV), one collateral only.
CREATE FUNCTION liquidation_risk_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, account text, owner text, project text, version text, deployment text, market_id text,
    health_factor numeric, bucket text, is_liquidatable boolean, collateral_usd numeric, debt_usd numeric,
    collateral_assets text[], debt_assets text[], emode integer, pair_class text, status text,
    price_usd numeric, liquidation_price_usd numeric, distance numeric, first_eligible_drop numeric,
    loss_boundary_drop numeric, liquidation_bonus numeric, is_toxic boolean, health_factor_raw numeric,
    as_of_block bigint, as_of_time timestamptz, deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.chain_id, r.account, r.owner, r.project, r.version, r.deployment, r.market_id, r.health_factor, r.bucket,
        r.is_liquidatable, r.collateral_usd, r.debt_usd, r.collateral_assets, r.debt_assets, r.emode, r.pair_class, r.status,
        r.price_usd, r.liquidation_price_usd, r.distance, r.first_eligible_drop, r.loss_boundary_drop, r.liquidation_bonus,
        r.is_toxic, r.health_factor_raw, r.as_of_block, r.as_of_time, r.deployment_key, r.market_key
    FROM liquidation_risk_among(p_chain, p_block, NULL) r
$$;

-- The same of some accounts (NULL: all), with what bounds the rounding of their health factor: debt and threshold-weighted
-- collateral in the smallest unit that the contract counts them in.
CREATE FUNCTION liquidation_risk_among(p_chain bigint, p_block bigint, p_accounts bytea[])
RETURNS TABLE (
    chain_id bigint, account text, owner text, project text, version text, deployment text, market_id text,
    health_factor numeric, bucket text, is_liquidatable boolean, collateral_usd numeric, debt_usd numeric,
    collateral_assets text[], debt_assets text[], emode integer, pair_class text, status text,
    price_usd numeric, liquidation_price_usd numeric, distance numeric, first_eligible_drop numeric,
    loss_boundary_drop numeric, liquidation_bonus numeric, is_toxic boolean, health_factor_raw numeric,
    as_of_block bigint, as_of_time timestamptz, deployment_key bigint, market_key bigint,
    debt_size numeric, weighted_size numeric, threshold_bps numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        h.chain_id, h.account,
        coalesce(hex(w.owner), o.owner_id, h.account), h.project, h.version, h.deployment, h.market_id,
        h.health_factor, health_bucket(h.health_factor), h.is_liquidatable, h.collateral_usd, h.debt_usd,
        h.collateral_assets, h.debt_assets, h.emode, h.pair_class, h.status,
        p.price_usd,
        CASE WHEN h.health_factor > 0 THEN round(p.price_usd / h.health_factor, 18) END,
        CASE WHEN p.price_usd IS NOT NULL AND h.health_factor > 0 THEN abs(1 - ratio(1, h.health_factor)) END,
        CASE WHEN h.pair_class <> 'same_asset' THEN
            CASE WHEN h.health_factor > 0 THEN greatest(1 - ratio(1, h.health_factor), 0) WHEN h.health_factor = 0 THEN 0 END END,
        CASE WHEN h.pair_class <> 'same_asset' AND h.health_factor > 0 AND h.liquidation_bonus_bps > 0 AND h.collateral_usd > 0
                  AND h.debt_usd IS NOT NULL
             THEN greatest(1 - ratio(1, h.health_factor), 1 - ratio(h.liquidation_bonus_bps * 1e-4 * h.debt_usd, h.collateral_usd)) END,
        CASE WHEN h.liquidation_bonus_bps > 0 THEN h.liquidation_bonus_bps * 1e-4 - 1 END,
        h.debt_usd * h.liquidation_bonus_bps * 1e-4 > h.collateral_usd,
        h.health_factor_raw, h.as_of_block, h.as_of_time, h.deployment_key, h.market_key,
        coalesce(h.total_debt_base_raw, h.debt_raw),
        coalesce(h.total_collateral_base_raw * h.current_liquidation_threshold_bps * 1e-4, h.max_borrow_raw),
        h.current_liquidation_threshold_bps
    FROM account_health_among(p_chain, p_block, p_accounts) h
    -- the one price that a closed form needs; a lateral without tables costs nothing and cannot be planned badly
    CROSS JOIN LATERAL (SELECT
        CASE WHEN cardinality(h.debt_assets) = 1 AND h.pair_class <> 'same_asset' THEN h.collateral_price_usd END AS price_usd
    ) p
    CROSS JOIN LATERAL (
        SELECT (SELECT owner_of(d.protocol, d.chain_id, d.deployment_key, unhex(h.account), h.as_of_block) FROM deployment d
            WHERE d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key) AS owner_id
        OFFSET 0  -- once a row
    ) o
    LEFT JOIN wallet_owners_at(p_chain, p_block) w ON w.chain_id = h.chain_id AND w.wallet = unhex(coalesce(o.owner_id, h.account))
    WHERE cardinality(h.debt_assets) > 0
$$;

-- Half-open intervals of docs/methodology.md M12.
CREATE FUNCTION health_bucket(health_factor numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN health_factor < 1 THEN '[0,1)'
    WHEN health_factor < 1.05 THEN '[1,1.05)'
    WHEN health_factor < 1.1 THEN '[1.05,1.1)'
    WHEN health_factor < 1.25 THEN '[1.1,1.25)'
    WHEN health_factor < 1.5 THEN '[1.25,1.5)'
    WHEN health_factor < 2 THEN '[1.5,2)'
    WHEN health_factor >= 2 THEN '[2,inf)'
END;
