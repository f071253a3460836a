-- What one unit of a token is a claim on, at what rate, what group of assets it unwinds to, and what it is worth where no
-- oracle prices it. Facts: `token_link` and `token_rate` (link adapters), else what `token` says (receipts, vault shares).
--
-- Rate rules
--   told           the newest of what events told (token_rate) and what functions answered (token_rate, price)
--   par            one for one (aTokens; stETH and its kind, whose balances are amounts)
--   market         the books of the market whose supply token it is (cTokens, Euler vaults), interest up to the block's second
--   receipt_index  the books of the market whose supply token its underlying is (a static aToken: index / 1e27)
--   implied_rate   a Pendle PT: 1 / exp(ln rate * time left / 365 days) of what its market last said; 1 from expiry on
-- Chains are followed 8 links deep; a longer one, or a cycle, has no rate and no group.

CREATE FUNCTION token_claims_of(p_chain bigint, p_token bytea, p_block bigint)
RETURNS TABLE (
    place smallint, kind text, issuer_project text, underlying bytea, rate_rule text, rate_source text, expiry bigint,
    asset_group text, linked_block bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH best AS MATERIALIZED (
        -- what says most wins: a claim before a listing as plain
        SELECT l.deployment_key FROM token_link l
        WHERE l.chain_id = p_chain AND l.token = p_token AND (p_block IS NULL OR l.block_number <= p_block)
        ORDER BY l.underlying IS NULL, l.rate_rule IS NULL, l.deployment_key LIMIT 1
    )
    SELECT l.place, l.kind, l.issuer_project, l.underlying, l.rate_rule, l.rate_source, l.expiry, l.asset_group, l.block_number
    FROM best JOIN token_link l USING (deployment_key)
    WHERE l.chain_id = p_chain AND l.token = p_token AND (p_block IS NULL OR l.block_number <= p_block)
    UNION ALL
    SELECT
        0::smallint,
        CASE WHEN t.kind <> 'erc4626' THEN t.kind WHEN r.address IS NULL THEN 'vault_share' ELSE 'static_wrapper' END,
        t.issuer_project, t.underlying,
        CASE t.kind
            WHEN 'erc4626' THEN 'told'
            WHEN 'lending_receipt' THEN 'par'
            WHEN 'ctoken' THEN 'market'
            WHEN 'vault_share' THEN 'market'
        END,
        CASE t.kind
            WHEN 'erc4626' THEN 'convertToAssets(uint256)'
            WHEN 'lending_receipt' THEN 'balances are amounts of the underlying'
            WHEN 'ctoken' THEN 'the market''s books: exchangeRateCurrent()'
            WHEN 'vault_share' THEN 'the market''s books: convertToAssets(uint256)'
        END,
        NULL::bigint, CASE t.kind WHEN 'cdp_stable' THEN 'usd' END, t.block_number
    FROM token t
    LEFT JOIN token r ON r.chain_id = p_chain AND r.address = t.underlying AND r.kind = 'lending_receipt'
    WHERE t.chain_id = p_chain AND t.address = p_token AND NOT EXISTS (SELECT FROM best)
$$;

-- The books' own rate of a market's supply token at a block: amount = shares * numerator / denominator. No row when the
-- block has no header, or the market no rule.
CREATE FUNCTION supply_rate_at(p_chain bigint, p_token bytea, p_block bigint)
RETURNS TABLE (numerator_raw numeric, denominator_raw numeric, rate_block bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (q.q).supply_numerator, (q.q).supply_denominator, q.block_number
    FROM (
        SELECT market_quote_of(m.accounting, s.state, b.block_timestamp, p_block) AS q, s.block_number
        FROM market m
        JOIN block b ON b.chain_id = p_chain AND b.block_number = p_block
        CROSS JOIN LATERAL (
            SELECT s AS state, s.block_number FROM market_state s
            WHERE s.chain_id = p_chain AND s.market_key = m.market_key AND s.block_number <= p_block
            ORDER BY s.block_number DESC LIMIT 1
        ) s
        WHERE m.chain_id = p_chain AND m.supply_token = p_token AND m.block_number <= p_block
        ORDER BY m.block_number DESC, m.log_index DESC LIMIT 1
    ) q
    WHERE (q.q).supply_denominator > 0
$$;

-- 1 / exp(ln_rate * seconds left / 365 days) with 18 decimals, as PendlePYLpOracle does with a duration of 0; 1 from expiry on.
CREATE FUNCTION pt_rate_of(ln_rate numeric, expiry bigint, t bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN t >= expiry THEN 1000000000000000000
    ELSE div(1e36, trunc(exp(div(ln_rate * (expiry - t), 31536000) * 1e-18::numeric(40, 30)) * 1e18))
END;

-- What one token is worth in what it is a claim on, as of a block (20-byte token): one row a thing it is a claim on.
-- numerator / denominator in base units; `rate` in whole tokens, NULL when it, or a token's decimals, are not known.
CREATE FUNCTION token_rate_at(p_chain bigint, p_token bytea, p_block bigint)
RETURNS TABLE (
    place smallint, kind text, underlying bytea, numerator_raw numeric, denominator_raw numeric, rate numeric,
    rate_block bigint, rate_rule text, rate_source text
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        c.place, c.kind, c.underlying, r.numerator_raw, r.denominator_raw,
        trim_scale(round(
            r.numerator_raw::numeric(1000, 40) / r.denominator_raw / unit_of(t.decimals) * unit_of(u.decimals), 36)),
        r.rate_block, c.rate_rule, c.rate_source
    FROM token_claims_of(p_chain, p_token, p_block) c
    LEFT JOIN token t ON t.chain_id = p_chain AND t.address = p_token
    LEFT JOIN token u ON u.chain_id = p_chain AND u.address = c.underlying
    LEFT JOIN LATERAL (
        SELECT g.numerator_raw, g.denominator_raw, g.rate_block
        FROM (
            (SELECT k.numerator_raw, k.denominator_raw, k.block_number AS rate_block, k.log_index
             FROM token_rate k
             WHERE c.rate_rule = 'told' AND k.chain_id = p_chain AND k.token = p_token AND k.underlying = c.underlying
               AND k.block_number <= p_block
             ORDER BY k.block_number DESC, k.log_index DESC LIMIT 1)
            UNION ALL
            (SELECT k.price_raw, 1 / unit_of(t.decimals), k.block_number, k.log_index
             FROM price k
             WHERE c.rate_rule = 'told' AND k.chain_id = p_chain AND k.feed = p_token AND k.asset = p_token
               AND k.block_number <= p_block AND k.quote = hex(c.underlying)
             ORDER BY k.block_number DESC, k.log_index DESC LIMIT 1)
            UNION ALL
            SELECT 1, 1, p_block, 0 WHERE c.rate_rule = 'par'
            UNION ALL
            SELECT s.numerator_raw, s.denominator_raw, s.rate_block, 0
            FROM supply_rate_at(p_chain, CASE c.rate_rule WHEN 'market' THEN p_token WHEN 'receipt_index' THEN c.underlying END, p_block) s
            UNION ALL
            SELECT pt_rate_of(i.value_raw, c.expiry, b.block_timestamp), 1000000000000000000, i.block_number, 0
            FROM block b
            CROSS JOIN LATERAL (
                SELECT p.value_raw, p.block_number FROM token_link l
                JOIN param p ON p.chain_id = p_chain AND p.subject = l.deployment_key AND p.name = 'ln_implied_rate'
                    AND p.qualifier = hex(p_token) AND p.block_number <= p_block
                WHERE l.chain_id = p_chain AND l.token = p_token AND l.rate_rule = 'implied_rate'
                ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
            ) i
            WHERE c.rate_rule = 'implied_rate' AND b.chain_id = p_chain AND b.block_number = p_block
        ) g
        ORDER BY g.rate_block DESC, g.log_index DESC LIMIT 1
    ) r ON true
    WHERE c.underlying IS NOT NULL
$$;

-- USD worth of one whole token by what it is a claim on: rate times the oracle price of the underlying, or of what that is a
-- claim on in turn. No row when a link of the chain has no rate or its end no price. Of a pair's share: both sides, or none.
-- The chain's own coin is worth what the token is that wraps it one for one.
CREATE FUNCTION claim_price_at(p_chain bigint, p_token bytea, p_block bigint, p_depth integer DEFAULT 0)
RETURNS TABLE (price_usd numeric, price_block bigint, feed bytea)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
    part record;
    below record;
    parts integer := 0;
BEGIN
    IF p_depth >= 8 THEN
        RETURN;
    END IF;
    price_usd := 0;
    FOR part IN SELECT r.underlying, r.rate, r.rate_block FROM token_rate_at(p_chain, p_token, p_block) r LOOP
        IF part.rate IS NULL THEN
            RETURN;
        END IF;
        SELECT * INTO below FROM usd_price_of_token(p_chain, part.underlying, p_block);
        IF NOT FOUND THEN
            SELECT * INTO below FROM claim_price_at(p_chain, part.underlying, p_block, p_depth + 1);
            IF NOT FOUND THEN
                RETURN;
            END IF;
        END IF;
        price_usd := price_usd + part.rate * below.price_usd;
        price_block := least(price_block, part.rate_block, below.price_block);
        feed := below.feed;
        parts := parts + 1;
    END LOOP;
    IF parts > 0 THEN
        price_usd := trim_scale(round(price_usd, 36));
        RETURN NEXT;
    ELSIF p_token = '\xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'::bytea THEN
        RETURN QUERY
            SELECT t.price_usd, t.price_block, t.feed
            FROM token_link l CROSS JOIN LATERAL usd_price_of_token(p_chain, l.token, p_block) t
            WHERE l.chain_id = p_chain AND l.underlying = p_token AND l.kind = 'plain' AND l.rate_rule = 'par'
              AND l.block_number <= p_block
            ORDER BY t.price_block DESC, l.token LIMIT 1;
    END IF;
END $$;

-- The group of assets that a token unwinds to: the list's name of the root of its chain of claims (usd), else the root's
-- address; of a pair's share both groups, joined by +. NULL when the chain does not end within 8 links.
CREATE FUNCTION asset_group_of(p_chain bigint, p_token bytea, p_block bigint, p_depth integer DEFAULT 0) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    own text;
    below bytea[];
BEGIN
    IF p_depth > 8 THEN
        RETURN NULL;
    END IF;
    SELECT max(c.asset_group), array_agg(c.underlying ORDER BY c.place) FILTER (WHERE c.underlying IS NOT NULL)
    INTO own, below FROM token_claims_of(p_chain, p_token, p_block) c;
    IF own IS NOT NULL OR below IS NULL THEN
        RETURN coalesce(own, hex(p_token));
    END IF;
    RETURN (
        SELECT CASE WHEN bool_and(g.name IS NOT NULL) THEN string_agg(DISTINCT g.name, '+' ORDER BY g.name) END
        FROM (SELECT asset_group_of(p_chain, u.address, p_block, p_depth + 1) AS name FROM unnest(below) u (address)) g
    );
END $$;
