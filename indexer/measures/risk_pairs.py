"""M12 at the head: of every liquidatable row of `risk_head` the pair that pays most, how much, and what may stand against it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any, Final, LiteralString, NamedTuple

import psycopg

from indexer.aggregation import liquidation
from indexer.aggregation.liquidation import Account, Collateral, Debt, Liquidation

Connection = psycopg.Connection[Any]

LIQUIDATABLE: Final[LiteralString] = """
SELECT r.deployment_key, r.scope, r.account, r.health_factor
FROM risk_head r
WHERE r.chain_id = %(chain)s AND r.deployment_key = ANY(%(keys)s) AND r.is_open AND r.is_liquidatable
  AND r.as_of_block = %(block)s
"""

LEGS: Final[LiteralString] = """
SELECT l.deployment_key, coalesce(l.market_key, 0), unhex(l.account), l.protocol, l.side, l.asset, l.units, l.price_usd, l.counts,
       l.liquidation_threshold, l.liquidation_bonus, l.leg_market_key, l.decides_raw
FROM risk_legs_at(%(chain)s, %(block)s, %(accounts)s::bytea[]) l
WHERE l.deployment_key = ANY(%(keys)s)
"""

MARKETS: Final[LiteralString] = """
SELECT m.market_key, m.deployment_key, t.decimals, ct.decimals, s.regime, v.value_text,
       bool_or(p.value_raw = 1) FILTER (WHERE p.name = 'is_paused'), bool_or(p.value_raw = 0) FILTER (WHERE p.name = 'is_active'),
       max(p.value_raw) FILTER (WHERE p.name = 'liquidation_grace_period_until'),
       max(p.value_raw) FILTER (WHERE p.name = 'max_liquidation_discount_bps'),
       max(p.value_raw) FILTER (WHERE p.name = 'close_factor_raw'), o.block_number, m.asset = m.collateral_asset
FROM market m
LEFT JOIN token t ON t.chain_id = m.chain_id AND t.address = m.asset
LEFT JOIN token ct ON ct.chain_id = m.chain_id AND ct.address = m.collateral_asset
LEFT JOIN LATERAL (
    SELECT s.regime FROM market_state s
    WHERE s.chain_id = m.chain_id AND s.market_key = m.market_key AND s.block_number <= %(block)s
    ORDER BY s.block_number DESC LIMIT 1
) s ON true
LEFT JOIN LATERAL (
    SELECT p.value_text FROM param p
    WHERE p.chain_id = m.chain_id AND p.subject = m.deployment_key AND p.name = 'contract_version' AND p.block_number <= %(block)s
    ORDER BY p.block_number DESC, p.log_index DESC LIMIT 1
) v ON true
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (p.subject, p.name) p.name, p.value_raw FROM param p
    WHERE p.chain_id = m.chain_id AND p.subject IN (m.market_key, m.deployment_key) AND p.qualifier = ''
      AND p.block_number <= %(block)s
      AND p.name IN ('is_paused', 'is_active', 'liquidation_grace_period_until', 'max_liquidation_discount_bps', 'close_factor_raw')
    ORDER BY p.subject, p.name, p.block_number DESC, p.log_index DESC
) p ON true
LEFT JOIN LATERAL (
    SELECT x.block_number FROM price x
    WHERE x.chain_id = m.chain_id AND x.asset = coalesce(m.collateral_asset, m.asset) AND x.block_number <= %(block)s
      AND x.feed = coalesce(m.oracle, (
          SELECT unhex(q.value_text) FROM param q
          WHERE q.chain_id = m.chain_id AND q.subject = m.deployment_key AND q.name = 'price_oracle' AND q.qualifier = ''
            AND q.block_number <= %(block)s
          ORDER BY q.block_number DESC, q.log_index DESC LIMIT 1))
    ORDER BY x.block_number DESC LIMIT 1
) o ON true
WHERE m.chain_id = %(chain)s AND m.market_key = ANY(%(markets)s)
GROUP BY m.market_key, m.deployment_key, t.decimals, ct.decimals, s.regime, v.value_text, o.block_number, m.asset,
    m.collateral_asset
"""


class Market(NamedTuple):
    """What about a market decides how a liquidation goes."""

    decimals: int | None
    collateral_decimals: int | None
    regime: str | None
    version: str | None
    is_paused: bool | None
    is_inactive: bool | None
    grace_until: int | None
    max_discount_bps: Decimal | None
    close_factor_raw: Decimal | None
    oracle_block: int | None
    same_token: bool | None


class Leg(NamedTuple):
    """A row of LEGS after its key."""

    protocol: str
    side: str
    asset: str
    units: Decimal | None
    price_usd: Decimal | None
    counts: bool
    threshold: Decimal | None
    bonus: Decimal | None
    market: int
    decides_raw: Decimal | None


def fill(connection: Connection, chain: int, block: int, keys: list[int]) -> None:
    """Write pair, sizes, profit and what blocks it into the liquidatable rows of a block."""
    span: dict[str, Any] = {"chain": chain, "block": block, "keys": keys}
    rows = connection.execute(LIQUIDATABLE, span).fetchall()
    if not rows:
        return
    legs: dict[tuple[int, int, bytes], list[Leg]] = {}
    accounts = sorted({row[2] for row in rows})
    for key, scope, account, *leg in connection.execute(LEGS, {**span, "accounts": accounts}, prepare=False):
        legs.setdefault((key, scope, account), []).append(Leg(*leg))
    wanted = {leg.market for found in legs.values() for leg in found}
    markets = {
        row[0]: Market(*row[2:])
        for row in connection.execute(MARKETS, {**span, "markets": sorted(wanted)}, prepare=False)
    }
    stamp = connection.execute("SELECT block_time_of(%s, %s)", (chain, block)).fetchone()
    assert stamp is not None
    changes = []
    for key, scope, account, factor in rows:
        found = of_account(legs.get((key, scope, account), []), markets, factor, stamp[0])
        if found is not None:
            changes.append((*found, chain, key, scope, account))
    connection.cursor().executemany(
        "UPDATE risk_head SET best_debt_asset = %s, best_collateral_asset = %s, max_repay_raw = %s, seize_raw = %s, "
        "max_repay_usd = %s, est_profit_usd = %s, health_factor_after = %s, blocked_reason = %s, oracle_block = %s "
        "WHERE chain_id = %s AND deployment_key = %s AND scope = %s AND account = %s",
        changes,
    )


def of_account(legs: list[Leg], markets: dict[int, Market], factor: Decimal | None, now: int) -> tuple[Any, ...] | None:
    """Return the columns of one account, None where nothing can be said: no price, no collateral."""
    if factor is None or not legs:
        return None
    protocol = legs[0].protocol
    debts = {(leg.asset, leg.market): leg for leg in legs if leg.side == "debt" and leg.units and leg.price_usd}
    backing = {
        (leg.asset, leg.market): leg
        for leg in legs
        if leg.side != "debt" and leg.counts and leg.units and leg.price_usd
    }
    account = Account(
        tuple(Debt(_name(*key), _number(leg.units), _number(leg.price_usd)) for key, leg in debts.items()),
        tuple(
            Collateral(
                _name(*key), _number(leg.units), _price(leg, debts.values(), markets), leg.threshold or Decimal(0),
                _bonus(leg, markets[leg.market], debts.values(), markets, factor),
            )
            for key, leg in backing.items()
        ),
        factor,
    )  # fmt: skip
    best = _best(protocol, account, [markets[leg.market] for leg in legs])
    if best is None:
        return None
    debt = next(leg for key, leg in debts.items() if _name(*key) == best.debt_asset)
    collateral = next(leg for key, leg in backing.items() if _name(*key) == best.collateral_asset)
    pair = [markets[debt.market], markets[collateral.market]]
    owed = pair[0].decimals
    taken = (
        pair[1].collateral_decimals
        if collateral.side == "collateral" and pair[1].collateral_decimals is not None
        else pair[1].decimals
    )
    prices = [
        market.oracle_block for market in (markets[leg.market] for leg in legs) if market.oracle_block is not None
    ]
    return (
        debt.asset, collateral.asset,
        None if owed is None else _repay_raw(best, debt, collateral, owed, taken),
        None if taken is None else liquidation.base_units(best.seize, taken),
        round(best.repay_usd, 18), round(best.profit_usd, 18),
        None if best.health_factor_after is None else round(best.health_factor_after, 18),
        liquidation.blocked_reason(
            paused=[market.is_paused for market in pair], inactive=[market.is_inactive for market in pair],
            grace_until=[None if market.grace_until is None else int(market.grace_until) for market in pair], now=now,
        ),
        min(prices, default=None),
    )  # fmt: skip


def rule_of(protocol: str, markets: Iterable[Market]) -> liquidation.Rule | None:
    """Return the size rule of an account's protocol and version; None where the whole account goes."""
    first = next(iter(markets))
    if protocol in ("aave_v3", "spark"):
        return liquidation.RULES["aave_v33" if _since_33(first) else "aave_v3"]
    if protocol in ("compound_v2", "moonwell") and first.close_factor_raw is not None:
        return liquidation.compound_repay_usd(first.close_factor_raw.scaleb(-18))
    return liquidation.RULES.get("compound_v2" if protocol == "moonwell" else protocol)


def _since_33(market: Market) -> bool:
    """Tell whether an Aave pool has 3.3's close factor: by its version where that is known, else by its arithmetic."""
    if market.version:
        major, minor = [*market.version.split("."), "0"][:2]
        return (int(major), int(minor)) >= (3, 3)
    return market.regime in ("half_up_b", "directed_b")


def _best(protocol: str, account: Account, markets: list[Market]) -> Liquidation | None:
    rule = rule_of(protocol, markets)
    return liquidation.whole_account(account) if rule is None else liquidation.best_pair(account, rule)


def _bonus(leg: Leg, market: Market, debts: Iterable[Leg], markets: dict[int, Market], factor: Decimal) -> Decimal:
    """The leg's own bonus; Euler's comes from health and the debt vault's greatest discount; unknown is none."""
    if leg.protocol == "euler_v2":
        discounts = [markets[debt.market].max_discount_bps for debt in debts]
        known = [discount for discount in discounts if discount is not None]
        return liquidation.euler_bonus(factor, known[0].scaleb(-4)) if known else Decimal(0)
    return leg.bonus or Decimal(0)


CAPS: Final = ("aave_v2", "aave_v3", "spark")
"""Protocols whose contract takes no more than the collateral is worth when it is told to repay more."""


def _repay_raw(best: Liquidation, debt: Leg, collateral: Leg, owed: int, taken: int | None) -> int:
    """What to repay in base units: rounded down, but where all collateral goes and the contract caps, a hair above.

    Aave 3.3 and later refuse a liquidation that leaves dust, and one base unit too little leaves some.
    """
    if debt.protocol not in CAPS or taken is None or best.seize < _number(collateral.units):
        return liquidation.base_units(best.repay, owed)
    hair = 3 * best.repay / best.seize * Decimal(1).scaleb(-taken)  # three base units of collateral
    return min(liquidation.base_units(best.repay + hair, owed) + 1, liquidation.base_units(_number(debt.units), owed))


def _price(leg: Leg, debts: Iterable[Leg], markets: dict[int, Market]) -> Decimal:
    """USD of one unit of collateral; Morpho seizes by its market's own oracle, which need not agree with the books' price."""
    books = _number(leg.price_usd)
    debt = next(iter(debts), None)
    decimals = None if debt is None else markets[debt.market].decimals
    if leg.protocol != "morpho_blue" or debt is None or not leg.decides_raw or not leg.threshold or decimals is None:
        return books
    with localcontext(prec=30):  # short enough that amount * price / price is the amount again
        worth = (leg.decides_raw / leg.threshold).scaleb(-decimals)  # in the loan token
        return worth * _number(debt.price_usd) / _number(leg.units)


def _name(asset: str, market: int) -> str:
    """An asset may be in two markets (Euler vaults)."""
    return f"{asset}:{market}"


def _number(value: Decimal | None) -> Decimal:
    assert value is not None
    return value
