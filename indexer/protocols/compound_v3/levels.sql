-- Comet: what can lower health factors while nobody touches an account. See store/sql/42_levels.sql.

-- Prices in the Comet's numeraire, and the debt index with the rate of the stored totals.
CREATE FUNCTION comet_levels(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, 0::bigint, 'market:' || b.market_key, b.price_raw, b.price_raw,
        (b.state).debt_index_raw,
        CASE WHEN (b.state).regime <> 'collateral' THEN 31536000e-18 * comet_rate(comet_utilization(b.state),
            ((b.state).extra ->> 'borrow_kink')::numeric, ((b.state).extra ->> 'borrow_rate_base')::numeric,
            ((b.state).extra ->> 'borrow_rate_low')::numeric, ((b.state).extra ->> 'borrow_rate_high')::numeric) END,
        b.price_raw * b.unit
    FROM stored_books(p_chain, p_block, 'comet') b
$$;
