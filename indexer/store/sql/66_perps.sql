-- M3, M8: perp markets as of a block and at the interval ends before it; M11, M21: purges and corrections from hourly bins.
-- Beside them the same definitions in Python: indexer/aggregation/{open_interest,imbalance,purges,corrections}.py; tests hold
-- the two together.

-- The newest whole hour that a protocol's rows are complete for, at a block (NULL: its head): unix seconds of its end.
CREATE FUNCTION whole_hours(p_chain bigint, p_block bigint)
RETURNS TABLE (chain_id bigint, protocol text, until bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.chain_id, a.protocol, a.as_of_time / 3600 * 3600 FROM as_of(p_chain, p_block) a
$$;

-- Every perp market as of a block (computed now, is_kept false) and at the end of each interval before it (kept).
CREATE FUNCTION perp_market_state_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, venue text, market text, symbol text, ts timestamptz,
    block_number bigint, oi_convention text, oi_base numeric, oi_usd numeric, long_oi_base numeric, short_oi_base numeric,
    long_oi_usd numeric, short_oi_usd numeric, mark numeric, index numeric, funding_rate numeric, funding_interval_s integer,
    funding_at_cap boolean, margin_long numeric, margin_short numeric, margin_basis text, n_long bigint, n_short bigint,
    gross_to_oi numeric, is_kept boolean, deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.chain_id, d.project, d.version, d.name, d.project, m.market_id, t.symbol, to_timestamp(r.as_of_time),
        r.as_of_block, r.oi_convention, o.oi, round(o.oi * r.mark, 18), r.long_base, r.short_base,
        round(r.long_base * r.mark, 18), round(r.short_base * r.mark, 18), r.mark, r.index_price,
        r.funding_rate, r.funding_interval_s, r.funding_at_cap,
        r.margin_long, r.margin_short, r.margin_basis, r.n_long, r.n_short,
        ratio(r.long_base + r.short_base, o.oi), r.is_kept, r.deployment_key, r.market_key
    FROM (
        SELECT p.*, false AS is_kept FROM perp_markets_at(p_chain, p_block) p
        UNION ALL
        SELECT s.chain_id, s.deployment_key, s.market_key, s.block_number, b.block_timestamp, s.oi_convention, s.long_base,
            s.short_base, s.mark, s.index_price, s.funding_rate, s.funding_interval_s, s.funding_at_cap, s.margin_long,
            s.margin_short, s.margin_basis, s.n_long, s.n_short, true
        FROM as_of(p_chain, p_block) a
        JOIN deployment e ON e.chain_id = a.chain_id AND e.protocol = a.protocol
        JOIN perp_market_snapshot s ON s.chain_id = e.chain_id AND s.deployment_key = e.deployment_key
            AND s.block_number < a.as_of_block AND s.bucket <= a.as_of_time
        JOIN block b ON b.chain_id = s.chain_id AND b.block_number = s.block_number
    ) r
    JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
    JOIN market m ON m.chain_id = r.chain_id AND m.market_key = r.market_key
    LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
    CROSS JOIN LATERAL (SELECT CASE r.oi_convention WHEN 'matched' THEN r.long_base ELSE r.long_base + r.short_base END AS oi) o
$$;

-- M8 of the same rows. notional_to_oi is of the variant named beside it.
CREATE FUNCTION imbalance_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, venue text, market text, symbol text, ts timestamptz,
    block_number bigint, oi_skew numeric, account_skew numeric, leverage_skew numeric, long_short_ratio numeric,
    ratio_basis text, funding_annualised numeric, funding_apy double precision, funding_at_cap boolean, basis numeric,
    notional_to_oi numeric, variant text, leverage_long numeric, leverage_short numeric, is_kept boolean,
    deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.chain_id, s.project, s.version, s.deployment, s.venue, s.market, s.symbol, s.ts, s.block_number,
        CASE WHEN s.oi_convention = 'pool' THEN ratio(s.long_oi_base - s.short_oi_base, s.long_oi_base + s.short_oi_base) END,
        CASE WHEN s.oi_convention <> 'one_sided' THEN ratio(s.n_long - s.n_short, s.n_long + s.n_short) END,
        CASE WHEN s.margin_long > 0 AND s.margin_short > 0 THEN
            ratio(s.long_oi_usd * s.margin_short - s.short_oi_usd * s.margin_long,
                s.long_oi_usd * s.margin_short + s.short_oi_usd * s.margin_long) END,
        CASE WHEN s.oi_convention <> 'one_sided' THEN ratio(s.n_long, s.n_short) END, 'accounts',
        s.funding_rate * ratio(31536000, s.funding_interval_s),
        power(1 + s.funding_rate::float8, 31536000::float8 / s.funding_interval_s) - 1, s.funding_at_cap,
        ratio(s.mark - s.index, s.index),
        ratio(s.oi_usd, s.margin_long + s.margin_short), 'oi_to_margin',
        ratio(s.long_oi_usd, s.margin_long), ratio(s.short_oi_usd, s.margin_short), s.is_kept, s.deployment_key, s.market_key
    FROM perp_market_state_at(p_chain, p_block) s
$$;

-- M11, every hour in which contraction reached 10 %, of one market or of all. An hour without a row is as the hour before
-- with nothing liquidated; one before the market's first row is missing, and so is every figure that needs it.
CREATE FUNCTION purge_readings_at(p_chain bigint, p_block bigint, p_market bigint DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, market_key bigint, bucket bigint, peak_bucket bigint, peak_raw numeric, exposure_raw numeric,
    contraction numeric, liq_intensity numeric, burst numeric, forced_share numeric, verdict text
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.chain_id, v.market_key, v.t, v.peak_at, v.peak, v.exposure_raw, ratio(v.lost, v.peak), ratio(v.liquidated, v.peak),
        ratio(v.top, v.least), ratio(v.liquidated, v.lost),
        CASE WHEN v.liquidated * 100 < v.peak * 3 OR v.top < 10 * v.least THEN 'voluntary_deleveraging'
             WHEN v.least IS NOT NULL THEN 'purge' END
    FROM (
        SELECT c.chain_id, c.market_key, c.t, c.exposure_raw, k.peak, k.peak_at, k.peak - c.exposure_raw AS lost,
            l.liquidated, l.top,
            CASE WHEN c.first_bucket <= k.peak_at - 23 * 3600 THEN greatest(q.median, k.peak * 1e-4) END AS least
        FROM (
            SELECT r.*, g.t
            FROM (
                SELECT x.*, max(greatest(x.exposure_raw, x.before_raw)) OVER hours AS recent
                FROM (
                    SELECT h.chain_id, h.market_key, h.bucket, h.exposure_raw, u.until,
                        lag(h.exposure_raw) OVER (PARTITION BY h.chain_id, h.market_key ORDER BY h.bucket) AS before_raw,
                        lead(h.bucket) OVER (PARTITION BY h.chain_id, h.market_key ORDER BY h.bucket) AS next_bucket,
                        min(h.bucket) OVER (PARTITION BY h.chain_id, h.market_key) AS first_bucket
                    FROM whole_hours(p_chain, p_block) u
                    JOIN deployment d ON d.chain_id = u.chain_id AND d.protocol = u.protocol
                    JOIN market m ON m.chain_id = d.chain_id AND m.deployment_key = d.deployment_key
                    JOIN market_hour h ON h.chain_id = m.chain_id AND h.market_key = m.market_key AND h.bucket <= u.until
                    WHERE p_market IS NULL OR m.market_key = p_market
                ) x
                WINDOW hours AS (PARTITION BY x.chain_id, x.market_key ORDER BY x.bucket
                    RANGE BETWEEN 21600 PRECEDING AND CURRENT ROW)
            ) r
            CROSS JOIN LATERAL generate_series(r.bucket,
                least(r.bucket + 21600, r.until, coalesce(r.next_bucket - 3600, r.until)), 3600) g (t)
            -- contraction only falls while nothing moves: hours after a row cannot have it if the row has not
            WHERE r.recent > 0 AND (r.recent - r.exposure_raw) * 10 >= r.recent AND g.t - 21600 >= r.first_bucket
        ) c
        CROSS JOIN LATERAL (
            -- the highest bin of the window and the last hour it held for
            SELECT y.exposure_raw AS peak, coalesce(y.next_bucket - 3600, c.t) AS peak_at
            FROM (
                SELECT w.bucket, w.exposure_raw, lead(w.bucket) OVER (ORDER BY w.bucket) AS next_bucket
                FROM market_hour w
                WHERE w.chain_id = c.chain_id AND w.market_key = c.market_key AND w.bucket <= c.t
                  AND w.bucket >= (SELECT max(f.bucket) FROM market_hour f
                      WHERE f.chain_id = c.chain_id AND f.market_key = c.market_key AND f.bucket <= c.t - 21600)
            ) y
            ORDER BY y.exposure_raw DESC, y.bucket DESC LIMIT 1
        ) k
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(w.liquidated_raw), 0) AS liquidated, coalesce(max(w.liquidated_raw), 0) AS top
            FROM market_hour w
            WHERE w.chain_id = c.chain_id AND w.market_key = c.market_key AND w.bucket > k.peak_at AND w.bucket <= c.t
        ) l
        CROSS JOIN LATERAL (
            SELECT (n.list[12] + n.list[13]) / 2 AS median
            FROM (
                SELECT array_agg(coalesce(w.liquidated_raw, 0) ORDER BY coalesce(w.liquidated_raw, 0)) AS list
                FROM generate_series(k.peak_at - 23 * 3600, k.peak_at, 3600) s (t)
                LEFT JOIN market_hour w ON w.chain_id = c.chain_id AND w.market_key = c.market_key AND w.bucket = s.t
            ) n
        ) q
        WHERE (k.peak - c.exposure_raw) * 10 >= k.peak AND k.peak > 0
    ) v
$$;

-- Price of what a market is about at the end of an hour: its own mark, else the asset's close.
CREATE FUNCTION hour_price(p_chain bigint, p_market bigint, p_asset bytea, p_bucket bigint) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT h.mark FROM market_hour h
         WHERE h.chain_id = p_chain AND h.market_key = p_market AND h.bucket <= p_bucket AND h.mark IS NOT NULL
         ORDER BY h.bucket DESC LIMIT 1),
        (SELECT h.price_usd FROM asset_hour h
         WHERE h.chain_id = p_chain AND h.asset = p_asset AND h.bucket <= p_bucket ORDER BY h.bucket DESC LIMIT 1))
$$;

-- M11, one row an event: consecutive purge hours are one; voluntary hours that run into a purge are part of its story.
CREATE FUNCTION purge_events_at(p_chain bigint, p_block bigint, p_market bigint DEFAULT NULL)
RETURNS TABLE (
    id text, chain_id bigint, project text, version text, deployment text, venue text, market text, symbol text,
    exposure_kind text, kind text, start_time timestamptz, trough_time timestamptz, end_time timestamptz,
    peak_raw numeric, trough_raw numeric, contraction numeric, liquidated_raw numeric, liq_intensity numeric, burst numeric,
    forced_share numeric, side text, price_move numeric, block_number bigint, start_bucket bigint, end_bucket bigint,
    deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.market_id || '@' || e.first, e.chain_id, d.project, d.version, d.name, d.project, m.market_id, t.symbol,
        CASE d.kind WHEN 'perp' THEN 'open_interest' ELSE 'debt' END, e.verdict, to_timestamp(e.start),
        to_timestamp(f.trough), to_timestamp(e.finish), e.peak, f.low, ratio(e.peak - f.low, e.peak), f.liquidated,
        ratio(f.liquidated, e.peak), e.burst, ratio(f.till_trough, e.peak - f.low),
        CASE WHEN f.liquidated > 0 AND f.sided THEN
            CASE WHEN f.longs * 10 >= f.liquidated * 7 THEN 'long'
                 WHEN (f.liquidated - f.longs) * 10 >= f.liquidated * 7 THEN 'short' ELSE 'mixed' END END,
        ratio(hour_price(e.chain_id, e.market_key, p.asset, f.trough), hour_price(e.chain_id, e.market_key, p.asset, e.start)) - 1,
        f.block_number, e.start, e.finish, m.deployment_key, e.market_key
    FROM (
        SELECT o.chain_id, o.market_key, o.verdict, min(o.bucket) AS first, max(o.bucket) AS finish, max(o.burst) AS burst,
            (array_agg(o.peak_bucket ORDER BY o.bucket))[1] AS start, (array_agg(o.peak_raw ORDER BY o.bucket))[1] AS peak
        FROM (
            SELECT s.*, s.bucket - 3600 * row_number() OVER (PARTITION BY s.chain_id, s.market_key ORDER BY s.bucket) AS run
            FROM (
                SELECT r.*, bool_or(r.verdict = 'purge') OVER (PARTITION BY r.chain_id, r.market_key, r.stretch) AS purged
                FROM (
                    SELECT x.*, x.bucket - 3600 * row_number() OVER (PARTITION BY x.chain_id, x.market_key ORDER BY x.bucket) AS stretch
                    FROM purge_readings_at(p_chain, p_block, p_market) x WHERE x.verdict IS NOT NULL
                ) r
            ) s
            WHERE NOT s.purged OR s.verdict = 'purge'
        ) o
        GROUP BY o.chain_id, o.market_key, o.verdict, o.run
    ) e
    JOIN market m ON m.chain_id = e.chain_id AND m.market_key = e.market_key
    JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
    LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
    -- what moved the accounts: a perp's base; of lending the one collateral, where a market has one
    CROSS JOIN LATERAL (SELECT CASE d.kind WHEN 'perp' THEN m.asset ELSE m.collateral_asset END AS asset) p
    CROSS JOIN LATERAL (
        SELECT i.low, i.trough, sum(h.liquidated_raw) AS liquidated,
            sum(h.liquidated_raw) FILTER (WHERE h.bucket <= i.trough) AS till_trough, sum(h.liquidated_long_raw) AS longs,
            count(*) FILTER (WHERE h.liquidated_raw > 0 AND h.liquidated_long_raw IS NULL) = 0 AS sided,
            max(h.block_number) AS block_number
        FROM (
            SELECT w.exposure_raw AS low, w.bucket AS trough FROM market_hour w
            WHERE w.chain_id = e.chain_id AND w.market_key = e.market_key AND w.bucket > e.start AND w.bucket <= e.finish
            ORDER BY w.exposure_raw, w.bucket LIMIT 1
        ) i
        JOIN market_hour h ON h.chain_id = e.chain_id AND h.market_key = e.market_key
            AND h.bucket > e.start AND h.bucket <= e.finish
        GROUP BY i.low, i.trough
    ) f
$$;

-- Debt of lending at the end of an hour, each market in whole tokens at its asset's close of another hour (constant prices),
-- and what was liquidated since that hour. A market whose asset has no close then is in neither.
CREATE FUNCTION constant_price_debt(p_chain bigint, p_prices_of bigint, p_bucket bigint)
RETURNS TABLE (debt_usd numeric, liquidated_usd numeric)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sum(h.exposure_raw * unit_of(t.decimals) * hour_price(m.chain_id, NULL, m.asset, p_prices_of)),
        sum(l.raw * unit_of(t.decimals) * hour_price(m.chain_id, NULL, m.asset, p_prices_of))
    FROM market m
    JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key AND d.kind = 'lending'
    JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
    CROSS JOIN LATERAL (
        SELECT w.exposure_raw FROM market_hour w
        WHERE w.chain_id = m.chain_id AND w.market_key = m.market_key AND w.bucket <= p_bucket ORDER BY w.bucket DESC LIMIT 1
    ) h
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(w.liquidated_raw), 0) AS raw FROM market_hour w
        WHERE w.chain_id = m.chain_id AND w.market_key = m.market_key AND w.bucket > p_prices_of AND w.bucket <= p_bucket
    ) l
    WHERE m.chain_id = p_chain
$$;
