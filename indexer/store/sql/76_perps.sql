CREATE VIEW perp_market_state AS SELECT * FROM perp_market_state_at(NULL, NULL);

CREATE VIEW imbalance AS SELECT * FROM imbalance_at(NULL, NULL);

CREATE VIEW purge_events AS SELECT * FROM purge_events_at(NULL, NULL);

CREATE VIEW market_corrections AS SELECT * FROM market_corrections_at(NULL, NULL);
