-- Legs of a trove: the threshold is 1 / MCR = 10/11. A liquidation takes the whole trove; what it holds above its debt, a tenth
-- of it at most below MCR, is the bonus. Recovery mode is not in these figures. risk_leg says what the columns are.
CREATE FUNCTION liquity_troves_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.deployment_key, b.market_key, b.as_of_block, b.as_of_time, b.account_bytes,
        b.side, b.market_key, b.asset, b.symbol, b.amount_raw * b.unit,
        b.price_usd, round(b.amount_raw * b.unit * b.price_usd, 18),
        true,
        CASE b.side WHEN 'collateral' THEN round(10::numeric / 11, 27) END,
        CASE b.side WHEN 'collateral' THEN round(10::numeric / 11, 27) END,
        CASE b.side WHEN 'collateral' THEN 0.1 END,
        NULL::integer,
        CASE b.side WHEN 'collateral' THEN b.amount_raw * b.oracle_price_raw * 10 ELSE b.amount_raw * 11e18 END
    FROM position_books(p_chain, p_block, p_accounts, 'liquity_troves') b
$$;
