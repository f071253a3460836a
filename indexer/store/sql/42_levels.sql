-- What can lower health factors without anybody touching an account: prices and indexes, as they are stored at a block.
-- A protocol's SQL may define `<accounting>_levels(p_chain, p_block) RETURNS SETOF risk_level_row`; `risk_levels_at` is generated
-- from what is found. An accounting without it has its borrowers looked at anew in every block at the head.

-- scope            0 where collateral is pooled over the deployment, else the market_key of the risk scope
-- collateral_level its fall by a factor f lowers a health factor of the scope to f times, or less so
-- debt_level       its rise by f lowers a health factor to 1 / f times, or less so
-- growth_level     the same of what multiplies debts; `debt_rate` is the yearly rate at most at which it grows beyond what is
--                  stored until it is stored again
-- unit_value       worth of one base unit of the item's asset, in the unit that account_health counts the scope's debt in: how
--                  far rounding can move a value. NULL is unknown, and does no harm of its own
CREATE TYPE risk_level_row AS (
    chain_id bigint,
    deployment_key bigint,
    scope bigint,
    item text,
    collateral_level numeric,
    debt_level numeric,
    growth_level numeric,
    debt_rate numeric,
    unit_value numeric
);

-- Markets of one accounting with the newest stored state and the price that the protocol decides by. No quote, no USD.
CREATE FUNCTION stored_books(p_chain bigint, p_block bigint, p_accounting text)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, as_of_block bigint, as_of_time bigint,
    asset bytea, collateral_asset bytea, oracle bytea, unit numeric, state market_state, price_raw numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT k.chain_id, k.deployment_key, k.market_key, a.as_of_block, a.as_of_time, k.asset, k.collateral_asset,
        coalesce(k.oracle, unhex(po.value_text)), unit_of(t.decimals), s.state, o.price_raw
    FROM as_of(p_chain, p_block) a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol
    JOIN market k ON k.chain_id = d.chain_id AND k.deployment_key = d.deployment_key AND k.block_number <= a.as_of_block
    LEFT JOIN token t ON t.chain_id = k.chain_id AND t.address = k.asset
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
    LEFT JOIN LATERAL (
        SELECT p.price_raw FROM price p
        WHERE p.chain_id = k.chain_id AND p.feed = coalesce(k.oracle, unhex(po.value_text))
          AND p.asset = coalesce(k.collateral_asset, k.asset) AND p.block_number <= a.as_of_block
        ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
    ) o ON true
    WHERE k.accounting = p_accounting
$$;

-- `indexer.aggregation.pressure`: rounding_margin and safe_until, in double precision, of one row.
-- -Infinity: no bound is known (an accounting without levels), look in every block. NULL: no health factor.
CREATE FUNCTION risk_safe_until(
    health_factor numeric, pressure double precision, legs integer, unit_value numeric, debt numeric, weighted numeric,
    threshold_bps numeric
) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN health_factor IS NULL THEN NULL
    WHEN pressure IS NULL OR health_factor <= 0 OR debt IS NULL OR weighted IS NULL OR debt <= 0
        OR weighted <= 2 * legs * (coalesce(unit_value, 0) + 1) THEN '-Infinity'::double precision
    ELSE ln(health_factor::double precision) + pressure - 1e-9
        - ln(1 + (2 * legs * (coalesce(unit_value, 0) + 1) / debt)::double precision)
        + ln(1 - (2 * legs * (coalesce(unit_value, 0) + 1) / weighted)::double precision)
        - CASE WHEN threshold_bps > 0 THEN 2 / threshold_bps::double precision ELSE 0 END
END;
