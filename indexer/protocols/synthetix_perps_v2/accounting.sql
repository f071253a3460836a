-- Synthetix Perps v2: size and margin are what the last PositionModified said; profit and funding since then are added here.
--
-- Source   github.com/Synthetixio/synthetix PerpsV2MarketBase: _unrecordedFunding, _accruedFunding, _profitLoss,
--          _remainingMargin, _remainingLiquidatableMargin, _liquidationFee, _liquidationMargin, _liquidationPremium
-- Units    everything 1e18: size, sUSD, prices, ratios; funding is sUSD per unit of size, its rate a fraction a day
-- Omits    whether the contract calls its price invalid: canLiquidate says no then

-- SafeDecimalMath and SignedSafeDecimalMath: both truncate toward zero.
CREATE FUNCTION synthetix_times(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b, 1e18);

CREATE FUNCTION synthetix_over(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * 1e18, nullif(b, 0));

CREATE FUNCTION synthetix_perps_v2_amount(
    side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote
) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN shares;

CREATE FUNCTION synthetix_perps_v2_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN NULL::market_quote;

-- currentFundingRate: a fraction a day, positive when longs pay.
CREATE FUNCTION synthetix_perps_v2_funding_rate(
    skew numeric, skew_scale numeric, max_velocity numeric, last_rate numeric, elapsed numeric
) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN last_rate + synthetix_times(
    -- greatest and least skip NULL: an unknown scale must stay unknown
    synthetix_times(CASE WHEN skew_scale > 0 THEN greatest(-1e18, least(1e18, synthetix_over(skew, skew_scale))) END,
        max_velocity), elapsed);

-- unrecordedFunding: sUSD per unit of size since the last recomputation. The minus sign: funding flows against the skew.
CREATE FUNCTION synthetix_perps_v2_unrecorded(last_rate numeric, rate numeric, elapsed numeric, price numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN synthetix_times(synthetix_times(-synthetix_over(last_rate + rate, 2e18), elapsed), price);

-- Every position and every margin as of a block, with what the contract's views say at that block's second and price.
-- price_raw is the market's own assetPrice; without it, or without a parameter that a number needs, the number is NULL.
-- margin_raw is `positions().margin`, remaining_margin_raw `remainingMargin`; leverage = notional / remaining margin.
-- p_block NULL: at the indexed head.
CREATE FUNCTION synthetix_perps_v2_positions_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment text, market_id text, market_name text, account text, side text,
    size_raw numeric, margin_raw numeric, last_price_raw numeric, funding_index numeric,
    price_raw numeric, price_block bigint, profit_raw numeric, funding_raw numeric, remaining_margin_raw numeric,
    liquidation_margin_raw numeric, liquidation_premium_raw numeric, can_liquidate boolean, is_flagged boolean,
    notional_raw numeric, leverage numeric, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT n.chain_id, n.deployment, n.market_id, n.market_name, n.account,
        CASE WHEN n.size > 0 THEN 'long' WHEN n.size < 0 THEN 'short' END,
        n.size, n.margin, n.last_price, n.funding_index, n.price, n.price_block, n.profit, n.funding, n.remaining,
        n.liquidation_margin, n.premium,
        CASE WHEN n.size = 0 THEN false
        ELSE CASE WHEN n.equity - n.premium > 0 THEN n.equity - n.premium ELSE 0 * (n.equity - n.premium) END
            <= n.liquidation_margin END,
        n.flagged, n.notional, ratio(n.notional, nullif(n.remaining, 0)), n.as_of_block
    FROM (
        SELECT v.*, v.margin + v.profit + v.funding AS equity,
            CASE WHEN v.profit + v.funding IS NOT NULL THEN greatest(v.margin + v.profit + v.funding, 0) END AS remaining,
            synthetix_times(v.notional, v.buffer_ratio) + v.keeper_fee
                + CASE WHEN v.fee_ratio + v.max_fee + v.min_fee IS NOT NULL
                  THEN greatest(least(synthetix_times(v.notional, v.fee_ratio), v.max_fee), v.min_fee) END AS liquidation_margin,
            CASE WHEN v.size = 0 THEN 0 ELSE synthetix_times(
                synthetix_times(synthetix_over(abs(v.size), v.skew_scale), v.notional), v.premium_multiplier) END AS premium
        FROM (
            SELECT u.*, synthetix_times(abs(u.size), u.price) AS notional,
                CASE WHEN u.size = 0 THEN 0 ELSE synthetix_times(u.size, u.price - u.last_price) END AS profit,
                CASE WHEN u.size = 0 THEN 0
                ELSE synthetix_times(u.size, u.funding_now - u.funding_then
                    + synthetix_perps_v2_unrecorded(u.last_rate, u.rate, u.elapsed, u.price)) END AS funding
            FROM (
                SELECT h.*, m.price, m.price_block, m.market_name, m.skew_scale, m.last_rate, m.rate, m.elapsed,
                    m.funding_now, m.buffer_ratio, m.fee_ratio, m.min_fee, m.max_fee, m.keeper_fee, m.premium_multiplier
                FROM synthetix_perps_v2_rows_at(p_chain, p_block) h
                JOIN synthetix_perps_v2_markets_at(p_chain, p_block) m
                  ON m.chain_id = h.chain_id AND m.market_key = h.market_key
                OFFSET 0
            ) u
        ) v
    ) n
$$;

-- Markets with the price, the funding and the parameters that their positions are valued by.
CREATE FUNCTION synthetix_perps_v2_markets_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, market_key bigint, market_name text, price numeric, price_block bigint, skew numeric,
    skew_scale numeric, funding_now numeric, last_rate numeric, rate numeric, elapsed numeric, buffer_ratio numeric,
    fee_ratio numeric, min_fee numeric, max_fee numeric, keeper_fee numeric, premium_multiplier numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT k.chain_id, k.market_key, k.name, k.price, k.price_block, k.skew, k.skew_scale, k.funding, k.last_rate,
        synthetix_perps_v2_funding_rate(k.skew, k.skew_scale, k.max_velocity, k.last_rate, k.elapsed), k.elapsed,
        k.buffer_ratio, k.fee_ratio, k.min_fee, k.max_fee, k.keeper_fee, k.premium_multiplier
    FROM (
        SELECT b.chain_id, b.market_key, n.value_text AS name, p.price_raw AS price, p.block_number AS price_block,
            ((b.state).extra->>'skew')::numeric AS skew, ((b.state).extra->>'funding')::numeric AS funding,
            ((b.state).extra->>'funding_rate')::numeric AS last_rate,
            div((b.as_of_time - (b.state).accrued_at) * 1e18, 86400) AS elapsed, r.*
        FROM books(p_chain, p_block, NULL, 'synthetix_perps_v2') b
        LEFT JOIN params_at(p_chain, p_block) n
          ON n.chain_id = b.chain_id AND n.subject = b.market_key AND n.name = 'market_key'
        LEFT JOIN LATERAL (
            SELECT p.price_raw, p.block_number FROM price p
            WHERE p.chain_id = b.chain_id AND p.feed = b.asset AND p.asset = b.asset AND p.block_number <= b.as_of_block
            ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
        ) p ON true
        LEFT JOIN LATERAL (
            SELECT max(r.value_raw) FILTER (WHERE r.name = 'skew_scale') AS skew_scale,
                max(r.value_raw) FILTER (WHERE r.name = 'max_funding_velocity') AS max_velocity,
                -- the market's own ratio where there is one, else that of all
                coalesce(max(r.value_raw) FILTER (WHERE r.name = 'liquidation_buffer_ratio' AND r.qualifier <> ''),
                    max(r.value_raw) FILTER (WHERE r.name = 'liquidation_buffer_ratio')) AS buffer_ratio,
                max(r.value_raw) FILTER (WHERE r.name = 'liquidation_fee_ratio') AS fee_ratio,
                max(r.value_raw) FILTER (WHERE r.name = 'min_keeper_fee') AS min_fee,
                max(r.value_raw) FILTER (WHERE r.name = 'max_keeper_fee') AS max_fee,
                max(r.value_raw) FILTER (WHERE r.name = 'keeper_liquidation_fee') AS keeper_fee,
                max(r.value_raw) FILTER (WHERE r.name = 'liquidation_premium_multiplier') AS premium_multiplier
            FROM params_at(p_chain, p_block) r
            WHERE r.chain_id = b.chain_id AND r.subject = b.deployment_key AND r.qualifier IN ('', n.value_text)
        ) r ON true
    ) k
$$;

-- One signed row an account and market that has a size or margin.
CREATE FUNCTION synthetix_perps_v2_rows_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, market_key bigint, deployment text, market_id text, account text, size numeric, margin numeric,
    last_price numeric, funding_index numeric, funding_then numeric, flagged boolean, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.chain_id, r.market_key, r.deployment, r.market_id, hex(r.account),
        sum(CASE r.side WHEN 'long' THEN r.shares WHEN 'short' THEN -r.shares ELSE 0 END),
        sum(CASE r.side WHEN 'margin' THEN r.shares ELSE 0 END),
        max(r.basis), max((r.extra->>'funding_index')::numeric), max((r.extra->>'funding')::numeric),
        bool_or(coalesce((r.extra->>'flagged')::int = 1, false)), r.as_of_block
    FROM (
        SELECT p.chain_id, p.market_key, d.name AS deployment, m.market_id, p.account, p.side, a.as_of_block,
            CASE WHEN p.block_number <= a.as_of_block THEN p.shares_raw ELSE c.shares_raw END AS shares,
            CASE WHEN p.block_number <= a.as_of_block THEN p.basis_raw ELSE c.basis_raw END AS basis,
            CASE WHEN p.block_number <= a.as_of_block THEN p.extra ELSE c.extra END AS extra
        FROM as_of(p_chain, p_block) a
        JOIN deployment d ON d.chain_id = a.chain_id AND d.protocol = a.protocol
        JOIN market m ON m.chain_id = d.chain_id AND m.deployment_key = d.deployment_key
            AND m.accounting = 'synthetix_perps_v2' AND m.block_number <= a.as_of_block
        JOIN position p ON p.chain_id = m.chain_id AND p.market_key = m.market_key
        LEFT JOIN LATERAL (
            SELECT c.shares_raw, c.basis_raw, c.extra FROM position_change c
            WHERE p.block_number > a.as_of_block
              AND c.chain_id = p.chain_id AND c.market_key = p.market_key AND c.account = p.account AND c.side = p.side
              AND c.block_number <= a.as_of_block
            ORDER BY c.block_number DESC, c.log_index DESC, c.leg DESC LIMIT 1
        ) c ON true
    ) r
    WHERE r.shares <> 0
    GROUP BY r.chain_id, r.market_key, r.deployment, r.market_id, r.account, r.as_of_block
$$;
