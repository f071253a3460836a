-- "As of block B" is the state after B's last transaction, interest extrapolated to B's own timestamp.
-- Throughout: p_chain NULL means every chain; p_block NULL means each protocol's own indexed head.

-- Unix seconds of a block that has a stored header, else an error that says what to do (SQLSTATE LV001).
CREATE FUNCTION block_time_of(p_chain bigint, p_block bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    seconds bigint;
BEGIN
    SELECT b.block_timestamp INTO seconds FROM block b WHERE b.chain_id = p_chain AND b.block_number = p_block;
    IF seconds IS NULL THEN
        RAISE EXCEPTION 'block % of chain % has no stored header', p_block, p_chain
            USING ERRCODE = 'LV001',
                  HINT = format('index with all_headers = true or run leverage verify --block %s', p_block);
    END IF;
    RETURN seconds;
END $$;

-- True, or an error: no protocol of the chain covers the block (LV002), or its header is missing (LV001).
CREATE FUNCTION assert_covered(p_chain bigint, p_block bigint) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    span text;
BEGIN
    IF p_block IS NULL THEN
        RETURN true;
    END IF;
    IF p_chain IS NULL THEN
        RAISE EXCEPTION 'a block number needs a chain id' USING ERRCODE = 'LV002';
    END IF;
    PERFORM FROM cursor c WHERE c.chain_id = p_chain AND p_block BETWEEN c.start_block AND c.block_number;
    IF NOT FOUND THEN
        SELECT string_agg(format('%s %s to %s', c.protocol, c.start_block, c.block_number), ', ' ORDER BY c.protocol)
        INTO span FROM cursor c WHERE c.chain_id = p_chain;
        RAISE EXCEPTION 'block % of chain % is outside the coverage of every protocol', p_block, p_chain
            USING ERRCODE = 'LV002', HINT = coalesce('covered: ' || span, 'nothing of that chain is indexed');
    END IF;
    RETURN block_time_of(p_chain, p_block) IS NOT NULL;
END $$;

-- The block and second at which each protocol is looked at. Protocols that do not cover the block contribute nothing.
-- assert_covered names no column, so that the planner runs it once, before anything else.
CREATE FUNCTION as_of(p_chain bigint, p_block bigint)
RETURNS TABLE (chain_id bigint, protocol text, as_of_block bigint, as_of_time bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT c.chain_id, c.protocol, coalesce(p_block, c.block_number),
        -- the header of a cursor's block is always kept; should it be gone, say so instead of showing nothing
        coalesce(b.block_timestamp, block_time_of(c.chain_id, coalesce(p_block, c.block_number)))
    FROM cursor c
    LEFT JOIN block b ON b.chain_id = c.chain_id AND b.block_number = coalesce(p_block, c.block_number)
    WHERE assert_covered(p_chain, p_block)
      AND (p_chain IS NULL OR c.chain_id = p_chain)
      AND coalesce(p_block, c.block_number) BETWEEN c.start_block AND c.block_number
$$;

-- Parameters in force at a block: of every (subject, name, qualifier) the newest row at or below it.
-- p_accounts limits it to the markets that those accounts have a balance in, and their deployments.
CREATE FUNCTION params_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (chain_id bigint, subject bigint, name text, qualifier text, value_raw numeric, value_text text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (p.chain_id, p.subject, p.name, p.qualifier)
        p.chain_id, p.subject, p.name, p.qualifier, p.value_raw, p.value_text
    FROM (  -- two branches, as in position_books
        SELECT p.* FROM param p WHERE p_accounts IS NULL
        UNION ALL
        SELECT p.* FROM param p WHERE p_accounts IS NOT NULL AND p.subject = ANY (ARRAY(
            SELECT s.key
            FROM position b
            JOIN market k ON k.chain_id = b.chain_id AND k.market_key = b.market_key
            CROSS JOIN LATERAL (VALUES (k.market_key), (k.deployment_key)) s (key)
            WHERE b.account = ANY (p_accounts) AND (p_chain IS NULL OR b.chain_id = p_chain)))
    ) p
    WHERE (p_chain IS NULL OR p.chain_id = p_chain) AND (p_block IS NULL OR p.block_number <= p_block)
    ORDER BY p.chain_id DESC, p.subject DESC, p.name DESC, p.qualifier DESC, p.block_number DESC, p.log_index DESC
$$;

-- Newest USD price of a token itself from any oracle on the chain, ties by feed address. No row when there is none.
CREATE FUNCTION usd_price_of_token(p_chain bigint, p_asset bytea, p_block bigint)
RETURNS TABLE (price_usd numeric, price_block bigint, feed bytea)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT price_of(p.price_raw, p.unit_raw), p.block_number, p.feed
    FROM price p
    WHERE p.chain_id = p_chain AND p.asset = p_asset AND p.block_number <= p_block
      AND p.quote = 'usd' AND p.source = 'oracle' AND p.unit_raw IS NOT NULL
    ORDER BY p.block_number DESC, p.feed, p.log_index DESC LIMIT 1
$$;

-- USD price of a token as a lending protocol saw it, the first of these that exists:
-- 1 `p_oracle`'s own newest price (an Aave pool's oracle for its own positions);
-- 2 the newest USD price of any oracle on the chain;
-- 3 for a lending receipt (aToken), its underlying's price: one receipt is one underlying;
-- 4 for an ERC-4626 share, its rate (convertToAssets, the newest read) times the price of what it is a share of.
-- A few index probes each, however many prices there are. No row when there is none.
CREATE FUNCTION usd_price_at(p_chain bigint, p_asset bytea, p_block bigint, p_oracle bytea DEFAULT NULL)
RETURNS TABLE (price_usd numeric, price_block bigint, feed bytea)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT u.price_usd, u.price_block, u.feed
    FROM (
        (SELECT 1 AS choice, price_of(p.price_raw, p.unit_raw) AS price_usd, p.block_number AS price_block, p.feed
         FROM price p
         WHERE p.chain_id = p_chain AND p.feed = p_oracle AND p.asset = p_asset AND p.block_number <= p_block
           AND p.quote = 'usd' AND p.source IN ('oracle', 'par') AND p.unit_raw IS NOT NULL
         ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1)
        UNION ALL
        SELECT 2, t.price_usd, t.price_block, t.feed FROM usd_price_of_token(p_chain, p_asset, p_block) t
        UNION ALL
        SELECT 3, t.price_usd, t.price_block, t.feed
        FROM token r, usd_price_of_token(p_chain, r.underlying, p_block) t
        WHERE r.chain_id = p_chain AND r.address = p_asset AND r.kind = 'lending_receipt'
        UNION ALL
        SELECT 4, trim_scale(v.rate * t.price_usd), least(v.block_number, t.price_block), v.feed
        FROM (
            SELECT price_of(p.price_raw, p.unit_raw) AS rate, p.block_number, p.feed, unhex(p.quote) AS underlying
            FROM price p
            WHERE p.chain_id = p_chain AND p.feed = p_asset AND p.asset = p_asset AND p.block_number <= p_block
              AND p.quote LIKE '0x%' AND p.unit_raw IS NOT NULL
              -- a probe of the key tells first whether it has a rate at all: where one oracle prices nearly everything,
              -- statistics take `feed =` for no help, and every price of the token would be looked through
              AND p_asset = (SELECT f.feed FROM price f WHERE f.chain_id = p_chain AND f.feed >= p_asset ORDER BY f.feed LIMIT 1)
            ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
        ) v
        LEFT JOIN token r ON r.chain_id = p_chain AND r.address = v.underlying AND r.kind = 'lending_receipt'
        CROSS JOIN LATERAL usd_price_of_token(p_chain, coalesce(r.underlying, v.underlying), p_block) t
    ) u
    ORDER BY u.choice LIMIT 1
$$;
