-- Euler v2: what can lower health factors while nobody touches an account. See store/sql/42_levels.sql.

-- Of a vault that lends: its asset's price and accumulator, and of each collateral price times the liquidation LTV, which may
-- be coming down in a line.
CREATE FUNCTION euler_v2_levels(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH vault AS MATERIALIZED (
        SELECT b.* FROM stored_books(p_chain, p_block, 'euler_v2') b WHERE (b.state).debt_shares_raw > 0
    ), setting AS MATERIALIZED (
        SELECT p.* FROM params_at(p_chain, p_block) p
        WHERE p.name IN ('unit_of_account', 'liquidation_ltv_bps', 'initial_liquidation_ltv_bps', 'ltv_ramp_until', 'ltv_ramp_seconds')
    )
    SELECT v.chain_id, v.deployment_key, v.market_key, 'debt', NULL::numeric,
        CASE WHEN u.value_text = hex(v.asset) THEN 1 ELSE v.price_raw END, (v.state).debt_index_raw,
        coalesce((v.state).debt_rate_raw, 0) * 31536000e-27,
        CASE WHEN u.value_text = hex(v.asset) THEN 1 ELSE v.price_raw * v.unit END
    FROM vault v
    LEFT JOIN setting u ON u.chain_id = v.chain_id AND u.subject = v.market_key AND u.name = 'unit_of_account'
    UNION ALL
    SELECT v.chain_id, v.deployment_key, v.market_key, 'collateral:' || l.qualifier,
        x.price_raw * euler_v2_liquidation_ltv(l.target, l.initial, l.until, l.ramp, v.as_of_time),
        NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric
    FROM vault v
    JOIN (
        SELECT s.chain_id, s.subject, s.qualifier,
            max(s.value_raw) FILTER (WHERE s.name = 'liquidation_ltv_bps') AS target,
            max(s.value_raw) FILTER (WHERE s.name = 'initial_liquidation_ltv_bps') AS initial,
            max(s.value_raw) FILTER (WHERE s.name = 'ltv_ramp_until') AS until,
            max(s.value_raw) FILTER (WHERE s.name = 'ltv_ramp_seconds') AS ramp
        FROM setting s WHERE s.qualifier <> '' GROUP BY 1, 2, 3
    ) l ON l.chain_id = v.chain_id AND l.subject = v.market_key
    LEFT JOIN LATERAL (
        SELECT p.price_raw FROM price p
        WHERE p.chain_id = v.chain_id AND p.feed = v.oracle AND p.asset = unhex(l.qualifier) AND p.block_number <= v.as_of_block
        ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
    ) x ON true
$$;
