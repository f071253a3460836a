"""The perp venue: builders of its steps, makers, traders, the one who keeps mark and index together, and liquidations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .actor import Actor, Plan, pause
from .perp import TICK_SPACING, sqrt_price
from .world import MAX, Call, Step, World

LARGEST_MOVE = 0.07  # of the price in one trade: the exchange refuses a tenth in a block
NO_REFERRAL = bytes(32)


# ------------------------------------------------------------------------------------------------------- builders


def deposit(world: World, account: str, usd: float) -> Step:
    """Margin, minted and deposited."""
    amount = world.amount("USDC", usd)
    calls = (
        *world.fund(account, "USDC", amount).calls,
        *world.allow(account, "USDC", "Vault"),
        ("Vault", "deposit", (world.chain.contracts["USDC"], amount)),
    )
    return Step(account, calls, "perp_v2", "deposit", "USDC", str(amount))


def trade(world: World, account: str, market: str, quote: int) -> Step:
    """Buys the base token for `quote` vUSD (18 decimals), or sells as much for it when negative."""
    base, sells = world.chain.perp_markets[market].base, quote < 0
    arguments = (base, sells, not sells, abs(quote), 0, MAX, 0, NO_REFERRAL)
    call: Call = ("ClearingHouse", "openPosition", (arguments,))
    return Step(account, (call,), "perp_v2", "sell" if sells else "buy", market, str(abs(quote)), market=market)


def close(world: World, account: str, market: str) -> Step:
    """Gives the whole position back to the pool."""
    arguments = (world.chain.perp_markets[market].base, 0, 0, MAX, NO_REFERRAL)
    call: Call = ("ClearingHouse", "closePosition", (arguments,))
    return Step(account, (call,), "perp_v2", "close", market, market=market)


def withdraw(world: World, account: str, share: float) -> Step | None:
    """Takes `share` of the free margin out, None where there is none."""
    free = int(world.chain.view("Vault", "getFreeCollateral", account) * share)
    if not free:
        return None
    call: Call = ("Vault", "withdraw", (world.chain.contracts["USDC"], free))
    return Step(account, (call,), "perp_v2", "withdraw", "USDC", str(free))


def provide(world: World, account: str, market: str, usd: float, low: float, high: float) -> Step:
    """An order over a range of prices, given as shares of the index price; half of `usd` on either side."""
    pair = world.chain.perp_markets[market]
    price = world.price[pair.follows] / 1e8

    def tick(at: float) -> int:
        return round(math.log(price * at) / math.log(1.0001) / TICK_SPACING) * TICK_SPACING

    base, quote = int(usd / 2 / price * 1e18), int(usd / 2 * 1e18)
    arguments = (pair.base, base, quote, tick(low), tick(high), 0, 0, False, MAX)
    call: Call = ("ClearingHouse", "addLiquidity", (arguments,))
    return Step(account, (call,), "perp_v2", "add_liquidity", market, str(quote), market=market)


# --------------------------------------------------------------------------------------------------------- looking


def position(world: World, account: str, market: str) -> tuple[int, int]:
    """A taker's signed size and open notional."""
    base = world.chain.perp_markets[market].base
    asked = [("AccountBalance", f"getTaker{what}", (account, base)) for what in ("PositionSize", "OpenNotional")]
    size, notional = world.chain.views(asked)
    return size, notional


def gap(world: World, market: str) -> float:
    """How far the pool's price is above the index price that the scenario has in mind, as a fraction."""
    pair = world.chain.perp_markets[market]
    root = world.chain.view(f"UniswapV3Pool {market}", "slot0")[0]
    return float((root / sqrt_price(world.price[pair.follows])) ** 2 - 1)


# ---------------------------------------------------------------------------------------------------------- plans


def trader(world: World, actor: Actor) -> Plan:
    """Margin, a position, then some of: more, less, over to the other side, out, money out and in again."""
    me, rng = actor.account, world.rng
    market = rng.choice(list(world.chain.perp_markets))
    long = actor.role == "perp_long"
    leverage = rng.uniform(4.5, 8.5) if long else rng.uniform(1.5, 5)
    sign = 1 if long else -1
    yield deposit(world, me, actor.equity_usd)
    if not (yield trade(world, me, market, sign * int(actor.equity_usd * leverage * 1e18))):
        yield trade(world, me, market, sign * int(actor.equity_usd * 2 * 1e18))
    for _ in range(rng.randrange(2, 7)):
        yield from pause(actor, rng.randrange(8, 30))
        size, notional = position(world, me, market)
        roll = rng.random()
        if size == 0 or roll < 0.15:
            yield deposit(world, me, actor.equity_usd * 0.3)
            yield trade(world, me, market, sign * int(actor.equity_usd * 1.2 * 1e18))
        elif roll < 0.5:
            yield trade(world, me, market, sign * abs(notional) // 6)
        elif roll < 0.85:
            yield trade(world, me, market, -sign * abs(notional) // 5)
        elif (step := withdraw(world, me, 0.5)) is not None:
            yield step
    if rng.random() < (0.15 if long else 0.35):
        yield from pause(actor, rng.randrange(20, 60))
        actor.closed = bool((yield close(world, me, market)))
        if (step := withdraw(world, me, 0.999)) is not None:
            yield step


# --------------------------------------------------------------------------------------------- arbitrage, liquidation


def arbitrage(world: World, account: str, market: str, tolerated: float = 0.006) -> Step | None:
    """Pulls the pool's price most of the way to the index where it is off by more than `tolerated`."""
    off = gap(world, market)
    if abs(off) < tolerated:
        return None
    name = f"UniswapV3Pool {market}"
    root, liquidity = world.chain.views([(name, "slot0", ()), (name, "liquidity", ())])
    wanted = max(-LARGEST_MOVE, min(LARGEST_MOVE, 1 / (1 + off * 0.8) - 1))
    moved = root[0] * (math.sqrt(1 + wanted) - 1)
    quote = int(liquidity * moved / 2**96)
    return trade(world, account, market, quote)


@dataclass
class Fallen:
    """A liquidation about to happen."""

    step: Step
    story: dict[str, Any]


def find_fallen(world: World, traders: Sequence[str], liquidator: str, most: int = 2) -> list[Fallen]:
    """Traders whose account value is below what their positions require."""
    chain, found = world.chain, []
    asked: list[tuple[str, str, tuple[str, ...]]] = []
    for account in traders:
        asked.append(("ClearingHouse", "getAccountValue", (account,)))
        asked.append(("AccountBalance", "getMarginRequirementForLiquidation", (account,)))
    answers = chain.views(asked)
    for account, value, needed in zip(traders, answers[::2], answers[1::2], strict=True):
        if not needed or value >= needed:
            continue
        for market, pair in chain.perp_markets.items():
            size, notional = position(world, account, market)
            if size and len(found) < most:
                call: Call = ("ClearingHouse", "liquidate(address,address)", (account, pair.base))
                story = {"protocol": "perp_v2", "market": market, "trader": account, "liquidator": liquidator}
                story |= {"size_before": str(size), "open_notional_before": str(notional)}
                found.append(Fallen(Step(liquidator, (call,)), story))
    return found


def worth(world: World, account: str) -> dict[str, Any]:
    """What the contracts say that an account has at the venue."""
    chain = world.chain
    found: dict[str, Any] = {}
    for market in chain.perp_markets:
        size, notional = position(world, account, market)
        if size:
            found[market] = {"size": str(size), "open_notional": str(notional)}
    balance, value = chain.views(
        [("Vault", "getBalance", (account,)), ("ClearingHouse", "getAccountValue", (account,))]
    )
    if not found and not balance:
        return {}
    return {"positions": found, "margin": str(balance), "account_value": str(value)}
