"""M18: how few people hold it.

    HHI = sum s_i^2 (0 to 1; x 10 000 is the alias)      effective_n = 1 / HHI
    gini = sum |x_i - x_j| / (2 n^2 mean)                top_n = share of the n largest

Units    any amounts of one kind, one number an owner; results are fractions
Edge     zero and negative amounts are no holders and left out; nobody: None. One holder: HHI 1, Gini 0
Note     by owner, not by address. An omnibus vault counts as one owner
Source   docs/methodology.md M18
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

Number = Decimal | Fraction | int
BAND: Final = Fraction(2, 100)
"""Width of a liquidation price cluster."""


class Concentration(NamedTuple):
    """Concentration of one kind of amount over owners."""

    n: int
    total: Fraction
    hhi: Fraction
    effective_n: Fraction
    gini: Fraction
    top_1_share: Fraction
    top_10_share: Fraction


def concentration(amounts: Iterable[Number]) -> Concentration | None:
    """Return the concentration of amounts, one an owner. None when nobody holds anything."""
    held = sorted(Fraction(x) for x in amounts if x > 0)
    if not held:
        return None
    n, total = len(held), sum(held, Fraction(0))
    hhi = sum((x * x for x in held), Fraction(0)) / total**2
    ranked = sum((rank * x for rank, x in enumerate(held, 1)), Fraction(0))
    gini = 2 * ranked / (n * total) - Fraction(n + 1, n)
    return Concentration(n, total, hhi, 1 / hhi, gini, held[-1] / total, sum(held[-10:], Fraction(0)) / total)


class Cluster(NamedTuple):
    """The narrow band of prices of one asset in which most debt would be liquidated."""

    asset: str
    price: Fraction
    """Lower end of the band."""
    debt: Fraction


def largest_cluster(levels: Iterable[tuple[str, Number, Number]], band: Number = BAND) -> Cluster | None:
    """Return the band [p, p (1 + band)] of one asset with most debt; ties by asset, then the lower price.

    Shape   (asset, liquidation price, debt), one a position with a closed-form liquidation price
    """
    by_asset: dict[str, list[tuple[Fraction, Fraction]]] = {}
    for asset, price, debt in levels:
        by_asset.setdefault(asset, []).append((Fraction(price), Fraction(debt)))
    best: Cluster | None = None
    for asset, rows in sorted(by_asset.items()):
        rows.sort()
        end, inside = 0, Fraction(0)
        for first, (price, debt) in enumerate(rows):
            while end < len(rows) and rows[end][0] <= price * (1 + Fraction(band)):
                inside += rows[end][1]
                end += 1
            if (first == 0 or rows[first - 1][0] != price) and (best is None or inside > best.debt):
                best = Cluster(asset, price, inside)
            inside -= debt
    return best
