-- Legs of Aave v2: stable and variable debt of a reserve are one leg, under the key of the reserve. Values are floored in wei of
-- ether, then taken to USD. risk_leg says what the columns are.
CREATE FUNCTION aave_v2_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        v.chain_id, v.deployment_key, NULL::bigint, v.as_of_block, v.as_of_time, v.account_bytes,
        CASE v.side WHEN 'supply' THEN 'collateral' ELSE v.side END, v.market_key, v.asset, v.symbol, v.units,
        v.price_raw * w.price_usd * 1e-18, v.value * w.price_usd * 1e-18,
        v.side = 'debt' OR v.counts,
        CASE WHEN v.side = 'supply' THEN CASE WHEN v.counts THEN v.ltv * 1e-4 ELSE 0 END END,
        CASE WHEN v.side = 'supply' THEN CASE WHEN v.counts THEN v.threshold * 1e-4 ELSE 0 END END,
        CASE WHEN v.counts AND v.bonus > 0 THEN v.bonus * 1e-4 - 1 END,
        NULL::integer,
        CASE WHEN v.side = 'debt' THEN v.value * 10000 WHEN v.counts THEN v.value * v.threshold ELSE 0 END
    FROM aave_v2_valued(p_chain, p_block, p_accounts) v
    LEFT JOIN aave_v2_base_price(p_chain, p_block, p_accounts) w
        ON w.chain_id = v.chain_id AND w.deployment_key = v.deployment_key
$$;
