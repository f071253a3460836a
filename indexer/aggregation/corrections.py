"""M21: market corrections, a state machine on hourly closes; of stables, depegs.

    peak       highest close of the last 90 days, the present one included
    drawdown   1 - close / peak
    opens      drawdown >= 10 %          closes  drawdown < 5 % (a new peak is one of 0)
    leverage_reset = 1 - D_trough / D_peak,  D at constant prices

    depeg      |close - peg| >= 2 % of the peg opens, < 0.5 % closes

Units    times are hours' ends, unix seconds; prices in one currency; shares as fractions. Comparisons are exact
Missing  an hour without a new price has the price of the hour before: feeds speak when something moved
Source   docs/methodology.md M21
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Literal, NamedTuple

HOUR = 3_600
DAY = 86_400
Kind = Literal["correction", "depeg"]


@dataclass(frozen=True, slots=True)
class CorrectionRules:
    """Thresholds."""

    window: int = 90 * 86_400
    opens: Decimal = Decimal("0.10")
    closes: Decimal = Decimal("0.05")
    peg: Decimal = Decimal(1)
    depegs: Decimal = Decimal("0.02")
    repegs: Decimal = Decimal("0.005")


RULES = CorrectionRules()


class Turn(NamedTuple):
    """The moment at which an episode opens or closes."""

    at: int
    kind: Kind
    opens: bool
    price: Decimal
    reference: Decimal
    """The peak at that moment; of a depeg the peg."""
    reference_at: int
    """When that peak was; of a depeg the hour itself."""


class Correction(NamedTuple):
    """An episode. `depth` is the greatest distance from its reference while open, `closed` None while it is open."""

    kind: Kind
    opened: int
    closed: int | None
    peak: Decimal
    peak_at: int
    trough: Decimal
    trough_at: int
    depth: Decimal


def is_stable(closes: Sequence[Decimal], rules: CorrectionRules = RULES) -> bool:
    """Return whether an asset is pegged: the median of its closes is within the depeg threshold of the peg."""
    return bool(closes) and abs(median(closes) - rules.peg) < rules.depegs * rules.peg


def hourly(closes: Sequence[tuple[int, Decimal]], first: int, until: int) -> Iterator[tuple[int, Decimal]]:
    """Yield the close of every hour from `first` to `until` from closes that are told only when they moved."""
    place, price = 0, None
    for hour in range(first, until + 1, HOUR):
        while place < len(closes) and closes[place][0] <= hour:
            price = closes[place][1]
            place += 1
        if price is not None:
            yield hour, price


def turns(
    closes: Sequence[tuple[int, Decimal]],
    until: int,
    *,
    since: int = 0,
    opened: Kind | None = None,
    rules: CorrectionRules = RULES,
) -> list[Turn]:
    """Return what opens and closes in the hours after `since`, up to `until`.

    `closes` are (hour's end, price), ascending; needed are those of the window and a day before `since`, and the last one
    before them. `opened` is the episode that is open at `since`. Whether an asset is a stable is asked once a day, of the
    closes of the window up to that midnight.
    """
    found: list[Turn] = []
    if not closes:
        return found
    peaks: deque[tuple[int, Decimal]] = deque()  # falling prices, the highest of the window first
    stable, asked = False, -1
    for hour, price in hourly(closes, max(closes[0][0], _hour_after(since - rules.window)), until):
        while peaks and peaks[-1][1] <= price:
            peaks.pop()
        peaks.append((hour, price))
        while peaks[0][0] <= hour - rules.window:
            peaks.popleft()
        if hour <= since:
            continue
        if hour // DAY != asked:
            asked = hour // DAY
            stable = is_stable(_sample(closes, asked * DAY, rules.window), rules)
        peak_at, peak = peaks[0]
        fall, off = peak - price, abs(price - rules.peg)
        if opened == "correction":
            ends = fall < rules.closes * peak
        elif opened == "depeg":
            ends = off < rules.repegs * rules.peg
        else:
            ends = False
        if ends and opened is not None:
            found.append(_turn(hour, opened, False, price, peak, peak_at, rules))
            opened = None
            continue
        if opened is None:
            if stable and off >= rules.depegs * rules.peg:
                opened = "depeg"
            elif not stable and fall >= rules.opens * peak:
                opened = "correction"
            if opened is not None:
                found.append(_turn(hour, opened, True, price, peak, peak_at, rules))
    return found


def corrections(
    closes: Sequence[tuple[int, Decimal]], until: int | None = None, rules: CorrectionRules = RULES
) -> list[Correction]:
    """Return the episodes of an asset from its first close on, the last one perhaps still open."""
    if not closes:
        return []
    end = closes[-1][0] if until is None else until
    series = dict(hourly(closes, closes[0][0], end))
    found: list[Correction] = []
    start: Turn | None = None
    for turn in turns(closes, end, rules=rules):
        if turn.opens:
            start = turn
        elif start is not None:
            found.append(_episode(series, start, turn.at))
            start = None
    if start is not None:
        found.append(_episode(series, start, None))
    return found


def leverage_reset(debt_at_peak: Decimal | None, debt_at_trough: Decimal | None) -> Decimal | None:
    """Return 1 - D_trough / D_peak, D at constant prices (or in base units); None when there was no debt, or it is unknown.

    Negative when leverage grew during the fall.
    """
    return None if not debt_at_peak or debt_at_trough is None else 1 - debt_at_trough / debt_at_peak


def _episode(series: dict[int, Decimal], start: Turn, closed: int | None) -> Correction:
    inside = {hour: price for hour, price in series.items() if start.at <= hour and (closed is None or hour < closed)}
    away = {hour: abs(price - start.reference) for hour, price in inside.items()}
    if start.kind == "correction":
        away = {hour: start.reference - price for hour, price in inside.items()}
    farthest = max(away.values())
    at = min(hour for hour, distance in away.items() if distance == farthest)
    return Correction(
        start.kind, start.at, closed, start.reference, start.reference_at, inside[at], at, farthest / start.reference
    )


def _turn(
    at: int, kind: Kind, opens: bool, price: Decimal, peak: Decimal, peak_at: int, rules: CorrectionRules
) -> Turn:
    if kind == "depeg":
        return Turn(at, kind, opens, price, rules.peg, at)
    return Turn(at, kind, opens, price, peak, peak_at)


def _sample(closes: Sequence[tuple[int, Decimal]], until: int, window: int) -> list[Decimal]:
    """Return the closes of the window up to a midnight, else the one in force then, else the first of all."""
    before = [(time, price) for time, price in closes if time <= until] or [closes[0]]
    return [price for time, price in before if time > until - window] or [before[-1][1]]


def _hour_after(time: int) -> int:
    return max(time // HOUR + 1, 0) * HOUR
