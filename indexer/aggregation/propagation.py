"""M15: how protocols hang together, by what backs them, by who owes, and by what a shock carries over.

    collateral_overlap(p, q) = sum_a min(w_pa, w_qa)              w: share of an asset in a protocol's collateral
    shared_owner_debt(p, q)  = sum_o min(D_op, D_oq)              o: an owner who owes at both
    propagation(p -> q)      = (repaid at q when p and q may liquidate - when only q may) / D_q
    node strength            = sum_q propagation(p -> q);  spectral radius rho: stable when below 1

What q's positions lose to the shock itself is in both terms of the difference: what remains came over from p.
Units    shares and propagation as fractions, debts in USD
Edge     no debt, no collateral: NaN, not 0. Owner overlap is not causality: one owner may hedge at q what is owed at p
Source   docs/methodology.md M15; Battiston et al. 2012 for DebtRank
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from indexer.aggregation.cascade import Scenario, simulate
from indexer.aggregation.legs import Floats, Legs, Places, totals
from indexer.aggregation.liquidation_rules import Rule


def collateral_shares(legs: Legs, *, without: Iterable[str] = ()) -> tuple[tuple[str, ...], Floats]:
    """Return protocols and, by (protocol, asset), shares of what backs debt; `without` names assets to leave out (stables).

    A protocol in which nothing is left has shares NaN.
    """
    nodes, node = _nodes(legs)
    left_out = {name.lower() for name in without}
    kept_asset = np.array([name.lower() not in left_out for name in legs.assets], np.bool_)
    used = ~legs.is_debt & legs.counts & np.isfinite(legs.value_usd) & kept_asset[legs.asset]
    table = np.zeros((len(nodes), len(legs.assets)))
    np.add.at(table, (node[legs.borrower[used]], legs.asset[used]), legs.value_usd[used])
    with np.errstate(invalid="ignore"):
        return nodes, table / table.sum(axis=1, keepdims=True)


def collateral_overlap(p: Mapping[str, float], q: Mapping[str, float]) -> float:
    """Return sum of the smaller shares: 1 for the same collateral, 0 for nothing in common."""
    return sum(min(share, q[asset]) for asset, share in p.items() if asset in q)


def overlap_matrix(shares: Floats) -> Floats:
    """Return collateral_overlap of every pair of rows; symmetric, NaN with a protocol that has no collateral."""
    return _smaller(shares)


def shared_owner_debt(legs: Legs) -> tuple[tuple[str, ...], Floats]:
    """Return protocols and, by pair, what owners owe at both, USD; the diagonal is each protocol's debt.

    An owner without a USD value on a debt is left out of that protocol.
    """
    nodes, node = _nodes(legs)
    owners = {name: n for n, name in enumerate(dict.fromkeys(legs.owners))}
    owner = np.array([owners[name] for name in legs.owners], np.int64)
    debt = np.zeros((len(nodes), len(owners)))
    np.add.at(debt, (node, owner), np.nan_to_num(legs.debt_usd()))
    return nodes, _smaller(debt)


class Propagation(NamedTuple):
    """What one scenario carries from protocol to protocol: `matrix[p, q]` is propagation(p -> q)."""

    nodes: tuple[str, ...]
    matrix: Floats
    """0 on the diagonal; NaN into a protocol without debt."""

    def strength(self) -> Floats:
        """Return how much each protocol hands on: the sum of its row."""
        total: Floats = np.nan_to_num(self.matrix).sum(axis=1)
        return total

    def spectral_radius(self) -> float:
        """Return the largest absolute eigenvalue: below 1, rounds of propagation die out."""
        if not self.nodes:
            return 0.0
        return float(np.abs(np.linalg.eigvals(np.nan_to_num(self.matrix))).max())

    def is_stable(self) -> bool:
        """Return whether the spectral radius is below 1."""
        return self.spectral_radius() < 1


def propagation(legs: Legs, scenario: Scenario, *, rules: Mapping[int, Rule] | None = None) -> Propagation:
    """Return the propagation matrix of a scenario: a run a protocol and a run a pair."""
    nodes, node = _nodes(legs)
    debt = totals(node, np.nan_to_num(legs.debt_usd()), len(nodes))
    alone = [float(simulate(legs, scenario, rules=rules, only=(name,)).repaid_usd) for name in nodes]
    matrix = np.zeros((len(nodes), len(nodes)))
    for p in range(len(nodes)):
        for q in range(p):
            joint = simulate(legs, scenario, rules=rules, only=(nodes[p], nodes[q])).by_node("repaid_usd")
            for source, target in ((p, q), (q, p)):
                more = joint[target] - alone[target]
                matrix[source, target] = more / debt[target] if debt[target] > 0 else np.nan
    return Propagation(nodes, matrix)


def debt_rank(claims: Floats, equity: Floats, shocked: Floats, *, rounds: int = 100) -> float:
    """Return the share of all equity that is lost through claims beyond the first loss (DebtRank, without feedback).

    claims    claims[i, j]: what i is owed by j, USD; equity: what each can lose; shocked: first loss as a share of equity
    Formula   W_ij = min(1, claims_ij / equity_i); h_i(t) = min(1, h_i(t-1) + sum_j W_ij h_j(t-1)), j newly distressed once
              result = sum_i (h_i - h_i(0)) e_i / sum_i e_i
    Edge      no equity at all: 0. A node without equity is wiped out by any claim on a distressed one
    """
    total = float(equity.sum())
    if total <= 0:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(claims > 0, np.minimum(1.0, claims / equity[:, None]), 0.0)
    first = np.clip(shocked, 0.0, 1.0)
    level, active, done = first.copy(), first > 0, np.zeros(len(first), np.bool_)
    for _ in range(rounds):
        if not active.any():
            break
        hit = weight @ np.where(active, level, 0.0)
        done |= active
        after = np.minimum(1.0, level + hit)
        active = (after > level) & ~done
        level = after
    return float(((level - first) * equity).sum() / total)


def _smaller(rows: Floats) -> Floats:
    """Return for every pair of rows the sum of the smaller entries."""
    return np.array([[float(np.minimum(p, q).sum()) for q in rows] for p in rows], np.float64).reshape((len(rows),) * 2)


def _nodes(legs: Legs) -> tuple[tuple[str, ...], Places]:
    names: Sequence[str] = sorted(set(legs.protocols))
    place = {name: n for n, name in enumerate(names)}
    return tuple(names), np.array([place[name] for name in legs.protocols], np.int64)
