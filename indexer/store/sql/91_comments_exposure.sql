-- Comments of M9 and M10, in the pattern of 90_comments.sql: a column without text stops the installation.

COMMENT ON VIEW exposure_edges IS 'M9: edges of every owner at the indexed head, computed when asked; as of a block: exposure_edges_at(chain_id, block). One method at a time: never sum over methods';
COMMENT ON VIEW exposure_history IS 'M9: edges between protocols at the end of each snapshot interval, all owners summed';
COMMENT ON VIEW exposure_totals IS 'M9: totals of the exposure graph at the end of each snapshot interval';
COMMENT ON VIEW protocol_cycles IS 'M9: cycles and chains between protocols: the head by owner and of the whole system, computed when asked, and history; as of a block: protocol_cycles_at(chain_id, block, min_usd)';
COMMENT ON VIEW lookthrough_exposure IS 'M10: owners that hold vault shares, seen through them: the head, computed when asked, and history; as of a block: lookthrough_at(chain_id, block)';
COMMENT ON VIEW rehypothecation IS 'M10: claims on each asset across all layers against what lending contracts really hold: the head and history; as of a block: rehypothecation_at(chain_id, block)';
COMMENT ON FUNCTION exposure_edges_at(bigint, bigint, bytea[]) IS 'M9: every owner''s edges as of (chain id, block), of some accounts where given. NULL block: each protocol''s head';
COMMENT ON FUNCTION exposure_graph_at(bigint, bigint, bytea[]) IS 'M9: edges between protocols as of (chain id, block), owners summed';
COMMENT ON FUNCTION protocol_cycles_at(bigint, bigint, numeric, bytea[]) IS 'M9: cycles and chains as of (chain id, block) through edges of at least so many USD, of some accounts where given';
COMMENT ON FUNCTION decompose_graph(text[], text[], numeric[], numeric, boolean) IS 'M9: canonical decomposition of any graph: sources, targets, values, least value, whether chains too';
COMMENT ON FUNCTION lookthrough_at(bigint, bigint, bytea[]) IS 'M10: owners seen through their vaults as of (chain id, block); of some accounts where given';
COMMENT ON FUNCTION lookthrough_books(bigint, bigint, bytea[]) IS 'M10: what look-through is solved from: owners and vaults with what they have, owe and hold of vaults';
COMMENT ON FUNCTION rehypothecation_at(bigint, bigint) IS 'M10: claims and holdings of each asset as of (chain id, block)';

SELECT pg_temp.describe(
    ARRAY['exposure_edges', 'exposure_history', 'exposure_totals', 'protocol_cycles', 'lookthrough_exposure', 'rehypothecation'],
    jsonb_build_object(
        'as_of_block', 'block at whose end the row holds',
        'asset', 'token, 0x hex',
        'assets_usd', 'assets seen through vaults, USD; NULL without a price or unresolved',
        'block_number', 'block at whose end the row holds',
        'chain_depth', 'most protocols that a dollar is pledged through without coming back; 0: no edge',
        'chain_id', 'EIP-155 chain id',
        'changed_block', 'last block that changed a balance the edge is made of',
        'claims_usd', 'supplied or posted of it and of all claims on it, USD; NULL without a price',
        'cycle_id', 'hash of what the row is about; the same over time',
        'debt_usd', 'debts seen through vaults, USD; NULL without a price or unresolved',
        'dst', 'protocol at which it is posted',
        'dst_market', 'its market where markets are isolated, else its deployment',
        'edge_id', 'hash of what the row is about; the same over time',
        'edge_kind', 'debt (borrowed at src, posted at dst) | claim (issued by src, posted at dst) | vault (share of a vault with assets at src, posted at dst)',
        'form', 'cycle | chain (what is left, as paths that do not come back)',
        'gross_assets_usd', 'assets as booked, USD',
        'gross_circulation_usd', 'sum of size times length, USD: a dollar as often as it is pledged on; never a headline',
        'gross_debt_usd', 'debts as booked, USD',
        'held_usd', 'supplied or posted of the asset itself and not lent on, USD; NULL without a price',
        'hops', 'longest way through vaults; history: NULL in a circle',
        'is_head', 'true for the live row at the indexed head, false for history',
        'length', 'number of nodes: edges of a cycle, protocols of a chain',
        'leverage_gross', 'A / E as booked; NULL unless E > 0',
        'leverage_lookthrough', 'A / E seen through vaults; NULL unless E > 0',
        'leverage_netted', 'A / E with identical underlyings set off after unwrapping lending receipts; NULL unless E > 0',
        'loop_exposure_usd', 'sum of the sizes of all owners'' cycles, USD: every dollar once',
        'method', 'how debt edges are found: events (open loop links) | state (balances)',
        'n_owners', 'owners it is of; NULL where the row is of one, or of the system',
        'n_unpriced', 'edges without a price, in no sum',
        'nodes', 'protocols in the order of the edges; a cycle from its smallest name on; issuer:... is not indexed itself',
        'owner_id', 'owner, 0x hex; NULL where the row is of all',
        'rank', '1 for the first: cycles largest first, chains longest first',
        'rehypothecation_multiplier', 'claims_usd / held_usd; NULL when nothing is held',
        'scope', 'owner (of one owner''s graph) | owners (these, summed) | system (of the graph of all together)',
        'size_usd', 'value that runs through all of it, USD',
        'src', 'protocol borrowed from, or that issued the claim, or where the vault''s assets are; issuer:... is not indexed itself',
        'src_market', 'its market where markets are isolated, else its deployment',
        'status', 'no_debt | ok | zero_equity | insolvent | unpriced | unresolved (history: held in a circle without end)',
        'symbol', 'token symbol',
        'system_loop_exposure_usd', 'sum of the sizes of the cycles of all owners'' graph together, USD',
        'token', 'token borrowed (debt) or posted (claim, vault), 0x hex',
        'ts', 'end of the interval; NULL for the head',
        'unresolved_usd', 'held in vaults that cannot be seen through, USD',
        'value_usd', 'USD; NULL without a price'
    )
);
