"""M12 for everybody at once: who is liquidatable at a vector of prices; floats for the many, exact integers for the few.

    margin_b = sum over legs of weight_l * price(asset_l)       weight: raw amount times threshold for collateral, minus for debt
    liquidatable when margin_b < 0, exactly

Units    weights and prices are integers of any scale, the same for all (raw amount x threshold in bps, oracle price)
Edge     a borrower whose float margin is within the error of its own sum is decided by exact integers, so that equality
         (health factor 1) is never liquidatable. No legs: margin 0, not liquidatable
Source   docs/methodology.md M12; who is liquidatable in the database is decided by `account_health`, with each contract's own
         roundings. This is the rule without them, for scenarios of other prices
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

RELATIVE_ERROR: Final = 1e-12
"""More than 64-bit floats lose over a borrower's legs (about 2e-16 a leg)."""


class Screen:
    """Borrowers' legs, sorted by borrower, ready for any number of price vectors."""

    def __init__(self, borrower: Places, asset: Places, weights: Sequence[int], borrowers: int) -> None:
        """`borrower` ascending; `weights` exact, negative for debt."""
        self.borrower, self.asset, self.weights, self.borrowers = borrower, asset, weights, borrowers
        self._weight = np.array([float(weight) for weight in weights], np.float64)
        self._size = np.abs(self._weight)
        counts = np.bincount(borrower, minlength=borrowers)
        self._first = np.concatenate(([0], np.cumsum(counts)))
        self._starts = self._first[:-1][counts > 0]
        self._present = np.flatnonzero(counts)

    def margins(self, prices: Floats) -> tuple[Floats, Floats]:
        """Return margin and the sum of its parts' sizes, of each borrower."""
        price = prices[self.asset]
        margin, size = np.zeros(self.borrowers), np.zeros(self.borrowers)
        if len(self.borrower):
            margin[self._present] = np.add.reduceat(self._weight * price, self._starts)
            size[self._present] = np.add.reduceat(self._size * price, self._starts)
        return margin, size

    def liquidatable(self, prices: Sequence[int]) -> NDArray[np.bool_]:
        """Return who is liquidatable at exact integer prices, one an asset."""
        margin, size = self.margins(np.array([float(price) for price in prices], np.float64))
        found: NDArray[np.bool_] = margin < 0
        for place in np.flatnonzero(np.abs(margin) <= size * RELATIVE_ERROR):
            legs = range(self._first[place], self._first[place + 1])
            found[place] = sum(self.weights[leg] * prices[self.asset[leg]] for leg in legs) < 0
        return found
