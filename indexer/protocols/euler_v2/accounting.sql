-- Euler v2 vaults: totals with pending interest, balances, debts to the last fractional bit, and health.
--
-- Source   euler-vault-kit: Cache.initVaultCache, RPow, ConversionHelpers, BorrowUtils, LiquidityUtils, LTVConfig, Liquidation
-- Units    accumulator and rate a second in ray; debt shares in base units times 2^31; supply shares with 1e6 virtual ones
-- Omits    bid and ask: health is by the oracle's mid price of one whole token, which the contract asks for each amount;
--          values round as here, not as each price adapter does. Collateral of another factory makes the account unpriced

-- x^n in ray, each step rounded half up; NULL where the contract's 256 bits overflow.
CREATE FUNCTION euler_v2_power(x numeric, n numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    word CONSTANT numeric := trunc(power(2::numeric, 256));
    half CONSTANT numeric := 5e26;
    z numeric := CASE WHEN n % 2 = 1 THEN x ELSE 1e27 END;
BEGIN
    n := div(n, 2);
    WHILE n > 0 LOOP
        IF x * x + half >= word THEN
            RETURN NULL;
        END IF;
        x := div(x * x + half, 1e27);
        IF n % 2 = 1 THEN
            IF z * x + half >= word THEN
                RETURN NULL;
            END IF;
            z := div(z * x + half, 1e27);
        END IF;
        n := div(n, 2);
    END LOOP;
    RETURN z;
END $$;

-- A debt with its fraction (debtOfExact): grown by the accumulator since the account's last change, floored.
CREATE FUNCTION euler_v2_owed(shares numeric, basis numeric, accumulator numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(shares * accumulator, basis);

-- Cache.initVaultCache at second t. supply_shares_raw is totalSupply() with the fees' shares, supply_assets_raw
-- totalAssets(), debt_assets_raw totalBorrows(), debt_shares_raw totalBorrowsExact().
CREATE FUNCTION euler_v2_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
    word CONSTANT numeric := trunc(power(2::numeric, 256));
    one CONSTANT numeric := 2147483648;
    sane CONSTANT numeric := 5192296858534827628530496329220095;
    cash numeric := (s.extra->>'cash')::numeric;
    fee_bps numeric := (s.extra->>'interest_fee_bps')::numeric;
    accumulator numeric := s.debt_index_raw;
    owed numeric := s.debt_shares_raw;
    shares numeric := s.supply_shares_raw;
    factor numeric;
    fee numeric;
    assets numeric;
BEGIN
    IF s.regime IS NULL THEN
        RETURN q;
    END IF;
    IF t > s.accrued_at THEN
        factor := euler_v2_power(1e27 + coalesce(s.debt_rate_raw, 0), t - s.accrued_at);
        IF accumulator * factor < word THEN
            accumulator := div(accumulator * factor, 1e27);
        END IF;
        IF owed * accumulator < word THEN
            owed := div(owed * accumulator, s.debt_index_raw);
        END IF;
        fee := div((owed - s.debt_shares_raw) * fee_bps, 10000 * one);
        IF fee > 0 THEN
            assets := cash + div(owed + one - 1, one);
            shares := div(assets * shares, assets - fee);
        END IF;
        IF owed > sane * one THEN
            accumulator := s.debt_index_raw;
            owed := s.debt_shares_raw;
            shares := s.supply_shares_raw;
        ELSIF shares > sane THEN
            shares := s.supply_shares_raw;
        END IF;
    END IF;
    q.debt_index_raw := accumulator;
    q.debt_shares_raw := owed;
    q.debt_assets_raw := div(owed + one - 1, one);
    q.supply_shares_raw := shares;
    q.supply_assets_raw := cash + q.debt_assets_raw;
    q.supply_numerator := q.supply_assets_raw + 1000000;
    q.supply_denominator := shares + 1000000;
    q.supply_rounding := 'floor';
    q.debt_rate_raw := coalesce(s.debt_rate_raw, 0);
    q.supply_rate_raw := CASE WHEN q.supply_assets_raw > 0
        THEN div(q.debt_rate_raw * q.debt_assets_raw * (10000 - fee_bps), q.supply_assets_raw * 10000) ELSE 0 END;
    q.rate_unit := 31536000e-27;
    RETURN q;
END $$;

-- convertToAssets(balanceOf) for lenders, debtOf for borrowers.
CREATE FUNCTION euler_v2_amount(
    side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote
) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE side
    WHEN 'supply' THEN div(shares * q.supply_numerator, q.supply_denominator)
    WHEN 'debt' THEN div(euler_v2_owed(shares, basis, q.debt_index_raw) + 2147483647, 2147483648)
END;

-- LTVConfig.getLTV for liquidations: a lowered LTV comes down in a line until `until`.
CREATE FUNCTION euler_v2_liquidation_ltv(target numeric, initial numeric, until numeric, ramp numeric, t bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN t >= until OR target >= initial THEN target ELSE target + div((initial - target) * (until - t), ramp) END;

-- How a unit of account is spelled as a price's quote: the dollar is ISO 4217 number 840.
CREATE FUNCTION euler_v2_quote_name(unit text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN unit = '0x0000000000000000000000000000000000000348' THEN 'usd' ELSE unit END;

-- Accounts that one person owns: those with the first 19 bytes of a registered owner.
CREATE FUNCTION euler_v2_owners(p_chain bigint, p_block bigint)
RETURNS TABLE (chain_id bigint, deployment_key bigint, account_prefix text, owner text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.chain_id, a.subject, left(hex(a.account), 40), hex(a.account)
    FROM account_setting a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.deployment_key = a.subject AND d.protocol = 'euler_v2'
    WHERE a.name = 'owner_prefix' AND (p_chain IS NULL OR a.chain_id = p_chain)
      AND (p_block IS NULL OR a.block_number <= p_block)
$$;

-- One row an account (a sub-account is one), in the scope of the vault it owes to; without debt market_id is NULL.
--   max_borrow_raw = sum of floor(collateral value * liquidation LTV), debt_raw = value of the debt, in the unit of account
--   of that vault; liquidatable exactly when max_borrow_raw <= debt_raw; health_factor_raw = max_borrow_raw * 1e18 / debt_raw
--   Only what the account enabled in the EVC and the vault gives an LTV counts.
CREATE FUNCTION euler_v2_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH balance AS MATERIALIZED (
        SELECT p.*, round(p.amount_raw * p.unit * p.price_usd, 18) AS usd, m.supply_token AS vault, m.oracle
        FROM position_books(p_chain, p_block, p_accounts, 'euler_v2') p
        JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.market_key
    ), setting AS MATERIALIZED (
        SELECT p.* FROM params_at(p_chain, p_block, p_accounts) p
        WHERE p.name IN ('unit_of_account', 'liquidation_ltv_bps', 'initial_liquidation_ltv_bps', 'ltv_ramp_until', 'ltv_ramp_seconds')
    ), ltv AS (
        SELECT l.chain_id, l.subject, unhex(l.qualifier) AS collateral,
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
        SELECT b.*, u.value_text AS unit_of_account,
            CASE
                WHEN u.value_text = hex(b.asset) THEN b.amount_raw
                WHEN b.oracle_quote = euler_v2_quote_name(u.value_text) THEN trunc(b.amount_raw * b.oracle_price_raw * b.unit)
            END AS value
        FROM balance b
        LEFT JOIN setting u ON u.chain_id = b.chain_id AND u.subject = b.market_key AND u.name = 'unit_of_account'
        WHERE b.side = 'debt'
    ), backing AS (
        -- what an account enabled and the vault it owes to accepts; a collateral that is no vault here stays NULL
        SELECT d.chain_id, d.market_key, d.account_bytes, s.asset, s.usd, s.price_usd,
            CASE
                WHEN c.market_key IS NULL THEN NULL
                WHEN s.shares_raw IS NULL THEN 0
                WHEN x.quote = euler_v2_quote_name(d.unit_of_account)
                THEN div(trunc(s.shares_raw * x.price_raw * s.unit) * v.ltv, 10000)
            END AS value,
            c.market_key IS NULL AS is_foreign
        FROM debt d
        JOIN enabled e ON e.chain_id = d.chain_id AND e.subject = d.deployment_key AND e.account = d.account_bytes AND e.is_on
        JOIN ltv l ON l.chain_id = d.chain_id AND l.subject = d.market_key AND l.collateral = e.collateral
        CROSS JOIN LATERAL (
            SELECT euler_v2_liquidation_ltv(l.target, l.initial, l.until, l.ramp, d.as_of_time) AS ltv
        ) v
        LEFT JOIN market c ON c.chain_id = d.chain_id AND c.deployment_key = d.deployment_key AND c.supply_token = e.collateral
        LEFT JOIN balance s ON s.chain_id = d.chain_id AND s.account_bytes = d.account_bytes AND s.side = 'supply'
            AND s.vault = e.collateral
        LEFT JOIN LATERAL (
            SELECT p.price_raw, p.quote FROM price p
            WHERE p.chain_id = d.chain_id AND p.feed = d.oracle AND p.asset = e.collateral AND p.block_number <= d.as_of_block
            ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
        ) x ON s.shares_raw IS NOT NULL
        WHERE v.ltv > 0
    ), backed AS (
        SELECT k.chain_id, k.market_key, k.account_bytes,
            CASE WHEN count(*) = count(k.value) THEN sum(k.value) END AS value,
            CASE WHEN count(*) FILTER (WHERE k.is_foreign OR k.asset IS NOT NULL AND k.usd IS NULL) = 0
                 THEN coalesce(sum(k.usd), 0) END AS usd,
            bool_or(k.is_foreign) AS is_foreign,
            array_agg(DISTINCT k.asset) FILTER (WHERE k.asset IS NOT NULL) AS assets,
            max(k.price_usd) AS price_usd
        FROM backing k GROUP BY 1, 2, 3
    ), account AS (
        SELECT b.chain_id, b.deployment_key, b.account_bytes, min(b.as_of_block) AS as_of_block, min(b.as_of_time) AS as_of_time,
            count(*) FILTER (WHERE b.side = 'debt') AS debts,
            CASE WHEN count(*) FILTER (WHERE b.side = 'supply' AND b.usd IS NULL) = 0
                 THEN coalesce(sum(b.usd) FILTER (WHERE b.side = 'supply'), 0) END AS assets_usd,
            CASE WHEN count(*) FILTER (WHERE b.side = 'debt' AND b.usd IS NULL) = 0
                 THEN coalesce(sum(b.usd) FILTER (WHERE b.side = 'debt'), 0) END AS debt_usd,
            coalesce(array_agg(b.asset) FILTER (WHERE b.side = 'debt'), '{}') AS debt_assets,
            min(b.market_key) FILTER (WHERE b.side = 'debt') AS debt_market
        FROM balance b GROUP BY 1, 2, 3
    ), figure AS (
        SELECT a.*, d.market_id, d.value AS liability,
            CASE WHEN a.debts = 0 THEN NULL WHEN k.account_bytes IS NULL THEN 0 ELSE k.value END AS max_borrow,
            CASE WHEN k.account_bytes IS NULL THEN 0 ELSE k.usd END AS collateral_usd,
            CASE WHEN k.is_foreign THEN NULL ELSE a.assets_usd END AS known_usd,
            coalesce(k.assets, '{}') AS collateral_assets, k.price_usd AS collateral_price_usd
        FROM account a
        -- the EVC lets an account owe to one vault only
        LEFT JOIN debt d ON d.chain_id = a.chain_id AND d.account_bytes = a.account_bytes AND d.market_key = a.debt_market AND a.debts = 1
        LEFT JOIN backed k ON k.chain_id = a.chain_id AND k.account_bytes = a.account_bytes AND k.market_key = d.market_key
    )
    SELECT
        hex(f.account_bytes), p.project, p.version, p.name, f.market_id,
        f.collateral_usd, f.known_usd, f.debt_usd, f.known_usd - f.debt_usd,
        CASE WHEN f.known_usd > f.debt_usd THEN ratio(f.known_usd, f.known_usd - f.debt_usd) END,
        CASE WHEN f.known_usd > f.debt_usd THEN ratio(f.debt_usd, f.known_usd - f.debt_usd) END,
        ratio(f.debt_usd, f.known_usd),
        CASE WHEN f.liability > 0 THEN div(f.max_borrow * 1e18, f.liability) END * 1e-18,
        CASE WHEN f.debts = 0 THEN NULL WHEN f.collateral_assets = f.debt_assets THEN 'same_asset' ELSE 'directional' END,
        account_status(f.known_usd, f.debt_usd, f.debts > 0),
        CASE WHEN f.debts = 0 THEN false WHEN f.liability = 0 THEN false ELSE f.max_borrow <= f.liability END,
        CASE WHEN f.liability > 0 THEN div(f.max_borrow * 1e18, f.liability) END,
        NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric,
        f.max_borrow, CASE WHEN f.debts = 0 THEN 0 ELSE f.liability END, NULL::integer,
        hex_list(f.collateral_assets), hex_list(f.debt_assets), NULL::numeric,
        CASE WHEN cardinality(f.collateral_assets) = 1 THEN f.collateral_price_usd END,
        f.as_of_block, to_timestamp(f.as_of_time), f.chain_id, f.deployment_key,
        CASE WHEN f.debts = 1 THEN f.debt_market END
    FROM figure f
    JOIN deployment p ON p.chain_id = f.chain_id AND p.deployment_key = f.deployment_key
$$;

-- The owner of a sub-account: the registered address with the same first 19 bytes.
CREATE FUNCTION euler_v2_owner(p_chain bigint, p_deployment bigint, p_account bytea, p_block bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT hex(a.account) FROM account_setting a
    WHERE a.chain_id = p_chain AND a.subject = p_deployment AND a.name = 'owner_prefix'
      AND a.account BETWEEN set_byte(p_account, 19, 0) AND set_byte(p_account, 19, 255) AND a.block_number <= p_block
    LIMIT 1
$$;

-- Every sub-account that ever held anything, and its owner.
CREATE FUNCTION euler_v2_owned(p_chain bigint, p_block bigint) RETURNS SETOF owner_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT o.chain_id, hex(p.account), o.owner, 'euler_v2: sub-account of a registered owner', 1::numeric
    FROM euler_v2_owners(p_chain, p_block) o
    JOIN market m ON m.chain_id = o.chain_id AND m.deployment_key = o.deployment_key
    JOIN position p ON p.chain_id = m.chain_id AND p.market_key = m.market_key
        AND left(hex(p.account), 40) = o.account_prefix AND hex(p.account) <> o.owner
$$;
