-- M6 and M7 as of a block. What is stored is by event (loop_link, collateral_tag); money is valued here, at the block asked.

-- One row a (borrow, supply) whose supply lies at or below the block; closed later counts as open.
CREATE FUNCTION loop_links_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, link_id bigint, loop_id bigint, owner_id text, borrow_ref text, supply_ref text,
    from_project text, to_project text, from_market_id text, to_market_id text, token text, symbol text,
    borrow_token text, borrow_symbol text, amount_raw numeric, amount_usd numeric, borrowed_raw numeric,
    depth integer, depth_1d integer, depth_tx integer, turn integer, kind text, is_flash boolean, is_repledge boolean,
    is_same_tx boolean, rule text, evidence text, window_s bigint, age_s bigint, opened_block bigint, closed_block bigint,
    from_scope_key bigint, to_scope_key bigint, block_number bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        l.chain_id, l.link_id, l.loop_id, hex(l.owner), l.borrow_block || ':' || l.borrow_log_index,
        l.block_number || ':' || l.log_index, bd.project, sd.project, bm.market_id, sm.market_id,
        hex(l.token), t.symbol, hex(l.borrow_token), bt.symbol, l.amount_raw, l.amount_usd, l.borrowed_raw,
        l.depth, l.depth_1d, l.depth_tx, l.turn, l.kind, l.is_flash, l.is_repledge, l.is_same_tx, 'debt_first', l.evidence,
        CASE WHEN l.is_same_tx THEN 0 WHEN l.age_s <= 86400 THEN 86400 END::bigint, l.age_s, l.block_number,
        CASE WHEN p_block IS NULL OR l.closed_block <= p_block THEN l.closed_block END,
        l.borrow_scope_key, l.supply_scope_key, l.block_number
    FROM loop_link l
    LEFT JOIN market bm ON bm.chain_id = l.chain_id AND bm.market_key = l.borrow_market_key
    LEFT JOIN deployment bd ON bd.chain_id = bm.chain_id AND bd.deployment_key = bm.deployment_key
    LEFT JOIN market sm ON sm.chain_id = l.chain_id AND sm.market_key = l.supply_market_key
    LEFT JOIN deployment sd ON sd.chain_id = sm.chain_id AND sd.deployment_key = sm.deployment_key
    LEFT JOIN token t ON t.chain_id = l.chain_id AND t.address = l.token
    LEFT JOIN token bt ON bt.chain_id = l.chain_id AND bt.address = l.borrow_token
    WHERE (p_chain IS NULL OR l.chain_id = p_chain) AND (p_block IS NULL OR l.block_number <= p_block)
$$;

-- The state of every account in every scope, by owner: what a loop's multiplier is made of.
-- l_max is the LTV up to which more can be borrowed where the protocol has one beside the liquidation threshold l_liq;
-- l_liq = HF * D / C is exact for every accounting. NULL where it cannot be known.
-- p_owner (0x text) limits it to one owner's accounts.
CREATE FUNCTION loop_scopes_at(p_chain bigint, p_block bigint, p_owner text DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, owner_id text, account text, scope_key bigint, deployment_key bigint, market_id text, project text,
    collateral_usd numeric, debt_usd numeric, ltv numeric, l_max numeric, l_liq numeric, pair_class text, status text,
    as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        h.chain_id, coalesce(o.owner_id, h.account), h.account,
        CASE WHEN h.market_id IS NULL THEN h.deployment_key ELSE h.market_key END, h.deployment_key, h.market_id, h.project,
        h.collateral_usd, h.debt_usd, ratio(h.debt_usd, h.collateral_usd),
        coalesce(h.ltv_bps * 1e-4, ratio(h.health_factor * h.debt_usd, h.collateral_usd)),
        coalesce(h.current_liquidation_threshold_bps * 1e-4, ratio(h.health_factor * h.debt_usd, h.collateral_usd)),
        h.pair_class, h.status, h.as_of_block
    FROM (
        SELECT * FROM account_health(p_chain, p_block) WHERE p_owner IS NULL
        UNION ALL
        SELECT f.* FROM (
            SELECT p_owner AS address UNION SELECT w.address FROM owners_at(p_chain, p_block) w WHERE w.owner_id = p_owner
        ) a CROSS JOIN LATERAL account_health_of(p_chain, p_block, unhex(a.address)) f WHERE p_owner IS NOT NULL
    ) h
    LEFT JOIN owners_at(p_chain, p_block) o ON o.chain_id = h.chain_id AND o.address = h.account
$$;

-- m(1-l): how much of the bound 1/(1-l) is used; may exceed 1 after a price fall or interest: flagged, never clipped.
CREATE FUNCTION bound_utilisation(m numeric, l numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN l < 1 THEN m * (1 - l) END;

-- Turns of a constant-LTV loop that reach multiplier m: ln(1 - m(1-l)) / ln(l) - 1. NULL at or above the bound.
CREATE FUNCTION equivalent_depth(m numeric, l numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN l > 0 AND l < 1 AND m >= 1 AND m * (1 - l) < 1 THEN round(ln(1 - m * (1 - l)) / ln(l) - 1, 12) END;

-- Recursive positions by two methods, never merged: `event` from links that wallets left behind, `state` from what is on the
-- books (collateral and debt of one asset, or of one e-mode category, at an LTV of at least 0.5).
-- l of several scopes is weighted by their collateral: D <= sum(l C) is what bounds the whole position.
CREATE FUNCTION loops_at(p_chain bigint, p_block bigint, p_owner text DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, loop_id text, owner_id text, method text, shape text, kind text, market_id text, projects text[],
    cycle jsonb, pair_class text, turns integer, depth integer, depth_1d integer, depth_tx integer, n_links bigint,
    is_flash boolean, evidence text, collateral_usd numeric, debt_usd numeric, multiplier numeric, max_ltv numeric,
    bound numeric, bound_utilisation numeric, is_above_bound boolean, liquidation_bound numeric, equivalent_depth numeric,
    linked_usd numeric, opened_block bigint, last_block bigint, closed_block bigint, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH links AS MATERIALIZED (SELECT l.* FROM loop_links_at(p_chain, p_block) l WHERE p_owner IS NULL OR l.owner_id = p_owner),
    scopes AS MATERIALIZED (SELECT * FROM loop_scopes_at(p_chain, p_block, p_owner)),
    ends AS (
        SELECT k.chain_id, k.loop_id, k.owner_id, e.scope_key, min(k.opened_block) AS first_block,
            array_agg(DISTINCT e.collateral) FILTER (WHERE e.collateral IS NOT NULL) AS collateral,
            array_agg(DISTINCT e.debt) FILTER (WHERE e.debt IS NOT NULL) AS debt
        FROM links k
        CROSS JOIN LATERAL (VALUES
            (k.from_scope_key, NULL, k.borrow_token), (k.to_scope_key, k.token, NULL)
        ) e (scope_key, collateral, debt)
        GROUP BY k.chain_id, k.loop_id, k.owner_id, e.scope_key
    ),
    legs AS (
        SELECT chain_id, loop_id, jsonb_agg(leg ORDER BY first_block, leg ->> 'project', leg ->> 'version', leg ->> 'deployment',
                leg ->> 'market_id') AS cycle,
            array_agg(DISTINCT leg ->> 'project') AS projects
        FROM (
            -- where collateral is pooled the leg is the pool: its reserves together
            SELECT s.chain_id, s.loop_id, min(s.first_block) AS first_block, jsonb_build_object(
                'project', d.project, 'version', d.version, 'deployment', d.name,
                'market_id', min(m.market_id) FILTER (WHERE m.collateral_asset IS NOT NULL),
                'collateral', coalesce(jsonb_agg(DISTINCT pledged) FILTER (WHERE pledged IS NOT NULL), '[]'),
                'debt', coalesce(jsonb_agg(DISTINCT owed) FILTER (WHERE owed IS NOT NULL), '[]')) AS leg
            FROM ends s
            LEFT JOIN market m ON m.chain_id = s.chain_id AND m.market_key = s.scope_key
            JOIN deployment d ON d.chain_id = s.chain_id AND d.deployment_key = coalesce(m.deployment_key, s.scope_key)
            LEFT JOIN LATERAL unnest(s.collateral) pledged ON true
            LEFT JOIN LATERAL unnest(s.debt) owed ON true
            GROUP BY s.chain_id, s.loop_id, s.scope_key, d.project, d.version, d.name
            UNION ALL
            -- a receipt that was pledged elsewhere, or a vault share whose vault lends the money on: one more leg, through it
            SELECT v.chain_id, v.loop_id, v.first_block, jsonb_build_object(
                'project', d.project, 'version', d.version, 'deployment', d.name, 'market_id', CASE WHEN m.collateral_asset IS NOT NULL THEN m.market_id END,
                'collateral', jsonb_build_array(hex(m.asset)), 'debt', '[]'::jsonb, 'via', v.token)
            FROM (SELECT k.chain_id, k.loop_id, k.token, min(k.opened_block) AS first_block FROM links k GROUP BY 1, 2, 3) v
            JOIN market m ON m.chain_id = v.chain_id AND m.supply_token = unhex(v.token)
            JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key AND d.kind = 'lending'
            WHERE NOT EXISTS (SELECT FROM ends e WHERE e.chain_id = v.chain_id AND e.loop_id = v.loop_id
                AND e.scope_key = CASE WHEN m.collateral_asset IS NOT NULL THEN m.market_key ELSE m.deployment_key END)
            UNION ALL
            SELECT v.chain_id, v.loop_id, v.first_block, jsonb_build_object(
                'project', d.project, 'version', d.version, 'deployment', d.name, 'market_id', CASE WHEN m.collateral_asset IS NOT NULL THEN m.market_id END,
                'collateral', jsonb_build_array(hex(m.asset)), 'debt', '[]'::jsonb, 'via', v.token)
            FROM (SELECT k.chain_id, k.loop_id, k.token, min(k.opened_block) AS first_block FROM links k GROUP BY 1, 2, 3) v
            JOIN position p ON p.chain_id = v.chain_id AND p.account = unhex(v.token) AND p.side = 'supply' AND p.shares_raw > 0
            JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.market_key
            JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key AND d.kind = 'lending'
            WHERE NOT EXISTS (SELECT FROM ends e WHERE e.chain_id = v.chain_id AND e.loop_id = v.loop_id
                AND e.scope_key = CASE WHEN m.collateral_asset IS NOT NULL THEN m.market_key ELSE m.deployment_key END)
        ) x GROUP BY chain_id, loop_id
    ),
    loops AS (
        SELECT k.chain_id, k.loop_id, k.owner_id, max(k.turn) AS turns, max(k.depth) AS depth, max(k.depth_1d) AS depth_1d,
            max(k.depth_tx) AS depth_tx, count(*) AS n_links, bool_or(k.is_flash) AS is_flash,
            bool_or(k.kind = 'inter') AS inter,
            CASE WHEN bool_or(k.evidence = 'assumed') THEN 'assumed' WHEN bool_or(k.evidence = 'registry') THEN 'registry' ELSE 'flows' END
                AS evidence,
            CASE WHEN bool_and(k.amount_usd IS NOT NULL) THEN sum(k.amount_usd) FILTER (WHERE k.closed_block IS NULL) END AS linked_usd,
            min(k.opened_block) AS opened_block, max(greatest(k.opened_block, k.closed_block)) AS last_block,
            CASE WHEN bool_and(k.closed_block IS NOT NULL) THEN max(k.closed_block) END AS closed_block
        FROM links k GROUP BY k.chain_id, k.loop_id, k.owner_id
    ),
    books AS (
        SELECT x.chain_id, x.loop_id, s.collateral AS c, s.debt AS d, s.l_max, s.l_liq, s.pair_class, s.market_id, s.as_of_block
        FROM (SELECT DISTINCT chain_id, loop_id, owner_id, scope_key FROM ends) x
        CROSS JOIN LATERAL (
            SELECT CASE WHEN bool_and(s.collateral_usd IS NOT NULL) THEN sum(s.collateral_usd) END AS collateral,
                CASE WHEN bool_and(s.debt_usd IS NOT NULL) THEN sum(s.debt_usd) END AS debt,
                ratio(sum(s.l_max * s.collateral_usd), sum(s.collateral_usd)) AS l_max,
                ratio(sum(s.l_liq * s.collateral_usd), sum(s.collateral_usd)) AS l_liq,
                min(s.pair_class) AS pair_class, min(s.market_id) AS market_id, max(s.as_of_block) AS as_of_block
            FROM scopes s WHERE s.chain_id = x.chain_id AND s.owner_id = x.owner_id AND s.scope_key = x.scope_key
            HAVING count(*) > 0
        ) s
    ),
    sums AS (
        SELECT b.chain_id, b.loop_id, CASE WHEN bool_and(b.c IS NOT NULL) THEN sum(b.c) END AS c,
            CASE WHEN bool_and(b.d IS NOT NULL) THEN sum(b.d) END AS d,
            CASE WHEN bool_and(b.l_max IS NOT NULL OR b.c = 0) THEN ratio(sum(b.l_max * b.c), sum(b.c)) END AS l_max,
            CASE WHEN bool_and(b.l_liq IS NOT NULL OR b.c = 0) THEN ratio(sum(b.l_liq * b.c), sum(b.c)) END AS l_liq,
            CASE WHEN count(*) = 1 THEN min(b.market_id) END AS market_id,
            CASE WHEN count(DISTINCT b.pair_class) = 1 THEN min(b.pair_class) END AS pair_class
        FROM books b GROUP BY b.chain_id, b.loop_id
    ),
    found AS (
        SELECT o.chain_id, 'event:' || o.loop_id AS loop_id, o.owner_id, 'event' AS method,
            CASE WHEN o.turns > 0 THEN 'loop' ELSE 'chain' END AS shape, CASE WHEN o.inter THEN 'inter' ELSE 'intra' END AS kind,
            s.market_id, g.projects, g.cycle, s.pair_class, o.turns, o.depth, o.depth_1d, o.depth_tx, o.n_links, o.is_flash, o.evidence,
            coalesce(s.c, CASE WHEN s.loop_id IS NULL THEN 0 END) AS c, coalesce(s.d, CASE WHEN s.loop_id IS NULL THEN 0 END) AS d,
            s.l_max, s.l_liq, o.linked_usd, o.opened_block, o.last_block, o.closed_block
        FROM loops o
        LEFT JOIN legs g ON g.chain_id = o.chain_id AND g.loop_id = o.loop_id
        LEFT JOIN sums s ON s.chain_id = o.chain_id AND s.loop_id = o.loop_id
        UNION ALL
        SELECT s.chain_id, 'state:' || s.account || ':' || s.scope_key, s.owner_id, 'state', 'loop', 'intra', s.market_id,
            ARRAY[s.project], NULL, s.pair_class, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.collateral_usd, s.debt_usd,
            s.l_max, s.l_liq, NULL, NULL, NULL, NULL
        FROM scopes s
        WHERE s.status = 'ok' AND s.pair_class IN ('same_asset', 'correlated') AND s.ltv >= 0.5
    )
    SELECT f.chain_id, f.loop_id, f.owner_id, f.method, f.shape, f.kind, f.market_id, f.projects, f.cycle, f.pair_class,
        f.turns, f.depth, f.depth_1d, f.depth_tx, f.n_links, f.is_flash, f.evidence, f.c, f.d, x.m, f.l_max,
        CASE WHEN f.l_max < 1 THEN ratio(1, 1 - f.l_max) END, bound_utilisation(x.m, f.l_max),
        bound_utilisation(x.m, f.l_max) > 1, CASE WHEN f.l_liq < 1 THEN ratio(1, 1 - f.l_liq) END,
        equivalent_depth(x.m, f.l_max), f.linked_usd, f.opened_block, f.last_block, f.closed_block,
        coalesce(p_block, (SELECT max(c.block_number) FROM cursor c WHERE c.chain_id = f.chain_id))
    FROM found f
    CROSS JOIN LATERAL (SELECT CASE WHEN f.c > f.d THEN ratio(f.c, f.c - f.d) END AS m) x
$$;

-- M6 aggregates of a deployment over the borrows of blocks p_from to p_block, for one window (NULL: any age).
-- A borrow counts with the part of it that came back as collateral; re-pledging a receipt does not count again.
CREATE FUNCTION loops_summary_at(p_chain bigint, p_block bigint, p_from bigint DEFAULT 0, p_window bigint DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, window_s bigint, n_loops bigint, n_owners bigint,
    max_turns integer, borrow_usd numeric, matched_usd numeric, recursive_borrow_share_volume numeric, n_borrows bigint,
    n_matched bigint, recursive_borrow_share_count numeric, n_unpriced bigint, looped_debt_usd numeric, debt_usd numeric,
    looped_debt_share numeric, as_of_block bigint, deployment_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH links AS MATERIALIZED (
        SELECT l.* FROM loop_links_at(p_chain, p_block) l
        WHERE p_window IS NULL OR l.is_same_tx OR (p_window > 0 AND l.age_s <= p_window)
    ),
    scopes AS MATERIALIZED (SELECT * FROM loop_scopes_at(p_chain, p_block)),
    borrows AS (
        SELECT e.chain_id, e.deployment_key, e.usd_amount,
            least(coalesce(k.borrowed, 0), e.amount_raw) / nullif(e.amount_raw, 0) AS part
        FROM lending_events e
        LEFT JOIN (
            SELECT l.chain_id, l.borrow_ref, sum(l.borrowed_raw) AS borrowed FROM links l WHERE NOT l.is_repledge GROUP BY 1, 2
        ) k ON k.chain_id = e.chain_id AND k.borrow_ref = e.block_number || ':' || e.evt_index
        WHERE e.transaction_type = 'borrow' AND (p_chain IS NULL OR e.chain_id = p_chain)
          AND e.block_number >= p_from AND (p_block IS NULL OR e.block_number <= p_block)
    ),
    looped AS (
        SELECT DISTINCT s.chain_id, s.deployment_key, s.account, s.scope_key, s.debt_usd
        FROM links l JOIN scopes s ON s.chain_id = l.chain_id AND s.owner_id = l.owner_id
            AND s.scope_key IN (l.from_scope_key, l.to_scope_key)
        WHERE l.closed_block IS NULL
    ),
    ids AS (
        SELECT l.chain_id, s.deployment_key, count(DISTINCT l.loop_id) AS n_loops, count(DISTINCT l.owner_id) AS n_owners,
            max(l.turn) AS turns
        FROM links l JOIN scopes s ON s.chain_id = l.chain_id AND s.owner_id = l.owner_id
            AND s.scope_key IN (l.from_scope_key, l.to_scope_key)
        WHERE l.closed_block IS NULL GROUP BY 1, 2
    )
    SELECT d.chain_id, d.project, d.version, d.name, p_window, coalesce(i.n_loops, 0), coalesce(i.n_owners, 0), i.turns,
        coalesce(b.usd, 0), coalesce(b.matched, 0), ratio(b.matched, b.usd), coalesce(b.n, 0), coalesce(b.hits, 0),
        ratio(b.hits, b.n), coalesce(b.unpriced, 0), coalesce(o.usd, 0), coalesce(t.usd, 0), ratio(coalesce(o.usd, 0), t.usd),
        a.as_of_block, d.deployment_key
    FROM as_of(p_chain, p_block) a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol AND d.kind = 'lending'
    LEFT JOIN ids i ON i.chain_id = d.chain_id AND i.deployment_key = d.deployment_key
    LEFT JOIN (
        SELECT chain_id, deployment_key, sum(usd_amount) AS usd, sum(usd_amount * part) AS matched, count(*) AS n,
            count(*) FILTER (WHERE part > 0) AS hits, count(*) FILTER (WHERE usd_amount IS NULL) AS unpriced
        FROM borrows GROUP BY 1, 2
    ) b ON b.chain_id = d.chain_id AND b.deployment_key = d.deployment_key
    LEFT JOIN (SELECT chain_id, deployment_key, sum(debt_usd) AS usd FROM looped GROUP BY 1, 2) o
        ON o.chain_id = d.chain_id AND o.deployment_key = d.deployment_key
    LEFT JOIN (SELECT chain_id, deployment_key, sum(debt_usd) AS usd FROM scopes GROUP BY 1, 2) t
        ON t.chain_id = d.chain_id AND t.deployment_key = d.deployment_key
$$;

-- M7 stock: tagged collateral over all collateral, three rules. A tag is without interest and never more than the balance.
CREATE FUNCTION dfc_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, rule text, ts timestamptz, block_number bigint,
    tagged_usd numeric, collateral_usd numeric, share numeric, coverage_start_block bigint, deployment_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH held AS MATERIALIZED (
        SELECT p.chain_id, p.deployment_key, p.market_key, p.owner, sum(p.amount_raw) AS amount_raw,
            CASE WHEN bool_and(p.amount_usd IS NOT NULL) THEN sum(p.amount_usd) END AS amount_usd
        FROM positions_at(p_chain, p_block) p
        WHERE p.side IN ('supply', 'collateral') AND p.is_collateral
        GROUP BY 1, 2, 3, 4
    ),
    sums AS (
        SELECT h.chain_id, h.deployment_key, r.rule, sum(h.amount_usd) AS collateral_usd,
            CASE WHEN bool_and(r.tag IS NOT NULL)  -- least() would take the balance for an unknown tag
                THEN coalesce(sum(ratio(least(r.tag, h.amount_raw) * h.amount_usd, h.amount_raw)), 0) END AS tagged_usd
        FROM held h
        LEFT JOIN LATERAL (  -- one probe of its key for each balance
            SELECT g.owner, g.low_raw, g.mid_raw, g.high_raw FROM collateral_tag g
            WHERE g.chain_id = h.chain_id AND g.owner = unhex(h.owner) AND g.market_key = h.market_key
              AND (p_block IS NULL OR g.block_number <= p_block)
            ORDER BY g.block_number DESC, g.log_index DESC LIMIT 1
        ) g ON true
        CROSS JOIN LATERAL (VALUES
            ('free_first', CASE WHEN g.owner IS NULL THEN 0 ELSE g.low_raw END),
            ('pro_rata', CASE WHEN g.owner IS NULL THEN 0 ELSE g.mid_raw END),
            ('debt_first', coalesce(g.high_raw, 0))) r (rule, tag)
        GROUP BY 1, 2, 3
    )
    SELECT d.chain_id, d.project, d.version, d.name, r.rule, to_timestamp(a.as_of_time), a.as_of_block,
        CASE WHEN s.rule IS NULL THEN 0 ELSE round(s.tagged_usd, 18) END, coalesce(s.collateral_usd, 0),
        ratio(s.tagged_usd, s.collateral_usd), d.start_block, d.deployment_key
    FROM as_of(p_chain, p_block) a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol AND d.kind = 'lending' AND d.start_block <= a.as_of_block
    CROSS JOIN (VALUES ('free_first'), ('pro_rata'), ('debt_first')) r (rule)
    LEFT JOIN sums s ON s.chain_id = d.chain_id AND s.deployment_key = d.deployment_key AND s.rule = r.rule
$$;

-- M7 flow: tagged supply over all collateral supplied in blocks p_from to p_block, USD at each supply's block.
CREATE FUNCTION dfc_flow(p_chain bigint, p_from bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, rule text, tagged_usd numeric, supplied_usd numeric, share numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.chain_id, x.deployment_key, r.rule,
        CASE WHEN bool_and(r.part IS NOT NULL) THEN sum(ratio(r.part * x.usd_amount, x.amount_raw)) END, sum(x.usd_amount),
        CASE WHEN bool_and(r.part IS NOT NULL) THEN ratio(sum(ratio(r.part * x.usd_amount, x.amount_raw)), sum(x.usd_amount)) END
    FROM (
        SELECT e.chain_id, e.deployment_key, e.amount_raw, e.usd_amount, g.owner, g.supplied_low_raw, g.supplied_mid_raw, g.supplied_high_raw
        FROM lending_events e
        LEFT JOIN collateral_tag g ON g.chain_id = e.chain_id AND g.block_number = e.block_number AND g.log_index = e.evt_index
            AND g.market_key = e.market_key
        WHERE e.transaction_type IN ('supply', 'supply_collateral') AND e.chain_id = p_chain
          AND e.block_number BETWEEN p_from AND p_block AND e.usd_amount IS NOT NULL AND e.amount_raw > 0
    ) x
    CROSS JOIN LATERAL (VALUES
        ('free_first', CASE WHEN x.owner IS NULL THEN 0 ELSE x.supplied_low_raw END),
        ('pro_rata', CASE WHEN x.owner IS NULL THEN 0 ELSE x.supplied_mid_raw END),
        ('debt_first', coalesce(x.supplied_high_raw, 0))) r (rule, part)
    GROUP BY 1, 2, 3
$$;
