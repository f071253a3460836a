-- Maker: what can lower health factors while nobody touches an account. See store/sql/42_levels.sql.

-- An ilk's spot (price by liquidation ratio) and rate, both as stored: only Jug.drip moves the rate.
CREATE FUNCTION maker_levels(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, b.market_key, 'ilk', ((b.state).extra ->> 'spot')::numeric, NULL::numeric,
        (b.state).debt_index_raw, 0::numeric, 1::numeric
    FROM stored_books(p_chain, p_block, 'maker') b
    WHERE (b.state).debt_shares_raw > 0
$$;
