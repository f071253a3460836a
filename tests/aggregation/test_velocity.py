"""M4 by its worked numbers, and that the parts always sum to the whole."""

from __future__ import annotations

import math
from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.aggregation.velocity import (
    DAY,
    Move,
    constant_price_growth,
    decompose,
    doubling_time,
    excess_growth,
    growth_rate,
    mean_over_time,
    ratio_velocity,
    velocity,
)

RALLY = Move(D(100), D(104), D(2000), D(2500), borrowed=D(4))


def test_a_rally_is_not_leveraging_up() -> None:
    """100 to 104 WETH, 2000 to 2500: dD = 60000 = price 51000 + quantity 9000."""
    found = decompose([RALLY])
    assert (found.change, found.price, found.organic, found.forced, found.carry) == (60_000, 51_000, 9_000, 0, 0)
    assert velocity(found.change, DAY) == 60_000 and velocity(found.change, 30 * DAY) == 2_000


def test_growth_is_at_constant_prices() -> None:
    """ln(1.04), where USD would say ln(1.3)."""
    assert constant_price_growth([RALLY], DAY) == pytest.approx(math.log(1.04), abs=1e-15)
    assert growth_rate(100 * 2000, 104 * 2500, DAY) == pytest.approx(math.log(1.3), abs=1e-15)
    assert constant_price_growth([RALLY], 7 * DAY) == pytest.approx(math.log(1.04) / 7, abs=1e-15)
    assert doubling_time(math.log(2) / 5) == pytest.approx(5)
    assert doubling_time(-0.1) is None and doubling_time(None) is None


def test_each_part() -> None:
    """Price 2 throughout: borrow 10, repay 3, liquidated 4, written off 1, 100 to 103: interest 1."""
    found = decompose([Move(100, 103, 2, 2, borrowed=10, repaid=3, liquidated=4, written_off=1)])
    assert (found.price, found.organic, found.forced, found.carry, found.change) == (0, 14, -10, 2, 6)


def test_interest_is_not_a_jump_at_the_users_next_action() -> None:
    """100 grow to 101 without any event: carry, not organic."""
    assert decompose([Move(100, 101, 1, 1)]).carry == 1


def test_from_nothing() -> None:
    """D at the start is 0: growth means nothing, velocity does. The asset's first price stands in, and is flagged."""
    new = Move(0, 50, None, D(3), borrowed=50, first_price=D(2))
    found = decompose([new])
    assert (found.change, found.price, found.organic, found.n_new, found.n_unpriced) == (150, 25, 125, 1, 0)
    assert constant_price_growth([new], DAY) is None


def test_no_price_is_not_zero() -> None:
    found = decompose([Move(5, 6, 1, None), Move(5, 6, None, None), Move(0, 0, None, None), RALLY])
    assert (found.n_unpriced, found.change) == (2, 60_000)


def test_migrations_between_versions() -> None:
    """Repay 40 in v2, borrow 40 in v3 in one transaction: gone from either organic velocity, and from their sum."""
    old, new = Move(100, 60, 1, 1, repaid=40, migrated=-40), Move(10, 55, 1, 1, borrowed=45, migrated=40)
    assert [decompose([move]).net_of_migrations for move in (old, new)] == [0, 5]
    both = decompose([old, new])
    assert (both.organic, both.net_of_migrations) == (5, 5)


def test_leverage_ratio_velocity() -> None:
    assert ratio_velocity(D("1.5"), D("2.2"), 7 * DAY) == Fraction(1, 10)
    assert ratio_velocity(None, D(2), DAY) is None and ratio_velocity(D(2), None, DAY) is None


def test_excess_growth() -> None:
    assert excess_growth(0.3, 0.1) == pytest.approx(0.2)
    assert excess_growth(None, 0.1) is None and excess_growth(0.1, None) is None
    assert mean_over_time([(0, 10), (60, 20)], 100) == 14
    assert mean_over_time([], 5) is None


exact = st.decimals(min_value=0, max_value=10**9, places=18)
prices = st.decimals(min_value=0, max_value=10**6, places=8)
moves = st.builds(
    Move, q0=exact, q1=exact, p0=prices, p1=prices, borrowed=exact, repaid=exact, liquidated=exact, written_off=exact
)


@given(st.lists(moves, max_size=6))
def test_the_parts_sum_to_the_change_exactly(found: list[Move]) -> None:
    parts = decompose(found)
    worth = [Fraction(m.q1) * Fraction(m.p1) - Fraction(m.q0) * Fraction(m.p0) for m in found]  # type: ignore[arg-type]
    effects = map(Fraction, (parts.price, parts.organic, parts.forced, parts.carry))
    assert sum(effects) == parts.change == sum(worth)


@given(st.lists(moves, max_size=6), st.integers(0, 6))
def test_scopes_add_up(found: list[Move], cut: int) -> None:
    whole, one, other = decompose(found), decompose(found[:cut]), decompose(found[cut:])
    for name in ("debt_0", "debt_1", "price", "organic", "forced", "carry"):
        assert getattr(whole, name) == Fraction(getattr(one, name)) + Fraction(getattr(other, name))
