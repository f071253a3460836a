-- At the head from the table that is kept block by block (each row exact as of its as_of_block, those below a health factor
-- of 1.05 as of the head); of deployments without it, computed.
CREATE VIEW liquidation_risk AS
SELECT
    r.chain_id, hex(r.account) AS account, r.owner, r.project, r.version, r.deployment, r.market_id, r.health_factor,
    health_bucket(r.health_factor) AS bucket, r.is_liquidatable, r.collateral_usd, r.debt_usd, r.collateral_assets, r.debt_assets,
    r.emode, r.pair_class, r.status, r.price_usd, r.liquidation_price_usd, r.distance, r.first_eligible_drop,
    r.loss_boundary_drop, r.liquidation_bonus, r.is_toxic, r.health_factor_raw, r.as_of_block, r.as_of_time, r.deployment_key,
    nullif(r.scope, 0) AS market_key, r.liquidation_prices, r.best_debt_asset, r.best_collateral_asset, r.max_repay_raw,
    r.seize_raw, r.max_repay_usd, r.est_profit_usd, r.health_factor_after, r.blocked_reason, r.oracle_block
FROM risk_head r
JOIN deployment d ON d.chain_id = r.chain_id AND d.deployment_key = r.deployment_key
JOIN cursor c ON c.chain_id = d.chain_id AND c.protocol = d.protocol
JOIN risk_head_state s ON s.chain_id = r.chain_id AND s.deployment_key = r.deployment_key
    AND s.is_current AND s.block_number = c.block_number
WHERE r.is_open
UNION ALL
SELECT h.*, NULL::jsonb, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM liquidation_risk_at(NULL, NULL) h
-- asked first and once: where the table answers for everything, nothing is computed
WHERE EXISTS (
    SELECT FROM cursor c
    JOIN deployment d ON d.chain_id = c.chain_id AND d.protocol = c.protocol AND d.kind = 'lending'
    LEFT JOIN risk_head_state s ON s.chain_id = d.chain_id AND s.deployment_key = d.deployment_key
    WHERE NOT coalesce(s.is_current AND s.block_number = c.block_number, false)
) AND NOT EXISTS (
    SELECT FROM risk_head_state s
    WHERE s.chain_id = h.chain_id AND s.deployment_key = h.deployment_key AND s.is_current AND s.block_number = h.as_of_block
);

CREATE VIEW limits AS SELECT * FROM limits_at(NULL, NULL);
