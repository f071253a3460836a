"""Small worlds for cascade tests, as a person would write them down."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer.aggregation.cascade import Scenario, start_prices
from indexer.aggregation.impact import Impact, Model
from indexer.aggregation.legs import LegRow, Legs, legs_of


def leg(
    account: str, side: str, asset: str, units: float, price: float, threshold: float | None = None,
    *, protocol: str = "morpho_blue", bonus: float | None = 0.05, counts: bool = True, owner: str | None = None,
) -> LegRow:  # fmt: skip
    value = units * price
    decides = value if side == "debt" else value * (threshold or 0) * counts
    return LegRow(
        protocol, hash(protocol) % 1000 + 1, None, account, owner or account, side, asset, asset, units, price, value,
        counts, threshold, (threshold or 0) * counts if side != "debt" else None, bonus if side != "debt" else None,
        decides,
    )  # fmt: skip


def simple(account: str, eth: float, debt: float, threshold: float, **more: object) -> list[LegRow]:
    """One account with WETH at 2000 against USDC."""
    return [
        leg(account, "collateral", "WETH", eth, 2000, threshold, **more),  # type: ignore[arg-type]
        leg(account, "debt", "USDC", debt, 1, **more),  # type: ignore[arg-type]
    ]


def worked() -> Legs:
    """The worked example of METRICS M13: A and B, two protocols, ether at 2000."""
    return legs_of([*simple("a", 100, 150_000, 0.86, protocol="A"), *simple("b", 100, 136_000, 0.80, protocol="B")])


def scenario(
    legs: Legs, shocks: Mapping[str, float], depth: Mapping[str, float] | None = None, model: Model = "cpmm", **more: object
) -> Scenario:  # fmt: skip
    start = start_prices(legs)
    depths = np.array([(depth or {}).get(name, np.nan) for name in legs.assets])
    falls = np.array([shocks.get(name, 0.0) for name in legs.assets])
    return Scenario(falls, Impact(model, depths, start), **more)  # type: ignore[arg-type]
