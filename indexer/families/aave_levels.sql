-- Aave v3: what can lower health factors while nobody touches an account. See store/sql/42_levels.sql.

-- Prices in the pool's base currency, the debt index with its own rate (both interest formulas stay below e^x), and price
-- sources that an e-mode category brings. Supply indexes only rise, which harms nobody.
CREATE FUNCTION aave_levels(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, 0::bigint, 'market:' || b.market_key, b.price_raw, b.price_raw,
        (b.state).debt_index_raw, (b.state).debt_rate_raw * 1e-27, b.price_raw * b.unit
    FROM stored_books(p_chain, p_block, 'aave') b
    UNION ALL
    SELECT DISTINCT b.chain_id, b.deployment_key, 0::bigint, 'source:' || lower(c.value_text), x.price_raw, x.price_raw,
        NULL::numeric, NULL::numeric, NULL::numeric
    FROM (SELECT DISTINCT s.chain_id, s.deployment_key, s.oracle, s.as_of_block FROM stored_books(p_chain, p_block, 'aave') s) b
    JOIN params_at(p_chain, p_block) c ON c.chain_id = b.chain_id AND c.subject = b.deployment_key
        AND c.name = 'emode_price_source' AND c.value_text <> '0x0000000000000000000000000000000000000000'
    LEFT JOIN LATERAL (
        SELECT p.price_raw FROM price p
        WHERE p.chain_id = b.chain_id AND p.feed = b.oracle AND p.asset = unhex(c.value_text) AND p.block_number <= b.as_of_block
        ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
    ) x ON true
$$;
