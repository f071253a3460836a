-- Who is behind an account, where a protocol's own books say it. A protocol's SQL may define
-- `<slug>_owner(p_chain, p_deployment, p_account, p_block)` for one account (NULL: not known) and `<slug>_owned(p_chain, p_block)`
-- for all; `owner_of` and `owners_at` are generated from what is found.

CREATE TYPE owner_row AS (chain_id bigint, address text, owner_id text, evidence text, confidence numeric);

-- An address that was booked as a number.
CREATE FUNCTION address_of(value numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '0x' || lpad(to_hex(div(value, 340282366920938463463374607431768211456)::bigint), 8, '0')
    || lpad(to_hex(mod(div(value, 79228162514264337593543950336), 4294967296)::bigint), 8, '0')
    || lpad(to_hex(mod(div(value, 18446744073709551616), 4294967296)::bigint), 8, '0')
    || lpad(to_hex(mod(div(value, 4294967296), 4294967296)::bigint), 8, '0')
    || lpad(to_hex(mod(value, 4294967296)::bigint), 8, '0');

-- Smart wallets as of a block: kind, threshold, owners in force, of those whose balances had changed by then: what was known
-- at a block does not depend on what came after it, nor on a later branch. A DSProxy has one owner at a time, the last that was set.
CREATE FUNCTION wallets_at(p_chain bigint, p_block bigint)
RETURNS TABLE (chain_id bigint, wallet bytea, kind text, threshold smallint, owners bytea[])
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH kinds AS (
        SELECT DISTINCT ON (s.chain_id, s.wallet) s.chain_id, s.wallet, s.kind, s.threshold
        FROM wallet_state s
        WHERE (p_chain IS NULL OR s.chain_id = p_chain) AND (p_block IS NULL OR s.block_number <= p_block)
        ORDER BY s.chain_id, s.wallet, s.threshold IS NULL, s.from_block DESC, s.log_index DESC
    ), said AS (
        SELECT DISTINCT ON (o.chain_id, o.wallet, o.owner) o.chain_id, o.wallet, o.owner, o.is_owner, o.from_block, o.log_index
        FROM wallet_owner o
        WHERE (p_chain IS NULL OR o.chain_id = p_chain) AND (p_block IS NULL OR o.block_number <= p_block)
        ORDER BY o.chain_id, o.wallet, o.owner, o.from_block DESC, o.log_index DESC, o.leg DESC
    )
    SELECT k.chain_id, k.wallet, k.kind, k.threshold, CASE
        WHEN k.kind = 'ds_proxy' THEN (array_agg(s.owner ORDER BY s.from_block DESC, s.log_index DESC))[1:1]
        ELSE array_agg(s.owner ORDER BY s.owner)
    END
    FROM kinds k
    JOIN said s ON s.chain_id = k.chain_id AND s.wallet = k.wallet AND s.is_owner = 1
    GROUP BY k.chain_id, k.wallet, k.kind, k.threshold
$$;

-- Whose each wallet is in the end: of a wallet with one owner, that owner, or whose that is in turn, 8 steps at most; of one with
-- several, and of one whose chain does not end, itself.
CREATE FUNCTION wallet_owners_at(p_chain bigint, p_block bigint)
RETURNS TABLE (chain_id bigint, wallet bytea, owner bytea, evidence text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE w AS MATERIALIZED (
        SELECT * FROM wallets_at(p_chain, p_block)
    ), chain_of AS (
        SELECT w.chain_id, w.wallet, w.owners[1] AS owner, w.kind || ': its owner' AS evidence, 1 AS steps
        FROM w WHERE cardinality(w.owners) = 1
        UNION ALL
        SELECT c.chain_id, c.wallet, w.owners[1], c.evidence || '; ' || w.kind || ': its owner', c.steps + 1
        FROM chain_of c
        JOIN w ON w.chain_id = c.chain_id AND w.wallet = c.owner AND cardinality(w.owners) = 1
        WHERE c.steps < 8
    )
    SELECT DISTINCT ON (c.chain_id, c.wallet)
        c.chain_id, c.wallet, CASE WHEN c.steps < 8 THEN c.owner ELSE c.wallet END,
        CASE WHEN c.steps < 8 THEN c.evidence ELSE 'owners in a circle, or more than 8 of them' END
    FROM chain_of c
    ORDER BY c.chain_id, c.wallet, c.steps DESC
$$;

-- Wallets of several owners, which are their own: for `owners`, which says why.
CREATE FUNCTION shared_wallets_at(p_chain bigint, p_block bigint)
RETURNS TABLE (chain_id bigint, wallet bytea, evidence text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT w.chain_id, w.wallet, format('%s: %s of %s, its own owner', w.kind, w.threshold, cardinality(w.owners))
    FROM wallets_at(p_chain, p_block) w WHERE cardinality(w.owners) > 1
$$;
