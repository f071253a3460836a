-- Aave v2: indexes now, stable loans now, and getUserAccountData of every account, to the wei.
--
-- Source   @aave/protocol-v2 1.0.1: ReserveLogic.getNormalized*, MathUtils, WadRayMath, PercentageMath,
--          StableDebtToken.balanceOf and totalSupply, GenericLogic.calculateUserAccountData
-- Units    indexes and rates in ray (rates a year of 365 days), base currency ether in wei
-- Books    aave_v2         a reserve: supply and variable debt, scaled by its two indexes
--          aave_v2_stable  the reserve's stable debt: shares are principals, extra has each loan's rate and time;
--                          debt_assets_raw and debt_rate_raw are the contract's own total and average rate
-- Regimes  scaled, stable; rebasing: the asset rebases by itself, amounts are NULL

-- MathUtils.calculateCompoundedInterest: as Aave v3's first form but with the rate divided first.
CREATE FUNCTION aave_v2_compounded(rate numeric, seconds numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    a_second numeric := div(rate, 31536000);
    squared numeric;
    cubed numeric;
BEGIN
    IF seconds = 0 THEN
        RETURN 1e27;
    END IF;
    squared := ray_mul_half_up(a_second, a_second);
    cubed := ray_mul_half_up(squared, a_second);
    RETURN 1e27 + a_second * seconds
        + div(seconds * (seconds - 1) * squared, 2)
        + div(seconds * (seconds - 1) * greatest(seconds - 2, 0) * cubed, 6);
END $$;

-- getReserveNormalizedIncome and getReserveNormalizedVariableDebt at second t.
CREATE FUNCTION aave_v2_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
    seconds numeric := t - s.accrued_at;
BEGIN
    q.supply_rate_raw := s.supply_rate_raw;
    q.debt_rate_raw := s.debt_rate_raw;
    q.rate_unit := 1e-27;
    IF s.regime IS DISTINCT FROM 'scaled' THEN
        RETURN q;
    END IF;
    q.supply_shares_raw := s.supply_shares_raw;
    q.debt_shares_raw := s.debt_shares_raw;
    q.supply_index_raw := ray_mul_half_up(aave_linear_interest(s.supply_rate_raw, seconds), s.supply_index_raw);
    q.debt_index_raw := ray_mul_half_up(aave_v2_compounded(s.debt_rate_raw, seconds), s.debt_index_raw);
    q.supply_numerator := q.supply_index_raw;
    q.debt_numerator := q.debt_index_raw;
    q.supply_denominator := 1e27;
    q.debt_denominator := 1e27;
    q.supply_rounding := 'half_up';
    q.debt_rounding := 'half_up';
    q.supply_assets_raw := ray_mul_half_up(s.supply_shares_raw, q.supply_index_raw);
    q.debt_assets_raw := ray_mul_half_up(s.debt_shares_raw, q.debt_index_raw);
    RETURN q;
END $$;

-- StableDebtToken.totalSupply at second t: the stored total at the average rate, which is not the sum of the loans.
-- Every loan grows at its own rate, so no numerator is common to them: debt_numerator holds the second itself, for
-- aave_v2_stable_amount.
CREATE FUNCTION aave_v2_stable_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
BEGIN
    q.debt_shares_raw := s.debt_shares_raw;
    q.debt_rate_raw := coalesce(s.debt_rate_raw, 0);
    q.rate_unit := 1e-27;
    q.debt_assets_raw := ray_mul_half_up(s.debt_assets_raw, aave_v2_compounded(q.debt_rate_raw, t - s.accrued_at));
    q.debt_numerator := t;
    RETURN q;
END $$;

-- StableDebtToken.balanceOf: principal at the loan's own rate since its own last change.
CREATE FUNCTION aave_v2_stable_amount(
    side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote
) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ray_mul_half_up(shares, aave_v2_compounded(
    (extra ->> 'rate_ray')::numeric, q.debt_numerator - (extra ->> 'updated_at')::numeric));

-- Every asset of an account as the pool's account data take it, stable and variable debt as one: its value in wei of ether.
CREATE FUNCTION aave_v2_valued(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, account_bytes bytea, as_of_block bigint, as_of_time bigint,
    side text, asset bytea, symbol text, units numeric, price_raw numeric, counts boolean, value numeric,
    ltv numeric, threshold numeric, bonus numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.deployment_key, b.market_key, b.account_bytes, b.as_of_block, b.as_of_time,
        b.side, b.asset, b.symbol, b.amount_raw * b.unit, b.price_raw,
        b.side = 'supply' AND b.is_collateral AND coalesce(r.liquidation_threshold_bps, 0) <> 0 AS counts,
        mul_div_floor(b.amount_raw, b.price_raw, 1 / b.unit) AS value,
        coalesce(r.ltv_bps, 0) AS ltv, coalesce(r.liquidation_threshold_bps, 0) AS threshold,
        r.liquidation_bonus_bps AS bonus
    FROM (
        -- stable and variable debt of a reserve are added before they are priced
        SELECT
            p.chain_id, p.deployment_key, p.account_bytes, p.side, p.asset, min(p.as_of_block) AS as_of_block,
            min(p.as_of_time) AS as_of_time, bool_or(p.is_collateral) AS is_collateral,
            coalesce(min(p.market_key) FILTER (WHERE p.accounting = 'aave_v2'), min(p.market_key)) AS market_key,
            min(p.symbol) AS symbol,
            CASE WHEN count(*) = count(p.amount_raw) THEN sum(p.amount_raw) END AS amount_raw,
            min(p.oracle_price_raw) AS price_raw, min(p.unit) AS unit
        FROM (
            SELECT * FROM position_books(p_chain, p_block, p_accounts, 'aave_v2')
            UNION ALL SELECT * FROM position_books(p_chain, p_block, p_accounts, 'aave_v2_stable')
        ) p
        GROUP BY p.chain_id, p.deployment_key, p.account_bytes, p.side, p.asset
    ) b
    LEFT JOIN market_params_at(p_chain, p_block, p_accounts) r ON r.chain_id = b.chain_id AND r.market_key = b.market_key
$$;

-- USD price of wrapped ether (parameter base_token), the base currency of a pool. No row when there is none.
CREATE FUNCTION aave_v2_base_price(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (chain_id bigint, deployment_key bigint, price_usd numeric)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.chain_id, p.subject, min(u.price_usd)
    FROM as_of(p_chain, p_block) a
    JOIN params_at(p_chain, p_block, p_accounts) p ON p.chain_id = a.chain_id AND p.name = 'base_token'
    CROSS JOIN LATERAL usd_price_at(a.chain_id, unhex(p.value_text), a.as_of_block) u
    WHERE a.protocol = 'aave_v2'
    GROUP BY a.chain_id, p.subject
$$;

-- getUserAccountData for every account with a balance, one row per (account, pool).
--   collateral of a reserve  floor(balance * price / 10^decimals), if the account's flag is on and the threshold is not 0
--   debt of a reserve        floor of the same, of stable and variable debt together
--   health factor            wadDiv(percentMul(sum C, floor(sum C*LT / sum C)), D), both half-up
-- *_base_raw are wei of ether. USD needs the USD price of wrapped ether (parameter base_token); without it USD is NULL.
-- Liquidatable below 1 exactly (validateLiquidationCall: health factor < 1e18).
CREATE FUNCTION aave_v2_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        hex(h.account_bytes), d.project, d.version, d.name, NULL::text,
        h.collateral * h.usd, h.assets * h.usd, h.debt * h.usd, (h.assets - h.debt) * h.usd,
        CASE WHEN h.usd IS NOT NULL AND h.assets > h.debt THEN ratio(h.assets, h.assets - h.debt) END,
        CASE WHEN h.usd IS NOT NULL AND h.assets > h.debt THEN ratio(h.debt, h.assets - h.debt) END,
        ratio(h.debt, h.assets),
        h.hf * 1e-18,
        CASE
            WHEN NOT h.has_debt THEN NULL
            WHEN cardinality(h.debt_assets) = 1 AND h.collateral_assets = h.debt_assets THEN 'same_asset'
            ELSE 'directional'
        END,
        account_status(h.assets * h.usd, h.debt * h.usd, h.has_debt),
        CASE WHEN NOT h.has_debt OR h.debt = 0 THEN false ELSE h.hf < 1e18 END,
        h.hf, h.collateral, h.debt,
        -- greatest() skips NULL, so it may only meet numbers
        CASE WHEN h.debt IS NOT NULL AND h.avg_ltv IS NOT NULL
             THEN greatest(percent_mul_half_up(h.collateral, h.avg_ltv) - h.debt, 0) END,
        h.avg_threshold, h.avg_ltv, NULL::numeric, NULL::numeric, NULL::integer,
        hex_list(h.collateral_assets), hex_list(h.debt_assets),
        CASE WHEN cardinality(h.collateral_assets) = 1 THEN h.bonus END,
        CASE WHEN cardinality(h.collateral_assets) = 1 THEN h.collateral_price * h.usd END,
        h.as_of_block, to_timestamp(h.as_of_time), h.chain_id, h.deployment_key, NULL::bigint
    FROM (
        SELECT g.*, w.price_usd * 1e-18 AS usd,
            CASE WHEN g.collateral = 0 THEN 0 ELSE div(g.weighted_ltv, g.collateral) END AS avg_ltv,
            CASE WHEN g.collateral = 0 THEN 0 ELSE div(g.weighted_threshold, g.collateral) END AS avg_threshold,
            CASE
                WHEN NOT g.has_debt OR coalesce(g.debt, 0) = 0 THEN NULL
                WHEN g.collateral = 0 THEN 0
                ELSE wad_div_half_up(percent_mul_half_up(g.collateral, div(g.weighted_threshold, g.collateral)), g.debt)
            END AS hf
        FROM (
            SELECT
                v.chain_id, v.deployment_key, v.account_bytes, min(v.as_of_block) AS as_of_block,
                min(v.as_of_time) AS as_of_time,
                bool_or(v.side = 'debt') AS has_debt,
                -- sums skip NULL: a leg without price or amount must make its whole sum NULL
                CASE WHEN count(*) FILTER (WHERE v.counts AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value) FILTER (WHERE v.counts), 0) END AS collateral,
                CASE WHEN count(*) FILTER (WHERE v.side = 'supply' AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value) FILTER (WHERE v.side = 'supply'), 0) END AS assets,
                CASE WHEN count(*) FILTER (WHERE v.side = 'debt' AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value) FILTER (WHERE v.side = 'debt'), 0) END AS debt,
                CASE WHEN count(*) FILTER (WHERE v.counts AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value * v.ltv) FILTER (WHERE v.counts), 0) END AS weighted_ltv,
                CASE WHEN count(*) FILTER (WHERE v.counts AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value * v.threshold) FILTER (WHERE v.counts), 0) END AS weighted_threshold,
                max(v.bonus) FILTER (WHERE v.counts) AS bonus,
                max(v.price_raw) FILTER (WHERE v.counts) AS collateral_price,
                coalesce(array_agg(v.asset) FILTER (WHERE v.counts), '{}') AS collateral_assets,
                coalesce(array_agg(v.asset) FILTER (WHERE v.side = 'debt'), '{}') AS debt_assets
            FROM aave_v2_valued(p_chain, p_block, p_accounts) v
            GROUP BY v.chain_id, v.deployment_key, v.account_bytes
        ) g
        LEFT JOIN aave_v2_base_price(p_chain, p_block, p_accounts) w
            ON w.chain_id = g.chain_id AND w.deployment_key = g.deployment_key
    ) h
    JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
$$;
