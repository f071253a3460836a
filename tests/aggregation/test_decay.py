"""M22 by its worked numbers and edges."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from indexer.aggregation.decay import (
    days_to_liquidation_from_carry,
    effective_leverage,
    look_through_leverage,
    maintenance_buffer,
    perp_carry,
    rebalance_trade,
    volatility_decay,
)  # fmt: skip


def test_the_worked_rebalance() -> None:
    nav, leverage, fall = D(100), D(3), D("-0.1")
    exposure, after = nav * leverage * (1 + fall), nav + nav * leverage * fall
    assert (exposure, after) == (270, 70)
    trade = rebalance_trade(nav, leverage, fall)
    assert trade == -60 == leverage * after - exposure


def test_it_buys_after_a_rise_and_inverse_products_too() -> None:
    assert rebalance_trade(D(100), D(3), D("0.1")) == 60
    assert rebalance_trade(D(100), D(-1), D("0.1")) == 20  # both kinds trade with the move
    assert rebalance_trade(D(100), D(1), D("0.1")) == 0


def test_the_worked_decay() -> None:
    assert volatility_decay(3, 0.8, 30 / 365) == pytest.approx(-0.157808, abs=5e-7)
    assert volatility_decay(1, 0.8, 1) == 0


def test_the_stated_target_is_not_the_users_leverage() -> None:
    stated = D(3)
    now = effective_leverage(D(270), D(70))
    assert now is not None and now == D(27) / 7 and now > stated
    # bought with 50 borrowed against 100 of it
    assert look_through_leverage(D(100), D(50), stated) == 6
    assert look_through_leverage(D(100), D(0), stated) == stated
    assert look_through_leverage(D(100), D(100), stated) is None
    assert effective_leverage(D(270), D(0)) is None


def test_carry_buffer_and_days() -> None:
    assert perp_carry(D("0.0001"), D(1000), D(100)) == D("0.001")
    assert perp_carry(D("0.0001"), D(1000), D(0)) is None
    buffer = maintenance_buffer(D(100), D(1000), D("0.05"))
    assert buffer == D("0.05")
    assert maintenance_buffer(D(100), D(0), D("0.05")) is None
    assert days_to_liquidation_from_carry(buffer, D("0.001")) == 50
    assert days_to_liquidation_from_carry(buffer, D("-0.001")) is None  # it is paid to wait
    assert days_to_liquidation_from_carry(D("-0.01"), D("0.001")) == 0
    assert days_to_liquidation_from_carry(None, D("0.001")) is None
