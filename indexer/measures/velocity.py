"""M4 and M5 over time: how fast debt grew over windows of 1, 7 and 30 days, why, and whether exponentially.

A window of w seconds ends with an interval. It begins at the last snapshot at or before w earlier; a deployment without
one owed nothing yet. The chain is the sum of its deployments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg

from indexer.aggregation.growth import LEAST_POINTS, Growth, exponential_growth
from indexer.aggregation.velocity import DAY, EXACT, Effects, Move, decompose, growth_rate, ratio_velocity, velocity
from indexer.measures.accounts import WHOLE_CHAIN, renew, scopes_of

if TYPE_CHECKING:
    from indexer.measures import Interval

Connection = psycopg.Connection[Any]

WINDOWS: Final = (DAY, 7 * DAY, 30 * DAY)

STANDING: Final[LiteralString] = """
SELECT n.at, s.deployment_key, s.market_key, s.block_number,
    s.debt_raw * unit_of(t.decimals), s.price_usd, s.supply_raw * unit_of(t.decimals),
    s.collateral_raw * unit_of(c.decimals), s.collateral_price_usd
FROM (
    SELECT w.at, d.deployment_key, (
        SELECT m.bucket FROM market_snapshot m
        WHERE m.chain_id = %(chain)s AND m.deployment_key = d.deployment_key AND m.bucket <= w.at
        ORDER BY m.bucket DESC LIMIT 1) AS bucket
    FROM unnest(%(deployments)s::bigint[]) d (deployment_key)
    CROSS JOIN unnest(%(times)s::bigint[]) w (at)
    OFFSET 0
) n
CROSS JOIN LATERAL (
    SELECT * FROM market_snapshot m
    WHERE m.chain_id = %(chain)s AND m.deployment_key = n.deployment_key AND m.bucket = n.bucket OFFSET 0
) s
JOIN market k ON k.chain_id = s.chain_id AND k.market_key = s.market_key
LEFT JOIN token t ON t.chain_id = k.chain_id AND t.address = k.asset
LEFT JOIN token c ON c.chain_id = k.chain_id AND c.address = k.collateral_asset
"""

FLOWS: Final[LiteralString] = """
SELECT w.seconds, s.market_key,
    s.borrowed * unit_of(t.decimals), s.repaid * unit_of(t.decimals), s.liquidated * unit_of(t.decimals),
    s.written_off * unit_of(t.decimals), s.migrated * unit_of(t.decimals), s.price_usd, s.collateral_price_usd
FROM unnest(%(deployments)s::bigint[]) d (deployment_key)
CROSS JOIN unnest(%(windows)s::bigint[]) w (seconds)
CROSS JOIN LATERAL (
    SELECT m.market_key, sum(m.borrowed_raw) AS borrowed, sum(m.repaid_raw) AS repaid, sum(m.liquidated_raw) AS liquidated,
        sum(m.written_off_raw) AS written_off, sum(m.migrated_raw) AS migrated,
        (array_agg(m.price_usd ORDER BY m.bucket) FILTER (WHERE m.price_usd IS NOT NULL))[1] AS price_usd,
        (array_agg(m.collateral_price_usd ORDER BY m.bucket) FILTER (WHERE m.collateral_price_usd IS NOT NULL))[1]
            AS collateral_price_usd
    FROM market_snapshot m
    WHERE m.chain_id = %(chain)s AND m.deployment_key = d.deployment_key
      AND m.bucket > %(bucket)s - w.seconds AND m.bucket <= %(bucket)s
    GROUP BY m.market_key OFFSET 0
) s
JOIN market k ON k.chain_id = %(chain)s AND k.market_key = s.market_key
LEFT JOIN token t ON t.chain_id = k.chain_id AND t.address = k.asset
"""

DEPLOYMENTS: Final[LiteralString] = "SELECT deployment_key FROM deployment WHERE chain_id = %(chain)s ORDER BY 1"

LEVERAGE: Final[LiteralString] = """
SELECT w.at, k.scope, l.leverage
FROM unnest(%(scopes)s::bigint[]) k (scope)
CROSS JOIN unnest(%(times)s::bigint[]) w (at)
CROSS JOIN LATERAL (
    SELECT ratio(s.assets_usd, s.assets_usd - s.debt_usd) AS leverage FROM leverage_scope_snapshot s
    WHERE s.chain_id = %(chain)s AND s.deployment_key = k.scope AND s.level = 'account' AND s.population = 'borrowers'
      AND s.pair_class = 'any' AND s.bucket <= w.at
    ORDER BY s.bucket DESC LIMIT 1
) l
"""

EARLIER: Final[LiteralString] = """
SELECT k.scope, w.seconds, e.change
FROM unnest(%(scopes)s::bigint[]) k (scope)
CROSS JOIN unnest(%(windows)s::bigint[]) w (seconds)
CROSS JOIN LATERAL (
    SELECT v.debt_usd - v.debt_before_usd AS change FROM leverage_velocity_snapshot v
    WHERE v.chain_id = %(chain)s AND v.deployment_key = k.scope AND v.window_s = w.seconds
      AND v.bucket <= %(bucket)s - w.seconds
    ORDER BY v.bucket DESC LIMIT 1
) e
"""

INSERT: Final[LiteralString] = (
    "INSERT INTO leverage_velocity_snapshot VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, "
    "%s, %s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class Stand:
    """A market at a snapshot: whole tokens and USD prices."""

    deployment: int
    block: int
    debt: Decimal | None
    price: Decimal | None
    supply: Decimal | None
    collateral: Decimal | None
    collateral_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Flow:
    """What moved a market's debt in a window, whole tokens; and its first known prices."""

    borrowed: Decimal | None
    repaid: Decimal | None
    liquidated: Decimal | None
    written_off: Decimal | None
    migrated: Decimal | None
    first_price: Decimal | None
    first_collateral_price: Decimal | None


Stands = Mapping[int, Stand]
"""By market."""

ZERO = Decimal(0)
STILL = Flow(ZERO, ZERO, ZERO, ZERO, ZERO, None, None)


def at_interval(connection: Connection, interval: Interval) -> None:
    """Write `leverage_velocity_snapshot` of the chain and of every deployment that is past the interval."""
    bucket, scopes = interval.bucket, scopes_of(interval)
    times = sorted({bucket - n * window for window in WINDOWS for n in range(LEAST_POINTS)})
    deployments = [key for (key,) in connection.execute(DEPLOYMENTS, {"chain": interval.chain_id}, prepare=True)]
    bound = {
        "deployments": deployments,
        "chain": interval.chain_id,
        "bucket": bucket,
        "times": times,
        "scopes": scopes,
        "windows": list(WINDOWS),
    }
    stands: dict[int, dict[int, Stand]] = defaultdict(dict)
    for at, deployment, market, block, *numbers in connection.execute(STANDING, bound, prepare=True):
        stands[at][market] = Stand(deployment, block, *numbers)
    flows: dict[int, dict[int, Flow]] = defaultdict(dict)
    for window, market, *numbers in connection.execute(FLOWS, bound, prepare=True):
        flows[window][market] = Flow(*numbers)
    leverage = {(scope, at): value for at, scope, value in connection.execute(LEVERAGE, bound, prepare=True)}
    earlier = {(s, w): change for s, w, change in connection.execute(EARLIER, bound, prepare=True)}
    renew(connection, "leverage_velocity_snapshot", None, interval)
    rows = []
    for scope in scopes:
        points = {at: _of(scope, found) for at, found in stands.items()}
        for window in WINDOWS:
            before, now = points.get(bucket - window, {}), points.get(bucket, {})
            found = decompose(_moves(before, now, flows[window]))
            rows.append((
                interval.chain_id, scope, bucket, window, interval.block_number, _last_block(before), *_effects(found),
                *_growths(before, now, flows[window], window),
                _number(ratio_velocity(leverage.get((scope, bucket - window)), leverage.get((scope, bucket)), window)),
                _acceleration(found, earlier.get((scope, window)), window),
                *_fit([points.get(bucket - n * window, {}) for n in reversed(range(LEAST_POINTS))], window),
            ))  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, rows)


def _of(scope: int, stands: Stands) -> Stands:
    if scope == WHOLE_CHAIN:
        return stands
    return {market: stand for market, stand in stands.items() if stand.deployment == scope}


def _last_block(stands: Stands) -> int | None:
    return max((stand.block for stand in stands.values()), default=None)


def _moves(before: Stands, now: Stands, flows: Mapping[int, Flow]) -> list[Move]:
    """Return what happened to each market's debt. Unknown decimals or totals leave the market without a price."""
    found = []
    for market in sorted(before.keys() | now.keys()):
        old, new, flow = before.get(market), now.get(market), flows.get(market, STILL)
        quantities = (
            old.debt if old else ZERO, new.debt if new else ZERO,
            flow.borrowed, flow.repaid, flow.liquidated, flow.written_off, flow.migrated,
        )  # fmt: skip
        if None in quantities:
            if (old is not None and old.debt is None) and (new is not None and new.debt is None):
                continue  # a market that knows no debt (collateral only, a perp's)
            found.append(Move(1, 1, None, None))
            continue
        q0, q1, borrowed, repaid, liquidated, written_off, migrated = (q or ZERO for q in quantities)
        p0 = old.price if old else None
        p1 = new.price if new else (flow.first_price if flow.first_price is not None else p0)
        found.append(Move(q0, q1, p0, p1, borrowed, repaid, liquidated, written_off, flow.first_price, migrated))
    return found


def _effects(found: Effects) -> tuple[Any, ...]:
    return (
        found.debt_0, found.debt_1, found.price, found.organic, found.forced, found.carry, found.migrated,
        found.n_unpriced, found.n_new,
    )  # fmt: skip


def _growths(
    before: Stands, now: Stands, flows: Mapping[int, Flow], window: int
) -> tuple[Decimal | None, Decimal | None]:
    """Return growth a day of debt and of equity, both at the prices of the window's start."""
    debts, equities = [ZERO, ZERO], [ZERO, ZERO]
    with localcontext(EXACT):
        for side, stands in enumerate((before, now)):
            for market, stand in stands.items():
                flow, old = flows.get(market, STILL), before.get(market)
                price = (old.price if old else None) or flow.first_price or ZERO
                pledged = (old.collateral_price if old else None) or flow.first_collateral_price or price
                debts[side] += (stand.debt or ZERO) * price
                equities[side] += ((stand.supply or ZERO) - (stand.debt or ZERO)) * price
                equities[side] += (stand.collateral or ZERO) * pledged
    return _number(growth_rate(debts[0], debts[1], window)), _number(growth_rate(equities[0], equities[1], window))


def _acceleration(found: Effects, earlier: Decimal | None, window: int) -> Decimal | None:
    if earlier is None:
        return None
    return _number((velocity(found.change, window) - velocity(earlier, window)) * DAY / window)


def _fit(points: list[Stands], window: int) -> tuple[Any, ...]:
    """Return beta, R2, both errors and the verdict over the debt at points one window apart, at the first known prices."""
    if not all(points):
        return (None, None, None, None, None)
    prices: dict[int, Decimal] = {}
    for stands in points:
        for market, stand in stands.items():
            if stand.price is not None:
                prices.setdefault(market, stand.price)
    values = [float(sum((s.debt or ZERO) * prices.get(m, ZERO) for m, s in stands.items())) for stands in points]
    found: Growth | None = exponential_growth(values, window / DAY)
    if found is None:
        return (None, None, None, None, None)
    fits = (found.beta, found.r2_log, found.sse_exp, found.sse_lin)
    return (*map(_number, fits), found.is_exponential)


def _number(value: Fraction | float | None) -> Decimal | None:
    """Return a ratio as a decimal of 15 significant digits, so that every machine stores the same."""
    if value is None:
        return None
    with localcontext() as context:
        context.prec = 15
        exact = Fraction(value)
        return Decimal(exact.numerator) / Decimal(exact.denominator)
