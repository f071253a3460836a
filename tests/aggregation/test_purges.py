"""M11 by its worked numbers, its edges, and what the naive detector would have said."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction as F

from indexer.aggregation.purges import Bin, Reading, constant_price_debt, merge, purges, reading, readings, side_of

QUIET = [Bin(1000, 1, 1)] * 24
"""A day at 1000 with 1 liquidated an hour."""


def after(falls: Sequence[tuple[int, int]], longs: bool = True) -> list[Bin | None]:
    return [*QUIET, *(Bin(oi, liq, liq if longs else 0) for oi, liq in falls)]


CRASH = after([(960, 20), (890, 40), (860, 25), (850, 5)])


def last(bins: Sequence[Bin | None]) -> Reading:
    found = reading(bins, len(bins) - 1)
    assert found is not None
    return found


def test_the_worked_example() -> None:
    found = last(CRASH)
    assert (found.peak, found.peak_at) == (1000, 23)
    assert (found.contraction, found.intensity, found.burst) == (F(15, 100), F(9, 100), 40)
    assert found.forced_share == F(6, 10)
    assert found.verdict == "purge"


def test_the_same_path_with_few_liquidations_is_voluntary() -> None:
    found = last(after([(960, 1), (890, 2), (860, 1), (850, 1)]))
    assert found.contraction == F(15, 100) and found.intensity == F(5, 1000)
    assert found.verdict == "voluntary_deleveraging"
    # intense but not sudden: a market that is always being liquidated
    busy = [Bin(1000, 20)] * 24 + [Bin(oi, 20) for oi in (960, 890, 850)]
    steady = last(busy)
    assert steady.intensity >= F(3, 100) and steady.burst == 1
    assert steady.verdict == "voluntary_deleveraging"


def test_a_fall_of_the_price_alone_is_no_purge() -> None:
    prices = [F(2000)] * 24 + [F(1700)]
    assert last([Bin(1000, 0)] * 25).contraction == 0
    in_usd = last([Bin(int(1000 * price)) for price in prices])
    assert in_usd.contraction == F(15, 100)  # what USD would have said


def test_a_liquidation_is_counted_once() -> None:
    once = last(after([(880, 25)]))
    twice = last(after([(880, 50)]))  # the liquidated and the one who took it over
    assert once.verdict == "voluntary_deleveraging" and twice.verdict == "purge"


def test_throttled_reports_hide_a_purge() -> None:
    throttled = last(after([(960, 1), (890, 1), (860, 1), (850, 1)]))  # an exchange that tells one a bin
    assert last(CRASH).verdict == "purge" != throttled.verdict


def test_forced_deleveraging_by_the_venue_counts() -> None:
    without = last(after([(850, 20)]))
    with_adl = last(after([(850, 20 + 60)]))
    assert without.verdict == "voluntary_deleveraging" and with_adl.verdict == "purge"


def test_expiry_without_liquidations_is_no_purge() -> None:
    assert last(after([(0, 0)])).verdict == "voluntary_deleveraging"


def test_missing_bins_are_null_not_zero() -> None:
    gap = [*CRASH]
    gap[-2] = None
    assert reading(gap, len(gap) - 1) is None
    filled = [*CRASH]
    filled[-2] = Bin(0, 0)
    assert reading(filled, len(filled) - 1) is not None  # zero-filling would have said something
    # a missing baseline: no burst, so no purge can be told, though contraction and intensity hold
    young = last(CRASH[8:])
    assert young.contraction == F(15, 100) and young.burst is None and young.verdict is None
    assert reading(CRASH, 3) is None
    assert reading([Bin(0)] * 30, 29) is None


def test_the_latest_peak_counts() -> None:
    bins = [*[Bin(900, 0)] * 24, Bin(1000, 0), Bin(950, 0), Bin(1000, 0), Bin(880, 30)]
    assert last(bins).peak_at == 26
    assert last(bins).burst == 30 / F(1, 10)  # quiet before: the floor is 1e-4 of the peak


def test_thresholds_are_met_by_equality_and_exactly() -> None:
    edge = last([*[Bin(1000, 3)] * 24, Bin(900, 30)])
    assert (edge.contraction, edge.intensity, edge.burst) == (F(1, 10), F(3, 100), 10)
    assert edge.verdict == "purge"
    assert last([*[Bin(1000, 3)] * 24, Bin(901, 30)]).verdict is None


def test_consecutive_flags_are_one_event() -> None:
    bins = [*CRASH, Bin(855, 0, 0), Bin(870, 0, 0), *[Bin(880, 0, 0)] * 8]
    found = purges(bins)
    assert len([one for one in readings(bins) if one.verdict == "purge"]) > 1
    assert len(found) == 1
    event = found[0]
    assert (event.kind, event.start, event.trough, event.peak, event.low) == ("purge", 23, 27, 1000, 850)
    assert event.end == 29  # the peak leaves the window of the bin after
    assert (event.liquidated, event.forced_share, event.contraction) == (90, F(6, 10), F(15, 100))


def test_side_and_price_move() -> None:
    bins = [Bin(1000, 1, 1, F(2000))] * 24 + [Bin(890, 60, 50, F(1800)), Bin(850, 30, 20, F(1700))]
    event = purges(bins)[0]
    assert event.side == "long" and event.price_move == F(-15, 100)
    assert side_of(100, 70) == "long" and side_of(100, 69) == "mixed" and side_of(100, 30) == "short"
    assert side_of(0, 0) is None and side_of(5, None) is None
    assert purges(after([(850, 90)], longs=False))[0].side == "short"
    assert purges([*QUIET, Bin(850, 90, None)])[0].side is None


def test_voluntary_bins_beside_a_purge_are_part_of_it() -> None:
    bins = [*QUIET, Bin(890, 5, 5), Bin(850, 60, 60)]
    assert [one.verdict for one in readings(bins) if one.verdict] == ["voluntary_deleveraging", "purge"]
    assert [event.kind for event in purges(bins)] == ["purge"]
    assert [event.kind for event in merge(bins, readings(bins[:-1]))] == ["voluntary_deleveraging"]


def test_lending_at_constant_prices() -> None:
    owed = [{"WETH": 10, "DAI": 20_000}, {"WETH": 10, "DAI": 20_000}, {"WETH": 8, "DAI": 20_000}]
    then = {"WETH": F(2000), "DAI": F(1)}
    assert constant_price_debt(owed, then) == [40_000, 40_000, 36_000]
    now = [F(2000), F(1400), F(1400)]
    naive = [row["WETH"] * price + row["DAI"] for row, price in zip(owed, now, strict=True)]
    assert naive == [40_000, 34_000, 31_200]  # the second looks like a fall of 15 % and nobody repaid
    assert constant_price_debt([{"WETH": 1}, {"WETH": 0}], {}) == [None, 0]
    crash = [Bin(40_000)] * 24 + [Bin(34_000, 3_600)]
    assert purges(crash)[0].forced_share == F(6, 10)
