-- M9: which protocols lean on which, through whom. Every edge is one owner's; nodes are protocols (`source`, `target`) and,
-- where markets are isolated from each other, markets (`source_market`, `target_market`).
--   claim  a lending receipt of the source is posted at the target      vault  a vault's share whose assets are at the source
--   debt   borrowed at the source, posted at the target
-- Money borrowed at p that is posted at q as a claim on r went to r: a debt edge p -> r, and the claim edge r -> q.
-- A node `issuer:<project or token>` is what issues a claim without being indexed itself: nothing leads there.

-- The node of a market: itself where its collateral backs its own debt only, else its deployment, where risk is pooled.
CREATE FUNCTION exposure_node(protocol text, deployment text, market_id text, collateral_asset bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN collateral_asset IS NOT NULL THEN market_id ELSE protocol || ':' || deployment END;

-- What claims stand for in the end: every claim with the last token of its chain of underlyings. p_receipts_only unwraps
-- lending receipts and their wrappers only, which are their underlying one for one but for interest.
CREATE FUNCTION claim_roots(p_chain bigint, p_receipts_only boolean DEFAULT false) RETURNS TABLE (token text, root text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE claim AS (
        SELECT t.token_address AS token, t.underlying
        FROM token_registry t
        WHERE t.chain_id = p_chain AND t.underlying IS NOT NULL AND t.kind NOT IN ('debt_token', 'plain', 'unclassified')
          AND (NOT p_receipts_only OR t.kind IN ('lending_receipt', 'ctoken', 'static_wrapper')
               OR EXISTS (SELECT FROM token u WHERE u.chain_id = t.chain_id AND u.address = unhex(t.underlying)
                          AND u.kind = 'lending_receipt'))
    ), step AS (
        SELECT DISTINCT c.token, c.underlying AS root, 1 AS depth FROM claim c
        UNION ALL
        SELECT s.token, c.underlying, s.depth + 1
        FROM step s JOIN claim c ON c.token = s.root AND c.underlying <> s.token
        WHERE s.depth < 8
    )
    SELECT DISTINCT ON (s.token) s.token, s.root FROM step s ORDER BY s.token, s.depth DESC, s.root
$$;

-- Balances with their nodes, of all accounts or of some.
CREATE FUNCTION exposure_positions(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    owner text, account text, protocol text, node text, side text, asset text, symbol text, amount numeric,
    amount_usd numeric, is_collateral boolean, changed_block bigint, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        coalesce(hex(w.owner), o.owner_id, b.account), b.account,
        b.protocol, exposure_node(b.protocol, b.deployment, b.market_id, k.collateral_asset), b.side, hex(b.asset), b.symbol,
        b.amount_raw * b.unit, round(b.amount_raw * b.unit * b.price_usd, 18), b.is_collateral, b.changed_block, b.as_of_block
    FROM position_books(p_chain, p_block, p_accounts) b
    JOIN market k ON k.chain_id = b.chain_id AND k.market_key = b.market_key
    JOIN deployment d ON d.chain_id = b.chain_id AND d.deployment_key = b.deployment_key AND d.kind = 'lending'
    CROSS JOIN LATERAL (
        SELECT owner_of(b.protocol, b.chain_id, b.deployment_key, b.account_bytes, b.as_of_block) AS owner_id
        OFFSET 0  -- once a row
    ) o
    LEFT JOIN wallet_owners_at(p_chain, p_block) w ON w.chain_id = b.chain_id AND w.wallet = unhex(coalesce(o.owner_id, b.account))
    WHERE b.side IN ('supply', 'collateral', 'debt')
$$;

-- Where the assets behind a claim are: one row a claim and place, `part` of them there (parts of a claim sum to 1).
-- A lending receipt, or a wrapper of one: the market that issued it. A vault's share: wherever the vault has its assets.
-- Else the issuer, which is not indexed.
CREATE FUNCTION claim_places(p_chain bigint, p_block bigint, p_tokens text[])
RETURNS TABLE (token text, edge_kind text, protocol text, node text, part numeric, is_indexed boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH claim AS (
        SELECT DISTINCT ON (t.token_address) t.token_address AS token, t.kind, t.issuer_project, t.underlying
        FROM token_registry t
        WHERE t.chain_id = p_chain AND t.token_address = ANY (p_tokens)
          AND t.kind NOT IN ('plain', 'unclassified', 'debt_token', 'cdp_stable')
        ORDER BY t.token_address, t.underlying
    ), issued AS (
        SELECT c.token, d.protocol, exposure_node(d.protocol, d.name, m.market_id, m.collateral_asset) AS node
        FROM claim c
        JOIN market m ON m.chain_id = p_chain AND m.supply_token IN (unhex(c.token), unhex(c.underlying))
        JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
    ), held AS (
        SELECT c.token, h.protocol, h.node, sum(h.amount_usd) AS amount_usd
        FROM claim c
        CROSS JOIN LATERAL exposure_positions(p_chain, p_block, ARRAY[unhex(c.token)]) h
        WHERE h.side <> 'debt' AND h.amount_usd > 0 AND NOT EXISTS (SELECT FROM issued i WHERE i.token = c.token)
        GROUP BY c.token, h.protocol, h.node
    )
    SELECT i.token, 'claim', i.protocol, i.node, 1::numeric, true FROM issued i
    UNION ALL
    SELECT h.token, 'vault', h.protocol, h.node, h.amount_usd / sum(h.amount_usd) OVER (PARTITION BY h.token), true FROM held h
    UNION ALL
    SELECT c.token, CASE WHEN c.kind IN ('erc4626', 'vault_share') THEN 'vault' ELSE 'claim' END,
        'issuer:' || coalesce(c.issuer_project, c.token), 'issuer:' || coalesce(c.issuer_project, c.token), 1, false
    FROM claim c
    WHERE NOT EXISTS (SELECT FROM issued i WHERE i.token = c.token) AND NOT EXISTS (SELECT FROM held h WHERE h.token = c.token)
$$;

-- The edges of a chain as of a block, or with p_block NULL at each protocol's head; of some accounts where given.
-- Debt edges by two methods, never to be added up:
--   events  open loop links (M6): borrowed here, supplied there, through swaps too. What the link moved then is worth what it
--           is now, and no more than is still owed of that debt and still there of that supply: the smaller of both
--   state   a debt and what is posted of the same root token (DAI, aDAI and sDAI are one), of one owner.
--           value(p, q) = D_p * A_q / max(sum D, sum A): no debt is posted twice and nothing posted is financed twice. It
--           sees what was lent on without being collateral, and not what was swapped into something else
-- What lies at one node is within it (M6).
CREATE FUNCTION exposure_edges_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, owner_id text, src text, dst text, src_market text, dst_market text, edge_kind text,
    method text, token text, symbol text, value_usd numeric, changed_block bigint, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH held AS MATERIALIZED (
        SELECT * FROM exposure_positions(p_chain, p_block, p_accounts)
    ), place AS MATERIALIZED (
        SELECT * FROM claim_places(p_chain, p_block, ARRAY(SELECT DISTINCT h.asset FROM held h WHERE h.side <> 'debt'))
    ), root AS MATERIALIZED (
        SELECT * FROM claim_roots(p_chain)
    ), rooted AS (
        SELECT h.*, coalesce(r.root, h.asset) AS root FROM held h LEFT JOIN root r ON r.token = h.asset
    ), owed AS (
        SELECT r.owner, r.root, r.protocol, r.node, r.asset, r.symbol, sum(r.amount_usd) AS amount_usd,
            sum(sum(r.amount_usd)) OVER (PARTITION BY r.owner, r.root) AS total_usd,
            max(r.changed_block) AS changed_block, min(r.as_of_block) AS as_of_block
        FROM rooted r WHERE r.side = 'debt' GROUP BY r.owner, r.root, r.protocol, r.node, r.asset, r.symbol
    ), posted AS (
        SELECT r.owner, r.root, coalesce(p.protocol, r.protocol) AS protocol, coalesce(p.node, r.node) AS node,
            sum(r.amount_usd * coalesce(p.part, 1)) AS amount_usd,
            sum(sum(r.amount_usd * coalesce(p.part, 1))) OVER (PARTITION BY r.owner, r.root) AS total_usd,
            max(r.changed_block) AS changed_block
        FROM rooted r LEFT JOIN place p ON p.token = r.asset AND p.is_indexed
        WHERE r.side <> 'debt'
        GROUP BY r.owner, r.root, coalesce(p.protocol, r.protocol), coalesce(p.node, r.node)
    ), link AS (
        SELECT hex(l.owner) AS owner, exposure_node(bd.protocol, bd.name, bm.market_id, bm.collateral_asset) AS borrow_node,
            hex(l.borrow_token) AS borrow_token, l.borrowed_raw * unit_of(bt.decimals) AS borrowed,
            exposure_node(sd.protocol, sd.name, sm.market_id, sm.collateral_asset) AS supply_node,
            hex(l.token) AS supply_token, l.amount_raw * unit_of(st.decimals) AS supplied,
            l.borrow_block, l.borrow_log_index, l.is_repledge, l.block_number, l.log_index
        FROM loop_link l
        JOIN market bm ON bm.chain_id = p_chain AND bm.market_key = l.borrow_market_key
        JOIN deployment bd ON bd.chain_id = p_chain AND bd.deployment_key = bm.deployment_key
        JOIN market sm ON sm.chain_id = p_chain AND sm.market_key = l.supply_market_key
        JOIN deployment sd ON sd.chain_id = p_chain AND sd.deployment_key = sm.deployment_key
        JOIN token bt ON bt.chain_id = p_chain AND bt.address = l.borrow_token
        JOIN token st ON st.chain_id = p_chain AND st.address = l.token
        -- the block as a scalar: looked up once, not once a link
        WHERE l.chain_id = p_chain AND l.block_number <= coalesce(p_block, (SELECT max(h.as_of_block) FROM held h))
          AND (l.closed_block IS NULL OR l.closed_block > coalesce(p_block, (SELECT max(h.as_of_block) FROM held h)))
    ), balance AS (
        SELECT h.owner, h.protocol, h.node, h.asset, h.side = 'debt' AS is_debt, min(h.symbol) AS symbol, sum(h.amount) AS amount,
            CASE WHEN count(*) = count(h.amount_usd) THEN sum(h.amount_usd) END AS amount_usd,
            max(h.changed_block) AS changed_block, min(h.as_of_block) AS as_of_block
        FROM held h GROUP BY h.owner, h.protocol, h.node, h.asset, h.side = 'debt'
    ), loan AS (  -- a borrow that paid for a supply, and then for the receipt of it posted elsewhere, is one
        SELECT k.owner, k.borrow_node, k.borrow_token, k.borrow_block, k.borrow_log_index,
            greatest(sum(k.borrowed) FILTER (WHERE NOT k.is_repledge), sum(k.borrowed) FILTER (WHERE k.is_repledge)) AS borrowed,
            sum(greatest(sum(k.borrowed) FILTER (WHERE NOT k.is_repledge), sum(k.borrowed) FILTER (WHERE k.is_repledge)))
                OVER (PARTITION BY k.owner, k.borrow_node, k.borrow_token) AS all_borrowed
        FROM link k GROUP BY k.owner, k.borrow_node, k.borrow_token, k.borrow_block, k.borrow_log_index
    ), valued AS (
        SELECT b.owner, b.protocol AS src, b.node AS src_market, b.asset, b.symbol, s.protocol, s.node, s.asset AS supply_token,
            b.amount_usd * o.borrowed / greatest(o.all_borrowed, b.amount) AS owed_usd,
            CASE WHEN b.amount_usd IS NOT NULL AND s.amount_usd IS NOT NULL THEN least(
                b.amount_usd * l.borrowed / greatest(o.all_borrowed, b.amount),
                CASE WHEN NOT l.is_repledge THEN s.amount_usd * l.supplied / greatest(l.first_supplied, s.amount)
                     WHEN s.amount > l.first_supplied THEN s.amount_usd * (1 - l.first_supplied / s.amount) * l.supplied
                          / greatest(l.again_supplied, s.amount - l.first_supplied)
                     ELSE 0 END) END AS value_usd,
            greatest(b.changed_block, s.changed_block) AS changed_block, b.as_of_block,
            l.borrow_block, l.borrow_log_index, l.is_repledge, l.block_number, l.log_index
        FROM (
            SELECT k.*, coalesce(sum(k.supplied) FILTER (WHERE NOT k.is_repledge) OVER w, 0) AS first_supplied,
                coalesce(sum(k.supplied) FILTER (WHERE k.is_repledge) OVER w, 0) AS again_supplied
            FROM link k WINDOW w AS (PARTITION BY k.owner, k.supply_node, k.supply_token)
        ) l
        JOIN loan o USING (owner, borrow_node, borrow_token, borrow_block, borrow_log_index)
        JOIN balance b ON b.is_debt AND b.owner = l.owner AND b.node = l.borrow_node AND b.asset = l.borrow_token AND b.amount > 0
        JOIN balance s ON NOT s.is_debt AND s.owner = l.owner AND s.node = l.supply_node AND s.asset = l.supply_token
            AND s.amount > 0
    ), financed AS (
        SELECT v.*, least(v.value_usd, greatest(v.owed_usd - coalesce(sum(v.value_usd) OVER (
                PARTITION BY v.owner, v.src_market, v.asset, v.borrow_block, v.borrow_log_index
                ORDER BY v.is_repledge, v.block_number, v.log_index, v.supply_token
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), 0)) AS left_usd
        FROM valued v
    )
    SELECT p_chain, f.owner, f.src, coalesce(p.protocol, f.protocol), f.src_market, coalesce(p.node, f.node), 'debt', 'events',
        f.asset, f.symbol, CASE WHEN count(*) = count(f.value_usd) THEN sum(round(f.left_usd * coalesce(p.part, 1), 18)) END,
        max(f.changed_block), min(f.as_of_block)
    FROM financed f LEFT JOIN place p ON p.token = f.supply_token AND p.is_indexed
    WHERE coalesce(p.node, f.node) <> f.src_market
    GROUP BY f.owner, f.src, coalesce(p.protocol, f.protocol), f.src_market, coalesce(p.node, f.node), f.asset, f.symbol
    UNION ALL
    SELECT p_chain, o.owner, o.protocol, p.protocol, o.node, p.node, 'debt', 'state', o.asset, o.symbol,
        round(o.amount_usd * p.amount_usd / nullif(greatest(o.total_usd, p.total_usd), 0), 18),
        greatest(o.changed_block, p.changed_block), o.as_of_block
    FROM owed o
    JOIN posted p ON p.owner = o.owner AND p.root = o.root AND p.node <> o.node
    WHERE o.amount_usd * p.amount_usd IS DISTINCT FROM 0
    UNION ALL
    SELECT p_chain, h.owner, p.protocol, h.protocol, p.node, h.node, p.edge_kind, m.method, h.asset, min(h.symbol),
        CASE WHEN count(*) = count(h.amount_usd) THEN sum(round(h.amount_usd * p.part, 18)) END,
        max(h.changed_block), min(h.as_of_block)
    FROM held h
    JOIN place p ON p.token = h.asset AND p.node <> h.node
    CROSS JOIN exposure_methods() m
    WHERE h.side <> 'debt' AND h.is_collateral
    GROUP BY h.owner, p.protocol, h.protocol, p.node, h.node, p.edge_kind, m.method, h.asset
$$;

-- How debt edges are found; claim and vault edges are in the graph of every method.
CREATE FUNCTION exposure_methods() RETURNS TABLE (method text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ VALUES ('events'), ('state') $$;

-- The graph between protocols: edges of all owners summed. What lies within one protocol is M6's and not in it.
CREATE FUNCTION exposure_graph_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, src text, dst text, edge_kind text, method text, value_usd numeric, n_owners bigint, n_unpriced bigint,
    as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT e.chain_id, e.src, e.dst, e.edge_kind, e.method, coalesce(sum(e.value_usd), 0), count(DISTINCT e.owner_id),
        count(*) FILTER (WHERE e.value_usd IS NULL), min(e.as_of_block)
    FROM exposure_edges_at(p_chain, p_block, p_accounts) e
    WHERE e.src <> e.dst
    GROUP BY e.chain_id, e.src, e.dst, e.edge_kind, e.method
$$;
