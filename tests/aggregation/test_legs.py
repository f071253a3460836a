"""Legs as columns: sums by borrower, what is not known stays not known."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.aggregation.legs import LegRow, legs_of


def leg(account: str, side: str, asset: str, units: float | None, price: float | None, threshold: float | None, counts: bool = True) -> LegRow:  # fmt: skip
    value = None if units is None or price is None else units * price
    weighted = value if side == "debt" or value is None else value * (threshold or 0)
    return LegRow("aave_v3", 7, None, account, account, side, asset, asset.upper(), units, price, value, counts,
                  threshold, threshold, 0.05, weighted)  # fmt: skip


WORKED = legs_of(
    [
        leg("a", "collateral", "weth", 10, 2000, 0.8), leg("a", "collateral", "usdc", 5000, 1, 0.75),
        leg("a", "debt", "dai", 12000, 1, None),
        leg("b", "collateral", "weth", 1, 2000, 0, counts=False), leg("b", "debt", "dai", 100, 1, None),
        leg("c", "collateral", "odd", 5, None, 0.5), leg("c", "debt", "dai", 1, 1, None),
    ]
)  # fmt: skip


def test_health_factor_of_the_worked_example() -> None:
    factor = WORKED.health_factor()
    assert factor[0] == pytest.approx(79 / 48, rel=1e-15)
    assert factor[1] == 0  # an asset that does not count backs nothing
    assert np.isnan(factor[2])  # a leg without price makes it unknown, never zero


def test_sums_by_borrower() -> None:
    assert WORKED.borrowers == 3 and len(WORKED) == 7
    assert WORKED.collateral_usd()[:2].tolist() == [25000, 0]
    assert WORKED.assets_usd()[:2].tolist() == [25000, 2000]
    assert WORKED.debt_usd().tolist() == [12000, 100, 1]
    assert np.isnan(WORKED.assets_usd()[2])


def test_only_keeps_whole_borrowers() -> None:
    kept = WORKED.only(np.array([False, True, True]))
    assert kept.accounts == ("b", "c")
    assert kept.assets == WORKED.assets
    assert kept.debt_usd().tolist() == [100, 1]
    assert [kept.symbols[n] for n in kept.asset] == ["WETH", "DAI", "ODD", "DAI"]


def test_the_same_account_in_two_scopes_is_two_borrowers() -> None:
    one = leg("a", "debt", "dai", 1, 1, None)
    both = legs_of([one, one._replace(market_key=5), one._replace(deployment_key=8)])
    assert both.borrowers == 3
    assert both.market_keys.tolist() == [0, 5, 0]


def test_nothing_is_nothing() -> None:
    none = legs_of([])
    assert none.borrowers == 0 and none.health_factor().size == 0
