"""M2: how leverage is distributed over borrowers.

    quantile p = the smallest x whose cumulative weight reaches p W      share_ge(k) = weight at x >= k / W

Units    leverage as A / E, weights in USD or 1 each; exact numbers in, exact numbers out
Edge     only borrowers with equity and prices; others are counted beside. No borrower: None, never 0
Source   docs/methodology.md M2
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

PROBABILITIES: Final = (Decimal("0.1"), Decimal("0.5"), Decimal("0.9"), Decimal("0.99"))
SHARES_AT: Final = (Decimal("1.5"), Decimal(2), Decimal(3), Decimal(5), Decimal(10), Decimal(20))
EDGES: Final = tuple(map(Decimal, ("1", "1.25", "1.5", "2", "3", "4", "5", "7.5", "10", "15", "20", "50")))
"""Edges of the histogram: bin n is [EDGES[n], EDGES[n + 1]), the last is open. They never move, so bins add up."""

Number = Decimal | Fraction | int


class Borrower(NamedTuple):
    """A borrower with equity: leverage A / E and what it weighs."""

    leverage: Number
    weight: Number


def quantile(borrowers: Iterable[Borrower], p: Number) -> Number | None:
    """Return the smallest leverage whose cumulative weight is at least p of the whole. None without weight.

    Not interpolated: `percentile_disc`, not `percentile_cont`; two engines give the same answer.
    """
    ordered = sorted(borrowers)
    total = sum((Fraction(b.weight) for b in ordered), Fraction(0))
    reached, wanted = Fraction(0), Fraction(p) * total
    for borrower in ordered:
        reached += Fraction(borrower.weight)
        if reached > 0 and reached >= wanted:
            return borrower.leverage
    return None


def share_at_least(borrowers: Iterable[Borrower], k: Number) -> Fraction | None:
    """Return the share of weight at leverage >= k, a fraction. None without weight."""
    above = total = Fraction(0)
    for borrower in borrowers:
        total += Fraction(borrower.weight)
        if borrower.leverage >= k:
            above += Fraction(borrower.weight)
    return above / total if total else None


def histogram(borrowers: Iterable[Borrower], edges: Sequence[Number] = EDGES) -> list[Fraction]:
    """Return the weight in each bin [edge, next edge), the last one open above.

    Raises  ValueError for a leverage below the first edge: equity above assets does not exist
    """
    found = [Fraction(0)] * len(edges)
    for borrower in borrowers:
        if borrower.leverage < edges[0]:
            raise ValueError(f"leverage {borrower.leverage} is below the first edge {edges[0]}")
        found[max(n for n, edge in enumerate(edges) if borrower.leverage >= edge)] += Fraction(borrower.weight)
    return found


class Distribution(NamedTuple):
    """Quantiles, shares at or above SHARES_AT, and the histogram over EDGES, by one weight."""

    n: int
    quantiles: tuple[Number | None, ...]
    shares: tuple[Fraction | None, ...]
    bins: list[Fraction]


def distribution(borrowers: Sequence[Borrower]) -> Distribution:
    """Return the distribution of leverage over borrowers by their weights."""
    return Distribution(
        len(borrowers),
        tuple(quantile(borrowers, p) for p in PROBABILITIES),
        tuple(share_at_least(borrowers, k) for k in SHARES_AT),
        histogram(borrowers),
    )
