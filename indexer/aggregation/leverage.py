"""M1: leverage of accounts and protocols.

    assets_to_equity = A / E      debt_to_equity = D / E      ltv = D / A      E = A - D
    for E > 0:  A/E = 1 + D/E = 1 / (1 - D/A)

Units    USD as Decimal; ratios as fractions
Source   docs/methodology.md M1; BIS Working Paper 1171 (wallet-level assets to equity)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from indexer.aggregation.velocity import EXACT

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


PairClass = Literal["same_asset", "correlated", "directional", "stable"]


def leverage_by_pair_class(accounts: Iterable[tuple[str | None, AccountBooks]]) -> dict[str, ProtocolLeverage]:
    """Return the leverage of borrowers, split by what they owe against what they pledged.

    Shape   (pair class, account); accounts without debt have no class and are in none
    Holds   sums over the classes are those of the population `borrowers`
    """
    found: dict[str, ProtocolLeverage] = {}
    for pair_class, account in accounts:
        if pair_class is not None:
            split = protocol_leverage([account._replace(deployment_key=0)])[0, "borrowers"]
            found[pair_class] = _added(found.get(pair_class, ProtocolLeverage()), split)
    return found


def _added(one: ProtocolLeverage, other: ProtocolLeverage) -> ProtocolLeverage:
    return ProtocolLeverage(
        one.assets_usd + other.assets_usd, one.debt_usd + other.debt_usd, one.n_ok + other.n_ok,
        one.n_zero_equity + other.n_zero_equity, one.n_insolvent + other.n_insolvent,
        one.n_unpriced + other.n_unpriced, one.latent_bad_debt_usd + other.latent_bad_debt_usd,
    )  # fmt: skip


def consolidate(
    accounts: Iterable[tuple[Hashable, Decimal | None, Decimal | None]],
) -> dict[Hashable, tuple[Decimal | None, Decimal | None]]:
    """Return assets and debt of each owner: one person's accounts are added before anything is judged.

    Edge    one unpriced account leaves its owner unpriced: its worth is unknown, not zero
    Holds   merging or splitting accounts under one owner changes nothing
    """
    found: dict[Hashable, tuple[Decimal | None, Decimal | None]] = {}
    for owner, assets, debt in accounts:
        had, owed = found.get(owner, (ZERO, ZERO))
        found[owner] = (
            None if had is None or assets is None else EXACT.add(had, assets),
            None if owed is None or debt is None else EXACT.add(owed, debt),
        )
    return found


def perp_effective_leverage(
    size: Decimal, entry: Decimal, mark: Decimal, margin: Decimal, accrued_funding: Decimal = ZERO
) -> Fraction | None:
    """Return |q| mark / (margin + unrealised profit - accrued funding) of one perp position.

    Units   size in whole base tokens, negative for a short; prices, margin and funding owed in quote tokens
    Edge    None when nothing is left of the margin: insolvent, not infinite. Never the leverage that a venue lets a
            trader select. Isolated margin: one call a margin bucket; then sum notional and equity, not ratios
    """
    q, m = Fraction(size), Fraction(mark)
    equity = Fraction(margin) + q * (m - Fraction(entry)) - Fraction(accrued_funding)
    return abs(q) * m / equity if equity > 0 else None


class CrossLeverage(NamedTuple):
    """Leverage of a cross-margined account."""

    gross: Fraction | None
    net: Fraction | None


def cross_leverage(notionals: Iterable[Decimal], equity: Decimal) -> CrossLeverage:
    """Return gross = sum |N| / equity and net = |sum N| / equity; N signed, long positive. None without equity."""
    if equity <= 0:
        return CrossLeverage(None, None)
    signed = [Fraction(n) for n in notionals]
    gross, net = sum((abs(n) for n in signed), Fraction(0)), abs(sum(signed, Fraction(0)))
    return CrossLeverage(gross / Fraction(equity), net / Fraction(equity))
