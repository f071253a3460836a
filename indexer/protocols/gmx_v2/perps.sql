-- GMX v2 as a perp venue: one market a market token, over all its collateral tokens. The pool takes the other side.
--
-- Source   gmx-synthetics: MarketUtils.getOpenInterestInTokens, getPoolValueInfo
-- Units    index tokens, by the decimals of an index token that is a contract; of others NULL
-- Mark     the keepers' price, mean of minimum and maximum, which positions are valued at; no index beside it
-- Funding  the events tell accumulators, no rates: NULL; they are in market_state.extra of M and M-C
-- Margin   collateral by side and token at the keepers' prices, without haircut (isolated)
-- Omits    auto-deleveraging, which PositionDecrease does not tell apart

CREATE FUNCTION gmx_v2_market_interest(s market_state) RETURNS perp_interest
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(coalesce((s.extra->>'long_open_interest_in_tokens')::numeric, 0),
    coalesce((s.extra->>'short_open_interest_in_tokens')::numeric, 0), NULL::numeric)::perp_interest;

CREATE FUNCTION gmx_v2_perps(p_chain bigint, p_block bigint) RETURNS SETOF perp_market_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH decimals AS MATERIALIZED (
        SELECT p.chain_id, p.subject, p.qualifier, unit_of(p.value_raw::integer) AS unit
        FROM params_at(p_chain, p_block) p WHERE p.name = 'decimals'
    ), held AS MATERIALIZED (
        SELECT b.chain_id, b.deployment_key, split_part(b.market_id, '-', 1) AS market_id, v.side,
            coalesce(v.amount, 0) * u.unit * b.collateral_price_usd AS usd, coalesce(v.amount, 0) = 0 AS nothing
        FROM books(p_chain, p_block, NULL, 'gmx_v2') b
        LEFT JOIN decimals u ON u.chain_id = b.chain_id AND u.subject = b.deployment_key AND u.qualifier = hex(b.collateral_asset)
        CROSS JOIN LATERAL (VALUES ('long', ((b.state).extra->>'long_collateral')::numeric),
            ('short', ((b.state).extra->>'short_collateral')::numeric)) v (side, amount)
    ), margin AS MATERIALIZED (
        SELECT h.chain_id, h.market_id, h.side, CASE WHEN bool_and(h.nothing OR h.usd IS NOT NULL) THEN sum(coalesce(h.usd, 0)) END AS usd
        FROM held h GROUP BY h.chain_id, h.market_id, h.side
    ), counted AS MATERIALIZED (
        SELECT p.chain_id, p.deployment, p.market_token, count(*) FILTER (WHERE p.side = 'long') AS n_long,
            count(*) FILTER (WHERE p.side = 'short') AS n_short
        FROM gmx_v2_positions_at(p_chain, p_block) p GROUP BY p.chain_id, p.deployment, p.market_token
    )
    SELECT b.chain_id, b.deployment_key, b.market_key, b.as_of_block, b.as_of_time, 'pool',
        (gmx_v2_market_interest(b.state)).long_raw * u.unit, (gmx_v2_market_interest(b.state)).short_raw * u.unit,
        b.price_usd, NULL::numeric, NULL::numeric, NULL::integer, NULL::boolean,
        CASE WHEN l.market_id IS NULL THEN 0 ELSE l.usd END, CASE WHEN s.market_id IS NULL THEN 0 ELSE s.usd END,
        'isolated', coalesce(c.n_long, 0), coalesce(c.n_short, 0)
    FROM books(p_chain, p_block, NULL, 'gmx_v2_market') b
    LEFT JOIN decimals u ON u.chain_id = b.chain_id AND u.subject = b.deployment_key AND u.qualifier = hex(b.asset)
    LEFT JOIN margin l ON l.chain_id = b.chain_id AND l.market_id = b.market_id AND l.side = 'long'
    LEFT JOIN margin s ON s.chain_id = b.chain_id AND s.market_id = b.market_id AND s.side = 'short'
    LEFT JOIN counted c ON c.chain_id = b.chain_id AND c.deployment = b.deployment
        AND c.market_token = split_part(b.market_id, ':', 3)
$$;

CREATE FUNCTION gmx_v2_liquidations(p_chain bigint, p_first bigint, p_last bigint) RETURNS SETOF perp_liquidation_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT k.market_key, l.block_number, l.side, abs(l.size_raw)
    FROM perp_action l
    JOIN market m ON m.chain_id = l.chain_id AND m.market_key = l.market_key AND m.accounting = 'gmx_v2'
    JOIN market k ON k.chain_id = m.chain_id AND k.market_id = split_part(m.market_id, '-', 1)
    WHERE l.chain_id = p_chain AND l.block_number BETWEEN p_first AND p_last AND l.is_liquidation AND l.size_raw <> 0
$$;

-- Sizes are base units of the index token, prices USD 1e30 of one base unit, margin in the collateral token. Without the decimals of
-- a token (most synthetic index tokens are no contracts) its whole units are not known. A decrease may be an auto-deleveraging.
CREATE FUNCTION gmx_v2_fill(a perp_action, m market) RETURNS perp_fill
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ROW(
        trim_scale(a.size_raw * i.unit), trim_scale(a.price_raw * 1e-30 / i.unit), trim_scale(a.margin_delta_raw * c.unit),
        CASE WHEN a.margin_delta_raw IS NOT NULL THEN hex((m).collateral_asset) END, trim_scale(a.fee_raw * 1e-30),
        trim_scale(a.pnl_raw * 1e-30), CASE WHEN a.action <> 'decrease' THEN false END
    )::perp_fill
    FROM (VALUES (1)) one
    LEFT JOIN LATERAL (
        SELECT unit_of(p.value_raw::integer) AS unit FROM param p
        WHERE p.chain_id = a.chain_id AND p.subject = a.deployment_key AND p.name = 'decimals' AND p.qualifier = hex((m).asset)
        ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
    ) i ON true
    LEFT JOIN LATERAL (
        SELECT unit_of(p.value_raw::integer) AS unit FROM param p
        WHERE p.chain_id = a.chain_id AND p.subject = a.deployment_key AND p.name = 'decimals'
          AND p.qualifier = hex((m).collateral_asset)
        ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
    ) c ON true
$$;
