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
