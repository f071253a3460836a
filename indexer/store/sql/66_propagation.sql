-- M15, the structural part: every ordered pair of lending protocols with borrowers.
--   collateral_overlap      sum over assets of the smaller share of what backs debt; symmetric
--   ... without_stables     the same without assets whose price is within 5 % of a dollar (a price says it, not a ticker)
--   shared_owner_debt_usd   sum over owners of the smaller debt
-- Legs without a USD value are left out; a protocol without any priced collateral has no overlap: NULL.
CREATE FUNCTION propagation_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, source text, target text, collateral_overlap numeric, collateral_overlap_without_stables numeric,
    shared_owner_debt_usd numeric, source_debt_usd numeric, target_debt_usd numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH leg AS MATERIALIZED (
        SELECT l.chain_id, l.protocol, l.owner, l.side, l.asset, l.value_usd, l.price_usd BETWEEN 0.95 AND 1.05 AS is_stable
        FROM risk_legs_at(p_chain, p_block) l WHERE l.counts AND l.value_usd IS NOT NULL
    ), backing AS (
        SELECT l.chain_id, l.protocol, l.asset, bool_or(l.is_stable) AS is_stable, sum(l.value_usd) AS usd
        FROM leg l WHERE l.side = 'collateral' GROUP BY 1, 2, 3
    ), share AS (
        SELECT b.chain_id, b.protocol, b.asset, b.is_stable,
            ratio(b.usd, sum(b.usd) OVER (PARTITION BY b.chain_id, b.protocol)) AS share,
            ratio(b.usd, sum(b.usd) FILTER (WHERE NOT b.is_stable) OVER (PARTITION BY b.chain_id, b.protocol)) AS share_rest
        FROM backing b
    ), total AS (
        SELECT s.chain_id, s.protocol, sum(s.share) > 0 AS has_any,
            sum(s.share_rest) FILTER (WHERE NOT s.is_stable) > 0 AS has_rest
        FROM share s GROUP BY 1, 2
    ), owned AS (
        SELECT l.chain_id, l.protocol, l.owner, sum(l.value_usd) AS usd FROM leg l WHERE l.side = 'debt' GROUP BY 1, 2, 3
    ), owed AS (
        SELECT o.chain_id, o.protocol, sum(o.usd) AS usd FROM owned o GROUP BY 1, 2
    )
    SELECT p.chain_id, p.protocol, q.protocol,
        CASE WHEN a.has_any AND b.has_any THEN coalesce(o.overlap, 0) END,
        CASE WHEN a.has_rest AND b.has_rest THEN coalesce(o.overlap_rest, 0) END,
        coalesce(w.usd, 0), p.usd, q.usd
    FROM owed p
    JOIN owed q ON q.chain_id = p.chain_id AND q.protocol <> p.protocol
    LEFT JOIN total a ON a.chain_id = p.chain_id AND a.protocol = p.protocol
    LEFT JOIN total b ON b.chain_id = q.chain_id AND b.protocol = q.protocol
    LEFT JOIN LATERAL (
        SELECT sum(least(x.share, y.share)) AS overlap,
            sum(least(x.share_rest, y.share_rest)) FILTER (WHERE NOT x.is_stable AND NOT y.is_stable) AS overlap_rest
        FROM share x JOIN share y ON y.chain_id = x.chain_id AND y.asset = x.asset
        WHERE x.chain_id = p.chain_id AND x.protocol = p.protocol AND y.protocol = q.protocol
    ) o ON true
    LEFT JOIN LATERAL (
        SELECT sum(least(x.usd, y.usd)) AS usd
        FROM owned x JOIN owned y ON y.chain_id = x.chain_id AND y.owner = x.owner
        WHERE x.chain_id = p.chain_id AND x.protocol = p.protocol AND y.protocol = q.protocol
    ) w ON true
$$;
