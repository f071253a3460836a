"""M15: METRICS' figures and its edges."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.aggregation.legs import legs_of
from indexer.aggregation.propagation import (
    collateral_overlap,
    collateral_shares,
    debt_rank,
    overlap_matrix,
    propagation,
    shared_owner_debt,
)  # fmt: skip
from tests.aggregation.cascades import leg, scenario, simple, worked

BALANCES = legs_of(
    [
        leg("a", "collateral", "WETH", 35, 2000, 0.8, protocol="A"), leg("a", "collateral", "WBTC", 0.6, 50_000, 0.8, protocol="A"),
        leg("a", "debt", "USDC", 1, 1, protocol="A"),
        leg("b", "collateral", "WETH", 10, 2000, 0.8, protocol="B"), leg("b", "collateral", "WBTC", 0.4, 50_000, 0.8, protocol="B"),
        leg("b", "collateral", "USDC", 60_000, 1, 0.8, protocol="B"), leg("b", "debt", "DAI", 1, 1, protocol="B"),
        leg("b", "collateral", "MKR", 999, 100, 0, protocol="B", counts=False),
    ]
)  # fmt: skip


def test_overlap_of_the_worked_example() -> None:
    assert collateral_overlap({"WETH": 0.7, "WBTC": 0.3}, {"WETH": 0.2, "WBTC": 0.2, "USDC": 0.6}) == pytest.approx(0.4)
    nodes, shares = collateral_shares(BALANCES)
    assert nodes == ("A", "B")
    assert overlap_matrix(shares) == pytest.approx(np.array([[1, 0.4], [0.4, 1]]))


def test_overlap_without_stables_is_another_number() -> None:
    _, shares = collateral_shares(BALANCES, without=["USDC"])
    assert overlap_matrix(shares)[0, 1] == pytest.approx(0.5 + 0.3)  # B is then half and half
    _, none = collateral_shares(BALANCES, without=["USDC", "WETH", "WBTC"])
    assert np.isnan(overlap_matrix(none)).all()


def test_shared_owner_debt() -> None:
    rows = [
        *simple("a1", 10, 1_000, 0.8, protocol="A", owner="o"), *simple("a2", 10, 500, 0.8, protocol="A", owner="o"),
        *simple("b1", 10, 1_200, 0.8, protocol="B", owner="o"), *simple("b2", 10, 9_000, 0.8, protocol="B", owner="else"),
    ]  # fmt: skip
    nodes, shared = shared_owner_debt(legs_of(rows))
    assert nodes == ("A", "B")
    assert shared.tolist() == [[1_500, 1_200], [1_200, 10_200]]


def test_propagation_of_the_worked_example() -> None:
    legs = worked()
    found = propagation(legs, scenario(legs, {"WETH": -0.13}, {"WETH": 1e7}))
    assert found.matrix.tolist() == [[0, 1], [0, 0]]  # not symmetric
    assert found.strength().tolist() == [1, 0]
    assert found.spectral_radius() == 0 and found.is_stable()


def test_both_ways_is_not_stable() -> None:
    from indexer.aggregation.propagation import Propagation

    assert Propagation(("p", "q"), np.array([[0, 2.0], [0.5, 0]])).spectral_radius() == pytest.approx(1)
    assert not Propagation(("p", "q"), np.array([[0, 2.0], [0.5, 0]])).is_stable()
    assert Propagation(("p", "q"), np.array([[0, 0.5], [0.5, 0]])).is_stable()


def test_a_protocol_without_debt_is_null() -> None:
    legs = legs_of(
        [*simple("a", 100, 150_000, 0.86, protocol="A"), leg("c", "collateral", "WETH", 1, 2000, 0.8, protocol="C")]
    )
    found = propagation(legs, scenario(legs, {"WETH": -0.13}, {"WETH": 1e7}))
    assert np.isnan(found.matrix[0, 1]) and found.matrix[1, 0] == 0
    assert found.strength().tolist() == [0, 0]


def test_debt_rank_of_a_chain() -> None:
    """a owes b 50, b owes c 30; equity 100 each. a is wiped out: b loses .5, c loses .3 x .5 = .15: .65 of 3."""
    claims = np.array([[0, 0, 0], [50.0, 0, 0], [0, 30.0, 0]])
    assert debt_rank(claims, np.full(3, 100.0), np.array([1.0, 0, 0])) == pytest.approx(0.65 / 3)
    assert debt_rank(claims, np.zeros(3), np.array([1.0, 0, 0])) == 0
    assert debt_rank(claims, np.full(3, 100.0), np.zeros(3)) == 0


def test_debt_rank_passes_on_once() -> None:
    claims = np.array([[0, 50.0], [50.0, 0]])  # a circle: b's loss does not come back twice
    assert debt_rank(claims, np.full(2, 100.0), np.array([0.4, 0])) == pytest.approx((0.1 + 0.2) / 2)
