"""M21 by its worked numbers, its edges, and what the naive figure would have said."""

from __future__ import annotations

from decimal import Decimal as D

from indexer.aggregation.corrections import HOUR, corrections, is_pegged, leverage_reset, turns

DAY = 24 * HOUR


def closes(*prices: float, first: int = HOUR, step: int = HOUR) -> list[tuple[int, D]]:
    return [(first + n * step, D(str(price))) for n, price in enumerate(prices)]


def test_the_worked_example() -> None:
    found = corrections(closes(4000, 3500, 3700))
    assert len(found) == 1
    one = found[0]
    assert (one.kind, one.opened, one.closed) == ("correction", 2 * HOUR, None)  # 7.5 % does not close
    assert (one.peak, one.peak_at, one.trough, one.trough_at, one.depth) == (4000, HOUR, 3500, 2 * HOUR, D("0.125"))
    assert leverage_reset(D(100), D(88)) == D("0.12")


def test_it_opens_at_ten_percent_and_closes_below_five() -> None:
    assert corrections(closes(4000, 3601)) == []
    assert corrections(closes(4000, 3600))[0].opened == 2 * HOUR
    assert corrections(closes(4000, 3600, 3800))[0].closed is None  # 5 % exactly
    assert corrections(closes(4000, 3600, 3801))[0].closed == 3 * HOUR
    assert corrections(closes(4000, 3600, 4100))[0].closed == 3 * HOUR  # a new peak


def test_the_trough_is_the_lowest_close_while_open() -> None:
    found = corrections(closes(100, 90, 80, 85, 80, 99, 89))
    assert [(one.trough, one.trough_at) for one in found] == [(80, 3 * HOUR), (89, 7 * HOUR)]
    assert found[0].closed == 6 * HOUR


def test_the_peak_is_of_ninety_days_not_since_inception() -> None:
    # 4000 once, then years at 3000: not a correction of 25 % for ever
    series = [(HOUR, D(4000)), (2 * HOUR, D(3000)), (200 * DAY, D(2900))]
    found = corrections(series, 200 * DAY)
    assert [(one.opened, one.closed) for one in found] == [(2 * HOUR, HOUR + 90 * DAY)]
    since_inception = 1 - D(2900) / 4000
    assert since_inception >= D("0.10")  # what a peak since inception would still call one


def test_an_hour_without_a_price_keeps_the_one_before() -> None:
    # the feed spoke twice in a hundred days: the close of day 0 is in force, so it is the peak on day 95 too
    series = [(HOUR, D(100)), (95 * DAY, D(89))]
    assert [one.opened for one in corrections(series)] == [95 * DAY]


def test_stables_have_depegs_instead() -> None:
    series = closes(*[1.0] * 30, 0.97, 0.88, 0.96, 0.996, 1.0)
    found = corrections(series)
    assert [(one.kind, one.opened, one.closed) for one in found] == [("depeg", 31 * HOUR, 34 * HOUR)]
    assert (found[0].trough, found[0].depth, found[0].peak) == (D("0.88"), D("0.12"), 1)
    assert is_pegged(D("0.981")) and not is_pegged(D("0.98")) and not is_pegged(D(2000))
    drawdown = max(1 - price / 1 for _, price in series)
    assert drawdown >= D("0.10")  # by its drawdown it would have been a correction of the market
    # what passes through the peg on its way is no stable
    assert [one.kind for one in corrections(closes(1.3, 1.2, 1.1, 1.0, 1.0, 1.0))] == ["correction"]
    above = corrections(closes(*[1.0] * 30, 1.03, 1.0))
    assert [one.kind for one in above] == ["depeg"]


def test_debt_in_dollars_would_call_the_price_a_reset() -> None:
    base_peak, base_trough = D(100), D(100)
    assert leverage_reset(base_peak, base_trough) == 0
    assert leverage_reset(base_peak * 4000, base_trough * 3500) == D("0.125")  # naive
    assert leverage_reset(D(0), D(1)) is None and leverage_reset(D(1), None) is None
    assert leverage_reset(D(100), D(110)) == D("-0.1")


def test_later_closes_do_not_rewrite_the_past() -> None:
    prices = [100, 95, 89, 88, 90, 97, 99, 88, 80, 81, 95, 102, 90, 91]
    series = closes(*prices, step=9 * HOUR)
    end = series[-1][0] + 100 * DAY
    whole = turns(series, end)
    assert len(whole) >= 5
    for until in range(HOUR, end, 31 * HOUR):
        assert turns([one for one in series if one[0] <= until], until) == [turn for turn in whole if turn.at <= until]
    assert turns([], end) == []
