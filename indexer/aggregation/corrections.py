"""M21: market corrections, a state machine on hourly closes; of stables, depegs.

    peak       highest close of the last 90 days, the present one included
    drawdown   1 - close / peak
    opens      drawdown >= 10 %          closes  drawdown < 5 % (a new peak is one of 0)
    leverage_reset = 1 - D_trough / D_peak,  D at constant prices

    depeg      |close - peg| >= 2 % of the peg opens, < 0.5 % closes; of an asset that was at its peg in most of the window's hours

Units    times are hours' ends, unix seconds; prices in one currency; shares as fractions. Comparisons are exact
Missing  an hour without a new price has the price of the hour before: feeds speak when something moved
Source   docs/methodology.md M21
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

HOUR = 3_600
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


def is_pegged(price: Decimal, rules: CorrectionRules = RULES) -> bool:
    """Return whether a close is within the depeg threshold of the peg."""
    return abs(price - rules.peg) < rules.depegs * rules.peg


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
    closes: Sequence[tuple[int, Decimal]], until: int | None = None, rules: CorrectionRules = RULES
) -> list[Turn]:
    """Return what opens and closes in the hours up to `until` (None: the last close).

    `closes` are (hour's end, price), ascending. An asset is a stable while more than half of the window's hourly
    closes are at the peg; that decides what may open, and whatever is open closes by its own rule.
    """
    found: list[Turn] = []
    peaks: deque[tuple[int, Decimal]] = deque()  # falling prices, the highest of the window first
    pegged: deque[bool] = deque()
    at_peg = 0
    open_now: set[Kind] = set()
    first, last = (closes[0][0], closes[-1][0]) if closes else (0, -1)
    for hour, price in hourly(closes, first, last if until is None else until):
        while peaks and peaks[-1][1] <= price:
            peaks.pop()
        peaks.append((hour, price))
        while peaks[0][0] <= hour - rules.window:
            peaks.popleft()
        pegged.append(is_pegged(price, rules))
        at_peg += pegged[-1]
        if len(pegged) > rules.window // HOUR:
            at_peg -= pegged.popleft()
        stable = 2 * at_peg > len(pegged)
        peak_at, peak = peaks[0]
        fall, off = peak - price, abs(price - rules.peg)
        signals: tuple[tuple[Kind, bool, bool, Decimal, int], ...] = (
            ("correction", not stable and fall >= rules.opens * peak, fall < rules.closes * peak, peak, peak_at),
            ("depeg", stable and off >= rules.depegs * rules.peg, off < rules.repegs * rules.peg, rules.peg, hour),
        )
        for kind, opens, closing, reference, at in signals:
            if closing and kind in open_now:
                open_now.remove(kind)
                found.append(Turn(hour, kind, False, price, reference, at))
            elif opens and kind not in open_now:
                open_now.add(kind)
                found.append(Turn(hour, kind, True, price, reference, at))
    return found


def corrections(
    closes: Sequence[tuple[int, Decimal]], until: int | None = None, rules: CorrectionRules = RULES
) -> list[Correction]:
    """Return the episodes of an asset from its first close on, by when they opened; `closed` is None while one is open."""
    if not closes:
        return []
    series = dict(hourly(closes, closes[0][0], closes[-1][0] if until is None else until))
    found: list[Correction] = []
    open_now: dict[Kind, Turn] = {}
    for turn in turns(closes, until, rules):
        if turn.opens:
            open_now[turn.kind] = turn
        else:
            found.append(_episode(series, open_now.pop(turn.kind), turn.at))
    found += [_episode(series, start, None) for start in open_now.values()]
    return sorted(found, key=lambda one: (one.opened, one.kind))


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
