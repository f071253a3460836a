-- Comments of the views and functions of links, in the pattern of 90_comments.sql.

COMMENT ON VIEW token_registry IS 'Tokens met or linked: kind, issuer, what one unit is a claim on, where its rate comes from, and the group of assets that it unwinds to';
COMMENT ON VIEW token_rates IS 'Rates of claims that events told or functions answered, one row a block and thing claimed; rates that follow from books or time: token_rate_at';
COMMENT ON FUNCTION token_rate_at(bigint, bytea, bigint) IS 'Rate of a claim (chain id, 20-byte token, block) in each thing that it is a claim on; docs/methodology.md';
COMMENT ON FUNCTION claim_price_at(bigint, bytea, bigint, integer) IS 'USD worth of one token by its chain of claims (chain id, 20-byte token, block), used where no oracle prices it';
COMMENT ON FUNCTION asset_group_of(bigint, bytea, bigint, integer) IS 'Group of assets that a token unwinds to (chain id, 20-byte token, block; NULL: now)';

SELECT pg_temp.describe(
    ARRAY['token_registry', 'token_rates'],
    jsonb_build_object(
        'asset_group', 'root of the chain of claims: its address, or the name that a list gives it (usd); both roots of a pair''s share, joined by +; NULL when the chain does not end',
        'backed_in', 'projects in which the token''s own address holds supply or collateral: where a vault lends what it was given',
        'block_number', 'block from which the rate holds, until a later row',
        'block_time', 'timestamp of the block',
        'blockchain', 'chain name in leverage.toml',
        'chain_id', 'EIP-155 chain id',
        'decimals', 'ERC-20 decimals; NULL when the token does not say',
        'denominator_raw', 'see numerator_raw',
        'expiry', 'when a principal token pays one for one; NULL for everything else',
        'first_block', 'block at which the token was first met',
        'is_plain', 'true for what is listed as no claim on another on-chain token; an unclassified token is not plain',
        'issuer_project', 'project whose claim the token is',
        'kind', 'plain | lending_receipt (balance grows) | ctoken | lst | lrt | lp | pt | yt | vault_share (ERC-4626, Morpho and Euler vaults) | static_wrapper | cdp_stable | debt_token | unclassified',
        'log_index', 'log index of the event; -1 for a read at the end of the block',
        'numerator_raw', 'numerator_raw / denominator_raw base units of the underlying are one base unit of the token',
        'rate', 'whole tokens of the underlying for one whole token; NULL when decimals are unknown',
        'rate_rule', 'told | par | market | receipt_index | implied_rate: how token_rate_at finds the rate; NULL: unknown',
        'rate_source', 'function or event that the rate comes from',
        'symbol', 'ERC-20 symbol',
        'told_by', 'event | read',
        'token_address', 'the claim, 0x hex',
        'underlying', 'token that one unit is a claim on, 0x hex',
        'underlying_2', 'second token that a pair''s share is a claim on, 0x hex',
        'underlying_2_symbol', 'its symbol',
        'underlying_symbol', 'symbol of the underlying'
    )
);
