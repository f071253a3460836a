-- Aave v3 and its forks: indexes now, and getUserAccountData of every account, to the wei.
--
-- Source   aave-v3-core 1.19.3 (3.0.2) and aave-v3-origin 3.6.0: ReserveLogic.getNormalized*, MathUtils, WadRayMath,
--          PercentageMath, GenericLogic.calculateUserAccountData, ValidationLogic.getUserReserveLtv
-- Units    indexes and rates in ray (rates a year of 365 days), base currency as the pool's oracle quotes (8 decimals)
-- Regimes  unscaled_a 3.0.0      as half_up_a here (it differs in what a transfer's log says)
--          half_up_a  3.0.1-3.3  half-up everywhere, binomial interest
--          half_up_b  3.4        half-up everywhere, Taylor interest
--          directed_b 3.5-3.7    supply floor, debt ceil, Taylor interest
-- Any other regime gives NULL: amounts are then unknown, never guessed.

-- MathUtils.calculateLinearInterest, floored; RAY when no time has passed.
CREATE FUNCTION aave_linear_interest(rate numeric, seconds numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 1e27 + div(rate * seconds, 31536000);

-- MathUtils.calculateCompoundedInterest up to 3.3: three terms of the binomial series, each floored where the contract floors.
CREATE FUNCTION aave_compounded_a(rate numeric, seconds numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    squared numeric;
    cubed numeric;
BEGIN
    IF seconds = 0 THEN
        RETURN 1e27;
    END IF;
    squared := div(ray_mul_half_up(rate, rate), 31536000::numeric * 31536000);
    cubed := div(ray_mul_half_up(squared, rate), 31536000);
    RETURN 1e27 + div(rate * seconds, 31536000)
        + div(seconds * (seconds - 1) * squared, 2)
        + div(seconds * (seconds - 1) * greatest(seconds - 2, 0) * cubed, 6);
END $$;

-- The same from 3.4: x + x^2/2 + x^3/6 by Horner, rayMul half-up.
CREATE FUNCTION aave_compounded_b(rate numeric, seconds numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    x numeric := div(rate * seconds, 31536000);
BEGIN
    RETURN 1e27 + x + ray_mul_half_up(x, div(x, 2) + ray_mul_half_up(x, div(x, 6)));
END $$;

-- getReserveNormalizedIncome and getReserveNormalizedVariableDebt at second t. Stored when t is the stored second.
CREATE FUNCTION aave_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
    seconds numeric := t - s.accrued_at;
    growth numeric;
BEGIN
    q.supply_shares_raw := s.supply_shares_raw;
    q.debt_shares_raw := s.debt_shares_raw;
    q.supply_rate_raw := s.supply_rate_raw;
    q.debt_rate_raw := s.debt_rate_raw;
    q.rate_unit := 1e-27;
    growth := CASE
        WHEN s.regime IN ('unscaled_a', 'half_up_a') THEN aave_compounded_a(s.debt_rate_raw, seconds)
        WHEN s.regime IN ('half_up_b', 'directed_b') THEN aave_compounded_b(s.debt_rate_raw, seconds)
    END;
    IF s.regime IS NULL OR growth IS NULL THEN
        RETURN q;
    END IF;
    q.supply_index_raw := ray_mul_half_up(aave_linear_interest(s.supply_rate_raw, seconds), s.supply_index_raw);
    q.debt_index_raw := ray_mul_half_up(growth, s.debt_index_raw);
    q.supply_numerator := q.supply_index_raw;
    q.debt_numerator := q.debt_index_raw;
    q.supply_denominator := 1e27;
    q.debt_denominator := 1e27;
    q.supply_rounding := CASE s.regime WHEN 'directed_b' THEN 'floor' ELSE 'half_up' END;
    q.debt_rounding := CASE s.regime WHEN 'directed_b' THEN 'ceil' ELSE 'half_up' END;
    q.supply_assets_raw := amount_of(s.supply_shares_raw, q.supply_numerator, q.supply_denominator, q.supply_rounding);
    q.debt_assets_raw := amount_of(s.debt_shares_raw, q.debt_numerator, q.debt_denominator, q.debt_rounding);
    RETURN q;
END $$;

-- What accounts in e-mode get for each reserve: one row a market, `rules` maps category to
-- [ltv_bps, liquidation_threshold_bps, liquidation_bonus_bps, ltvzero, label, price source]; no entry: not a member.
--   up to 3.1  a reserve has one category (emode_category), and the category may bring its own price source
--   from 3.2   membership is per category (emode_collateral); its row, once there, decides
--   from 3.6   emode_ltvzero takes a member's LTV to 0; the reserve's own LTV then no longer matters inside e-mode.
--              Before, a reserve with own LTV 0 (frozen) had LTV 0 in e-mode too. 3.5 shares the regime directed_b:
--              the deployment parameter contract_version = 3.5 selects the older rule.
-- Of a member without emode_collateral row the category's price source, when set, prices it for collateral and debt.
CREATE FUNCTION aave_emode(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (chain_id bigint, market_key bigint, rules jsonb)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        m.chain_id, m.market_key,
        jsonb_object_agg(c.category, jsonb_build_array(
            c.ltv, c.threshold, c.bonus, coalesce(m.zero = 1, false), c.label,
            CASE WHEN m.member IS NULL THEN nullif(c.source, '0x0000000000000000000000000000000000000000') END))
    FROM (
        SELECT p.chain_id, p.subject, p.qualifier AS category,
            max(p.value_raw) FILTER (WHERE p.name = 'emode_ltv_bps') AS ltv,
            max(p.value_raw) FILTER (WHERE p.name = 'emode_liquidation_threshold_bps') AS threshold,
            max(p.value_raw) FILTER (WHERE p.name = 'emode_liquidation_bonus_bps') AS bonus,
            max(p.value_text) FILTER (WHERE p.name = 'emode_label') AS label,
            lower(max(p.value_text) FILTER (WHERE p.name = 'emode_price_source')) AS source
        FROM params_at(p_chain, p_block, p_accounts) p
        WHERE p.name IN ('emode_ltv_bps', 'emode_liquidation_threshold_bps', 'emode_liquidation_bonus_bps', 'emode_label',
                         'emode_price_source')
        GROUP BY p.chain_id, p.subject, p.qualifier
    ) c
    JOIN (
        -- a reserve's memberships: every category with an own row, and its single category of old unless a row overrules it
        SELECT k.chain_id, k.deployment_key, k.market_key, r.category,
            max(r.value_raw) FILTER (WHERE r.name = 'emode_collateral') AS member,
            max(r.value_raw) FILTER (WHERE r.name = 'emode_category') AS single,
            max(r.value_raw) FILTER (WHERE r.name = 'emode_ltvzero') AS zero
        FROM (
            SELECT p.chain_id, p.subject, p.name, p.value_raw,
                CASE p.name WHEN 'emode_category' THEN p.value_raw::text ELSE p.qualifier END AS category
            FROM params_at(p_chain, p_block, p_accounts) p
            WHERE p.name IN ('emode_collateral', 'emode_category', 'emode_ltvzero')
        ) r
        JOIN market k ON k.chain_id = r.chain_id AND k.market_key = r.subject
        GROUP BY k.chain_id, k.deployment_key, k.market_key, r.category
    ) m ON m.chain_id = c.chain_id AND m.deployment_key = c.subject AND m.category = c.category
    WHERE c.category <> '0' AND coalesce(m.member, CASE WHEN m.single > 0 THEN 1 END, 0) = 1
    GROUP BY m.chain_id, m.market_key
$$;

-- Every balance as the pool's account data take it: its value in base units, whether it counts as collateral, and the
-- parameters in force for it. `usd` is the dollars of one base unit, NULL when the base currency is not the dollar.
CREATE FUNCTION aave_valued(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, account_bytes bytea, as_of_block bigint, as_of_time bigint,
    side text, asset bytea, symbol text, units numeric, price_usd numeric, price_raw numeric, usd numeric, directed boolean,
    emode integer, rule jsonb, counts boolean, value numeric, ltv numeric, threshold numeric, bonus numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.deployment_key, b.market_key, b.account_bytes, b.as_of_block, b.as_of_time,
        b.side, b.asset, b.symbol, b.amount_raw * b.unit, b.price_usd, b.price_raw, b.usd, b.directed,
        b.emode, b.rule,
        b.side = 'supply' AND b.is_collateral
            AND (b.category_rule_36 OR coalesce(r.liquidation_threshold_bps, 0) <> 0) AS counts,
        CASE WHEN b.side = 'debt' AND b.directed
             THEN mul_div_ceil(b.amount_raw, b.price_raw, b.token_unit)
             ELSE mul_div_floor(b.amount_raw, b.price_raw, b.token_unit) END AS value,
        CASE
            WHEN b.rule IS NULL THEN coalesce(r.ltv_bps, 0)
            WHEN CASE WHEN b.category_rule_36 THEN (b.rule ->> 3)::boolean ELSE coalesce(r.ltv_bps, 0) = 0 END THEN 0
            ELSE (b.rule ->> 0)::numeric
        END AS ltv,
        CASE WHEN b.rule IS NULL THEN coalesce(r.liquidation_threshold_bps, 0) ELSE (b.rule ->> 1)::numeric END AS threshold,
        CASE WHEN b.rule IS NULL THEN r.liquidation_bonus_bps ELSE (b.rule ->> 2)::numeric END AS bonus
    FROM (
        SELECT
            p.chain_id, p.deployment_key, p.market_key, p.account_bytes, p.as_of_block, p.as_of_time,
            p.side, p.asset, p.symbol, p.unit, p.is_collateral, p.amount_raw, p.price_usd,
            1 / p.unit AS token_unit,
            CASE WHEN p.oracle_price_raw IS NULL OR p.oracle_quote = 'usd' THEN coalesce(1 / du.unit, 1e-8) END AS usd,
            p.regime = 'directed_b' AS directed,
            p.regime = 'directed_b' AND coalesce(du.contract_version, '') NOT LIKE '3.5%' AS category_rule_36,
            coalesce(s.category, 0) AS emode, e.rules -> s.category::text AS rule,
            CASE WHEN e.rules #>> ARRAY[s.category::text, '5'] IS NULL THEN p.oracle_price_raw ELSE (
                SELECT x.price_raw FROM price x
                WHERE x.chain_id = p.chain_id AND x.feed = unhex(du.oracle)
                  AND x.asset = unhex(e.rules #>> ARRAY[s.category::text, '5'])
                  AND x.block_number <= p.as_of_block
                ORDER BY x.block_number DESC, x.log_index DESC LIMIT 1) END AS price_raw
        FROM position_books(p_chain, p_block, p_accounts, 'aave') p
        LEFT JOIN (
            SELECT DISTINCT ON (a.chain_id, a.subject, a.account) a.chain_id, a.subject, a.account,
                a.value_raw::integer AS category
            FROM (  -- two branches, as in position_books
                SELECT a.* FROM account_setting a WHERE p_accounts IS NULL
                UNION ALL
                SELECT a.* FROM account_setting a WHERE a.account = ANY (p_accounts)
            ) a
            WHERE a.name = 'emode' AND (p_block IS NULL OR a.block_number <= p_block)
              AND (p_chain IS NULL OR a.chain_id = p_chain)
            ORDER BY a.chain_id DESC, a.subject DESC, a.account DESC, a.block_number DESC, a.log_index DESC
        ) s ON s.chain_id = p.chain_id AND s.subject = p.deployment_key AND s.account = p.account_bytes
        LEFT JOIN aave_emode(p_chain, p_block, p_accounts) e
            ON e.chain_id = p.chain_id AND e.market_key = p.market_key
        LEFT JOIN (
            SELECT p.chain_id, p.subject,
                max(p.value_raw) FILTER (WHERE p.name = 'base_currency_unit') AS unit,
                max(p.value_text) FILTER (WHERE p.name = 'contract_version') AS contract_version,
                max(p.value_text) FILTER (WHERE p.name = 'price_oracle') AS oracle
            FROM params_at(p_chain, p_block, p_accounts) p
            WHERE p.name IN ('base_currency_unit', 'contract_version', 'price_oracle') AND p.qualifier = ''
            GROUP BY p.chain_id, p.subject
        ) du ON du.chain_id = p.chain_id AND du.subject = p.deployment_key
    ) b
    LEFT JOIN market_params_at(p_chain, p_block, p_accounts) r ON r.chain_id = b.chain_id AND r.market_key = b.market_key
$$;

-- getUserAccountData for every account with a balance, one row per (account, pool).
--   collateral of a reserve = floor(balance * price / 10^decimals), if the account's flag is on and the threshold counts
--   debt of a reserve       = floor (up to 3.4) or ceil (from 3.5) of the same
--   health factor  up to 3.4  wadDiv(percentMul(sum C, floor(sum C*LT / sum C)), D), both half-up
--                  from 3.5   floor(wadDiv(sum C*LT, D) / 10000)
-- LTV and threshold of a reserve that was never configured as collateral are 0, as ReserveInitialized leaves them.
-- A zero threshold takes a reserve out of the collateral up to 3.5; from 3.6 it counts as collateral with threshold 0.
-- Liquidatable below 1 exactly (validateLiquidationCall: health factor < 1e18).
CREATE FUNCTION aave_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF account_health_row
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
            WHEN h.all_in_emode AND h.emode_label ILIKE '%stable%' THEN 'stable'
            WHEN h.all_in_emode THEN 'correlated'
            ELSE 'directional'
        END,
        account_status(h.assets * h.usd, h.debt * h.usd, h.has_debt),
        CASE WHEN NOT h.has_debt OR h.debt = 0 THEN false ELSE h.hf < 1e18 END,
        h.hf, h.collateral, h.debt,
        -- greatest() skips NULL, so it may only meet numbers
        CASE
            WHEN h.debt IS NULL OR h.avg_ltv IS NULL THEN NULL
            WHEN h.directed THEN greatest(percent_mul_floor(h.collateral, h.avg_ltv) - h.debt, 0)
            ELSE greatest(percent_mul_half_up(h.collateral, h.avg_ltv) - h.debt, 0)
        END,
        h.avg_threshold, h.avg_ltv, NULL::numeric, NULL::numeric, h.emode,
        hex_list(h.collateral_assets), hex_list(h.debt_assets),
        CASE WHEN cardinality(h.collateral_assets) = 1 THEN h.bonus END,
        CASE WHEN cardinality(h.collateral_assets) = 1 THEN h.price_usd END,
        h.as_of_block, to_timestamp(h.as_of_time), h.chain_id, h.deployment_key, NULL::bigint
    FROM (
        SELECT g.*,
            CASE WHEN g.collateral = 0 THEN 0 ELSE div(g.weighted_ltv, g.collateral) END AS avg_ltv,
            CASE WHEN g.collateral = 0 THEN 0 ELSE div(g.weighted_threshold, g.collateral) END AS avg_threshold,
            CASE
                WHEN NOT g.has_debt OR coalesce(g.debt, 0) = 0 THEN NULL
                WHEN g.directed THEN div(wad_div_half_up(g.weighted_threshold, g.debt), 10000)
                WHEN g.collateral = 0 THEN 0
                ELSE wad_div_half_up(percent_mul_half_up(g.collateral, div(g.weighted_threshold, g.collateral)), g.debt)
            END AS hf
        FROM (
            SELECT
                v.chain_id, v.deployment_key, v.account_bytes, min(v.as_of_block) AS as_of_block,
                min(v.as_of_time) AS as_of_time, max(v.emode) AS emode,
                min(v.rule ->> 4) FILTER (WHERE v.counts) AS emode_label,
                bool_or(v.directed) AS directed,
                bool_or(v.side = 'debt') AS has_debt,
                -- sums skip NULL: a leg without price or amount must make its whole sum NULL
                CASE WHEN count(*) FILTER (WHERE v.counts AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value) FILTER (WHERE v.counts), 0) END AS collateral,
                CASE WHEN count(*) FILTER (WHERE v.side = 'supply' AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value) FILTER (WHERE v.side = 'supply'), 0) END AS assets,
                CASE WHEN count(*) FILTER (WHERE v.side = 'debt' AND v.value IS NULL) = 0
                     THEN coalesce(sum(v.value) FILTER (WHERE v.side = 'debt'), 0) END AS debt,
                CASE WHEN count(*) FILTER (WHERE v.counts AND (v.value IS NULL OR v.ltv IS NULL)) = 0
                     THEN coalesce(sum(v.value * v.ltv) FILTER (WHERE v.counts), 0) END AS weighted_ltv,
                CASE WHEN count(*) FILTER (WHERE v.counts AND (v.value IS NULL OR v.threshold IS NULL)) = 0
                     THEN coalesce(sum(v.value * v.threshold) FILTER (WHERE v.counts), 0) END AS weighted_threshold,
                max(v.bonus) FILTER (WHERE v.counts) AS bonus,
                max(v.price_usd) FILTER (WHERE v.counts) AS price_usd,
                coalesce(bool_and(v.rule IS NOT NULL) FILTER (WHERE v.counts), false) AS all_in_emode,
                coalesce(array_agg(v.asset) FILTER (WHERE v.counts), '{}') AS collateral_assets,
                coalesce(array_agg(v.asset) FILTER (WHERE v.side = 'debt'), '{}') AS debt_assets,
                -- one base currency a pool; NULL when it is not USD (then shown in raw base units only)
                CASE WHEN bool_and(v.usd IS NOT NULL) THEN min(v.usd) END AS usd
            FROM aave_valued(p_chain, p_block, p_accounts) v
            GROUP BY v.chain_id, v.deployment_key, v.account_bytes
        ) g
    ) h
    JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
$$;
