"""M3 by its worked numbers, its edges, and what the naive figure would have said."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from indexer.aggregation.open_interest import (
    NotionalToOi,
    base_units,
    expected_gross,
    exposure_to_oi,
    gross_to_oi,
    margin_value,
    oi_to_margin,
    open_interest,
    volume_to_oi,
)  # fmt: skip


def test_the_worked_example() -> None:
    matched = open_interest(D(500), D(500), D(1), "matched")
    pool = open_interest(D(180), D(120), D(1), "pool")
    assert (matched.oi_usd, pool.oi_usd) == (500, 300)
    total = (matched.oi_usd or D(0)) + (pool.oi_usd or D(0))
    assert exposure_to_oi(total, D(120), D(80)) == NotionalToOi("exposure_to_oi", D("1.25"))
    assert exposure_to_oi(total, D(0), D(0)).value == 1  # perps carry all of it


def test_both_sides_of_a_matched_book_are_one_open_interest() -> None:
    found = open_interest(D(10), D(10), D(2000), "matched")
    naive = D(10) * 2000 + D(10) * 2000
    assert found.oi_usd == 20_000 and naive == 2 * found.oi_usd
    assert found.long_oi_usd == found.short_oi_usd == 20_000


def test_a_pool_is_not_netted_and_stands_at_mark_not_at_entry() -> None:
    found = open_interest(D(30), D(20), D(2000), "pool")
    assert found.oi_base == 50 and found.oi_usd == 100_000
    assert abs(D(30) - D(20)) != found.oi_base  # netted
    entry = D(30) * 1500 + D(20) * 1800  # longInterestUsd and shortInterestUsd: what was paid
    assert entry != found.oi_usd


def test_a_missing_mark_is_unknown_never_zero() -> None:
    found = open_interest(D(1), D(0), None, "pool")
    assert found.oi_base == 1 and found[2:] == (None, None, None)
    assert oi_to_margin(found.oi_usd, D(5)).value is None


def test_data_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="positions are missing"):
        open_interest(D(10), D(9), D(1), "matched")
    with pytest.raises(ValueError, match="never negative"):
        open_interest(D(-1), D(0), D(1), "pool")


def test_variants_are_always_named_and_nothing_open_is_null() -> None:
    nothing = (
        exposure_to_oi(D(0), D(1), D(0)), oi_to_margin(D(5), D(0)), volume_to_oi(D(9), [(D(0), 60)]),
        gross_to_oi(D(0), D(0), D(0)),
    )  # fmt: skip
    assert [one.variant for one in nothing] == ["exposure_to_oi", "oi_to_margin", "volume_to_oi", "gross_to_oi"]
    assert [one.value for one in nothing] == [None] * 4


def test_effective_leverage_and_turnover() -> None:
    assert oi_to_margin(D(1000), D(250)).value == 4
    # 100 for three hours, 200 for one: the average is 125, not the mean of the two, 150
    assert volume_to_oi(D(500), [(D(100), 10_800), (D(200), 3_600)]).value == 4
    assert D(500) / ((D(100) + D(200)) / 2) != 4


@pytest.mark.parametrize(("convention", "long", "short"), [("matched", 7, 7), ("pool", 9, 4)])
def test_gross_is_a_check_of_the_data(convention: str, long: int, short: int) -> None:
    oi = open_interest(D(long), D(short), D(3), convention).oi_base  # type: ignore[arg-type]
    assert gross_to_oi(D(long), D(short), oi).value == expected_gross(convention)  # type: ignore[arg-type]
    # a double-counted matched book shows as 1
    assert gross_to_oi(D(7), D(7), D(14)).value != expected_gross("matched")


def test_coin_margined_contracts_in_base_units() -> None:
    assert base_units(D(100_000), D(50_000)) == 2
    assert base_units(D(1), D(0)) is None


def test_cross_margin_without_haircut_and_tagged() -> None:
    assert margin_value([(D(2), D(1500)), (D(100), D(1))], "cross") == (D(3100), "cross")
    assert margin_value([(D(2), None)], "cross") == (None, "cross")
    assert margin_value([(D(0), None), (D(5), D(1))], "isolated") == (D(5), "isolated")
