"""Debt-financed collateral (M7): how much of the collateral was paid for with borrowed money.

Three rules say how much of a supply is tagged when a wallet holds borrowed and other money of the same token; the truth
lies between the outer two, so the three are published together as [low, mid, high].

Units    amounts in any one unit (base units, whole tokens, USD); shares are fractions
Source   METRICS M7; Darlin, Palaiokrassas, Tassiulas, arXiv 2204.11107 (debt first)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

Rule = Literal["free_first", "pro_rata", "debt_first"]
RULES: Final[tuple[Rule, ...]] = ("free_first", "pro_rata", "debt_first")
"""Low, mid, high."""

Exact = int | Fraction


@dataclass(frozen=True, slots=True)
class Band:
    """What the three rules say; low and mid are None where the wallet's other money is unknown."""

    low: Fraction | None
    mid: Fraction | None
    high: Fraction


def tagged(rule: Rule, supplied: Exact, tagged_balance: Exact, free_balance: Exact | None) -> Fraction | None:
    """Return how much of a supply counts as debt-financed.

    debt_first  min(w_d, x); free_first  max(0, x - w_f) capped at w_d; pro_rata  x * w_d / (w_d + w_f) capped at w_d
    `free_balance` None is unknown: only debt_first has an answer. An empty wallet tags nothing.
    """
    if rule == "debt_first":
        return Fraction(min(tagged_balance, supplied))
    if free_balance is None:
        return None
    if rule == "free_first":
        return Fraction(min(max(supplied - free_balance, 0), tagged_balance))
    balance = tagged_balance + free_balance
    return min(Fraction(supplied) * tagged_balance / balance, Fraction(tagged_balance)) if balance else Fraction(0)


def band(supplied: Exact, tagged_balance: Exact, free_balance: Exact | None) -> Band:
    """Return all three rules for one supply."""
    low, mid = (tagged(rule, supplied, tagged_balance, free_balance) for rule in RULES[:2])
    high = tagged("debt_first", supplied, tagged_balance, free_balance)
    assert high is not None
    return Band(low, mid, high)


def dfc_share(tagged_collateral: Exact, collateral: Exact) -> Fraction | None:
    """Return tagged / all collateral (stock), or tagged / all supplies of a window (flow); None where there is none.

    A ratio of sums over whatever population is asked for, never a mean of ratios.
    """
    return Fraction(tagged_collateral) / collateral if collateral else None
