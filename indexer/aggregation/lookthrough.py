"""M10: leverage behind the leverage: what owners hold through vaults, and how often an asset is claimed.

    A = a + S A      D = d + S D      leverage = A / (A - D)
    a_i  own plain assets of entity i, without vault shares      d_i  its own debt
    S_ij share of vault j's equity that i holds

Solved with (I - S)^-1, so circular holdings are summed to the end; where the spectral radius of S is not below 1 there is
no such sum, and entities that reach that circle are `unresolved`.
Units    USD; look-through figures are floats (a linear system), everything summed directly is Decimal
Source   docs/methodology.md M10
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

import networkx
import numpy as np
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import splu

ZERO = Decimal(0)
STABLE_BELOW = 1 - 1e-9
"""Spectral radius from which on circular holdings count as unresolved: the sum would not converge."""

LookStatus = Literal["no_debt", "ok", "zero_equity", "insolvent", "unresolved"]


@dataclass(frozen=True, slots=True)
class Entity:
    """An owner or a vault: what it has and owes itself, USD."""

    name: str
    plain_usd: Decimal = ZERO
    """Assets other than shares of vaults that are entities here."""
    debt_usd: Decimal = ZERO


class Holding(NamedTuple):
    """A part of a vault's equity that an entity holds, as a fraction of all its shares (0 to 1)."""

    holder: str
    vault: str
    share: float


class LookThrough(NamedTuple):
    """An entity seen through every vault it holds. Figures are None where they are not resolved."""

    status: LookStatus
    assets_usd: float | None
    debt_usd: float | None
    leverage: float | None
    """A / (A - D); None unless that equity is positive."""
    hops: int | None
    """Longest way through vaults; None in a circle."""
    excess_usd: float
    """Limited liability: what this vault owes beyond its assets. Its shares are worth 0; the excess is M14's, nobody's debt."""


def look_through(entities: Iterable[Entity], holdings: Iterable[Holding]) -> dict[str, LookThrough]:
    """Return every entity seen through.

    Edge    a vault whose equity is not positive is worth 0 to its holders, as its shares are: they neither get its assets
            nor owe its debts. Shares held in a circle whose spectral radius is not below 1: `unresolved`, with all who
            hold into it
    Raises  ValueError for a share outside 0 to 1, an unknown or repeated name, or more than all of a vault held
    Example U owns all of V (plain 600, debt 400) and borrowed 100 to buy it: 600 / (600 - 500) = 6, not 200 / 100 = 2
    """
    listed = list(entities)
    index = {entity.name: n for n, entity in enumerate(listed)}
    if len(index) != len(listed):
        raise ValueError("an entity is listed twice")
    shares = _shares(index, holdings)
    plain = np.array([float(entity.plain_usd) for entity in listed])
    debt = np.array([float(entity.debt_usd) for entity in listed])
    unresolved = _unresolved(len(listed), shares)
    for n in unresolved:
        plain[n] = debt[n] = 0.0
    live = {pair: share for pair, share in shares.items() if pair[0] not in unresolved and pair[1] not in unresolved}
    excess = np.zeros(len(listed))
    held = {vault for _, vault in live}
    while True:  # a vault that fails may make another fail that holds it: at most as many rounds as vaults
        assets, debts = _solve(len(listed), live, plain), _solve(len(listed), live, debt)
        failed = [n for n in held if debts[n] > assets[n] * (1 + 1e-12) and excess[n] == 0.0]
        if not failed:
            break
        for n in failed:
            excess[n] = debts[n] - assets[n]
        live = {pair: share for pair, share in live.items() if pair[1] not in failed}
    hops = _hops(len(listed), shares)
    found = {}
    for n, entity in enumerate(listed):
        if n in unresolved:
            found[entity.name] = LookThrough("unresolved", None, None, None, hops[n], 0.0)
        else:
            found[entity.name] = _result(float(assets[n]), float(debts[n]), hops[n], float(excess[n]))
    return found


def _shares(index: Mapping[str, int], holdings: Iterable[Holding]) -> dict[tuple[int, int], float]:
    shares: dict[tuple[int, int], float] = {}
    for holding in holdings:
        for name in (holding.holder, holding.vault):
            if name not in index:
                raise ValueError(f"{name} of the holding {holding} is not among the entities")
        if not 0 <= holding.share <= 1 + 1e-9:
            raise ValueError(f"{holding}: a share is between 0 and 1")
        pair = index[holding.holder], index[holding.vault]
        if holding.share:
            shares[pair] = shares.get(pair, 0.0) + min(holding.share, 1.0)
    sums: dict[int, float] = {}
    for (_, vault), share in shares.items():
        sums[vault] = sums.get(vault, 0.0) + share
    for vault, share in sums.items():
        if share > 1 + 1e-6:
            name = next(name for name, n in index.items() if n == vault)
            raise ValueError(f"{share:.6f} of vault {name} is held, more than all of it")
    return shares


def _matrix(size: int, shares: Mapping[tuple[int, int], float]) -> csr_array:
    rows = [pair[0] for pair in shares]
    columns = [pair[1] for pair in shares]
    return csr_array((list(shares.values()), (rows, columns)), shape=(size, size))


def _solve(size: int, shares: Mapping[tuple[int, int], float], own: np.ndarray) -> np.ndarray:
    """Return (I - S)^-1 own."""
    if not shares:
        return own.copy()
    system = (eye_array(size, format="csc") - _matrix(size, shares)).tocsc()
    solved: np.ndarray = splu(system).solve(own)
    return solved


def _circles(size: int, shares: Mapping[tuple[int, int], float]) -> tuple[networkx.DiGraph[int], list[set[int]]]:
    graph: networkx.DiGraph[int] = networkx.DiGraph(list(shares))
    graph.add_nodes_from(range(size))
    circles = [
        part
        for part in networkx.strongly_connected_components(graph)
        if len(part) > 1 or any((n, n) in shares for n in part)
    ]
    return graph, circles


def _unresolved(size: int, shares: Mapping[tuple[int, int], float]) -> set[int]:
    """Return entities in a circle of holdings with spectral radius 1 or more, and everyone who holds into one."""
    graph, circles = _circles(size, shares)
    found: set[int] = set()
    for part in circles:
        members = sorted(part)
        block = np.array([[shares.get((i, j), 0.0) for j in members] for i in members])
        if max(abs(np.linalg.eigvals(block))) >= STABLE_BELOW:
            found |= part
            for n in members:
                found |= networkx.ancestors(graph, n)
    return found


def _hops(size: int, shares: Mapping[tuple[int, int], float]) -> list[int | None]:
    graph, circles = _circles(size, shares)
    endless = {n for part in circles for n in part}
    endless |= {holder for n in list(endless) for holder in networkx.ancestors(graph, n)}
    hops: list[int | None] = [None] * size
    order = graph.subgraph([n for n in graph if n not in endless])
    for n in reversed(list(networkx.topological_sort(order))):
        hops[n] = max(((hops[vault] or 0) + 1 for vault in order.successors(n)), default=0)
    return hops


def _result(assets: float, debt: float, hops: int | None, excess: float) -> LookThrough:
    equity = assets - debt
    tolerance = 1e-12 * max(assets, debt)
    if debt == 0:
        return LookThrough("no_debt", assets, debt, 1.0 if assets > 0 else None, hops, excess)
    if abs(equity) <= tolerance:
        return LookThrough("zero_equity", assets, debt, None, hops, excess)
    if equity < 0:
        return LookThrough("insolvent", assets, debt, None, hops, excess)
    return LookThrough("ok", assets, debt, assets / equity, hops, excess)


class Leg(NamedTuple):
    """One balance of an owner: USD of a token, an asset or a debt, with the token below its lending receipts."""

    token: str
    underlying: str
    """What the token is after unwrapping lending receipts only; itself for everything else, an LST too."""
    value_usd: Decimal
    is_debt: bool


class Sides(NamedTuple):
    """Assets and debts, USD, and their leverage."""

    assets_usd: Decimal
    debt_usd: Decimal

    @property
    def leverage(self) -> Decimal | None:
        """Return A / (A - D); None unless that equity is positive."""
        equity = self.assets_usd - self.debt_usd
        return self.assets_usd / equity if equity > 0 else None


def gross(legs: Iterable[Leg]) -> Sides:
    """Return both sides as they are booked (`leverage_gross`)."""
    assets = debt = ZERO
    for leg in legs:
        if leg.is_debt:
            debt += leg.value_usd
        else:
            assets += leg.value_usd
    return Sides(assets, debt)


def netted(legs: Iterable[Leg]) -> Sides:
    """Return both sides with identical underlyings set off (`leverage_netted`).

    Lending receipts only are unwrapped: DAI against aDAI cancels, wstETH against WETH does not, its spread is the risk.
    """
    sums: dict[str, Decimal] = {}
    for leg in legs:
        signed = -leg.value_usd if leg.is_debt else leg.value_usd
        sums[leg.underlying] = sums.get(leg.underlying, ZERO) + signed
    assets = sum((value for value in sums.values() if value > 0), ZERO)
    return Sides(assets, -sum((value for value in sums.values() if value < 0), ZERO))


class Pledge(NamedTuple):
    """A claim on an asset: a balance at a protocol, of a token that stands for `underlying` in the end."""

    owner: str
    underlying: str
    token: str
    """What is held: the underlying, or a receipt of it."""
    location: str
    """Where it is: a protocol, or `wallet`."""
    amount: Decimal
    receipt: str | None = None
    """The receipt that this balance was issued as, where it was."""


def consolidate(pledges: Iterable[Pledge]) -> dict[tuple[str, str, str], Decimal]:
    """Return (owner, underlying, location) -> amount with a receipt that its own holder re-pledged counted once.

    The supply that a receipt stands for is taken off where the receipt came from, as far as it is pledged elsewhere: the
    asset is located where it is collateral.
    """
    listed = list(pledges)
    repledged: dict[tuple[str, str], Decimal] = {}
    for pledge in listed:
        if pledge.token != pledge.underlying:
            key = pledge.owner, pledge.token
            repledged[key] = repledged.get(key, ZERO) + pledge.amount
    found: dict[tuple[str, str, str], Decimal] = {}
    for pledge in listed:
        amount = pledge.amount
        if pledge.receipt is not None:
            key = pledge.owner, pledge.receipt
            taken = min(amount, repledged.get(key, ZERO))
            repledged[key] = repledged.get(key, ZERO) - taken
            amount -= taken
        if amount:
            place = pledge.owner, pledge.underlying, pledge.location
            found[place] = found.get(place, ZERO) + amount
    return found


def rehypothecation_multiplier(
    claims: Mapping[str, Iterable[Decimal]], held: Mapping[str, Decimal]
) -> dict[str, Decimal | None]:
    """Return for each asset: gross claims on it across all layers / what terminal contracts really hold of it.

    Units   both in the same unit of the asset
    Edge    nothing held: None, whatever is claimed
    """
    found: dict[str, Decimal | None] = {}
    for asset in sorted({*claims, *held}):
        actual = held.get(asset, ZERO)
        found[asset] = sum(claims.get(asset, ()), ZERO) / actual if actual > 0 else None
    return found
