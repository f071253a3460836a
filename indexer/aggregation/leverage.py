"""M1: leverage of accounts and protocols.

    assets_to_equity = A / E      debt_to_equity = D / E      ltv = D / A      E = A - D
    for E > 0:  A/E = 1 + D/E = 1 / (1 - D/A)

Units    USD as Decimal; ratios as fractions
Source   docs/methodology.md M1; BIS Working Paper 1171 (wallet-level assets to equity)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

Status = Literal["no_debt", "ok", "zero_equity", "insolvent", "unpriced"]
Population = Literal["borrowers", "all"]

ZERO = Decimal(0)


class AccountLeverage(NamedTuple):
    """Leverage of one account in one scope. Ratios are None where they mean nothing: no equity, or no price."""

    status: Status
    equity_usd: Decimal | None
    assets_to_equity: Decimal | None
    debt_to_equity: Decimal | None
    ltv: Decimal | None


def account_leverage(assets_usd: Decimal | None, debt_usd: Decimal | None) -> AccountLeverage:
    """Return an account's leverage. None for either side means that a leg has no price: `unpriced`, never poor."""
    if assets_usd is None or debt_usd is None:
        return AccountLeverage("unpriced", None, None, None, None)
    equity = assets_usd - debt_usd
    ltv = debt_usd / assets_usd if assets_usd else None
    if debt_usd == 0:
        status: Status = "no_debt"
    elif equity > 0:
        status = "ok"
    else:
        status = "zero_equity" if equity == 0 else "insolvent"
    if equity <= 0:
        return AccountLeverage(status, equity, None, None, ltv)
    return AccountLeverage(status, equity, assets_usd / equity, debt_usd / equity, ltv)


class AccountBooks(NamedTuple):
    """What protocol leverage needs of one account in one deployment."""

    deployment_key: int
    status: str
    assets_usd: Decimal | None
    debt_usd: Decimal | None


@dataclass(slots=True)
class ProtocolLeverage:
    """Sums over one population of one deployment. Insolvent and unpriced accounts are counted beside, never inside."""

    assets_usd: Decimal = ZERO
    debt_usd: Decimal = ZERO
    n_ok: int = 0
    n_zero_equity: int = 0
    n_insolvent: int = 0
    n_unpriced: int = 0
    latent_bad_debt_usd: Decimal = ZERO

    @property
    def equity_usd(self) -> Decimal:
        """Return the sum of equities of the population."""
        return self.assets_usd - self.debt_usd

    @property
    def leverage(self) -> Decimal | None:
        """Return sum A / sum E: a ratio of sums, never a mean of ratios. None without equity."""
        return self.assets_usd / self.equity_usd if self.equity_usd > 0 else None


INSIDE: dict[Population, tuple[str, ...]] = {"borrowers": ("ok",), "all": ("ok", "no_debt")}
"""Statuses whose sums make up each population. The headline is `borrowers`."""


def protocol_leverage(accounts: Iterable[AccountBooks]) -> dict[tuple[int, Population], ProtocolLeverage]:
    """Return both populations of every deployment that has an account.

    Shape   one row an account and deployment, in any order
    Holds   sums are exact; splitting the rows and adding the results gives the same
    """
    found: dict[tuple[int, Population], ProtocolLeverage] = {}
    for account in accounts:
        for population, inside in INSIDE.items():
            sums = found.setdefault((account.deployment_key, population), ProtocolLeverage())
            assets, debt = account.assets_usd, account.debt_usd
            if account.status in inside and assets is not None and debt is not None:
                sums.assets_usd += assets
                sums.debt_usd += debt
                sums.n_ok += 1
            elif account.status == "zero_equity":
                sums.n_zero_equity += 1
            elif account.status == "unpriced":
                sums.n_unpriced += 1
            elif account.status == "insolvent" and assets is not None and debt is not None:
                sums.n_insolvent += 1
                sums.latent_bad_debt_usd += debt - assets
    return found
