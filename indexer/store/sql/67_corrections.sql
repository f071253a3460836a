-- M21: corrections and depegs of every asset (oracle closes; market NULL) and of every perp market (its mark, else its base
-- asset's closes), or of one of them. The same state machine in Python: indexer/aggregation/corrections.py.
-- The sliding maximum of 2,160 hours is the greater of two running ones: from the start of the hour's block of 2,160, and from
-- the window's first hour to the end of its block.
CREATE FUNCTION correction_episodes_at(p_chain bigint, p_block bigint, p_market bigint DEFAULT NULL, p_asset bytea DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, market_key bigint, asset bytea, kind text, opened bigint, closed bigint, peak numeric, peak_at bigint,
    trough numeric, trough_at bigint, depth numeric, until bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH close AS MATERIALIZED (
        SELECT s.chain_id, s.market_key, s.asset, s.bucket, s.price, u.until
        FROM (
            SELECT h.chain_id, NULL::bigint AS market_key, h.asset, h.bucket, h.price_usd AS price
            FROM asset_hour h WHERE p_market IS NULL AND (p_asset IS NULL OR h.asset = p_asset)
            UNION ALL
            SELECT m.chain_id, m.market_key, m.asset, c.bucket, c.price
            FROM market m
            JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key AND d.kind = 'perp'
            CROSS JOIN LATERAL (
                SELECT h.bucket, h.mark AS price FROM market_hour h
                WHERE h.chain_id = m.chain_id AND h.market_key = m.market_key AND h.mark IS NOT NULL
                UNION ALL
                SELECT h.bucket, h.price_usd FROM asset_hour h
                WHERE h.chain_id = m.chain_id AND h.asset = m.asset AND NOT EXISTS (
                    SELECT FROM market_hour o WHERE o.chain_id = m.chain_id AND o.market_key = m.market_key AND o.mark IS NOT NULL)
            ) c
            WHERE (p_market IS NULL OR m.market_key = p_market) AND p_asset IS NULL
              AND EXISTS (SELECT FROM market_hour o WHERE o.chain_id = m.chain_id AND o.market_key = m.market_key)
        ) s
        JOIN (SELECT w.chain_id, max(w.until) AS until FROM whole_hours(p_chain, p_block) w GROUP BY w.chain_id) u
          ON u.chain_id = s.chain_id AND s.bucket <= u.until
    ), dense AS (
        SELECT x.chain_id, x.market_key, x.asset, x.t, x.until, x.t / 3600 / 2160 AS block, c.price,
            count(c.price) OVER (PARTITION BY x.chain_id, x.market_key, x.asset ORDER BY x.t) AS told
        FROM (
            SELECT b.chain_id, b.market_key, b.asset, b.until, generate_series(b.first, b.until, 3600) AS t
            FROM (SELECT c.chain_id, c.market_key, c.asset, c.until, min(c.bucket) AS first FROM close c GROUP BY 1, 2, 3, 4) b
        ) x
        LEFT JOIN close c ON c.chain_id = x.chain_id AND c.bucket = x.t AND c.asset = x.asset
            AND c.market_key IS NOT DISTINCT FROM x.market_key
    ), hourly AS (
        SELECT d.chain_id, d.market_key, d.asset, d.t, d.until, d.block,
            max(d.price) OVER (PARTITION BY d.chain_id, d.market_key, d.asset, d.told) AS price
        FROM dense d
    ), running AS (
        SELECT h.*,
            max(ARRAY[h.price, h.t]) OVER (PARTITION BY h.chain_id, h.market_key, h.asset, h.block ORDER BY h.t) AS head,
            max(ARRAY[h.price, h.t]) OVER (PARTITION BY h.chain_id, h.market_key, h.asset, h.block ORDER BY h.t DESC) AS tail,
            min(h.block) OVER (PARTITION BY h.chain_id, h.market_key, h.asset) AS first_block
        FROM hourly h
    ), measured AS (
        SELECT r.chain_id, r.market_key, r.asset, r.t, r.until, r.price,
            CASE WHEN r.block = r.first_block THEN r.head
                 ELSE greatest(r.head, coalesce(lag(r.tail, 2159) OVER series, first_value(r.tail) OVER series)) END AS top,
            2 * sum((abs(r.price - 1) < 0.02)::integer) OVER (series ROWS 2159 PRECEDING)
                > count(*) OVER (series ROWS 2159 PRECEDING) AS stable
        FROM running r
        WINDOW series AS (PARTITION BY r.chain_id, r.market_key, r.asset ORDER BY r.t)
    ), signalled AS (
        SELECT m.chain_id, m.market_key, m.asset, m.t, m.until, m.price, k.*,
            count(k.signal) OVER (PARTITION BY m.chain_id, m.market_key, m.asset, k.kind ORDER BY m.t) AS signals
        FROM measured m
        CROSS JOIN LATERAL (VALUES
            ('correction', CASE WHEN NOT m.stable AND (m.top[1] - m.price) * 10 >= m.top[1] THEN 1
                                WHEN (m.top[1] - m.price) * 20 < m.top[1] THEN 0 END, m.top[1], m.top[2], m.price),
            ('depeg', CASE WHEN m.stable AND abs(m.price - 1) >= 0.02 THEN 1 WHEN abs(m.price - 1) < 0.005 THEN 0 END,
                1, m.t, -abs(m.price - 1))
        ) k (kind, signal, reference, reference_at, rank)
    ), stated AS (
        SELECT s.*, coalesce(max(s.signal) OVER (PARTITION BY s.chain_id, s.market_key, s.asset, s.kind, s.signals), 0) AS state
        FROM signalled s
    ), counted AS (
        SELECT e.*, sum(e.begins) OVER (PARTITION BY e.chain_id, e.market_key, e.asset, e.kind ORDER BY e.t) AS episode
        FROM (
            SELECT s.*, (s.state = 1 AND coalesce(lag(s.state) OVER (
                PARTITION BY s.chain_id, s.market_key, s.asset, s.kind ORDER BY s.t), 0) = 0)::integer AS begins
            FROM stated s
        ) e
    )
    SELECT g.chain_id, g.market_key, g.asset, g.kind, g.opened, CASE WHEN g.ended < g.until THEN g.ended + 3600 END,
        g.peak, g.peak_at::bigint, g.trough, g.trough_at, ratio(abs(g.peak - g.trough), g.peak), g.until
    FROM (
        SELECT c.chain_id, c.market_key, c.asset, c.kind, c.until, min(c.t) AS opened, max(c.t) AS ended,
            (array_agg(c.reference ORDER BY c.t))[1] AS peak, (array_agg(c.reference_at ORDER BY c.t))[1] AS peak_at,
            (array_agg(c.price ORDER BY c.rank, c.t))[1] AS trough, (array_agg(c.t ORDER BY c.rank, c.t))[1] AS trough_at
        FROM counted c WHERE c.state = 1
        GROUP BY c.chain_id, c.market_key, c.asset, c.kind, c.until, c.episode
    ) g
$$;

-- The episodes with what happened to leverage between peak and trough. Of a perp market: its open interest in base units;
-- of an asset: all lending debt of the chain at the prices of the peak.
CREATE FUNCTION market_corrections_at(p_chain bigint, p_block bigint, p_market bigint DEFAULT NULL, p_asset bytea DEFAULT NULL)
RETURNS TABLE (
    id text, chain_id bigint, venue text, market text, asset text, symbol text, kind text, opened_time timestamptz,
    closed_time timestamptz, peak numeric, peak_time timestamptz, trough numeric, trough_time timestamptz, depth numeric,
    leverage_reset numeric, leverage_change numeric, liquidated_share numeric, purge_ids text[], opened_bucket bigint,
    market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH purge AS MATERIALIZED (
        SELECT p.id, p.chain_id, p.market_key, p.exposure_kind, p.start_bucket
        FROM purge_events_at(p_chain, p_block, p_market) p WHERE p.kind = 'purge'
    )
    SELECT coalesce(m.market_id, hex(e.asset)) || ':' || e.kind || '@' || e.opened, e.chain_id, d.project, m.market_id,
        hex(e.asset), t.symbol, e.kind, to_timestamp(e.opened), to_timestamp(e.closed), e.peak, to_timestamp(e.peak_at),
        e.trough, to_timestamp(e.trough_at), e.depth, 1 - ratio(x.after_debt, x.before_debt), l.after - l.before,
        ratio(x.liquidated, x.before_debt),
        ARRAY(SELECT p.id FROM purge p
              WHERE p.chain_id = e.chain_id AND p.start_bucket >= e.peak_at - 21600
                AND p.start_bucket <= coalesce(e.closed, e.until)
                AND CASE WHEN e.market_key IS NULL THEN p.exposure_kind = 'debt' ELSE p.market_key = e.market_key END
              ORDER BY p.start_bucket, p.id),
        e.opened, e.market_key
    FROM correction_episodes_at(p_chain, p_block, p_market, p_asset) e
    LEFT JOIN market m ON m.chain_id = e.chain_id AND m.market_key = e.market_key
    LEFT JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
    LEFT JOIN token t ON t.chain_id = e.chain_id AND t.address = e.asset
    LEFT JOIN LATERAL (
        SELECT b.exposure_raw AS before_debt, a.exposure_raw AS after_debt,
            (SELECT coalesce(sum(w.liquidated_raw), 0) FROM market_hour w WHERE w.chain_id = e.chain_id
                AND w.market_key = e.market_key AND w.bucket > e.peak_at AND w.bucket <= e.trough_at) AS liquidated
        FROM (SELECT w.exposure_raw FROM market_hour w WHERE w.chain_id = e.chain_id AND w.market_key = e.market_key
                AND w.bucket <= e.peak_at ORDER BY w.bucket DESC LIMIT 1) b,
             (SELECT w.exposure_raw FROM market_hour w WHERE w.chain_id = e.chain_id AND w.market_key = e.market_key
                AND w.bucket <= e.trough_at ORDER BY w.bucket DESC LIMIT 1) a
        WHERE e.market_key IS NOT NULL
        UNION ALL
        SELECT b.debt_usd, a.debt_usd, a.liquidated_usd
        FROM constant_price_debt(e.chain_id, e.peak_at, e.peak_at) b, constant_price_debt(e.chain_id, e.peak_at, e.trough_at) a
        WHERE e.market_key IS NULL
    ) x ON true
    CROSS JOIN LATERAL (SELECT leverage_kept(e.chain_id, e.market_key, e.peak_at) AS before,
        leverage_kept(e.chain_id, e.market_key, e.trough_at) AS after) l
$$;

-- Leverage at the last kept interval up to a second: of a perp market OI / margin, of lending (no market) the borrowers' A / E.
CREATE FUNCTION leverage_kept(p_chain bigint, p_market bigint, p_time bigint) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_market IS NULL THEN (
        SELECT ratio(sum(s.assets_usd), sum(s.assets_usd - s.debt_usd))
        FROM deployment d
        CROSS JOIN LATERAL (
            SELECT n.assets_usd, n.debt_usd FROM protocol_leverage_snapshot n
            WHERE n.chain_id = d.chain_id AND n.deployment_key = d.deployment_key AND n.population = 'borrowers'
              AND n.bucket <= p_time ORDER BY n.bucket DESC LIMIT 1
        ) s
        WHERE d.chain_id = p_chain
    ) ELSE (
        SELECT ratio((s.long_base + s.short_base) * s.mark, s.margin_long + s.margin_short) FROM perp_market_snapshot s
        WHERE s.chain_id = p_chain AND s.market_key = p_market AND s.bucket <= p_time ORDER BY s.bucket DESC LIMIT 1
    ) END
$$;
