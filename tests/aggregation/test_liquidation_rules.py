"""How much a liquidation repays: METRICS M12's figures and the contracts' limits, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.aggregation.liquidation_rules import (
    AAVE_V2,
    AAVE_V3_0,
    AAVE_V3_3,
    COMPOUND_V2,
    EULER_V2,
    MAKER,
    MORPHO,
    Rule,
    bonus_of,
    columns_of,
    repay_usd,
)  # fmt: skip


def repaid(rule: Rule, health: float, total: float, debt: float, collateral: float, bonus: float = 0.05) -> float:
    one = [np.array([value]) for value in (health, total, debt, collateral, bonus)]
    return float(repay_usd(columns_of([rule]), *one)[0])


@pytest.mark.parametrize(
    ("rule", "health", "total", "debt", "collateral", "expected"),
    [
        (AAVE_V3_3, 0.97, 10_000, 7_000, 12_000, 5_000),  # METRICS M12
        (AAVE_V3_3, 0.95, 10_000, 7_000, 12_000, 7_000),  # METRICS M12: 0.95 itself is whole
        (AAVE_V3_3, 0.97, 10_000, 1_999, 12_000, 1_999),  # a small debt goes whole
        (AAVE_V3_3, 0.97, 10_000, 7_000, 1_999, 1_999 / 1.05),  # so does small collateral
        (AAVE_V3_3, 0.97, 10_000, 5_500, 12_000, 4_500),  # 5000 would leave a debt of 500
        (AAVE_V3_3, 0.97, 10_000, 7_000, 6_000, 5_000 / 1.05),  # 5000 would leave collateral of 750
        (AAVE_V3_3, 0.97, 10_000, 7_000, 5_000, 5_000 / 1.05),  # used up: nothing need be left
        (AAVE_V3_0, 0.97, 10_000, 7_000, 12_000, 3_500),
        (AAVE_V3_0, 0.95, 10_000, 7_000, 12_000, 7_000),
        (AAVE_V2, 0.5, 10_000, 7_000, 12_000, 3_500),
        (COMPOUND_V2, 0.5, 10_000, 7_000, 12_000, 3_500),
        (MORPHO, 0.99, 7_000, 7_000, 12_000, 7_000),
        (MORPHO, 0.99, 7_000, 7_000, 2_100, 2_000),
    ],
)  # fmt: skip
def test_what_a_liquidation_repays(rule: Rule, health: float, total: float, debt: float, collateral: float, expected: float) -> None:  # fmt: skip
    assert repaid(rule, health, total, debt, collateral) == pytest.approx(expected, rel=1e-12)


def test_bonus() -> None:
    def bonus(rule: Rule, leg: float, health: float) -> float:
        return float(bonus_of(columns_of([rule]), np.array([leg]), np.array([health]))[0])

    assert bonus(MORPHO, 0.04, 0.9) == 0.04
    assert bonus(MAKER, float("nan"), 0.9) == 0.13
    assert bonus(EULER_V2, 0.15, 0.95) == pytest.approx(1 / 0.95 - 1)  # a vault's discount is 1 - health
    assert bonus(EULER_V2, 0.15, 0.5) == 0.15
    assert bonus(EULER_V2, 0.15, 0.0) == 0.15
