"""M12 by its worked numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from indexer.aggregation.risk import (
    Leg,
    first_eligible_drop,
    group_drop,
    health_factor,
    liquidation_price,
    loss_boundary_drop,
)  # fmt: skip

D = Decimal

WETH = Leg("WETH", D(2000), D(10), D(0), D("0.8"))
USDC = Leg("USDC", D(1), D(5000), D(0), D("0.75"))
DAI = Leg("DAI", D(1), D(0), D(12000), D("0.75"))
LEGS = (WETH, USDC, DAI)


def test_health_factor() -> None:
    assert health_factor(LEGS) == D(19750) / D(12000)
    assert float(Fraction(79, 48)) == pytest.approx(float(health_factor(LEGS) or 0))
    assert health_factor((WETH, USDC)) is None


def test_liquidation_prices() -> None:
    assert liquidation_price(LEGS, "WETH") == D("1031.25")
    assert 1 - D("1031.25") / 2000 == D(31) / 64
    assert liquidation_price(LEGS, "USDC") is None  # WETH alone covers the debt at any USDC price


def test_short_side_triggers_upward() -> None:
    legs = (Leg("USDC", D(1), D(10000), D(0), D("0.8")), Leg("WETH", D(2000), D(0), D(3), D("0.8")))
    assert liquidation_price(legs, "WETH") == D(8000) / 3


def test_joint_fall() -> None:
    found = group_drop(LEGS, ("WETH", "USDC"))
    assert found is not None
    assert float(found) == pytest.approx(31 / 79)
    assert group_drop(LEGS, ("DAI",)) is None


def test_depeg_of_an_lst_position() -> None:
    # wstETH 10 x 1.2 against 10.5 ETH, LT 0.95: HF 1.085714, ratio at liquidation 1.105263
    legs = (Leg("wstETH", D("1.2"), D(10), D(0), D("0.95")), Leg("WETH", D(1), D(0), D("10.5"), D("0.95")))
    assert float(health_factor(legs) or 0) == pytest.approx(1.085714, abs=1e-6)
    assert float(liquidation_price(legs, "wstETH") or 0) == pytest.approx(1.105263, abs=1e-6)
    assert float(1 - (liquidation_price(legs, "wstETH") or D(0)) / D("1.2")) == pytest.approx(0.078947, abs=1e-6)


def test_twelve_times_loop() -> None:
    # 12x: collateral 12, debt 11, LT 0.95, bonus 1 %: eligible at 3.5088 %, loss at 7.4167 %
    factor = D(12) * D("0.95") / 11
    assert float(first_eligible_drop(factor)) == pytest.approx(0.035088, abs=1e-6)
    assert float(loss_boundary_drop(factor, D("0.01"), D("0.95"))) == pytest.approx(0.074167, abs=1e-6)
