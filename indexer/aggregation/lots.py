"""Debt lots (M6, M7): which borrow a token in a wallet, or a piece of collateral, was paid for with.

Inputs   plain columns: what an owner did at lending markets (`Act`) and which tokens moved (`Move`), of every transaction
         that concerns the owner; token amounts are integers in base units, `usd` exact decimals or None (unpriced)
Units    times in unix seconds; a lot's `amount` is in base units of the token it is held in now, `borrowed` in those of
         the token that was borrowed
Source   METRICS M6 event method; Darlin et al. arXiv 2204.11107 (debt-first wallet ledger)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

Token = Hashable
Scope = Hashable
"""Where collateral backs debt: a deployment where it is pooled (Aave), a market where it is isolated (Morpho)."""

Pledge = tuple[Hashable, Token]
"""(market, token): one balance that may back debt."""

ActKind = Literal[
    "borrow", "repay", "supply", "withdraw", "seize", "flash", "debt_emptied", "collateral_emptied", "enabled", "disabled",
]  # fmt: skip
"""`seize`: collateral taken by a liquidator. `flash`: principal handed out, to be back in the same transaction.
`*_emptied`: the balance of this market is zero after this log. `enabled`, `disabled`: the collateral toggle."""

Evidence = Literal["flows", "registry", "assumed"]
"""How borrowed money was followed: through wallet flows; through tokens known to be the same or a claim on it; not at all."""

WINDOWS: tuple[int | None, ...] = (None, 86_400, 0)
"""Ages up to which a lot links, seconds: any (Darlin et al.), a day (Bank of Canada), the same transaction."""


@dataclass(frozen=True, slots=True)
class Move:
    """An ERC-20 transfer."""

    block: int
    tx: int
    log: int
    token: Token
    sender: Hashable
    receiver: Hashable
    amount: int
    time: int = 0


class Act(NamedTuple):
    """What was done to an owner's position at a lending market: the owner is the beneficiary, whoever sent it."""

    block: int
    tx: int
    log: int
    time: int
    kind: ActKind
    scope: Scope
    market: Hashable
    protocol: str
    token: Token
    amount: int
    usd: Decimal | None = None
    collateral: bool = True
    """Of a supply: whether it backs debt. A lent balance that does not is never a link."""
    custody: frozenset[Hashable] = frozenset()
    """Addresses that may hold the market's tokens, where known: what tells its transfer from others of the same amount."""

    @property
    def pledge(self) -> Pledge:
        """Return which balance it is: a Morpho market has two, of its loan and of its collateral token."""
        return self.market, self.token


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a lending receipt stands for: whoever holds it holds this collateral."""

    market: Hashable
    scope: Scope
    protocol: str
    token: Token
    """The token that was supplied; a receipt is one of it."""

    @property
    def pledge(self) -> Pledge:
        """Return which balance it stands for."""
        return self.market, self.token


@dataclass(slots=True, eq=False)
class Borrow:
    """One borrow and what became of it. `depths` and `matched` are by window, in the order of WINDOWS."""

    act: Act
    depths: list[int]
    parent: Link | None
    outstanding: int
    matched: list[int] = field(default_factory=lambda: [0] * len(WINDOWS))
    """How much of it, in base units of its token, came back as collateral."""
    links: list[Link] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Bridge:
    """What came in before it was paid for in the same transaction: flash principal, or a swap that delivers first."""

    is_flash: bool
    token: Token
    amount: int
    custody: Hashable
    paid: dict[Token, int] = field(default_factory=dict)
    backing: dict[Token, list[Lot]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Lot:
    """A piece of borrowed money, or what it was changed into."""

    source: Borrow | Bridge
    borrowed: int
    amount: int
    evidence: Evidence = "flows"
    counted: bool = False
    """Whether it has been collateral before: re-pledging a receipt is no second recursion of the same money."""
    is_flash: bool = False
    link: Link | None = None

    def split(self, amount: int) -> Lot:
        """Take a part off; both keep their share of the borrow."""
        part = self.borrowed * amount // self.amount
        taken = Lot(self.source, part, amount, self.evidence, self.counted, self.is_flash, self.link)
        self.borrowed -= part
        self.amount -= amount
        return taken


@dataclass(slots=True, eq=False)
class Link:
    """A collateral-enabled supply that consumed money of a borrow.

    `amount` is in base units of the supplied token, `borrowed` of the borrowed one; `depths` by window, None where the
    borrow was older than the window; `depths[0]` is the depth. `turn` counts the passes through a full cycle of scopes.
    """

    borrow: Borrow
    supply: Act
    amount: int
    borrowed: int
    usd: Decimal | None
    depths: list[int | None]
    turn: int
    trail: frozenset[Scope]
    is_flash: bool
    is_repledge: bool
    evidence: Evidence
    open_amount: int
    loop: tuple[int, int] = (0, 0)
    """(block, log) of the first link of its loop."""
    changed_block: int = 0
    closed_block: int | None = None

    @property
    def kind(self) -> Literal["intra", "inter"]:
        """Return whether borrow and supply are at one protocol or at two."""
        return "intra" if self.borrow.act.protocol == self.supply.protocol else "inter"

    @property
    def age(self) -> int:
        """Return seconds from the borrow to the supply."""
        return self.supply.time - self.borrow.act.time

    @property
    def same_transaction(self) -> bool:
        """Return whether one transaction did both."""
        return (self.borrow.act.block, self.borrow.act.tx) == (self.supply.block, self.supply.tx)


Queue = deque[Lot]


def total(lots: Iterable[Lot]) -> int:
    """Return the sum of the lots' amounts."""
    return sum(lot.amount for lot in lots)


def take(lots: Queue, amount: int, *, newest: bool = False) -> list[Lot]:
    """Remove lots up to `amount`, oldest first (or newest), splitting the last. What lacks was not borrowed money."""
    found: list[Lot] = []
    while lots and amount > 0:
        lot = lots[-1] if newest else lots[0]
        if lot.amount <= amount:
            found.append(lots.pop() if newest else lots.popleft())
            amount -= lot.amount
        else:
            found.append(lot.split(amount))
            amount = 0
    return found


def converted(lots: Sequence[Lot], given: int, received: int) -> list[Lot]:
    """Return lots changed pro rata into another token: slippage shrinks their amount, never their share of the borrow.

    `given` is all that was paid, `received` all that came for it; a lot that rounds to nothing is gone.
    """
    found = []
    for lot in lots:
        amount = lot.amount * received // given if given else 0
        if amount:
            found.append(Lot(lot.source, lot.borrowed, amount, lot.evidence, lot.counted, lot.is_flash))
    return found


def shared(lots: Sequence[Lot], part: int, whole: int) -> list[Lot]:
    """Return copies of lots with `part / whole` of each."""
    found = []
    for lot in lots:
        amount = lot.amount * part // whole if whole else 0
        if amount:
            borrowed = lot.borrowed * part // whole
            found.append(Lot(lot.source, borrowed, amount, lot.evidence, lot.counted, lot.is_flash))
    return found
