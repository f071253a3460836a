"""The people of Aave v2 and of the perp venue: a cast, liquidators and makers of their own.

All their chance comes from a generator of their own, and their steps ride in the blocks of the older story, so that
the older cast does what it does without them.
"""

from __future__ import annotations

import copy
import random
from typing import Any

from . import perp_people as perps
from . import v2_people as old
from .aave_v2 import LISTINGS
from .actor import Actor
from .keeper import Prey
from .world import Step, World

OWNER, LIQUIDITY, LIQUIDATOR, MAKER, SECOND_MAKER, PERP_LIQUIDATOR, ARBITRAGEUR, FIRST = range(8)
CROWD = 3
# In the order in which they come.
CAST = (
    "v2_lender", "perp_long", "v2_borrower", "perp_short", "v2_v3_loop", "perp_long", "v2_stable_borrower",
    "perp_long", "v2_loop", "perp_short", "v2_migrant", "perp_long", "v2_borrower", "perp_short", "v2_v3_loop",
    "perp_long", "v2_migrant_in_one", "perp_long", "v2_stable_borrower", "perp_short", "v2_loop", "perp_long",
    "v2_borrower", "perp_long", "v2_lender", "perp_short", "perp_long", "v2_borrower",
)  # fmt: skip
LATE = ("perp_long", "perp_short", "perp_long", "v2_borrower", "perp_long", "v2_stable_borrower")
BUSY = 7
DEPTH = {"vETH": 16_000_000, "vBTC": 12_000_000}
OPENING = {"WETH": 3_000_000, "USDC": 5_000_000, "DAI": 4_000_000, "WBTC": 2_000_000}
IDLE_DEBT = {"WETH": 0.4, "USDC": 0.5, "DAI": 0.45, "WBTC": 0.2}


class Newcomers:
    """Adds steps to the story's blocks; `actors` and `perp_liquidations` are the truth about them."""

    def __init__(self, world: World, seed: int, pace: float = 0.75) -> None:
        self.chain, self.pace = world.chain, pace
        self.rng = random.Random(f"newcomers {seed}")
        self.world = copy.copy(world)  # prices and approvals are shared, chance is not
        self.world.rng = self.rng
        self.accounts = self.chain.newcomers
        self._waiting = [role for role in CAST if self._can(role)]
        self._spare = self.accounts[FIRST : -CROWD - 1]
        self.crowd = self.accounts[-CROWD - 1 : -1] if self.chain.old_reserves else []
        self.actors: list[Actor] = []
        self._busy: list[Actor] = []
        self._asleep: dict[str, int] = {}
        self._caught: list[tuple[Prey, str]] = []
        self.perp_liquidations: list[dict[str, Any]] = []
        self._sent: list[tuple[str, Any]] = []
        self._prices: dict[str, int] = {}
        self._open = False

    def _can(self, role: str) -> bool:
        if role.startswith("perp"):
            return bool(self.chain.perp_markets)
        return bool(self.chain.old_reserves) and (bool(self.chain.reserves) or not old.ROLES[role][3])

    @property
    def traders(self) -> list[str]:
        """Who trades perps, the house's own included."""
        if not self.chain.perp_markets:
            return []
        house = [self.accounts[at] for at in (MAKER, SECOND_MAKER, PERP_LIQUIDATOR, ARBITRAGEUR)]
        return [*(one.account for one in self.actors if one.role.startswith("perp")), *house]

    @property
    def old_users(self) -> list[str]:
        """Who uses Aave v2, the house's own included."""
        if not self.chain.old_reserves:
            return []
        actors = [one.account for one in self.actors if one.role.startswith("v2")]
        return [*actors, *self.crowd, self.accounts[LIQUIDITY], self.accounts[LIQUIDATOR], self.accounts[-1]]

    @property
    def v3_users(self) -> list[str]:
        """Who may have balances in Aave v3 too."""
        return [one.account for one in self.actors if one.role in old.ROLES and old.ROLES[one.role][3]]

    # -- before the story ---------------------------------------------------------------------------------------

    def opening(self) -> list[list[Step]]:
        """Blocks that come before the story: liquidity for the old pool, orders at the venue."""
        blocks, world = [], self.world
        if self.chain.old_reserves:
            me = self.accounts[LIQUIDITY]
            funded = [world.fund(me, one, world.amount(one, OPENING[one] * 2)) for one in LISTINGS]
            blocks.append(
                [*funded, *(old.deposit(world, me, one, world.amount(one, OPENING[one])) for one in LISTINGS)]
            )
            blocks.append(
                [
                    old.borrow(world, me, one, world.amount(one, OPENING[one] * share))
                    for one, share in IDLE_DEBT.items()
                ]
            )
        if self.chain.perp_markets:
            makers = (self.accounts[MAKER], self.accounts[SECOND_MAKER])
            house = (self.accounts[PERP_LIQUIDATOR], self.accounts[ARBITRAGEUR])
            blocks.append([perps.deposit(world, one, 6_000_000) for one in (*makers, *house)])
            wide = [perps.provide(world, makers[0], name, usd, 0.35, 2.6) for name, usd in DEPTH.items()]
            narrow = [perps.provide(world, makers[1], name, usd / 3, 0.6, 1.6) for name, usd in DEPTH.items()]
            blocks.append([*wide, *narrow])
        return blocks

    def arrive(self) -> None:
        """From now on newcomers act in every block."""
        self._open = True

    def invite(self) -> None:
        """Lets more people come: those who begin after a crash."""
        self._waiting += [role for role in LATE if self._can(role)]

    # -- in the story's blocks ----------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        """What newcomers do in the next block. Whoever calls this sends it all and says how it went (`done`)."""
        self._sent = []
        if not self._open:
            return []
        steps = self._keepers()
        for _ in range(2):
            if self.rng.random() < self.pace / 2:
                steps += self._story()
        if self.crowd and self.rng.random() < self.pace / 4:
            steps.append(old.stir(self.world, self.rng.choice(self.crowd)))
            self._sent.append(("crowd", None))
        return steps

    def _keepers(self) -> list[Step]:
        """Liquidations, and the trade that keeps the pool's price near the index."""
        steps: list[Step] = []
        world, moved = self.world, self._prices != self.world.price
        if self.chain.old_reserves and (moved or self.rng.random() < 0.1):
            for prey in old.find_prey(world, self.old_users[:-3], self.accounts[LIQUIDATOR]):
                steps.append(prey.step)
                self._sent.append(("prey", prey))
        found = False
        if self.chain.perp_markets:
            for market in self.chain.perp_markets:
                step = perps.arbitrage(world, self.accounts[ARBITRAGEUR], market)
                if step is not None:
                    steps.append(step)
                    self._sent.append(("arbitrage", None))
            if moved or self.rng.random() < 0.3:
                for fallen in perps.find_fallen(world, self.traders[:-4], self.accounts[PERP_LIQUIDATOR]):
                    found = True
                    steps.append(fallen.step)
                    self._sent.append(("fallen", fallen))
        self._prices = {} if found else dict(world.price)
        return steps

    def _story(self) -> list[Step]:
        """The next step of one actor, in a later block than its last."""
        while len(self._busy) < BUSY and self._waiting and self._spare:
            self._hire(self._waiting.pop(0))
        playing = {what[0].account for kind, what in self._sent if kind == "actor"}
        head = self.chain.clock.head
        awake = [actor for actor in self._busy if self._asleep.get(actor.account, 0) <= head]
        free = [actor for actor in awake if actor.account not in playing]
        if not free:
            return []
        actor = self.rng.choice(free)
        assert actor.plan is not None
        try:
            step = next(actor.plan) if actor.last is None else actor.plan.send(actor.last)
        except StopIteration:
            actor.plan = None
            self._busy.remove(actor)
            return []
        actor.last = True
        if not step.calls:
            self._asleep[actor.account] = self.chain.clock.head + int(step.amount)
            return []
        self._sent.append(("actor", (actor, step)))
        return [step]

    def _hire(self, role: str) -> None:
        plan, mechanism, most, _ = old.ROLES.get(role, (perps.trader, None, 0, False))
        turns = 0 if mechanism is None else max(1, self.rng.randrange(max(1, most - 2), most + 1))
        equity = round(self.rng.uniform(15_000, 70_000), 2)
        actor = Actor(self._spare.pop(0), role, mechanism is not None, [], mechanism, turns, equity)
        actor.plan = plan(self.world, actor)
        self.actors.append(actor)
        self._busy.append(actor)

    def done(self, outcomes: list[tuple[bool, str]]) -> list[tuple[Actor, Step, bool, str]]:
        """Takes note of what became of the last `steps`; returns what the actors did."""
        told = []
        for (kind, what), (ok, transaction) in zip(self._sent, outcomes, strict=True):
            if kind == "actor":
                actor, step = what
                told.append((actor, step, ok, transaction))
            elif kind == "prey" and ok:
                self._caught.append((what, transaction))
            elif kind == "fallen" and ok:
                story = {"block": self.chain.clock.head, "tx": transaction, **what.story}
                self.perp_liquidations.append(story)
        self._sent = []
        return told

    def caught(self) -> list[tuple[Prey, str]]:
        """Liquidations in Aave v2 that went through since the last call."""
        caught, self._caught = self._caught, []
        return caught
