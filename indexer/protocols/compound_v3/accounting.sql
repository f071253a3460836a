-- Compound v3 (Comet): indexes with pending interest, balances and health, to the wei.
--
-- Source   comet: Comet.accruedInterestIndices, getSupplyRate, getBorrowRate, getUtilization, isBorrowCollateralized,
--          isLiquidatable; CometCore.presentValue
-- Units    indexes 1e15, rates WAD a second, factors WAD, prices and values 8 decimals in the Comet's own numeraire
-- Regimes  base        signed principal, split into supply and debt; totals by reads
--          collateral  plain amounts
-- Omits    reserves. Rate constants are in market_state.extra once they were read; without them every amount of the
--          base market is NULL as soon as time has passed since the last accrual that was read.

-- getUtilization: present totals at the stored indexes, WAD.
CREATE FUNCTION comet_utilization(s market_state) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN div(s.supply_shares_raw * s.supply_index_raw, 1e15) = 0 THEN 0
    ELSE div(div(s.debt_shares_raw * s.debt_index_raw, 1e15) * 1e18, div(s.supply_shares_raw * s.supply_index_raw, 1e15))
END;

-- getSupplyRate, getBorrowRate: two lines that meet at the kink. NULL while a constant is unknown.
CREATE FUNCTION comet_rate(used numeric, kink numeric, base numeric, low numeric, high numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN used <= kink THEN base + div(low * used, 1e18)
    ELSE base + div(low * kink, 1e18) + div(high * (used - kink), 1e18)
END;

-- accruedInterestIndices at second t: index + floor(index * (rate * seconds) / 1e18), from the stored totals.
CREATE FUNCTION comet_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
    seconds numeric := t - s.accrued_at;
    used numeric;
BEGIN
    q.rate_unit := 31536000e-18;
    q.supply_shares_raw := s.supply_shares_raw;
    q.debt_shares_raw := s.debt_shares_raw;
    IF s.regime = 'collateral' THEN
        q.supply_assets_raw := s.supply_assets_raw;
        q.debt_assets_raw := 0;
        q.supply_rate_raw := 0;
        RETURN q;
    ELSIF s.regime IS NULL OR s.accrued_at = 0 THEN
        RETURN q;
    END IF;
    used := comet_utilization(s);
    q.supply_rate_raw := comet_rate(used, (s.extra ->> 'supply_kink')::numeric, (s.extra ->> 'supply_rate_base')::numeric,
        (s.extra ->> 'supply_rate_low')::numeric, (s.extra ->> 'supply_rate_high')::numeric);
    q.debt_rate_raw := comet_rate(used, (s.extra ->> 'borrow_kink')::numeric, (s.extra ->> 'borrow_rate_base')::numeric,
        (s.extra ->> 'borrow_rate_low')::numeric, (s.extra ->> 'borrow_rate_high')::numeric);
    IF seconds = 0 THEN
        q.supply_index_raw := s.supply_index_raw;
        q.debt_index_raw := s.debt_index_raw;
    ELSE
        q.supply_index_raw := s.supply_index_raw + div(s.supply_index_raw * (q.supply_rate_raw * seconds), 1e18);
        q.debt_index_raw := s.debt_index_raw + div(s.debt_index_raw * (q.debt_rate_raw * seconds), 1e18);
    END IF;
    q.supply_assets_raw := div(s.supply_shares_raw * q.supply_index_raw, 1e15);
    q.debt_assets_raw := div(s.debt_shares_raw * q.debt_index_raw, 1e15);
    -- balanceOf and borrowBalanceOf both floor
    q.supply_numerator := q.supply_index_raw;
    q.supply_denominator := 1e15;
    q.supply_rounding := 'floor';
    q.debt_numerator := q.debt_index_raw;
    q.debt_denominator := 1e15;
    q.debt_rounding := 'floor';
    RETURN q;
END $$;

-- Every balance as the Comet takes it, in its numeraire (8 decimals): `value` with pending interest, a debt's `stored` value at
-- the stored index, a collateral's `borrowable` and `safe` parts by its two factors.
CREATE FUNCTION comet_valued(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, account_bytes bytea, as_of_block bigint, as_of_time bigint,
    side text, asset bytea, symbol text, units numeric, price_usd numeric, borrow_factor numeric, liquidate_factor numeric,
    liquidation_factor numeric, usd numeric, value numeric, stored numeric, borrowable numeric, safe numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, b.market_key, b.account_bytes, b.as_of_block, b.as_of_time, b.side, b.asset, b.symbol,
        b.amount_raw * b.unit, b.price_usd, b.borrow_factor, b.liquidate_factor, b.liquidation_factor,
        round(b.amount_raw * b.unit * b.price_usd, 18) AS usd,
        div(b.amount_raw * b.oracle_price_raw, b.scale) AS value,
        div(div(b.shares_raw * b.stored_debt_index, 1e15) * b.oracle_price_raw, b.scale) AS stored,
        div(div(b.amount_raw * b.oracle_price_raw, b.scale) * b.borrow_factor, 1e18) AS borrowable,
        div(div(b.amount_raw * b.oracle_price_raw, b.scale) * b.liquidate_factor, 1e18) AS safe
    FROM (
        SELECT p.chain_id, p.deployment_key, p.market_key, p.account_bytes, p.as_of_block, p.as_of_time, p.side, p.asset, p.symbol,
            p.shares_raw, p.amount_raw, p.oracle_price_raw, p.price_usd, p.unit,
            (k.state).debt_index_raw AS stored_debt_index,
            f.scale, f.borrow_factor, f.liquidate_factor, f.liquidation_factor
        FROM position_books(p_chain, p_block, p_accounts, 'comet') p
        JOIN books(p_chain, p_block, p_accounts, 'comet') k
            ON k.chain_id = p.chain_id AND k.market_key = p.market_key
        LEFT JOIN (
            SELECT a.chain_id, a.subject, a.qualifier,
                max(a.value_raw) FILTER (WHERE a.name = 'scale') AS scale,
                max(a.value_raw) FILTER (WHERE a.name = 'borrow_factor_raw') AS borrow_factor,
                max(a.value_raw) FILTER (WHERE a.name = 'liquidate_factor_raw') AS liquidate_factor,
                max(a.value_raw) FILTER (WHERE a.name = 'liquidation_factor_raw') AS liquidation_factor
            FROM params_at(p_chain, p_block, p_accounts) a
            WHERE a.name IN ('scale', 'borrow_factor_raw', 'liquidate_factor_raw', 'liquidation_factor_raw')
            GROUP BY a.chain_id, a.subject, a.qualifier
        ) f ON f.chain_id = p.chain_id AND f.subject = p.deployment_key
            AND f.qualifier = CASE WHEN p.side = 'collateral' THEN hex(p.asset) ELSE '' END
    ) b
$$;

-- One row per (account, Comet) with any balance there, values in the Comet's numeraire (8 decimals), each leg floored.
--   assets, collateral, debt   at the block's second, interest pending included
--   borrow_liquidity, liquidation_liquidity   what isBorrowCollateralized and isLiquidatable hold against zero. Both take
--                              the debt at the stored index (no accrual), the collateral by its two factors.
-- A leg without price, scale or factor makes its whole sum NULL.
CREATE FUNCTION comet_liquidity(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, account_bytes bytea, as_of_block bigint, as_of_time bigint,
    has_debt boolean, assets numeric, collateral numeric, debt numeric,
    borrow_liquidity numeric, liquidation_liquidity numeric, borrow_power numeric, liquidation_power numeric,
    assets_usd numeric, collateral_usd numeric, debt_usd numeric,
    collateral_assets bytea[], debt_assets bytea[], collateral_price_usd numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT g.chain_id, g.deployment_key, g.account_bytes, g.as_of_block, g.as_of_time,
        g.has_debt, g.assets, g.collateral, g.debt,
        g.borrow_power - g.stored_debt, g.liquidation_power - g.stored_debt, g.borrow_power, g.liquidation_power,
        g.assets_usd, g.collateral_usd, g.debt_usd, g.collateral_assets, g.debt_assets, g.collateral_price_usd
    FROM (
        SELECT v.chain_id, v.deployment_key, v.account_bytes, min(v.as_of_block) AS as_of_block,
            min(v.as_of_time) AS as_of_time, bool_or(v.side = 'debt') AS has_debt,
            CASE WHEN count(*) FILTER (WHERE v.side <> 'debt' AND v.usd IS NULL) = 0
                 THEN coalesce(sum(v.usd) FILTER (WHERE v.side <> 'debt'), 0) END AS assets_usd,
            CASE WHEN count(*) FILTER (WHERE v.side = 'collateral' AND v.usd IS NULL) = 0
                 THEN coalesce(sum(v.usd) FILTER (WHERE v.side = 'collateral'), 0) END AS collateral_usd,
            CASE WHEN count(*) FILTER (WHERE v.side = 'debt' AND v.usd IS NULL) = 0
                 THEN coalesce(sum(v.usd) FILTER (WHERE v.side = 'debt'), 0) END AS debt_usd,
            CASE WHEN count(*) FILTER (WHERE v.side <> 'debt' AND v.value IS NULL) = 0
                 THEN coalesce(sum(v.value) FILTER (WHERE v.side <> 'debt'), 0) END AS assets,
            CASE WHEN count(*) FILTER (WHERE v.side = 'collateral' AND v.value IS NULL) = 0
                 THEN coalesce(sum(v.value) FILTER (WHERE v.side = 'collateral'), 0) END AS collateral,
            CASE WHEN count(*) FILTER (WHERE v.side = 'debt' AND v.value IS NULL) = 0
                 THEN coalesce(sum(v.value) FILTER (WHERE v.side = 'debt'), 0) END AS debt,
            CASE WHEN count(*) FILTER (WHERE v.side = 'debt' AND v.stored IS NULL) = 0
                 THEN coalesce(sum(v.stored) FILTER (WHERE v.side = 'debt'), 0) END AS stored_debt,
            CASE WHEN count(*) FILTER (WHERE v.side = 'collateral' AND v.borrowable IS NULL) = 0
                 THEN coalesce(sum(v.borrowable) FILTER (WHERE v.side = 'collateral'), 0) END AS borrow_power,
            CASE WHEN count(*) FILTER (WHERE v.side = 'collateral' AND v.safe IS NULL) = 0
                 THEN coalesce(sum(v.safe) FILTER (WHERE v.side = 'collateral'), 0) END AS liquidation_power,
            coalesce(array_agg(v.asset) FILTER (WHERE v.side = 'collateral'), '{}') AS collateral_assets,
            coalesce(array_agg(v.asset) FILTER (WHERE v.side = 'debt'), '{}') AS debt_assets,
            max(v.price_usd) FILTER (WHERE v.side = 'collateral') AS collateral_price_usd
        FROM comet_valued(p_chain, p_block, p_accounts) v
        GROUP BY v.chain_id, v.deployment_key, v.account_bytes
    ) g
$$;

-- One row per (account, Comet). Liquidatable exactly when liquidation_liquidity < 0.
--   health_factor_raw = floor(liquidation_power * 1e18 / debt)
-- Ratios are of values in the Comet's numeraire. USD columns take the Comet's own prices where its feeds are known to be in
-- USD, else any USD price of the chain, else they are NULL and the account is unpriced.
CREATE FUNCTION comet_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        hex(h.account_bytes), d.project, d.version, d.name, NULL::text,
        h.collateral_usd, h.assets_usd, h.debt_usd, h.assets_usd - h.debt_usd,
        CASE WHEN h.assets > h.debt THEN ratio(h.assets, h.assets - h.debt) END,
        CASE WHEN h.assets > h.debt THEN ratio(h.debt, h.assets - h.debt) END,
        ratio(h.debt, h.assets),
        h.hf * 1e-18,
        CASE WHEN NOT h.has_debt THEN NULL ELSE 'directional' END,
        account_status(h.assets_usd, h.debt_usd, h.has_debt),
        CASE WHEN NOT h.has_debt THEN false ELSE h.liquidation_liquidity < 0 END,
        h.hf, h.collateral, h.debt,
        CASE WHEN h.borrow_liquidity IS NULL THEN NULL ELSE greatest(h.borrow_liquidity, 0) END,
        CASE WHEN h.collateral > 0 THEN div(h.liquidation_power * 10000, h.collateral) END,
        CASE WHEN h.collateral > 0 THEN div(h.borrow_power * 10000, h.collateral) END,
        NULL::numeric, NULL::numeric, NULL::integer,
        hex_list(h.collateral_assets), hex_list(h.debt_assets),
        NULL::numeric,
        CASE WHEN cardinality(h.collateral_assets) = 1 THEN h.collateral_price_usd END,
        h.as_of_block, to_timestamp(h.as_of_time), h.chain_id, h.deployment_key, NULL::bigint
    FROM (
        SELECT l.*,
            CASE WHEN l.has_debt AND l.debt > 0 THEN div(l.liquidation_power * 1e18, l.debt) END AS hf
        FROM comet_liquidity(p_chain, p_block, p_accounts) l
    ) h
    JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
$$;
