-- Markets with their books, parameters and prices as of a block; p_block NULL: at each protocol's head.
-- stored_* is what the contract has in storage, the others are extrapolated to the block's own second.
-- utilization (docs/methodology.md M20) is total debt / total supply: Morpho's definition. For Aave, whose own figure divides by
-- debt plus idle cash, it differs by what has accrued to the treasury and is not minted yet.
CREATE FUNCTION markets_at(p_chain bigint, p_block bigint)
RETURNS TABLE (
    chain_id bigint, project text, version text, deployment text, market_id text, accounting text, regime text,
    asset text, symbol text, decimals smallint, collateral_asset text, collateral_symbol text, supply_token text,
    debt_token text, oracle text, irm text,
    stored_supply_index_raw numeric, stored_debt_index_raw numeric, stored_supply_assets_raw numeric,
    stored_debt_assets_raw numeric, stored_supply_shares_raw numeric, accrued_at timestamptz,
    supply_apr numeric, debt_apr numeric,
    supply_index_raw numeric, debt_index_raw numeric, total_supply_raw numeric, total_debt_raw numeric,
    supply_shares_raw numeric, debt_shares_raw numeric, supply_rate_raw numeric, debt_rate_raw numeric,
    rate_at_target_raw numeric, fee_raw numeric,
    total_supply numeric, total_debt numeric, total_supply_usd numeric, total_debt_usd numeric, utilization numeric,
    ltv_max numeric, liquidation_threshold numeric, liquidation_bonus numeric, lltv_raw numeric,
    reserve_factor numeric, supply_cap numeric, borrow_cap numeric, debt_ceiling numeric,
    is_active boolean, is_frozen boolean, is_paused boolean, borrowing_enabled boolean, flash_loan_enabled boolean,
    price_usd numeric, price_block bigint, collateral_price_usd numeric, oracle_price_raw numeric, oracle_price_block bigint,
    listed_block bigint, as_of_block bigint, as_of_time timestamptz, deployment_key bigint, market_key bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        b.chain_id, b.project, b.version, b.deployment, b.market_id, b.accounting, (b.state).regime,
        hex(b.asset), b.symbol, b.decimals, hex(b.collateral_asset), b.collateral_symbol, hex(b.supply_token),
        hex(b.debt_token), hex(b.oracle), r.irm,
        (b.state).supply_index_raw, (b.state).debt_index_raw, (b.state).supply_assets_raw,
        (b.state).debt_assets_raw, (b.state).supply_shares_raw, to_timestamp((b.state).accrued_at),
        (b.quote).supply_rate_raw * (b.quote).rate_unit, (b.quote).debt_rate_raw * (b.quote).rate_unit,
        (b.quote).supply_index_raw, (b.quote).debt_index_raw, (b.quote).supply_assets_raw, (b.quote).debt_assets_raw,
        (b.quote).supply_shares_raw, (b.quote).debt_shares_raw, (b.quote).supply_rate_raw, (b.quote).debt_rate_raw,
        (b.state).rate_at_target_raw, (b.state).fee_raw,
        (b.quote).supply_assets_raw * b.unit, (b.quote).debt_assets_raw * b.unit,
        round((b.quote).supply_assets_raw * b.unit * b.price_usd, 18), round((b.quote).debt_assets_raw * b.unit * b.price_usd, 18),
        CASE WHEN (b.quote).debt_assets_raw = 0 THEN 0 ELSE ratio((b.quote).debt_assets_raw, (b.quote).supply_assets_raw) END,
        coalesce(r.ltv_bps * 1e-4, trim_scale(r.lltv_raw * 1e-18)),
        coalesce(r.liquidation_threshold_bps * 1e-4, trim_scale(r.lltv_raw * 1e-18)),
        CASE
            WHEN r.liquidation_bonus_bps > 0 THEN r.liquidation_bonus_bps * 1e-4 - 1
            WHEN r.lltv_raw IS NOT NULL
            THEN least(0.15, trim_scale(div(1e36, 1e18 - div(3e17 * (1e18 - r.lltv_raw), 1e18)) * 1e-18) - 1)
        END,
        r.lltv_raw, r.reserve_factor_bps * 1e-4, r.supply_cap, r.borrow_cap, r.debt_ceiling,
        r.is_active, r.is_frozen, r.is_paused, r.borrowing_enabled, r.flash_loan_enabled,
        b.price_usd, b.price_block, b.collateral_price_usd, b.oracle_price_raw, b.oracle_price_block,
        b.listed_block, b.as_of_block, to_timestamp(b.as_of_time), b.deployment_key, b.market_key
    FROM books(p_chain, p_block) b
    LEFT JOIN market_params_at(p_chain, p_block) r ON r.chain_id = b.chain_id AND r.market_key = b.market_key
$$;
