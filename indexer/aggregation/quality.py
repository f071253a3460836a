"""M23: how far an answer can be trusted.

    lag_blocks = chain head - indexed block      unpriced_share = unpriced accounts / accounts with a balance
    reconciliation_error = |indexed balance - contract's balance| / contract's balance

Units    blocks, seconds, fractions
Source   docs/methodology.md M23
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction


def lag_blocks(head: int | None, indexed: int) -> int | None:
    """Return how many blocks the index is behind; never negative. None before the node has spoken."""
    return None if head is None else max(head - indexed, 0)


def unpriced_share(n_unpriced: int, n_accounts: int) -> Fraction | None:
    """Return the share of accounts with a leg that has no price. None without accounts."""
    return Fraction(n_unpriced, n_accounts) if n_accounts else None


def reconciliation_error(samples: Iterable[tuple[int, int]]) -> Fraction | None:
    """Return the largest relative error of (indexed, contract) balances in raw units. None for no sample.

    A balance that the contract says is zero and the index does not is an error of 1.
    """
    errors = [
        Fraction(abs(indexed - contract), abs(contract)) if contract else Fraction(int(indexed != contract))
        for indexed, contract in samples
    ]
    return max(errors, default=None)
