-- Maker: an urn's collateral and debt, internal DAI, system debt and unlocked collateral, as the Vat stores them.
--
-- Source   dss 2019-11: Vat (urns, ilks, gem, dai, sin), Jug.drip, Cat.bite
-- Units    shares as the Vat has them: ink, gem, art WAD; dai, sin RAD. amount_raw in base units of the token:
--            debt        ceil(art * rate / 1e27): DAI that pays it off in full (the Vat's own product is a RAD)
--            collateral  ink, cut to the token's decimals where the join told fewer than 18 (WBTC: ink / 1e10)
--            dai         floor(dai / 1e27): what DaiJoin would pay out; sin ceil(sin / 1e27)
-- Time     the Vat's rate changes only when somebody calls Jug.drip, and the Vat judges by that rate: no interest is
--          added between two drips

CREATE FUNCTION maker_in_tokens(wad numeric, state_extra jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN div(wad, trunc(power(10::numeric, 18 - coalesce((state_extra ->> 'dec')::integer, 18))));

-- An ilk: supply is not a thing here; debt_index is the Vat's rate, debt_rate (base + duty - 1) a second.
CREATE FUNCTION maker_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
BEGIN
    q.debt_index_raw := s.debt_index_raw;
    q.debt_numerator := s.debt_index_raw;
    q.debt_denominator := 1e27;
    q.debt_rounding := 'ceil';
    q.debt_shares_raw := s.debt_shares_raw;
    q.debt_assets_raw := div(s.debt_shares_raw * s.debt_index_raw + 999999999999999999999999999, 1e27);
    q.debt_rate_raw := s.debt_rate_raw - 1000000000000000000000000000;
    q.rate_unit := 31536000e-27;
    RETURN q;
END $$;

CREATE FUNCTION maker_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE side
    WHEN 'debt' THEN div(shares * (s).debt_index_raw + 999999999999999999999999999, 1e27)
    WHEN 'collateral' THEN maker_in_tokens(shares, (s).extra)
END;

-- Unlocked collateral of an ilk.
CREATE FUNCTION maker_gem_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN NULL::market_quote;

CREATE FUNCTION maker_gem_amount(side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN maker_in_tokens(shares, (s).extra);

-- Internal DAI (supply) and system debt (debt): the Vat's debt() and vice() are their sums.
CREATE FUNCTION maker_dai_quote(s market_state, t bigint) RETURNS market_quote
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    q market_quote;
BEGIN
    q.supply_numerator := 1;
    q.supply_denominator := 1e27;
    q.supply_rounding := 'floor';
    q.supply_shares_raw := s.supply_shares_raw;
    q.supply_assets_raw := div(s.supply_shares_raw, 1e27);
    q.debt_numerator := 1;
    q.debt_denominator := 1e27;
    q.debt_rounding := 'ceil';
    q.debt_shares_raw := s.debt_shares_raw;
    q.debt_assets_raw := div(s.debt_shares_raw + 999999999999999999999999999, 1e27);
    RETURN q;
END $$;

-- The Vat's own books: internal DAI is a claim within the Vat and system debt nobody's loan.
CREATE FUNCTION maker_dai_internal() RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN true;

-- One row per urn of an ilk. The Vat's own test, in RAD: unsafe when art * rate > ink * spot (and spot > 0 to bite).
--   max_borrow_raw = floor(ink * spot / 1e27), debt_raw = ceil(art * rate / 1e27), both in DAI
--   health_factor_raw = floor(ink * spot * 1e18 / (art * rate)): needs no price, spot is price / mat already
CREATE FUNCTION maker_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        hex(h.account_bytes), d.project, d.version, d.name, m.market_id,
        h.collateral_usd, h.collateral_usd, h.debt_usd, h.collateral_usd - h.debt_usd,
        CASE WHEN h.collateral_usd > h.debt_usd THEN ratio(h.collateral_usd, h.collateral_usd - h.debt_usd) END,
        CASE WHEN h.collateral_usd > h.debt_usd THEN ratio(h.debt_usd, h.collateral_usd - h.debt_usd) END,
        ratio(h.debt_usd, h.collateral_usd),
        h.hf * 1e-18,
        CASE WHEN NOT h.has_debt THEN NULL WHEN m.collateral_asset = m.asset THEN 'same_asset' ELSE 'directional' END,
        account_status(h.collateral_usd, h.debt_usd, h.has_debt),
        h.has_debt AND h.spot > 0 AND h.backed < h.owed,
        h.hf, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric,
        div(h.backed, 1e27), div(h.owed + 999999999999999999999999999, 1e27), NULL::integer,
        CASE WHEN h.ink > 0 THEN ARRAY[hex(m.collateral_asset)] ELSE '{}' END,
        CASE WHEN h.has_debt THEN ARRAY[hex(m.asset)] ELSE '{}' END,
        NULL::numeric, h.collateral_price_usd,
        h.as_of_block, to_timestamp(h.as_of_time), h.chain_id, m.deployment_key, h.market_key
    FROM (
        SELECT g.*, g.art > 0 AS has_debt, g.ink * s.spot AS backed, g.art * s.rate AS owed, s.spot,
            CASE WHEN g.art > 0 THEN div(g.ink * s.spot * 1e18, g.art * s.rate) END AS hf
        FROM (
            SELECT
                p.chain_id, p.market_key, p.account_bytes, min(p.as_of_block) AS as_of_block, min(p.as_of_time) AS as_of_time,
                coalesce(sum(p.shares_raw) FILTER (WHERE p.side = 'collateral'), 0) AS ink,
                coalesce(sum(p.shares_raw) FILTER (WHERE p.side = 'debt'), 0) AS art,
                max(p.price_usd) FILTER (WHERE p.side = 'collateral') AS collateral_price_usd,
                CASE WHEN bool_or(p.side = 'collateral' AND p.usd IS NULL) THEN NULL
                     ELSE coalesce(sum(p.usd) FILTER (WHERE p.side = 'collateral'), 0) END AS collateral_usd,
                CASE WHEN bool_or(p.side = 'debt' AND p.usd IS NULL) THEN NULL
                     ELSE coalesce(sum(p.usd) FILTER (WHERE p.side = 'debt'), 0) END AS debt_usd
            FROM (
                SELECT b.*, round(b.amount_raw * b.unit * b.price_usd, 18) AS usd
                FROM position_books(p_chain, p_block, p_accounts, 'maker') b
            ) p
            GROUP BY p.chain_id, p.market_key, p.account_bytes
        ) g
        CROSS JOIN LATERAL (
            SELECT r.debt_index_raw AS rate, (r.extra ->> 'spot')::numeric AS spot FROM market_state r
            WHERE r.chain_id = g.chain_id AND r.market_key = g.market_key AND r.block_number <= g.as_of_block
            ORDER BY r.block_number DESC LIMIT 1
        ) s
    ) h
    JOIN market m ON m.chain_id = h.chain_id AND m.market_key = h.market_key
    JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
$$;

-- The owner of an urn, as CdpManager last said. A DSProxy may be one; who owns that is not in these books.
CREATE FUNCTION maker_owner(p_chain bigint, p_deployment bigint, p_account bytea, p_block bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT address_of(a.value_raw) FROM account_setting a
    WHERE a.chain_id = p_chain AND a.subject = p_deployment AND a.account = p_account AND a.name = 'owner'
      AND a.block_number <= p_block
    ORDER BY a.block_number DESC, a.log_index DESC LIMIT 1
$$;

-- Every urn that CdpManager made, and its owner.
CREATE FUNCTION maker_owned(p_chain bigint, p_block bigint) RETURNS SETOF owner_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (a.chain_id, a.account)
        a.chain_id, hex(a.account), address_of(a.value_raw), 'maker: owner of the cdp', 1::numeric
    FROM account_setting a
    JOIN deployment d ON d.chain_id = a.chain_id AND d.deployment_key = a.subject AND d.protocol = 'maker'
    WHERE a.name = 'owner' AND (p_chain IS NULL OR a.chain_id = p_chain) AND (p_block IS NULL OR a.block_number <= p_block)
    ORDER BY a.chain_id, a.account, a.block_number DESC, a.log_index DESC
$$;
