"""What selling does to a price: models of market depth, one value an asset.

    cpmm         k = X Y, arbitraged to the exogenous price f:  price = k / (sqrt(k / f) + Q)^2,  k = depth^2 / P0
    linear       price = f (1 - depth Q), never below 0
    exponential  price = f exp(-depth Q)

Q is all that was sold since the start, in tokens: impact lasts. What `depth` is depends on the model: the dollar side of the
pool before the shock (cpmm), or the fraction of the price per token sold (linear, exponential). Without impact: NaN.
Source   docs/methodology.md M13; Cifuentes, Ferrucci and Shin 2005 for the exponential form
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from indexer.aggregation.legs import Floats

Model = Literal["cpmm", "linear", "exponential"]
MODELS: tuple[Model, ...] = get_args(Model)


@dataclass(frozen=True, slots=True, eq=False)
class Impact:
    """A model and its depth for each asset; `start` is each asset's price before the shock."""

    model: Model
    depth: Floats
    start: Floats

    def scaled(self, factor: float) -> Impact:
        """Return markets that are `factor` times as deep."""
        return Impact(self.model, self.depth * factor if self.model == "cpmm" else self.depth / factor, self.start)

    def price(self, exogenous: Floats, sold: Floats) -> Floats:
        """Return market prices after `sold` tokens of each asset were sold at exogenous prices `exogenous`."""
        if self.model == "cpmm":
            product = self.depth**2 / self.start
            with np.errstate(divide="ignore", invalid="ignore"):
                price = product / (np.sqrt(product / exogenous) + sold) ** 2
        elif self.model == "linear":
            price = exogenous * np.maximum(1 - self.depth * sold, 0)
        else:
            price = exogenous * np.exp(-self.depth * sold)
        return np.where(np.isnan(self.depth) | (sold == 0), exogenous, price)
