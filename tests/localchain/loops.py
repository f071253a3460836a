"""Plans of the accounts that do loop, in every form.

A plan yields steps and is sent back whether the step went through. It is the only place that knows the truth:
which legs the cycle has and how many turns were really walked.
"""

from __future__ import annotations

from typing import Any

from .actor import Actor, Plan, money, rest
from .world import MAX, Call, Step, World


def _leg(protocol: str, collateral: str | None, debt: str | None, market: str | None = None) -> dict[str, Any]:
    return {"protocol": protocol, "market": market, "collateral": collateral, "debt": debt}


AAVE_PAIRS = [
    ("wstETH", "WETH", 1),
    ("sDAI", "USDC", 2),
    ("WETH", "USDC", 0),
    ("WBTC", "DAI", 0),
    ("wstETH", "USDC", 0),
]
MORPHO_PAIRS = ["wstETH/WETH", "wstETH/USDC", "sDAI/DAI", "sDAI/USDC", "WETH/USDC"]


def _turn_aave(world: World, actor: Actor, collateral: str, debt: str, share: float) -> Plan:
    """Borrow, convert, supply again."""
    me = actor.account
    borrowed = world.room(me, debt, share)
    if borrowed < 10 or not (yield world.borrow(me, debt, borrowed)):
        return
    yield world.convert(me, debt, collateral, borrowed)
    if (yield world.supply(me, collateral, world.balance(me, collateral))):
        actor.turns_done += 1


def aave_loop(world: World, actor: Actor) -> Plan:
    """Supply and borrow the same pair again and again, one transaction at a time."""
    me, (collateral, debt, category) = actor.account, world.rng.choice(AAVE_PAIRS)
    actor.cycle.append(_leg("aave_v3", collateral, debt))
    yield from money(world, actor, collateral, actor.equity_usd)
    yield world.supply(me, collateral, world.balance(me, collateral))
    if category:
        yield world.set_emode(me, category)
    share = world.rng.uniform(0.82, 0.97)
    for _ in range(actor.turns_planned):
        yield from _turn_aave(world, actor, collateral, debt, share)
    if world.rng.random() < 0.4:
        yield from _unwind_aave(world, actor, collateral, debt, world.rng.random() < 0.5)


def _unwind_aave(world: World, actor: Actor, collateral: str, debt: str, fully: bool) -> Plan:
    """Withdraw, convert, repay, until nothing is owed (or twice)."""
    me = actor.account
    actor.partly_unwound = True
    for turn in range(12):
        owed = world.debt(me, debt)
        if owed == 0 or (not fully and turn == 2):
            break
        free = int(world.room(me, collateral, 0.7))
        take = min(free, world.amount(collateral, world.usd(debt, owed) * 1.02) + 1)
        if take < 10 or not (yield world.withdraw(me, collateral, take)):
            break
        yield world.convert(me, collateral, debt, take)
        mine = world.balance(me, debt)
        if not (yield world.repay(me, debt, MAX if mine > owed else mine)):
            break
    if fully and world.debt(me, debt) == 0:
        actor.closed = bool((yield world.withdraw(me, collateral, MAX)))


def aave_flash_loop(world: World, actor: Actor) -> Plan:
    """Opened in one transaction by a flash loan; sometimes closed the same way."""
    me, (collateral, debt, category) = actor.account, world.rng.choice(AAVE_PAIRS[:3])
    actor.cycle.append(_leg("aave_v3", collateral, debt))
    yield from money(world, actor, collateral, actor.equity_usd)
    if category:
        yield world.set_emode(me, category)
    equity = world.balance(me, collateral)
    times = 6 if category else 1.6
    loan = int(world.amount(debt, world.usd(collateral, equity) * times))
    how = world.rng.choice(("open", "openAsDebt"))
    looper, assets = (
        world.chain.contracts["AaveLooper"],
        (world.chain.contracts[collateral], world.chain.contracts[debt]),
    )
    calls = (
        *world.allow(me, collateral, "AaveLooper"),
        *world.delegate(me, debt, looper),
        ("AaveLooper", how, (*assets, equity, loan)),
    )
    note = f"{how}: flash loan of {loan} {debt}"
    if (yield Step(me, calls, "aave_v3", "flash_open", collateral, str(equity), note=note)):
        actor.turns_done = 1
    if actor.turns_done and world.rng.random() < 0.4:
        yield from rest(actor, world.rng.randrange(5, 25))
        owed, held = world.debt(me, debt) * 10_005 // 10_000, world.balance(me, f"a{collateral}")
        taken = min(held, world.amount(collateral, world.usd(debt, owed) * 1.01))
        arguments = (assets[0], world.chain.reserves[collateral].a_token, assets[1], owed, taken)
        calls = (*world.allow(me, f"a{collateral}", "AaveLooper"), ("AaveLooper", "close", arguments))
        if (yield Step(me, calls, "aave_v3", "flash_close", collateral, str(taken))):
            actor.closed = bool((yield world.withdraw(me, collateral, MAX)))


def aave_single_tx_loop(world: World, actor: Actor) -> Plan:
    """All turns inside one transaction, without a flash loan."""
    me, (collateral, debt, category) = actor.account, world.rng.choice(AAVE_PAIRS[:3])
    actor.cycle.append(_leg("aave_v3", collateral, debt))
    yield from money(world, actor, collateral, actor.equity_usd)
    if category:
        yield world.set_emode(me, category)
    equity, assets = world.balance(me, collateral), (world.chain.contracts[collateral], world.chain.contracts[debt])
    calls = (
        *world.allow(me, collateral, "AaveLooper"),
        *world.delegate(me, debt, world.chain.contracts["AaveLooper"]),
        ("AaveLooper", "loop", (*assets, equity, actor.turns_planned, 9000)),
    )
    note = f"{actor.turns_planned} turns in one transaction through AaveLooper"
    if (yield Step(me, calls, "aave_v3", "single_tx_loop", collateral, str(equity), note=note)):
        actor.turns_done = actor.turns_planned


def morpho_loop(world: World, actor: Actor) -> Plan:
    """The same in one Morpho market."""
    me, name = actor.account, world.rng.choice(MORPHO_PAIRS)
    market = world.market(name)
    actor.cycle.append(_leg("morpho_blue", market.collateral, market.loan, name))
    yield from money(world, actor, market.collateral, actor.equity_usd)
    yield world.pledge(me, name, world.balance(me, market.collateral))
    share = world.rng.uniform(0.85, 0.96)
    for _ in range(actor.turns_planned):
        borrowed = world.morpho_room(me, name, share)
        if borrowed < 10 or not (yield world.morpho_borrow(me, name, borrowed)):
            break
        yield world.convert(me, market.loan, market.collateral, borrowed)
        if (yield world.pledge(me, name, world.balance(me, market.collateral))):
            actor.turns_done += 1
    if world.rng.random() < 0.4:
        yield from _unwind_morpho(world, actor, name)


def _unwind_morpho(world: World, actor: Actor, name: str) -> Plan:
    me, market = actor.account, world.market(name)
    actor.partly_unwound = True
    for _ in range(world.rng.randrange(1, 5)):
        take = min(
            int(world.position(me, name)[2] * 0.5),
            world.amount(market.collateral, world.usd(market.loan, world.morpho_room(me, name, 0.9))),
        )
        if take < 10 or not (yield world.unpledge(me, name, take)):
            return
        yield world.convert(me, market.collateral, market.loan, take)
        if not (yield world.morpho_repay(me, name, world.balance(me, market.loan))):
            return


def morpho_callback_loop(world: World, actor: Actor) -> Plan:
    """Opened in one call through the collateral callback; sometimes closed through the repay callback."""
    me, name = actor.account, world.rng.choice(MORPHO_PAIRS)
    market = world.market(name)
    actor.cycle.append(_leg("morpho_blue", market.collateral, market.loan, name))
    yield from money(world, actor, market.collateral, actor.equity_usd)
    equity = world.balance(me, market.collateral)
    times = 7 if market.params[4] > 92 * 10**16 else 2.5
    loan = world.amount(market.loan, world.usd(market.collateral, equity) * times)
    calls = (*_authorise(world, me), *world.allow(me, market.collateral, "MorphoLooper"))
    last: Call = ("MorphoLooper", "open", (market.params, equity, loan))
    note = f"supplyCollateral callback, {loan} {market.loan} borrowed inside"
    step = Step(me, (*calls, last), "morpho_blue", "callback_open", market.collateral, str(equity), name, note)
    if (yield step):
        actor.turns_done = 1
    if actor.turns_done and world.rng.random() < 0.4:
        yield from rest(actor, world.rng.randrange(5, 25))
        held = world.position(me, name)[2]
        closing = (("MorphoLooper", "close", (market.params,)),)
        step = Step(me, closing, "morpho_blue", "callback_close", market.collateral, str(held), name)
        actor.closed = bool((yield step))


def _authorise(world: World, me: str) -> tuple[Call, ...]:
    return (("Morpho", "setAuthorization", (world.chain.contracts["MorphoLooper"], True)),)


def morpho_single_tx_loop(world: World, actor: Actor) -> Plan:
    """All turns inside one transaction."""
    me, name = actor.account, world.rng.choice(MORPHO_PAIRS)
    market = world.market(name)
    actor.cycle.append(_leg("morpho_blue", market.collateral, market.loan, name))
    yield from money(world, actor, market.collateral, actor.equity_usd)
    equity, share = world.balance(me, market.collateral), int(market.params[4] // 10**14 * 0.93)
    calls = (
        *_authorise(world, me),
        *world.allow(me, market.collateral, "MorphoLooper"),
        ("MorphoLooper", "loop", (market.params, equity, actor.turns_planned, share)),
    )
    note = f"{actor.turns_planned} turns in one transaction through MorphoLooper"
    if (yield Step(me, calls, "morpho_blue", "single_tx_loop", market.collateral, str(equity), name, note)):
        actor.turns_done = actor.turns_planned


def cross_loop(world: World, actor: Actor) -> Plan:
    """Borrow in one protocol, supply in the other, and back: each turn walks both legs."""
    me = actor.account
    collateral, debt, name = world.rng.choice(
        [("WETH", "USDC", "wstETH/WETH"), ("wstETH", "WETH", "wstETH/USDC"), ("WETH", "DAI", "sDAI/USDC")]
    )
    market = world.market(name)
    actor.cycle += [_leg("aave_v3", collateral, debt), _leg("morpho_blue", market.collateral, market.loan, name)]
    yield from money(world, actor, collateral, actor.equity_usd)
    yield world.supply(me, collateral, world.balance(me, collateral))
    share = world.rng.uniform(0.75, 0.92)
    for _ in range(actor.turns_planned):
        first = world.room(me, debt, share)
        if first < 10 or not (yield world.borrow(me, debt, first)):
            return
        yield world.convert(me, debt, market.collateral, first)
        yield world.pledge(me, name, world.balance(me, market.collateral))
        second = world.morpho_room(me, name, share)
        if second < 10 or not (yield world.morpho_borrow(me, name, second)):
            return
        if market.loan != collateral:
            yield world.convert(me, market.loan, collateral, second)
        if (yield world.supply(me, collateral, world.balance(me, collateral))):
            actor.turns_done += 1


def receipt_loop(world: World, actor: Actor) -> Plan:
    """The receipt of one protocol is collateral in the other: aWETH, raw or wrapped."""
    me = actor.account
    name = world.rng.choice(["waWETH/USDC", "aWETH/USDC"])
    receipt = world.market(name).collateral
    actor.cycle += [{**_leg("aave_v3", "WETH", None), "receipt": receipt}, _leg("morpho_blue", receipt, "USDC", name)]
    yield from money(world, actor, "WETH", actor.equity_usd)
    share = world.rng.uniform(0.75, 0.9)
    for turn in range(actor.turns_planned + 1):
        yield world.supply(me, "WETH", world.balance(me, "WETH"))
        if receipt == "waWETH":
            yield world.deposit(me, "waWETH", world.balance(me, "aWETH") - 2)
        if not (yield world.pledge(me, name, world.balance(me, receipt) - 2)):
            return
        actor.turns_done = turn
        if turn == actor.turns_planned:
            return
        borrowed = world.morpho_room(me, name, share)
        if borrowed < 10 or not (yield world.morpho_borrow(me, name, borrowed)):
            return
        yield world.swap(me, "USDC", "WETH", borrowed)


def vault_share_loop(world: World, actor: Actor) -> Plan:
    """USDC lent in Morpho through a vault whose share is collateral in Aave, where USDC is borrowed."""
    me = actor.account
    lending = {**_leg("morpho_blue", None, None, "WETH/USDC"), "via": "mvUSDC deposit lends USDC"}
    actor.cycle += [lending, _leg("aave_v3", "mvUSDC", "USDC")]
    yield from money(world, actor, "mvUSDC", actor.equity_usd)
    yield world.supply(me, "mvUSDC", world.balance(me, "mvUSDC"))
    share = world.rng.uniform(0.8, 0.95)
    for _ in range(actor.turns_planned):
        yield from _turn_aave(world, actor, "mvUSDC", "USDC", share)
