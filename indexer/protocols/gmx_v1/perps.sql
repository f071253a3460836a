-- GMX v1 as a perp venue. Its market is a pair of collateral and index token, which has one side only: `one_sided`. The
-- two sides of an index token are two pairs; sum them for the venue's.
--
-- Source   gmx-contracts contracts/core/Vault.sol: getDelta, getNextAveragePrice
-- Units    open interest in index tokens = sum of size / average price: at mark, never the size at entry
-- Mark     Vault.getMinPrice, the one price that the venue trades at; no index beside it, so no basis
-- Funding  none between the sides: NULL. The borrow fee's accumulator is in market_state.extra of the token
-- Margin   collateral as told, USD (isolated)
-- Omits    auto-deleveraging, which no event tells apart from a decrease

CREATE FUNCTION gmx_v1_interest(s market_state) RETURNS perp_interest
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW((s.extra->>'long_tokens')::numeric, (s.extra->>'short_tokens')::numeric, NULL::numeric)::perp_interest;

CREATE FUNCTION gmx_v1_perps(p_chain bigint, p_block bigint) RETURNS SETOF perp_market_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, b.market_key, b.as_of_block, b.as_of_time, 'one_sided',
        (gmx_v1_interest(b.state)).long_raw * 1e-30, (gmx_v1_interest(b.state)).short_raw * 1e-30,
        b.price_usd, NULL::numeric, NULL::numeric, NULL::integer, NULL::boolean,
        coalesce(s.margin_long, 0), coalesce(s.margin_short, 0), 'isolated', coalesce(s.n_long, 0), coalesce(s.n_short, 0)
    FROM books(p_chain, p_block, NULL, 'gmx_v1') b
    LEFT JOIN (
        SELECT p.chain_id, p.market_id,
            count(*) FILTER (WHERE p.side = 'long') AS n_long, count(*) FILTER (WHERE p.side = 'short') AS n_short,
            sum(p.collateral_usd_raw) FILTER (WHERE p.side = 'long') * 1e-30 AS margin_long,
            sum(p.collateral_usd_raw) FILTER (WHERE p.side = 'short') * 1e-30 AS margin_short
        FROM gmx_v1_positions_at(p_chain, p_block) p GROUP BY p.chain_id, p.market_id
    ) s ON s.chain_id = b.chain_id AND s.market_id = b.market_id
$$;

-- The event tells the size in USD at entry; in index tokens it is that over the position's average price before.
CREATE FUNCTION gmx_v1_liquidations(p_chain bigint, p_first bigint, p_last bigint) RETURNS SETOF perp_liquidation_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT l.market_key, l.block_number, l.side, div(abs(l.size_raw) * 1e30, nullif(v.average_price, 0))
    FROM perp_action l
    JOIN market m ON m.chain_id = l.chain_id AND m.market_key = l.market_key AND m.accounting = 'gmx_v1'
    LEFT JOIN LATERAL (
        SELECT (c.extra->>'average_price')::numeric AS average_price FROM position_change c
        WHERE c.chain_id = l.chain_id AND c.market_key = l.market_key AND c.account = l.trader AND c.side = l.side
          AND (c.block_number, c.log_index) < (l.block_number, l.log_index)
        ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
    ) v ON true
    WHERE l.chain_id = p_chain AND l.block_number BETWEEN p_first AND p_last AND l.is_liquidation AND l.size_raw <> 0
$$;

-- Sizes are dollars: base units are what they buy at the event's price. Margin is counted in dollars. The events do not tell profit,
-- nor whether a keeper closed a position.
CREATE FUNCTION gmx_v1_fill(a perp_action, m market) RETURNS perp_fill
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(ratio(a.size_raw, a.price_raw), trim_scale(a.price_raw * 1e-30), trim_scale(a.margin_delta_raw * 1e-30),
    CASE WHEN a.margin_delta_raw IS NOT NULL THEN 'usd' END, trim_scale(a.fee_raw * 1e-30), trim_scale(a.pnl_raw * 1e-30),
    NULL::boolean)::perp_fill;
