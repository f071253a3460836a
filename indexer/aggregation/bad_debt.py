"""M14: losses, latent, realised and economic. Three numbers, never one.

    latent   = sum max(0, D - C) over accounts with debt, at current prices; shrinks when prices recover
    realised = what the protocol has written off, less what was paid in since; never shrinks by a price
    economic = debt of solvent accounts whose excess collateral is below what a liquidation costs (Qin's second type)

Units    USD
Edge     an account without a price is counted, not judged. A health factor below 1 is not bad debt
Source   docs/methodology.md M14; Qin et al. (2021)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

Number = Decimal | Fraction | int


@dataclass(frozen=True, slots=True)
class BadDebt:
    """Bad debt of a set of accounts, USD."""

    latent_usd: Fraction
    economic_usd: Fraction
    debt_usd: Fraction
    n_insolvent: int
    n_uneconomic: int
    n_unpriced: int

    @property
    def latent_ratio(self) -> Fraction | None:
        """Return latent bad debt as a share of all debt. None without debt."""
        return self.latent_usd / self.debt_usd if self.debt_usd else None


def bad_debt(accounts: Iterable[tuple[Number | None, Number | None]], cost: Number = 0) -> BadDebt:
    """Return what (assets, debt) of accounts say. `cost` is what one liquidation costs, USD.

    Insolvent accounts are not netted against anybody's surplus, and not counted as uneconomic too.
    """
    latent = economic = total = Fraction(0)
    insolvent = uneconomic = unpriced = 0
    for assets, debt in accounts:
        if assets is None or debt is None:
            unpriced += 1
        elif debt > 0:
            excess = Fraction(assets) - Fraction(debt)
            total += Fraction(debt)
            if excess < 0:
                latent -= excess
                insolvent += 1
            elif excess < cost:
                economic += Fraction(debt)
                uneconomic += 1
    return BadDebt(latent, economic, total, insolvent, uneconomic, unpriced)


def realised(written_off: Iterable[Number], covered: Iterable[Number]) -> Fraction:
    """Return recorded losses less later coverage, each at its value when it happened. Prices since do not matter."""
    lost, paid = (sum((Fraction(usd) for usd in flow), Fraction(0)) for flow in (written_off, covered))
    return lost - paid


def is_toxic(ltv: Number, bonus: Number) -> bool:
    """Return whether a liquidation leaves the account worse off: LTV > 1 / (1 + bonus). It need not be bad debt yet."""
    return Fraction(ltv) * (1 + Fraction(bonus)) > 1
