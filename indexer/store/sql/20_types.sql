-- Shapes shared by every accounting. A protocol's *.sql provides <accounting>_quote and <accounting>_health over them.

-- The books of one market at a second in time, interest extrapolated as the contract's own view functions do.
-- Amount of a balance = shares * numerator / denominator, rounded ('floor' | 'ceil' | 'half_up'); every field that
-- cannot be known is NULL. supply_shares_raw holds pending fee shares too.
-- rate * rate_unit is a yearly fraction (APR).
CREATE TYPE market_quote AS (
    supply_index_raw numeric,
    debt_index_raw numeric,
    supply_numerator numeric,
    supply_denominator numeric,
    supply_rounding text,
    debt_numerator numeric,
    debt_denominator numeric,
    debt_rounding text,
    supply_assets_raw numeric,
    debt_assets_raw numeric,
    supply_shares_raw numeric,
    debt_shares_raw numeric,
    debt_rate_raw numeric,
    supply_rate_raw numeric,
    rate_unit numeric
);

-- One account in one risk scope: a deployment where collateral is pooled (Aave), a market where it is not (Morpho).
CREATE TYPE account_health_row AS (
    account text,
    project text,
    version text,
    deployment text,
    market_id text,
    collateral_usd numeric,
    assets_usd numeric,
    debt_usd numeric,
    equity_usd numeric,
    assets_to_equity numeric,
    debt_to_equity numeric,
    ltv numeric,
    health_factor numeric,
    pair_class text,
    status text,
    is_liquidatable boolean,
    health_factor_raw numeric,
    total_collateral_base_raw numeric,
    total_debt_base_raw numeric,
    available_borrows_base_raw numeric,
    current_liquidation_threshold_bps numeric,
    ltv_bps numeric,
    max_borrow_raw numeric,
    debt_raw numeric,
    emode integer,
    collateral_assets text[],
    debt_assets text[],
    liquidation_bonus_bps numeric,
    collateral_price_usd numeric,
    as_of_block bigint,
    as_of_time timestamptz,
    chain_id bigint,
    deployment_key bigint,
    market_key bigint
);

-- The last step of every health function: ratios and status by docs/methodology.md. An amount that is NULL (no price)
-- makes the account unpriced; ratios are NULL unless equity is positive.
CREATE FUNCTION account_status(assets numeric, debt numeric, has_debt boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN assets IS NULL OR debt IS NULL THEN 'unpriced'
    WHEN NOT has_debt THEN 'no_debt'
    WHEN assets > debt THEN 'ok'
    WHEN assets = debt THEN 'zero_equity'
    ELSE 'insolvent'
END;

-- 1e-18 steps are enough for any ratio and keep sums of ratios from growing digits.
CREATE FUNCTION ratio(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN round(a::numeric(1000, 36) / nullif(b, 0), 18);

-- Lists of assets as people read them, in one order; most have one entry, which needs no sorting.
CREATE FUNCTION hex_list(list bytea[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE cardinality(list)
    WHEN 0 THEN '{}'
    WHEN 1 THEN ARRAY[hex(list[1])]
    ELSE ARRAY(SELECT hex(u.asset) FROM unnest(list) u (asset) ORDER BY u.asset)
END;
