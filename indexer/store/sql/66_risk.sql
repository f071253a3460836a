-- M12 and M16 over the legs of borrowers. `own` of an asset is what it adds to the protocol's own test: threshold-weighted
-- collateral less debt, in decides_raw. An account is liquidatable when the sum over its assets is below zero (Euler: at zero).

-- What each asset of a borrower adds; p_accounts NULL: everybody.
CREATE FUNCTION risk_parts_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, account text, as_of_block bigint, asset text, symbol text,
    price_usd numeric, collateral_units numeric, collateral_usd numeric, debt_usd numeric, own numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT l.chain_id, l.deployment_key, l.market_key, l.account, max(l.as_of_block), l.asset, min(l.symbol), max(l.price_usd),
        coalesce(sum(l.units) FILTER (WHERE l.side <> 'debt' AND l.counts), 0),
        CASE WHEN bool_or(l.side <> 'debt' AND l.counts AND l.value_usd IS NULL) THEN NULL
             ELSE coalesce(sum(l.value_usd) FILTER (WHERE l.side <> 'debt' AND l.counts), 0) END,
        CASE WHEN bool_or(l.side = 'debt' AND l.value_usd IS NULL) THEN NULL
             ELSE coalesce(sum(l.value_usd) FILTER (WHERE l.side = 'debt'), 0) END,
        CASE WHEN bool_or((l.side = 'debt' OR l.counts) AND l.decides_raw IS NULL) THEN NULL
             ELSE coalesce(sum(CASE WHEN l.side = 'debt' THEN -l.decides_raw WHEN l.counts THEN l.decides_raw END), 0)
        END
    FROM risk_legs_at(p_chain, p_block, p_accounts) l
    GROUP BY l.chain_id, l.deployment_key, l.market_key, l.account, l.asset
$$;

-- The same with names, and the sum over all assets of the borrower.
CREATE FUNCTION risk_assets_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, protocol text, project text, version text, deployment text,
    market_id text, account text, as_of_block bigint, asset text, symbol text, price_usd numeric,
    collateral_units numeric, collateral_usd numeric, debt_usd numeric, own numeric, total numeric,
    all_debt_usd numeric, all_collateral_usd numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.chain_id, a.deployment_key, a.market_key, d.protocol, d.project, d.version, d.name, m.market_id, a.account,
        a.as_of_block, a.asset, a.symbol, a.price_usd, a.collateral_units, a.collateral_usd, a.debt_usd, a.own,
        CASE WHEN count(*) OVER w = count(a.own) OVER w THEN sum(a.own) OVER w END,
        CASE WHEN count(*) OVER w = count(a.debt_usd) OVER w THEN sum(a.debt_usd) OVER w END,
        CASE WHEN count(*) OVER w = count(a.collateral_usd) OVER w THEN sum(a.collateral_usd) OVER w END
    FROM risk_parts_at(p_chain, p_block, p_accounts) a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.deployment_key = a.deployment_key
    LEFT JOIN market m ON m.chain_id = a.chain_id AND m.market_key = a.market_key
    WINDOW w AS (PARTITION BY a.chain_id, a.deployment_key, a.market_key, a.account)
$$;

-- price * (D_rest - K_rest) / (K_a - D_a): NULL where no positive price of that asset alone brings the health factor to 1.
CREATE FUNCTION liquidation_price(price_usd numeric, own numeric, total numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN own <> 0 AND (own - total) / own > 0 THEN round(price_usd * (own - total) / own, 18) END;

-- Collateral of one asset by the price at which its owner becomes liquidatable, in bins [low, low + width) of USD. All else is
-- held fixed; a position is in one bin. Prices that liquidate by rising are not levels of a collateral and not in it.
CREATE FUNCTION liquidation_levels_at(p_chain bigint, p_block bigint, p_asset text, p_width numeric)
RETURNS TABLE (
    chain_id bigint, asset text, symbol text, price_low numeric, price_high numeric, collateral_amount numeric,
    collateral_usd numeric, debt_usd numeric, n_positions bigint, price_usd numeric, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.chain_id, v.asset, min(v.symbol), v.low, v.low + p_width, sum(v.collateral_units), sum(v.collateral_usd),
        CASE WHEN count(*) = count(v.all_debt_usd) THEN sum(v.all_debt_usd) END, count(*), max(v.price_usd), max(v.as_of_block)
    FROM (
        SELECT a.*, floor(liquidation_price(a.price_usd, a.own, a.total) / p_width) * p_width AS low
        FROM risk_assets_at(p_chain, p_block) a
        WHERE a.asset = p_asset AND a.own > 0 AND a.collateral_units > 0
    ) v
    WHERE v.low IS NOT NULL
    GROUP BY v.chain_id, v.asset, v.low
$$;

-- Collateral and debt of what is liquidatable after a uniform fall of a group of assets (NULL: of every asset that is not
-- owed by the account), at each of the eight drops; each position once. drop 0: what is liquidatable without any.
CREATE FUNCTION liquidation_drops_at(p_chain bigint, p_block bigint, p_assets text[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, "drop" numeric, collateral_usd numeric, debt_usd numeric,
    n_positions bigint, as_of_block bigint, deployment_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.chain_id, o.project, o.version, o.name, f.fall, f.collateral_usd, f.debt_usd, f.n, f.as_of_block, o.deployment_key
    FROM (
        SELECT p.chain_id, p.deployment_key, v.fall, coalesce(sum(p.collateral_usd) FILTER (WHERE t.falls), 0) AS collateral_usd,
            coalesce(sum(p.debt_usd) FILTER (WHERE t.falls), 0) AS debt_usd, count(*) FILTER (WHERE t.falls) AS n,
            max(p.as_of_block) AS as_of_block
        FROM (
            -- everybody once, whatever the number of drops: what moves with the prices, and what does not
            SELECT a.chain_id, a.deployment_key, max(a.as_of_block) AS as_of_block,
                CASE WHEN count(*) = count(a.collateral_usd) THEN sum(a.collateral_usd) END AS collateral_usd,
                CASE WHEN count(*) = count(a.debt_usd) THEN sum(a.debt_usd) END AS debt_usd, count(*) = count(a.own) AS is_known,
                coalesce(sum(a.own) FILTER (WHERE m.moves), 0) AS moving, coalesce(sum(a.own) FILTER (WHERE NOT m.moves), 0) AS still
            FROM risk_parts_at(p_chain, p_block) a
            CROSS JOIN LATERAL (SELECT coalesce(a.asset = ANY (p_assets), p_assets IS NULL AND a.debt_usd = 0, false) AS moves) m
            GROUP BY a.chain_id, a.deployment_key, a.market_key, a.account
        ) p
        CROSS JOIN (VALUES (0), (0.01), (0.03), (0.05), (0.10), (0.15), (0.20), (0.30), (0.50)) v (fall)
        CROSS JOIN LATERAL (SELECT p.is_known AND p.moving * (1 - v.fall) + p.still < 0 AS falls) t
        GROUP BY p.chain_id, p.deployment_key, v.fall
    ) f
    JOIN deployment o ON o.chain_id = f.chain_id AND o.deployment_key = f.deployment_key
$$;

-- M16: what borrowers may still borrow and how much of their limit they use; one row a borrower and risk scope.
-- assets_to_equity = C / (C - D), max_leverage = 1 / (1 - LTV) with the value-weighted LTV, limit_usage their ratio (above 1 after
-- prices moved, or where an LTV went to 0), borrow_headroom_usd = max(0, sum C LTV - D), before the pool's own limits.
CREATE FUNCTION account_limits_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, market_id text, account text, owner text,
    collateral_usd numeric, debt_usd numeric, assets_to_equity numeric, ltv_max numeric, max_leverage numeric,
    liquidation_threshold numeric, liquidation_leverage numeric, limit_usage numeric, borrow_headroom_usd numeric,
    as_of_block bigint, deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.chain_id, v.project, v.version, v.deployment, v.market_id, v.account, v.owner, v.c, v.d,
        CASE WHEN v.c > v.d THEN ratio(v.c, v.c - v.d) END, ratio(v.borrowable, v.c),
        CASE WHEN v.borrowable < v.c THEN ratio(v.c, v.c - v.borrowable) END,
        ratio(v.weighted, v.c), CASE WHEN v.weighted < v.c THEN ratio(v.c, v.c - v.weighted) END,
        CASE WHEN v.c > v.d AND v.borrowable < v.c THEN ratio(v.c - v.borrowable, v.c - v.d) END,
        -- greatest() skips NULL
        CASE WHEN v.borrowable IS NOT NULL AND v.d IS NOT NULL THEN greatest(v.borrowable - v.d, 0) END,
        v.as_of_block, v.deployment_key, v.market_key
    FROM (
        SELECT l.chain_id, l.project, l.version, l.deployment, l.market_id, l.account, min(l.owner) AS owner, l.deployment_key,
            l.market_key, max(l.as_of_block) AS as_of_block,
            CASE WHEN bool_or(l.side <> 'debt' AND l.counts AND l.value_usd IS NULL) THEN NULL
                 ELSE coalesce(sum(l.value_usd) FILTER (WHERE l.side <> 'debt' AND l.counts), 0) END AS c,
            CASE WHEN bool_or(l.side = 'debt' AND l.value_usd IS NULL) THEN NULL
                 ELSE sum(l.value_usd) FILTER (WHERE l.side = 'debt') END AS d,
            CASE WHEN bool_or(l.side <> 'debt' AND l.counts AND l.value_usd * l.ltv IS NULL) THEN NULL
                 ELSE coalesce(sum(l.value_usd * l.ltv) FILTER (WHERE l.side <> 'debt' AND l.counts), 0) END AS borrowable,
            CASE WHEN bool_or(l.side <> 'debt' AND l.counts AND l.value_usd * l.liquidation_threshold IS NULL) THEN NULL
                 ELSE coalesce(sum(l.value_usd * l.liquidation_threshold) FILTER (WHERE l.side <> 'debt' AND l.counts), 0)
            END AS weighted
        FROM risk_legs_at(p_chain, p_block, p_accounts) l
        GROUP BY l.chain_id, l.project, l.version, l.deployment, l.market_id, l.account, l.deployment_key, l.market_key
    ) v
$$;

-- The same by risk scope. limit_usage is weighted by debt; what may be borrowed by all together is no more than the
-- liquidity and borrow caps of the scope's markets leave (available_usd).
CREATE FUNCTION limits_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, market_id text, n_borrowers bigint, n_over_limit bigint,
    collateral_usd numeric, debt_usd numeric, assets_to_equity numeric, ltv_max numeric, max_leverage numeric,
    liquidation_leverage numeric, limit_usage numeric, headroom_usd numeric, available_usd numeric, borrow_headroom_usd numeric,
    supply_room_usd numeric, block_number bigint, deployment_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.chain_id, v.project, v.version, v.deployment, v.market_id, v.n, v.n_over, v.c, v.d,
        CASE WHEN v.c > v.d THEN ratio(v.c, v.c - v.d) END, ratio(v.borrowable, v.c),
        CASE WHEN v.borrowable < v.c THEN ratio(v.c, v.c - v.borrowable) END,
        CASE WHEN v.weighted < v.c THEN ratio(v.c, v.c - v.weighted) END,
        v.usage, v.headroom, r.available,
        CASE WHEN r.available IS NOT NULL THEN least(v.headroom, r.available) END, r.supply_room, v.as_of_block, v.deployment_key
    FROM (
        SELECT a.chain_id, a.project, a.version, a.deployment, a.market_id, a.deployment_key, a.market_key,
            count(*) AS n, count(*) FILTER (WHERE a.limit_usage > 1) AS n_over, max(a.as_of_block) AS as_of_block,
            sum(a.collateral_usd) AS c, sum(a.debt_usd) AS d, sum(a.collateral_usd * a.ltv_max) AS borrowable,
            sum(a.collateral_usd * a.liquidation_threshold) AS weighted, sum(a.borrow_headroom_usd) AS headroom,
            ratio(sum(a.limit_usage * a.debt_usd), sum(a.debt_usd) FILTER (WHERE a.limit_usage IS NOT NULL)) AS usage
        FROM account_limits_at(p_chain, p_block) a
        GROUP BY a.chain_id, a.project, a.version, a.deployment, a.market_id, a.deployment_key, a.market_key
    ) v
    LEFT JOIN (
        SELECT m.chain_id, m.deployment_key, s.scope,
            sum(least(greatest(m.total_supply_usd - m.total_debt_usd, 0),
                CASE WHEN m.borrow_cap > 0 THEN greatest((m.borrow_cap - m.total_debt) * m.price_usd, 0) END)) AS available,
            sum(CASE WHEN m.supply_cap > 0 THEN greatest((m.supply_cap - m.total_supply) * m.price_usd, 0) END) AS supply_room
        FROM markets_at(p_chain, p_block) m
        CROSS JOIN LATERAL (VALUES (NULL::bigint), (m.market_key)) s (scope)
        WHERE coalesce(m.is_active, true) AND NOT coalesce(m.is_paused, false) AND NOT coalesce(m.is_frozen, false)
        GROUP BY m.chain_id, m.deployment_key, s.scope
    ) r ON r.chain_id = v.chain_id AND r.deployment_key = v.deployment_key AND r.scope IS NOT DISTINCT FROM v.market_key
$$;

-- Whether risk_head answers for a block: of every lending deployment that covers it, it holds that very block.
CREATE FUNCTION risk_head_holds(p_chain bigint, p_block bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(bool_and(coalesce(s.is_current AND s.block_number = p_block, false)), false)
    FROM cursor c
    JOIN deployment d ON d.chain_id = c.chain_id AND d.protocol = c.protocol AND d.kind = 'lending'
    LEFT JOIN risk_head_state s ON s.chain_id = d.chain_id AND s.deployment_key = d.deployment_key
    WHERE c.chain_id = p_chain AND p_block BETWEEN c.start_block AND c.block_number
$$;

-- Accounts that may have had a health factor below p_below at a block that the head has left behind, from risk_head of the head:
-- a row not touched since has fallen by no more than its scope's pressure now, which was no higher then. Whoever was touched
-- since may have been anything. NULL (everybody) without a bound, for final blocks, whose closed positions are not kept, and
-- where the table is not kept.
CREATE FUNCTION risk_suspects(p_chain bigint, p_block bigint, p_below numeric) RETURNS bytea[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_below > 0 AND k.is_kept THEN ARRAY(
        SELECT DISTINCT r.account
        FROM risk_head r
        LEFT JOIN risk_pressure p
            ON p.chain_id = r.chain_id AND p.deployment_key = r.deployment_key AND p.scope = r.scope
        WHERE r.chain_id = p_chain
          AND (r.as_of_block > p_block OR r.is_open AND (r.safe_until IS NULL OR p.pressure IS NULL
              OR r.safe_until <= ln(p_below)::float8 + p.pressure + 1e-9))
    ) END
    FROM (
        SELECT coalesce(bool_and(coalesce(s.is_current AND s.block_number >= p_block
            AND p_block > coalesce(h.finalized_block, -1), false)), false) AS is_kept
        FROM cursor c
        JOIN chain h ON h.chain_id = c.chain_id
        JOIN deployment d ON d.chain_id = c.chain_id AND d.protocol = c.protocol AND d.kind = 'lending'
        LEFT JOIN risk_head_state s ON s.chain_id = d.chain_id AND s.deployment_key = d.deployment_key
        WHERE c.chain_id = p_chain AND p_block BETWEEN c.start_block AND c.block_number
    ) k
$$;
