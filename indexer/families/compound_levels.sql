-- Compound v2: what can lower health factors while nobody touches an account. See store/sql/42_levels.sql.

-- The comptroller decides by stored rates and indexes, so nothing grows between two accruals.
CREATE FUNCTION compound_levels(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, 0::bigint, 'market:' || b.market_key,
        nullif(b.price_raw, 0) * (b.state).supply_index_raw, nullif(b.price_raw, 0), (b.state).debt_index_raw, 0::numeric,
        b.price_raw * 1e-18
    FROM stored_books(p_chain, p_block, 'compound') b
$$;
