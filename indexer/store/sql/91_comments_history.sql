-- Comments of the views over time, in the pattern of 90_comments.sql.

COMMENT ON VIEW v_owner_leverage IS 'M1 by owner at the head: one person''s accounts on a chain added, then judged; as of a block: owner_leverage_at(chain_id, block)';
COMMENT ON VIEW leverage_by_scope IS 'M1 of deployments and of the chain, by account and by owner, borrowers split by pair class; the head live, the rest from snapshots';
COMMENT ON VIEW leverage_distribution IS 'M2: how leverage is distributed over borrowers, weighted by debt, equity or count; the head live, the rest from snapshots';
COMMENT ON VIEW leverage_velocity IS 'M4, M5: how fast debt grew over 1, 7 and 30 days and why; the four effects sum to debt_usd - debt_before_usd exactly';
COMMENT ON VIEW concentration IS 'M18: how few owners hold it; the head live, the rest (and liquidator_revenue) from snapshots';
COMMENT ON VIEW tvl_adjusted IS 'M17: value held without what is lent out, and how much of it are claims on what is locked elsewhere';
COMMENT ON VIEW bad_debt_history IS 'M14 over time: latent, economic and realised, never netted';
COMMENT ON VIEW utilization IS 'M20 of every market; the head live, the rest from snapshots';
COMMENT ON VIEW rate_elasticity IS 'M20: slope of d ln(debt in tokens) on d borrow rate between snapshots, markets with 3 or more';
COMMENT ON VIEW data_quality IS 'M23: coverage, lag, age of prices and unpriced accounts of each deployment';
COMMENT ON FUNCTION owner_leverage_at(bigint, bigint) IS 'M1 of every owner as of (chain id, block)';
COMMENT ON FUNCTION leverage_by_scope_at(bigint, bigint) IS 'M1 by scope, level and pair class as of (chain id, block); deployment_key 0 is the chain';
COMMENT ON FUNCTION leverage_distribution_at(bigint, bigint, numeric) IS 'M2 as of (chain id, block), of borrowers that owe at least so many USD';
COMMENT ON FUNCTION concentration_at(bigint, bigint) IS 'M18 as of (chain id, block)';
COMMENT ON FUNCTION rate_elasticity_at(bigint, bigint) IS 'M20: how much borrowing followed the rate, over the intervals kept up to (chain id, block)';
COMMENT ON FUNCTION tvl_adjusted_at(bigint, bigint) IS 'M17 as of (chain id, block); deployment_key 0 is the chain';
COMMENT ON FUNCTION tokens_held_at(bigint, bigint) IS 'M17: what each deployment holds of each token as of (chain id, block)';
COMMENT ON FUNCTION bad_debt_at(bigint, bigint, numeric) IS 'M14 as of (chain id, block), at a cost of one liquidation in USD';
COMMENT ON FUNCTION debt_moves(bigint, bigint, bigint) IS 'M4: quantities, prices and flows of each market between two blocks (chain id, from, to]';
COMMENT ON FUNCTION debt_flows(bigint, bigint, bigint, bigint[]) IS 'M4: what moved debts in the blocks (from, to] of a chain, base units';
COMMENT ON FUNCTION loop_carry(numeric, numeric, numeric) IS 'M20: L y - (L - 1) r, net yearly rate on the equity of a loop (leverage, collateral rate, borrow rate)';
COMMENT ON FUNCTION breakeven_rate(numeric, numeric) IS 'M20: L y / (L - 1), the borrow rate at which a loop earns nothing';

SELECT pg_temp.describe(
    ARRAY['v_owner_leverage', 'leverage_by_scope', 'leverage_distribution', 'leverage_velocity', 'concentration',
        'tvl_adjusted', 'bad_debt_history', 'utilization', 'rate_elasticity', 'data_quality'],
    jsonb_build_object(
        'acceleration', 'change of velocity_usd_day since a window earlier, USD a day squared',
        'activity_growth_day', 'growth of equity at constant prices, a day',
        'as_of_block', 'newest block of the owner''s deployments',
        'assets_to_equity', 'A / E; NULL unless E > 0 and everything is priced',
        'assets_usd', 'sum of assets, USD',
        'beta', 'slope of ln(debt at constant prices), a day, over five points one window apart',
        'beta_doubling_days', 'ln 2 / beta, days',
        'bins', 'weight in [1, 1.25, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 50, inf)',
        'block_number', 'block at whose end the row holds',
        'borrow_apr', 'borrow rate, yearly fraction',
        'borrowed_usd', 'lent out, USD',
        'carry_velocity', 'interest_effect a day, USD',
        'chain_id', 'EIP-155 chain id',
        'claims_usd', 'tokens held that are claims on what is locked elsewhere, USD',
        'cluster_asset', 'kind debt: collateral of the largest liquidation price cluster, 0x hex',
        'cluster_price_usd', 'lower end of that 2 % band, USD',
        'cluster_share', 'share of all debt that would be liquidated within it',
        'collateral_usd', 'supply that backs debt, USD',
        'cost_usd', 'what one liquidation is taken to cost, USD',
        'coverage_start_block', 'first block covered',
        'covered_total_usd', 'paid in so far, USD at the time; NULL when a part has no price',
        'covered_usd', 'paid in in the interval, USD at its prices',
        'debt', 'total debt, whole tokens',
        'debt_before_usd', 'debt at the start of the window, USD',
        'debt_to_equity', 'D / E; NULL as assets_to_equity',
        'debt_usd', 'debt, USD',
        'defi_multiplier', 'tvl_usd / tvr_usd; NULL without plain tokens',
        'deployment', 'deployment name; NULL for the chain',
        'deployment_key', 'key of the deployment; 0 is the chain',
        'double_count_usd', 'tvl_usd - tvr_usd',
        'doubling_days', 'ln 2 / growth_rate_day; NULL unless it grows',
        'economic_usd', 'debt of solvent accounts whose excess collateral is below cost_usd, USD',
        'effective_n', '1 / hhi',
        'elasticity', 'change of ln debt per 1.00 of rate',
        'equity_usd', 'assets less debt, USD',
        'excess_growth_day', 'growth_rate_day - activity_growth_day',
        'forced_effect', 'change of debt by liquidations and write-offs, USD; not positive',
        'forced_velocity', 'forced_effect a day, USD',
        'formula', 'the protocol''s own definition',
        'from_block', 'block at whose end the window begins; NULL: nothing was owed yet',
        'gini', '0 (equal) to 1, zero balances left out',
        'growth_rate_day', 'ln(sum q1 P0 / sum q0 P0) a day: growth at constant prices',
        'hhi', 'sum of squared shares, 0 to 1',
        'indexed_block', 'block whose rows are complete',
        'interest_effect', 'change of debt by interest, USD'
    ) || jsonb_build_object(
        'is_exponential', 'beta > 0, r2_log >= 0.95, sse_exp < sse_lin and doubling within 30 days; NULL below five points',
        'is_head', 'computed live at the indexed head',
        'kind', 'debt | collateral | equity | lender_supply | liquidator_revenue (30 days)',
        'kink_pressure', '(U - U*) / (1 - U*) above the target, 0 below, NULL where it is not known',
        'lag_blocks', 'blocks behind the node',
        'latent_bad_debt_usd', 'sum of max(0, D - A), USD',
        'latent_ratio', 'latent_usd / debt_usd',
        'latent_usd', 'sum of max(0, D - A) at current prices, USD',
        'level', 'account (as the protocol books it) | owner (one person''s accounts added first)',
        'leverage', 'sum A / sum E; NULL without equity',
        'leverage_velocity_day', 'change of the borrowers'' A / E, a day',
        'ltv', 'D / A',
        'market_id', 'readable market id',
        'market_key', 'key of the market',
        'n', 'owners or borrowers counted; rate_elasticity: pairs of snapshots',
        'n_accounts', 'addresses of the owner',
        'n_deployments', 'deployments the owner is in',
        'n_insolvent', 'those with E < 0',
        'n_markets', 'markets listed',
        'n_new_price', 'markets whose first price in the window stands for the missing one at its start',
        'n_ok', 'accounts or owners in the sums',
        'n_uneconomic', 'accounts that economic_usd counts',
        'n_unpriced', 'left out for want of a price',
        'n_unpriced_markets', 'markets whose asset has no price',
        'n_zero_equity', 'those with E = 0 and D > 0',
        'net_borrow_flow', 'borrowed less repaid in the interval, whole tokens; NULL at the head',
        'net_of_migrations', 'organic_effect without debts that only moved between deployments, USD',
        'oracle_age_s', 'age of the oldest price in force, seconds',
        'organic_effect', 'change of debt by borrowing less repaying, USD',
        'organic_velocity', 'organic_effect a day, USD',
        'owner', 'who is behind the accounts, 0x hex',
        'p10', 'smallest A / E whose cumulative weight reaches 10 %',
        'p50', 'the same for 50 %',
        'p90', 'the same for 90 %',
        'p99', 'the same for 99 %',
        'pair_class', 'any, or same_asset | correlated | directional | stable of borrowers',
        'population', 'borrowers (D > 0 and E > 0) | all',
        'price_effect', 'change of debt by prices, USD',
        'project', 'Dune''s project; NULL for the chain',
        'proven', 'how the accounting was proven; NULL: unproven',
        'r2', 'R2 of the line',
        'r2_log', 'R2 of the line through ln y; NULL for a constant',
        'realised_total_usd', 'written off so far, USD at the time; NULL when a part has no price',
        'realised_usd', 'written off in the interval, USD at its prices',
        'reorg_count_24h', 'reorgs seen in the last day'
    ) || jsonb_build_object(
        'scope', 'deployment | chain',
        'share_ge_10', 'share of the weight at leverage >= 10',
        'share_ge_1_5', 'share of the weight at leverage >= 1.5',
        'share_ge_2', 'share of the weight at leverage >= 2',
        'share_ge_20', 'share of the weight at leverage >= 20',
        'share_ge_3', 'share of the weight at leverage >= 3',
        'share_ge_5', 'share of the weight at leverage >= 5',
        'sse_exp', 'squared error of the exponential in levels',
        'sse_lin', 'squared error of the straight line in levels',
        'status', 'no_debt | ok | zero_equity | insolvent | unpriced',
        'data_quality.status', 'backfill | following | stopped',
        'supply', 'total supply, whole tokens',
        'supply_apr', 'supply rate, yearly fraction',
        'supply_usd', 'total supply, USD',
        'symbol', 'ERC-20 symbol of the asset',
        'target_utilization', 'where the rate curve bends; NULL where it is not known',
        'top_10_share', 'share of the ten largest',
        'top_1_share', 'share of the largest',
        'total_usd', 'sum over owners, USD',
        'ts', 'timestamp of block_number',
        'tvl_including_borrowed_usd', 'tvl_usd + borrowed_usd',
        'tvl_usd', 'value held, what is lent out not counted, USD',
        'tvr_usd', 'value of plain tokens held, USD',
        'unclassified_usd', 'tokens held that nobody classified, USD; never counted as plain',
        'unpriced_share', 'share of accounts with a leg that has no price, at unpriced_share_block',
        'unpriced_share_block', 'block of the snapshot',
        'utilization', 'debt over supply by formula; may exceed 1',
        'velocity_usd_day', '(debt_usd - debt_before_usd) a day, USD',
        'version', 'Dune''s version; NULL for the chain',
        'weight', 'debt | equity | count',
        'window_s', 'length of the window, seconds'
    )
);
