-- Exact integer arithmetic on NUMERIC, with the contracts' own roundings.
-- div() is the only division used on integers: it truncates toward zero, which is floor for what is never negative and
-- Solidity's signed division for the rest. The operator / rounds at some decimal and is used on prices and ratios only.
-- Plain SQL expressions, so that the planner inlines them.

CREATE FUNCTION mul_div_floor(a numeric, b numeric, d numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b, d);

CREATE FUNCTION mul_div_ceil(a numeric, b numeric, d numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b + (d - 1), d);

-- Aave WadRayMath and PercentageMath: add half of the divisor (itself floored), then floor.
CREATE FUNCTION mul_div_half_up(a numeric, b numeric, d numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b + div(d, 2), d);

CREATE FUNCTION ray_mul_floor(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b, 1e27);

CREATE FUNCTION ray_mul_ceil(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b + (1e27 - 1), 1e27);

CREATE FUNCTION ray_mul_half_up(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b + 5e26, 1e27);

CREATE FUNCTION ray_div_floor(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * 1e27, b);

CREATE FUNCTION ray_div_ceil(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * 1e27 + (b - 1), b);

CREATE FUNCTION ray_div_half_up(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * 1e27 + div(b, 2), b);

CREATE FUNCTION wad_mul_floor(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * b, 1e18);

CREATE FUNCTION wad_div_half_up(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * 1e18 + div(b, 2), b);

CREATE FUNCTION percent_mul_half_up(a numeric, bps numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * bps + 5000, 10000);

CREATE FUNCTION percent_mul_floor(a numeric, bps numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(a * bps, 10000);

-- What to add to a product before div() so that it rounds as named.
CREATE FUNCTION rounding_addend(denominator numeric, rounding text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE rounding WHEN 'floor' THEN 0 WHEN 'ceil' THEN denominator - 1 WHEN 'half_up' THEN div(denominator, 2) END;

-- shares * numerator / denominator, rounded as the contract rounds ('floor' | 'ceil' | 'half_up').
CREATE FUNCTION amount_of(shares numeric, numerator numeric, denominator numeric, rounding text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN div(shares * numerator + rounding_addend(denominator, rounding), denominator);

-- 10^-decimals, exact: raw * unit_of(decimals) is the amount in whole tokens. NULL when decimals are unknown.
CREATE FUNCTION unit_of(decimals integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ('1e-' || decimals)::numeric;

-- price_raw / unit_raw, exact because units are powers of ten (a plain division keeps 16 significant digits only).
CREATE FUNCTION price_of(price_raw numeric, unit_raw numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN trim_scale(price_raw * (1 / unit_raw));

-- 20 and 32 byte values as people write them: lower-case hex with 0x.
CREATE FUNCTION hex(value bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN '0x' || encode(value, 'hex');

-- The other way; text that is not 0x and hex digits gives NULL, so that a lookup finds nothing instead of failing.
CREATE FUNCTION unhex(value text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~ '^0x([0-9a-fA-F]{2})*$' THEN decode(substr(value, 3), 'hex') END;
