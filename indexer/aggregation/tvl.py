"""M17: value locked, and how much of it is counted twice.

    tvl = what contracts hold, without what is lent out      tvl_including_borrowed = tvl + debt
    tvr = plain tokens only      double_count = tvl - tvr      defi_multiplier = tvl / tvr

A claim (receipt, vault share, staked or restaked token, LP, PT, crypto-backed coin) is worth something that is locked
elsewhere already. Any kind but `plain` is one, so a new kind of claim needs no change here; `unclassified` is neither.

Units    USD. Fiat-backed coins are plain
Edge     a token nobody classified is a line of its own and never plain by default; without a price it is counted, not
         zero. A protocol's own governance token: a line of its own
Source   docs/methodology.md M17; Luo et al., arXiv 2404.11745
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

Number = Decimal | Fraction | int
PLAIN, UNCLASSIFIED = "plain", "unclassified"


class Balance(NamedTuple):
    """What one protocol's contracts hold of one token. `usd` None: no price."""

    kind: str
    usd: Number | None
    borrowed_usd: Number | None = 0
    is_own_token: bool = False


@dataclass(frozen=True, slots=True)
class ValueLocked:
    """Value locked, split by what can be counted twice, USD."""

    plain_usd: Fraction
    claims_usd: Fraction
    unclassified_usd: Fraction
    own_token_usd: Fraction
    borrowed_usd: Fraction
    n_unpriced: int

    @property
    def tvl(self) -> Fraction:
        """Return everything held; a protocol's own token apart."""
        return self.plain_usd + self.claims_usd + self.unclassified_usd

    @property
    def tvl_including_borrowed(self) -> Fraction:
        """Return what is held and what is lent out."""
        return self.tvl + self.borrowed_usd

    @property
    def tvr(self) -> Fraction:
        """Return the value of plain tokens: redeemable, counted once."""
        return self.plain_usd

    @property
    def double_count(self) -> Fraction:
        """Return tvl - tvr: claims, and what nobody classified."""
        return self.tvl - self.tvr

    @property
    def defi_multiplier(self) -> Fraction | None:
        """Return tvl / tvr. None without plain tokens."""
        return self.tvl / self.tvr if self.tvr else None


def value_locked(balances: Iterable[Balance]) -> ValueLocked:
    """Return the value locked of any set of balances: of a protocol, of a chain."""
    sums = {"plain": Fraction(0), "claims": Fraction(0), "unclassified": Fraction(0), "own": Fraction(0)}
    borrowed, unpriced = Fraction(0), 0
    for balance in balances:
        if balance.usd is None or balance.borrowed_usd is None:
            unpriced += 1
            continue
        borrowed += Fraction(balance.borrowed_usd)
        part = balance.kind if balance.kind in (PLAIN, UNCLASSIFIED) else "claims"
        sums["own" if balance.is_own_token else part] += Fraction(balance.usd)
    return ValueLocked(sums["plain"], sums["claims"], sums["unclassified"], sums["own"], borrowed, unpriced)
