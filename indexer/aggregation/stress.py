"""M13 with honest intervals: one scenario under several market depths, with contagion, and what it leaves of each market.

    range          lowest and highest outcome over the depth settings; never fewer than three are run
    utilization    debt' / (cash' + debt'),  cash' = cash + repaid - seized where collateral lies in the market itself
    withdrawable   max(0, cash'): what lenders and loopers can still take out

Units    USD and tokens as floats, ratios as fractions
Edge     bad debt stays in debt': nobody repaid it. A market without cash and debt has no utilization: None
Source   docs/methodology.md M13
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from indexer.aggregation.cascade import Run, Scenario, contagion, simulate
from indexer.aggregation.impact import Impact, Model
from indexer.aggregation.legs import Floats, Legs, Places, totals
from indexer.aggregation.liquidation_rules import Rule

FACTORS: Final = (0.5, 1.0, 2.0)
"""Depth settings when depths are given: half as deep, as given, twice as deep."""

SHARES: Final = (0.05, 0.2, 1.0)
"""Depth settings when none is given: the pool's dollar side as a share of all that backs debt in that asset. An assumption
about unknown markets, not a measurement: from thin to as deep as the collateral itself."""


class Setting(NamedTuple):
    """One depth setting and what it led to."""

    factor: float
    run: Run
    contagion: Mapping[str, float]
    """By protocol: repaid in the joint run minus repaid when only it may liquidate, USD."""


class Range(NamedTuple):
    """Lowest and highest over the depth settings."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Stress:
    """A scenario under all its depth settings, shallowest first."""

    settings: tuple[Setting, ...]

    def range(self, name: str) -> Range:
        """Return the range of `repaid_usd` or `bad_debt_usd`."""
        values = [float(getattr(setting.run, name)) for setting in self.settings]
        return Range(min(values), max(values))

    def amplification(self, asset: int) -> Range | None:
        """Return the range of an asset's amplification; None where the shock was no fall."""
        values = [float(setting.run.amplification()[asset]) for setting in self.settings]
        return None if np.isnan(values).any() else Range(min(values), max(values))


def stress(
    legs: Legs,
    scenario: Scenario,
    *,
    factors: Sequence[float] = FACTORS,
    rules: Mapping[int, Rule] | None = None,
    with_contagion: bool = True,
) -> Stress:
    """Run a scenario under every depth factor. Raises ValueError for fewer than three different ones."""
    chosen = sorted(set(factors))
    if len(chosen) < 3 or chosen[0] <= 0:
        raise ValueError(f"depth factors {list(factors)}: give at least three different positive ones")
    settings = []
    for factor in chosen:
        at = replace(scenario, impact=scenario.impact.scaled(factor))
        run = simulate(legs, at, rules=rules)
        settings.append(Setting(factor, run, contagion(legs, at, run, rules=rules) if with_contagion else {}))
    return Stress(tuple(settings))


def relative_depth(legs: Legs, start: Floats, model: Model = "cpmm") -> Impact:
    """Return depths of 1 x all that backs debt in each asset, USD, to be scaled by SHARES. NaN where nothing does.

    For the other models the coefficient per token is that which takes the whole price (linear), or 1 - 1/e of it
    (exponential), when as much is sold as backs debt.
    """
    backs = ~legs.is_debt & legs.counts & np.isfinite(legs.units)
    tokens = totals(legs.asset[backs], legs.units[backs], len(legs.assets))
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(tokens > 0, tokens * start if model == "cpmm" else 1 / tokens, np.nan)
    return Impact(model, depth, start)


class Markets(NamedTuple):
    """Lending markets before the shock, one entry a (market, asset): what lies in them and what is owed, in tokens."""

    market_keys: Places
    asset: Places
    cash: Floats
    debt: Floats


class MarketsAfter(NamedTuple):
    """The same markets after a cascade."""

    cash: Floats
    debt: Floats
    utilization_before: Floats
    utilization: Floats
    withdrawable: Floats


def markets_after(markets: Markets, legs: Legs, run: Run) -> MarketsAfter:
    """Return cash, debt and utilization after a cascade: repayments bring cash, seized collateral is taken out."""
    key = legs.leg_market_keys, legs.asset
    place = {pair: n for n, pair in enumerate(zip(markets.market_keys.tolist(), markets.asset.tolist(), strict=True))}
    at = np.array([place.get(pair, -1) for pair in zip(key[0].tolist(), key[1].tolist(), strict=True)], np.int64)
    known = at >= 0
    size = len(markets.market_keys)
    repaid = totals(at[known], run.repaid[known], size)
    seized = totals(at[known], run.seized[known], size)
    cash, debt = markets.cash + repaid - seized, markets.debt - repaid
    return MarketsAfter(
        cash, debt, _utilization(markets.cash, markets.debt), _utilization(cash, debt), np.maximum(cash, 0)
    )


def _utilization(cash: Floats, debt: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(cash + debt > 0, debt / (cash + debt), np.nan)
