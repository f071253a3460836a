COMMENT ON VIEW liquidation_risk IS 'M12: every borrower at the indexed head. Rows with a health factor below 1.05 are exact as of the head, quiet ones as of their own as_of_block; as of any one block: liquidation_risk_at(chain_id, block)';
COMMENT ON VIEW limits IS 'M16: leverage allowed and used by risk scope at the indexed head; as of a block: limits_at(chain_id, block); by account: account_limits_at';
COMMENT ON FUNCTION account_health_among(bigint, bigint, bytea[]) IS 'v_account_leverage for some accounts (20 bytes each; NULL: all) as of (chain id, block)';
COMMENT ON FUNCTION risk_suspects(bigint, bigint, numeric) IS 'Accounts (20 bytes) that may have had a health factor below a bound as of (chain id, block), for a block that is not final yet; NULL: everybody may';
COMMENT ON FUNCTION limits_at(bigint, bigint) IS 'M16 by risk scope as of (chain id, block): limit_usage weighted by debt, headroom within liquidity and caps';
COMMENT ON FUNCTION account_limits_at(bigint, bigint, bytea[]) IS 'M16 by borrower as of (chain id, block): leverage, its limit, what may still be borrowed. Third argument: only these accounts';
COMMENT ON FUNCTION liquidation_levels_at(bigint, bigint, text, numeric) IS 'M12: collateral of one asset (0x hex) as of (chain id, block) by the price that liquidates it, in bins of the given width in USD';
COMMENT ON FUNCTION liquidation_drops_at(bigint, bigint, text[]) IS 'M12: collateral and debt that become liquidatable as of (chain id, block) when a group of assets (0x hex; NULL: all that the account does not owe) falls by 0, 1, 3, 5, 10, 15, 20, 30, 50 %; each position once';
COMMENT ON FUNCTION risk_parts_at(bigint, bigint, bytea[]) IS 'Legs of each borrower summed by asset (chain id, block, accounts; NULL: all): collateral and debt in USD, and what it adds to the protocol''s own test (own)';
COMMENT ON FUNCTION risk_assets_at(bigint, bigint, bytea[]) IS 'What each asset of a borrower adds to the protocol''s own test (own), with the sum of all (total): liquidation price of it alone = price * (own - total) / own';

SELECT pg_temp.describe(
    ARRAY['liquidation_risk'],
    jsonb_build_object(
        'chain_id', 'EIP-155 chain id',
        'account', 'who the protocol books the balance for, 0x hex',
        'owner', 'who is behind the account by the protocol''s own books (view owners), else the account',
        'project', 'Dune''s project, e.g. aave',
        'version', 'Dune''s version, e.g. 3',
        'deployment', 'deployment name, e.g. ethereum_core',
        'market_id', '`<slug>:<chain id>:<native id>`',
        'health_factor', 'below 1 is liquidatable; NULL without debt or without the protocol''s own price',
        'bucket', 'half-open health factor interval of docs/methodology.md M12: [0,1) is liquidatable; NULL without a health factor',
        'is_liquidatable', 'the contract''s own integer rule: Aave HF < 1e18, Morpho max_borrow < debt; NULL when it cannot be known',
        'collateral_usd', 'supply that backs debt, USD at the protocol''s own oracle',
        'debt_usd', 'debt with interest to as_of_time, USD',
        'collateral_assets', 'tokens that back debt, 0x hex, sorted',
        'debt_assets', 'tokens owed, 0x hex, sorted',
        'emode', 'Aave e-mode category, 0 for none; NULL elsewhere',
        'pair_class', 'same_asset | stable | correlated (all collateral in the account''s Aave e-mode category) | directional; NULL without debt',
        'status', 'no_debt | ok | zero_equity | insolvent | unpriced',
        'price_usd', 'USD of one whole token; NULL when unknown',
        'liquidation_price_usd', 'price of the only collateral at which HF reaches 1, the only debt''s price held; NULL otherwise',
        'distance', '|1 - liquidation_price_usd / price_usd|, fraction',
        'first_eligible_drop', 'uniform fall of the collateral against the debt that makes it liquidatable: 1 - 1/HF, 0 when it is already; NULL for one token on both sides',
        'loss_boundary_drop', 'fall from which a liquidation no longer pays the debt in full: max(1 - 1/HF, 1 - (1 + bonus) x LTV); one collateral only',
        'liquidation_bonus', 'fraction of the repaid value that the liquidator gets on top',
        'is_toxic', 'a liquidation with bonus would worsen the account: debt x (1 + bonus) > collateral; one collateral only',
        'health_factor_raw', 'the contract''s integer, WAD',
        'as_of_block', 'block at whose end the row holds',
        'as_of_time', 'timestamp of as_of_block; interest is extrapolated to it',
        'deployment_key', 'key of the deployment in base tables',
        'market_key', 'key of the market in base tables',
        'best_collateral_asset', 'liquidatable: the collateral to take, 0x hex',
        'best_debt_asset', 'liquidatable: the debt whose repayment pays most, 0x hex',
        'blocked_reason', 'why the contract would refuse now: reserve_paused | reserve_inactive | grace_period; NULL: nothing known speaks against it',
        'est_profit_usd', 'USD of what is seized less what is repaid, before gas, slippage and the protocol''s cut',
        'health_factor_after', 'health factor after repaying max_repay; NULL when no debt is left',
        'liquidation_prices', 'by asset (0x hex): {"price_usd", "direction": "down" | "up"} at which the health factor is 1, all others held; no entry where no price does it',
        'max_repay_raw', 'most of best_debt_asset that one call may repay, base units',
        'max_repay_usd', 'the same, USD',
        'oracle_block', 'block of the oldest price that the row uses; of liquidatable rows',
        'seize_raw', 'best_collateral_asset received for it, base units'
    )
);

SELECT pg_temp.describe(
    ARRAY['limits'],
    jsonb_build_object(
        'chain_id', 'EIP-155 chain id',
        'project', 'Dune''s project',
        'version', 'Dune''s version',
        'deployment', 'deployment name',
        'market_id', 'market where risk is isolated; NULL where it is pooled',
        'n_borrowers', 'borrowers in the scope',
        'n_over_limit', 'of them above their limit: legal after prices moved',
        'collateral_usd', 'what backs debt, USD',
        'debt_usd', 'debt with interest, USD',
        'assets_to_equity', 'sum C / (sum C - sum D)',
        'ltv_max', 'LTV by value of collateral, e-mode applied, fraction',
        'max_leverage', '1 / (1 - ltv_max)',
        'liquidation_leverage', '1 / (1 - liquidation threshold by value)',
        'limit_usage', 'assets_to_equity / max_leverage of each borrower, weighted by debt',
        'headroom_usd', 'sum of max(0, sum C LTV - D), USD; more than the pool may have',
        'available_usd', 'liquidity of the scope''s markets within their borrow caps, USD',
        'borrow_headroom_usd', 'the lesser of the two, USD',
        'supply_room_usd', 'what supply caps leave, USD; NULL without caps',
        'block_number', 'block at whose end it holds',
        'deployment_key', 'key of the deployment in base tables'
    )
);
