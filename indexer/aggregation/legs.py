"""Legs of borrowers as columns: what cascades, propagation and sensitivity compute on.

A borrower is one account in one risk scope (a deployment where collateral is pooled, else a market). Columns about borrowers
have one entry a borrower, columns about legs one entry a leg; `borrower` and `asset` are places in the former.

Units    whole tokens, USD; thresholds, LTV and bonus as fractions; NaN where a number is not known
Source   SQL `risk_legs_at`; docs/methodology.md M12, M13
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

NO_KEY: Final = 0
"""Stands for no market: keys are hashes, and never 0."""


def totals(places: Places, values: Floats, size: int) -> Floats:
    """Return the sum of values at each of `size` places."""
    return np.bincount(places, values, size).astype(np.float64, copy=False)  # of nothing it counts in integers


class LegRow(NamedTuple):
    """One row of `risk_legs_at`, or one made by hand; None where a number is not known."""

    protocol: str
    deployment_key: int
    market_key: int | None
    account: str
    owner: str
    side: str
    asset: str
    symbol: str | None
    units: float | None
    price_usd: float | None
    value_usd: float | None
    counts: bool
    ltv: float | None
    liquidation_threshold: float | None
    liquidation_bonus: float | None
    decides_raw: float | None
    leg_market_key: int | None = None
    emode: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """Borrowers and their legs, as columns."""

    protocols: tuple[str, ...]
    """Protocol of each borrower."""
    deployment_keys: Places
    market_keys: Places
    """Risk scope of each borrower; NO_KEY where collateral is pooled."""
    accounts: tuple[str, ...]
    owners: tuple[str, ...]

    assets: tuple[str, ...]
    """Addresses that legs are in."""
    symbols: tuple[str, ...]
    """Symbol of each asset, its address where it has none."""

    borrower: Places
    asset: Places
    is_debt: Flags
    counts: Flags
    units: Floats
    price_usd: Floats
    value_usd: Floats
    ltv: Floats
    threshold: Floats
    bonus: Floats
    decides: Floats
    """The leg's term of the protocol's own test: sum over collateral / sum over debt is the health factor."""
    leg_market_keys: Places
    emode: Places

    def __len__(self) -> int:
        """Return the number of legs."""
        return len(self.borrower)

    @property
    def borrowers(self) -> int:
        """The number of borrowers."""
        return len(self.accounts)

    def sums(self, values: Floats, where: Flags) -> Floats:
        """Return the sum of `values` over the legs that `where` selects, for each borrower; NaN if one of them is."""
        return totals(self.borrower[where], values[where], self.borrowers)

    def collateral_usd(self) -> Floats:
        """Return what backs each borrower's debt, USD."""
        return self.sums(self.value_usd, ~self.is_debt & self.counts)

    def assets_usd(self) -> Floats:
        """Return everything each borrower supplied, USD."""
        return self.sums(self.value_usd, ~self.is_debt)

    def debt_usd(self) -> Floats:
        """Return what each borrower owes, USD."""
        return self.sums(self.value_usd, self.is_debt)

    def health_factor(self) -> Floats:
        """Return each borrower's health factor by the protocol's own terms; NaN without a price or without debt."""
        owed = self.sums(self.decides, self.is_debt)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = self.sums(self.decides, ~self.is_debt) / owed
        return np.where(owed > 0, factor, np.nan)

    def only(self, chosen: Flags) -> Legs:
        """Return the legs of the chosen borrowers; assets keep their places."""
        place = np.cumsum(chosen) - 1
        kept = chosen[self.borrower]
        names = np.flatnonzero(chosen)
        return Legs(
            tuple(self.protocols[n] for n in names),
            self.deployment_keys[chosen],
            self.market_keys[chosen],
            tuple(self.accounts[n] for n in names),
            tuple(self.owners[n] for n in names),
            self.assets,
            self.symbols,
            place[self.borrower[kept]],
            *(getattr(self, name)[kept] for name in COLUMNS),
        )


COLUMNS: Final = (
    "asset", "is_debt", "counts", "units", "price_usd", "value_usd", "ltv", "threshold", "bonus", "decides",
    "leg_market_keys", "emode",
)  # fmt: skip
"""Columns of legs after `borrower`, in the order of the fields."""


def legs_of(rows: Iterable[LegRow | Sequence[object]]) -> Legs:
    """Return rows as columns. Borrowers and assets are numbered as they first appear."""
    table = [row if isinstance(row, LegRow) else LegRow(*row) for row in rows]  # type: ignore[arg-type]
    borrowers: dict[tuple[str, int, int, str], int] = {}
    owners: list[str] = []
    assets: dict[str, int] = {}
    symbols: list[str] = []
    borrower = np.empty(len(table), np.int64)
    asset = np.empty(len(table), np.int64)
    for n, row in enumerate(table):
        key = (row.protocol, row.deployment_key, row.market_key or NO_KEY, row.account)
        place = borrowers.setdefault(key, len(borrowers))
        if place == len(owners):
            owners.append(row.owner)
        borrower[n] = place
        place = assets.setdefault(row.asset, len(assets))
        if place == len(symbols):
            symbols.append(row.symbol or row.asset)
        asset[n] = place

    def numbers(name: str) -> Floats:
        return np.array([getattr(row, name) for row in table], np.float64)  # None becomes NaN

    def keys(name: str) -> Places:
        return np.array([getattr(row, name) or NO_KEY for row in table], np.int64)

    return Legs(
        tuple(key[0] for key in borrowers),
        np.array([key[1] for key in borrowers], np.int64),
        np.array([key[2] for key in borrowers], np.int64),
        tuple(key[3] for key in borrowers),
        tuple(owners),
        tuple(assets),
        tuple(symbols),
        borrower,
        asset,
        np.array([row.side == "debt" for row in table], np.bool_),
        np.array([row.counts for row in table], np.bool_),
        numbers("units"),
        numbers("price_usd"),
        numbers("value_usd"),
        numbers("ltv"),
        numbers("liquidation_threshold"),
        numbers("liquidation_bonus"),
        numbers("decides_raw"),
        keys("leg_market_key"),
        keys("emode"),
    )
