-- Legs of Compound v2 and forks. Units and USD with pending interest; decides_raw without, as the comptroller judges by what is
-- stored. The liquidation incentive is the comptroller's one for all. risk_leg says what the columns are.
CREATE FUNCTION compound_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        v.chain_id, v.deployment_key, NULL::bigint, v.as_of_block, v.as_of_time, v.account_bytes,
        CASE v.side WHEN 'supply' THEN 'collateral' ELSE v.side END, v.market_key, v.asset, v.symbol, v.units,
        v.price_usd, v.usd,
        v.side = 'debt' OR v.counts,
        CASE WHEN v.side = 'supply' THEN CASE WHEN v.counts THEN v.factor * 1e-18 ELSE 0 END END,
        CASE WHEN v.side = 'supply' THEN CASE WHEN v.counts THEN v.factor * 1e-18 ELSE 0 END END,
        CASE WHEN v.counts AND v.incentive > 0 THEN v.incentive * 1e-18 - 1 END,
        NULL::integer,
        CASE WHEN v.side = 'debt' THEN v.owed WHEN v.counts THEN v.weighted ELSE 0 END
    FROM compound_valued(p_chain, p_block, p_accounts) v
$$;
