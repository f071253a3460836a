-- Legs of a Comet: thresholds are liquidateCollateralFactor. absorb() credits collateral at liquidationFactor of its value, so
-- the bonus is 1 / liquidationFactor - 1. A lender's base balance backs nothing. risk_leg says what the columns are.
CREATE FUNCTION comet_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        v.chain_id, v.deployment_key, NULL::bigint, v.as_of_block, v.as_of_time, v.account_bytes,
        CASE v.side WHEN 'supply' THEN 'collateral' ELSE v.side END, v.market_key, v.asset, v.symbol, v.units,
        v.price_usd, v.usd,
        v.side <> 'supply',
        CASE v.side WHEN 'collateral' THEN v.borrow_factor * 1e-18 WHEN 'supply' THEN 0 END,
        CASE v.side WHEN 'collateral' THEN v.liquidate_factor * 1e-18 WHEN 'supply' THEN 0 END,
        CASE WHEN v.side = 'collateral' AND v.liquidation_factor > 0 THEN round(1e18 / v.liquidation_factor, 18) - 1 END,
        NULL::integer,
        CASE v.side WHEN 'collateral' THEN v.safe WHEN 'supply' THEN 0 ELSE v.value END
    FROM comet_valued(p_chain, p_block, p_accounts) v
$$;
