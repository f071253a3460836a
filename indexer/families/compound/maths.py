"""Compound's interest between two accruals, exact to the last digit.

Source   compound-protocol JumpRateModelV2, WhitePaperInterestRateModel, CToken.accrueInterest
Units    rates WAD a block (Moonwell: a second), index and utilisation WAD; every division truncates
"""

from __future__ import annotations

from collections.abc import Mapping

from indexer.units import WAD


def borrow_rate(model: Mapping[str, int], cash: int, borrows: int, reserves: int) -> int:
    """Return getBorrowRate of a model with the parameters irm_*; one without a kink is a line."""
    used = borrows * WAD // (cash + borrows - reserves) if borrows else 0
    kink = model.get("irm_kink")
    if kink is None or used <= kink:
        return used * model["irm_multiplier"] // WAD + model["irm_base"]
    normal = kink * model["irm_multiplier"] // WAD + model["irm_base"]
    return (used - kink) * model["irm_jump"] // WAD + normal


def grown(index: int, rate: int, steps: int) -> int:
    """Return the borrow index after so many blocks (seconds) at a rate."""
    return rate * steps * index // WAD + index


def owed(principal: int, basis: int | None, index: int) -> int:
    """Return a debt at an index; `basis` is the index at the account's last change."""
    return principal * index // basis if basis else 0
