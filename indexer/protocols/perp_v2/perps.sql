-- Perpetual Protocol v2 as a perp venue. Takers trade against makers' liquidity, so their sides differ: a pool.
--
-- Source   @perp/curie-contract 2.8.4: Exchange.getFundingGrowthGlobalAndTwaps, _getDeltaTwap
-- Units    the settlement token at par is the USD of this venue, as its contracts count
-- Mark     the pool's price after the last trade; index: getIndexPrice(0) where a node answered
-- Funding  (mark average - index average) / index average a day, within the cap where an event told the cap
-- Margin   vault balance and owed profit of an account, split over its taker positions by notional (cross_pro_rata)
-- Omits    what makers hold in the pools, pending funding

CREATE FUNCTION perp_v2_interest(s market_state) RETURNS perp_interest
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW((s.extra->>'long_size')::numeric, (s.extra->>'short_size')::numeric,
    trim_scale((s.extra->>'mark_price')::numeric * 1e-18))::perp_interest;

CREATE FUNCTION perp_v2_perps(p_chain bigint, p_block bigint) RETURNS SETOF perp_market_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH market_now AS MATERIALIZED (
        SELECT b.*, (perp_v2_interest(b.state)).*,
            ((b.state).extra->>'market_twap')::numeric AS market_twap, ((b.state).extra->>'index_twap')::numeric AS index_twap
        FROM books(p_chain, p_block, NULL, 'perp_v2') b
    ), caps AS MATERIALIZED (
        SELECT p.chain_id, p.subject, p.value_raw * 1e-6 AS cap
        FROM params_at(p_chain, p_block) p WHERE p.name = 'max_funding_rate' AND p.qualifier = ''
    ), taker AS MATERIALIZED (
        SELECT t.chain_id, m.deployment_key, t.market_id, t.account, t.size_raw, abs(t.size_raw) * m.mark AS notional
        FROM perp_v2_takers_at(p_chain, p_block) t
        JOIN market_now m ON m.chain_id = t.chain_id AND m.market_id = t.market_id
        WHERE t.size_raw <> 0
    ), posted AS MATERIALIZED (
        SELECT g.chain_id, m.deployment_key, g.account,
            CASE WHEN bool_or(v.usd IS NULL) THEN NULL ELSE sum(v.usd) END AS usd
        FROM perp_v2_margins_at(p_chain, p_block) g
        JOIN market m ON m.chain_id = g.chain_id AND m.market_id = g.market_id
        LEFT JOIN token t ON t.chain_id = g.chain_id AND t.address = unhex(g.token)
        LEFT JOIN params_at(p_chain, p_block) p
          ON p.chain_id = m.chain_id AND p.subject = m.deployment_key AND p.name = 'settlement_token' AND p.qualifier = ''
        CROSS JOIN LATERAL (SELECT CASE
            WHEN p.value_text = g.token THEN g.balance_raw * unit_of(t.decimals) + g.owed_realized_pnl_raw * 1e-18
            ELSE g.balance_raw * unit_of(t.decimals)
                * (SELECT u.price_usd FROM usd_price_at(g.chain_id, t.address, g.as_of_block) u) END AS usd) v
        GROUP BY g.chain_id, m.deployment_key, g.account
    ), side AS MATERIALIZED (
        SELECT s.chain_id, s.market_id,
            count(*) FILTER (WHERE s.size_raw > 0) AS n_long, count(*) FILTER (WHERE s.size_raw < 0) AS n_short,
            CASE WHEN NOT bool_or(s.part IS NULL AND s.size_raw > 0) THEN sum(s.part) FILTER (WHERE s.size_raw > 0) END AS margin_long,
            CASE WHEN NOT bool_or(s.part IS NULL AND s.size_raw < 0) THEN sum(s.part) FILTER (WHERE s.size_raw < 0) END AS margin_short
        FROM (
            SELECT t.*, CASE WHEN h.known THEN coalesce(p.usd, CASE WHEN p.account IS NULL THEN 0 END)
                * ratio(t.notional, h.total) END AS part
            FROM taker t
            JOIN (
                SELECT x.chain_id, x.deployment_key, x.account, sum(x.notional) AS total, count(*) = count(x.notional) AS known
                FROM taker x GROUP BY x.chain_id, x.deployment_key, x.account
            ) h ON h.chain_id = t.chain_id AND h.deployment_key = t.deployment_key AND h.account = t.account
            LEFT JOIN posted p ON p.chain_id = t.chain_id AND p.deployment_key = t.deployment_key AND p.account = t.account
        ) s
        GROUP BY s.chain_id, s.market_id
    )
    SELECT m.chain_id, m.deployment_key, m.market_key, m.as_of_block, m.as_of_time, 'pool',
        m.long_raw * 1e-18, m.short_raw * 1e-18, m.mark, m.price_usd,
        CASE WHEN c.cap IS NULL THEN f.rate ELSE greatest(-c.cap, least(c.cap, f.rate)) END,
        CASE WHEN f.rate IS NOT NULL THEN 86400 END, abs(f.rate) >= c.cap,
        CASE WHEN coalesce(s.n_long, 0) = 0 THEN 0 ELSE round(s.margin_long, 18) END,
        CASE WHEN coalesce(s.n_short, 0) = 0 THEN 0 ELSE round(s.margin_short, 18) END,
        'cross_pro_rata', coalesce(s.n_long, 0), coalesce(s.n_short, 0)
    FROM market_now m
    LEFT JOIN caps c ON c.chain_id = m.chain_id AND c.subject = m.deployment_key
    LEFT JOIN side s ON s.chain_id = m.chain_id AND s.market_id = m.market_id
    CROSS JOIN LATERAL (SELECT ratio(m.market_twap - m.index_twap, m.index_twap) AS rate) f
$$;

-- The event has the unsigned size and no side; the trade that closed it, earlier in the transaction, sold a long.
CREATE FUNCTION perp_v2_liquidations(p_chain bigint, p_first bigint, p_last bigint) RETURNS SETOF perp_liquidation_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT l.market_key, l.block_number,
        (SELECT CASE WHEN t.size_raw < 0 THEN 'long' ELSE 'short' END FROM perp_action t
         WHERE t.chain_id = l.chain_id AND t.block_number = l.block_number AND t.tx_index = l.tx_index
           AND t.market_key = l.market_key AND t.trader = l.trader AND t.action = 'trade' AND t.log_index < l.log_index
         ORDER BY t.log_index DESC LIMIT 1),
        abs(l.size_raw)
    FROM perp_action l
    JOIN market m ON m.chain_id = l.chain_id AND m.market_key = l.market_key AND m.accounting = 'perp_v2'
    WHERE l.chain_id = p_chain AND l.block_number BETWEEN p_first AND p_last AND l.is_liquidation AND l.size_raw IS NOT NULL
$$;

-- Base, quote, profit and fees have 18 decimals, quote is USD at par. Vault amounts are in their token's own: the market's token,
-- else the settlement token (what a liquidator paid in, the part of it that is a fee, bad debt). No auto-deleveraging exists.
CREATE FUNCTION perp_v2_fill(a perp_action, m market) RETURNS perp_fill
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ROW(
        trim_scale(a.size_raw * 1e-18), trim_scale(a.price_raw * 1e-18), trim_scale(a.margin_delta_raw * v.unit),
        CASE WHEN a.margin_delta_raw IS NOT NULL THEN hex(v.token) END,
        trim_scale(a.fee_raw * CASE WHEN a.market_key IS NULL THEN v.unit ELSE 1e-18 END), trim_scale(a.pnl_raw * 1e-18), false
    )::perp_fill
    FROM (VALUES (1)) one
    LEFT JOIN LATERAL (
        SELECT k.token, unit_of(t.decimals) AS unit
        FROM (
            SELECT coalesce((m).asset, (
                SELECT unhex(p.value_text) FROM param p
                WHERE p.chain_id = a.chain_id AND p.subject = a.deployment_key AND p.name = 'settlement_token'
                  AND p.qualifier = '' AND p.block_number <= a.block_number
                ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1)) AS token
        ) k
        LEFT JOIN token t ON t.chain_id = a.chain_id AND t.address = k.token
        WHERE a.margin_delta_raw IS NOT NULL
    ) v ON true
$$;
