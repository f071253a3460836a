-- M9: cycles and chains of the exposure graph, by the definition itself: enumerate, take the best, subtract, repeat.
-- indexer/aggregation/cycles.py finds the same without enumerating; tests hold the two together.

-- Cycles of two to six edges, each edge at least p_min_usd: largest bottleneck first, then fewer edges, then the order of
-- nodes from the smallest. With p_chains, what is left as paths too: longest first, then largest bottleneck, then nodes.
-- Only edges as heavy as the best pair of opposite ones need to be walked: what a lighter one closes is smaller.
CREATE FUNCTION decompose_graph(p_src text[], p_dst text[], p_usd numeric[], p_min_usd numeric, p_chains boolean)
RETURNS TABLE (form text, rank integer, nodes text[], length integer, size_usd numeric)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    at_least numeric;
    n integer := 0;
BEGIN
    form := 'cycle';
    LOOP
        SELECT greatest(max(least(e.usd, r.usd)), p_min_usd) INTO at_least
        FROM unnest(p_src, p_dst, p_usd) e (src, dst, usd) JOIN unnest(p_src, p_dst, p_usd) r (src, dst, usd)
            ON r.src = e.dst AND r.dst = e.src;
        at_least := coalesce(at_least, p_min_usd);
        WITH RECURSIVE edge AS MATERIALIZED (
            SELECT e.src COLLATE "C" AS src, e.dst COLLATE "C" AS dst, e.usd FROM unnest(p_src, p_dst, p_usd) e (src, dst, usd)
            WHERE e.usd > 0 AND e.usd >= at_least AND e.src <> e.dst
        ), walk AS (
            SELECT ARRAY[e.src, e.dst] AS nodes, e.usd FROM edge e WHERE e.src < e.dst
            UNION ALL
            SELECT w.nodes || e.dst, least(w.usd, e.usd)
            FROM walk w JOIN edge e ON e.src = w.nodes[cardinality(w.nodes)]
            WHERE cardinality(w.nodes) < 6 AND e.dst > w.nodes[1] AND e.dst <> ALL (w.nodes)
        )
        SELECT w.nodes, cardinality(w.nodes), least(w.usd, e.usd) INTO nodes, length, size_usd
        FROM walk w JOIN edge e ON e.src = w.nodes[cardinality(w.nodes)] AND e.dst = w.nodes[1]
        ORDER BY 3 DESC, 2, 1 LIMIT 1;
        EXIT WHEN NOT FOUND;
        FOR i IN 1 .. cardinality(p_src) LOOP
            IF p_dst[i] = nodes[coalesce(array_position(nodes, p_src[i]), -1) % length + 1] AND p_src[i] = ANY (nodes) THEN
                p_usd[i] := p_usd[i] - size_usd;
            END IF;
        END LOOP;
        n := n + 1;
        rank := n;
        RETURN NEXT;
    END LOOP;
    IF NOT p_chains THEN
        RETURN;
    END IF;
    form := 'chain';
    n := 0;
    LOOP
        WITH RECURSIVE edge AS MATERIALIZED (
            SELECT e.src COLLATE "C" AS src, e.dst COLLATE "C" AS dst, e.usd FROM unnest(p_src, p_dst, p_usd) e (src, dst, usd)
            WHERE e.usd > 0 AND e.usd >= p_min_usd AND e.src <> e.dst
        ), walk AS (
            SELECT ARRAY[e.src, e.dst] AS nodes, e.usd FROM edge e
            UNION ALL
            SELECT w.nodes || e.dst, least(w.usd, e.usd)
            FROM walk w JOIN edge e ON e.src = w.nodes[cardinality(w.nodes)]
            WHERE e.dst <> ALL (w.nodes)
        )
        SELECT w.nodes, cardinality(w.nodes), w.usd INTO nodes, length, size_usd
        FROM walk w ORDER BY 2 DESC, 3 DESC, 1 LIMIT 1;
        EXIT WHEN NOT FOUND;
        FOR i IN 1 .. cardinality(p_src) LOOP
            IF p_src[i] = ANY (nodes) AND p_dst[i] = nodes[array_position(nodes, p_src[i]) + 1] THEN
                p_usd[i] := p_usd[i] - size_usd;
            END IF;
        END LOOP;
        n := n + 1;
        rank := n;
        RETURN NEXT;
    END LOOP;
END $$;

-- Cycles and chains as of a block. scope `owner`: of each owner's own graph, a loop is of one owner; `system`: cycles of the
-- graph of all owners together, which also close through different owners.
CREATE FUNCTION protocol_cycles_at(
    p_chain bigint, p_block bigint, p_min_usd numeric DEFAULT 0, p_accounts bytea[] DEFAULT NULL
)
RETURNS TABLE (
    chain_id bigint, method text, scope text, owner_id text, form text, rank integer, nodes text[], length integer,
    size_usd numeric, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH edge AS MATERIALIZED (
        SELECT e.method, e.owner_id, e.src, e.dst, sum(e.value_usd) AS usd, min(e.as_of_block) AS as_of_block
        FROM exposure_edges_at(p_chain, p_block, p_accounts) e
        WHERE e.src <> e.dst AND e.value_usd > 0
        GROUP BY e.method, e.owner_id, e.src, e.dst
    ), graph AS (
        SELECT e.method, 'owner' AS scope, e.owner_id, array_agg(e.src) AS src, array_agg(e.dst) AS dst, array_agg(e.usd) AS usd,
            min(e.as_of_block) AS as_of_block
        FROM edge e GROUP BY e.method, e.owner_id
        UNION ALL
        SELECT s.method, 'system', NULL, array_agg(s.src), array_agg(s.dst), array_agg(s.usd), min(s.as_of_block)
        FROM (
            SELECT e.method, e.src, e.dst, sum(e.usd) AS usd, min(e.as_of_block) AS as_of_block
            FROM edge e GROUP BY e.method, e.src, e.dst
        ) s
        WHERE p_accounts IS NULL
        GROUP BY s.method
    )
    SELECT p_chain, g.method, g.scope, g.owner_id, d.form, d.rank, d.nodes, d.length, d.size_usd, g.as_of_block
    FROM graph g CROSS JOIN LATERAL decompose_graph(g.src, g.dst, g.usd, p_min_usd, g.scope = 'owner') d
$$;
