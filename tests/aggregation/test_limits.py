"""M16 and M19 by their worked numbers, edges and naive ways."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from indexer.aggregation import limits

D = Decimal


def test_worked_example() -> None:
    collateral, debt, ltv, threshold = D(10_000), D(6000), D("0.8"), D("0.825")
    assert limits.leverage(collateral, debt) == D("2.5")
    assert limits.max_leverage(ltv) == 5
    assert limits.limit_usage(collateral, debt, ltv) == D("0.5")
    assert limits.borrow_headroom_usd([(collateral, ltv)], debt) == 2000
    assert float(limits.liquidation_leverage(threshold) or 0) == pytest.approx(float(Fraction(40, 7)))
    assert limits.liquidation_leverage(threshold) != limits.max_leverage(ltv)  # naive: LT as the limit


def test_edges() -> None:
    assert limits.max_leverage(D(1)) is None
    assert limits.leverage(D(100), D(100)) is None
    assert limits.limit_usage(D(100), D(120), D("0.8")) is None
    # LTV 0: the debt may stay, not grow
    assert limits.borrow_headroom_usd([(D(1000), D(0))], D(500)) == 0
    assert (limits.limit_usage(D(1000), D(500), D(0)) or 0) == 2  # above 1 is legal
    # headroom ends where the pool's liquidity, a cap or a ceiling ends
    room = limits.borrow_headroom_usd([(D(10_000), D("0.8"))], D(6000), D(700), None, D(900))
    assert room == 700
    assert limits.borrow_headroom_usd([(D(10_000), D("0.8"))], D(6000), D(-5)) == 0


def test_aggregates_are_weighted_by_debt() -> None:
    usage = limits.mean_limit_usage([(D("0.5"), D(6000)), (D("0.9"), D(2000)), (None, D(10**9))])
    assert usage == D("0.6")
    assert usage != (D("0.5") + D("0.9")) / 2  # naive: a mean of ratios
    assert limits.mean_limit_usage([]) is None


def test_tiered_margin() -> None:
    tiers = [(D(50_000), D("0.02")), (D(500_000), D("0.05"))]
    assert limits.perp_max_leverage(D(50_000), tiers) == 50
    assert limits.perp_max_leverage(D(50_001), tiers) == 20
    assert limits.perp_max_leverage(D(500_001), tiers) is None


def test_sensitivity() -> None:
    assert [limits.distance(D(n), D("0.8")) for n in (2, 4)] == [D("0.375"), D("0.0625")]
    assert float(limits.distance(D(3), D("0.8"))) == pytest.approx(1 / 6)
    assert limits.distance(D(5), D("0.8")) == 0
    assert (limits.leverage_elasticity(D(3)), limits.equity_elasticity(D(3))) == (-2, 3)
    assert limits.health_elasticity([D(16_000), D(3750)], 0) == D(16_000) / 19_750
    assert limits.health_elasticity([D(16_000)], 0) == 1


def test_chance_of_liquidation() -> None:
    assert limits.liquidation_probability(1 / 6, 0.8, 30) == pytest.approx(0.426649, abs=1e-6)
    assert limits.liquidation_probability(1 / 6, 0.8, 30 * 365) != pytest.approx(
        0.426649, abs=0.1
    )  # naive: days as years
    assert limits.liquidation_probability(0, 0.8, 30) == 1
    assert limits.liquidation_probability(1, 0.8, 30) == 0
    assert limits.liquidation_probability(0.5, 0.0, 30) == 0


def test_drop_curve() -> None:
    assert limits.drop_sensitivity([D("0.01"), D("0.03"), D("0.05")], [D(100), D(100), D(500)]) == [0, 20_000]
