"""One account of the story, and the two things every plan does: bring money, and wait."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from .world import Step, World

Plan = Generator[Step, bool, None]
UNDER = {"wstETH": "WETH", "sDAI": "DAI", "mvUSDC": "USDC"}


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


def money(world: World, actor: Actor, symbol: str, usd: float) -> Plan:
    """Outside money in the wanted token: minted plain, then wrapped or deposited."""
    plain = UNDER.get(symbol, symbol)
    amount = world.amount(plain, usd)
    yield world.fund(actor.account, plain, amount)
    if plain != symbol:
        yield world.convert(actor.account, plain, symbol, amount)


def rest(actor: Actor, blocks: int) -> Plan:
    """Blocks in which the account waits (steps without transactions)."""
    for _ in range(blocks):
        yield Step(actor.account, ())


def pause(actor: Actor, blocks: int) -> Plan:
    """The same for newcomers, whose waiting is counted in blocks of the chain."""
    yield Step(actor.account, (), amount=str(blocks))
