-- Comments of every view, column and public function, with units. `view.column` overrides `column`; a column without
-- text stops the installation, so that none is forgotten.

COMMENT ON VIEW bad_debt IS 'M14: latent (insolvent accounts now), realised (written off) and covered (paid in since), never netted';
COMMENT ON VIEW flashloan_events IS 'One row a flash loan and token';
COMMENT ON VIEW ingest_status IS 'M23: how far each protocol of each chain is indexed, and how far behind the node';
COMMENT ON VIEW perp_events IS 'What was done on perp venues, in people''s units and (*_raw) in the venues'' own; never sum it into positions';
COMMENT ON VIEW interest_index_history IS 'Indexes and rates booked at the end of each block that changed them';
COMMENT ON VIEW lending_events IS 'Every action, Dune''s column names. For people: never sum it into balances';
COMMENT ON VIEW liquidation_events IS 'One row a liquidation: debt repaid, collateral seized, bad debt written off with it; USD at the oracle prices of that block';
COMMENT ON VIEW market_params_history IS 'Risk parameters of a market side by side, one row a block that changed any';
COMMENT ON VIEW markets IS 'Every market at each protocol''s indexed head: books, parameters, prices; as of a block: markets_at(chain_id, block)';
COMMENT ON VIEW owners IS 'Addresses whose owner events tell: Euler sub-accounts, Maker urns, and smart wallets with a position (Safe, DSProxy, Instadapp DSA), each to the end of its chain; as of a block: owners_at(chain_id, block). An address not in it stands for itself';
COMMENT ON VIEW param_history IS 'Every parameter change of every market and deployment; a row holds from from_block to to_block - 1';
COMMENT ON VIEW positions IS 'Every open balance at each protocol''s indexed head; as of a block: positions_at(chain_id, block). One row (chain_id, market_id, account, side)';
COMMENT ON VIEW prices IS 'Every price seen: lending protocols'' own oracles (source oracle) and markets (source market), never mixed';
COMMENT ON VIEW protocol_leverage IS 'M1: leverage of a deployment as a ratio of sums, two populations; the head computed live, earlier rows from snapshots';
COMMENT ON VIEW receipt_transfers IS 'Transfers of receipt tokens (aTokens): supply that moves without a pool event';
COMMENT ON VIEW v_account_leverage IS 'M1 and health of every account at the indexed head: one row an Aave pool (market_id NULL) or a Morpho market; as of a block: account_health(chain_id, block)';
COMMENT ON FUNCTION account_health(bigint, bigint) IS 'v_account_leverage as of a block, less owner (owners_at says that): health and leverage of every account as of (chain id, block); Aave figures equal getUserAccountData, Morpho''s _isHealthy';
COMMENT ON FUNCTION account_health_of(bigint, bigint, bytea) IS 'account_health for one account (20 bytes)';
COMMENT ON FUNCTION block_time_of(bigint, bigint) IS 'Unix seconds of (chain id, block), else error LV001';
COMMENT ON FUNCTION liquidation_risk_at(bigint, bigint) IS 'M12: every borrower as of (chain id, block)';
COMMENT ON FUNCTION markets_at(bigint, bigint) IS 'Every market as of (chain id, block)';
COMMENT ON FUNCTION owners_at(bigint, bigint) IS 'Every address whose owner is known as of (chain id, block)';
COMMENT ON FUNCTION positions_at(bigint, bigint) IS 'Every open balance as of (chain id, block). NULL block: each protocol''s head. Errors LV001 (no header), LV002 (not covered)';
COMMENT ON FUNCTION positions_of(bigint, bigint, bytea) IS 'positions_at for one account (20 bytes): quotes only its markets';
COMMENT ON FUNCTION protocol_leverage_at(bigint, bigint) IS 'M1 of every deployment as of (chain id, block), two populations';
COMMENT ON FUNCTION usd_price_at(bigint, bytea, bigint, bytea) IS 'Newest USD price (chain id, asset, block, preferred oracle) at or below a block';

DO $comments$
DECLARE
    described CONSTANT jsonb := jsonb_build_object(
        'account', 'who the protocol books the balance for, 0x hex',
        'accounting', 'family of index mathematics',
        'accrued_at', 'time up to which interest is booked in storage',
        'amount', 'amount_raw in whole tokens; NULL when decimals are unknown',
        'amount_raw', 'amount in base units of the token',
        'amount_usd', 'USD, 18 decimals; NULL without a price',
        'as_of_block', 'block at whose end the row holds',
        'as_of_time', 'timestamp of as_of_block; interest is extrapolated to it',
        'asset', 'token, 0x hex',
        'assets_to_equity', 'A / E, the leverage; NULL unless E > 0 and everything is priced',
        'assets_usd', 'everything supplied, as collateral or not, USD',
        'available_borrows_base_raw', 'Aave getUserAccountData.availableBorrowsBase, base currency (8 decimals)',
        'bad_debt.block_number', 'latent: as of this block; else block of the newest event',
        'bad_debt.kind', 'latent | realised | covered',
        'bad_debt_usd', 'debt written off with this liquidation, USD; 0 for none, NULL without a price',
        'basis_raw', 'index at the account''s last change where the accounting keeps one (Aave 3.5+)',
        'block_number', 'block',
        'block_time', 'timestamp of the block',
        'blockchain', 'chain name in leverage.toml',
        'bonus', 'collateral_seized_usd / debt_repaid_usd - 1, fraction',
        'borrow_assets_raw', 'total debt booked, base units',
        'borrow_cap', 'whole tokens, 0 for none',
        'borrow_index', 'debt amount per debt share',
        'borrow_index_raw', 'Aave variable borrow index, ray; NULL where totals take its place',
        'borrow_rate', 'yearly fraction (APR) in force from here; Morpho adaptive: the rate at this second',
        'borrow_shares_raw', 'sum of debt shares',
        'borrower', 'the debtor, 0x hex',
        'borrowing_enabled', 'whether new debt may be taken',
        'bucket', 'half-open health factor interval of docs/methodology.md M12: [0,1) is liquidatable; NULL without a health factor',
        'chain_id', 'EIP-155 chain id',
        'changed_block', 'block of the balance''s last change at or below as_of_block',
        'collateral_asset', 'Morpho collateral token, 0x hex; NULL where the asset itself is the collateral',
        'collateral_assets', 'tokens that back debt, 0x hex, sorted',
        'collateral_market_id', 'market whose supply was seized',
        'v_account_leverage.collateral_price_usd', 'USD price of the only collateral; NULL with several',
        'collateral_price_usd', 'USD price of the collateral; without an own USD price: market oracle price x loan token''s USD price',
        'collateral_seized', 'whole tokens',
        'collateral_seized_raw', 'base units',
        'collateral_seized_usd', 'USD at the price as of the block',
        'collateral_symbol', 'symbol of the collateral token',
        'collateral_token', 'token seized, 0x hex',
        'collateral_usd', 'supply that backs debt, USD at the protocol''s own oracle',
        'current_liquidation_threshold_bps', 'Aave getUserAccountData.currentLiquidationThreshold, 1/10000',
        'debt_apr', 'borrow rate, yearly fraction',
        'debt_assets', 'tokens owed, 0x hex, sorted',
        'debt_ceiling', 'isolation mode debt ceiling, USD with 2 decimals, 0 for none'
    ) || jsonb_build_object(
        'debt_index_raw', 'Aave variable debt index now, ray',
        'debt_rate_raw', 'borrow rate now in the protocol''s unit (Aave ray a year, Morpho WAD a second)',
        'debt_raw', 'Morpho: debt rounded up (toAssetsUp), loan token base units',
        'debt_repaid', 'whole tokens',
        'debt_repaid_raw', 'base units',
        'debt_repaid_usd', 'USD at the price as of the block',
        'debt_shares_raw', 'sum of debt shares',
        'debt_symbol', 'symbol of the debt token',
        'debt_to_equity', 'D / E; NULL unless E > 0 and everything is priced',
        'debt_token', 'debt token, 0x hex',
        'debt_usd', 'debt with interest to as_of_time, USD',
        'decimals', 'ERC-20 decimals, NULL when unknown',
        'deployment', 'deployment name, e.g. ethereum_core',
        'deployment_key', 'key of the deployment in base tables',
        'depositor', 'who sent the deposit, or whose supply is withdrawn, moved or seized, 0x hex',
        'distance', '|1 - liquidation_price_usd / price_usd|, fraction',
        'emode', 'Aave e-mode category, 0 for none; NULL elsewhere',
        'emode_id', 'the reserve''s single e-mode category (Aave up to 3.1); later ones are in param_history',
        'equity_usd', 'assets_usd - debt_usd, may be negative',
        'error', 'why it is stopped',
        'evt_index', 'log index within the block',
        'fee', 'premium in whole tokens',
        'fee_raw', 'flash loan premium, base units',
        'feed', 'oracle contract, 0x hex',
        'finalized_block', 'no block up to this one can change any more',
        'first_eligible_drop', 'uniform fall of the collateral against the debt that makes it liquidatable: 1 - 1/HF, 0 when it is already; NULL for one token on both sides',
        'flash_loan_enabled', 'whether flash loans are allowed',
        'from', 'sender, 0x hex',
        'from_block', 'first block at whose end it holds',
        'from_time', 'timestamp of from_block',
        'head_block', 'newest block the node has spoken of',
        'health_factor', 'below 1 is liquidatable; NULL without debt or without the protocol''s own price',
        'health_factor_raw', 'the contract''s integer, WAD',
        'indexed_block', 'last block whose rows are committed',
        'indexed_hash', 'hash of that block, 0x hex',
        'indexed_time', 'timestamp of that block',
        'ingest_status.status', 'backfill | following | stopped',
        'initiator', 'who asked for the loan, 0x hex',
        'irm', 'interest rate model, 0x hex (Morpho)',
        'is_active', 'whether the reserve is active',
        'is_collateral', 'whether it backs debt',
        'is_frozen', 'no new supply or debt',
        'is_head', 'true: computed live at the indexed head; false: a stored snapshot',
        'is_liquidatable', 'the contract''s own integer rule: Aave HF < 1e18, Morpho max_borrow < debt; NULL when it cannot be known'
    ) || jsonb_build_object(
        'is_paused', 'no action allowed, liquidation neither',
        'is_toxic', 'a liquidation with bonus would worsen the account: debt x (1 + bonus) > collateral; one collateral only',
        'lag_blocks', 'head_block - indexed_block',
        'lag_s', 'now minus indexed_time, seconds',
        'latent_bad_debt_usd', 'sum of D - A over insolvent accounts, USD',
        'leg', 'which of several actions of one log',
        'leverage', 'sum of assets / sum of equity of the population; NULL when equity is 0',
        'liquidation_bonus', 'fraction of the repaid value that the liquidator gets on top',
        'liquidation_bonus_bps', '1/10000, 10500 is 5 % on top; NULL with several collaterals',
        'liquidation_events.debt_token', 'token repaid, 0x hex',
        'liquidation_price_usd', 'price of the only collateral at which HF reaches 1, the only debt''s price held; NULL otherwise',
        'liquidation_threshold', 'fraction of value that counts for health',
        'liquidator', 'who liquidated, 0x hex',
        'listed_block', 'block in which the market was listed',
        'lltv_raw', 'Morpho LLTV, WAD',
        'loss_boundary_drop', 'fall from which a liquidation no longer pays the debt in full: max(1 - 1/HF, 1 - (1 + bonus) x LTV); one collateral only',
        'ltv', 'D / A, fraction',
        'ltv_bps', 'Aave getUserAccountData.ltv, 1/10000',
        'ltv_max', 'fraction of value that may be borrowed',
        'market_id', '`<slug>:<chain id>:<native id>`',
        'market_key', 'key of the market in base tables',
        'market_params_history.fee_raw', 'Morpho fee, WAD',
        'market_params_history.oracle', 'oracle fixed at listing, 0x hex; NULL for Aave',
        'markets.asset', 'token supplied and borrowed, 0x hex',
        'markets.fee_raw', 'Morpho fee, WAD',
        'markets.supply_index_raw', 'Aave liquidity index now, ray',
        'markets.supply_shares_raw', 'sum of supply shares with pending fee shares',
        'max_borrow_raw', 'Morpho: collateral x price x LLTV as _isHealthy floors it, loan token base units',
        'n', 'latent: insolvent accounts; else events',
        'n_insolvent', 'accounts with E < 0',
        'n_ok', 'accounts in the population (borrowers: D > 0 and E > 0; all: also without debt)',
        'n_unpriced', 'accounts with a leg that has no price',
        'n_zero_equity', 'accounts with E = 0 and D > 0',
        'name', 'parameter name',
        'node_seen_at', 'wall-clock time at which the node last answered',
        'on_behalf_of', 'whose position changed, 0x hex',
        'oracle', 'price oracle that decides liquidation, 0x hex',
        'oracle_price_block', 'block of oracle_price_raw',
        'oracle_price_raw', 'the deciding oracle''s own integer: Aave of the asset (8 decimals), Morpho of the collateral (36 + loan - collateral decimals)',
        'owner', 'who is behind the account in the end (view owners), else the account',
        'owners.address', 'the account that belongs to somebody, 0x hex',
        'owner_id', 'its owner in the end, 0x hex; a wallet of several owners is its own',
        'evidence', 'what was told of each step, by which protocol or kind of wallet; for a wallet of several owners m of n',
        'confidence', '1: told by the protocol''s own events; nothing is guessed',
        'pair_class', 'same_asset | stable | correlated (all collateral in the account''s Aave e-mode category) | directional; NULL without debt',
        'population', 'borrowers | all'
    ) || jsonb_build_object(
        'positions.amount_raw', 'what the contract''s own balance view returns at the end of as_of_block, base units; NULL when the rate model is unknown',
        'positions.asset', 'underlying token of this balance, 0x hex',
        'price', 'price of one whole token in `quote`',
        'price_block', 'block of the price',
        'price_raw', 'the oracle''s own integer',
        'price_usd', 'USD of one whole token; NULL when unknown',
        'profit_usd', 'collateral_seized_usd - debt_repaid_usd, before cost',
        'project', 'Dune''s project, e.g. aave',
        'project_contract_address', 'emitter of the log, 0x hex',
        'protocol', 'protocol slug',
        'protocol_leverage.assets_usd', 'sum of assets of the population, USD',
        'protocol_leverage.debt_usd', 'sum of debts of the population, USD',
        'qualifier', 'what it is for within the subject, e.g. an e-mode category; '''' for none',
        'quote', 'usd, or the 0x address of the token it is quoted in',
        'rate_at_target_raw', 'Morpho adaptive curve: rate at target utilisation as stored, WAD a second',
        'receipt_token', 'aToken, 0x hex',
        'receiver', 'contract that got the loan, 0x hex',
        'reconciliation_error', 'M23: worst |indexed - contract| / contract of the newest comparison of balances on this chain, fraction; NULL before the first, or when the contracts answered none but zero',
        'reconciliation_differences', 'answers of contracts that differed in it',
        'reconciliation_compared', 'answers compared in it',
        'reconciliation_block', 'block it was made at',
        'reconciliation_time', 'wall-clock time at which it was made',
        'recipient', 'who received (withdraw, transfer, flash loan), 0x hex',
        'regime', 'rules in force',
        'reorgs_24h', 'reorgs seen in the last day',
        'repayer', 'who paid, 0x hex',
        'reserve_factor', 'fraction of interest that goes to the protocol',
        'safe_block', 'newest block tagged safe',
        'shares_raw', 'balance in units that do not grow with interest',
        'side', 'supply | collateral | debt | long | short | margin',
        'source', 'oracle | par (decreed by a protocol for its own books only) | market',
        'start_block', 'first block covered',
        'status', 'no_debt | ok | zero_equity | insolvent | unpriced',
        'stored_debt_assets_raw', 'Morpho totalBorrowAssets in storage',
        'stored_debt_index_raw', 'Aave variableBorrowIndex in storage, ray',
        'stored_supply_assets_raw', 'Morpho totalSupplyAssets in storage',
        'stored_supply_index_raw', 'Aave liquidityIndex in storage, ray',
        'stored_supply_shares_raw', 'sum of supply shares in storage, without pending fee shares',
        'subject', 'market_key or deployment_key',
        'supply_apr', 'supply rate, yearly fraction',
        'supply_assets_raw', 'total supply booked, base units',
        'supply_cap', 'whole tokens, 0 for none',
        'supply_index', 'amount per supply share',
        'supply_index_raw', 'Aave liquidity index, ray; NULL where totals take its place',
        'supply_rate', 'yearly fraction (APR)',
        'supply_rate_raw', 'supply rate now in the protocol''s unit',
        'supply_shares_raw', 'sum of supply shares',
        'supply_token', 'receipt token (aToken), 0x hex',
        'symbol', 'token symbol',
        'to', 'receiver, 0x hex'
    ) || jsonb_build_object(
        'perp_events.action', 'increase | decrease | trade | liquidation | deposit | withdraw | funding | settle_pnl | liquidity | bad_debt',
        'perp_events.leg', 'which of several actions of one log',
        'venue', 'project',
        'market', 'market_id, NULL when it is about the account''s margin',
        'trader', 'account, 0x hex',
        'size_raw', 'base amount, signed, venue''s unit',
        'perp_events.price_raw', 'price of the fill, venue''s unit',
        'margin_delta_raw', 'margin added or taken out, base units of the margin token',
        'perp_events.fee_raw', 'fee paid, venue''s unit',
        'pnl_raw', 'profit realised, venue''s unit',
        'size_base', 'whole base units, sign as size_raw; GMX v1: dollars of size / price; NULL where the event has no size or a token''s decimals are unknown',
        'perp_events.price', 'price of the fill of one whole base unit, USD (perp_v2: its quote, at par)',
        'margin_delta', 'margin added (positive) or taken out, whole units of margin_unit',
        'margin_unit', 'what margin_delta is in: usd, or the token, 0x hex',
        'fee_usd', 'fee paid, USD; perp_v2 and Synthetix: quote and sUSD at par; NULL where the event does not tell',
        'pnl_usd', 'profit realised, USD, as fee_usd; NULL where the event does not tell',
        'is_adl', 'whether it was an auto-deleveraging; NULL where the event does not tell it from another decrease',
        'funding_raw', 'funding paid (positive) or received, venue''s unit',
        'is_liquidation', 'whether it was forced'
    ) || jsonb_build_object(
        'to_block', 'first block at which it no longer holds; NULL for still',
        'token_address', 'token, 0x hex',
        'total_collateral_base_raw', 'Aave getUserAccountData.totalCollateralBase, base currency (8 decimals)',
        'total_debt', 'whole tokens',
        'total_debt_base_raw', 'Aave getUserAccountData.totalDebtBase, base currency (8 decimals)',
        'total_debt_raw', 'debt with interest to as_of_time, base units; Aave: debt token totalSupply()',
        'total_debt_usd', 'USD',
        'total_supply', 'whole tokens',
        'total_supply_raw', 'supply with interest to as_of_time, base units; Aave: aToken totalSupply()',
        'total_supply_usd', 'USD',
        'transaction_type', 'supply | withdraw | borrow | repay | repay_with_atokens | liquidation | seize | transfer | flashloan | mint_to_treasury | bad_debt | cover_deficit | supply_collateral | withdraw_collateral | accrue_fee',
        'ts', 'timestamp of block_number',
        'tx_hash', 'transaction hash, 0x hex',
        'tx_index', 'transaction index within the block',
        'unit_raw', 'price_raw / unit_raw is the price of one whole token',
        'usd_amount', 'USD at the oracle price as of the block; NULL without one',
        'utilization', 'total debt / total supply, fraction; may exceed 1',
        'v_account_leverage.market_id', 'NULL where a deployment pools its collateral (Aave)',
        'value_raw', 'number in the protocol''s own unit',
        'value_text', 'address or label',
        'version', 'Dune''s version, e.g. 3'
    );
    entry record;
    words text;
BEGIN
    FOR entry IN
        SELECT c.relname AS view_name, a.attname AS column_name
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace
          AND c.relname IN ('bad_debt', 'flashloan_events', 'ingest_status', 'interest_index_history', 'lending_events', 'liquidation_events', 'market_params_history', 'markets', 'owners', 'param_history', 'perp_events', 'positions', 'prices', 'protocol_leverage', 'receipt_transfers', 'v_account_leverage')
    LOOP
        words := coalesce(described ->> (entry.view_name || '.' || entry.column_name), described ->> entry.column_name);
        IF words IS NULL THEN
            RAISE EXCEPTION 'view %.% has no comment in 90_comments.sql', entry.view_name, entry.column_name;
        END IF;
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', entry.view_name, entry.column_name, words);
    END LOOP;
END $comments$;
