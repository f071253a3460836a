-- Comments of the perp views; see 90_comments.sql.

COMMENT ON VIEW perp_market_state IS 'M3: open interest of every perp market, both sides at mark, at the indexed head and at the end of each kept interval; as of a block: perp_market_state_at(chain_id, block). NULL where the venue does not tell';
COMMENT ON VIEW imbalance IS 'M8: skews, funding and basis of the same rows; as of a block: imbalance_at(chain_id, block)';
COMMENT ON VIEW purge_events IS 'M11: open interest or debt that collapsed within six hours: forced (purge) or not (voluntary_deleveraging); from hourly bins in base units; as of a block: purge_events_at(chain_id, block)';
COMMENT ON VIEW market_corrections IS 'M21: falls of 10 % from the peak of 90 days until less than 5 % remain, and depegs of stables, of every priced asset and every perp market; as of a block: market_corrections_at(chain_id, block)';
COMMENT ON FUNCTION perp_market_state_at(bigint, bigint) IS 'M3: every perp market as of (chain id, block) and at the kept intervals before it';
COMMENT ON FUNCTION imbalance_at(bigint, bigint) IS 'M8: the same rows'' skews, funding and basis';
COMMENT ON FUNCTION purge_events_at(bigint, bigint, bigint) IS 'M11: events known at (chain id, block), of one market by key or of all';
COMMENT ON FUNCTION market_corrections_at(bigint, bigint, bigint, bytea) IS 'M21: episodes known at (chain id, block), of one perp market by key, of one asset (20 bytes), or of all';

SELECT pg_temp.describe(
    ARRAY['perp_market_state', 'imbalance', 'purge_events', 'market_corrections'],
    jsonb_build_object(
        'account_skew', '(long - short accounts) / both, -1 to 1; NULL when there is neither',
        'asset', 'token whose price it is, 0x hex',
        'basis', '(mark - index) / index, fraction; NULL where the venue has one price only',
        'block_number', 'block at whose end it holds',
        'burst', 'most liquidated in one hour over the usual: median hour of the day before, at least 1e-4 of the peak',
        'chain_id', 'EIP-155 chain id',
        'closed_time', 'end of the hour in which it ended; NULL while it lasts',
        'contraction', '1 - trough / peak, fraction',
        'deployment', 'deployment name',
        'deployment_key', 'key of the deployment in base tables',
        'depth', 'greatest distance from peak (of a depeg: from the peg) while open, fraction',
        'end_bucket', 'end of its last hour, unix seconds',
        'end_time', 'end of its last hour; it may last on when that is the newest whole hour',
        'exposure_kind', 'open_interest | debt',
        'forced_share', 'liquidated until the trough / (peak - trough), fraction; above 1 when new positions were opened meanwhile',
        'funding_annualised', 'simple yearly rate, fraction, + where longs pay',
        'funding_apy', 'the same compounding: a field of its own'
    ) || jsonb_build_object(
        'funding_at_cap', 'whether funding stands at the venue''s cap; NULL where it has none, or none was told',
        'funding_interval_s', 'seconds that funding_rate is for',
        'funding_rate', 'fraction an interval as the venue tells it, + where longs pay; NULL where it tells none',
        'gross_to_oi', '(long + short) / OI: 2 on a matched book, 1 elsewhere; a check of the data',
        'id', 'readable key: what it is about @ the hour in which it was first seen',
        'index', 'USD of one base unit outside the venue; NULL where the venue has one price only, or no node told it',
        'is_kept', 'false: computed for the block asked; true: kept at the end of an interval',
        'leverage_change', 'leverage at the trough less at the peak, from kept intervals; NULL without them',
        'leverage_long', 'open interest of longs at mark / their margin',
        'leverage_reset', '1 - debt at the trough / debt at the peak, in base units or at the peak''s prices, fraction; negative when it grew',
        'leverage_short', 'open interest of shorts at mark / their margin',
        'leverage_skew', '(leverage of longs - of shorts) / both; NULL where a side has no margin, or it is unknown',
        'liq_intensity', 'liquidated / peak, fraction',
        'liquidated_raw', 'liquidated in the event, base units',
        'liquidated_share', 'liquidated between peak and trough / debt at the peak, fraction',
        'long_oi_base', 'open interest of longs, whole base units',
        'long_oi_usd', 'the same at mark, USD',
        'long_short_ratio', 'long / short by ratio_basis; NULL when there is no short',
        'margin_basis', 'isolated | cross_pro_rata (an account''s margin split over its positions by notional)',
        'margin_long', 'margin posted for longs, without haircut, USD',
        'margin_short', 'margin posted for shorts, without haircut, USD'
    ) || jsonb_build_object(
        'mark', 'USD of one base unit that positions are valued at',
        'market', 'market_id; NULL for an asset',
        'market_corrections.kind', 'correction | depeg',
        'market_key', 'key of the market in base tables; NULL for an asset',
        'n_long', 'accounts that are long',
        'n_short', 'accounts that are short',
        'notional_to_oi', 'of the variant named beside it; NULL when no margin is posted, or it is unknown',
        'oi_base', 'open interest by the convention, whole base units',
        'oi_convention', 'matched (one side) | pool (long + short) | one_sided (a book that has one side by construction)',
        'oi_skew', '(long - short) / both, -1 to 1; NULL where sides cannot differ or there is one only',
        'oi_usd', 'oi_base at mark, USD; NULL without a mark',
        'opened_bucket', 'end of the hour in which it began, unix seconds',
        'opened_time', 'end of the hour in which it began',
        'peak', 'highest hourly close of 90 days; of a depeg the peg, 1',
        'peak_raw', 'highest open interest or debt of the six hours before, base units',
        'peak_time', 'end of the hour of the peak; of a depeg the hour in which it began',
        'price_move', 'price at the trough / at the start - 1: of a perp''s base, of lending the one collateral; NULL where collateral is pooled',
        'project', 'Dune''s project',
        'purge_events.kind', 'purge (forced) | voluntary_deleveraging',
        'purge_ids', 'ids of purge_events between peak and end: of the market, of an asset those of all lending markets',
        'ratio_basis', 'what long_short_ratio counts: accounts'
    ) || jsonb_build_object(
        'short_oi_base', 'open interest of shorts, whole base units',
        'short_oi_usd', 'the same at mark, USD',
        'side', 'long | short (at least 70 % of what was liquidated) | mixed; NULL for debt, or where not told',
        'start_bucket', 'end of the hour of its peak, unix seconds',
        'start_time', 'end of the hour of its peak',
        'symbol', 'token symbol',
        'trough', 'lowest hourly close while open; of a depeg the farthest from the peg',
        'trough_raw', 'least open interest or debt in the event, base units',
        'trough_time', 'end of the hour of the trough',
        'ts', 'timestamp of block_number',
        'variant', 'what notional_to_oi is: oi_to_margin',
        'venue', 'project; NULL for an asset',
        'version', 'Dune''s version'
    )
);
