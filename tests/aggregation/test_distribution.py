"""M2 by its worked numbers."""

from __future__ import annotations

from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.aggregation.distribution import EDGES, Borrower, distribution, histogram, quantile, share_at_least

LEVERAGE = (D("1.2"), D("1.5"), D(2), D(4), D(10))
BY_DEBT = [Borrower(x, D(w)) for x, w in zip(LEVERAGE, (100, 400, 300, 150, 50), strict=True)]
BY_COUNT = [Borrower(x, 1) for x in LEVERAGE]


@pytest.mark.parametrize(("p", "expected"), [("0.5", "1.5"), ("0.9", "4"), ("0.99", "10")])
def test_by_debt(p: str, expected: str) -> None:
    assert quantile(BY_DEBT, D(p)) == D(expected)


def test_by_count() -> None:
    assert quantile(BY_COUNT, D("0.5")) == 2


def test_share_of_debt_at_four() -> None:
    assert share_at_least(BY_DEBT, 4) == Fraction(1, 5)
    assert share_at_least(BY_DEBT, 1) == 1


def test_the_order_of_rows_does_not_matter() -> None:
    assert quantile(reversed(BY_DEBT), D("0.9")) == 4


def test_quantiles_are_not_interpolated() -> None:
    """percentile_cont of 1 and 2 would say 1.5, a leverage that nobody has."""
    assert quantile([Borrower(D(1), 1), Borrower(D(2), 1)], D("0.5")) == 1


def test_dust_does_not_decide_by_debt() -> None:
    """A thousand dust wallets at 500x, a dollar in all: the median by count is theirs; by debt it is 2 (500.5 of 1001)."""
    dust = [Borrower(D(500), D("0.001"))] * 1000
    assert quantile([*BY_DEBT, *dust], D("0.5")) == 2
    assert quantile([*BY_COUNT, *(Borrower(D(500), 1) for _ in dust)], D("0.5")) == 500


def test_nobody() -> None:
    assert quantile([], D("0.5")) is None and share_at_least([], 2) is None
    assert distribution([]).quantiles == (None,) * 4


def test_histogram_has_fixed_edges() -> None:
    """1.2 in [1,1.25), 1.5 in [1.5,2), 2 in [2,3), 4 in [4,5), 10 in [10,15)."""
    found = dict(zip(EDGES, histogram(BY_DEBT), strict=True))
    assert {edge: weight for edge, weight in found.items() if weight} == {1: 100, D("1.5"): 400, 2: 300, 4: 150, 10: 50}
    assert histogram([Borrower(D(1000), 7)])[-1] == 7
    with pytest.raises(ValueError, match=r"0\.5 is below the first edge"):
        histogram([Borrower(D("0.5"), 1)])


rows = st.lists(st.tuples(st.integers(1, 100), st.integers(0, 50)), max_size=30)


@given(rows)
def test_bins_hold_everything_and_shares_fall(found: list[tuple[int, int]]) -> None:
    borrowers = [Borrower(x, w) for x, w in found]
    result = distribution(borrowers)
    assert sum(result.bins) == sum(w for _, w in found)
    known = [share for share in result.shares if share is not None]
    assert known == sorted(known, reverse=True)
    assert list(filter(None, result.quantiles)) == sorted(filter(None, result.quantiles))
