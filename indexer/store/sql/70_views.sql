-- Views for people: text hex, decimals applied, USD where a price is known, NULL where it is not.
-- Columns that nobody selects cost nothing: prices are looked up in the select list, not in joins.

CREATE VIEW positions AS SELECT * FROM positions_at(NULL, NULL);

CREATE VIEW markets AS SELECT * FROM markets_at(NULL, NULL);

CREATE VIEW v_account_leverage AS
SELECT h.*, coalesce(hex(w.owner), o.owner_id, h.account) AS owner
FROM account_health(NULL, NULL) h
JOIN deployment d ON d.chain_id = h.chain_id AND d.deployment_key = h.deployment_key
CROSS JOIN LATERAL (
    SELECT owner_of(d.protocol, h.chain_id, h.deployment_key, unhex(h.account), h.as_of_block) AS owner_id
    OFFSET 0  -- once a row
) o
LEFT JOIN wallet_owners_at(NULL, NULL) w ON w.chain_id = h.chain_id AND w.wallet = unhex(coalesce(o.owner_id, h.account));

CREATE VIEW protocol_leverage AS
SELECT l.*, true AS is_head FROM protocol_leverage_at(NULL, NULL) l
UNION ALL
SELECT
    s.chain_id, d.project, d.version, d.name, s.population, to_timestamp(b.block_timestamp), s.block_number,
    s.assets_usd, s.debt_usd, s.assets_usd - s.debt_usd, ratio(s.assets_usd, s.assets_usd - s.debt_usd),
    s.n_ok, s.n_zero_equity, s.n_insolvent, s.n_unpriced, s.latent_bad_debt_usd, s.deployment_key, false
FROM protocol_leverage_snapshot s
JOIN deployment d USING (chain_id, deployment_key)
LEFT JOIN cursor c ON c.chain_id = d.chain_id AND c.protocol = d.protocol
LEFT JOIN block b ON b.chain_id = s.chain_id AND b.block_number = s.block_number
WHERE c.block_number IS DISTINCT FROM s.block_number;

CREATE VIEW prices AS
SELECT
    p.chain_id, c.name AS blockchain, hex(p.asset) AS asset, t.symbol, hex(p.feed) AS feed, p.source, p.quote,
    p.block_number, to_timestamp(b.block_timestamp) AS block_time, p.log_index AS evt_index,
    p.price_raw, p.unit_raw, price_of(p.price_raw, p.unit_raw) AS price,
    CASE WHEN p.quote = 'usd' THEN price_of(p.price_raw, p.unit_raw) END AS price_usd
FROM price p
LEFT JOIN chain c ON c.chain_id = p.chain_id
LEFT JOIN token t ON t.chain_id = p.chain_id AND t.address = p.asset
LEFT JOIN block b ON b.chain_id = p.chain_id AND b.block_number = p.block_number;

CREATE VIEW lending_events AS
SELECT
    a.chain_id, c.name AS blockchain, d.project, d.version, d.name AS deployment, a.transaction_type,
    hex(a.token) AS token_address, t.symbol, hex(a.borrower) AS borrower, hex(a.depositor) AS depositor,
    hex(a.on_behalf_of) AS on_behalf_of, hex(a.repayer) AS repayer, hex(a.liquidator) AS liquidator,
    a.amount_raw, a.amount_raw * unit_of(t.decimals) AS amount,
    round(a.amount_raw * unit_of(t.decimals) * coalesce((
        SELECT u.price_usd FROM usd_price_at(a.chain_id, a.token, a.block_number, (
            SELECT unhex(p.value_text) FROM param p
            WHERE p.chain_id = a.chain_id AND p.subject = a.deployment_key AND p.name = 'price_oracle'
              AND p.qualifier = '' AND p.block_number <= a.block_number
            ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1)) u),
        (SELECT c.price_usd FROM claim_price_at(a.chain_id, a.token, a.block_number) c)), 18) AS usd_amount,
    a.block_number, to_timestamp(b.block_timestamp) AS block_time, hex(a.tx_hash) AS tx_hash, a.tx_index,
    a.log_index AS evt_index, hex(a.contract) AS project_contract_address, m.market_id,
    hex(a.recipient) AS recipient, a.fee_raw, a.leg, a.deployment_key, a.market_key
FROM action a
LEFT JOIN chain c ON c.chain_id = a.chain_id
LEFT JOIN deployment d ON d.chain_id = a.chain_id AND d.deployment_key = a.deployment_key
LEFT JOIN market m ON m.chain_id = a.chain_id AND m.market_key = a.market_key
LEFT JOIN token t ON t.chain_id = a.chain_id AND t.address = a.token
LEFT JOIN block b ON b.chain_id = a.chain_id AND b.block_number = a.block_number;

-- One row a liquidation: the debt leg, the seized leg of the same log, and the bad debt written off with it: of the
-- same borrower and transaction, up to this log and after the borrower's liquidation before it.
CREATE VIEW liquidation_events AS
SELECT
    l.chain_id, l.blockchain, l.project, l.version, l.deployment, l.borrower, l.liquidator,
    l.token_address AS debt_token, l.symbol AS debt_symbol, l.amount_raw AS debt_repaid_raw, l.amount AS debt_repaid,
    l.usd_amount AS debt_repaid_usd,
    s.token_address AS collateral_token, s.symbol AS collateral_symbol, s.amount_raw AS collateral_seized_raw,
    s.amount AS collateral_seized, s.usd_amount AS collateral_seized_usd,
    ratio(s.usd_amount, l.usd_amount) - 1 AS bonus, s.usd_amount - l.usd_amount AS profit_usd,
    w.amount_usd AS bad_debt_usd,
    l.block_number, l.block_time, l.tx_hash, l.tx_index, l.evt_index, l.project_contract_address, l.market_id,
    s.market_id AS collateral_market_id
FROM lending_events l
LEFT JOIN lending_events s ON s.chain_id = l.chain_id AND s.block_number = l.block_number AND s.evt_index = l.evt_index
    AND s.transaction_type = 'seize'
LEFT JOIN LATERAL (
    SELECT CASE WHEN count(*) = count(e.usd_amount) THEN coalesce(sum(e.usd_amount), 0) END AS amount_usd
    FROM lending_events e
    WHERE e.chain_id = l.chain_id AND e.block_number = l.block_number AND e.tx_index = l.tx_index
      AND e.deployment_key = l.deployment_key AND e.transaction_type = 'bad_debt' AND e.borrower = l.borrower
      AND e.evt_index <= l.evt_index
      AND e.evt_index > coalesce((
            SELECT max(o.log_index) FROM action o
            WHERE o.chain_id = l.chain_id AND o.block_number = l.block_number AND o.transaction_type = 'liquidation'
              AND hex(o.borrower) = l.borrower AND o.log_index < l.evt_index), -1)
) w ON true
WHERE l.transaction_type = 'liquidation';

CREATE VIEW flashloan_events AS
SELECT
    e.chain_id, e.blockchain, e.project, e.version, e.deployment, e.on_behalf_of AS initiator, e.recipient AS receiver,
    e.token_address, e.symbol, e.amount_raw, e.amount, e.usd_amount, e.fee_raw, e.fee_raw * unit_of(t.decimals) AS fee,
    e.block_number, e.block_time, e.tx_hash, e.tx_index, e.evt_index, e.project_contract_address
FROM lending_events e
LEFT JOIN token t ON t.chain_id = e.chain_id AND t.address = unhex(e.token_address)
WHERE e.transaction_type = 'flashloan';

CREATE VIEW receipt_transfers AS
SELECT
    e.chain_id, e.blockchain, e.project, e.version, e.deployment, e.depositor AS "from", e.recipient AS "to",
    hex(m.supply_token) AS receipt_token, e.token_address, e.symbol, e.amount_raw, e.amount, e.usd_amount,
    e.block_number, e.block_time, e.tx_hash, e.tx_index, e.evt_index, e.project_contract_address, e.market_id
FROM lending_events e
LEFT JOIN market m ON m.chain_id = e.chain_id AND m.market_key = e.market_key
WHERE e.transaction_type = 'transfer';

-- Indexes as booked at the end of each block that changed them. supply_index and borrow_index are amounts per share:
-- Aave's index in units of 1, Morpho's (assets + 1) / (shares + 1e6).
CREATE VIEW interest_index_history AS
SELECT
    x.chain_id, x.blockchain, x.project, x.version, x.deployment, x.market_id, x.symbol, x.block_number, x.block_time,
    x.accrued_at, x.regime,
    ratio((x.q).supply_numerator, (x.q).supply_denominator) AS supply_index,
    ratio((x.q).debt_numerator, (x.q).debt_denominator) AS borrow_index,
    (x.q).supply_rate_raw * (x.q).rate_unit AS supply_rate, (x.q).debt_rate_raw * (x.q).rate_unit AS borrow_rate,
    x.supply_index_raw, x.debt_index_raw AS borrow_index_raw, x.supply_shares_raw, x.debt_shares_raw AS borrow_shares_raw,
    (x.q).supply_assets_raw AS supply_assets_raw, (x.q).debt_assets_raw AS borrow_assets_raw, x.market_key
FROM (
    SELECT
        s.chain_id, c.name AS blockchain, d.project, d.version, d.name AS deployment, m.market_id, t.symbol,
        s.block_number, to_timestamp(b.block_timestamp) AS block_time, to_timestamp(s.accrued_at) AS accrued_at, s.regime,
        s.supply_index_raw, s.debt_index_raw, s.supply_shares_raw, s.debt_shares_raw, s.market_key,
        market_quote_of(m.accounting, s, s.accrued_at, s.block_number) AS q
    FROM market_state s
    JOIN market m ON m.chain_id = s.chain_id AND m.market_key = s.market_key
    JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
    LEFT JOIN chain c ON c.chain_id = s.chain_id
    LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
    LEFT JOIN block b ON b.chain_id = s.chain_id AND b.block_number = s.block_number
) x;

-- Every parameter of every market and deployment, one row a change: holds from from_block to to_block - 1.
CREATE VIEW param_history AS
SELECT
    p.chain_id, c.name AS blockchain, d.project, d.version, d.name AS deployment, m.market_id, p.name, p.qualifier,
    p.block_number AS from_block, p.log_index AS evt_index, to_timestamp(b.block_timestamp) AS from_time,
    lead(p.block_number) OVER (PARTITION BY p.chain_id, p.subject, p.name, p.qualifier ORDER BY p.block_number, p.log_index)
        AS to_block,
    p.value_raw, p.value_text, p.subject
FROM param p
LEFT JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.subject
LEFT JOIN deployment d ON d.chain_id = p.chain_id AND d.deployment_key = coalesce(m.deployment_key, p.subject)
LEFT JOIN chain c ON c.chain_id = p.chain_id
LEFT JOIN block b ON b.chain_id = p.chain_id AND b.block_number = p.block_number;

-- The risk parameters of a market side by side, one row a block that changed any of them.
CREATE VIEW market_params_history AS
SELECT
    m.chain_id, c.name AS blockchain, d.project, d.version, d.name AS deployment, m.market_id, t.symbol,
    x.block_number AS from_block, to_timestamp(b.block_timestamp) AS from_time,
    lead(x.block_number) OVER (PARTITION BY m.chain_id, m.market_key ORDER BY x.block_number) AS to_block,
    coalesce(v.ltv_bps * 1e-4, trim_scale(v.lltv_raw * 1e-18)) AS ltv_max,
    coalesce(v.threshold_bps * 1e-4, trim_scale(v.lltv_raw * 1e-18)) AS liquidation_threshold,
    CASE WHEN v.bonus_bps > 0 THEN v.bonus_bps * 1e-4 - 1 END AS liquidation_bonus,
    v.reserve_factor_bps * 1e-4 AS reserve_factor, v.supply_cap, v.borrow_cap, v.debt_ceiling,
    v.emode_id, v.is_active = 1 AS is_active, v.is_frozen = 1 AS is_frozen, v.is_paused = 1 AS is_paused,
    v.fee_raw, hex(m.oracle) AS oracle
FROM (SELECT DISTINCT p.chain_id, p.subject, p.block_number FROM param p WHERE p.qualifier = '') x
JOIN market m ON m.chain_id = x.chain_id AND m.market_key = x.subject
JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
LEFT JOIN chain c ON c.chain_id = m.chain_id
LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = coalesce(m.collateral_asset, m.asset)
LEFT JOIN block b ON b.chain_id = x.chain_id AND b.block_number = x.block_number
CROSS JOIN LATERAL (
    SELECT
        max(n.value_raw) FILTER (WHERE n.name = 'ltv_bps') AS ltv_bps,
        max(n.value_raw) FILTER (WHERE n.name = 'liquidation_threshold_bps') AS threshold_bps,
        max(n.value_raw) FILTER (WHERE n.name = 'liquidation_bonus_bps') AS bonus_bps,
        max(n.value_raw) FILTER (WHERE n.name = 'reserve_factor_bps') AS reserve_factor_bps,
        max(n.value_raw) FILTER (WHERE n.name = 'supply_cap') AS supply_cap,
        max(n.value_raw) FILTER (WHERE n.name = 'borrow_cap') AS borrow_cap,
        max(n.value_raw) FILTER (WHERE n.name = 'debt_ceiling') AS debt_ceiling,
        max(n.value_raw) FILTER (WHERE n.name = 'emode_category') AS emode_id,
        max(n.value_raw) FILTER (WHERE n.name = 'is_active') AS is_active,
        max(n.value_raw) FILTER (WHERE n.name = 'is_frozen') AS is_frozen,
        max(n.value_raw) FILTER (WHERE n.name = 'is_paused') AS is_paused,
        max(n.value_raw) FILTER (WHERE n.name = 'lltv_raw') AS lltv_raw,
        max(n.value_raw) FILTER (WHERE n.name = 'fee_raw') AS fee_raw
    FROM (
        SELECT DISTINCT ON (p.name) p.name, p.value_raw FROM param p
        WHERE p.chain_id = x.chain_id AND p.subject = x.subject AND p.qualifier = '' AND p.block_number <= x.block_number
        ORDER BY p.name, p.block_number DESC, p.log_index DESC
    ) n
) v;

-- Losses, never netted into one number: `latent` is what insolvent accounts lack now (it shrinks when prices recover),
-- `realised` what the protocol has written off (USD at the time), `covered` what was paid in since.
CREATE VIEW bad_debt AS
SELECT l.chain_id, l.project, l.version, l.deployment, 'latent' AS kind, NULL::text AS token_address, NULL::text AS symbol,
    NULL::numeric AS amount_raw, NULL::numeric AS amount, l.latent_bad_debt_usd AS amount_usd, l.n_insolvent AS n, l.ts,
    l.block_number
FROM protocol_leverage_at(NULL, NULL) l
WHERE l.population = 'borrowers'
UNION ALL
SELECT e.chain_id, e.project, e.version, e.deployment,
    CASE e.transaction_type WHEN 'bad_debt' THEN 'realised' ELSE 'covered' END,
    e.token_address, e.symbol, sum(e.amount_raw), sum(e.amount),
    CASE WHEN count(*) = count(e.usd_amount) THEN sum(e.usd_amount) END, count(*), max(e.block_time), max(e.block_number)
FROM lending_events e
WHERE e.transaction_type IN ('bad_debt', 'cover_deficit')
GROUP BY e.chain_id, e.project, e.version, e.deployment, e.transaction_type, e.token_address, e.symbol;

CREATE VIEW ingest_status AS
SELECT
    k.chain_id, c.name AS blockchain, k.protocol, k.status, k.start_block, k.block_number AS indexed_block,
    hex(k.block_hash) AS indexed_hash, to_timestamp(b.block_timestamp) AS indexed_time,
    c.head_block, c.safe_block, c.finalized_block,
    CASE WHEN c.head_block IS NOT NULL THEN greatest(c.head_block - k.block_number, 0) END AS lag_blocks,
    extract(epoch FROM now())::bigint - b.block_timestamp AS lag_s,
    to_timestamp(c.seen_at) AS node_seen_at,
    (SELECT count(*) FROM reorg r WHERE r.chain_id = k.chain_id AND r.seen_at > extract(epoch FROM now()) - 86400) AS reorgs_24h,
    r.worst_error AS reconciliation_error, r.n_differences AS reconciliation_differences,
    r.n_compared AS reconciliation_compared, r.block_number AS reconciliation_block,
    to_timestamp(r.seen_at) AS reconciliation_time, k.error
FROM cursor k
LEFT JOIN chain c ON c.chain_id = k.chain_id
LEFT JOIN LATERAL (
    SELECT * FROM reconciliation n WHERE n.chain_id = k.chain_id ORDER BY n.seen_at DESC LIMIT 1
) r ON true
LEFT JOIN block b ON b.chain_id = k.chain_id AND b.block_number = k.block_number;

CREATE VIEW perp_events AS
SELECT
    a.chain_id, c.name AS blockchain, d.project, d.version, d.name AS deployment, d.project AS venue, m.market_id AS market,
    hex(a.trader) AS trader, a.side, a.action, (f.fill).size_base, (f.fill).price, (f.fill).margin_delta, (f.fill).margin_unit,
    (f.fill).fee_usd, (f.fill).pnl_usd, a.is_liquidation, (f.fill).is_adl,
    a.size_raw, a.price_raw, a.margin_delta_raw, a.fee_raw, a.pnl_raw, a.funding_raw, a.block_number, to_timestamp(b.block_timestamp) AS block_time, hex(a.tx_hash) AS tx_hash,
    a.tx_index, a.log_index AS evt_index, a.leg, hex(a.contract) AS project_contract_address
FROM perp_action a
JOIN chain c ON c.chain_id = a.chain_id
JOIN deployment d ON d.chain_id = a.chain_id AND d.deployment_key = a.deployment_key
LEFT JOIN market m ON m.chain_id = a.chain_id AND m.market_key = a.market_key
LEFT JOIN block b ON b.chain_id = a.chain_id AND b.block_number = a.block_number
CROSS JOIN LATERAL (SELECT perp_fill_of(d.protocol, a, m) AS fill OFFSET 0) f;  -- once a row
