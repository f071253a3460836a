-- Legs of Aave v3 and its forks: thresholds of e-mode in e-mode, values as the pool floors them. risk_leg says what they are.
-- price_usd is the pool's own oracle's (in e-mode a category's own source, where it has one).
CREATE FUNCTION aave_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        v.chain_id, v.deployment_key, NULL::bigint, v.as_of_block, v.as_of_time, v.account_bytes,
        CASE v.side WHEN 'supply' THEN 'collateral' ELSE v.side END, v.market_key, v.asset, v.symbol, v.units,
        v.price_raw * v.usd, v.value * v.usd,
        v.side = 'debt' OR v.counts,
        CASE WHEN v.side = 'supply' THEN CASE WHEN v.counts THEN v.ltv * 1e-4 ELSE 0 END END,
        CASE WHEN v.side = 'supply' THEN CASE WHEN v.counts THEN v.threshold * 1e-4 ELSE 0 END END,
        CASE WHEN v.counts AND v.bonus > 0 THEN v.bonus * 1e-4 - 1 END,
        v.emode,
        CASE WHEN v.side = 'debt' THEN v.value * 10000 WHEN v.counts THEN v.value * v.threshold ELSE 0 END
    FROM aave_valued(p_chain, p_block, p_accounts) v
    WHERE v.side IN ('supply', 'debt')
$$;
