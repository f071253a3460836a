-- Aave v2: what can lower health factors while nobody touches an account. See store/sql/42_levels.sql.

-- As Aave v3; a stable loan grows at its own rate, at most at the highest of its reserve.
CREATE FUNCTION aave_v2_levels(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, 0::bigint, 'market:' || b.market_key, b.price_raw, b.price_raw,
        (b.state).debt_index_raw, (b.state).debt_rate_raw * 1e-27, b.price_raw * b.unit
    FROM stored_books(p_chain, p_block, 'aave_v2') b
    UNION ALL
    SELECT b.chain_id, b.deployment_key, 0::bigint, 'stable:' || b.market_key, NULL::numeric, NULL::numeric,
        NULL::numeric, r.highest * 1e-27, NULL::numeric
    FROM stored_books(p_chain, p_block, 'aave_v2_stable') b
    CROSS JOIN LATERAL (
        SELECT max((p.extra ->> 'rate_ray')::numeric) AS highest FROM position p
        WHERE p.chain_id = b.chain_id AND p.market_key = b.market_key AND p.shares_raw <> 0
    ) r
$$;
