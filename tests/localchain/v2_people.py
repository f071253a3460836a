"""Aave v2: builders of its steps, the plans of the accounts that use it, and whoever can be liquidated there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .aave_v2 import LISTINGS, price_in_ether
from .actor import Actor, Plan, pause
from .keeper import Prey
from .world import MAX, WAD, Step, World, join

STABLE, VARIABLE = 1, 2
MECHANISM = "multi-transaction"
ANSWER_HEALTH = 5


# ------------------------------------------------------------------------------------------------------- builders


def call(world: World, account: str, op: str, function: str, symbol: str, amount: int, *more: object) -> Step:
    """A call of the pool about one asset; deposits and repayments approve first when they must."""
    approval = world.allow(account, symbol, "LendingPool") if function in ("deposit", "repay") else ()
    arguments = (world.chain.contracts[symbol], *more)
    return Step(account, (*approval, ("LendingPool", function, arguments)), "aave_v2", op, symbol, str(amount))


def deposit(world: World, account: str, symbol: str, amount: int) -> Step:
    """Lends to the pool."""
    return call(world, account, "supply", "deposit", symbol, amount, amount, account, 0)


def withdraw(world: World, account: str, symbol: str, amount: int) -> Step:
    """Takes supply out; `MAX` is all of it."""
    return call(world, account, "withdraw", "withdraw", symbol, amount, amount, account)


def borrow(world: World, account: str, symbol: str, amount: int, mode: int = VARIABLE) -> Step:
    """Borrows at the variable or the stable rate."""
    return call(world, account, "borrow", "borrow", symbol, amount, amount, mode, 0, account)


def repay(world: World, account: str, symbol: str, amount: int, mode: int = VARIABLE) -> Step:
    """Pays back; `MAX` is all of it."""
    return call(world, account, "repay", "repay", symbol, amount, amount, mode, account)


def switch(world: World, account: str, symbol: str, mode: int) -> Step:
    """Turns debt of one mode into the other; `mode` is the one it has now."""
    return call(world, account, "switch_rate", "swapBorrowRateMode", symbol, 0, mode)


def room(world: World, account: str, symbol: str, share: float) -> int:
    """`share` of what the pool would still lend of a token."""
    ether = world.chain.view("LendingPool", "getUserAccountData", account)[2]
    return int(ether * share) * world.unit(symbol) // price_in_ether(world.price, symbol)


def held(world: World, account: str, symbol: str) -> tuple[int, int, int]:
    """Supply, stable debt and variable debt now."""
    kinds = ("aToken", "stableDebtToken", "variableDebtToken")
    supply, stable, variable = world.chain.views([(f"v2_{kind}_{symbol}", "balanceOf", (account,)) for kind in kinds])
    return supply, stable, variable


# ---------------------------------------------------------------------------------------------------------- plans


def _open(world: World, actor: Actor, collateral: str) -> Plan:
    yield world.fund(actor.account, collateral, world.amount(collateral, actor.equity_usd))
    yield deposit(world, actor.account, collateral, world.balance(actor.account, collateral))


def lender(world: World, actor: Actor) -> Plan:
    """Lends, takes some back, sends some of the receipt to an account that never acted."""
    me, symbol = actor.account, world.rng.choice(["USDC", "DAI", "WBTC"])
    yield from _open(world, actor, symbol)
    yield from pause(actor, world.rng.randrange(4, 12))
    yield withdraw(world, me, symbol, held(world, me, symbol)[0] // 3)
    yield from pause(actor, world.rng.randrange(2, 8))
    part, to = held(world, me, symbol)[0] // 7, world.chain.newcomers[-1]
    call_ = (f"v2_aToken_{symbol}", "transfer", (to, part))
    yield Step(me, (call_,), "aave_v2", "transfer", symbol, str(part))
    yield from pause(actor, world.rng.randrange(20, 60))
    if world.rng.random() < 0.5:
        actor.closed = bool((yield withdraw(world, me, symbol, MAX)))


def borrower(world: World, actor: Actor) -> Plan:
    """Collateral in, one loan at the variable rate, later a part of it back."""
    me, (collateral, debt) = actor.account, world.rng.choice([("WETH", "USDC"), ("WBTC", "DAI"), ("WETH", "DAI")])
    yield from _open(world, actor, collateral)
    yield borrow(world, me, debt, room(world, me, debt, world.rng.uniform(0.6, 0.97)))
    yield from pause(actor, world.rng.randrange(10, 40))
    yield repay(world, me, debt, world.balance(me, debt) // 4)


def stable_borrower(world: World, actor: Actor) -> Plan:
    """A loan at the stable rate, a second one on top, and changes of the rate mode between repayments."""
    me, debt = actor.account, world.rng.choice(["USDC", "DAI"])
    yield from _open(world, actor, "WETH")
    for share in (0.5, 0.4):
        yield borrow(world, me, debt, room(world, me, debt, share), STABLE)
        yield from pause(actor, world.rng.randrange(2, 10))
    yield repay(world, me, debt, world.balance(me, debt) // 5, STABLE)
    if world.rng.random() < 0.7:
        yield switch(world, me, debt, STABLE)
        yield from pause(actor, world.rng.randrange(5, 15))
        yield switch(world, me, debt, VARIABLE)
        yield repay(world, me, debt, world.balance(me, debt) // 5, STABLE)


def loop(world: World, actor: Actor) -> Plan:
    """Deposit, borrow, convert, deposit again, in the old pool alone."""
    me, (collateral, debt) = actor.account, world.rng.choice([("WETH", "USDC"), ("WBTC", "DAI")])
    actor.cycle.append({"protocol": "aave_v2", "market": None, "collateral": collateral, "debt": debt})
    yield from _open(world, actor, collateral)
    share = world.rng.uniform(0.8, 0.93)
    for _ in range(actor.turns_planned):
        borrowed = room(world, me, debt, share)
        if borrowed < 10 or not (yield borrow(world, me, debt, borrowed)):
            return
        yield world.convert(me, debt, collateral, borrowed)
        if (yield deposit(world, me, collateral, world.balance(me, collateral))):
            actor.turns_done += 1


def cross_loop(world: World, actor: Actor) -> Plan:
    """Borrow in v2, supply in v3, borrow there, and back into v2: each turn walks both legs."""
    me, (old_debt, new_debt) = actor.account, world.rng.choice([("USDC", "DAI"), ("DAI", "USDC")])
    actor.cycle += [
        {"protocol": "aave_v2", "market": None, "collateral": "WETH", "debt": old_debt},
        {"protocol": "aave_v3", "market": None, "collateral": "WETH", "debt": new_debt},
    ]
    yield from _open(world, actor, "WETH")
    share = world.rng.uniform(0.7, 0.9)
    for _ in range(actor.turns_planned):
        first = room(world, me, old_debt, share)
        if first < 10 or not (yield borrow(world, me, old_debt, first)):
            return
        yield world.convert(me, old_debt, "WETH", first)
        yield world.supply(me, "WETH", world.balance(me, "WETH"))
        second = world.room(me, new_debt, share)
        if second < 10 or not (yield world.borrow(me, new_debt, second)):
            return
        yield world.convert(me, new_debt, "WETH", second)
        if (yield deposit(world, me, "WETH", world.balance(me, "WETH"))):
            actor.turns_done += 1


def migrant(world: World, actor: Actor) -> Plan:
    """A plain loan that moves to v3 step by step, bridged with money of its own: leverage as before, no loop."""
    me = actor.account
    yield from _open(world, actor, "WETH")
    yield borrow(world, me, "USDC", room(world, me, "USDC", 0.6))
    yield from pause(actor, world.rng.randrange(15, 40))
    owed = held(world, me, "USDC")[2]
    yield world.fund(me, "USDC", owed // 100)
    yield repay(world, me, "USDC", MAX)
    if not (yield withdraw(world, me, "WETH", MAX)):
        return
    yield world.supply(me, "WETH", world.balance(me, "WETH"))
    actor.closed = bool((yield world.borrow(me, "USDC", min(owed, world.room(me, "USDC", 0.95)))))


def migrant_in_one(world: World, actor: Actor) -> Plan:
    """The same move inside one transaction, bridged by a flash loan of v3."""
    me, chain = actor.account, world.chain
    yield from _open(world, actor, "WETH")
    yield borrow(world, me, "USDC", room(world, me, "USDC", 0.7))
    yield from pause(actor, world.rng.randrange(15, 40))
    owed, migrator = held(world, me, "USDC")[2], chain.contracts["AaveMigrator"]
    receipt = chain.contracts["v2_aToken_WETH"]
    calls = (
        ("v2_aToken_WETH", "approve", (migrator, MAX)),
        *world.delegate(me, "USDC", migrator),
        ("AaveMigrator", "migrate", (chain.contracts["WETH"], receipt, chain.contracts["USDC"], owed + owed // 1000)),
    )
    note = "repays v2 and borrows in v3 in one transaction"
    step = Step(me, calls, "aave_v3", "migrate", "WETH", str(owed), note=note)
    actor.closed = bool((yield step))


# role -> (plan, mechanism of a loop or None, most turns, whether v3 is needed)
ROLES: dict[str, tuple[Callable[[World, Actor], Plan], str | None, int, bool]] = {
    "v2_lender": (lender, None, 0, False),
    "v2_borrower": (borrower, None, 0, False),
    "v2_stable_borrower": (stable_borrower, None, 0, False),
    "v2_loop": (loop, MECHANISM, 4, False),
    "v2_v3_loop": (cross_loop, f"{MECHANISM}; one turn walks every leg of the cycle", 3, True),
    "v2_migrant": (migrant, None, 0, True),
    "v2_migrant_in_one": (migrant_in_one, None, 0, True),
}


# ----------------------------------------------------------------------------------------------------------- noise


def stir(world: World, account: str) -> Step:
    """Whatever comes up in the old pool, also what it refuses."""
    rng = world.rng
    symbol = rng.choice(list(LISTINGS))
    supply, stable, variable = held(world, account, symbol)
    mode = STABLE if stable and (not variable or rng.random() < 0.5) else VARIABLE
    owed = stable if mode == STABLE else variable
    roll = rng.random()
    if roll < 0.2 and supply:
        part = MAX if rng.random() < 0.3 else max(1, supply * rng.randrange(1, 70) // 100)
        return withdraw(world, account, symbol, part)
    if roll < 0.45 and owed:
        amount = max(1, owed * rng.randrange(1, 110) // 100)
        return join(world.fund(account, symbol, amount), repay(world, account, symbol, amount, mode))
    if roll < 0.55 and owed:
        return switch(world, account, symbol, mode)
    if roll < 0.6 and supply:
        return call(world, account, "", "setUserUseReserveAsCollateral", symbol, 0, rng.random() < 0.6)
    if roll < 0.8 and (free := room(world, account, symbol, rng.uniform(0.05, 0.6))) > 1:
        return borrow(world, account, symbol, free, rng.choice((STABLE, VARIABLE, VARIABLE)))
    amount = world.amount(symbol, rng.choice((900, 4_000, 15_000)) * rng.uniform(0.5, 1.5)) + rng.randrange(1000)
    return join(world.fund(account, symbol, amount), deposit(world, account, symbol, amount))


# ----------------------------------------------------------------------------------------------------- liquidation


def find_prey(world: World, accounts: Sequence[str], liquidator: str, most: int = 2) -> list[Prey]:
    """Whoever can be liquidated in the old pool now, worst first."""
    chain = world.chain
    states = chain.views([("LendingPool", "getUserAccountData", (account,)) for account in accounts])
    dust = WAD // 10**4
    weak = [
        (state[ANSWER_HEALTH], account)
        for state, account in zip(states, accounts, strict=True)
        if state[ANSWER_HEALTH] < WAD and state[0] > dust and state[1] > dust
    ]
    found = []
    for _, account in sorted(weak)[:most]:
        books = {symbol: held(world, account, symbol) for symbol in chain.old_reserves}
        collateral = max(books, key=lambda one: world.usd(one, books[one][0]))
        debt = max(books, key=lambda one: world.usd(one, books[one][1] + books[one][2]))
        owed = books[debt][1] + books[debt][2]
        receipt = world.rng.random() < 0.3
        cover = MAX if world.rng.random() < 0.6 else max(1, owed * world.rng.randrange(10, 45) // 100)
        money = world.bring(liquidator, debt, owed + 10)
        arguments = (chain.contracts[collateral], chain.contracts[debt], account, cover, receipt)
        calls = (*money.calls, *world.allow(liquidator, debt, "LendingPool"))
        step = Step(liquidator, (*calls, ("LendingPool", "liquidationCall", arguments)))
        story = {"protocol": "aave_v2", "borrower": account, "liquidator": liquidator, "collateral": collateral}
        story |= {"debt": debt, "receive_receipt_token": receipt}
        found.append(Prey(step, story, (owed, books[collateral][0])))
    return found


def after(world: World, prey: Prey) -> tuple[int, int]:
    """Debt and collateral of the borrower once the liquidation is done."""
    account, story = prey.story["borrower"], prey.story
    _, stable, variable = held(world, account, story["debt"])
    return stable + variable, held(world, account, story["collateral"])[0]
