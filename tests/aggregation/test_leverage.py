"""M1 by its worked numbers: every expected value is written out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.aggregation.leverage import (
    AccountBooks,
    account_leverage,
    consolidate,
    cross_leverage,
    leverage_by_pair_class,
    perp_effective_leverage,
    protocol_leverage,
)

D = Decimal


def test_one_account() -> None:
    found = account_leverage(D(150), D(100))
    assert (found.status, found.equity_usd, found.assets_to_equity, found.debt_to_equity) == ("ok", 50, 3, 2)
    assert found.ltv == D(100) / D(150)


@pytest.mark.parametrize(
    ("assets", "debt", "status"),
    [(D(10), D(0), "no_debt"), (D(0), D(0), "no_debt"), (D(10), D(10), "zero_equity"), (D(90), D(95), "insolvent"),
     (D(0), D(1), "insolvent"), (None, D(1), "unpriced"), (D(1), None, "unpriced")],
)  # fmt: skip
def test_status_and_nulls(assets: Decimal | None, debt: Decimal | None, status: str) -> None:
    found = account_leverage(assets, debt)
    assert found.status == status
    if status in ("zero_equity", "insolvent", "unpriced") or not assets:
        assert (found.assets_to_equity, found.debt_to_equity) == (None, None)


FOUR = [(300, 200, "ok"), (1000, 0, "no_debt"), (1500, 300, "ok"), (90, 95, "insolvent")]


def test_four_accounts_ratio_of_sums() -> None:
    found = protocol_leverage(AccountBooks(7, status, D(a), D(d)) for a, d, status in FOUR)
    borrowers, everyone = found[7, "borrowers"], found[7, "all"]
    assert Fraction(borrowers.assets_usd) / Fraction(borrowers.equity_usd) == Fraction(18, 13)
    assert Fraction(everyone.assets_usd) / Fraction(everyone.equity_usd) == Fraction(28, 23)
    assert borrowers.leverage == pytest.approx(D("1.384615384615"))
    assert (borrowers.n_ok, everyone.n_ok, borrowers.n_insolvent) == (2, 3, 1)
    assert borrowers.latent_bad_debt_usd == 5
    # the mean of ratios (3 and 1.25) would be 2.125, with one dust account deciding
    assert borrowers.leverage != D("2.125")


def test_unpriced_accounts_are_counted_and_left_out() -> None:
    found = protocol_leverage([AccountBooks(1, "ok", D(2), D(1)), AccountBooks(1, "unpriced", None, D(9))])
    assert (found[1, "borrowers"].n_unpriced, found[1, "borrowers"].leverage) == (1, 2)


def test_no_equity_no_leverage() -> None:
    assert protocol_leverage([AccountBooks(1, "insolvent", D(1), D(2))])[1, "all"].leverage is None


usd = st.decimals(min_value=0, max_value=10**9, places=6)


@given(assets=usd, debt=usd)
def test_identity(assets: Decimal, debt: Decimal) -> None:
    found = account_leverage(assets, debt)
    if found.assets_to_equity is not None and found.debt_to_equity is not None:
        equity = Fraction(assets) - Fraction(debt)
        assert Fraction(assets) / equity == 1 + Fraction(debt) / equity
        assert float(found.assets_to_equity) == pytest.approx(1 + float(found.debt_to_equity))


@given(st.lists(st.tuples(usd, usd), max_size=20), st.integers(0, 20))
def test_splitting_the_accounts_changes_nothing(accounts: list[tuple[Decimal, Decimal]], cut: int) -> None:
    rows = [AccountBooks(1, account_leverage(a, d).status, a, d) for a, d in accounts]
    whole = protocol_leverage(rows)
    for population in ("borrowers", "all"):
        parts = [protocol_leverage(part).get((1, population)) for part in (rows[:cut], rows[cut:])]
        if (1, population) in whole:
            assert whole[1, population].assets_usd == sum(part.assets_usd for part in parts if part)
            assert whole[1, population].n_insolvent == sum(part.n_insolvent for part in parts if part)


def test_pair_classes_split_the_borrowers() -> None:
    """A 10x stable loop (100, 90) and a directional bet (150, 100): 10 and 3 apart, 250/60 together."""
    rows = [("stable", AccountBooks(7, "ok", D(100), D(90))), ("directional", AccountBooks(7, "ok", D(150), D(100))),
            ("directional", AccountBooks(7, "insolvent", D(1), D(3))), (None, AccountBooks(7, "no_debt", D(5), D(0)))]  # fmt: skip
    found = leverage_by_pair_class(rows)
    assert {name: sums.leverage for name, sums in found.items()} == {"stable": 10, "directional": 3}
    assert (found["directional"].n_insolvent, found["directional"].latent_bad_debt_usd) == (1, 2)
    whole = protocol_leverage(row for _, row in rows)[7, "borrowers"]
    assert whole.assets_usd == sum(sums.assets_usd for sums in found.values())


def test_an_owner_is_one_person() -> None:
    """An insolvent sub-account (10, 15) and a rich one (90, 0) are one borrower (100, 15): nobody is insolvent."""
    found = consolidate([("ann", D(10), D(15)), ("ann", D(90), D(0)), ("bob", D(5), None), ("bob", D(1), D(0))])
    assert found == {"ann": (100, 15), "bob": (6, None)}
    assert account_leverage(*found["ann"]).status == "ok"
    assert account_leverage(*found["bob"]).status == "unpriced"


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=8), st.integers(1, 5))
def test_merging_and_splitting_accounts_of_an_owner_changes_nothing(rows: list[tuple[int, int]], parts: int) -> None:
    split = [("ann", D(a), D(d)) for a, d in rows for _ in range(parts)]
    whole = [("ann", D(a * parts), D(d * parts)) for a, d in rows]
    assert consolidate(split) == consolidate(whole)


def test_perp_effective_leverage() -> None:
    """Long 10 ETH from 2000, margin 2500, mark 2100: 21000 / (2500 + 1000) = 6, not the 8 it was opened with."""
    assert perp_effective_leverage(D(10), D(2000), D(2100), D(2500)) == 6
    assert perp_effective_leverage(D(10), D(2000), D(2000), D(2500)) == 8
    assert perp_effective_leverage(D(-10), D(2000), D(2100), D(4000), D(900)) == Fraction(21000, 2100)
    assert perp_effective_leverage(D(10), D(2000), D(1700), D(2500)) is None  # nothing is left: not infinite
    assert perp_effective_leverage(D(10), D(2000), D(1750), D(2500)) is None


def test_cross_margin() -> None:
    assert cross_leverage([D(300), D(-100)], D(100)) == (4, 2)
    assert cross_leverage([D(300)], D(0)) == (None, None)
