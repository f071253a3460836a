"""M20 by its worked numbers."""

from __future__ import annotations

import math
from decimal import Decimal as D
from fractions import Fraction

import pytest

from indexer.aggregation.utilization import (
    breakeven_rate,
    kink_pressure,
    kinked_rate,
    loop_carry,
    rate_elasticity,
    utilization_aave,
    utilization_compound_v2,
    utilization_of_totals,
)


def test_one_formula_a_protocol() -> None:
    """80 owed, 20 idle; of Compound's cash 5 are reserves: 80/95, not 80/100."""
    assert utilization_aave(80, 20) == Fraction(4, 5)
    assert utilization_of_totals(80, 100) == Fraction(4, 5)
    assert utilization_compound_v2(80, 20, 0) == Fraction(4, 5)
    assert utilization_compound_v2(80, 20, 5) == Fraction(80, 95)


def test_edges() -> None:
    assert utilization_of_totals(110, 100) == Fraction(11, 10)  # interest that is not accrued yet
    assert utilization_aave(0, 0) == 0
    assert utilization_of_totals(5, 0) is None
    assert kink_pressure(None, D("0.9")) is None and kink_pressure(D("0.5"), None) is None


def test_kink() -> None:
    """U* 0.9, slopes 2.7 % and 80 %: at 0.95 halfway up the second, 42.7 %."""
    assert kinked_rate(D("0.95"), D("0.9"), D("0.027"), D("0.8")) == Fraction(427, 1000)
    assert kinked_rate(D("0.45"), D("0.9"), D("0.027"), D("0.8")) == Fraction(135, 10_000)
    assert kink_pressure(D("0.95"), D("0.9")) == Fraction(1, 2)
    assert kink_pressure(D("0.9"), D("0.9")) == 0
    assert kink_pressure(D("1.1"), D("0.9")) == 2


def test_carry_of_a_loop() -> None:
    """10x, 3 % against 2.7 %: +5.7 %; against 42.7 %: -354.3 %. It earns nothing at 10/9 of 3 %."""
    assert loop_carry(10, D("0.03"), D("0.027")) == Fraction(57, 1000)
    assert loop_carry(10, D("0.03"), D("0.427")) == Fraction(-3543, 1000)
    found = breakeven_rate(10, D("0.03"))
    assert found == Fraction(1, 30) and loop_carry(10, D("0.03"), found) == 0
    assert breakeven_rate(1, D("0.03")) is None


def test_rate_elasticity() -> None:
    """ln borrow falls by 5 for each 1 the rate rises: slope -5, a perfect fit of three steps."""
    rates = [0.01, 0.02, 0.05, 0.03]
    borrowed = [100 * math.exp(-5 * rate) for rate in rates]
    found = rate_elasticity(rates, borrowed)
    assert found is not None and found.n == 3
    assert found.slope == pytest.approx(-5) and found.r2 == pytest.approx(1)
    assert rate_elasticity(rates[:3], borrowed[:3]) is None
    assert rate_elasticity([0.01] * 5, [1, 2, 3, 4, 5]) is None
    assert rate_elasticity([0.01, None, 0.02, 0.03, 0.05, 0.06], [1, 2, 3, 0, 4, 5]) is None
