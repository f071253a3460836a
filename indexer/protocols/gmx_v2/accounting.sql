-- GMX v2: a size and a collateral are what the last event said; what a position owes is a view of its own.
--
-- Source   gmx-synthetics: PositionUtils, MarketUtils.getBorrowingFees, getFundingAmount
-- Units    size_in_tokens in base units of the index token, collateral and funding in base units of the collateral token,
--          the rest USD 1e30
-- Omits    fees since the accumulators were last told, price impact, profit, hence account value and health

CREATE FUNCTION gmx_v2_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

CREATE FUNCTION gmx_v2_market_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

CREATE FUNCTION gmx_v2_margin_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

-- Every open position as of a block: one row an account, market, collateral token and side. entry_price is USD 1e30 a base
-- unit. borrowing_fee is owed by the accumulator last told, funding_fee too (rounded up, as it is charged).
-- p_block NULL: at the indexed head.
CREATE FUNCTION gmx_v2_positions_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment text, market_token text, account text, side text, index_token text, collateral_token text,
    size_in_usd_raw numeric, size_in_tokens_raw numeric, collateral_amount_raw numeric, entry_price numeric,
    borrowing_fee_usd_raw numeric, funding_fee_raw numeric, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.chain_id, r.deployment, split_part(r.market, '-', 1), hex(r.account), r.side, hex(r.asset),
        hex(r.collateral_asset), r.size, r.shares_raw, (r.extra->>'collateral_amount')::numeric, ratio(r.size, r.shares_raw),
        div(r.size * ((m.extra->>(r.side || '_borrowing_factor'))::numeric - (r.extra->>'borrowing_factor')::numeric), 1e30),
        div(r.size * ((s.extra->>(r.side || '_funding_fee_per_size'))::numeric
            - (r.extra->>'funding_fee_per_size')::numeric) + 1e45 - 1, 1e45),
        r.as_of_block
    FROM (
        SELECT p.chain_id, d.name AS deployment, d.deployment_key, k.market_key, split_part(k.market_id, ':', 3) AS market,
            k.asset, k.collateral_asset, p.account, p.side, v.shares_raw, v.extra,
            (v.extra->>'size_in_usd')::numeric AS size, a.protocol, a.as_of_block
        FROM as_of(p_chain, p_block) a
        JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol
        JOIN market k ON k.chain_id = d.chain_id AND k.deployment_key = d.deployment_key AND k.accounting = 'gmx_v2'
            AND k.block_number <= a.as_of_block
        JOIN position p ON p.chain_id = k.chain_id AND p.market_key = k.market_key
        JOIN LATERAL (
            SELECT c.shares_raw, c.extra FROM position_change c
            WHERE c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account AND c.side = p.side
              AND c.block_number <= a.as_of_block
            ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
        ) v ON v.shares_raw <> 0
    ) r
    LEFT JOIN LATERAL (
        SELECT s.extra FROM market_state s
        WHERE s.chain_id = r.chain_id AND s.market_key = r.market_key AND s.block_number <= r.as_of_block
        ORDER BY s.block_number DESC LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT s.extra FROM market k
        JOIN market_state s ON s.chain_id = k.chain_id AND s.market_key = k.market_key
        WHERE k.chain_id = r.chain_id AND k.deployment_key = r.deployment_key
          AND k.market_id = r.protocol || ':' || r.chain_id || ':' || split_part(r.market, '-', 1)
          AND s.block_number <= r.as_of_block
        ORDER BY s.block_number DESC LIMIT 1
    ) m ON true
$$;
