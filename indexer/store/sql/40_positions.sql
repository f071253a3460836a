-- Books of markets and balances of accounts as of a block. Everything else is built on these two.
-- `OFFSET 0` is deliberate: it keeps the planner from computing a market's quote once per position.

-- One row a market listed at the block. p_accounts limits it to the markets that those accounts have a balance in,
-- p_accounting to one accounting; NULL for all.
-- oracle_price_raw is the number that the protocol itself decides by: of the collateral (Morpho) or the asset (Aave).
CREATE FUNCTION books(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL, p_accounting text DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, as_of_block bigint, as_of_time bigint,
    protocol text, project text, version text, deployment text, market_id text, accounting text,
    asset bytea, collateral_asset bytea, supply_token bytea, debt_token bytea, oracle bytea, listed_block bigint,
    symbol text, decimals smallint, unit numeric, collateral_symbol text, collateral_decimals smallint, collateral_unit numeric,
    oracle_price_raw numeric, oracle_unit_raw numeric, oracle_quote text, oracle_price_block bigint,
    price_usd numeric, price_block bigint, collateral_price_usd numeric, collateral_price_block bigint,
    state market_state, quote market_quote,
    supply_numerator numeric, supply_addend numeric, supply_denominator numeric,
    debt_numerator numeric, debt_addend numeric, debt_denominator numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        m.chain_id, m.deployment_key, m.market_key, m.as_of_block, m.as_of_time,
        m.protocol, m.project, m.version, m.name, m.market_id, m.accounting,
        m.asset, m.collateral_asset, m.supply_token, m.debt_token, m.oracle, m.listed_block,
        t.symbol, t.decimals, unit_of(t.decimals), ct.symbol, ct.decimals, unit_of(ct.decimals),
        o.price_raw, o.unit_raw, o.quote, o.block_number,
        coalesce(u.price_usd, l.price_usd), coalesce(u.price_block, l.price_block),
        CASE
            WHEN m.collateral_asset IS NULL THEN coalesce(u.price_usd, l.price_usd)
            WHEN cu.price_usd IS NOT NULL THEN cu.price_usd
            WHEN cl.price_usd IS NOT NULL THEN cl.price_usd
            WHEN o.quote = hex(m.asset) THEN trim_scale(price_of(o.price_raw, o.unit_raw) * coalesce(u.price_usd, l.price_usd))
        END,
        CASE
            WHEN m.collateral_asset IS NULL THEN coalesce(u.price_block, l.price_block)
            WHEN cu.price_usd IS NOT NULL THEN cu.price_block
            WHEN cl.price_usd IS NOT NULL THEN cl.price_block
            WHEN o.quote = hex(m.asset) AND coalesce(u.price_usd, l.price_usd) IS NOT NULL
            THEN least(o.block_number, coalesce(u.price_block, l.price_block))
        END,
        m.state, m.q,
        (m.q).supply_numerator, rounding_addend((m.q).supply_denominator, (m.q).supply_rounding), (m.q).supply_denominator,
        (m.q).debt_numerator, rounding_addend((m.q).debt_denominator, (m.q).debt_rounding), (m.q).debt_denominator
    FROM (
        SELECT
            k.chain_id, k.deployment_key, k.market_key, a.as_of_block, a.as_of_time, a.protocol, d.project, d.version,
            d.name, k.market_id, k.accounting, k.asset, k.collateral_asset, k.supply_token, k.debt_token,
            coalesce(k.oracle, unhex(po.value_text)) AS oracle, k.block_number AS listed_block,
            s.state, market_quote_of(k.accounting, s.state, a.as_of_time, a.as_of_block) AS q
        FROM as_of(p_chain, p_block) a
        JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol
        JOIN market k ON k.chain_id = d.chain_id AND k.deployment_key = d.deployment_key AND k.block_number <= a.as_of_block
        LEFT JOIN LATERAL (
            SELECT s AS state FROM market_state s
            WHERE s.chain_id = k.chain_id AND s.market_key = k.market_key AND s.block_number <= a.as_of_block
            ORDER BY s.block_number DESC LIMIT 1
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT p.value_text FROM param p
            WHERE p.chain_id = k.chain_id AND p.subject = k.deployment_key AND p.name = 'price_oracle' AND p.qualifier = ''
              AND p.block_number <= a.as_of_block
            ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
        ) po ON k.oracle IS NULL
        WHERE (p_accounting IS NULL OR k.accounting = p_accounting)
          AND (p_accounts IS NULL OR k.market_key = ANY (ARRAY(
                SELECT p.market_key FROM position p
                WHERE p.account = ANY (p_accounts) AND (p_chain IS NULL OR p.chain_id = p_chain))))
        OFFSET 0
    ) m
    LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
    LEFT JOIN token ct ON ct.chain_id = m.chain_id AND ct.address = m.collateral_asset
    LEFT JOIN LATERAL (
        SELECT p.price_raw, p.unit_raw, p.quote, p.block_number FROM price p
        WHERE p.chain_id = m.chain_id AND p.feed = m.oracle AND p.asset = coalesce(m.collateral_asset, m.asset)
          AND p.block_number <= m.as_of_block
        ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
    ) o ON true
    LEFT JOIN LATERAL usd_price_at(m.chain_id, m.asset, m.as_of_block, m.oracle) u ON true
    LEFT JOIN LATERAL usd_price_at(m.chain_id, m.collateral_asset, m.as_of_block, m.oracle) cu ON true
    -- Where no oracle says anything, what a token is a claim on does. Strict: without a token to look at, nothing is run.
    LEFT JOIN LATERAL claim_price_at(m.chain_id, CASE WHEN u.price_usd IS NULL THEN m.asset END, m.as_of_block) l ON true
    LEFT JOIN LATERAL claim_price_at(
        m.chain_id,
        CASE WHEN cu.price_usd IS NULL AND (o.quote = hex(m.asset) AND o.unit_raw IS NOT NULL
                AND coalesce(u.price_usd, l.price_usd) IS NOT NULL) IS NOT TRUE
            THEN m.collateral_asset END,
        m.as_of_block) cl ON true
    OFFSET 0
$$;

-- One row a balance that is not zero. A balance last changed at or below the block is read from `position`; only those
-- changed since are looked up in `position_change`, one index probe each. At the head nothing is looked up.
-- `hex(p.account)` is spelled as in ix_position_account_text, so that `WHERE account = '0x...'` on any view uses it.
CREATE FUNCTION position_books(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL, p_accounting text DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, as_of_block bigint, as_of_time bigint,
    protocol text, project text, version text, deployment text, market_id text, accounting text,
    account text, account_bytes bytea, side text, is_collateral boolean, basis_raw numeric, changed_block bigint,
    asset bytea, symbol text, unit numeric, shares_raw numeric, amount_raw numeric,
    price_usd numeric, price_block bigint,
    oracle_price_raw numeric, oracle_unit_raw numeric, oracle_quote text, regime text
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- materialized: however few balances the planner expects, a market's books are computed once
    WITH book AS MATERIALIZED (SELECT * FROM books(p_chain, p_block, p_accounts, p_accounting))
    SELECT
        b.chain_id, b.deployment_key, b.market_key, b.as_of_block, b.as_of_time,
        b.protocol, b.project, b.version, b.deployment, b.market_id, b.accounting,
        hex(p.account), p.account, p.side,
        CASE WHEN p.block_number <= b.as_of_block THEN p.is_collateral ELSE c.is_collateral END,
        CASE WHEN p.block_number <= b.as_of_block THEN p.basis_raw ELSE c.basis_raw END,
        CASE WHEN p.block_number <= b.as_of_block THEN p.block_number ELSE c.block_number END,
        CASE WHEN p.side IN ('collateral', 'margin') THEN coalesce(b.collateral_asset, b.asset) ELSE b.asset END,
        CASE WHEN p.side IN ('collateral', 'margin') AND b.collateral_asset IS NOT NULL THEN b.collateral_symbol ELSE b.symbol END,
        CASE WHEN p.side IN ('collateral', 'margin') AND b.collateral_asset IS NOT NULL THEN b.collateral_unit ELSE b.unit END,
        CASE WHEN p.block_number <= b.as_of_block THEN p.shares_raw ELSE c.shares_raw END,
        CASE WHEN amounts_by_account(b.accounting) THEN position_amount_of(b.accounting, p.side,
                CASE WHEN p.block_number <= b.as_of_block THEN p.shares_raw ELSE c.shares_raw END,
                CASE WHEN p.block_number <= b.as_of_block THEN p.basis_raw ELSE c.basis_raw END,
                CASE WHEN p.block_number <= b.as_of_block THEN p.extra ELSE c.extra END, b.state, b.quote)
        ELSE CASE p.side
            WHEN 'supply' THEN div(
                CASE WHEN p.block_number <= b.as_of_block THEN p.shares_raw ELSE c.shares_raw END * b.supply_numerator
                + b.supply_addend, b.supply_denominator)
            WHEN 'debt' THEN div(
                CASE WHEN p.block_number <= b.as_of_block THEN p.shares_raw ELSE c.shares_raw END * b.debt_numerator
                + b.debt_addend, b.debt_denominator)
            ELSE CASE WHEN p.block_number <= b.as_of_block THEN p.shares_raw ELSE c.shares_raw END
        END END,
        CASE WHEN p.side IN ('collateral', 'margin') THEN b.collateral_price_usd ELSE b.price_usd END,
        CASE WHEN p.side IN ('collateral', 'margin') THEN b.collateral_price_block ELSE b.price_block END,
        b.oracle_price_raw, b.oracle_unit_raw, b.oracle_quote, (b.state).regime
    FROM book b
    -- two branches, of which one is cut off as a plan starts: with one condition `p_accounts IS NULL OR ...` a plan that is
    -- kept for any accounts would read everybody's balances
    JOIN (
        SELECT p.* FROM position p WHERE p_accounts IS NULL
        UNION ALL
        SELECT p.* FROM position p WHERE p.account = ANY (p_accounts)
    ) p ON p.chain_id = b.chain_id AND p.market_key = b.market_key
    LEFT JOIN LATERAL (
        SELECT c.shares_raw, c.is_collateral, c.basis_raw, c.extra, c.block_number
        FROM position_change c
        WHERE p.block_number > b.as_of_block
          AND c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account AND c.side = p.side
          AND c.block_number <= b.as_of_block
        ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
    ) c ON p_block IS NOT NULL
    WHERE (p_chain IS NULL OR p.chain_id = p_chain)
      AND CASE WHEN p.block_number <= b.as_of_block THEN p.shares_raw ELSE c.shares_raw END <> 0
$$;

-- Every open balance as of a block, or with p_block NULL at each protocol's head. docs/data-model.md.
CREATE FUNCTION positions_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, market_id text, account text, owner text, side text,
    asset text, symbol text, shares_raw numeric, amount_raw numeric, amount numeric, price_usd numeric, amount_usd numeric,
    is_collateral boolean, as_of_block bigint, as_of_time timestamptz, price_block bigint, basis_raw numeric,
    changed_block bigint, deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.project, b.version, b.deployment, b.market_id, b.account,
        coalesce(hex(w.owner), o.owner_id, b.account), b.side,
        hex(b.asset), b.symbol, b.shares_raw, b.amount_raw, b.amount_raw * b.unit, b.price_usd,
        round(b.amount_raw * b.unit * b.price_usd, 18),
        b.is_collateral, b.as_of_block, to_timestamp(b.as_of_time), b.price_block, b.basis_raw,
        b.changed_block, b.deployment_key, b.market_key
    FROM position_books(p_chain, p_block) b
    CROSS JOIN LATERAL (
        SELECT owner_of(b.protocol, b.chain_id, b.deployment_key, b.account_bytes, b.as_of_block) AS owner_id
        OFFSET 0  -- once a row
    ) o
    LEFT JOIN wallet_owners_at(p_chain, p_block) w
        ON w.chain_id = b.chain_id AND w.wallet = CASE WHEN o.owner_id IS NULL THEN b.account_bytes ELSE unhex(o.owner_id) END
$$;

-- The same for one account (20 bytes): quotes only the markets it is in. What the API asks.
CREATE FUNCTION positions_of(p_chain bigint, p_block bigint, p_account bytea)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, market_id text, account text, owner text, side text,
    asset text, symbol text, shares_raw numeric, amount_raw numeric, amount numeric, price_usd numeric, amount_usd numeric,
    is_collateral boolean, as_of_block bigint, as_of_time timestamptz, price_block bigint, basis_raw numeric,
    changed_block bigint, deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.project, b.version, b.deployment, b.market_id, b.account,
        coalesce(hex(w.owner), o.owner_id, b.account), b.side,
        hex(b.asset), b.symbol, b.shares_raw, b.amount_raw, b.amount_raw * b.unit, b.price_usd,
        round(b.amount_raw * b.unit * b.price_usd, 18),
        b.is_collateral, b.as_of_block, to_timestamp(b.as_of_time), b.price_block, b.basis_raw,
        b.changed_block, b.deployment_key, b.market_key
    FROM position_books(p_chain, p_block, ARRAY[p_account]) b
    CROSS JOIN LATERAL (
        SELECT owner_of(b.protocol, b.chain_id, b.deployment_key, b.account_bytes, b.as_of_block) AS owner_id
        OFFSET 0  -- once a row
    ) o
    LEFT JOIN wallet_owners_at(p_chain, p_block) w
        ON w.chain_id = b.chain_id AND w.wallet = CASE WHEN o.owner_id IS NULL THEN b.account_bytes ELSE unhex(o.owner_id) END
$$;
