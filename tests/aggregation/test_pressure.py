"""Pressure bounds every health factor: by hand, and against random books."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from itertools import pairwise

import pytest

from indexer.aggregation.pressure import (
    Level,
    became_known,
    highest_unit,
    rounding_margin,
    safe_until,
    step_pressure,
    worst_safe_until,
)

D = Decimal


def level(price: str, growth: str = "1", rate: str = "0") -> Level:
    return Level(D(price), D(price), D(growth), D(rate))


def test_terms_add_and_only_harm_counts() -> None:
    before = {"a": level("100"), "b": level("10")}
    assert step_pressure(before, before, 12) == 0
    fall = step_pressure(before, {**before, "a": level("90")}, 0)
    assert fall == pytest.approx(math.log(100 / 90))  # as collateral it fell; as debt that helps, and does not count
    rise = step_pressure(before, {**before, "b": level("11")}, 0)
    assert rise == pytest.approx(math.log(1.1))
    assert step_pressure(before, {"a": level("90"), "b": level("11")}, 0) == pytest.approx(
        math.log(100 / 90) + math.log(1.1)
    )
    year = step_pressure(before, {"a": level("100", rate="0.1"), "b": level("10")}, 31_536_000)
    assert year == pytest.approx(0.1)
    assert step_pressure(before, {**before, "new": level("1")}, 0) == 0
    assert step_pressure(before, {**before, "a": level("0")}, 0) == math.inf


def factor(now: dict[str, Decimal], collateral: dict[str, Decimal], debt: dict[str, Decimal]) -> float:
    backed = sum(units * now[a] * D("0.8") for a, units in collateral.items())
    return float(backed / sum(units * now[a] for a, units in debt.items()))


def test_nobody_falls_below_the_bound() -> None:
    draw = random.Random(5)
    for _ in range(300):
        assets = "abcde"
        prices = [{a: D(draw.uniform(1, 100)) for a in assets}]
        for _ in range(4):
            prices.append({a: p * D(draw.uniform(0.9, 1.1)) for a, p in prices[-1].items()})
        collateral = {a: D(draw.uniform(0, 10)) for a in draw.sample(assets, 2)}
        debt = {a: D(draw.uniform(0, 5)) for a in draw.sample(assets, 2)}

        pressure = 0.0
        begin = safe_until(factor(prices[0], collateral, debt), pressure, 0.0)
        for one, other in pairwise(prices):
            pressure += step_pressure(
                {a: level(str(p)) for a, p in one.items()}, {a: level(str(p)) for a, p in other.items()}, 0
            )
            assert begin is not None
            assert math.log(factor(other, collateral, debt)) >= begin - pressure - 1e-9


def test_when_to_look() -> None:
    assert safe_until(None, 1.0, 0.0) is None
    assert safe_until(0.0, 1.0, 0.0) == -math.inf
    assert safe_until(1.2, 0.0, math.inf) == -math.inf
    assert (safe_until(1.2, 3.0, 0.0) or 0) > worst_safe_until(1.05, 3.0)
    assert (safe_until(1.2, 3.0, 0.0) or 0) < worst_safe_until(1.05, 3.2)


def test_rounding() -> None:
    assert rounding_margin(2, 0.0, 1e12, 1e12, None) < 1e-8
    assert rounding_margin(2, 0.0, 1e12, 1e12, 8_000) > 2 / 8_000
    assert rounding_margin(2, 0.0, 3.0, 1e12, None) > math.log(2)  # a debt of three units may become seven
    assert rounding_margin(2, 0.0, 1e12, 3.0, None) == math.inf
    assert rounding_margin(2, 0.0, 0.0, 1e12, None) == math.inf
    assert highest_unit([D(1), None, D(3)]) == 3
    assert highest_unit([]) == 0


def test_known() -> None:
    one = {"a": level("1")}
    assert not became_known(one, {"a": level("2"), "b": level("1")})
    assert became_known(one, {"a": Level(None, D(1), D(1), D(0))})
