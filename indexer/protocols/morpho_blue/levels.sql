-- Morpho Blue: what can lower health factors while nobody touches an account. See store/sql/42_levels.sql.

-- The market's own oracle, and assets per debt share as stored. Between two accruals a debt grows at most at Morpho's highest
-- rate, 800 % a year (AdaptiveCurveIrm: four times 200 %; FixedRateIrm.MAX_BORROW_RATE), so no curve has to be computed here.
CREATE FUNCTION morpho_levels(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, b.market_key, 'market', b.price_raw, NULL::numeric,
        ratio(((b.state).debt_assets_raw + 1) * 1000000, (b.state).debt_shares_raw + 1000000),
        CASE WHEN (b.state).regime = 'none' THEN 0 ELSE 8 END::numeric, 1::numeric
    FROM stored_books(p_chain, p_block, 'morpho') b
    WHERE (b.state).debt_shares_raw > 0
$$;
