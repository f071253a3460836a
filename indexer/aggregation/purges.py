"""M11: leverage purging. Open interest (or constant-price debt) that collapses because positions are liquidated.

At bin t:   peak = max OI over [t - w, t], u* its latest place
    contraction    c = 1 - OI_t / peak
    liq_intensity  l = sum of liquidated in (u*, t] / peak
    burst            = max liquidated in (u*, t] / max(median of the b bins ending at u*, 1e-4 peak)
    forced_share     = sum of liquidated in (u*, t] / (peak - OI_t)
    purge     c >= 0.10 and l >= 0.03 and burst >= 10;   voluntary_deleveraging: c >= 0.10 without the others

Units    OI and liquidations in base units: at USD prices a fall of the price alone looks like a purge. Liquidated once, not
         once a side; deleveraging by the venue (ADL, backstop takeovers) is liquidated too
Lending  total debt in base units (or at constant prices over several assets) for OI, liquidated debt for liquidations
Missing  a bin that is not known is None, and so is everything that needs it; an empty bin (0 liquidated) is a known one
Source   docs/methodology.md M11
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Literal, NamedTuple

Verdict = Literal["purge", "voluntary_deleveraging"]
Side = Literal["long", "short", "mixed"]


@dataclass(frozen=True, slots=True)
class PurgeRules:
    """Thresholds; the defaults are for hourly bins."""

    window: int = 6
    baseline: int = 24
    contraction: Fraction = Fraction(1, 10)
    intensity: Fraction = Fraction(3, 100)
    burst: Fraction = Fraction(10)
    floor: Fraction = Fraction(1, 10_000)
    """Least baseline, as a share of the peak."""
    one_sided: Fraction = Fraction(7, 10)
    """Share of what was liquidated from which an event has a side."""


HOURLY = PurgeRules()


class Bin(NamedTuple):
    """One bin: exposure at its end, and what was liquidated in it; base units, exact. `price` at its end, None unknown.

    `liquidated_long` is the part of long positions; None where sides mean nothing (lending) or are not told.
    """

    exposure: int
    liquidated: int = 0
    liquidated_long: int | None = None
    price: Fraction | None = None


class Reading(NamedTuple):
    """The figures of one bin. `peak_at` and `at` are places in the series of bins."""

    at: int
    peak_at: int
    peak: int
    contraction: Fraction
    intensity: Fraction
    burst: Fraction | None
    forced_share: Fraction | None
    verdict: Verdict | None


class PurgeEvent(NamedTuple):
    """Consecutive readings merged. Places are those of the series; `end` is the last bin of the run."""

    kind: Verdict
    start: int
    trough: int
    end: int
    peak: int
    low: int
    liquidated: int
    contraction: Fraction
    forced_share: Fraction | None
    side: Side | None
    price_move: Fraction | None


def reading(bins: Sequence[Bin | None], at: int, rules: PurgeRules = HOURLY) -> Reading | None:
    """Return the figures at one bin; None when a bin of the window is missing or nothing was open in it.

    `burst` is None when a bin of the baseline is missing. Without it a purge cannot be told; low intensity alone decides
    for voluntary deleveraging.
    """
    first = at - rules.window
    window = [one for one in bins[max(first, 0) : at + 1] if one is not None]
    if first < 0 or len(window) <= rules.window:
        return None
    peak = max(one.exposure for one in window)
    if peak <= 0:
        return None
    place = max(n for n, one in enumerate(window) if one.exposure == peak)
    after = [one.liquidated for one in window[place + 1 :]]
    lost = peak - window[-1].exposure
    contraction, intensity = Fraction(lost, peak), Fraction(sum(after), peak)
    start = first + place
    before = [one.liquidated for one in bins[max(start - rules.baseline + 1, 0) : start + 1] if one is not None]
    burst = None
    if len(before) == rules.baseline:
        burst = max(after, default=0) / max(Fraction(median(map(Fraction, before))), rules.floor * peak)
    verdict: Verdict | None = None
    if contraction >= rules.contraction:
        if intensity < rules.intensity or (burst is not None and burst < rules.burst):
            verdict = "voluntary_deleveraging"
        elif burst is not None:
            verdict = "purge"
    share = Fraction(sum(after), lost) if lost else None
    return Reading(at, start, peak, contraction, intensity, burst, share, verdict)


def readings(bins: Sequence[Bin | None], rules: PurgeRules = HOURLY) -> list[Reading]:
    """Return the figures of every bin that has them."""
    found = (reading(bins, at, rules) for at in range(len(bins)))
    return [one for one in found if one is not None]


def merge(bins: Sequence[Bin | None], found: Sequence[Reading], rules: PurgeRules = HOURLY) -> list[PurgeEvent]:
    """Return the events of readings in order of their bins: consecutive purges are one.

    Voluntary deleveraging that runs into or out of a purge is part of that story and no event of its own.
    """
    events: list[PurgeEvent] = []
    told = [one for one in found if one.verdict is not None]
    for stretch in _runs(told):
        purges = [one for one in stretch if one.verdict == "purge"]
        for run in _runs(purges) if purges else [stretch]:
            events.append(_event(bins, run, "purge" if purges else "voluntary_deleveraging", rules))
    return events


def purges(bins: Sequence[Bin | None], rules: PurgeRules = HOURLY) -> list[PurgeEvent]:
    """Return the purges and voluntary deleveragings of a series of bins."""
    return merge(bins, readings(bins, rules), rules)


def constant_price_debt(amounts: Sequence[Mapping[str, int]], prices: Mapping[str, Fraction]) -> list[Fraction | None]:
    """Return debt over several assets at one set of prices for all bins: only what was borrowed or repaid moves it.

    None for a bin that owes an asset without a price.
    """
    return [
        sum((amount * prices[asset] for asset, amount in owed.items() if amount), Fraction(0))
        if all(asset in prices for asset, amount in owed.items() if amount)
        else None
        for owed in amounts
    ]


def side_of(liquidated: int, liquidated_long: int | None, rules: PurgeRules = HOURLY) -> Side | None:
    """Return which side was liquidated; None where nothing was, or sides are not told."""
    if not liquidated or liquidated_long is None:
        return None
    share = Fraction(liquidated_long, liquidated)
    return "long" if share >= rules.one_sided else "short" if 1 - share >= rules.one_sided else "mixed"


def _runs(found: Sequence[Reading]) -> list[list[Reading]]:
    runs: list[list[Reading]] = []
    for one in found:
        if runs and runs[-1][-1].at + 1 == one.at:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _event(bins: Sequence[Bin | None], run: Sequence[Reading], kind: Verdict, rules: PurgeRules) -> PurgeEvent:
    start, end, peak = run[0].peak_at, run[-1].at, run[0].peak
    inside = {n: one for n in range(start + 1, end + 1) if (one := bins[n]) is not None}
    low = min(one.exposure for one in inside.values())
    trough = min(n for n, one in inside.items() if one.exposure == low)
    longs = [one.liquidated_long for one in inside.values() if one.liquidated]
    liquidated = sum(one.liquidated for one in inside.values())
    till_trough = sum(one.liquidated for n, one in inside.items() if n <= trough)
    before, after = bins[start], bins[trough]
    move = None
    if before is not None and after is not None and before.price and after.price is not None:
        move = after.price / before.price - 1
    return PurgeEvent(
        kind, start, trough, end, peak, low, liquidated, Fraction(peak - low, peak),
        Fraction(till_trough, peak - low) if peak > low else None,
        side_of(liquidated, None if None in longs else sum(x for x in longs if x is not None), rules), move,
    )  # fmt: skip
