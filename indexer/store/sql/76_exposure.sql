-- M9 and M10 at the head, computed when asked, and their history.

CREATE VIEW exposure_edges AS
SELECT
    left(md5(concat_ws('|', e.chain_id, e.owner_id, e.src_market, e.dst_market, e.edge_kind, e.method, e.token)), 16) AS edge_id,
    e.chain_id, e.owner_id, e.src, e.dst, e.src_market, e.dst_market, e.edge_kind, e.method, e.token, e.symbol, e.value_usd,
    e.changed_block, e.as_of_block
FROM chain c CROSS JOIN LATERAL exposure_edges_at(c.chain_id, NULL) e;

CREATE VIEW exposure_history AS
SELECT
    s.chain_id, s.method, s.src, s.dst, s.edge_kind, to_timestamp(s.bucket) AS ts, s.block_number, s.value_usd, s.n_owners,
    s.n_unpriced
FROM exposure_edge_snapshot s;

CREATE VIEW exposure_totals AS
SELECT
    s.chain_id, s.method, to_timestamp(s.bucket) AS ts, s.block_number, s.loop_exposure_usd, s.gross_circulation_usd,
    s.system_loop_exposure_usd, s.chain_depth, s.n_owners, s.n_unpriced
FROM exposure_snapshot s;

CREATE VIEW protocol_cycles AS
SELECT
    left(md5(concat_ws('|', p.chain_id, p.method, p.scope, p.owner_id, p.form, p.nodes)), 16) AS cycle_id,
    p.chain_id, p.method, p.scope, p.owner_id, p.form, p.rank, p.nodes, p.length, p.size_usd, NULL::bigint AS n_owners,
    NULL::timestamptz AS ts, p.as_of_block AS block_number, true AS is_head
FROM chain c CROSS JOIN LATERAL protocol_cycles_at(c.chain_id, NULL) p
UNION ALL
SELECT
    left(md5(concat_ws('|', s.chain_id, s.method, s.scope, s.form, s.nodes)), 16),
    s.chain_id, s.method, s.scope, NULL, s.form, s.rank, s.nodes, s.length, s.size_usd, s.n_owners, to_timestamp(s.bucket),
    s.block_number, false
FROM protocol_cycle_snapshot s;

CREATE VIEW lookthrough_exposure AS
SELECT
    l.chain_id, l.owner_id, NULL::timestamptz AS ts, l.status, l.assets_usd, l.debt_usd, l.gross_assets_usd, l.gross_debt_usd,
    l.leverage_gross, l.leverage_netted, l.leverage_lookthrough, l.hops, l.unresolved_usd, l.as_of_block AS block_number,
    true AS is_head
FROM chain c CROSS JOIN LATERAL lookthrough_at(c.chain_id, NULL) l
UNION ALL
SELECT
    s.chain_id, s.owner, to_timestamp(s.bucket), s.status, s.assets_usd, s.debt_usd, s.gross_assets_usd, s.gross_debt_usd,
    s.leverage_gross, s.leverage_netted, s.leverage_lookthrough, s.hops, s.unresolved_usd, s.block_number, false
FROM lookthrough_snapshot s;

CREATE VIEW rehypothecation AS
SELECT
    r.chain_id, r.asset, r.symbol, NULL::timestamptz AS ts, r.claims_usd, r.held_usd, r.rehypothecation_multiplier,
    r.as_of_block AS block_number, true AS is_head
FROM chain c CROSS JOIN LATERAL rehypothecation_at(c.chain_id, NULL) r
UNION ALL
SELECT
    s.chain_id, s.asset, t.symbol, to_timestamp(s.bucket), s.claims_usd, s.held_usd,
    CASE WHEN s.held_usd > 0 THEN ratio(s.claims_usd, s.held_usd) END, s.block_number, false
FROM rehypothecation_snapshot s
LEFT JOIN token t ON t.chain_id = s.chain_id AND t.address = unhex(s.asset);
