-- M10: what owners hold through vaults, and how often an asset is claimed.

-- Addresses of the vaults whose shares accounts hold, and of those whose shares these hold, and so on.
CREATE FUNCTION vaults_behind(p_chain bigint, p_block bigint, p_accounts bytea[]) RETURNS bytea[]
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    found bytea[] := '{}';
    reached bytea[] := p_accounts;
BEGIN
    LOOP
        reached := ARRAY(
            SELECT DISTINCT t.address
            FROM exposure_positions(p_chain, p_block, reached) h
            JOIN token t ON t.chain_id = p_chain AND t.address = unhex(h.asset)
            WHERE h.side <> 'debt' AND t.address <> ALL (found)
              AND EXISTS (SELECT FROM position p WHERE p.chain_id = p_chain AND p.account = t.address));
        EXIT WHEN cardinality(reached) = 0;
        found := found || reached;
    END LOOP;
    RETURN found;
END $$;

-- Owners and vaults with what they have and owe themselves, USD. `shares` are their shares of vaults that are in the index
-- (vault, value, part of the vault's equity), not in plain_usd; `unseen_usd` is what they hold in vaults that are not, at
-- its price, within plain_usd. netted_*: identical underlyings set off after unwrapping lending receipts only.
CREATE FUNCTION lookthrough_books(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    owner_id text, is_vault boolean, assets_usd numeric, debt_usd numeric, netted_assets_usd numeric, netted_debt_usd numeric,
    plain_usd numeric, unseen_usd numeric, is_priced boolean, shares jsonb, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH held AS MATERIALIZED (
        -- a subquery, so that the vaults are looked for once and not for each balance that the inlined function compares
        SELECT * FROM exposure_positions(p_chain, p_block,
            (SELECT CASE WHEN p_accounts IS NOT NULL THEN p_accounts || vaults_behind(p_chain, p_block, p_accounts) END))
    ), place AS MATERIALIZED (
        SELECT p.token, bool_or(p.is_indexed) AS is_indexed
        FROM claim_places(p_chain, p_block, ARRAY(SELECT DISTINCT h.asset FROM held h WHERE h.side <> 'debt')) p
        WHERE p.edge_kind = 'vault' GROUP BY p.token
    ), equity AS (
        SELECT h.account AS vault, sum(CASE h.side WHEN 'debt' THEN -h.amount_usd ELSE h.amount_usd END) AS equity_usd
        FROM held h JOIN place p ON p.token = h.account AND p.is_indexed GROUP BY h.account
    ), root AS MATERIALIZED (
        SELECT * FROM claim_roots(p_chain, true)
    ), net AS MATERIALIZED (
        SELECT n.owner, sum(n.usd) FILTER (WHERE n.usd > 0) AS assets_usd, -sum(n.usd) FILTER (WHERE n.usd < 0) AS debt_usd
        FROM (
            SELECT h.owner, coalesce(r.root, h.asset) AS root,
                sum(CASE h.side WHEN 'debt' THEN -h.amount_usd ELSE h.amount_usd END) AS usd
            FROM held h LEFT JOIN root r ON r.token = h.asset GROUP BY h.owner, coalesce(r.root, h.asset)
        ) n GROUP BY n.owner
    ), share AS (
        SELECT h.owner, h.asset AS vault, sum(h.amount_usd) AS value_usd, e.equity_usd
        FROM held h JOIN equity e ON e.vault = h.asset WHERE h.side <> 'debt' GROUP BY h.owner, h.asset, e.equity_usd
    ), shares AS MATERIALIZED (  -- else looked up once an owner, in all that is held
        SELECT s.owner, jsonb_agg(jsonb_build_object('vault', s.vault, 'value_usd', s.value_usd::text,
            'equity_usd', s.equity_usd::text) ORDER BY s.vault) AS shares
        FROM share s GROUP BY s.owner
    )
    SELECT
        h.owner, EXISTS (SELECT FROM equity e WHERE e.vault = h.owner),
        coalesce(sum(h.amount_usd) FILTER (WHERE h.side <> 'debt'), 0), coalesce(sum(h.amount_usd) FILTER (WHERE h.side = 'debt'), 0),
        coalesce(n.assets_usd, 0), coalesce(n.debt_usd, 0),
        coalesce(sum(h.amount_usd) FILTER (WHERE h.side <> 'debt' AND p.is_indexed IS NOT TRUE), 0),
        coalesce(sum(h.amount_usd) FILTER (WHERE h.side <> 'debt' AND NOT p.is_indexed), 0),
        count(*) = count(h.amount_usd),
        coalesce(s.shares, '[]'), min(h.as_of_block)
    FROM held h
    LEFT JOIN place p ON p.token = h.asset
    LEFT JOIN net n ON n.owner = h.owner
    LEFT JOIN shares s ON s.owner = h.owner
    GROUP BY h.owner, n.assets_usd, n.debt_usd, s.shares
$$;

-- Look-through of owners that hold claims, or of some accounts. Followed vault by vault, at most 16 hops: what is still
-- inside a circle then, and what lies in vaults that are not in the index, is unresolved_usd. A vault whose equity is not
-- positive is worth 0 to its holders (limited liability).
CREATE FUNCTION lookthrough_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, owner_id text, status text, assets_usd numeric, debt_usd numeric, gross_assets_usd numeric,
    gross_debt_usd numeric, leverage_gross numeric, leverage_netted numeric, leverage_lookthrough numeric, hops integer,
    unresolved_usd numeric, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE book AS MATERIALIZED (
        SELECT * FROM lookthrough_books(p_chain, p_block, p_accounts)
    ), share AS MATERIALIZED (
        SELECT b.owner_id, s.vault, s.value_usd,
            CASE WHEN s.equity_usd > 0 THEN least(s.value_usd / s.equity_usd, 1) ELSE 0 END AS part
        FROM book b CROSS JOIN LATERAL jsonb_to_recordset(b.shares) s (vault text, value_usd numeric, equity_usd numeric)
    ), wanted AS (
        SELECT b.owner_id FROM book b
        WHERE NOT b.is_vault AND CASE WHEN p_accounts IS NULL THEN b.shares <> '[]' OR b.unseen_usd > 0
                                      ELSE b.owner_id NOT IN (SELECT s.vault FROM share s) END
    ), walk AS (
        SELECT w.owner_id, w.owner_id AS entity, 1::numeric AS weight, 0 AS hop, 0::numeric AS left_usd FROM wanted w
        UNION ALL
        SELECT w.owner_id, s.vault, round(w.weight * s.part, 30), w.hop + 1, CASE WHEN w.hop = 15 THEN w.weight * s.value_usd ELSE 0 END
        FROM walk w JOIN share s ON s.owner_id = w.entity
        WHERE w.hop < 16 AND w.weight * s.part > 1e-24
    ), seen AS (
        SELECT w.owner_id, round(sum(w.weight * b.plain_usd), 18) AS assets_usd, round(sum(w.weight * b.debt_usd), 18) AS debt_usd,
            round(sum(w.weight * b.unseen_usd) + sum(w.left_usd), 18) AS unresolved_usd, max(w.hop) AS hops,
            bool_and(b.is_priced) AS is_priced
        FROM walk w JOIN book b ON b.owner_id = w.entity
        GROUP BY w.owner_id
    )
    SELECT
        p_chain, s.owner_id,
        CASE WHEN NOT s.is_priced THEN 'unpriced' WHEN s.debt_usd = 0 THEN 'no_debt' WHEN s.assets_usd > s.debt_usd THEN 'ok'
             WHEN s.assets_usd = s.debt_usd THEN 'zero_equity' ELSE 'insolvent' END,
        CASE WHEN s.is_priced THEN s.assets_usd END, CASE WHEN s.is_priced THEN s.debt_usd END,
        CASE WHEN b.is_priced THEN b.assets_usd END, CASE WHEN b.is_priced THEN b.debt_usd END,
        CASE WHEN b.is_priced AND b.assets_usd > b.debt_usd THEN ratio(b.assets_usd, b.assets_usd - b.debt_usd) END,
        CASE WHEN b.is_priced AND b.netted_assets_usd > b.netted_debt_usd
             THEN ratio(b.netted_assets_usd, b.netted_assets_usd - b.netted_debt_usd) END,
        CASE WHEN s.is_priced AND s.assets_usd > s.debt_usd THEN ratio(s.assets_usd, s.assets_usd - s.debt_usd) END,
        s.hops, s.unresolved_usd, b.as_of_block
    FROM seen s JOIN book b ON b.owner_id = s.owner_id
$$;

-- Gross claims on each asset across all layers over what lending contracts really hold of it: supplied or posted, and
-- not lent on. A receipt or an indexed vault's share is a claim on what it stands for; everything else is an asset itself.
CREATE FUNCTION rehypothecation_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, asset text, symbol text, claims_usd numeric, held_usd numeric, rehypothecation_multiplier numeric,
    as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH held AS MATERIALIZED (
        SELECT * FROM exposure_positions(p_chain, p_block)
    ), place AS (
        SELECT DISTINCT p.token
        FROM claim_places(p_chain, p_block, ARRAY(SELECT DISTINCT h.asset FROM held h WHERE h.side <> 'debt')) p
        WHERE p.is_indexed
    ), rooted AS (
        SELECT h.*, coalesce(r.root, h.asset) AS root, p.token IS NOT NULL AS is_claim
        FROM held h
        LEFT JOIN place p ON p.token = h.asset
        LEFT JOIN claim_roots(p_chain) r ON r.token = h.asset AND p.token IS NOT NULL
    ), summed AS (
        SELECT r.root,
            CASE WHEN count(*) = count(r.amount_usd) THEN coalesce(sum(r.amount_usd) FILTER (WHERE r.side <> 'debt'), 0) END AS claims,
            CASE WHEN count(*) = count(r.amount_usd) THEN coalesce(sum(CASE r.side WHEN 'debt' THEN -r.amount_usd
                ELSE r.amount_usd END) FILTER (WHERE NOT r.is_claim), 0) END AS held, min(r.as_of_block) AS as_of_block
        FROM rooted r GROUP BY r.root
    )
    SELECT p_chain, s.root, t.symbol, s.claims, s.held, CASE WHEN s.held > 0 THEN ratio(s.claims, s.held) END, s.as_of_block
    FROM summed s
    LEFT JOIN token t ON t.chain_id = p_chain AND t.address = unhex(s.root)
$$;
