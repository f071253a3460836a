-- Perpetual Protocol v2: a taker's size and a vault balance are what they are; nothing grows with time.
--
-- Source   @perp/curie-contract 2.8.4: AccountBalance.getTakerPositionSize, getTakerOpenNotional, getPnlAndPendingFee,
--          Vault.getBalance, getBalanceByToken
-- Units    size and notional 18 decimals, owed profit 18 decimals, margin in base units of its token
-- Omits    what makers hold in the pools, pending funding and fees, hence unrealised profit, account value and health

-- A position below 10 wei counts as none (AccountBalance._DUST), though it is kept while the account has orders.
CREATE FUNCTION perp_v2_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN shares < 10 THEN 0 ELSE shares END;

CREATE FUNCTION perp_v2_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

CREATE FUNCTION perp_v2_margin_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN shares;

CREATE FUNCTION perp_v2_margin_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

-- Every taker side of a market as of a block, signed: size_raw, and open_notional_raw (what was paid, negative for a
-- long). entry_price is -open_notional / size. `is_maker`: it also has orders, which are not in these numbers.
-- p_block NULL: at the indexed head.
CREATE FUNCTION perp_v2_takers_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment text, market_id text, account text, base_token text, symbol text,
    size_raw numeric, open_notional_raw numeric, entry_price numeric, order_liquidity_raw numeric, is_maker boolean,
    as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.chain_id, v.deployment, v.market_id, hex(v.account), hex(v.asset), v.symbol,
        CASE WHEN abs(v.size) < 10 THEN 0 ELSE v.size END, v.notional,
        CASE WHEN abs(v.size) >= 10 THEN ratio(-v.notional, v.size) END, v.orders, v.orders > 0, v.as_of_block
    FROM (
        SELECT r.chain_id, r.deployment, r.market_id, r.account, r.asset, r.symbol, r.as_of_block,
            sum(CASE r.side WHEN 'long' THEN r.shares_raw ELSE -r.shares_raw END) AS size,
            coalesce(sum((r.extra->>'open_notional')::numeric), 0) AS notional,
            coalesce(sum((r.extra->>'order_liquidity')::numeric), 0) AS orders
        FROM perp_v2_rows_at(p_chain, p_block, 'perp_v2') r
        GROUP BY r.chain_id, r.deployment, r.market_id, r.account, r.asset, r.symbol, r.as_of_block
    ) v
    WHERE v.size <> 0 OR v.notional <> 0 OR v.orders <> 0
$$;

-- Every vault balance as of a block, signed, and of the settlement token the profit owed on top of it (18 decimals),
-- which the next withdrawal settles. p_block NULL: at the indexed head.
CREATE FUNCTION perp_v2_margins_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment text, market_id text, account text, token text, symbol text,
    balance_raw numeric, owed_realized_pnl_raw numeric, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.* FROM (
        SELECT r.chain_id, r.deployment, r.market_id, hex(r.account), hex(r.asset), r.symbol,
            sum(CASE r.side WHEN 'margin' THEN r.shares_raw ELSE -r.shares_raw END) AS balance,
            coalesce(sum((r.extra->>'owed_realized_pnl')::numeric), 0) AS owed, r.as_of_block
        FROM perp_v2_rows_at(p_chain, p_block, 'perp_v2_margin') r
        GROUP BY r.chain_id, r.deployment, r.market_id, r.account, r.asset, r.symbol, r.as_of_block
    ) v
    WHERE v.balance <> 0 OR v.owed <> 0
$$;

-- Every row as of a block, also those without shares, with its extra numbers. A row last changed at or below the block
-- is read from `position`, an older state from `position_change`.
CREATE FUNCTION perp_v2_rows_at(p_chain bigint, p_block bigint, p_accounting text)
RETURNS TABLE (
    chain_id bigint, deployment text, market_id text, asset bytea, symbol text, account bytea, side text,
    shares_raw numeric, extra jsonb, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.chain_id, d.name, m.market_id, m.asset, t.symbol, p.account, p.side,
        CASE WHEN p.block_number <= a.as_of_block THEN p.shares_raw ELSE c.shares_raw END,
        CASE WHEN p.block_number <= a.as_of_block THEN p.extra ELSE c.extra END, a.as_of_block
    FROM as_of(p_chain, p_block) a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol
    JOIN market m ON m.chain_id = d.chain_id AND m.deployment_key = d.deployment_key
        AND m.accounting = p_accounting AND m.block_number <= a.as_of_block
    JOIN position p ON p.chain_id = m.chain_id AND p.market_key = m.market_key
    LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
    LEFT JOIN LATERAL (
        SELECT c.shares_raw, c.extra FROM position_change c
        WHERE p.block_number > a.as_of_block
          AND c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account AND c.side = p.side
          AND c.block_number <= a.as_of_block
        ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
    ) c ON true
    WHERE p.block_number <= a.as_of_block OR c.shares_raw IS NOT NULL
$$;
