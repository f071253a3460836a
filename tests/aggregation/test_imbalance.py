"""M8 by its worked numbers, its edges, and what the naive figure would have said."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from indexer.aggregation.imbalance import (
    at_cap,
    basis,
    borrow_skew,
    dated_basis,
    funding_apy,
    funding_rate_annualised,
    leverage_skew,
    long_short_ratio,
    mean_funding,
    net_rates,
    oi_skew,
    skew,
)  # fmt: skip

HOUR = 3_600


def test_the_worked_examples() -> None:
    assert oi_skew(D(30), D(20), "pool") == D("0.2")
    assert basis(D(2010), D(2000)) == D("0.005")
    assert funding_rate_annualised(D("0.0000125"), HOUR) == D("0.1095")
    assert funding_rate_annualised(D("0.0001"), 8 * HOUR) == D("0.1095")


def test_longs_never_exceed_shorts_on_a_matched_book() -> None:
    assert oi_skew(D(30), D(20), "matched") is None
    assert oi_skew(D(30), D(0), "one_sided") is None
    assert skew(D(30), D(20)) == D("0.2")  # what the naive reader of two feeds would have published


def test_leverage_skew_means_something_where_open_interest_is_equal() -> None:
    assert leverage_skew(D(100), D(10), D(100), D(30)) == D("0.5")  # 10x against 3.33x
    assert leverage_skew(D(100), None, D(100), D(30)) is None
    assert leverage_skew(D(100), D(0), D(100), D(30)) is None
    assert skew(D(0), D(0)) is None


def test_a_ratio_names_what_was_counted() -> None:
    assert long_short_ratio(D(30), D(20), "accounts") == ("accounts", D("1.5"))
    assert long_short_ratio(D(30), D(0), "positions").value is None


def test_intervals_are_normalised_before_they_are_averaged() -> None:
    hourly, eight = (D("0.0000125"), HOUR, D(1)), (D("0.0001"), 8 * HOUR, D(3))
    assert mean_funding([hourly, eight]) == D("0.1095")
    naive = (hourly[0] + eight[0] * 3) / 4
    assert funding_rate_annualised(naive, HOUR) != D("0.1095") != funding_rate_annualised(naive, 8 * HOUR)
    assert mean_funding([]) is None
    # weighted by OI, not counted
    assert mean_funding([(D("0.1"), 365 * 86_400, D(9)), (D("0.2"), 365 * 86_400, D(1))]) == D("0.11")
    # continuous funding: the rate of one second
    assert funding_rate_annualised(D("1e-9"), 1) == D("0.031536")
    with pytest.raises(ValueError, match="positive number of seconds"):
        funding_rate_annualised(D(1), 0)


def test_compounding_is_another_field() -> None:
    assert funding_apy(D("0.0001"), 8 * HOUR) == pytest.approx(1.0001**1095 - 1)
    assert funding_apy(D("0.0001"), 8 * HOUR) > 0.1095


def test_basis_is_against_the_index() -> None:
    last = D(1995)  # the last trade, long ago
    assert (D(2010) - last) / last != basis(D(2010), D(2000))
    assert basis(D(2010), None) is None and basis(None, D(2000)) is None
    assert dated_basis(D(2010), D(2000), D(73)) == D("0.025")
    assert dated_basis(D(2010), D(2000), D(0)) is None


def test_borrow_fees_stand_apart() -> None:
    assert net_rates(D("0.10"), D("0.04"), "long") == (D("0.10"), D("0.04"), D("0.14"))
    assert net_rates(D("0.10"), D("0.04"), "short") == (D("-0.10"), D("0.04"), D("-0.06"))
    assert borrow_skew(D("0.05"), D("0.03")) == D("0.02")
    assert borrow_skew(D("0.05"), None) is None


def test_capped_funding_is_flagged() -> None:
    assert at_cap(D("0.1"), D("0.1")) is True
    assert at_cap(D("-0.1"), D("0.1")) is True
    assert at_cap(D("0.05"), D("0.1")) is False
    assert at_cap(D("0.1"), None) is None
