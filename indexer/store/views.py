"""Install the SQL functions and views: exact amounts and metrics in the database, for everyone who reads it.

Source   `indexer/store/sql/*.sql`, then every `*.sql` in `indexer/families/` and `indexer/protocols/*/`
Rule     a protocol's SQL defines `<accounting>_quote(market_state, time[, block])`, if it lends `<accounting>_health` and `_legs`,
         and `<accounting>_amount(side, shares, basis, extra, state, quote)` where an amount is not shares times quote; the functions that
         dispatch on `market.accounting` are generated from what is found, so a new protocol edits nothing here; so are
         those that ask `<slug>_owner` and `<slug>_owned`, of a protocol that knows who is behind an account, and
         `<accounting>_levels`, what can lower health factors while nobody touches an account,
         `<accounting>_interest`, `<slug>_perps`, `<slug>_liquidations` and `<slug>_fill` of a perp venue (`store/sql/25_perps.sql`)
         `is_internal_book`, of accountings that have a function `<accounting>_internal()`
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from sqlalchemy import Connection  # 0.25 s to import: not at every start

ROOT: Final = Path(__file__).resolve().parent.parent
VIEWS_FROM: Final = 70
"""Files of `store/sql` with this number or above need the generated functions and come last."""

LOCK: Final = 0x6C657665
"""Advisory lock that keeps two processes from installing at once."""

CREATED = re.compile(r"^CREATE (FUNCTION|VIEW|TYPE) (\w+)", re.MULTILINE)


def install(connection: Connection | psycopg.Connection[Any], root: Path = ROOT) -> bool:
    """Drop and create every function and view in one transaction; return False when they are installed already.

    Joins the transaction that is open on the connection, else commits its own.
    Raises  psycopg.errors.DependentObjectsStillExist when somebody's own view reads one of ours: drop that view first
    """
    script = render(root)
    version = sha256(script.encode()).hexdigest()
    raw = _raw(connection)
    with raw.transaction(), raw.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        if _installed(cursor)[0] == version:
            return False
        _drop(cursor)
        # Functions call functions of later files; bodies are checked when tests and views use them.
        cursor.execute("SET LOCAL check_function_bodies = off")
        cursor.execute(script.encode())
        cursor.execute(_registry(version, CREATED.findall(script)).encode())
    return True


def drop(connection: Connection | psycopg.Connection[Any]) -> None:
    """Drop every function and view that `install` made. Migrations do this before they touch the tables."""
    raw = _raw(connection)
    with raw.transaction(), raw.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        _drop(cursor)


def render(root: Path = ROOT) -> str:
    """Return the whole script: shared functions, accountings, generated dispatch, views, comments."""
    shared = sorted((root / "store" / "sql").glob("*.sql"))
    functions = [path for path in shared if int(path.name[:2]) < VIEWS_FROM]
    views = [path for path in shared if int(path.name[:2]) >= VIEWS_FROM]
    rules = sorted((root / "families").glob("*.sql")) + sorted((root / "protocols").glob("*/*.sql"))
    accountings = "\n".join(path.read_text() for path in rules)
    parts = [path.read_text() for path in functions]
    alone = risk_of_one(accountings, "\n".join(parts))
    return "\n".join([*parts, accountings, dispatch(accountings), alone, *(path.read_text() for path in views)])


def risk_of_one(accountings: str, shared: str) -> str:
    """Return SQL of `<accounting>_risk`: `liquidation_risk_among` of one accounting alone.

    A head block asks only the accountings of its chain: planning all of them takes longer than their work.
    """
    found = re.search(r"^CREATE FUNCTION liquidation_risk_among\(.*?^\$\$;$", shared, re.MULTILINE | re.DOTALL)
    if found is None:
        return ""
    healths = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_health\(", accountings, re.MULTILINE)))
    return "\n\n".join(
        found[0].replace("liquidation_risk_among(", f"{name}_risk(").replace("account_health_among(", f"{name}_health(")
        for name in healths
    )


def dispatch(accountings: str) -> str:
    """Return SQL for the functions that choose by `market.accounting`, from the text of the accountings' SQL."""
    quotes = dict(re.findall(r"^CREATE FUNCTION (\w+)_quote\(([^)]*)\)", accountings, re.MULTILINE))
    amounts = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_amount\(", accountings, re.MULTILINE)))
    healths = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_health\(", accountings, re.MULTILINE)))
    legs = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_legs\(", accountings, re.MULTILINE)))
    cases = " ".join(
        f"WHEN '{name}' THEN {name}_quote(s, t{', b' if parameters.count(',') == 2 else ''})"
        for name, parameters in sorted(quotes.items())
    )
    by_account = " ".join(f"WHEN '{name}' THEN {name}_amount(side, shares, basis, extra, s, q)" for name in amounts)
    owner = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_owner\(", accountings, re.MULTILINE)))
    owned = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_owned\(", accountings, re.MULTILINE)))
    by_protocol = " ".join(f"WHEN '{name}' THEN {name}_owner(chain, deployment, account, b)" for name in owner)
    owners = " UNION ALL ".join(f"SELECT * FROM {name}_owned(p_chain, p_block)" for name in owned)
    interests = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_interest\(s market_state\)", accountings, re.MULTILINE)))
    interest = " ".join(f"WHEN '{name}' THEN {name}_interest(s)" for name in interests)
    perps = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_perps\(", accountings, re.MULTILINE)))
    perp_markets = " UNION ALL ".join(f"SELECT * FROM {name}_perps(p_chain, p_block)" for name in perps)
    liquidations = " UNION ALL ".join(f"SELECT * FROM {name}_liquidations(p_chain, p_first, p_last)" for name in perps)
    filled = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_fill\(", accountings, re.MULTILINE)))
    fill = " ".join(f"WHEN '{name}' THEN {name}_fill(a, m)" for name in filled)
    internal = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_internal\(", accountings, re.MULTILINE)))
    rows = [f"SELECT * FROM {name}_health(p_chain, p_block{{account}})" for name in healths]
    union = "\n    UNION ALL ".join(rows)
    leveled = sorted(set(re.findall(r"^CREATE FUNCTION (\w+)_levels\(", accountings, re.MULTILINE)))
    levels = "\n    UNION ALL ".join(f"SELECT * FROM {name}_levels(p_chain, p_block)" for name in leveled)
    each = [f"SELECT * FROM {name}_legs(p_chain, p_block, p_accounts)" for name in legs]
    legs_union = "\n            UNION ALL ".join(each)
    return f"""
-- Generated from the accountings found. An accounting without rules gives NULL: amounts unknown, never guessed.
CREATE FUNCTION market_quote_of(accounting text, s market_state, t bigint, b bigint) RETURNS market_quote
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE accounting {cases} END;

-- Accountings whose amounts depend on more than shares and the market's quote (an account's own index or snapshot).
CREATE FUNCTION amounts_by_account(accounting text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN accounting = ANY (ARRAY[{", ".join(f"'{name}'" for name in amounts)}]::text[]);

CREATE FUNCTION position_amount_of(
    accounting text, side text, shares numeric, basis numeric, extra jsonb, s market_state, q market_quote
) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN {f"CASE accounting {by_account} END" if amounts else "NULL::numeric"};

-- NULL where the protocol knows of nobody else behind the account.
CREATE FUNCTION owner_of(protocol text, chain bigint, deployment bigint, account bytea, b bigint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN {f"CASE protocol {by_protocol} END" if owner else "NULL::text"};

CREATE FUNCTION owners_at(p_chain bigint, p_block bigint) RETURNS SETOF owner_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (e.chain_id, e.address) e.* FROM (
        SELECT o.chain_id, o.address, coalesce(hex(w.owner), o.owner_id), concat_ws('; ', o.evidence, w.evidence), o.confidence
        FROM (
            {owners or "SELECT (NULL::owner_row).* WHERE false"}
        ) o
        LEFT JOIN wallet_owners_at(p_chain, p_block) w ON w.chain_id = o.chain_id AND w.wallet = unhex(o.owner_id)
        UNION ALL SELECT w.chain_id, hex(w.wallet), hex(w.owner), w.evidence, 1 FROM wallet_owners_at(p_chain, p_block) w
        UNION ALL SELECT s.chain_id, hex(s.wallet), hex(s.wallet), s.evidence, 1 FROM shared_wallets_at(p_chain, p_block) s
    ) e (chain_id, address, owner_id, evidence, confidence)
    ORDER BY e.chain_id, e.address, e.evidence, e.owner_id
$$;

-- Open interest that a state of a market's books tells; NULL for accountings without.
CREATE FUNCTION interest_of(accounting text, s market_state) RETURNS perp_interest
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN {f"CASE accounting {interest} END" if interests else "NULL::perp_interest"};

CREATE FUNCTION perp_markets_at(p_chain bigint, p_block bigint) RETURNS SETOF perp_market_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    {perp_markets or "SELECT (NULL::perp_market_row).* WHERE false"}
$$;

CREATE FUNCTION perp_liquidations(p_chain bigint, p_first bigint, p_last bigint) RETURNS SETOF perp_liquidation_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    {liquidations or "SELECT (NULL::perp_liquidation_row).* WHERE false"}
$$;

-- An action of a perp venue in people's units; NULL where the venue's units are not known.
CREATE FUNCTION perp_fill_of(protocol text, a perp_action, m market) RETURNS perp_fill
LANGUAGE sql STABLE PARALLEL SAFE RETURN {f"CASE protocol {fill} END" if filled else "NULL::perp_fill"};

CREATE FUNCTION account_health(p_chain bigint, p_block bigint) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    {union.format(account="")}
$$;

-- Accountings that say who is how healthy, each with a function <accounting>_health.
CREATE FUNCTION lending_accountings() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ARRAY[{", ".join(f"'{name}'" for name in healths)}]::text[];

-- Books that a protocol keeps for itself (Maker's internal DAI and system debt): nobody's loan, no token held.
CREATE FUNCTION is_internal_book(accounting text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN accounting = ANY (ARRAY[{", ".join(f"'{name}'" for name in internal)}]::text[]);

CREATE FUNCTION account_health_of(p_chain bigint, p_block bigint, p_account bytea) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    {union.format(account=", ARRAY[p_account]")}
$$;

CREATE FUNCTION account_health_among(p_chain bigint, p_block bigint, p_accounts bytea[]) RETURNS SETOF account_health_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    {union.format(account=", p_accounts")}
$$;

CREATE FUNCTION risk_levels_at(p_chain bigint, p_block bigint) RETURNS SETOF risk_level_row
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    {levels or "SELECT (NULL::risk_level_row).* WHERE false"}
$$;

-- Every leg of every borrower (of p_accounts only, when given), one row a leg: risk_leg with names. See 50_legs.sql.
CREATE FUNCTION risk_legs_at(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)
RETURNS TABLE (
    chain_id bigint, deployment_key bigint, market_key bigint, as_of_block bigint, as_of_time timestamptz,
    protocol text, project text, version text, deployment text, market_id text, account text, owner text, side text,
    leg_market_key bigint, asset text, symbol text, units numeric, price_usd numeric, value_usd numeric, counts boolean,
    ltv numeric, liquidation_threshold numeric, liquidation_bonus numeric, emode integer, decides_raw numeric
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        l.chain_id, l.deployment_key, l.market_key, l.as_of_block, to_timestamp(l.as_of_time),
        d.protocol, d.project, d.version, d.name, m.market_id, hex(l.account),
        coalesce(owner_of(d.protocol, l.chain_id, l.deployment_key, l.account, l.as_of_block), hex(l.account)), l.side,
        l.leg_market_key, hex(l.asset), l.symbol, l.units, l.price_usd, l.value_usd, l.counts,
        l.ltv, l.liquidation_threshold, l.liquidation_bonus, l.emode, l.decides_raw
    FROM (
        SELECT u.*, bool_or(u.side = 'debt') OVER (
            PARTITION BY u.chain_id, u.deployment_key, u.market_key, u.account) AS borrows
        FROM (
            {legs_union}
        ) u
        WHERE p_accounts IS NULL OR u.account = ANY (p_accounts)
    ) l
    JOIN deployment d ON d.chain_id = l.chain_id AND d.deployment_key = l.deployment_key
    LEFT JOIN market m ON m.chain_id = l.chain_id AND m.market_key = l.market_key
    WHERE l.borrows
$$;
"""


def _raw(connection: Connection | psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Return the driver's connection: a script of many statements goes over the simple protocol only."""
    if isinstance(connection, psycopg.Connection):
        return connection
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _installed(cursor: psycopg.Cursor[Any]) -> tuple[str, list[str]]:
    """Return version and objects (`KIND name`, in order of creation) of what is installed, or nothing."""
    found = cursor.execute("SELECT to_regprocedure('leverage_sql()')::text").fetchone()
    if found is None or found[0] is None:
        return "", []
    row = cursor.execute("SELECT version, objects FROM leverage_sql()").fetchone()
    return (row[0], row[1]) if row else ("", [])


def _registry(version: str, objects: Iterable[tuple[str, str]]) -> str:
    names = ", ".join(f"'{kind} {name}'" for kind, name in objects)
    return (
        "CREATE FUNCTION leverage_sql(OUT version text, OUT objects text[]) LANGUAGE sql IMMUTABLE PARALLEL SAFE "
        f"RETURN ROW('{version}'::text, ARRAY[{names}]::text[]);"
    )


def _drop(cursor: psycopg.Cursor[Any]) -> None:
    """Drop what is installed, newest first, without CASCADE: nobody's own view disappears unasked."""
    objects = _installed(cursor)[1]
    ours = set(objects)
    if not ours:
        return
    cursor.execute("DROP FUNCTION leverage_sql()")
    for name in (entry.split()[1] for entry in reversed(objects) if entry.startswith("VIEW ")):
        cursor.execute(f"DROP VIEW {name}".encode())
    functions = [entry.split()[1] for entry in objects if entry.startswith("FUNCTION ")]
    rows = cursor.execute(
        "SELECT oid::regprocedure::text FROM pg_proc"
        " WHERE pronamespace = current_schema()::regnamespace AND proname = ANY (%s)",
        (functions,),
    ).fetchall()
    # SQL-standard bodies know what they call, so one statement drops them all, in any order.
    if rows:
        cursor.execute(("DROP FUNCTION " + ", ".join(row[0] for row in rows)).encode())
    for name in (entry.split()[1] for entry in reversed(objects) if entry.startswith("TYPE ")):
        cursor.execute(f"DROP TYPE {name}".encode())
