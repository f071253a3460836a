"""M4: how fast leverage grows, and why.

    dD = sum mean(q) dP   [price]   + sum mean(P) (borrow - repay)              [organic]
       - sum mean(P) (liquidated + written off)  [forced]   + sum mean(P) interest   [carry]

    mean(x) = (x0 + x1) / 2 and interest is what the flows leave of dq, so that the four sum to dD exactly.

Units    quantities in whole tokens, prices in USD, velocities in USD a day, growth a day
Exact    decimals that are long enough: no rounding hides in the sum
Source   docs/methodology.md M4
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction

DAY = 86_400
Number = Decimal | Fraction | int

EXACT = Context(prec=1000, traps=[Inexact])
"""Sums, products and halves of decimals, to the last digit or not at all."""

HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Move:
    """What happened to the debt of one market in a window (t - w, t]. None is a price that is not known.

    `first_price` is the first known price in the window: it stands in for a missing one at its start (a new asset).
    """

    q0: Decimal | int
    q1: Decimal | int
    p0: Decimal | int | None
    p1: Decimal | int | None
    borrowed: Decimal | int = 0
    repaid: Decimal | int = 0
    liquidated: Decimal | int = 0
    written_off: Decimal | int = 0
    first_price: Decimal | int | None = None
    migrated: Decimal | int = 0
    """Part of `borrowed` (positive) or `repaid` (negative) that one owner moved to or from another version in one transaction."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a change of debt is made of, USD. The first four sum to `change`, which is D1 - D0 of the priced markets.

    Of a market whose start price stood in, D0 is counted at that price.
    """

    debt_0: Decimal
    debt_1: Decimal
    price: Decimal
    organic: Decimal
    forced: Decimal
    """Liquidated and written off: negative, or zero."""
    carry: Decimal
    migrated: Decimal
    n_unpriced: int
    n_new: int
    """Markets whose price at the start was not known and was taken from later in the window."""

    @property
    def change(self) -> Decimal:
        """Return D1 - D0."""
        return EXACT.subtract(self.debt_1, self.debt_0)

    @property
    def net_of_migrations(self) -> Decimal:
        """Return the organic part without debts that only moved between versions."""
        return EXACT.subtract(self.organic, self.migrated)


def decompose(moves: Iterable[Move]) -> Effects:
    """Return why debt changed. A market that moved and has no price at its end, or none at all, is counted in
    `n_unpriced` and left out of every sum: a missing price is not zero.
    """  # fmt: skip
    debt_0 = debt_1 = price = organic = forced = carry = migrated = Decimal(0)
    unpriced = new = 0
    with localcontext(EXACT):
        for move in moves:
            if not any((move.q0, move.q1, move.borrowed, move.repaid, move.liquidated, move.written_off)):
                continue
            start = move.first_price if move.p0 is None else move.p0
            if move.p1 is None or start is None:
                unpriced += 1
                continue
            new += move.p0 is None
            mean_q, mean_p = (move.q0 + move.q1) * HALF, (start + move.p1) * HALF
            wanted, ended = move.borrowed - move.repaid, move.liquidated + move.written_off
            debt_0 += Decimal(move.q0) * start
            debt_1 += Decimal(move.q1) * move.p1
            price += mean_q * (move.p1 - start)
            organic += mean_p * wanted
            forced -= mean_p * ended
            carry += mean_p * (move.q1 - move.q0 - wanted + ended)
            migrated += mean_p * move.migrated
    return Effects(debt_0, debt_1, price, organic, forced, carry, migrated, unpriced, new)


def velocity(part: Number, window: int) -> Fraction:
    """Return a change over a window of so many seconds as a speed a day."""
    return Fraction(part) * DAY / window


def ratio_velocity(leverage_0: Number | None, leverage_1: Number | None, window: int) -> Fraction | None:
    """Return (L1 - L0) / w a day; None where either leverage means nothing."""
    if leverage_0 is None or leverage_1 is None:
        return None
    return (Fraction(leverage_1) - Fraction(leverage_0)) * DAY / window


def constant_price_growth(moves: Iterable[Move], window: int) -> float | None:
    """Return ln(sum q1 P0 / sum q0 P0) a day: growth of quantities, blind to a rally.

    Edge    None when nothing was owed at the start, or nothing is now; markets without any price are left out
    """
    before = after = Fraction(0)
    for move in moves:
        start = move.first_price if move.p0 is None else move.p0
        if start is not None:
            before += Fraction(move.q0) * Fraction(start)
            after += Fraction(move.q1) * Fraction(start)
    return growth_rate(before, after, window)


def growth_rate(before: Number, after: Number, window: int) -> float | None:
    """Return ln(after / before) a day over a window of seconds. None unless both are positive."""
    if before <= 0 or after <= 0:
        return None
    return math.log(Fraction(after) / Fraction(before)) * DAY / window


def doubling_time(growth: float | None) -> float | None:
    """Return ln 2 / growth in days. None unless it grows."""
    return math.log(2) / growth if growth is not None and growth > 0 else None


def excess_growth(debt: float | None, activity: float | None) -> float | None:
    """Return growth of debt beyond growth of activity (equity at constant prices; perps: average volume), a day."""
    return None if debt is None or activity is None else debt - activity


def mean_over_time(values: Sequence[tuple[int, Number]], until: int) -> Fraction | None:
    """Return the time average of a step function given as (unix seconds, value from then on), ascending. None if empty."""
    if not values or until <= values[0][0]:
        return None
    ends = [time for time, _ in values[1:]] + [until]
    total = sum((Fraction(v) * (end - at) for (at, v), end in zip(values, ends, strict=True)), Fraction(0))
    return total / (until - values[0][0])
