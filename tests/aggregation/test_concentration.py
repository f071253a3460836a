"""M18 by its worked numbers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal as D
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from indexer.aggregation.concentration import concentration, largest_cluster
from indexer.aggregation.leverage import consolidate


def test_three() -> None:
    found = concentration([50, 30, 20])
    assert found is not None
    assert (found.hhi, found.effective_n, found.gini, found.top_1_share) == (
        Fraction(38, 100), Fraction(50, 19), Fraction(1, 5), Fraction(1, 2),
    )  # fmt: skip
    assert found.top_10_share == 1


def test_one() -> None:
    found = concentration([D("7.5")])
    assert found is not None and (found.hhi, found.gini, found.effective_n) == (1, 0, 1)


def test_nobody() -> None:
    assert concentration([]) is None and concentration([0, 0]) is None


def test_suppliers_without_debt_are_no_holders() -> None:
    """With a thousand zeros Gini would be near 1; they are no borrowers."""
    assert concentration([50, 30, 20, *[0] * 1000]) == concentration([50, 30, 20])


def test_by_owner_not_by_address() -> None:
    """One owner behind three proxies of 10, and one of 30: two equal holders, not four."""
    rows = [("ann", D(10), D(0)), ("ann", D(10), D(0)), ("ann", D(10), D(0)), ("bob", D(30), D(0))]
    found = concentration([assets for assets, _ in consolidate(rows).values() if assets is not None])
    assert found is not None and (found.hhi, found.n) == (Fraction(1, 2), 2)


amounts = st.lists(st.integers(0, 1000), max_size=15)


@given(amounts)
def test_gini_is_the_mean_difference(values: list[int]) -> None:
    held = [x for x in values if x]
    found = concentration(values)
    if held:
        assert found is not None
        mean = Fraction(sum(held), len(held))
        assert found.gini == Fraction(sum(abs(a - b) for a in held for b in held)) / (2 * len(held) ** 2 * mean)
        assert 1 <= found.effective_n <= len(held)


def test_cluster() -> None:
    """1000 and 1020 lie in one 2 % band, 1020.01 does not; the same price of another asset is another band."""
    levels = [("weth", D(1000), 5), ("weth", D(1020), 7), ("weth", D("1020.01"), 4), ("wbtc", D(1000), 11)]
    found = largest_cluster(levels)
    assert found == ("weth", 1000, 12)
    assert largest_cluster([]) is None
    assert largest_cluster(levels, band=0) == ("wbtc", 1000, 11)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 200), st.integers(1, 9)), max_size=12))
def test_cluster_against_all_bands(levels: Sequence[tuple[str, int, int]]) -> None:
    found = largest_cluster(levels)
    sums = [
        sum(debt for asset, price, debt in levels if asset == a and p <= price and 100 * price <= 102 * p)
        for a, p, _ in levels
    ]
    assert (found.debt if found else 0) == max(sums, default=0)
