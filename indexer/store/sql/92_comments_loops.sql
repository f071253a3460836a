-- What the views and functions of recursion are, in units. Pattern: 90_comments.sql.

COMMENT ON VIEW loop_links IS 'M6: supplies that consumed borrowed money, one row a (borrow, supply); as of a block: loop_links_at(chain_id, block)';
COMMENT ON VIEW loops IS 'M6: recursive positions by method event (links) and state (books), never merged; shape chain has not come back to where it borrowed; as of a block: loops_at(chain_id, block)';
COMMENT ON VIEW dfc IS 'M7: debt-financed share of collateral, [low, mid, high] by rule; the head computed live, earlier rows from snapshots; flows: dfc_flow(chain_id, from, to)';
COMMENT ON VIEW token_transfers IS 'Wallet flows: ERC-20 transfers of the tokens that lending markets name, where wallet_flows is on';
COMMENT ON FUNCTION loop_links_at(bigint, bigint) IS 'M6 links whose supply lies at or below (chain id, block)';
COMMENT ON FUNCTION loop_scopes_at(bigint, bigint, text) IS 'Collateral, debt and LTV limits of every account by owner and scope as of (chain id, block)';
COMMENT ON FUNCTION loops_at(bigint, bigint, text) IS 'M6 loops as of (chain id, block), both methods; of one owner (0x text) or of all';
COMMENT ON FUNCTION loops_summary_at(bigint, bigint, bigint, bigint) IS 'M6 aggregates by deployment as of (chain id, block) over borrows from a block on, for links up to a window of seconds (NULL: any, 0: one transaction)';
COMMENT ON FUNCTION dfc_at(bigint, bigint) IS 'M7 stock by deployment and rule as of (chain id, block)';
COMMENT ON FUNCTION dfc_flow(bigint, bigint, bigint) IS 'M7 flow by deployment and rule over the supplies of (chain id, from block, to block)';
COMMENT ON FUNCTION equivalent_depth(numeric, numeric) IS 'Turns of a constant-LTV loop that reach (multiplier, maximum LTV); NULL at or above the bound';
COMMENT ON FUNCTION bound_utilisation(numeric, numeric) IS 'multiplier x (1 - maximum LTV); above 1 is flagged, never clipped';

SELECT pg_temp.describe(
    ARRAY['dfc', 'loop_links', 'loops', 'token_transfers'],
    jsonb_build_object(
        'chain_id', 'EIP-155 chain id',
        'link_id', 'key of the link, the same on every machine',
        'loop_links.loop_id', 'key of the loop that the link belongs to',
        'loop_id', '`event:<key>` or `state:<account>:<scope key>`',
        'owner_id', 'owner of the position, 0x hex',
        'borrow_ref', 'block:log index of the borrow',
        'supply_ref', 'block:log index of the supply',
        'from_project', 'project that lent',
        'to_project', 'project that took the collateral',
        'from_market_id', 'market of the borrow',
        'to_market_id', 'market of the supply',
        'token', 'token supplied, 0x hex',
        'token_address', 'token, 0x hex',
        'symbol', 'ERC-20 symbol of the token',
        'borrow_token', 'token borrowed, 0x hex',
        'borrow_symbol', 'its ERC-20 symbol',
        'loop_links.amount_raw', 'linked part of the supply, base units of the token supplied',
        'amount_raw', 'base units of the token',
        'amount', 'whole tokens; NULL when decimals are unknown',
        'amount_usd', 'linked part of the supply, USD at the supply''s block; NULL without a price',
        'borrowed_raw', 'part of the borrow that paid for it, base units of the token borrowed',
        'depth', '1 + depth of the borrow, links of any age; of a loop: the most of its links',
        'depth_1d', 'the same counting only links no older than a day; NULL without one',
        'depth_tx', 'the same counting only links within one transaction; NULL without one',
        'turn', 'passes through a full cycle so far',
        'turns', 'passes through the full cycle; 0 of a chain; NULL by state',
        'kind', 'intra: one protocol; inter: two or more',
        'is_flash', 'whether flash-loan principal bridged a supply',
        'is_repledge', 'whether this money was collateral before and only its receipt was pledged again',
        'is_same_tx', 'whether one transaction did both'
    ) || jsonb_build_object(
        'loop_links.rule', 'debt_first: a supply takes borrowed money before other money',
        'rule', 'free_first (low) | pro_rata (mid) | debt_first (high)',
        'evidence', 'flows: followed through wallet flows; registry: same or claim token; assumed: neither. Of a loop: the weakest; NULL by state',
        'window_s', 'smallest published window that holds the link: 0 (one transaction), 86400, NULL (older)',
        'age_s', 'seconds from borrow to supply',
        'opened_block', 'block of the (first) supply; NULL by state',
        'last_block', 'block of the last link opened or closed',
        'closed_block', 'block in which linked collateral or borrow reached zero; NULL while open',
        'from_scope_key', 'deployment_key where collateral is pooled, else market_key',
        'to_scope_key', 'the same of the supply',
        'block_number', 'block at whose end it holds',
        'block_time', 'timestamp of block_number',
        'blockchain', 'chain name in leverage.toml',
        'method', 'event (links) | state (collateral and debt of one asset or e-mode category, LTV at least 0.5)',
        'shape', 'loop: came back to where it borrowed; chain: has not',
        'market_id', 'the one isolated market; NULL for a pool or for several',
        'projects', 'projects in it',
        'cycle', 'legs: project, version, deployment, market_id (NULL for a pool), tokens pledged and owed; `via` a vault share that lends on; NULL by state',
        'pair_class', 'as in v_account_leverage; NULL where the legs differ',
        'n_links', 'links, closed ones too',
        'collateral_usd', 'collateral of all its scopes (dfc: of the deployment), USD',
        'debt_usd', 'debt of all its scopes with interest, USD',
        'multiplier', 'A / E: collateral over collateral less debt; NULL unless equity is positive and priced',
        'max_ltv', 'LTV up to which more can be borrowed, weighted by collateral',
        'bound', '1 / (1 - max_ltv)',
        'bound_utilisation', 'multiplier x (1 - max_ltv); may exceed 1',
        'is_above_bound', 'bound_utilisation > 1: prices fell or interest accrued',
        'liquidation_bound', '1 / (1 - liquidation threshold)',
        'equivalent_depth', 'turns of a constant-LTV loop with this multiplier; NULL at or above the bound',
        'linked_usd', 'sum of the open links at their supplies'' blocks, USD; NULL when one has no price'
    ) || jsonb_build_object(
        'as_of_block', 'block at whose end it holds',
        'project', 'Dune''s project',
        'version', 'Dune''s version',
        'deployment', 'deployment name',
        'deployment_key', 'key of the deployment in base tables',
        'ts', 'timestamp of block_number',
        'tagged_usd', 'collateral that borrowed money paid for, USD; NULL where the rule has no answer for some account',
        'share', 'tagged_usd / collateral_usd; NULL without collateral',
        'coverage_start_block', 'first block indexed: what was borrowed before is not tagged',
        'is_head', 'true: computed live at the indexed head; false: a stored snapshot',
        'tx_hash', 'transaction hash, 0x hex',
        'tx_index', 'transaction index within the block',
        'evt_index', 'log index within the block',
        'from', 'sender, 0x hex; zero for a mint',
        'to', 'receiver, 0x hex; zero for a burn'
    )
);
