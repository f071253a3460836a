"""Plans of the accounts that look like loops and are not."""

from __future__ import annotations

from .actor import Actor, Plan, money, rest
from .world import Step, World


def plain_borrower(world: World, actor: Actor) -> Plan:
    """Collateral in, one loan out."""
    me, (collateral, debt) = actor.account, world.rng.choice([("WETH", "USDC"), ("WBTC", "USDC"), ("WETH", "DAI")])
    yield from money(world, actor, collateral, actor.equity_usd)
    yield world.supply(me, collateral, world.balance(me, collateral))
    yield world.borrow(me, debt, world.room(me, debt, world.rng.uniform(0.4, 0.97)))


def repeat_borrower(world: World, actor: Actor) -> Plan:
    """Borrows again and again, never supplies what was borrowed."""
    me, debt = actor.account, world.rng.choice(["USDC", "DAI"])
    yield from money(world, actor, "WETH", actor.equity_usd)
    yield world.supply(me, "WETH", world.balance(me, "WETH"))
    for _ in range(world.rng.randrange(3, 8)):
        borrowed = world.room(me, debt, 0.3)
        yield world.borrow(me, debt, borrowed)
        sink = world.chain.accounts[6]
        yield Step(me, ((debt, "transfer", (sink, borrowed)),), "wallet", "send", debt, str(borrowed))


def outside_money_topup(world: World, actor: Actor) -> Plan:
    """Supply and borrow alternate, but every supply is new money and every loan leaves."""
    for _ in range(world.rng.randrange(3, 6)):
        yield from money(world, actor, "WETH", actor.equity_usd / 4)
        yield world.supply(actor.account, "WETH", world.balance(actor.account, "WETH"))
        borrowed = world.room(actor.account, "USDC", 0.6)
        if not (yield world.borrow(actor.account, "USDC", borrowed)):
            return
        calls = (("USDC", "transfer", (world.chain.accounts[6], borrowed)),)
        yield Step(actor.account, calls, "wallet", "send", "USDC", str(borrowed))


def short_seller(world: World, actor: Actor) -> Plan:
    """Borrows the asset to sell it."""
    me = actor.account
    yield from money(world, actor, "USDC", actor.equity_usd)
    yield world.supply(me, "USDC", world.balance(me, "USDC"))
    borrowed = world.room(me, "WETH", 0.7)
    yield world.borrow(me, "WETH", borrowed)
    yield world.swap(me, "WETH", "DAI", borrowed)


def carry_lender(world: World, actor: Actor) -> Plan:
    """Borrows in one protocol and lends in the other, once."""
    me, name = actor.account, world.rng.choice(["WETH/USDC", "wstETH/USDC"])
    yield from money(world, actor, "WETH", actor.equity_usd)
    yield world.supply(me, "WETH", world.balance(me, "WETH"))
    borrowed = world.room(me, "USDC", 0.7)
    if (yield world.borrow(me, "USDC", borrowed)):
        yield world.lend(me, name, borrowed)


def two_protocol_borrower(world: World, actor: Actor) -> Plan:
    """Two separate loans with separate money."""
    me = actor.account
    yield from plain_borrower(world, actor)
    yield from money(world, actor, "WETH", actor.equity_usd / 2)
    yield world.pledge(me, "WETH/USDC", world.balance(me, "WETH"))
    yield world.morpho_borrow(me, "WETH/USDC", world.morpho_room(me, "WETH/USDC", 0.8))


def lender(world: World, actor: Actor) -> Plan:
    """Lends in both, takes one back."""
    me = actor.account
    yield from money(world, actor, "USDC", actor.equity_usd)
    half = world.balance(me, "USDC") // 2
    yield world.supply(me, "USDC", half)
    yield world.lend(me, "WETH/USDC", half)
    yield from rest(actor, 10)
    yield world.withdraw(me, "USDC", half // 3)
    yield world.unlend(me, "WETH/USDC", world.position(me, "WETH/USDC")[0] // 2)
