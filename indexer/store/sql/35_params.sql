-- Parameters of a market side by side. NULL where the protocol never set one.
CREATE FUNCTION market_params_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, market_key bigint,
    ltv_bps numeric, liquidation_threshold_bps numeric, liquidation_bonus_bps numeric, liquidation_protocol_fee_bps numeric,
    reserve_factor_bps numeric, supply_cap numeric, borrow_cap numeric, debt_ceiling numeric, emode_category numeric,
    is_active boolean, is_frozen boolean, is_paused boolean, borrowing_enabled boolean, flash_loan_enabled boolean,
    siloed_borrowing boolean, lltv_raw numeric, fee_raw numeric, irm text
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        p.chain_id, p.subject,
        max(p.value_raw) FILTER (WHERE p.name = 'ltv_bps'),
        max(p.value_raw) FILTER (WHERE p.name = 'liquidation_threshold_bps'),
        max(p.value_raw) FILTER (WHERE p.name = 'liquidation_bonus_bps'),
        max(p.value_raw) FILTER (WHERE p.name = 'liquidation_protocol_fee_bps'),
        max(p.value_raw) FILTER (WHERE p.name = 'reserve_factor_bps'),
        max(p.value_raw) FILTER (WHERE p.name = 'supply_cap'),
        max(p.value_raw) FILTER (WHERE p.name = 'borrow_cap'),
        max(p.value_raw) FILTER (WHERE p.name = 'debt_ceiling'),
        max(p.value_raw) FILTER (WHERE p.name = 'emode_category'),
        bool_or(p.value_raw = 1) FILTER (WHERE p.name = 'is_active'),
        bool_or(p.value_raw = 1) FILTER (WHERE p.name = 'is_frozen'),
        bool_or(p.value_raw = 1) FILTER (WHERE p.name = 'is_paused'),
        bool_or(p.value_raw = 1) FILTER (WHERE p.name = 'borrowing_enabled'),
        bool_or(p.value_raw = 1) FILTER (WHERE p.name = 'flash_loan_enabled'),
        bool_or(p.value_raw = 1) FILTER (WHERE p.name = 'siloed_borrowing'),
        max(p.value_raw) FILTER (WHERE p.name = 'lltv_raw'),
        max(p.value_raw) FILTER (WHERE p.name = 'fee_raw'),
        max(p.value_text) FILTER (WHERE p.name = 'irm')
    FROM params_at(p_chain, p_block, p_accounts) p
    WHERE p.qualifier = ''
    GROUP BY p.chain_id, p.subject
$$;
