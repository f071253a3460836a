-- Legs of Morpho Blue: a market is a scope of its own; what is lent there backs nothing. The protocol decides in units of the
-- loan token by the market's oracle; price_usd is the books' (another oracle's where one prices the collateral in USD).
-- risk_leg says what the columns are.
CREATE FUNCTION morpho_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.deployment_key, b.market_key, b.as_of_block, b.as_of_time, b.account_bytes,
        CASE b.side WHEN 'supply' THEN 'collateral' ELSE b.side END, b.market_key, b.asset, b.symbol, b.amount_raw * b.unit,
        b.price_usd, round(b.amount_raw * b.unit * b.price_usd, 18),
        b.side <> 'supply',
        CASE b.side WHEN 'collateral' THEN r.lltv_raw * 1e-18 WHEN 'supply' THEN 0 END,
        CASE b.side WHEN 'collateral' THEN r.lltv_raw * 1e-18 WHEN 'supply' THEN 0 END,
        CASE b.side WHEN 'collateral' THEN morpho_incentive(r.lltv_raw) * 1e-18 - 1 END,
        NULL::integer,
        CASE b.side
            WHEN 'collateral' THEN div(div(b.amount_raw * b.oracle_price_raw, 1e36) * r.lltv_raw, 1e18)
            WHEN 'supply' THEN 0
            ELSE b.amount_raw
        END
    FROM position_books(p_chain, p_block, p_accounts, 'morpho') b
    LEFT JOIN market_params_at(p_chain, p_block, p_accounts) r ON r.chain_id = b.chain_id AND r.market_key = b.market_key
$$;
