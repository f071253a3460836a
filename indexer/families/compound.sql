-- Compound v2 and forks: pending interest from the rate model, exchange rates, debts and liquidity, to the wei.
--
-- Source   compound-protocol: CToken.accrueInterest, exchangeRateStoredInternal, borrowBalanceStoredInternal,
--          Comptroller.getHypotheticalAccountLiquidityInternal, JumpRateModelV2, ExponentialNoError
-- Units    rates WAD a block or a second; exchange rate, index and factors WAD; every division truncates
-- Regimes  blocks   Compound: interest grows by block number
--          seconds  Moonwell: by the block's second
-- extra    accrued_block, cash, reserves; irm_base, irm_multiplier, irm_jump, irm_kink (no kink: a line); initial_rate.
--          What is unknown is absent: once a block has passed since the last accrual, all amounts that need it are NULL

-- getBorrowRate(cash, borrows, reserves)
CREATE FUNCTION compound_rate(s market_state) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    base numeric := (s.extra ->> 'irm_base')::numeric;
    multiplier numeric := (s.extra ->> 'irm_multiplier')::numeric;
    kink numeric := (s.extra ->> 'irm_kink')::numeric;
    used numeric := compound_utilization(s);
BEGIN
    IF kink IS NULL OR used <= kink THEN
        RETURN div(used * multiplier, 1e18) + base;
    END IF;
    RETURN div((used - kink) * (s.extra ->> 'irm_jump')::numeric, 1e18) + div(kink * multiplier, 1e18) + base;
END $$;

CREATE FUNCTION compound_utilization(s market_state) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN s.debt_assets_raw = 0 THEN 0
    WHEN (s.extra ->> 'cash')::numeric + s.debt_assets_raw - (s.extra ->> 'reserves')::numeric > 0
    THEN div(s.debt_assets_raw * 1e18, (s.extra ->> 'cash')::numeric + s.debt_assets_raw - (s.extra ->> 'reserves')::numeric)
END;

-- What accrueInterest would book at block b and second t; nothing is pending in the block of the last accrual.
-- debt_rate_raw and supply_rate_raw are borrowRatePerBlock and supplyRatePerBlock: of the stored totals.
CREATE FUNCTION compound_quote(s market_state, t bigint, b bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
    cash numeric := (s.extra ->> 'cash')::numeric;
    reserves numeric := (s.extra ->> 'reserves')::numeric;
    steps numeric := CASE s.regime
        WHEN 'blocks' THEN b - (s.extra ->> 'accrued_block')::numeric
        WHEN 'seconds' THEN CASE WHEN s.extra ? 'accrued_block' THEN t - s.accrued_at END
    END;
    rate numeric := compound_rate(s);
    interest numeric;
BEGIN
    q.supply_shares_raw := s.supply_shares_raw;
    q.debt_shares_raw := s.debt_shares_raw;
    q.debt_rate_raw := rate;
    q.supply_rate_raw := div(compound_utilization(s) * div(rate * (1e18 - s.fee_raw), 1e18), 1e18);
    -- by blocks: 12 seconds each
    q.rate_unit := CASE s.regime WHEN 'blocks' THEN 2628000e-18 ELSE 31536000e-18 END;
    q.supply_denominator := 1e18;
    q.supply_rounding := 'floor';
    IF steps = 0 THEN
        interest := 0;
        q.debt_index_raw := s.debt_index_raw;
    ELSIF rate <= 5000000000000 THEN  -- above borrowRateMaxMantissa the contract accrues no more
        interest := div(rate * steps * s.debt_assets_raw, 1e18);
        q.debt_index_raw := div(rate * steps * s.debt_index_raw, 1e18) + s.debt_index_raw;
        reserves := div(s.fee_raw * interest, 1e18) + reserves;
    END IF;
    q.debt_assets_raw := s.debt_assets_raw + interest;
    q.supply_index_raw := CASE
        WHEN s.supply_shares_raw = 0 THEN (s.extra ->> 'initial_rate')::numeric
        ELSE div((cash + q.debt_assets_raw - reserves) * 1e18, s.supply_shares_raw)
    END;
    q.supply_numerator := q.supply_index_raw;
    q.supply_assets_raw := CASE WHEN s.supply_shares_raw = 0 THEN 0 ELSE div(s.supply_shares_raw * q.supply_index_raw, 1e18) END;
    RETURN q;
END $$;

-- balanceOfUnderlying and borrowBalanceCurrent: a principal grows by index now / index at the account's last change.
CREATE FUNCTION compound_amount(
    side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote
) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE side
    WHEN 'supply' THEN div(shares * q.supply_numerator, 1e18)
    WHEN 'debt' THEN div(shares * q.debt_index_raw, basis)
END;

-- Every balance as the comptroller takes it: `weighted` collateral or `owed` debt in the oracle's quote, by what is stored;
-- units and USD with pending interest.
CREATE FUNCTION compound_valued(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, account_bytes bytea, as_of_block bigint, as_of_time bigint,
    side text, asset bytea, symbol text, units numeric, price_usd numeric, counts boolean, factor numeric,
    weighted numeric, owed numeric, usd numeric, incentive numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        p.chain_id, p.deployment_key, p.market_key, p.account_bytes, p.as_of_block, p.as_of_time, p.side, p.asset, p.symbol,
        p.amount_raw * p.unit, nullif(p.price_usd, 0),
        p.side = 'supply' AND p.is_collateral AS counts, coalesce(f.collateral_factor, 0),
        CASE WHEN p.side = 'supply' THEN
            div(p.shares_raw * div(div(coalesce(f.collateral_factor, 0) * k.supply_index, 1e18)
                                   * nullif(p.oracle_price_raw, 0), 1e18), 1e18) END AS weighted,
        CASE WHEN p.side = 'debt' THEN
            div(nullif(p.oracle_price_raw, 0) * div(p.shares_raw * k.debt_index, p.basis_raw), 1e18) END AS owed,
        round(p.amount_raw * p.unit * nullif(p.price_usd, 0), 18) AS usd,
        i.incentive
    FROM position_books(p_chain, p_block, p_accounts, 'compound') p
    JOIN (
        SELECT x.chain_id, x.market_key, (x.state).supply_index_raw AS supply_index,
            (x.state).debt_index_raw AS debt_index
        FROM books(p_chain, p_block, p_accounts, 'compound') x
    ) k ON k.chain_id = p.chain_id AND k.market_key = p.market_key
    LEFT JOIN (
        SELECT y.chain_id, y.subject, y.value_raw AS collateral_factor
        FROM params_at(p_chain, p_block, p_accounts) y WHERE y.name = 'collateral_factor_raw' AND y.qualifier = ''
    ) f ON f.chain_id = p.chain_id AND f.subject = p.market_key
    LEFT JOIN (
        SELECT z.chain_id, z.subject, z.value_raw AS incentive
        FROM params_at(p_chain, p_block, p_accounts) z
        WHERE z.name = 'liquidation_incentive_raw' AND z.qualifier = ''
    ) i ON i.chain_id = p.chain_id AND i.subject = p.deployment_key
$$;

-- getAccountLiquidity for every account with a balance, one row per (account, comptroller). The comptroller decides by
-- what is stored, without pending interest; amounts in USD are with it.
--   max_borrow_raw  sum over entered markets of floor(floor(floor(factor * rate) * price) * tokens)
--   debt_raw        sum over all debts of floor(price * debt), both in the oracle's quote, scaled 1e18
--   liquidity = max(0, max_borrow_raw - debt_raw), shortfall = max(0, debt_raw - max_borrow_raw)
-- A price of 0 is no price (the contract refuses to answer).
CREATE FUNCTION compound_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        hex(h.account_bytes), d.project, d.version, d.name, NULL::text,
        h.collateral_usd, h.assets_usd, h.debt_usd, h.assets_usd - h.debt_usd,
        CASE WHEN h.assets_usd > h.debt_usd THEN ratio(h.assets_usd, h.assets_usd - h.debt_usd) END,
        CASE WHEN h.assets_usd > h.debt_usd THEN ratio(h.debt_usd, h.assets_usd - h.debt_usd) END,
        ratio(h.debt_usd, h.assets_usd),
        h.hf * 1e-18,
        CASE
            WHEN NOT h.has_debt THEN NULL
            WHEN cardinality(h.debt_assets) = 1 AND h.collateral_assets = h.debt_assets THEN 'same_asset'
            ELSE 'directional'
        END,
        account_status(h.assets_usd, h.debt_usd, h.has_debt),
        CASE WHEN NOT h.has_debt THEN false ELSE h.debt > h.max_borrow END,
        h.hf, NULL::numeric, NULL::numeric,
        CASE WHEN h.max_borrow IS NOT NULL AND h.debt IS NOT NULL THEN greatest(h.max_borrow - h.debt, 0) END,
        NULL::numeric, NULL::numeric, h.max_borrow, h.debt, NULL::integer,
        hex_list(h.collateral_assets), hex_list(h.debt_assets),
        div(h.incentive, 1e14),
        CASE WHEN cardinality(h.collateral_assets) = 1 THEN h.collateral_price_usd END,
        h.as_of_block, to_timestamp(h.as_of_time), h.chain_id, h.deployment_key, NULL::bigint
    FROM (
        SELECT g.*, CASE WHEN g.has_debt AND g.debt > 0 THEN div(g.max_borrow * 1e18, g.debt) END AS hf
        FROM (
            SELECT
                v.chain_id, v.deployment_key, v.account_bytes, min(v.as_of_block) AS as_of_block,
                min(v.as_of_time) AS as_of_time, bool_or(v.side = 'debt') AS has_debt, max(v.incentive) AS incentive,
                CASE WHEN count(*) FILTER (WHERE v.counts AND v.weighted IS NULL) = 0
                     THEN coalesce(sum(v.weighted) FILTER (WHERE v.counts), 0) END AS max_borrow,
                CASE WHEN count(*) FILTER (WHERE v.side = 'debt' AND v.owed IS NULL) = 0
                     THEN coalesce(sum(v.owed) FILTER (WHERE v.side = 'debt'), 0) END AS debt,
                CASE WHEN count(*) FILTER (WHERE v.counts AND v.usd IS NULL) = 0
                     THEN coalesce(sum(v.usd) FILTER (WHERE v.counts), 0) END AS collateral_usd,
                CASE WHEN count(*) FILTER (WHERE v.side = 'supply' AND v.usd IS NULL) = 0
                     THEN coalesce(sum(v.usd) FILTER (WHERE v.side = 'supply'), 0) END AS assets_usd,
                CASE WHEN count(*) FILTER (WHERE v.side = 'debt' AND v.usd IS NULL) = 0
                     THEN coalesce(sum(v.usd) FILTER (WHERE v.side = 'debt'), 0) END AS debt_usd,
                max(v.price_usd) FILTER (WHERE v.counts) AS collateral_price_usd,
                coalesce(array_agg(v.asset) FILTER (WHERE v.counts), '{}') AS collateral_assets,
                coalesce(array_agg(v.asset) FILTER (WHERE v.side = 'debt'), '{}') AS debt_assets
            FROM compound_valued(p_chain, p_block, p_accounts) v
            GROUP BY v.chain_id, v.deployment_key, v.account_bytes
        ) g
    ) h
    JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
$$;
