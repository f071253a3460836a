-- Recursion at the indexed head; as of a block: loops_at, loop_links_at, dfc_at.

CREATE VIEW loop_links AS SELECT * FROM loop_links_at(NULL, NULL);

CREATE VIEW loops AS SELECT * FROM loops_at(NULL, NULL);

CREATE VIEW dfc AS
SELECT f.*, true AS is_head FROM dfc_at(NULL, NULL) f
UNION ALL
SELECT
    s.chain_id, d.project, d.version, d.name, s.rule, to_timestamp(b.block_timestamp), s.block_number, s.tagged_usd,
    s.collateral_usd, ratio(s.tagged_usd, s.collateral_usd), s.coverage_start_block, s.deployment_key, false
FROM dfc_snapshot s
JOIN deployment d USING (chain_id, deployment_key)
LEFT JOIN cursor c ON c.chain_id = d.chain_id AND c.protocol = d.protocol
LEFT JOIN block b ON b.chain_id = s.chain_id AND b.block_number = s.block_number
WHERE c.block_number IS DISTINCT FROM s.block_number;

CREATE VIEW token_transfers AS
SELECT
    t.chain_id, c.name AS blockchain, t.block_number, to_timestamp(b.block_timestamp) AS block_time, hex(t.tx_hash) AS tx_hash,
    t.tx_index, t.log_index AS evt_index, hex(t.token) AS token_address, k.symbol, hex(t.from_address) AS "from",
    hex(t.to_address) AS "to", t.amount_raw, t.amount_raw * unit_of(k.decimals) AS amount
FROM token_transfer t
LEFT JOIN chain c ON c.chain_id = t.chain_id
LEFT JOIN token k ON k.chain_id = t.chain_id AND k.address = t.token
LEFT JOIN block b ON b.chain_id = t.chain_id AND b.block_number = t.block_number;
