"""M8: leverage imbalance. Skews, funding, basis, borrow fees, each normalised before it is compared.

    skew(L, S) = (L - S) / (L + S)        None when both are 0
    funding_rate_annualised = rate x seconds of a year / interval        simple, sign + where longs pay
    funding_apy = (1 + rate) ^ (seconds of a year / interval) - 1
    basis = (mark - index) / index        dated: x 365 / days

Units    rates and ratios as fractions; intervals in seconds; a year is 365 days
Source   docs/methodology.md M8
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

from indexer.aggregation.open_interest import Convention

YEAR = 365 * 86_400
RatioBasis = Literal["accounts", "positions", "top_trader", "taker_volume"]


class LongShortRatio(NamedTuple):
    """Long over short; it means nothing without what was counted."""

    ratio_basis: RatioBasis
    value: Decimal | None


class Rates(NamedTuple):
    """Yearly rates of one side: what funding takes (+) or gives, what the pool charges to borrow, and both."""

    funding: Decimal
    borrow: Decimal
    net: Decimal


def skew(long: Decimal, short: Decimal) -> Decimal | None:
    """Return (L - S) / (L + S), from -1 to 1; None when there is neither."""
    return (long - short) / (long + short) if long + short else None


def oi_skew(long: Decimal, short: Decimal, convention: Convention) -> Decimal | None:
    """Return the skew of open interest; None where sides cannot differ, or there is one only: it says nothing there."""
    return skew(long, short) if convention == "pool" else None


def leverage_skew(
    long: Decimal, long_margin: Decimal | None, short: Decimal, short_margin: Decimal | None
) -> Decimal | None:
    """Return the skew of the sides' leverage, notional / margin each. None when a side has no margin, or it is unknown."""
    if not long_margin or not short_margin:
        return None
    return skew(long * short_margin, short * long_margin)


def long_short_ratio(long: Decimal, short: Decimal, ratio_basis: RatioBasis) -> LongShortRatio:
    """Return L / S with its basis; None when there is no short."""
    return LongShortRatio(ratio_basis, long / short if short else None)


def funding_rate_annualised(rate: Decimal, interval_s: int) -> Decimal:
    """Return the simple yearly rate of a rate as settled each `interval_s` seconds (continuous: the unit of its rate).

    Raises  ValueError for an interval that is not positive
    """
    if interval_s <= 0:
        raise ValueError(f"a funding interval is a positive number of seconds, not {interval_s}")
    return rate * YEAR / interval_s


def funding_apy(rate: Decimal, interval_s: int) -> float:
    """Return the compounding yearly rate: a field of its own, never mixed with the simple one."""
    funding_rate_annualised(rate, interval_s)
    return float((1 + float(rate)) ** (YEAR / interval_s) - 1)


def mean_funding(rates: Iterable[tuple[Decimal, int, Decimal]]) -> Decimal | None:
    """Return the OI-weighted yearly rate of (rate, interval_s, OI): annualised before it is averaged. None without OI."""
    total = weight = Decimal(0)
    for rate, interval_s, oi in rates:
        total += funding_rate_annualised(rate, interval_s) * oi
        weight += oi
    return total / weight if weight else None


def at_cap(rate: Decimal, cap: Decimal | None) -> bool | None:
    """Return whether funding stands at its cap and would be higher without; None when the venue's cap is unknown."""
    return None if cap is None else abs(rate) >= cap


def net_rates(funding: Decimal, borrow: Decimal, side: Literal["long", "short"]) -> Rates:
    """Return what a side pays a year: funding (+ paid) and borrow fee (paid by both sides) apart, and their sum."""
    paid = funding if side == "long" else -funding
    return Rates(paid, borrow, paid + borrow)


def basis(mark: Decimal | None, index: Decimal | None) -> Decimal | None:
    """Return (mark - index) / index; None when either is unknown."""
    return None if mark is None or not index else (mark - index) / index


def dated_basis(mark: Decimal, index: Decimal, days: Decimal) -> Decimal | None:
    """Return the basis of a dated contract a year: x 365 / days to expiry; None at expiry."""
    found = basis(mark, index)
    return None if found is None or not days else found * 365 / days


def borrow_skew(rate: Decimal | None, numeraire_rate: Decimal | None) -> Decimal | None:
    """Return lending's analogue: the borrow rate of an asset less that of the numeraire, a year; None when unknown."""
    return None if rate is None or numeraire_rate is None else rate - numeraire_rate
