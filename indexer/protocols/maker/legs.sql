-- Legs of an urn: an ilk is a scope of its own, the threshold is 1 / mat. The Vat decides by spot (price / mat, per unit of DAI's
-- reference price), so decides_raw needs no price. No event tells the liquidation penalty: the bonus is NULL.
-- risk_leg says what the columns are.
CREATE FUNCTION maker_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.deployment_key, b.market_key, b.as_of_block, b.as_of_time, b.account_bytes,
        b.side, b.market_key, b.asset, b.symbol, b.amount_raw * b.unit,
        b.price_usd, round(b.amount_raw * b.unit * b.price_usd, 18),
        true, s.threshold, s.threshold, NULL::numeric, NULL::integer,
        CASE b.side WHEN 'debt' THEN b.shares_raw * s.rate ELSE b.shares_raw * s.spot END
    FROM position_books(p_chain, p_block, p_accounts, 'maker') b
    LEFT JOIN LATERAL (
        SELECT r.debt_index_raw AS rate, (r.extra ->> 'spot')::numeric AS spot,
            CASE WHEN b.side = 'collateral' THEN round(1e27 / nullif((r.extra ->> 'mat')::numeric, 0), 27) END AS threshold
        FROM market_state r
        WHERE r.chain_id = b.chain_id AND r.market_key = b.market_key AND r.block_number <= b.as_of_block
        ORDER BY r.block_number DESC LIMIT 1
    ) s ON true
$$;
