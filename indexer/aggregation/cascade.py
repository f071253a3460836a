"""M13: liquidation cascades in deterministic, synchronous rounds.

Each round, over all borrowers at once: (1) the oracle follows the market, oracle += rho (market - oracle); (2) whoever is
liquidatable at oracle prices is liquidated by the rule of their protocol, once; (3) what was seized is sold together and moves
the market for the next round. A debt left without collateral is bad debt. It ends with a round that liquidates nothing while
the oracle has caught up, or with `max_rounds`.

Units    tokens and USD as floats: a simulation, not an account. Debt repaid is valued at the round's oracle prices
Edge     borrowers with a leg that has no price are left out and counted; a supply that does not count is never seized;
         who is already liquidatable before the shock is liquidated in the first round and counted apart
Omits    gas, who buys the debt tokens (no impact on their price), auctions' duration, new positions, interest
Source   docs/methodology.md M13
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from indexer.aggregation.impact import Impact
from indexer.aggregation.legs import Flags, Floats, Legs, Places, totals
from indexer.aggregation.liquidation_rules import (
    BY_PROTOCOL,
    MORPHO,
    Rule,
    RuleColumns,
    bonus_of,
    columns_of,
    liquidatable,
    repay_usd,
)  # fmt: skip

CAUGHT_UP: Final = 1e-4
"""Gap between oracle and market, as a share of the first price, below which the oracle counts as settled."""


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """What happens to the world. Vectors have one entry an asset, in the order of `Legs.assets`."""

    shocks: Floats
    """Exogenous change of each price as a fraction: -0.3 is a fall by 30 %."""
    impact: Impact
    pass_through: float = 1.0
    """rho: how much of the gap to the market the oracle closes each round."""
    steps: int = 1
    """1: the shock comes in one jump; n: in n equal parts, each cascade run out before the next part."""
    max_rounds: int = 100
    sold_share: float = 1.0
    """What liquidators sell of what they seize; the rest they hold."""


class Round(NamedTuple):
    """One round: what was decided at `oracle` prices and where selling took the market. By node: one entry a protocol."""

    step: int
    number: int
    oracle: Floats
    market: Floats
    liquidated: Places
    repaid_usd: Floats
    bad_debt_usd: Floats
    sold: Floats
    """Tokens sold, by asset."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A cascade that has run out."""

    nodes: tuple[str, ...]
    rounds: tuple[Round, ...]
    exogenous: Floats
    """Prices that the shock alone leads to."""
    start: Floats
    unpriced: int
    """Borrowers left out for want of a price."""
    settled: bool
    """False: `max_rounds` cut it short."""
    repaid: Floats
    """Tokens repaid, by leg."""
    bad: Floats
    """Tokens of debt without collateral, by leg."""
    seized: Floats
    """Tokens of collateral taken, by leg."""
    remaining: Floats
    """Tokens left, by leg."""

    def by_node(self, name: str) -> Floats:
        """Return the sum over rounds of `liquidated`, `repaid_usd` or `bad_debt_usd`, by node."""
        zero = np.zeros(len(self.nodes))
        return sum((getattr(each, name) for each in self.rounds), zero).astype(np.float64)

    @property
    def repaid_usd(self) -> float:
        """All debt that liquidations repaid, USD."""
        return float(self.by_node("repaid_usd").sum())

    @property
    def bad_debt_usd(self) -> float:
        """All debt left without collateral, USD."""
        return float(self.by_node("bad_debt_usd").sum())

    @property
    def final(self) -> Floats:
        """Market prices at the end."""
        return self.rounds[-1].market if self.rounds else self.exogenous

    def amplification(self) -> Floats:
        """Return total fall / exogenous fall by asset; NaN where the shock was no fall."""
        fall = self.start - self.exogenous
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(fall > 0, (self.start - self.final) / fall, np.nan)

    def branching(self) -> list[float]:
        """Return repaid in a round / repaid in the round before, within a step, where there was any."""
        return [
            float(after.repaid_usd.sum() / before.repaid_usd.sum())
            for before, after in zip(self.rounds, self.rounds[1:], strict=False)
            if after.step == before.step and before.repaid_usd.sum() > 0
        ]

    def endogenous_share(self) -> float | None:
        """Return what was repaid after a step's first liquidating round / all that was repaid; None when nothing was."""
        first: set[int] = set()
        later = 0.0
        for each in self.rounds:
            repaid = float(each.repaid_usd.sum())
            later += repaid if each.step in first else 0.0
            if repaid > 0:
                first.add(each.step)
        return later / self.repaid_usd if self.repaid_usd > 0 else None


class _State:
    """Balances while a cascade runs, over the legs of those who can take part."""

    def __init__(self, legs: Legs, rules: RuleColumns, nodes: Places, count: int, start: Floats) -> None:
        self.legs, self.rules, self.node, self.nodes = legs, rules, nodes, count
        self.units = np.nan_to_num(legs.units.copy())
        self.debts, self.backs = np.flatnonzero(legs.is_debt), np.flatnonzero(~legs.is_debt & legs.counts)
        self.ower, self.backer = legs.borrower[self.debts], legs.borrower[self.backs]
        self.repaid, self.bad, self.seized = (np.zeros(len(legs)) for _ in range(3))
        # the weight that reproduces the protocol's own health factor; the threshold where its terms are not known
        debt = legs.debt_usd()
        with np.errstate(divide="ignore", invalid="ignore"):
            dollar = debt / legs.sums(legs.decides, legs.is_debt)
            weight = legs.decides * dollar[legs.borrower] / legs.value_usd
            own = legs.value_usd / (self.units * start[legs.asset])
        # protocols' oracles differ a little: a leg keeps its own price's distance from the asset's
        self.own_price = np.where(np.isfinite(own), own, 1.0)
        self.weight = np.where(np.isfinite(weight), weight, legs.threshold)

    def liquidate(self, oracle: Floats, may: Flags) -> tuple[Places, Floats, Floats, Floats]:
        """Liquidate everyone who is liquidatable, once. Return count, repaid and bad debt by node, seized by asset."""
        legs = self.legs
        price = oracle[legs.asset] * self.own_price
        value = self.units * price
        weighted = totals(self.backer, value[self.backs] * self.weight[self.backs], legs.borrowers)
        debt = totals(self.ower, value[self.debts], legs.borrowers)
        backing = totals(self.backer, self.units[self.backs], legs.borrowers)
        hit = may & liquidatable(self.rules, weighted, debt) & (backing > 0)
        if not hit.any():
            return (
                np.zeros(self.nodes, np.int64),
                np.zeros(self.nodes),
                np.zeros(self.nodes),
                np.zeros(len(legs.assets)),
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            health = weighted / debt
        repaid, taken = np.zeros(len(legs)), np.zeros(len(legs))
        self._pairs(hit & ~self.rules.whole, value, health, debt, repaid, taken)
        self._whole(hit & self.rules.whole, value, health, debt, repaid, taken)
        self.units = self.units - repaid - taken
        backing = totals(self.backer, self.units[self.backs], legs.borrowers)
        bad = np.zeros(len(legs))
        gone = self.debts[(hit & (backing == 0))[self.ower]]
        bad[gone] = self.units[gone]
        self.units -= bad
        self.repaid += repaid
        self.bad += bad
        self.seized += taken
        node, owed = self.node[self.ower], price[self.debts]
        return (
            np.bincount(self.node[hit], minlength=self.nodes).astype(np.int64),
            totals(node, repaid[self.debts] * owed, self.nodes),
            totals(node, bad[self.debts] * owed, self.nodes),
            totals(legs.asset[self.backs], taken[self.backs], len(legs.assets)),
        )

    def _pairs(self, hit: Flags, value: Floats, health: Floats, debt: Floats, repaid: Floats, taken: Floats) -> None:
        """Of each borrower, repay the largest debt leg against the largest collateral leg."""
        if not hit.any():
            return
        owing, backing = self._largest(hit, self.debts, value), self._largest(hit, self.backs, value)
        who = self.legs.borrower[owing]
        assert np.array_equal(who, self.legs.borrower[backing])
        rules = self.rules.take(who)
        bonus = bonus_of(rules, self.legs.bonus[backing], health[who])
        amount = repay_usd(rules, health[who], debt[who], value[owing], value[backing], bonus)
        # shares of a leg, so that what is used up is used up exactly
        repaid[owing] = _part(self.units[owing], amount, value[owing])
        taken[backing] = _part(self.units[backing], amount * (1 + bonus), value[backing])

    def _whole(self, hit: Flags, value: Floats, health: Floats, debt: Floats, repaid: Floats, taken: Floats) -> None:
        """Take all collateral of a borrower; it covers debt at its value less the bonus."""
        if not hit.any():
            return
        legs = self.legs
        all_of, owed = self.backs[hit[self.backer]], self.debts[hit[self.ower]]
        who = legs.borrower[all_of]
        bonus = bonus_of(self.rules.take(who), legs.bonus[all_of], health[who])
        covers = totals(who, value[all_of] / (1 + bonus), legs.borrowers)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.minimum(covers / debt, 1)
        taken[all_of] = self.units[all_of]
        repaid[owed] = self.units[owed] * share[legs.borrower[owed]]

    def _largest(self, hit: Flags, among: Places, value: Floats) -> Places:
        """Return the leg of most value of each borrower that is hit, in the order of borrowers; ties: the first leg."""
        places = among[hit[self.legs.borrower[among]] & (self.units[among] > 0)]
        order = places[np.lexsort((places, -value[places], self.legs.borrower[places]))]
        owner = self.legs.borrower[order]
        return order[np.concatenate(([True], owner[1:] != owner[:-1]))]


def _part(units: Floats, amount: Floats, value: Floats) -> Floats:
    """Return the units that `amount` of `value` are: all of them when it is all, or when they are worth nothing."""
    # a rounding of the last bit must not leave dust that no contract would leave
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(amount >= value * (1 - 1e-12), units, units * amount / value)


def simulate(
    legs: Legs,
    scenario: Scenario,
    *,
    rules: Mapping[int, Rule] | None = None,
    only: Iterable[str] | None = None,
) -> Run:
    """Run one cascade.

    rules    by deployment key; a deployment without one has its protocol's (`BY_PROTOCOL`)
    only     protocols that may liquidate (a counterfactual); the others' positions stand still. None: all
    """
    priced = _priced(legs)
    nodes = tuple(sorted(set(legs.protocols)))
    number = {name: n for n, name in enumerate(nodes)}
    kept = legs.only(priced)
    start = scenario.impact.start
    oracle, fair, sold = start.copy(), start, np.zeros(len(legs.assets))
    state = _State(
        kept,
        columns_of([_rule(name, key, rules) for name, key in zip(kept.protocols, kept.deployment_keys, strict=True)]),
        np.array([number[name] for name in kept.protocols], np.int64),
        len(nodes),
        start,
    )
    chosen = set(nodes if only is None else only)
    may = np.array([name in chosen for name in kept.protocols], np.bool_)
    rounds: list[Round] = []
    settled = True
    for step in range(1, scenario.steps + 1):
        fair = start * (1 + scenario.shocks * (step / scenario.steps))
        settled = False
        while len(rounds) < scenario.max_rounds:
            market = scenario.impact.price(fair, sold)
            oracle = market if scenario.pass_through == 1 else oracle + scenario.pass_through * (market - oracle)
            count, repaid, bad, taken = state.liquidate(oracle, may)
            lag = np.abs(market - oracle) > CAUGHT_UP * start
            if not count.any() and (scenario.pass_through == 0 or not lag.any()):
                settled = True
                break
            sold = sold + taken * scenario.sold_share
            market = scenario.impact.price(fair, sold)
            rounds.append(Round(step, len(rounds) + 1, oracle, market, count, repaid, bad, taken * scenario.sold_share))
        if not settled:
            break
    spread = np.flatnonzero(priced[legs.borrower])
    done = np.zeros((3, len(legs)))
    done[:, spread] = state.repaid, state.bad, state.seized
    remaining = np.nan_to_num(legs.units.copy())
    remaining[spread] = state.units
    return Run(nodes, tuple(rounds), fair, start, int((~priced).sum()), settled, done[0], done[1], done[2], remaining)


def start_prices(legs: Legs) -> Floats:
    """Return each asset's price before the shock: the median over its legs, NaN where none has one.

    Protocols' oracles may differ a little; a leg's own price moves by the same factor as the asset's.
    """
    prices = np.full(len(legs.assets), np.nan)
    order = np.argsort(legs.asset, kind="stable")
    bounds = np.searchsorted(legs.asset[order], np.arange(len(legs.assets) + 1))
    for n in range(len(legs.assets)):
        found = legs.price_usd[order[bounds[n] : bounds[n + 1]]]
        found = found[found > 0]
        prices[n] = np.median(found) if found.size else np.nan
    return prices


def contagion(
    legs: Legs, scenario: Scenario, joint: Run, *, rules: Mapping[int, Rule] | None = None
) -> dict[str, float]:
    """Return for each protocol repaid in the joint run minus repaid when only it may liquidate, USD."""
    together = joint.by_node("repaid_usd")
    return {
        name: float(together[n] - simulate(legs, scenario, rules=rules, only=(name,)).repaid_usd)
        for n, name in enumerate(joint.nodes)
    }


def _rule(protocol: str, deployment: int, rules: Mapping[int, Rule] | None) -> Rule:
    own = rules.get(int(deployment)) if rules else None
    return own or BY_PROTOCOL.get(protocol, MORPHO)


def _priced(legs: Legs) -> Flags:
    """Return which borrowers have a value on every leg that matters: debts and what counts as collateral."""
    matters = legs.is_debt | legs.counts
    unknown = matters & ~(np.isfinite(legs.value_usd) & np.isfinite(legs.units))
    clear: Flags = np.bincount(legs.borrower[unknown], minlength=legs.borrowers) == 0
    return clear


def groups_follow(shocks: Floats, given: Flags, groups: Sequence[Sequence[int]]) -> Floats:
    """Return shocks in which assets of a group fall together.

    An asset without a shock of its own takes the shock of its group when the group's given shocks agree, else their mean.
    """
    spread = shocks.copy()
    for group in groups:
        places = np.array(group, np.int64)
        told = places[given[places]]
        if told.size:
            spread[places[~given[places]]] = shocks[told].mean()
    return spread
