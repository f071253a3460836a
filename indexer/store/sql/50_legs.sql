-- Legs of borrowers: what every measure of risk is made of. A lending accounting defines
-- `<accounting>_legs(p_chain, p_block, p_accounts)` over this shape; `risk_legs_at` is generated from what is found.
--
-- One row a balance. `market_key` is the risk scope, NULL where collateral is pooled per deployment. A supply is
-- 'collateral' whether or not it backs debt; what does not back any has counts = false and threshold 0.
-- decides_raw is the leg's term in the protocol's own test, in a unit of its own: sum over collateral / sum over debt is the
-- health factor (up to the protocol's last rounding), also where price_usd is not the price that it decides by.
CREATE TYPE risk_leg AS (
    chain_id bigint,
    deployment_key bigint,
    market_key bigint,
    as_of_block bigint,
    as_of_time bigint,
    account bytea,
    side text,
    leg_market_key bigint,
    asset bytea,
    symbol text,
    units numeric,
    price_usd numeric,
    value_usd numeric,
    counts boolean,
    ltv numeric,
    liquidation_threshold numeric,
    liquidation_bonus numeric,
    emode integer,
    decides_raw numeric
);
