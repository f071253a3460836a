"""Who is in the story and what they do, one generator a role.

A plan yields steps and is sent back whether the step went through. Roles, cycles and mechanisms are the
truth that loop detection is measured against: plans are the only place that knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from .world import MAX, Call, Step, World

Plan = Generator[Step, bool, None]


@dataclass
class Actor:
    """One account of the story, with everything it did."""

    account: str
    role: str
    is_loop: bool
    cycle: list[dict[str, Any]]
    mechanism: str | None
    turns_planned: int
    equity_usd: float
    plan: Plan | None = None
    last: bool | None = None
    turns_done: int = 0
    funding: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    liquidations: list[int] = field(default_factory=list)
    closed: bool = False
    partly_unwound: bool = False


def _leg(protocol: str, collateral: str | None, debt: str | None, market: str | None = None) -> dict[str, Any]:
    return {"protocol": protocol, "market": market, "collateral": collateral, "debt": debt}


AAVE_PAIRS = [("wstETH", "WETH", 1), ("sDAI", "USDC", 2), ("WETH", "USDC", 0), ("WBTC", "DAI", 0), ("wstETH", "USDC", 0)]
MORPHO_PAIRS = ["wstETH/WETH", "wstETH/USDC", "sDAI/DAI", "sDAI/USDC", "WETH/USDC"]
UNDER = {"wstETH": "WETH", "sDAI": "DAI", "mvUSDC": "USDC"}


def _money(world: World, actor: Actor, symbol: str, usd: float) -> Plan:
    """Outside money in the wanted token: minted plain, then wrapped or deposited."""
    plain = UNDER.get(symbol, symbol)
    amount = world.amount(plain, usd)
    yield world.fund(actor.account, plain, amount)
    if plain != symbol:
        yield world.convert(actor.account, plain, symbol, amount)


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
    yield from _money(world, actor, collateral, actor.equity_usd)
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
    yield from _money(world, actor, collateral, actor.equity_usd)
    if category:
        yield world.set_emode(me, category)
    equity = world.balance(me, collateral)
    times = 6 if category else 1.6
    loan = int(world.amount(debt, world.usd(collateral, equity) * times))
    how = world.rng.choice(("open", "openAsDebt"))
    looper, assets = world.chain.contracts["AaveLooper"], (world.chain.contracts[collateral], world.chain.contracts[debt])
    calls = (
        *world.allow(me, collateral, "AaveLooper"),
        *world.delegate(me, debt, looper),
        ("AaveLooper", how, (*assets, equity, loan)),
    )
    note = f"{how}: flash loan of {loan} {debt}"
    if (yield Step(me, calls, "aave_v3", "flash_open", collateral, str(equity), note=note)):
        actor.turns_done = 1
    if actor.turns_done and world.rng.random() < 0.4:
        yield from _rest(actor, world.rng.randrange(5, 25))
        owed, held = world.debt(me, debt), world.balance(me, f"a{collateral}")
        taken = min(held, world.amount(collateral, world.usd(debt, owed) * 1.01))
        arguments = (assets[0], world.chain.reserves[collateral].a_token, assets[1], owed, taken)
        calls = (*world.allow(me, f"a{collateral}", "AaveLooper"), ("AaveLooper", "close", arguments))
        if (yield Step(me, calls, "aave_v3", "flash_close", collateral, str(taken))):
            actor.closed = bool((yield world.withdraw(me, collateral, MAX)))


def aave_single_tx_loop(world: World, actor: Actor) -> Plan:
    """All turns inside one transaction, without a flash loan."""
    me, (collateral, debt, category) = actor.account, world.rng.choice(AAVE_PAIRS[:3])
    actor.cycle.append(_leg("aave_v3", collateral, debt))
    yield from _money(world, actor, collateral, actor.equity_usd)
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
    yield from _money(world, actor, market.collateral, actor.equity_usd)
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
        take = min(int(world.position(me, name)[2] * 0.5), world.amount(market.collateral, world.usd(market.loan, world.morpho_room(me, name, 0.9))))
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
    yield from _money(world, actor, market.collateral, actor.equity_usd)
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
        yield from _rest(actor, world.rng.randrange(5, 25))
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
    yield from _money(world, actor, market.collateral, actor.equity_usd)
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
    yield from _money(world, actor, collateral, actor.equity_usd)
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
    yield from _money(world, actor, "WETH", actor.equity_usd)
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
    yield from _money(world, actor, "mvUSDC", actor.equity_usd)
    yield world.supply(me, "mvUSDC", world.balance(me, "mvUSDC"))
    share = world.rng.uniform(0.8, 0.95)
    for _ in range(actor.turns_planned):
        yield from _turn_aave(world, actor, "mvUSDC", "USDC", share)


def _rest(actor: Actor, blocks: int) -> Plan:
    """Blocks in which the account waits (steps without transactions)."""
    for _ in range(blocks):
        yield Step(actor.account, ())


def plain_borrower(world: World, actor: Actor) -> Plan:
    """Collateral in, one loan out."""
    me, (collateral, debt) = actor.account, world.rng.choice([("WETH", "USDC"), ("WBTC", "USDC"), ("WETH", "DAI")])
    yield from _money(world, actor, collateral, actor.equity_usd)
    yield world.supply(me, collateral, world.balance(me, collateral))
    yield world.borrow(me, debt, world.room(me, debt, world.rng.uniform(0.4, 0.97)))


def repeat_borrower(world: World, actor: Actor) -> Plan:
    """Borrows again and again, never supplies what was borrowed."""
    me, debt = actor.account, world.rng.choice(["USDC", "DAI"])
    yield from _money(world, actor, "WETH", actor.equity_usd)
    yield world.supply(me, "WETH", world.balance(me, "WETH"))
    for _ in range(world.rng.randrange(3, 8)):
        borrowed = world.room(me, debt, 0.3)
        yield world.borrow(me, debt, borrowed)
        sink = world.chain.accounts[6]
        yield Step(me, ((debt, "transfer", (sink, borrowed)),), "wallet", "send", debt, str(borrowed))


def outside_money_topup(world: World, actor: Actor) -> Plan:
    """Supply and borrow alternate, but every supply is new money and every loan leaves."""
    for _ in range(world.rng.randrange(3, 6)):
        yield from _money(world, actor, "WETH", actor.equity_usd / 4)
        yield world.supply(actor.account, "WETH", world.balance(actor.account, "WETH"))
        borrowed = world.room(actor.account, "USDC", 0.6)
        if not (yield world.borrow(actor.account, "USDC", borrowed)):
            return
        calls = (("USDC", "transfer", (world.chain.accounts[6], borrowed)),)
        yield Step(actor.account, calls, "wallet", "send", "USDC", str(borrowed))


def short_seller(world: World, actor: Actor) -> Plan:
    """Borrows the asset to sell it."""
    me = actor.account
    yield from _money(world, actor, "USDC", actor.equity_usd)
    yield world.supply(me, "USDC", world.balance(me, "USDC"))
    borrowed = world.room(me, "WETH", 0.7)
    yield world.borrow(me, "WETH", borrowed)
    yield world.swap(me, "WETH", "DAI", borrowed)


def carry_lender(world: World, actor: Actor) -> Plan:
    """Borrows in one protocol and lends in the other, once."""
    me, name = actor.account, world.rng.choice(["WETH/USDC", "wstETH/USDC"])
    yield from _money(world, actor, "WETH", actor.equity_usd)
    yield world.supply(me, "WETH", world.balance(me, "WETH"))
    borrowed = world.room(me, "USDC", 0.7)
    if (yield world.borrow(me, "USDC", borrowed)):
        yield world.lend(me, name, borrowed)


def two_protocol_borrower(world: World, actor: Actor) -> Plan:
    """Two separate loans with separate money."""
    me = actor.account
    yield from plain_borrower(world, actor)
    yield from _money(world, actor, "WETH", actor.equity_usd / 2)
    yield world.pledge(me, "WETH/USDC", world.balance(me, "WETH"))
    yield world.morpho_borrow(me, "WETH/USDC", world.morpho_room(me, "WETH/USDC", 0.8))


def lender(world: World, actor: Actor) -> Plan:
    """Lends in both, takes one back."""
    me = actor.account
    yield from _money(world, actor, "USDC", actor.equity_usd)
    half = world.balance(me, "USDC") // 2
    yield world.supply(me, "USDC", half)
    yield world.lend(me, "WETH/USDC", half)
    yield from _rest(actor, 10)
    yield world.withdraw(me, "USDC", half // 3)
    yield world.unlend(me, "WETH/USDC", world.position(me, "WETH/USDC")[0] // 2)


AAVE, MORPHO, BOTH = ["aave_v3"], ["morpho_blue"], ["aave_v3", "morpho_blue"]
MULTI = "multi-transaction"
# role -> (plan, protocols it needs, mechanism; None for decoys, most turns, how many of 20)
ROLES: dict[str, tuple[Callable[[World, Actor], Plan], list[str], str | None, int, int]] = {
    "aave_loop": (aave_loop, AAVE, MULTI, 6, 5),
    "aave_flash_loop": (aave_flash_loop, AAVE, "one transaction, flash loan", 1, 2),
    "aave_single_tx_loop": (aave_single_tx_loop, AAVE, "one transaction, repeated borrow and supply through a helper with credit delegation", 5, 1),
    "morpho_loop": (morpho_loop, MORPHO, MULTI, 5, 4),
    "morpho_callback_loop": (morpho_callback_loop, MORPHO, "one transaction, collateral callback", 1, 2),
    "morpho_single_tx_loop": (morpho_single_tx_loop, MORPHO, "one transaction, repeated borrow and supply through a helper", 6, 1),
    "cross_loop": (cross_loop, BOTH, f"{MULTI}; one turn walks every leg of the cycle", 3, 4),
    "receipt_loop": (receipt_loop, BOTH, "receipt token of one protocol is collateral in the other", 3, 2),
    "vault_share_loop": (vault_share_loop, BOTH, "vault share of a Morpho lender is Aave collateral", 4, 2),
    "plain_borrower": (plain_borrower, AAVE, None, 0, 4),
    "repeat_borrower": (repeat_borrower, AAVE, None, 0, 2),
    "outside_money_topup": (outside_money_topup, AAVE, None, 0, 2),
    "short_seller": (short_seller, AAVE, None, 0, 1),
    "carry_lender": (carry_lender, BOTH, None, 0, 2),
    "two_protocol_borrower": (two_protocol_borrower, BOTH, None, 0, 1),
    "lender": (lender, BOTH, None, 0, 1),
}


def hire(world: World, account: str, role: str) -> Actor:
    """Casts an account in a role, with its own equity and number of turns."""
    plan, _, mechanism, most, _ = ROLES[role]
    turns = 0 if mechanism is None else max(1, world.rng.randrange(max(1, most - 3), most + 1))
    equity = round(world.rng.uniform(8_000, 120_000), 2)
    actor = Actor(account, role, mechanism is not None, [], mechanism, turns, equity)
    actor.plan = plan(world, actor)
    return actor


def casting(protocols: set[str]) -> list[str]:
    """Roles that a chain with these protocols can play, each as often as it should appear."""
    fitting = [(role, entry) for role, entry in ROLES.items() if set(entry[1]) <= protocols]
    return [role for role, entry in fitting for _ in range(entry[4])]
