"""M12 at the head: `risk_head`, one row a borrower and risk scope, kept so that a block costs what changed.

Looked at anew in every block at the head
  a  accounts with a change of balance or setting
  b  accounts of markets and deployments with a changed parameter, or a price that became known
  c  accounts whose health factor may be below EDGE by now (`indexer.aggregation.pressure`): with them, every row below EDGE
     is exact as of the head, and nobody is missing
  d  the oldest LAZY rows, so that no row grows old for ever

Everything else keeps its own `as_of_block`. A backfill does not keep the table: the first block at the head catches up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg
from psycopg import sql

from indexer.aggregation.pressure import Level, became_known, highest_unit, step_pressure, worst_safe_until
from indexer.measures import risk_pairs, risk_rows

if TYPE_CHECKING:
    from indexer.measures import Committed

Connection = psycopg.Connection[Any]
Scope = tuple[int, int]
"""Deployment key, and market_key or 0."""

EDGE: Final = Decimal("1.05")
"""Rows with a health factor below it are exact as of the head."""

LAZY: Final = 25
"""Oldest rows that a block looks at besides."""

WHOLE: Final = 0.3
"""From this share of all rows on, everything is computed anew: cheaper than picking them one by one."""

IGNORED: Final = (
    "supply_cap", "borrow_cap", "reserve_factor_bps", "liquidation_protocol_fee_bps", "debt_ceiling", "flash_premium_bps",
    "flash_loan_enabled", "supply_cap_raw", "borrow_cap_raw",
)  # fmt: skip
"""Parameters that no health factor depends on."""


@dataclass(frozen=True, slots=True)
class Since:
    """What the table holds of: the last head that it was kept at, and that head's second."""

    block_number: int
    block_timestamp: int


def at_step(connection: Connection, step: Committed) -> None:
    """Bring `risk_head` of the protocols that moved to the head `step.last`. Nothing below the head."""
    if not step.at_head:
        return
    keys = [
        row[0]
        for row in connection.execute(
            "SELECT deployment_key FROM deployment WHERE chain_id = %s AND kind = 'lending' AND protocol = ANY(%s)",
            (step.chain_id, list(step.protocols)),
        )
    ]
    if not keys:
        return
    chain, last = step.chain_id, step.last
    # planning the statements over all accountings takes ten times as long as running them for a block's accounts
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    found = risk_rows.ways(connection, chain, keys)
    since = _since(connection, chain, keys)
    told = _take_levels(connection, chain, last, keys, since, found.levels)
    accounts = None if since is None else _changed(connection, chain, keys, since, last, told)
    risk_rows.write(connection, chain, last, keys, accounts, found)
    risk_pairs.fill(connection, chain, last, keys)
    connection.execute(
        "INSERT INTO risk_head_state (chain_id, deployment_key, block_number, block_timestamp, is_current) "
        "SELECT %(chain)s, k, %(block)s, block_time_of(%(chain)s, %(block)s), true FROM unnest(%(keys)s::bigint[]) k "
        "ON CONFLICT (chain_id, deployment_key) DO UPDATE SET block_number = excluded.block_number, "
        "block_timestamp = excluded.block_timestamp, is_current = true",
        {"chain": chain, "block": last, "keys": keys},
    )


def undo(connection: Connection, chain_id: int, ancestor: int) -> None:
    """Mark what was computed above `ancestor` to be looked at again at the next head; nobody reads the table until then."""
    header = connection.execute(
        "SELECT block_timestamp FROM block WHERE chain_id = %s AND block_number = %s", (chain_id, ancestor)
    ).fetchone()
    if header is None:  # nothing is known of that block: build anew
        from indexer.store.schema_risk import AT_HEAD  # SQLAlchemy: not at every start

        for table in AT_HEAD:
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE chain_id = %s").format(sql.Identifier(table.name)), (chain_id,)
            )
        return
    # closed rows above it too: their accounts may owe again
    connection.execute(
        "UPDATE risk_head SET is_open = true, safe_until = '-Infinity' WHERE chain_id = %s AND as_of_block > %s",
        (chain_id, ancestor),
    )
    connection.execute(
        "UPDATE risk_head_state SET block_number = %(ancestor)s, block_timestamp = %(time)s, is_current = false "
        "WHERE chain_id = %(chain)s AND block_number > %(ancestor)s",
        {"chain": chain_id, "ancestor": ancestor, "time": header[0]},
    )


def _since(connection: Connection, chain: int, keys: list[int]) -> Since | None:
    """Return what the rows of these deployments hold of, the oldest of them; None when one was never built."""
    rows = connection.execute(
        "SELECT block_number, block_timestamp FROM risk_head_state WHERE chain_id = %s AND deployment_key = ANY(%s)",
        (chain, keys),
    ).fetchall()
    return Since(*min(rows)) if len(rows) == len(keys) else None


# ----------------------------------------------------------------------------------------------------- pressure


@dataclass(frozen=True, slots=True)
class Told:
    """What a step's levels say: pressure of each scope now, and scopes in which something became known."""

    pressure: Mapping[Scope, float]
    known: frozenset[Scope]


def _take_levels(
    connection: Connection, chain: int, last: int, keys: list[int], since: Since | None, functions: list[str]
) -> Told:
    """Add the step's pressure to every scope, and keep the levels that the next step is measured from."""
    before: dict[Scope, dict[str, Level]] = {}
    now: dict[Scope, dict[str, Level]] = {}
    units: dict[Scope, list[Decimal | None]] = {}
    for key, scope, item, *level in connection.execute(
        "SELECT deployment_key, scope, item, collateral_level, debt_level, growth_level, debt_rate FROM risk_level "
        "WHERE chain_id = %s AND deployment_key = ANY(%s)", (chain, keys),
    ):  # fmt: skip
        before.setdefault((key, scope), {})[item] = Level(*level)
    for key, scope, item, *level, unit in _rows(
        connection,
        "SELECT l.deployment_key, l.scope, l.item, l.collateral_level, l.debt_level, l.growth_level, l.debt_rate, l.unit_value "
        "FROM ({}) l WHERE l.deployment_key = ANY(%(keys)s)",
        functions, "%(chain)s, %(block)s", {"chain": chain, "block": last, "keys": keys},
    ):  # fmt: skip
        now.setdefault((key, scope), {})[item] = Level(*level)
        units.setdefault((key, scope), []).append(unit)
    seconds = 0 if since is None else _seconds(connection, chain, last) - since.block_timestamp
    added = {scope: step_pressure(before.get(scope, {}), levels, seconds) for scope, levels in now.items()}
    known = {scope for scope, levels in now.items() if became_known(before.get(scope, {}), levels)}
    # isolated markets: anything that was booked there may have made its amounts known
    known |= {scope for scope, levels in now.items() if scope[1] and levels != before.get(scope)}
    rows = connection.cursor()
    rows.executemany(
        "INSERT INTO risk_pressure (chain_id, deployment_key, scope, pressure, unit_value) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (chain_id, deployment_key, scope) DO UPDATE SET "
        "pressure = risk_pressure.pressure + excluded.pressure, unit_value = excluded.unit_value",
        [(chain, *scope, _finite(added[scope]), highest_unit(units[scope])) for scope in now],
    )
    rows.executemany(
        "INSERT INTO risk_level (chain_id, deployment_key, scope, item, collateral_level, debt_level, growth_level, debt_rate) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (chain_id, deployment_key, scope, item) DO UPDATE SET "
        "collateral_level = excluded.collateral_level, debt_level = excluded.debt_level, "
        "growth_level = excluded.growth_level, debt_rate = excluded.debt_rate",
        [
            (chain, *scope, item, *level)
            for scope, levels in now.items()
            for item, level in levels.items()
            if before.get(scope, {}).get(item) != level
        ],
    )
    pressure = {
        (key, scope): value
        for key, scope, value in connection.execute(
            "SELECT deployment_key, scope, pressure FROM risk_pressure WHERE chain_id = %s AND deployment_key = ANY(%s)",
            (chain, keys),
        )
    }
    return Told(pressure, frozenset(known))


def _rows(
    connection: Connection,
    query: LiteralString,
    functions: list[str],
    arguments: LiteralString,
    parameters: dict[str, Any],
) -> list[tuple[Any, ...]]:
    if not functions:
        return []
    return connection.execute(sql.SQL(query).format(risk_rows.union(functions, arguments)), parameters).fetchall()


def _finite(pressure: float) -> float:
    """A price that fell to zero can have done anything: more than any health factor holds."""
    return min(pressure, 1e3)


def _seconds(connection: Connection, chain: int, block: int) -> int:
    row = connection.execute("SELECT block_time_of(%s, %s)", (chain, block)).fetchone()
    assert row is not None
    return int(row[0])


# --------------------------------------------------------------------------------------------------- candidates

TOUCHED: Final[LiteralString] = """
SELECT c.account FROM position_change c
WHERE c.chain_id = %(chain)s AND c.block_number > {since} AND c.block_number <= {last}
UNION
SELECT s.account FROM account_setting s
WHERE s.chain_id = %(chain)s AND s.block_number > {since} AND s.block_number <= {last}
"""
"""Its bounds are written out: a plan for any bounds reads the whole table."""

SET_ANEW: Final[LiteralString] = """
SELECT DISTINCT p.account
FROM (
    SELECT DISTINCT p.subject FROM param p
    WHERE p.chain_id = %(chain)s AND p.block_number > %(since)s AND p.block_number <= %(last)s AND NOT p.name = ANY(%(ignored)s)
) c
JOIN market m ON m.chain_id = %(chain)s AND c.subject IN (m.market_key, m.deployment_key)
JOIN position p ON p.chain_id = m.chain_id AND p.market_key = m.market_key
WHERE m.deployment_key = ANY(%(keys)s)
"""

BELOW: Final[LiteralString] = """
SELECT r.account
FROM unnest(%(keys)s::bigint[], %(scopes)s::bigint[], %(worst)s::float8[]) w (deployment_key, scope, worst)
CROSS JOIN LATERAL (
    SELECT r.account FROM risk_head r
    WHERE r.chain_id = %(chain)s AND r.deployment_key = w.deployment_key AND r.scope = w.scope AND r.is_open
      AND r.safe_until < w.worst
) r
"""

POOLED_OR_UNBOUNDED: Final[LiteralString] = """
SELECT r.account FROM risk_head r
WHERE r.chain_id = %(chain)s AND r.deployment_key = ANY(%(keys)s) AND r.is_open AND r.safe_until = '-Infinity'
"""

UNPRICED: Final[LiteralString] = """
SELECT r.account
FROM unnest(%(keys)s::bigint[], %(scopes)s::bigint[]) w (deployment_key, scope)
JOIN risk_head r ON r.chain_id = %(chain)s AND r.deployment_key = w.deployment_key AND (w.scope = 0 OR r.scope = w.scope)
    AND r.is_open AND r.safe_until IS NULL
"""

OLDEST: Final[LiteralString] = """
SELECT r.account FROM risk_head r WHERE r.chain_id = %(chain)s AND r.is_open ORDER BY r.as_of_block LIMIT %(lazy)s
"""


def _changed(
    connection: Connection, chain: int, keys: list[int], since: Since, last: int, told: Told
) -> list[bytes] | None:
    """Return the accounts to look at, None for everybody."""
    worst = {scope: worst_safe_until(float(EDGE), value) for scope, value in told.pressure.items()}
    span: dict[str, object] = {"chain": chain, "since": since.block_number, "last": last, "keys": keys}
    found: set[bytes] = set()

    def add(query: sql.Composed | LiteralString, **more: object) -> None:
        found.update(row[0] for row in connection.execute(query, {**span, **more}))

    add(sql.SQL(TOUCHED).format(since=sql.Literal(since.block_number), last=sql.Literal(last)))
    add(SET_ANEW, ignored=list(IGNORED))
    add(BELOW, **_columns(worst), worst=list(worst.values()))
    add(POOLED_OR_UNBOUNDED)
    if told.known:
        add(UNPRICED, **_columns(told.known))
    add(OLDEST, lazy=LAZY)
    row = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM risk_head WHERE chain_id = %s AND is_open LIMIT %s) few",
        (chain, int(len(found) / WHOLE) + 1),
    ).fetchone()
    return None if row and row[0] <= len(found) / WHOLE and len(found) > 1_000 else sorted(found)


def _columns(scopes: Iterable[Scope]) -> dict[str, object]:
    pairs = list(scopes)
    return {"keys": [key for key, _ in pairs], "scopes": [scope for _, scope in pairs]}
