-- Morpho Blue: market totals with pending interest, balances and health, to the wei.
--
-- Source   morpho-blue 1.0.0: Morpho._accrueInterest, _isHealthy, MathLib, SharesMathLib, MorphoBalancesLib;
--          morpho-blue-irm: AdaptiveCurveIrm, ExpLib, FixedRateIrm
-- Units    rates WAD a second, shares with 1e6 virtual shares and 1 virtual asset
-- Regimes  adaptive  AdaptiveCurveIrm, from rate_at_target_raw (0 before the first accrual)
--          fixed     FixedRateIrm: debt_rate_raw holds until changed
--          none      irm = 0: no interest, ever
--          unknown   an IRM without a rule here: once time has passed since the last accrual and something is borrowed,
--                    every amount of the market is NULL (never an old rate carried forward). Indexing with a node that
--                    accrues, or adding the IRM, brings them back
-- Omits    pending fee shares of the fee recipient: they are in supply_shares_raw, not yet in anybody's balance, as in
--          the contract (MorphoBalancesLib says the same of its expectedSupplyAssets)

-- ExpLib.wExp: 2^q * (1 + r + r^2/2) with r = x - q ln 2; every division truncates toward zero, >> floors.
CREATE FUNCTION morpho_exp(x numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    ln2 CONSTANT numeric := 693147180559945309;
    q integer;
    r numeric;
    series numeric;
BEGIN
    IF x < -41446531673892822312 THEN
        RETURN 0;
    ELSIF x >= 93859467695000404319 THEN
        RETURN 57716089161558943949701069502944508345128422502756744429568;
    END IF;
    q := div(x + CASE WHEN x < 0 THEN -div(ln2, 2) ELSE div(ln2, 2) END, ln2);
    r := x - q * ln2;
    series := 1e18 + r + div(div(r * r, 1e18), 2);
    RETURN CASE WHEN q < 0 THEN div(series, trunc(power(2::numeric, -q))) ELSE series * trunc(power(2::numeric, q)) END;
END $$;

-- AdaptiveCurveIrm._newRateAtTarget: grown by exp, kept between 0.1 % and 200 % a year (31536000 seconds, floored).
CREATE FUNCTION morpho_moved_rate(rate numeric, drift numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(greatest(div(rate * morpho_exp(drift), 1e18), 31709791), 63419583967);

-- AdaptiveCurveIrm.borrowRateView: the average rate over `seconds` since the last accrual, WAD a second.
--   constants: target utilisation 0.9, steepness 4, speed 50 a year, first rate 4 % a year
CREATE FUNCTION morpho_adaptive_rate(debt_assets numeric, supply_assets numeric, rate_at_target numeric, seconds numeric)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    target CONSTANT numeric := 900000000000000000;
    speed CONSTANT numeric := 1585489599188;
    used numeric := CASE WHEN supply_assets = 0 THEN 0 ELSE div(debt_assets * 1e18, supply_assets) END;
    distance numeric := div((used - target) * 1e18, CASE WHEN used > target THEN 1e18 - target ELSE target END);
    slope numeric := CASE WHEN distance < 0 THEN 1e18 - div(1e36, 4e18) ELSE 4e18 - 1e18 END;
    drift numeric;
    last numeric;
    middle numeric;
BEGIN
    IF coalesce(rate_at_target, 0) = 0 THEN
        middle := 1268391679;
    ELSE
        drift := div(speed * distance, 1e18) * seconds;
        IF drift = 0 THEN
            middle := rate_at_target;
        ELSE
            last := morpho_moved_rate(rate_at_target, drift);
            middle := div(rate_at_target + last + 2 * morpho_moved_rate(rate_at_target, div(drift, 2)), 4);
        END IF;
    END IF;
    RETURN div((div(slope * distance, 1e18) + 1e18) * middle, 1e18);
END $$;

-- MathLib.wTaylorCompounded: e^(rate * seconds) - 1, three terms, each floored.
CREATE FUNCTION morpho_compounded(rate numeric, seconds numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    x numeric := rate * seconds;
    squared numeric := div(x * x, 2e18);
BEGIN
    RETURN x + squared + div(squared * x, 3e18);
END $$;

-- MorphoBalancesLib.expectedMarketBalances at second t.
CREATE FUNCTION morpho_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
    seconds numeric := t - s.accrued_at;
    rate numeric;
    interest numeric := 0;
    fee numeric;
BEGIN
    rate := CASE s.regime
        WHEN 'adaptive' THEN morpho_adaptive_rate(s.debt_assets_raw, s.supply_assets_raw, s.rate_at_target_raw, seconds)
        WHEN 'fixed' THEN s.debt_rate_raw
        WHEN 'none' THEN 0
    END;
    q.debt_rate_raw := rate;
    q.rate_unit := 31536000e-18;
    q.supply_shares_raw := s.supply_shares_raw;
    q.debt_shares_raw := s.debt_shares_raw;
    IF s.regime IS NULL THEN
        RETURN q;
    ELSIF seconds <> 0 AND s.debt_assets_raw <> 0 THEN
        interest := div(s.debt_assets_raw * morpho_compounded(rate, seconds), 1e18);
        IF interest IS NULL THEN
            RETURN q;
        END IF;
    END IF;
    q.debt_assets_raw := s.debt_assets_raw + interest;
    q.supply_assets_raw := s.supply_assets_raw + interest;
    IF interest > 0 AND s.fee_raw > 0 THEN
        fee := div(interest * s.fee_raw, 1e18);
        q.supply_shares_raw := q.supply_shares_raw
            + div(fee * (s.supply_shares_raw + 1000000), q.supply_assets_raw - fee + 1);
    END IF;
    q.supply_rate_raw := CASE WHEN q.supply_assets_raw > 0
        THEN div(div(rate * q.debt_assets_raw, q.supply_assets_raw) * (1e18 - coalesce(s.fee_raw, 0)), 1e18) ELSE 0 END;
    -- toAssetsDown for lenders, toAssetsUp for borrowers
    q.supply_numerator := q.supply_assets_raw + 1;
    q.supply_denominator := q.supply_shares_raw + 1000000;
    q.supply_rounding := 'floor';
    q.debt_numerator := q.debt_assets_raw + 1;
    q.debt_denominator := q.debt_shares_raw + 1000000;
    q.debt_rounding := 'ceil';
    RETURN q;
END $$;

-- Liquidation incentive factor, WAD: min(1.15, 1 / (1 - 0.3 * (1 - lltv))), as the contract floors it; NULL without an lltv.
CREATE FUNCTION morpho_incentive(lltv numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN lltv IS NOT NULL
    THEN least(1150000000000000000, div(1e36, 1e18 - div(3e17 * (1e18 - lltv), 1e18))) END;

-- One row per (account, market) with any balance there; a lender without debt is `no_debt`.
--   max_borrow_raw = floor(floor(collateral * price / 1e36) * lltv / 1e18), debt_raw = toAssetsUp, both in the loan token
--   liquidatable exactly when max_borrow_raw < debt_raw (the contract is healthy at equality)
--   health_factor_raw = floor(max_borrow_raw * 1e18 / debt_raw): needs the market's oracle, no USD price
-- pair_class is same_asset or directional: Morpho itself says nothing about correlation.
CREATE FUNCTION morpho_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        hex(h.account_bytes), d.project, d.version, d.name, m.market_id,
        h.collateral_usd, h.assets_usd, h.debt_usd, h.assets_usd - h.debt_usd,
        CASE WHEN h.assets_usd > h.debt_usd THEN ratio(h.assets_usd, h.assets_usd - h.debt_usd) END,
        CASE WHEN h.assets_usd > h.debt_usd THEN ratio(h.debt_usd, h.assets_usd - h.debt_usd) END,
        ratio(h.debt_usd, h.assets_usd),
        h.hf * 1e-18,
        CASE
            WHEN NOT h.has_debt THEN NULL
            WHEN h.collateral_assets = h.debt_assets THEN 'same_asset'
            ELSE 'directional'
        END,
        account_status(h.assets_usd, h.debt_usd, h.has_debt),
        CASE WHEN NOT h.has_debt THEN false ELSE h.max_borrow < h.debt END,
        h.hf, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric,
        h.max_borrow, CASE WHEN h.has_debt THEN h.debt ELSE 0 END, NULL::integer,
        hex_list(h.collateral_assets), hex_list(h.debt_assets),
        div(morpho_incentive(h.lltv), 1e14),
        h.collateral_price_usd,
        h.as_of_block, to_timestamp(h.as_of_time), h.chain_id, m.deployment_key, h.market_key
    FROM (
        SELECT g.*,
            CASE WHEN g.has_debt AND g.debt > 0 THEN div(g.max_borrow * 1e18, g.debt) END AS hf
        FROM (
            SELECT v.*,
                CASE WHEN v.collateral = 0 THEN 0
                     ELSE div(div(v.collateral * v.oracle_price_raw, 1e36) * v.lltv, 1e18) END AS max_borrow
            FROM (
                SELECT
                    b.chain_id, b.market_key, b.account_bytes, min(b.as_of_block) AS as_of_block,
                    min(b.as_of_time) AS as_of_time, min(b.oracle_price_raw) AS oracle_price_raw, min(r.lltv_raw) AS lltv,
                    bool_or(b.side = 'debt') AS has_debt,
                    coalesce(sum(b.amount_raw) FILTER (WHERE b.side = 'collateral'), 0) AS collateral,
                    sum(b.amount_raw) FILTER (WHERE b.side = 'debt') AS debt,
                    max(b.price_usd) FILTER (WHERE b.side = 'collateral') AS collateral_price_usd,
                    CASE WHEN count(*) FILTER (WHERE b.side = 'collateral' AND b.usd IS NULL) = 0
                         THEN coalesce(sum(b.usd) FILTER (WHERE b.side = 'collateral'), 0) END AS collateral_usd,
                    CASE WHEN count(*) FILTER (WHERE b.side <> 'debt' AND b.usd IS NULL) = 0
                         THEN coalesce(sum(b.usd) FILTER (WHERE b.side <> 'debt'), 0) END AS assets_usd,
                    CASE WHEN count(*) FILTER (WHERE b.side = 'debt' AND b.usd IS NULL) = 0
                         THEN coalesce(sum(b.usd) FILTER (WHERE b.side = 'debt'), 0) END AS debt_usd,
                    coalesce(array_agg(b.asset) FILTER (WHERE b.side = 'collateral'), '{}') AS collateral_assets,
                    coalesce(array_agg(b.asset) FILTER (WHERE b.side = 'debt'), '{}') AS debt_assets
                FROM (
                    SELECT p.*, round(p.amount_raw * p.unit * p.price_usd, 18) AS usd
                    FROM position_books(p_chain, p_block, p_accounts, 'morpho') p
                ) b
                LEFT JOIN market_params_at(p_chain, p_block, p_accounts) r ON r.chain_id = b.chain_id AND r.market_key = b.market_key
                GROUP BY b.chain_id, b.market_key, b.account_bytes
            ) v
        ) g
    ) h
    JOIN market m ON m.chain_id = h.chain_id AND m.market_key = h.market_key
    JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
$$;
