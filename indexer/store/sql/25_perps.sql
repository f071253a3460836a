-- Shapes of perp venues. A perp protocol's *.sql provides, and `store/views.py` collects:
--   <accounting>_interest(market_state)                  open interest by side of one state of a market's books
--   <slug>_perps(p_chain, p_block)                       every market as of a block
--   <slug>_liquidations(p_chain, p_first, p_last)        what was closed by force in a range of blocks
--   <slug>_fill(perp_action, market)                     one action in people's units, for the view perp_events

-- In the accounting's own integers; NULL where they are not told. mark: USD of one whole base unit, NULL where the
-- books do not tell it.
CREATE TYPE perp_interest AS (long_raw numeric, short_raw numeric, mark numeric);

-- base: whole base units of that side's positions, each side positive. Rates as fractions an interval, + where longs pay.
CREATE TYPE perp_market_row AS (
    chain_id bigint,
    deployment_key bigint,
    market_key bigint,
    as_of_block bigint,
    as_of_time bigint,
    oi_convention text,
    long_base numeric,
    short_base numeric,
    mark numeric,
    index_price numeric,
    funding_rate numeric,
    funding_interval_s integer,
    funding_at_cap boolean,
    margin_long numeric,
    margin_short numeric,
    margin_basis text,
    n_long bigint,
    n_short bigint
);

-- size_raw: positive, in the unit of <accounting>_interest; side: of the position that was closed, NULL where not told.
CREATE TYPE perp_liquidation_row AS (market_key bigint, block_number bigint, side text, size_raw numeric);

-- size_base: whole base units, sign as size_raw. price: quote of one whole base unit. margin_delta: whole units of what margin
-- is counted in there (margin_unit: usd or a token's address). is_adl: false where the venue or the event rules it out.
CREATE TYPE perp_fill AS (
    size_base numeric,
    price numeric,
    margin_delta numeric,
    margin_unit text,
    fee_usd numeric,
    pnl_usd numeric,
    is_adl boolean
);
