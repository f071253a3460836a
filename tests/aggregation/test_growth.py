"""M5 by its worked numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from indexer.aggregation.growth import acceleration, exponential_growth

EXPONENTIAL, RAMP = (100, 112, 126, 142, 160), (100, 115, 130, 145, 160)


def test_exponential() -> None:
    found = exponential_growth(EXPONENTIAL)
    assert found is not None and found.is_exponential
    assert found.beta == pytest.approx(0.117733544, abs=5e-10)
    assert found.r2_log == pytest.approx(0.999886, abs=5e-7)
    assert found.sse_exp == pytest.approx(0.2248, abs=5e-5)
    assert found.sse_lin == pytest.approx(14)
    assert found.doubling_days == pytest.approx(5.887423, abs=5e-7)


def test_a_ramp_is_not() -> None:
    """Every step grows and R2 of the logarithm passes; only the errors in levels tell."""
    found = exponential_growth(RAMP)
    assert found is not None and not found.is_exponential
    assert found.r2_log == pytest.approx(0.995195, abs=5e-7)
    assert found.sse_lin == pytest.approx(0, abs=1e-18)


def test_last_velocity_and_acceleration() -> None:
    velocities = [b - a for a, b in pairwise(EXPONENTIAL)]
    assert velocities[-1] == 18
    assert acceleration(velocities[-1], velocities[-2], 1) == 2
    assert acceleration(None, 16, 1) is None and acceleration(18, None, 1) is None


@pytest.mark.parametrize("values", [(1, 2, 4, 8), (1, 2, 4, 8, 0), (1, 2, 4, -8, 16), ()])
def test_too_few_or_not_positive(values: tuple[float, ...]) -> None:
    assert exponential_growth(values) is None


@pytest.mark.parametrize("value", [7, 0.1, 1 / 3])
def test_constant(value: float) -> None:
    found = exponential_growth([value] * 5)
    assert found is not None
    assert (found.r2_log, found.is_exponential, found.doubling_days, found.beta) == (None, False, None, 0)


def test_slower_than_thirty_days_is_not() -> None:
    slow = [100 * 1.01**n for n in range(10)]
    assert not exponential_growth(slow).is_exponential  # type: ignore[union-attr]
    assert exponential_growth(slow, most_doubling_days=70).is_exponential  # type: ignore[union-attr]


def test_falling_is_not() -> None:
    assert not exponential_growth([160, 142, 126, 112, 100]).is_exponential  # type: ignore[union-attr]
