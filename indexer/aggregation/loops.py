"""Recursive leverage (M6): loops, depth, multiplier and how much borrowing is recursive.

`indexer.aggregation.provenance.follow` finds the links of one owner; here they become loops and shares. Two methods are
published side by side and never merged: `event` (links) sees intent and misses what is older than the index, `state` (what
is on the books) sees every position and no intent.

Source   METRICS M6; Xiong et al. arXiv 2401.08610 (stake, deposit, borrow, re-stake); Bank of Canada SAP 2026-13 (matched
         within a day, shares of volume and count)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import log
from typing import Literal, NamedTuple

from indexer.aggregation.lots import WINDOWS, Borrow, Evidence, Link, Scope

Ratio = Fraction | Decimal | float


class LoopBooks(NamedTuple):
    """What a constant-LTV loop holds after some turns, in the unit of its own money."""

    assets: Fraction
    debt: Fraction
    multiplier: Fraction


def constant_ltv_loop(own: Fraction | int, ltv: Fraction, turns: int, cost: Fraction | int = 0) -> LoopBooks:
    """Return the books of `turns` turns that each borrow at `ltv` and pay `cost` (a fraction) to convert.

    A_n = S (1 - l^(n+1)) / (1 - l), D_n = what was borrowed for it, with l(1-h) in place of l for assets acquired.
    """
    step = ltv * (1 - Fraction(cost))
    assets = sum((Fraction(own) * step**turn for turn in range(turns + 1)), Fraction(0))
    debt = sum((Fraction(own) * step**turn * ltv for turn in range(turns)), Fraction(0))
    return LoopBooks(assets, debt, assets / (assets - debt))


def multiplier(assets: Fraction, debt: Fraction) -> Fraction | None:
    """Return m = A / E, E = A - D; None without equity."""
    return assets / (assets - debt) if assets > debt else None


def bound(max_ltv: Fraction) -> Fraction | None:
    """Return 1 / (1 - l), the multiplier that no number of turns exceeds; None at l >= 1."""
    return 1 / (1 - max_ltv) if max_ltv < 1 else None


def bound_utilisation(reached: Fraction, max_ltv: Fraction) -> Fraction:
    """Return m (1 - l). Above 1 prices fell or interest accrued: flag it, never clip it."""
    return reached * (1 - max_ltv)


def equivalent_depth(reached: Ratio, max_ltv: Ratio) -> float | None:
    """Return the turns of a constant-LTV loop with this multiplier: ln(1 - m(1-l)) / ln(l) - 1.

    What makes a flash loan's one borrow comparable with a loop of many. None at or above the bound, for m < 1 and where l
    is not between 0 and 1; 0 for m = 1.
    """
    m, l = float(reached), float(max_ltv)  # noqa: E741  (l is the field's letter for LTV)
    if not 0 < l < 1 or m < 1 or m * (1 - l) >= 1:
        return None
    return max(log(1 - m * (1 - l)) / log(l) - 1, 0.0)


@dataclass(frozen=True, slots=True)
class Loop:
    """Links of one owner that hang together. `turns` 0 is a chain that has not come back to where it borrowed."""

    first: tuple[int, int]
    turns: int
    depth: int
    scopes: tuple[Scope, ...]
    kind: Literal["intra", "inter"]
    is_flash: bool
    evidence: Evidence
    opened_block: int
    last_block: int
    closed_block: int | None


def loops(links: Iterable[Link]) -> list[Loop]:
    """Return the loops of one owner's links, oldest first. Closed when all of its links are."""
    found: dict[tuple[int, int], list[Link]] = {}
    for link in links:
        found.setdefault(link.loop, []).append(link)
    return [_loop(first, members) for first, members in sorted(found.items())]


def _loop(first: tuple[int, int], members: Sequence[Link]) -> Loop:
    closed = [link.closed_block for link in members if link.closed_block is not None]
    scopes = dict.fromkeys(scope for link in members for scope in (link.borrow.act.scope, link.supply.scope))
    weakest: Evidence = min((link.evidence for link in members), key=("assumed", "registry", "flows").index)
    return Loop(
        first, max(link.turn for link in members), max(link.depths[0] or 0 for link in members), tuple(scopes),
        "inter" if any(link.kind == "inter" for link in members) else "intra", any(link.is_flash for link in members),
        weakest, min(link.supply.block for link in members), max([*(link.supply.block for link in members), *closed]),
        max(closed) if len(closed) == len(members) else None,
    )  # fmt: skip


class RecursiveShare(NamedTuple):
    """How much of the borrowing came back as collateral. None where nothing was borrowed."""

    volume: Fraction | None
    number: Fraction | None
    n_unpriced: int


def recursive_borrow_share(borrows: Iterable[Borrow], window: int | None = 86_400) -> RecursiveShare:
    """Return matched borrow USD / all borrow USD, and the same by number of borrows, over any set of borrows.

    `window` is one of WINDOWS. Unpriced borrows count by number and not by volume.
    """
    at = WINDOWS.index(window)
    matched, whole, hits, number, unpriced = Fraction(0), Fraction(0), 0, 0, 0
    for borrow in borrows:
        number += 1
        hits += borrow.matched[at] > 0
        if borrow.act.usd is None:
            unpriced += 1
            continue
        usd = Fraction(borrow.act.usd)
        whole += usd
        matched += usd * min(borrow.matched[at], borrow.act.amount) / borrow.act.amount
    return RecursiveShare(matched / whole if whole else None, Fraction(hits, number) if number else None, unpriced)


def looped_debt_share(looped_debt: Fraction, debt: Fraction) -> Fraction | None:
    """Return debt of scopes with an open loop / all debt; None without debt."""
    return looped_debt / debt if debt else None


def is_state_loop(pair_class: str, ltv: Ratio | None, floor: Ratio = Fraction(1, 2)) -> bool:
    """Tell by the books alone: collateral and debt of one asset, or of one e-mode category, at an LTV of at least `floor`."""
    return pair_class in ("same_asset", "correlated") and ltv is not None and ltv >= floor
