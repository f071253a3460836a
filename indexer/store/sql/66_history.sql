-- M1 by owner, M2, M14, M17 and M18 as of a block. What is computed over a set of accounts is a function of arrays, so that
-- the head and the history (indexer/measures/) share it. Scope: a deployment, and deployment_key 0 for the whole chain.

-- The closed form P / HF where one price decides, and the asset whose price it is (also liquidation_risk_at).
CREATE FUNCTION closed_form_price(h account_health_row) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN cardinality(h.debt_assets) = 1 AND h.pair_class <> 'same_asset' AND h.health_factor > 0
    THEN round(h.collateral_price_usd / h.health_factor, 18) END;

CREATE FUNCTION closed_form_asset(h account_health_row) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN cardinality(h.collateral_assets) = 1 AND cardinality(h.debt_assets) = 1 AND h.pair_class <> 'same_asset'
    THEN h.collateral_assets[1] END;

-- Every account's books with its owner and, where there is a closed form, its liquidation price.
CREATE FUNCTION account_books(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, account text, owner text, status text, pair_class text, has_debt boolean,
    assets_usd numeric, debt_usd numeric, collateral_usd numeric, leverage numeric,
    cluster_asset text, liquidation_price_usd numeric, as_of_block bigint, as_of_time timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT h.chain_id, h.deployment_key, h.account, coalesce(o.owner_id, h.account), h.status, h.pair_class,
        cardinality(h.debt_assets) > 0, h.assets_usd, h.debt_usd, h.collateral_usd, h.assets_to_equity,
        closed_form_asset(h), closed_form_price(h), h.as_of_block, h.as_of_time
    FROM account_health(p_chain, p_block) h
    LEFT JOIN owners_at(p_chain, p_block) o ON o.chain_id = h.chain_id AND o.address = h.account
$$;

-- M18: sum s^2, its inverse, Gini = sum |x_i - x_j| / (2 n^2 mean), shares of the largest. What is not positive is no holder.
CREATE TYPE concentration_row AS (
    n bigint, total_usd numeric, hhi numeric, effective_n numeric, gini numeric, top_1_share numeric, top_10_share numeric
);

CREATE FUNCTION concentration_of(amounts numeric[]) RETURNS concentration_row
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(s.n, s.total, ratio(s.squares, s.total * s.total), ratio(s.total * s.total, s.squares),
        ratio(2 * s.ranked - (s.n + 1) * s.total, s.n * s.total), ratio(s.top_1, s.total), ratio(s.top_10, s.total))::concentration_row
    FROM (
        SELECT count(*) AS n, sum(r.x) AS total, sum(r.x * r.x) AS squares, sum(r.rank * r.x) AS ranked, max(r.x) AS top_1,
            sum(r.x) FILTER (WHERE r.from_top <= 10) AS top_10
        FROM (
            SELECT u.x, row_number() OVER (ORDER BY u.x) AS rank, row_number() OVER (ORDER BY u.x DESC) AS from_top
            FROM unnest(amounts) u (x) WHERE u.x > 0
        ) r
    ) s
    WHERE s.n > 0
$$;

-- M18: the band [p, 1.02 p] of liquidation prices of one asset with most debt; ties by asset, then the lower price.
CREATE TYPE cluster_row AS (asset text, price_usd numeric, debt_usd numeric);

CREATE FUNCTION largest_cluster_of(assets text[], prices numeric[], debts numeric[]) RETURNS cluster_row
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(w.asset, w.price, w.upto - w.below)::cluster_row
    FROM (
        SELECT e.asset, e.price, e.is_end, sum(e.debt) OVER (PARTITION BY e.asset ORDER BY e.at, e.is_end) AS upto,
            e.below
        FROM (
            SELECT l.asset, l.price, l.price AS at, false AS is_end, l.debt, NULL::numeric AS below FROM (
                SELECT u.asset, u.price, sum(u.debt) AS debt
                FROM unnest(assets, prices, debts) u (asset, price, debt)
                WHERE u.asset IS NOT NULL AND u.price IS NOT NULL AND u.debt > 0 GROUP BY u.asset, u.price
            ) l
            UNION ALL
            SELECT l.asset, l.price, l.price * 1.02, true, 0, l.below FROM (
                SELECT u.asset, u.price,
                    sum(sum(u.debt)) OVER (PARTITION BY u.asset ORDER BY u.price) - sum(u.debt) AS below
                FROM unnest(assets, prices, debts) u (asset, price, debt)
                WHERE u.asset IS NOT NULL AND u.price IS NOT NULL AND u.debt > 0 GROUP BY u.asset, u.price
            ) l
        ) e
    ) w
    WHERE w.is_end
    ORDER BY w.upto - w.below DESC, w.asset COLLATE "C", w.price LIMIT 1
$$;

-- M2: quantile p is the smallest leverage whose cumulative weight reaches p of the whole, never interpolated.
CREATE TYPE distribution_row AS (
    n bigint, p10 numeric, p50 numeric, p90 numeric, p99 numeric,
    share_ge_1_5 numeric, share_ge_2 numeric, share_ge_3 numeric, share_ge_5 numeric, share_ge_10 numeric, share_ge_20 numeric,
    bins numeric[]
);

CREATE FUNCTION distribution_of(leverages numeric[], weights numeric[]) RETURNS distribution_row
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(count(*),
        min(c.x) FILTER (WHERE c.reached > 0 AND c.reached >= 0.1 * c.total),
        min(c.x) FILTER (WHERE c.reached > 0 AND c.reached >= 0.5 * c.total),
        min(c.x) FILTER (WHERE c.reached > 0 AND c.reached >= 0.9 * c.total),
        min(c.x) FILTER (WHERE c.reached > 0 AND c.reached >= 0.99 * c.total),
        ratio(coalesce(sum(c.w) FILTER (WHERE c.x >= 1.5), 0), sum(c.w)), ratio(coalesce(sum(c.w) FILTER (WHERE c.x >= 2), 0), sum(c.w)),
        ratio(coalesce(sum(c.w) FILTER (WHERE c.x >= 3), 0), sum(c.w)), ratio(coalesce(sum(c.w) FILTER (WHERE c.x >= 5), 0), sum(c.w)),
        ratio(coalesce(sum(c.w) FILTER (WHERE c.x >= 10), 0), sum(c.w)), ratio(coalesce(sum(c.w) FILTER (WHERE c.x >= 20), 0), sum(c.w)),
        (SELECT array_agg(coalesce(b.weight, 0) ORDER BY e.bin) FROM generate_series(1, 12) e (bin) LEFT JOIN (
            SELECT width_bucket(v.x, ARRAY[1, 1.25, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 50]) AS bin, sum(v.w) AS weight
            FROM unnest(leverages, weights) v (x, w) GROUP BY 1
        ) b ON b.bin = e.bin))::distribution_row
    FROM (
        SELECT u.x, u.w, sum(u.w) OVER (ORDER BY u.x) AS reached, sum(u.w) OVER () AS total
        FROM unnest(leverages, weights) u (x, w)
    ) c
$$;

-- M20: L y - (L - 1) r, the net yearly rate on the equity of a loop, and the borrow rate at which it earns nothing.
CREATE FUNCTION loop_carry(leverage numeric, collateral_apr numeric, borrow_apr numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN leverage * collateral_apr - (leverage - 1) * borrow_apr;

CREATE FUNCTION breakeven_rate(leverage numeric, collateral_apr numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN leverage > 1 THEN ratio(leverage * collateral_apr, leverage - 1) END;

-- How far beyond the kink, as a share of the room there is; 0 up to it.
CREATE FUNCTION kink_pressure(utilization numeric, target numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN utilization IS NULL OR target IS NULL OR target >= 1 THEN NULL
    ELSE ratio(greatest(utilization - target, 0), 1 - target) END;

-- One person's accounts on a chain added, then judged: an account that is under water beside a rich one is no insolvency.
CREATE FUNCTION owner_leverage_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, owner text, n_accounts bigint, n_deployments bigint, assets_usd numeric, debt_usd numeric,
    collateral_usd numeric, equity_usd numeric, assets_to_equity numeric, debt_to_equity numeric, ltv numeric, status text,
    as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.chain_id, o.owner, o.n_accounts, o.n_deployments, o.assets, o.debt, o.collateral, o.assets - o.debt,
        CASE WHEN o.assets > o.debt THEN ratio(o.assets, o.assets - o.debt) END,
        CASE WHEN o.assets > o.debt THEN ratio(o.debt, o.assets - o.debt) END,
        ratio(o.debt, o.assets), account_status(o.assets, o.debt, o.has_debt), o.as_of_block
    FROM (
        SELECT b.chain_id, b.owner, count(DISTINCT b.account) AS n_accounts, count(DISTINCT b.deployment_key) AS n_deployments,
            CASE WHEN count(*) = count(b.assets_usd) THEN sum(b.assets_usd) END AS assets,
            CASE WHEN count(*) = count(b.debt_usd) THEN sum(b.debt_usd) END AS debt,
            CASE WHEN count(*) = count(b.collateral_usd) THEN sum(b.collateral_usd) END AS collateral,
            bool_or(b.has_debt) AS has_debt, max(b.as_of_block) AS as_of_block
        FROM account_books(p_chain, p_block) b
        GROUP BY b.chain_id, b.owner
    ) o
$$;

-- M1 by scope and level; `accounts` and `borrowers` of the scope beside. Sums of nothing are 0.
CREATE FUNCTION leverage_by_scope_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, level text, population text, pair_class text, block_number bigint,
    assets_usd numeric, debt_usd numeric, n_ok bigint, n_zero_equity bigint, n_insolvent bigint, n_unpriced bigint,
    latent_bad_debt_usd numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH books AS MATERIALIZED (SELECT * FROM account_books(p_chain, p_block)),
    scoped AS (
        SELECT b.chain_id, k.scope, b.owner, b.status, b.pair_class, b.has_debt, b.assets_usd, b.debt_usd, b.as_of_block
        FROM books b CROSS JOIN LATERAL (VALUES (b.deployment_key), (0::bigint)) k (scope)
    ),
    judged AS (
        SELECT s.chain_id, s.scope, 'account' AS level, s.pair_class, s.status, s.assets_usd AS assets, s.debt_usd AS debt,
            s.as_of_block
        FROM scoped s
        UNION ALL
        SELECT o.chain_id, o.scope, 'owner', NULL, account_status(o.assets, o.debt, o.has_debt), o.assets, o.debt, o.as_of_block
        FROM (
            SELECT s.chain_id, s.scope, s.owner, bool_or(s.has_debt) AS has_debt, max(s.as_of_block) AS as_of_block,
                CASE WHEN count(*) = count(s.assets_usd) THEN sum(s.assets_usd) END AS assets,
                CASE WHEN count(*) = count(s.debt_usd) THEN sum(s.debt_usd) END AS debt
            FROM scoped s GROUP BY s.chain_id, s.scope, s.owner
        ) o
    )
    SELECT j.chain_id, j.scope, j.level, p.population, p.pair_class, max(j.as_of_block),
        coalesce(sum(j.assets) FILTER (WHERE j.status = ANY (p.inside)), 0),
        coalesce(sum(j.debt) FILTER (WHERE j.status = ANY (p.inside)), 0),
        count(*) FILTER (WHERE j.status = ANY (p.inside)), count(*) FILTER (WHERE j.status = 'zero_equity'),
        count(*) FILTER (WHERE j.status = 'insolvent'), count(*) FILTER (WHERE j.status = 'unpriced'),
        coalesce(sum(j.debt - j.assets) FILTER (WHERE j.status = 'insolvent'), 0)
    FROM judged j
    CROSS JOIN LATERAL (
        VALUES ('borrowers', 'any', ARRAY['ok']), ('all', 'any', ARRAY['ok', 'no_debt']), ('borrowers', j.pair_class, ARRAY['ok'])
    ) p (population, pair_class, inside)
    WHERE p.pair_class IS NOT NULL
    GROUP BY j.chain_id, j.scope, j.level, p.population, p.pair_class
$$;

-- M2 by scope and weight, of borrowers with equity that owe at least p_min_debt_usd.
CREATE FUNCTION leverage_distribution_at(p_chain bigint, p_block bigint, p_min_debt_usd numeric DEFAULT 0)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, weight text, block_number bigint,
    n bigint, p10 numeric, p50 numeric, p90 numeric, p99 numeric,
    share_ge_1_5 numeric, share_ge_2 numeric, share_ge_3 numeric, share_ge_5 numeric, share_ge_10 numeric, share_ge_20 numeric,
    bins numeric[]
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT g.chain_id, g.scope, g.weight, g.as_of_block, (g.d).n, (g.d).p10, (g.d).p50, (g.d).p90, (g.d).p99,
        (g.d).share_ge_1_5, (g.d).share_ge_2, (g.d).share_ge_3, (g.d).share_ge_5, (g.d).share_ge_10, (g.d).share_ge_20, (g.d).bins
    FROM (
        SELECT b.chain_id, k.scope, v.weight, max(b.as_of_block) AS as_of_block,
            distribution_of(array_agg(b.leverage), array_agg(v.amount)) AS d
        FROM account_books(p_chain, p_block) b
        CROSS JOIN LATERAL (VALUES (b.deployment_key), (0::bigint)) k (scope)
        CROSS JOIN LATERAL (VALUES ('debt', b.debt_usd), ('equity', b.assets_usd - b.debt_usd), ('count', 1)) v (weight, amount)
        WHERE b.status = 'ok' AND b.leverage IS NOT NULL AND b.debt_usd >= p_min_debt_usd
        GROUP BY b.chain_id, k.scope, v.weight
        OFFSET 0
    ) g
$$;

-- M14 of accounts as of a block. p_cost_usd: what one liquidation is taken to cost.
CREATE FUNCTION bad_debt_at(p_chain bigint, p_block bigint, p_cost_usd numeric DEFAULT 100)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, block_number bigint, latent_usd numeric, economic_usd numeric, cost_usd numeric,
    debt_usd numeric, latent_ratio numeric, n_insolvent bigint, n_uneconomic bigint, n_unpriced bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT s.chain_id, s.scope, s.as_of_block, s.latent, s.economic, p_cost_usd, s.debt, ratio(s.latent, s.debt),
        s.n_insolvent, s.n_uneconomic, s.n_unpriced
    FROM (
        SELECT b.chain_id, k.scope, max(b.as_of_block) AS as_of_block,
            coalesce(sum(b.debt_usd - b.assets_usd) FILTER (WHERE b.status = 'insolvent'), 0) AS latent,
            coalesce(sum(b.debt_usd) FILTER (WHERE b.status IN ('ok', 'zero_equity') AND b.assets_usd - b.debt_usd < p_cost_usd), 0) AS economic,
            coalesce(sum(b.debt_usd) FILTER (WHERE b.status <> 'unpriced'), 0) AS debt,
            count(*) FILTER (WHERE b.status = 'insolvent') AS n_insolvent,
            count(*) FILTER (WHERE b.status IN ('ok', 'zero_equity') AND b.assets_usd - b.debt_usd < p_cost_usd) AS n_uneconomic,
            count(*) FILTER (WHERE b.status = 'unpriced') AS n_unpriced
        FROM account_books(p_chain, p_block) b
        CROSS JOIN LATERAL (VALUES (b.deployment_key), (0::bigint)) k (scope)
        GROUP BY b.chain_id, k.scope
    ) s
$$;

-- Every balance with its owner, without the books that protocols keep for themselves. p_accounting NULL: all.
CREATE FUNCTION held_balances(p_chain bigint, p_block bigint, p_accounting text DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, account text, owner text, side text, asset bytea,
    amount_raw numeric, usd numeric, is_minted boolean, as_of_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.chain_id, b.deployment_key, b.market_key, b.account, coalesce(o.owner_id, b.account), b.side, b.asset,
        b.amount_raw, round(b.amount_raw * b.unit * b.price_usd, 18),
        -- debt of a market that lends nothing: minted against collateral (Maker, Liquity), not taken from a pool
        b.side = 'debt' AND k.collateral_asset IS NOT NULL
            AND coalesce(s.supply_shares_raw, 0) = 0 AND coalesce(s.supply_assets_raw, 0) = 0,
        b.as_of_block
    FROM position_books(p_chain, p_block, NULL, p_accounting) b
    JOIN market k ON k.chain_id = b.chain_id AND k.market_key = b.market_key
    LEFT JOIN LATERAL (
        SELECT s.supply_shares_raw, s.supply_assets_raw FROM market_state s
        WHERE s.chain_id = b.chain_id AND s.market_key = b.market_key AND s.block_number <= b.as_of_block
        ORDER BY s.block_number DESC LIMIT 1
    ) s ON b.side = 'debt' AND k.collateral_asset IS NOT NULL
    LEFT JOIN owners_at(p_chain, p_block) o ON o.chain_id = b.chain_id AND o.address = b.account
    WHERE NOT is_internal_book(b.accounting) AND b.side NOT IN ('long', 'short')
$$;

-- M17: one row a scope and token held. held = supplied, pledged and posted as margin, without what is lent out.
CREATE FUNCTION tokens_held_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, asset text, kind text, held_usd numeric, borrowed_usd numeric, is_priced boolean,
    block_number bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT g.chain_id, g.deployment_key, hex(g.asset), coalesce(t.kind, 'unclassified'),
        greatest(g.supplied - g.lent, 0), g.lent, g.is_priced, g.as_of_block
    FROM (
        SELECT b.chain_id, b.deployment_key, b.asset, max(b.as_of_block) AS as_of_block,
            coalesce(sum(b.usd) FILTER (WHERE b.side <> 'debt'), 0) AS supplied,
            coalesce(sum(b.usd) FILTER (WHERE b.side = 'debt' AND NOT b.is_minted), 0) AS lent,
            count(*) FILTER (WHERE NOT b.is_minted) = count(b.usd) FILTER (WHERE NOT b.is_minted) AS is_priced
        FROM held_balances(p_chain, p_block) b
        GROUP BY b.chain_id, b.deployment_key, b.asset
    ) g
    LEFT JOIN token t ON t.chain_id = g.chain_id AND t.address = g.asset
$$;

CREATE FUNCTION tvl_adjusted_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, block_number bigint, plain_usd numeric, claims_usd numeric,
    unclassified_usd numeric, borrowed_usd numeric, n_unpriced bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT h.chain_id, k.scope, max(h.block_number),
        coalesce(sum(h.held_usd) FILTER (WHERE h.is_priced AND h.kind = 'plain'), 0),
        coalesce(sum(h.held_usd) FILTER (WHERE h.is_priced AND h.kind NOT IN ('plain', 'unclassified')), 0),
        coalesce(sum(h.held_usd) FILTER (WHERE h.is_priced AND h.kind = 'unclassified'), 0),
        coalesce(sum(h.borrowed_usd) FILTER (WHERE h.is_priced), 0), count(*) FILTER (WHERE NOT h.is_priced)
    FROM tokens_held_at(p_chain, p_block) h
    CROSS JOIN LATERAL (VALUES (h.deployment_key), (0::bigint)) k (scope)
    GROUP BY h.chain_id, k.scope
$$;

-- M18 by scope: owners' debt, collateral, equity and what they lend. Owners without a price are counted beside.
CREATE FUNCTION concentration_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, kind text, block_number bigint,
    n bigint, total_usd numeric, hhi numeric, effective_n numeric, gini numeric, top_1_share numeric, top_10_share numeric,
    n_unpriced bigint, cluster_asset text, cluster_price_usd numeric, cluster_share numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH books AS MATERIALIZED (
        SELECT b.*, k.scope FROM account_books(p_chain, p_block) b
        CROSS JOIN LATERAL (VALUES (b.deployment_key), (0::bigint)) k (scope)
    ),
    owned AS (
        SELECT o.chain_id, o.scope, v.kind, v.amount, o.as_of_block
        FROM (
            SELECT b.chain_id, b.scope, b.owner, max(b.as_of_block) AS as_of_block,
                CASE WHEN count(*) = count(b.debt_usd) THEN sum(b.debt_usd) END AS debt,
                CASE WHEN count(*) = count(b.collateral_usd) THEN sum(b.collateral_usd) END AS collateral,
                CASE WHEN count(*) = count(b.assets_usd) AND count(*) = count(b.debt_usd)
                     THEN sum(b.assets_usd - b.debt_usd) END AS equity
            FROM books b GROUP BY b.chain_id, b.scope, b.owner
        ) o
        CROSS JOIN LATERAL (VALUES ('debt', o.debt), ('collateral', o.collateral), ('equity', o.equity)) v (kind, amount)
        UNION ALL
        SELECT s.chain_id, k.scope, 'lender_supply', CASE WHEN count(*) = count(s.usd) THEN sum(s.usd) END, max(s.as_of_block)
        FROM held_balances(p_chain, p_block) s
        CROSS JOIN LATERAL (VALUES (s.deployment_key), (0::bigint)) k (scope)
        WHERE s.side = 'supply'
        GROUP BY s.chain_id, k.scope, s.owner
    )
    SELECT g.chain_id, g.scope, g.kind, g.as_of_block, (g.c).n, (g.c).total_usd, (g.c).hhi, (g.c).effective_n, (g.c).gini,
        (g.c).top_1_share, (g.c).top_10_share, g.n_unpriced,
        (l.c).asset, (l.c).price_usd, ratio((l.c).debt_usd, (g.c).total_usd)
    FROM (
        SELECT o.chain_id, o.scope, o.kind, max(o.as_of_block) AS as_of_block, concentration_of(array_agg(o.amount)) AS c,
            count(*) FILTER (WHERE o.amount IS NULL) AS n_unpriced
        FROM owned o GROUP BY o.chain_id, o.scope, o.kind OFFSET 0
    ) g
    LEFT JOIN (
        SELECT b.chain_id, b.scope,
            largest_cluster_of(array_agg(b.cluster_asset), array_agg(b.liquidation_price_usd), array_agg(b.debt_usd)) AS c
        FROM books b WHERE b.status <> 'unpriced' AND b.has_debt GROUP BY b.chain_id, b.scope OFFSET 0
    ) l ON l.chain_id = g.chain_id AND l.scope = g.scope AND g.kind = 'debt'
    WHERE (g.c).n > 0
$$;

-- What moved the debt of each market in the blocks after p_from up to p_to, in base units of its asset.
-- A repayment that a liquidation made (Compound, Euler tell both) is the liquidation's, not the borrower's. migrated: what
-- one owner repaid in one deployment and borrowed in another in one transaction; positive where it was borrowed.
CREATE FUNCTION debt_flows(p_chain bigint, p_from bigint, p_to bigint, p_deployments bigint[] DEFAULT NULL)
RETURNS TABLE (
    market_key bigint, deployment_key bigint, block_number bigint, borrowed numeric, repaid numeric, liquidated numeric,
    written_off numeric, covered numeric, migrated numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- by windows and not by joins: nothing tells the planner how many rows these are
    WITH moved AS MATERIALIZED (
        SELECT a.block_number, a.tx_index, a.log_index, a.deployment_key, a.market_key, a.transaction_type, a.token,
            a.borrower, coalesce(a.amount_raw, 0) AS amount,
            bool_or(a.transaction_type = 'liquidation') OVER (PARTITION BY a.block_number, a.tx_index) AS with_liquidation,
            min(a.deployment_key) OVER w <> max(a.deployment_key) OVER w AS of_several
        FROM action a
        WHERE a.chain_id = p_chain AND a.block_number > p_from AND a.block_number <= p_to AND a.market_key IS NOT NULL
          AND a.transaction_type IN ('borrow', 'repay', 'repay_with_atokens', 'liquidation', 'bad_debt', 'cover_deficit')
        WINDOW w AS (PARTITION BY a.block_number, a.tx_index, a.token, a.borrower)
    ),
    forced AS (
        SELECT m.*, count(*) OVER (PARTITION BY m.block_number, m.tx_index, m.market_key, m.borrower, m.amount, m.transaction_type
            ORDER BY m.log_index) AS nth
        FROM moved m WHERE m.with_liquidation AND m.transaction_type IN ('liquidation', 'repay')
    ),
    own AS MATERIALIZED (
        SELECT r.block_number, r.log_index
        FROM (
            SELECT f.*, bool_or(f.transaction_type = 'liquidation')
                OVER (PARTITION BY f.block_number, f.tx_index, f.market_key, f.borrower, f.amount, f.nth) AS is_own
            FROM forced f WHERE f.borrower IS NOT NULL
        ) r
        WHERE r.is_own AND r.transaction_type = 'repay'
    ),
    voluntary AS (
        SELECT m.block_number, m.tx_index, m.token, m.borrower, m.deployment_key, m.market_key,
            coalesce(sum(m.amount) FILTER (WHERE m.transaction_type = 'borrow'), 0) AS borrowed,
            coalesce(sum(m.amount) FILTER (WHERE m.transaction_type <> 'borrow'), 0) AS repaid
        FROM moved m
        WHERE m.of_several AND m.transaction_type IN ('borrow', 'repay', 'repay_with_atokens')
          AND NOT EXISTS (SELECT FROM own o WHERE o.block_number = m.block_number AND o.log_index = m.log_index)
        GROUP BY m.block_number, m.tx_index, m.token, m.borrower, m.deployment_key, m.market_key
    ),
    -- of one owner, token and transaction: what left one deployment and came up in another, given to the first markets
    -- in order of their keys until it is used up
    migrated AS (
        SELECT v.block_number, v.market_key, v.deployment_key,
            greatest(least(v.borrowed, t.moved - coalesce(sum(v.borrowed) OVER w, 0)), 0) AS came,
            greatest(least(v.repaid, t.moved - coalesce(sum(v.repaid) OVER w, 0)), 0) AS went
        FROM voluntary v
        JOIN (
            SELECT v.block_number, v.tx_index, v.token, v.borrower, least(sum(v.borrowed), sum(v.repaid)) AS moved
            FROM voluntary v GROUP BY v.block_number, v.tx_index, v.token, v.borrower
            HAVING count(DISTINCT v.deployment_key) > 1 AND sum(v.borrowed) > 0 AND sum(v.repaid) > 0
        ) t USING (block_number, tx_index, token, borrower)
        WINDOW w AS (PARTITION BY v.block_number, v.tx_index, v.token, v.borrower ORDER BY v.market_key
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT m.market_key, m.deployment_key, m.block_number,
        coalesce(sum(m.amount) FILTER (WHERE m.transaction_type = 'borrow'), 0),
        coalesce(sum(m.amount) FILTER (WHERE m.transaction_type IN ('repay', 'repay_with_atokens')
            AND NOT EXISTS (SELECT FROM own o WHERE o.block_number = m.block_number AND o.log_index = m.log_index)), 0),
        coalesce(sum(m.amount) FILTER (WHERE m.transaction_type = 'liquidation'), 0),
        coalesce(sum(m.amount) FILTER (WHERE m.transaction_type = 'bad_debt'), 0),
        coalesce(sum(m.amount) FILTER (WHERE m.transaction_type = 'cover_deficit'), 0), 0
    FROM moved m
    WHERE p_deployments IS NULL OR m.deployment_key = ANY (p_deployments)
    GROUP BY m.market_key, m.deployment_key, m.block_number
    UNION ALL
    SELECT g.market_key, g.deployment_key, g.block_number, 0, 0, 0, 0, 0, sum(coalesce(g.came, 0) - coalesce(g.went, 0))
    FROM migrated g
    WHERE p_deployments IS NULL OR g.deployment_key = ANY (p_deployments)
    GROUP BY g.market_key, g.deployment_key, g.block_number
    UNION ALL
    -- Compound v3 tells supplies and withdrawals only: a debt is a balance below zero, and its moves are the balance's
    SELECT v.market_key, v.deployment_key, v.block_number, sum(greatest(v.moved, 0)),
        greatest(sum(greatest(-v.moved, 0)) - coalesce((
            SELECT sum(m.amount) FROM moved m
            WHERE m.block_number = v.block_number AND m.market_key = v.market_key AND m.transaction_type = 'liquidation'), 0), 0),
        0, 0, 0, 0
    FROM (
        SELECT c.market_key, k.deployment_key, c.block_number,
            div((c.shares_raw - coalesce(o.shares_raw, 0)) * s.debt_index_raw, 1e15) AS moved
        FROM market k
        JOIN position_change c ON c.chain_id = k.chain_id AND c.market_key = k.market_key AND c.side = 'debt'
            AND c.block_number > p_from AND c.block_number <= p_to
        CROSS JOIN LATERAL (
            SELECT x.debt_index_raw FROM market_state x
            WHERE x.chain_id = c.chain_id AND x.market_key = c.market_key AND x.block_number <= c.block_number
            ORDER BY x.block_number DESC LIMIT 1
        ) s
        LEFT JOIN LATERAL (
            SELECT x.shares_raw FROM position_change x
            WHERE x.chain_id = c.chain_id AND x.market_key = c.market_key AND x.account = c.account AND x.side = c.side
              AND (x.block_number, x.log_index, x.leg) < (c.block_number, c.log_index, c.leg)
            ORDER BY x.block_number DESC, x.log_index DESC, x.leg DESC LIMIT 1
        ) o ON true
        WHERE k.chain_id = p_chain AND k.accounting = 'comet'
          AND (p_deployments IS NULL OR k.deployment_key = ANY (p_deployments))
    ) v
    GROUP BY v.market_key, v.deployment_key, v.block_number
$$;

-- Quantities and prices of each market as of two blocks, and what moved its debt between them: what M4 decomposes.
CREATE FUNCTION debt_moves(p_chain bigint, p_from bigint, p_to bigint)
RETURNS TABLE (
    deployment_key bigint, market_key bigint, unit numeric, debt_before_raw numeric, debt_raw numeric,
    price_before_usd numeric, price_usd numeric, borrowed_raw numeric, repaid_raw numeric, liquidated_raw numeric,
    written_off_raw numeric, migrated_raw numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT n.deployment_key, n.market_key, n.unit, coalesce((b.quote).debt_assets_raw, 0), (n.quote).debt_assets_raw, b.price_usd, n.price_usd,
        coalesce(f.borrowed, 0), coalesce(f.repaid, 0), coalesce(f.liquidated, 0), coalesce(f.written_off, 0), coalesce(f.migrated, 0)
    FROM books(p_chain, p_to) n
    LEFT JOIN books(p_chain, p_from) b ON b.market_key = n.market_key
    LEFT JOIN (
        SELECT x.market_key, sum(x.borrowed) AS borrowed, sum(x.repaid) AS repaid, sum(x.liquidated) AS liquidated,
            sum(x.written_off) AS written_off, sum(x.migrated) AS migrated
        FROM debt_flows(p_chain, p_from, p_to) x GROUP BY x.market_key
    ) f ON f.market_key = n.market_key
    WHERE NOT is_internal_book(n.accounting) AND (n.quote).debt_assets_raw IS NOT NULL
$$;

-- M20: each protocol's own formula. Books hold totals, of which cash + borrows - reserves is Compound's and Euler's supply;
-- Aave's own figure divides by debt plus idle cash: apart by what accrued to the treasury and is not minted yet.
CREATE FUNCTION utilization_of(debt numeric, supply numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN debt = 0 THEN 0 ELSE ratio(debt, supply) END;

CREATE FUNCTION utilization_formula(accounting text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE accounting WHEN 'compound' THEN 'borrows / (cash + borrows - reserves)' WHEN 'euler_v2' THEN 'borrows / (cash + borrows)'
    ELSE 'total debt / total supply' END;

-- Where the rate curve bends: Compound's kink as read from the model, Morpho's adaptive curve aims at 0.9. NULL: not known.
CREATE FUNCTION utilization_target(accounting text, s market_state) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE accounting WHEN 'compound' THEN trim_scale((s.extra ->> 'irm_kink')::numeric * 1e-18)
    WHEN 'morpho' THEN CASE s.regime WHEN 'adaptive' THEN 0.9 END END;

-- M20: least squares slope of the change of ln(debt in tokens) on the change of the borrow rate, over the points kept up to a block.
CREATE FUNCTION rate_elasticity_at(p_chain bigint, p_block bigint)
RETURNS TABLE (market_key bigint, n bigint, elasticity double precision, r2 double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT p.market_key, regr_count(p.grown, p.risen), regr_slope(p.grown, p.risen), regr_r2(p.grown, p.risen)
    FROM (
        SELECT s.market_key,
            (s.debt_apr - lag(s.debt_apr) OVER w)::float8 AS risen,
            CASE WHEN s.debt_raw > 0 AND lag(s.debt_raw) OVER w > 0 THEN ln(s.debt_raw / lag(s.debt_raw) OVER w)::float8 END AS grown
        FROM market_snapshot s
        WHERE s.chain_id = p_chain AND s.block_number <= p_block
        WINDOW w AS (PARTITION BY s.market_key ORDER BY s.bucket)
    ) p
    GROUP BY p.market_key
    HAVING regr_count(p.grown, p.risen) >= 3;
END;
