"""A seeded run: who acts in which block, when time jumps, when prices fall, when to look.

    scenario = Scenario(chain, seed=7)
    scenario.setup()
    scenario.steps(300)
    scenario.checkpoints        # [(block, reason)]

The same chain and seed give the same blocks, hash for hash.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from eth_utils.crypto import keccak

from .aave import LATE, list_reserves
from .actor import Actor
from .cast import casting, hire
from .chain import ZERO, LocalChain
from .keeper import Admin, after, find_prey
from .morpho import create_market
from .newcomers import Newcomers
from .noise import Noise
from .tokens import PLAIN
from .v2_people import after as after_v2
from .world import Step, World

HOUR, DAY = 3600, 86_400
PACES = (12, 12, 24, 60, 300, 1_800, 7_200)
BUSY = 8
CRASH_GAP = 90
NOVELTY = 60  # the turn at which new markets appear
LATE_MARKET = "WBTC/DAI"
HOUSE = 9  # accounts before this index: admin, treasury, liquidity, three liquidators, sink and fee recipients
LIQUIDITY = {"WETH": 6_000_000, "USDC": 8_000_000, "DAI": 5_000_000, "WBTC": 3_000_000, "wstETH": 3_000_000}
IDLE_DEBT = {"USDC": 0.55, "WETH": 0.5, "DAI": 0.5, "WBTC": 0.3}
MORPHO_LIQUIDITY = 3_000_000


class Scenario:
    """Drives one chain; `truth` of the cast is in `actors` and `liquidations`."""

    def __init__(self, chain: LocalChain, seed: int, cast: int = 36, noise: int = 14, newcomers: float = 0.75) -> None:
        self.chain, self.seed = chain, seed
        self.rng = random.Random(f"scenario {seed}")
        self.world = World(chain, self.rng)
        self.admin = Admin(self.world)
        self.liquidity, self.liquidators, self.sink = chain.accounts[2], chain.accounts[3:6], chain.accounts[6]
        self._spare = chain.accounts[HOUSE:]
        if cast + noise > len(self._spare):
            raise ValueError(f"{cast + noise} people need more than {len(chain.accounts)} accounts")
        self._waiting: list[str] = []
        self.people: list[str] = []
        self.invite(cast)
        crowd = self._spare[-noise:]
        self.people += crowd
        del self._spare[-noise:]
        self.fresh = ["0x" + keccak(text=f"never seen {seed} {n}")[12:].hex() for n in range(6)]
        self.noise = Noise(self.world, crowd, self.fresh)
        protocols = {name for name, there in (("aave_v3", chain.reserves), ("morpho_blue", chain.markets)) if there}
        self._roles = casting(protocols)
        self.rng.shuffle(self._roles)
        self.newcomers = Newcomers(self.world, seed, newcomers)
        self.actors: list[Actor] = []
        self._busy: list[Actor] = []
        self.checkpoints: list[tuple[int, str]] = []
        self.liquidations: list[dict[str, Any]] = []
        self.snapshots: list[dict[str, Any]] = []
        self._since_crash = self._since_look = self._turns = 0
        self.crashes: list[tuple[int, int]] = []

    def invite(self, count: int) -> None:
        """Lets more accounts wait for a role."""
        coming, self._spare = self._spare[:count], self._spare[count:]
        self._waiting += coming
        self.people += coming

    # -- who is looked at -------------------------------------------------------------------------------------

    @property
    def accounts(self) -> list[str]:
        """Everyone whose balances matter: people, house accounts, and the contracts that hold claims."""
        holders = [
            self.chain.contracts[name] for name in ("Morpho", "waWETH", "mvUSDC") if name in self.chain.contracts
        ]
        late = self.newcomers.v3_users
        return [*self.people, *self.fresh, *self.chain.accounts[1:HOUSE], *holders, ZERO, *late]

    @property
    def cast(self) -> list[Actor]:
        """Everyone who has a story, newcomers last."""
        return [*self.actors, *self.newcomers.actors]

    def checkpoint(self, reason: str) -> None:
        """Notes the newest block as one whose views are to be asked."""
        self._since_look = 0
        if not self.checkpoints or self.checkpoints[-1][0] != self.chain.clock.head:
            self.checkpoints.append((self.chain.clock.head, reason))

    # -- blocks -----------------------------------------------------------------------------------------------

    def block(self, steps: Sequence[Step], seconds: int | None = None) -> list[tuple[bool, str]]:
        """Sends all steps, mines one block; for each step whether its last transaction went through, and its hash.

        Newcomers act in the same block, after the others.
        """
        pause, more = seconds or self.rng.choice(PACES), self.newcomers.steps()
        sent = [[self.chain.do(s.sender, n, f, *a) for n, f, a in s.calls] for s in (*steps, *more)]
        self.chain.mine(pause)
        statuses = iter(self.chain.statuses([one for group in sent for one in group]))
        done = []
        for group in sent:
            passed = [next(statuses) for _ in group]
            done.append((passed[-1], group[-1].hash) if group else (True, ""))
        for actor, step, ok, transaction in self.newcomers.done(done[len(steps) :]):
            self._remember(actor, step, ok, transaction)
        for prey, transaction in self.newcomers.caught():
            self._count(prey, transaction)
        return done[: len(steps)]

    def setup(self) -> None:
        """Inventory for the exchange, liquidity for both protocols, a base of borrowing, first prices."""
        world, admin, pool = self.world, self.chain.admin, self.liquidity
        world.derive()
        dex = self.chain.contracts["Dex"]
        inventory = [Step(admin, ((symbol, "mint", (dex, world.amount(symbol, 10**9))),)) for symbol in PLAIN]
        self.block([*inventory, world.publish()], 12)
        wrapped = [("WETH", "wstETH"), ("DAI", "sDAI")]
        for plain, token in wrapped:
            amount = world.amount(plain, 2 * 10**8)
            self.block([world.fund(admin, plain, amount), world.convert(admin, plain, token, amount)], 12)
            self.block([Step(admin, ((token, "transfer", (dex, world.balance(admin, token) // 2)),))], 12)
        for symbol in PLAIN:
            self.block([world.fund(pool, symbol, world.amount(symbol, 60_000_000))], 12)
        for plain, token in wrapped:
            amount = world.amount(plain, 15_000_000)
            self.block([world.convert(pool, plain, token, amount)], 12)
        if self.chain.reserves:
            self.block([world.supply(pool, symbol, world.amount(symbol, usd)) for symbol, usd in LIQUIDITY.items()])
            borrows = [world.borrow(pool, s, world.amount(s, LIQUIDITY[s] * share)) for s, share in IDLE_DEBT.items()]
            self.block(borrows)
        for name, market in self.chain.markets.items():
            lent = world.amount(market.loan, MORPHO_LIQUIDITY)
            steps = [world.lend(pool, name, lent)]
            if market.collateral in ("wstETH", "sDAI", "WETH"):
                steps.append(world.pledge(pool, name, world.amount(market.collateral, 2_400_000)))
                steps.append(world.morpho_borrow(pool, name, lent * 6 // 10))
            done = self.block(steps)
            if not all(ok for ok, _ in done):
                raise RuntimeError(f"liquidity for {name} failed")
        for steps in self.newcomers.opening():
            if not all(ok for ok, _ in self.block(steps, 12)):
                raise RuntimeError("the opening of Aave v2 or of the perp venue failed")
        self.newcomers.arrive()
        self.checkpoint("setup done")

    # -- the run ----------------------------------------------------------------------------------------------

    def steps(self, count: int, crashes: bool = True) -> None:
        """`count` turns of the run; most are one block."""
        for _ in range(count):
            self._since_crash += 1
            self._since_look += 1
            roll = self.rng.random()
            self._turns += 1
            if self._turns == NOVELTY:
                self.novelty()
            if crashes and self._since_crash > CRASH_GAP and roll < 0.04:
                gap = self.rng.random() < 0.4
                deep = [self.rng.uniform(0.3, 0.5)] if gap else []
                self.crash([*(self.rng.uniform(0.04, 0.16) for _ in range(self.rng.randrange(2, 5))), *deep])
            elif roll < 0.08:
                self.idle(self.rng.randrange(6 * HOUR, 4 * DAY))
            elif roll < 0.15:
                self.move_prices(self.rng.uniform(-0.035, 0.035))
                self.hunt()
            elif roll < 0.21:
                self.block([self.admin.step()])
                self.checkpoint("parameter change")
            else:
                self.act()
                if self._since_look >= 15:
                    self.checkpoint("activity")

    def novelty(self) -> None:
        """A reserve is listed and a market created after the start, for followers to find."""
        chain = self.chain
        if chain.markets:
            create_market(chain, LATE_MARKET, 8600)
            market = self.world.market(LATE_MARKET)
            chain.do(chain.admin, f"Oracle {LATE_MARKET}", "setPrice", self.world.oracle_price(LATE_MARKET))
            self.block([self.world.lend(self.liquidity, LATE_MARKET, self.world.amount(market.loan, 500_000))])
        if chain.reserves:
            list_reserves(chain, list(LATE))
            steps = [self.world.fund(self.liquidity, symbol, self.world.amount(symbol, 10**6)) for symbol in LATE]
            steps += [
                self.world.supply(self.liquidity, symbol, self.world.amount(symbol, 8 * 10**5)) for symbol in LATE
            ]
            self.block([self.world.publish(), *steps])
        self.checkpoint("new markets")

    def act(self, players: int = 4, crowd: Sequence[int] = (0, 1, 1, 2), seconds: int | None = None) -> None:
        """One block of story (up to `players` actors) and noise (one of `crowd` steps)."""
        while len(self._busy) < BUSY and self._waiting:
            role = self._roles[len(self.actors) % len(self._roles)]
            actor = hire(self.world, self._waiting.pop(0), role)
            self.actors.append(actor)
            self._busy.append(actor)
        chosen = self.rng.sample(self._busy, min(len(self._busy), self.rng.randrange(1, players + 1)))
        playing = [(actor, step) for actor in chosen if (step := self._next(actor)) is not None]
        taken = {step.sender for _, step in playing}
        noise = [step for _ in range(self.rng.choice(crowd)) if (step := self.noise.step()).sender not in taken]
        done = self.block([step for _, step in playing] + noise, seconds)
        for (actor, step), (ok, transaction) in zip(playing, done, strict=False):
            self._remember(actor, step, ok, transaction)

    def _next(self, actor: Actor) -> Step | None:
        """The actor's next step; an actor whose plan is over leaves."""
        if actor.plan is None:
            return None
        try:
            return next(actor.plan) if actor.last is None else actor.plan.send(actor.last)
        except StopIteration:
            actor.plan = None
            self._busy.remove(actor)
            return None

    def _remember(self, actor: Actor, step: Step, ok: bool, transaction: str) -> None:
        actor.last = ok
        if not step.calls:
            return
        entry: dict[str, Any] = {"block": self.chain.clock.head, "ok": ok, "protocol": step.protocol, "op": step.op}
        entry |= {"token": step.token, "amount": step.amount, "tx": transaction}
        if step.op == "fund":
            actor.funding.append({"token": step.token, "amount": step.amount, "block": self.chain.clock.head})
            return
        entry |= {key: value for key, value in (("market", step.market), ("note", step.note)) if value}
        actor.steps.append(entry)

    def idle(self, seconds: int) -> None:
        """Time passes and nobody does anything: one empty block."""
        self.block([], seconds)
        self.checkpoint("idle time")

    def move_prices(self, move: float, seconds: int | None = None) -> None:
        """Ether and bitcoin move together, dollars wobble; drawn back toward the opening prices."""
        world = self.world
        for symbol, (_, opening) in PLAIN.items():
            if symbol in ("USDC", "DAI"):
                world.price[symbol] = opening + self.rng.randrange(-200_000, 200_001)
                continue
            pull = (opening - world.price[symbol]) * self.rng.uniform(0, 0.06)
            own = world.price[symbol] * (move + self.rng.uniform(-0.01, 0.01))
            world.price[symbol] += int(pull + own)
        self.block([world.publish()], seconds)
        self.checkpoint("price move")

    def hunt(self, rounds: int = 1) -> int:
        """Liquidators look around and act; how many liquidations went through."""
        count = 0
        for _ in range(rounds):
            prey = find_prey(self.world, [*self.people, *self.newcomers.v3_users], self.liquidators)
            if not prey:
                break
            done = self.block([one.step for one in prey], 12)
            for one, (ok, transaction) in zip(prey, done, strict=True):
                if ok:
                    count += 1
                    self._count(one, transaction)
            self.checkpoint("liquidations")
        return count

    def _count(self, prey: Any, transaction: str) -> None:
        look = after_v2 if prey.story["protocol"] == "aave_v2" else after
        debt, collateral = look(self.world, prey)
        numbers = {"debt_before": prey.before[0], "debt_after": debt}
        numbers |= {"collateral_before": prey.before[1], "collateral_after": collateral}
        story = {"block": self.chain.clock.head, "tx": transaction, **prey.story}
        self.liquidations.append(story | {key: str(value) for key, value in numbers.items()})
        for actor in self.cast:
            if actor.account == prey.story["borrower"]:
                actor.liquidations.append(len(self.liquidations) - 1)

    def crash(
        self,
        drops: Sequence[float],
        rounds: int = 2,
        recovery: bool = True,
        pauses: Sequence[int] = (12, 60, 600),
    ) -> None:
        """Prices fall in steps, liquidators work in between; half of the loss comes back, or nothing."""
        self._since_crash = 0
        first, before = self.chain.clock.head + 1, dict(self.world.price)
        for number, drop in enumerate(drops, 1):
            for symbol in ("WETH", "WBTC"):
                self.world.price[symbol] = int(self.world.price[symbol] * (1 - drop * self.rng.uniform(0.9, 1)))
            self.block([self.world.publish()], self.rng.choice(pauses))
            self.checkpoint(f"crash step {number}")
            self.hunt(rounds)
        self.crashes.append((first, self.chain.clock.head))
        if not recovery:
            return
        for symbol in ("WETH", "WBTC"):
            low = self.world.price[symbol]
            self.world.price[symbol] = low + (before[symbol] - low) // 2
        self.block([self.world.publish()], HOUR)
        self.checkpoint("recovery")
