-- Legs of an account (a sub-account is one), in the scope of the vault that it owes to: thresholds are that pair's liquidation
-- LTV, coming down where it is lowered. Only what the account enabled and the vault accepts counts. A liquidation's discount
-- grows as health falls, up to the vault's maximum d: the bonus is d / (1 - d) at most. Enabled collateral of another factory
-- is a leg without units or value, which makes the account unpriced. risk_leg says what the columns are.
CREATE FUNCTION euler_v2_legs(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF risk_leg
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH balance AS MATERIALIZED (
        SELECT p.*, round(p.amount_raw * p.unit * p.price_usd, 18) AS usd, m.supply_token AS vault, m.oracle
        FROM position_books(p_chain, p_block, p_accounts, 'euler_v2') p
        JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.market_key
    ), setting AS MATERIALIZED (
        SELECT p.* FROM params_at(p_chain, p_block, p_accounts) p
        WHERE p.name IN ('unit_of_account', 'max_liquidation_discount_bps', 'borrow_ltv_bps', 'liquidation_ltv_bps',
                         'initial_liquidation_ltv_bps', 'ltv_ramp_until', 'ltv_ramp_seconds')
    ), pair AS (
        SELECT l.chain_id, l.subject, unhex(l.qualifier) AS collateral,
            max(l.value_raw) FILTER (WHERE l.name = 'borrow_ltv_bps') AS borrow,
            max(l.value_raw) FILTER (WHERE l.name = 'liquidation_ltv_bps') AS target,
            max(l.value_raw) FILTER (WHERE l.name = 'initial_liquidation_ltv_bps') AS initial,
            max(l.value_raw) FILTER (WHERE l.name = 'ltv_ramp_until') AS until,
            max(l.value_raw) FILTER (WHERE l.name = 'ltv_ramp_seconds') AS ramp
        FROM setting l WHERE l.qualifier <> '' GROUP BY 1, 2, 3
    ), enabled AS (
        SELECT DISTINCT ON (a.chain_id, a.subject, a.account, a.name)
            a.chain_id, a.subject, a.account, unhex(substr(a.name, 12)) AS collateral, a.value_raw = 1 AS is_on
        FROM (  -- two branches, as in position_books
            SELECT a.* FROM account_setting a WHERE p_accounts IS NULL
            UNION ALL
            SELECT a.* FROM account_setting a WHERE a.account = ANY (p_accounts)
        ) a
        WHERE a.name LIKE 'collateral:%' AND (p_chain IS NULL OR a.chain_id = p_chain)
          AND (p_block IS NULL OR a.block_number <= p_block)
        ORDER BY a.chain_id DESC, a.subject DESC, a.account DESC, a.name DESC, a.block_number DESC, a.log_index DESC
    ), debt AS (
        SELECT b.*, euler_v2_quote_name(u.value_text) AS unit_of_account, x.value_raw AS discount,
            CASE
                WHEN u.value_text = hex(b.asset) THEN b.amount_raw
                WHEN b.oracle_quote = euler_v2_quote_name(u.value_text) THEN trunc(b.amount_raw * b.oracle_price_raw * b.unit)
            END AS value
        FROM balance b
        LEFT JOIN setting u ON u.chain_id = b.chain_id AND u.subject = b.market_key AND u.name = 'unit_of_account'
        LEFT JOIN setting x ON x.chain_id = b.chain_id AND x.subject = b.market_key AND x.name = 'max_liquidation_discount_bps'
        WHERE b.side = 'debt'
    ), backing AS (
        SELECT d.chain_id, d.market_key, d.account_bytes, l.collateral, l.borrow, v.ltv,
            c.market_key IS NULL AS is_foreign
        FROM debt d
        JOIN enabled e ON e.chain_id = d.chain_id AND e.subject = d.deployment_key AND e.account = d.account_bytes AND e.is_on
        JOIN pair l ON l.chain_id = d.chain_id AND l.subject = d.market_key AND l.collateral = e.collateral
        CROSS JOIN LATERAL (
            SELECT euler_v2_liquidation_ltv(l.target, l.initial, l.until, l.ramp, d.as_of_time) AS ltv
        ) v
        LEFT JOIN market c ON c.chain_id = d.chain_id AND c.deployment_key = d.deployment_key AND c.supply_token = e.collateral
        WHERE v.ltv > 0
    )
    SELECT d.chain_id, d.deployment_key, d.market_key, d.as_of_block, d.as_of_time, d.account_bytes, 'debt', d.market_key,
        d.asset, d.symbol, d.amount_raw * d.unit, d.price_usd, d.usd, true,
        NULL::numeric, NULL::numeric, NULL::numeric, NULL::integer, d.value
    FROM debt d
    UNION ALL
    SELECT s.chain_id, s.deployment_key, d.market_key, s.as_of_block, s.as_of_time, s.account_bytes, 'collateral', s.market_key,
        s.asset, s.symbol, s.amount_raw * s.unit, s.price_usd, s.usd, k.ltv IS NOT NULL,
        coalesce(k.borrow * 1e-4, 0), coalesce(k.ltv * 1e-4, 0),
        CASE WHEN k.ltv IS NOT NULL AND d.discount < 10000 THEN round(d.discount / (10000 - d.discount), 18) END, NULL::integer,
        CASE
            WHEN k.ltv IS NULL THEN 0
            WHEN x.quote = d.unit_of_account THEN div(trunc(s.shares_raw * x.price_raw * s.unit) * k.ltv, 10000)
        END
    FROM debt d
    JOIN balance s ON s.chain_id = d.chain_id AND s.deployment_key = d.deployment_key AND s.account_bytes = d.account_bytes
        AND s.side = 'supply'
    LEFT JOIN backing k ON k.chain_id = d.chain_id AND k.market_key = d.market_key AND k.account_bytes = d.account_bytes
        AND k.collateral = s.vault
    LEFT JOIN LATERAL (
        SELECT p.price_raw, p.quote FROM price p
        WHERE p.chain_id = d.chain_id AND p.feed = d.oracle AND p.asset = s.vault AND p.block_number <= d.as_of_block
        ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
    ) x ON k.ltv IS NOT NULL
    UNION ALL
    SELECT d.chain_id, d.deployment_key, d.market_key, d.as_of_block, d.as_of_time, d.account_bytes, 'collateral', NULL::bigint,
        k.collateral, NULL::text, NULL::numeric, NULL::numeric, NULL::numeric, true,
        k.borrow * 1e-4, k.ltv * 1e-4, NULL::numeric, NULL::integer, NULL::numeric
    FROM debt d
    JOIN backing k ON k.chain_id = d.chain_id AND k.market_key = d.market_key AND k.account_bytes = d.account_bytes
    WHERE k.is_foreign
$$;
