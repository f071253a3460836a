-- Tokens met and tokens linked: what each is, and what it is a claim on. One row a token; the second thing that a pair's
-- share is a claim on is in underlying_2.
CREATE VIEW token_registry AS
SELECT
    t.chain_id, c.name AS blockchain, hex(t.address) AS token_address, t.symbol, t.decimals, l.kind, l.issuer_project,
    hex(l.underlying) AS underlying, u.symbol AS underlying_symbol, hex(l.underlying_2) AS underlying_2,
    u2.symbol AS underlying_2_symbol, l.rate_rule, l.rate_source,
    CASE WHEN l.expiry IS NOT NULL THEN to_timestamp(l.expiry) END AS expiry,
    asset_group_of(t.chain_id, t.address, NULL) AS asset_group, l.kind = 'plain' AS is_plain,
    ARRAY(
        SELECT DISTINCT d.project
        FROM position p
        JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.market_key
        JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
        WHERE p.chain_id = t.chain_id AND p.account = t.address AND p.shares_raw <> 0 AND p.side IN ('supply', 'collateral')
        ORDER BY 1
    ) AS backed_in,
    t.block_number AS first_block
FROM token t
LEFT JOIN chain c ON c.chain_id = t.chain_id
LEFT JOIN LATERAL (
    SELECT
        min(k.kind) AS kind, min(k.issuer_project) AS issuer_project,
        (array_agg(k.underlying) FILTER (WHERE k.place = 0))[1] AS underlying,
        (array_agg(k.underlying) FILTER (WHERE k.place = 1))[1] AS underlying_2,
        min(k.rate_rule) AS rate_rule, min(k.rate_source) AS rate_source, min(k.expiry) AS expiry
    FROM token_claims_of(t.chain_id, t.address, NULL) k
) l ON true
LEFT JOIN token u ON u.chain_id = t.chain_id AND u.address = l.underlying
LEFT JOIN token u2 ON u2.chain_id = t.chain_id AND u2.address = l.underlying_2;

-- Every rate that an event told or a function answered, in blocks. Rates that follow from a market's own books (cTokens, static
-- aTokens) or from time (PT) have no rows: token_rate_at says them of any block.
CREATE VIEW token_rates AS
SELECT
    r.chain_id, c.name AS blockchain, hex(r.token) AS token_address, t.symbol, hex(r.underlying) AS underlying,
    u.symbol AS underlying_symbol, r.block_number, to_timestamp(b.block_timestamp) AS block_time, r.log_index,
    CASE WHEN r.log_index < 0 THEN 'read' ELSE 'event' END AS told_by, r.numerator_raw, r.denominator_raw,
    trim_scale(round(
        r.numerator_raw::numeric(1000, 40) / r.denominator_raw / unit_of(t.decimals) * unit_of(u.decimals), 36)) AS rate
FROM (
    SELECT k.chain_id, k.token, k.underlying, k.block_number, k.log_index, k.numerator_raw, k.denominator_raw FROM token_rate k
    UNION ALL
    SELECT k.chain_id, k.asset, unhex(k.quote), k.block_number, k.log_index, k.price_raw, 1 / unit_of(s.decimals)
    FROM price k JOIN token s ON s.chain_id = k.chain_id AND s.address = k.asset
    WHERE k.feed = k.asset AND k.quote LIKE '0x%'
) r
LEFT JOIN chain c ON c.chain_id = r.chain_id
LEFT JOIN token t ON t.chain_id = r.chain_id AND t.address = r.token
LEFT JOIN token u ON u.chain_id = r.chain_id AND u.address = r.underlying
LEFT JOIN block b ON b.chain_id = r.chain_id AND b.block_number = r.block_number;
