-- GMX v1: sizes and collateral are USD 1e30, of no token: amounts in tokens are unknown, and `shares_raw` is the answer.
--
-- Source   gmx-contracts contracts/core/Vault.sol: getPosition, getFundingFee, getPositionLeverage
-- Units    USD 1e30; funding rates 1e-6
-- Omits    profit and the fee since the last hourly update, hence health

CREATE FUNCTION gmx_v1_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

CREATE FUNCTION gmx_v1_pool_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

CREATE FUNCTION gmx_v1_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::numeric;

-- Every open position as of a block. funding_fee_usd is owed by the accumulator last told; leverage is size / collateral, as
-- Vault.getPositionLeverage but not in basis points. p_block NULL: at the indexed head.
CREATE FUNCTION gmx_v1_positions_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment text, market_id text, account text, side text, index_token text, collateral_token text,
    size_usd_raw numeric, collateral_usd_raw numeric, average_price_raw numeric, reserve_amount_raw numeric,
    realised_pnl_usd_raw numeric, funding_fee_usd_raw numeric, leverage numeric, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.chain_id, r.deployment, r.market_id, hex(r.account), r.side, hex(r.asset), hex(r.collateral_asset), r.size,
        r.margin, (r.extra->>'average_price')::numeric, (r.extra->>'reserve_amount')::numeric,
        (r.extra->>'realised_pnl')::numeric,
        div(r.size * (coalesce((f.extra->>'cumulative_funding_rate')::numeric, 0)
            - (r.extra->>'entry_funding_rate')::numeric), 1e6),
        ratio(r.size, r.margin), r.as_of_block
    FROM (
        SELECT k.chain_id, d.name AS deployment, d.deployment_key, k.market_id, k.asset, k.collateral_asset, p.account,
            p.side, v.shares_raw AS size, v.extra, c.shares_raw AS margin, a.protocol, a.as_of_block
        FROM as_of(p_chain, p_block) a
        JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol
        JOIN market k ON k.chain_id = d.chain_id AND k.deployment_key = d.deployment_key AND k.accounting = 'gmx_v1'
            AND k.block_number <= a.as_of_block
        JOIN position p ON p.chain_id = k.chain_id AND p.market_key = k.market_key AND p.side <> 'margin'
        JOIN LATERAL (
            SELECT c.shares_raw, c.extra FROM position_change c
            WHERE c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account AND c.side = p.side
              AND c.block_number <= a.as_of_block
            ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
        ) v ON v.shares_raw <> 0
        JOIN LATERAL (
            SELECT c.shares_raw FROM position_change c
            WHERE c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account AND c.side = 'margin'
              AND c.block_number <= a.as_of_block
            ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
        ) c ON true
    ) r
    LEFT JOIN LATERAL (
        SELECT s.extra FROM market k
        JOIN market_state s ON s.chain_id = k.chain_id AND s.market_key = k.market_key
        WHERE k.chain_id = r.chain_id AND k.deployment_key = r.deployment_key AND k.accounting = 'gmx_v1_pool'
          AND k.asset = r.collateral_asset AND s.block_number <= r.as_of_block
        ORDER BY s.block_number DESC LIMIT 1
    ) f ON true
$$;
