"""A cascade over many borrowers: 200,000 positions, up to ten rounds, in memory.

The crowd is made up (seeded): two of eight collaterals and one debt each, sizes by a Pareto law, health factors from 1 upward;
a fall of 20 % in half of the assets into markets that are thin against it, so that every round has work.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from indexer.aggregation.cascade import Scenario, simulate, start_prices
from indexer.aggregation.impact import Impact
from indexer.aggregation.legs import Legs

PRICES = np.array([2000.0, 60_000.0, 2300.0, 30.0, 10.0, 1.0, 5.0, 7.0, 1.0])
PROTOCOLS = ("aave_v3", "morpho_blue", "compound_v2", "compound_v3")


def crowd(positions: int, seed: int) -> Legs:
    """Return made-up borrowers as columns."""
    rng = np.random.default_rng(seed)
    everyone = np.arange(positions, dtype=np.int64)
    asset = np.concatenate([rng.integers(0, 8, positions), rng.integers(0, 8, positions), np.full(positions, 8)])
    units = rng.pareto(1.5, 3 * positions) * 1e4 / PRICES[asset]
    debt = np.arange(3 * positions) >= 2 * positions
    backing = (units * PRICES[asset])[:positions] + (units * PRICES[asset])[positions : 2 * positions]
    units[debt] = backing * 0.8 / (1 + rng.exponential(0.5, positions))
    value = units * PRICES[asset]
    threshold = np.where(debt, np.nan, 0.8)
    names = tuple(str(n) for n in range(positions))
    nothing = np.zeros(3 * positions, np.int64)
    return Legs(
        tuple(rng.choice(PROTOCOLS, positions).tolist()), np.ones(positions, np.int64), np.zeros(positions, np.int64), names, names,
        tuple(str(n) for n in range(9)), tuple(str(n) for n in range(9)),
        np.concatenate([everyone] * 3), asset, debt, np.ones(3 * positions, np.bool_), units, PRICES[asset], value,
        threshold, threshold, np.where(debt, np.nan, 0.05), np.where(debt, value, value * 0.8), nothing, nothing,
    )  # fmt: skip


def run(positions: int = 200_000, rounds: int = 10, passes: int = 3, seed: int = 1) -> dict[str, Any]:
    """Measure one cascade; the fastest of `passes`."""
    legs = crowd(positions, seed)
    depth = np.where(np.arange(9) < 5, 3e8, np.nan)
    shocks = np.where(np.arange(9) < 5, -0.2, 0.0)
    scenario = Scenario(shocks, Impact("cpmm", depth, start_prices(legs)), max_rounds=rounds)
    seconds = []
    for _ in range(passes):
        begun = time.perf_counter()
        found = simulate(legs, scenario)
        seconds.append(time.perf_counter() - begun)
    closed = found.repaid.sum() + found.bad.sum() + found.remaining[legs.is_debt].sum()
    if not np.isclose(closed, legs.units[legs.is_debt].sum(), rtol=1e-9):
        raise AssertionError("debt repaid, bad and remaining is not the debt there was")
    liquidations = int(found.by_node("liquidated").sum())
    return {"positions": positions, "rounds": len(found.rounds), "liquidations": liquidations, "seconds": min(seconds)}
