"""The recorded chain behind `leverage demo`: two months of made-up money, loops of every form, one crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import truth
from .anvil import GENESIS_TIME
from .chain import LocalChain
from .record import record
from .scenario import DAY, HOUR, Scenario

SEED = 2024
SLOT = 6 * HOUR
CRASH_DAY, LAST_DAY = 48, 63
CRASH = (0.04, 0.06, 0.08, 0.08, 0.06, 0.04)
CRASH_PAUSES = (HOUR, 2 * HOUR, 4 * HOUR, 5 * HOUR)
NAMED = ("setup done", "loops open", "before the crash", "crash step 4", "after the crash", "final")
NOTES = {"named_checkpoints": list(NAMED), "price_reads": "every six hours, and every block of the crash"}


class _Diary:
    """Price blocks and named moments, collected while the demo runs."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.price_blocks: list[int] = []

    @property
    def day(self) -> float:
        """Simulated days since genesis."""
        return (self.scenario.chain.clock.now - GENESIS_TIME) / DAY

    def slot(self, move: Callable[[], float], blocks: int) -> None:
        """Six hours: one price move, then some blocks of activity."""
        pause = SLOT // (blocks + 2)
        self.scenario.move_prices(move(), pause)
        self.price_blocks.append(self.scenario.chain.clock.head)
        self.scenario.hunt()
        rng = self.scenario.rng
        for number in range(blocks):
            seconds = pause if number else SLOT - pause * (blocks + 1)
            self.scenario.act(players=2, crowd=(0, 0, 1), seconds=seconds + rng.randrange(-300, 301))

    def until(self, day: float, drift: float, blocks: tuple[int, ...] = (1, 2, 3)) -> None:
        """Slot after slot until a day has come; ether drifts."""
        rng = self.scenario.rng
        while self.day < day:
            self.slot(lambda: rng.uniform(-0.011, 0.011) + drift, rng.choice(blocks))
            if rng.random() < 0.03:
                self.scenario.block([self.scenario.admin.step()], 60)
                self.scenario.checkpoint("parameter change")

    def name(self, what: str) -> None:
        """Marks the newest block as a named checkpoint with a snapshot of everyone."""
        self.scenario.checkpoints = [
            one for one in self.scenario.checkpoints if one[0] != self.scenario.chain.clock.head
        ]
        self.scenario.checkpoint(what)
        truth.snapshot(self.scenario, what)


def make_demo(folder: Path) -> None:
    """Runs the demo and writes it to `folder`."""
    with LocalChain(aave="3.6", morpho=True, seed=SEED, aave_v2=True, perp=True) as chain:
        scenario = Scenario(chain, SEED, cast=38, noise=6, newcomers=0.38)
        diary = _Diary(scenario)
        scenario.setup()
        diary.until(10, 0.001)
        scenario.novelty()
        diary.until(34, 0.001)
        diary.name("loops open")
        diary.until(CRASH_DAY, 0.0015)
        diary.name("before the crash")
        scenario.crash(CRASH, rounds=4, recovery=False, pauses=CRASH_PAUSES)
        diary.name("after the crash")
        scenario.invite(10)
        scenario.newcomers.invite()
        diary.until(LAST_DAY, 0.0)
        diary.name("final")
        named = [block for block, reason in scenario.checkpoints if reason in NAMED]
        crash = [number for first, last in scenario.crashes for number in range(first, last + 1)]
        record(scenario, folder, named, [*diary.price_blocks, *crash], notes=NOTES)
