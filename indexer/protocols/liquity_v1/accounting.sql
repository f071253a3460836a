-- Liquity v1: troves with what is pending by redistribution, deposits as they shrink, ether they gained.
--
-- Source   liquity/dev: TroveManager (getEntireDebtAndColl, computeCR), StabilityPool (getCompoundedLUSDDeposit,
--          getDepositorETHGain), LiquityMath
-- Units    wei of LUSD or ether, accumulators 1e18 a unit of stake. No interest: nothing depends on time
-- Extra    market: L_ETH, L_LUSDDebt, total_stakes, base_rate, active_*, default_*; P, scale, epoch, total, S:<epoch>:<scale>
--          balance: stake, L_ETH, L_LUSDDebt, status; P, S, scale, epoch: as they were at its last change

CREATE FUNCTION liquity_figure(extra jsonb, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN coalesce((extra ->> name)::numeric, 0);

-- Entire debt of the system; shares are the stored debts. Collateral totals: active_coll + default_coll in `extra`.
CREATE FUNCTION liquity_troves_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
BEGIN
    q.debt_assets_raw := liquity_figure(s.extra, 'active_debt') + liquity_figure(s.extra, 'default_debt');
    q.debt_shares_raw := s.debt_shares_raw;
    q.debt_rate_raw := 0;
    q.rate_unit := 1;
    RETURN q;
END $$;

-- getEntireDebtAndColl: stored + stake * (L - L at the last change) / 1e18, floored.
CREATE FUNCTION liquity_troves_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN shares + CASE side
    WHEN 'collateral' THEN div(liquity_figure(extra, 'stake')
        * (liquity_figure((s).extra, 'L_ETH') - liquity_figure(extra, 'L_ETH')), 1e18)
    WHEN 'debt' THEN div(liquity_figure(extra, 'stake')
        * (liquity_figure((s).extra, 'L_LUSDDebt') - liquity_figure(extra, 'L_LUSDDebt')), 1e18)
END;

CREATE FUNCTION liquity_stability_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
BEGIN
    q.supply_assets_raw := liquity_figure(s.extra, 'total');
    q.supply_shares_raw := s.supply_shares_raw;
    q.debt_assets_raw := 0;
    RETURN q;
END $$;

-- getCompoundedLUSDDeposit: deposit * P / P then, a billionth of that a scale; nothing after an emptied pool (epoch), two
-- scales, or below a billionth of the deposit.
CREATE FUNCTION liquity_stability_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    scales numeric := liquity_figure(s.extra, 'scale') - liquity_figure(extra, 'scale');
    now_p numeric := coalesce((s.extra ->> 'P')::numeric, 1e18);
    rest numeric;
BEGIN
    IF liquity_figure(extra, 'epoch') < liquity_figure(s.extra, 'epoch') OR scales > 1 THEN
        RETURN 0;
    END IF;
    rest := div(shares * now_p, liquity_figure(extra, 'P'));
    IF scales = 1 THEN
        rest := div(rest, 1e9);
    END IF;
    RETURN CASE WHEN rest < div(shares, 1e9) THEN 0 ELSE rest END;
END $$;

CREATE FUNCTION liquity_gains_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

-- getDepositorETHGain: shares are the deposit; deposit * (S - S then + S of the next scale / 1e9) / P then / 1e18.
CREATE FUNCTION liquity_gains_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    epoch text := extra ->> 'epoch';
    scale integer := extra ->> 'scale';
    gained numeric := liquity_figure(s.extra, format('S:%s:%s', epoch, scale)) - liquity_figure(extra, 'S')
        + div(liquity_figure(s.extra, format('S:%s:%s', epoch, scale + 1)), 1e9);
BEGIN
    RETURN div(div(shares * gained, liquity_figure(extra, 'P')), 1e18);
END $$;

-- Claimable in CollSurplusPool.
CREATE FUNCTION liquity_surplus_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
BEGIN
    q.supply_numerator := 1;
    q.supply_denominator := 1;
    q.supply_rounding := 'floor';
    q.supply_shares_raw := s.supply_shares_raw;
    q.supply_assets_raw := s.supply_shares_raw;
    RETURN q;
END $$;

-- One row a trove. The price is the system's own (LastGoodPriceUpdated); LUSD counts one dollar, as in the contracts.
--   ICR = floor(coll * price / debt), both with what is pending; health_factor = ICR / 1.1 (MCR 110 %)
--   liquidatable: ICR < 110 %; in recovery mode (the system below 150 %) also 110 % <= ICR < the system's ratio when the
--   Stability Pool holds the whole debt. The last trove of the system, which nobody can close, is not told apart
CREATE FUNCTION liquity_troves_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        hex(h.account_bytes), d.project, d.version, d.name, m.market_id,
        h.coll_usd, h.coll_usd, h.debt_usd, h.coll_usd - h.debt_usd,
        CASE WHEN h.coll_usd > h.debt_usd THEN ratio(h.coll_usd, h.coll_usd - h.debt_usd) END,
        CASE WHEN h.coll_usd > h.debt_usd THEN ratio(h.debt_usd, h.coll_usd - h.debt_usd) END,
        ratio(h.debt_usd, h.coll_usd),
        div(h.icr * 10, 11) * 1e-18,
        'directional',
        account_status(h.coll_usd, h.debt_usd, true),
        h.icr < 1100000000000000000 OR (h.tcr < 1500000000000000000 AND h.icr < h.tcr AND h.pool >= h.debt),
        div(h.icr * 10, 11), NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric,
        div(h.coll * h.price * 10, 11000000000000000000), h.debt, NULL::integer,
        ARRAY[hex(m.collateral_asset)], ARRAY[hex(m.asset)], NULL::numeric, h.coll_price_usd,
        h.as_of_block, to_timestamp(h.as_of_time), h.chain_id, m.deployment_key, h.market_key
    FROM (
        SELECT g.*, y.tcr, coalesce(y.pool, 0) AS pool, div(g.coll * g.price, g.debt) AS icr
        FROM (
            SELECT
                b.chain_id, b.deployment_key, b.market_key, b.account_bytes, min(b.as_of_block) AS as_of_block,
                min(b.as_of_time) AS as_of_time, min(b.oracle_price_raw) AS price,
                coalesce(sum(b.amount_raw) FILTER (WHERE b.side = 'collateral'), 0) AS coll,
                sum(b.amount_raw) FILTER (WHERE b.side = 'debt') AS debt,
                max(b.price_usd) FILTER (WHERE b.side = 'collateral') AS coll_price_usd,
                sum(round(b.amount_raw * b.unit * b.price_usd, 18)) FILTER (WHERE b.side = 'collateral') AS coll_usd,
                sum(round(b.amount_raw * b.unit * b.price_usd, 18)) FILTER (WHERE b.side = 'debt') AS debt_usd
            FROM position_books(p_chain, p_block, p_accounts, 'liquity_troves') b
            GROUP BY b.chain_id, b.deployment_key, b.market_key, b.account_bytes
        ) g
        LEFT JOIN LATERAL (
            SELECT
                div((liquity_figure(w.extra, 'active_coll') + liquity_figure(w.extra, 'default_coll')) * g.price,
                    nullif(liquity_figure(w.extra, 'active_debt') + liquity_figure(w.extra, 'default_debt'), 0)) AS tcr,
                (SELECT liquity_figure(r.extra, 'total') FROM market k
                 JOIN market_state r ON r.chain_id = k.chain_id AND r.market_key = k.market_key
                 WHERE k.chain_id = g.chain_id AND k.deployment_key = g.deployment_key
                   AND k.accounting = 'liquity_stability' AND r.block_number <= g.as_of_block
                 ORDER BY r.block_number DESC LIMIT 1) AS pool
            FROM market_state w
            WHERE w.chain_id = g.chain_id AND w.market_key = g.market_key AND w.block_number <= g.as_of_block
            ORDER BY w.block_number DESC LIMIT 1
        ) y ON true
    ) h
    JOIN market m ON m.chain_id = h.chain_id AND m.market_key = h.market_key
    JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
$$;
