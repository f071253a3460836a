-- Synthetix Perps v2 as a perp venue. The debt pool takes the other side, so sides differ: a pool.
--
-- Source   github.com/Synthetixio/synthetix PerpsV2MarketBase: _fillPrice, _currentFundingRate, _notionalValue
-- Units    sUSD at par is the USD of this venue
-- Mark     the price of the next unit: assetPrice x (1 + skew / skewScale); index: assetPrice
-- Funding  currentFundingRate at the block's second, a fraction a day; it has no cap, only its velocity has
-- Margin   as stored, without profit and funding since (isolated)

CREATE FUNCTION synthetix_perps_v2_interest(s market_state) RETURNS perp_interest
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW((s.extra->>'long_size')::numeric, (s.extra->>'short_size')::numeric, NULL::numeric)::perp_interest;

CREATE FUNCTION synthetix_perps_v2_perps(p_chain bigint, p_block bigint) RETURNS SETOF perp_market_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH side AS MATERIALIZED (
        SELECT p.chain_id, p.market_id,
            count(*) FILTER (WHERE p.size_raw > 0) AS n_long, count(*) FILTER (WHERE p.size_raw < 0) AS n_short,
            sum(p.margin_raw) FILTER (WHERE p.size_raw > 0) * 1e-18 AS margin_long,
            sum(p.margin_raw) FILTER (WHERE p.size_raw < 0) * 1e-18 AS margin_short
        FROM synthetix_perps_v2_positions_at(p_chain, p_block) p GROUP BY p.chain_id, p.market_id
    )
    SELECT b.chain_id, b.deployment_key, b.market_key, b.as_of_block, b.as_of_time, 'pool',
        (synthetix_perps_v2_interest(b.state)).long_raw * 1e-18, (synthetix_perps_v2_interest(b.state)).short_raw * 1e-18,
        trim_scale(round(m.price * 1e-18 * (1 + ratio(m.skew, m.skew_scale)), 18)), trim_scale(m.price * 1e-18),
        trim_scale(m.rate * 1e-18), CASE WHEN m.rate IS NOT NULL THEN 86400 END, NULL::boolean,
        coalesce(s.margin_long, 0), coalesce(s.margin_short, 0), 'isolated', coalesce(s.n_long, 0), coalesce(s.n_short, 0)
    FROM books(p_chain, p_block, NULL, 'synthetix_perps_v2') b
    JOIN synthetix_perps_v2_markets_at(p_chain, p_block) m ON m.chain_id = b.chain_id AND m.market_key = b.market_key
    LEFT JOIN side s ON s.chain_id = b.chain_id AND s.market_id = b.market_id
$$;

-- size_raw is what was sold: negative of a long.
CREATE FUNCTION synthetix_perps_v2_liquidations(p_chain bigint, p_first bigint, p_last bigint)
RETURNS SETOF perp_liquidation_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT l.market_key, l.block_number, CASE WHEN l.size_raw < 0 THEN 'long' ELSE 'short' END, abs(l.size_raw)
    FROM perp_action l
    JOIN market m ON m.chain_id = l.chain_id AND m.market_key = l.market_key AND m.accounting = 'synthetix_perps_v2'
    WHERE l.chain_id = p_chain AND l.block_number BETWEEN p_first AND p_last AND l.is_liquidation AND l.size_raw <> 0
$$;

-- Everything has 18 decimals; margin and fees are sUSD, at par here. Profit is not told apart. No auto-deleveraging exists.
CREATE FUNCTION synthetix_perps_v2_fill(a perp_action, m market) RETURNS perp_fill
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(trim_scale(a.size_raw * 1e-18), trim_scale(a.price_raw * 1e-18), trim_scale(a.margin_delta_raw * 1e-18),
    CASE WHEN a.margin_delta_raw IS NOT NULL THEN 'usd' END, trim_scale(a.fee_raw * 1e-18), trim_scale(a.pnl_raw * 1e-18),
    false)::perp_fill;
