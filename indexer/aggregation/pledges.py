"""What one owner owes and has pledged, and the links between the two (M6). Pure; `provenance` brings the lots."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from indexer.aggregation.dfc import Rule
from indexer.aggregation.lots import (
    WINDOWS,
    Act,
    Borrow,
    Evidence,
    Link,
    Lot,
    Pledge,
    Queue,
    Scope,
    Token,
    take,
    total,
)  # fmt: skip


class Tag(NamedTuple):
    """The tagged part of one collateral balance after a change, and of the supply that changed it (0 for others).

    Base units of the supplied token, without interest; None where the wallet's other money is not known.
    """

    block: int
    log: int
    market: Hashable
    token: Token
    held: int | None
    supplied: int
    supplied_tagged: int | None


@dataclass(slots=True)
class Trace:
    """What following one owner gave."""

    links: list[Link] = field(default_factory=list)
    borrows: list[Borrow] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)


Want = Literal["links", "tags", "both"]
"""What books are kept for: neither needs the other."""


class PledgeBook:
    """Borrows, collateral and links of one owner."""

    def __init__(self, rule: Rule, min_link_usd: Decimal, keep_tagged: bool, want: Want = "both") -> None:
        self.rule, self.min_link_usd, self.keep_tagged = rule, min_link_usd, keep_tagged
        self.links, self.tags = want != "tags", want != "links"
        self.trace = Trace()
        self.doubted: set[Pledge] = set()
        """Balances paid from money of which it is not known how much was the owner's own: only debt_first has an answer."""
        self.held: dict[Pledge, Queue] = defaultdict(deque)
        self.collateral: dict[Pledge, int] = defaultdict(int)
        self.backed: dict[Pledge, Act] = {}
        self.open_links: dict[Scope, list[Link]] = defaultdict(list)
        self.debts: dict[tuple[Scope, Token], list[Borrow]] = defaultdict(list)

    def owe(self, act: Act) -> Borrow:
        """Note a borrow: its depth is that of the deepest open link in the same scope."""
        if not self.links:
            return Borrow(act, [], None, act.amount)
        depths, parent = [0] * len(WINDOWS), None
        for link in self.open_links[act.scope]:
            for n, depth in enumerate(link.depths):
                if depth is not None and depth > depths[n]:
                    depths[n] = depth
                    parent = link if n == 0 else parent
        borrow = Borrow(act, depths, parent, act.amount)
        self.trace.borrows.append(borrow)
        self.debts[act.scope, act.token].append(borrow)
        return borrow

    def repaid(self, act: Act) -> None:
        """Lower what is outstanding, the newest borrow first: unwinding is the reverse of winding up."""
        if not self.links:
            return
        left, borrows = act.amount, self.debts[act.scope, act.token]
        while left > 0 and borrows:
            borrow = borrows[-1]
            part = min(left, borrow.outstanding)
            borrow.outstanding -= part
            left -= part
            if borrow.outstanding == 0:
                borrows.pop()
                self.close(borrow.links, act.block)

    def hold(self, act: Act, lots: list[Lot], *, again: bool = False) -> None:
        """Collateral grows by a supply whose borrowed part is `lots`."""
        pledge = act.pledge
        if not again:
            self.collateral[pledge] += act.amount
        if act.collateral:
            self.backed[pledge] = act
            if lots:
                self.link(act, lots)
        self.held[pledge].extend(lots)
        self.tag(act.block, act.log, pledge, 0 if again else act.amount, total(lots))

    def tag(self, block: int, log: int, pledge: Pledge, supplied: int, part: int) -> None:
        if not self.tags or pledge not in self.backed:
            return
        sure = self.rule == "debt_first" or pledge not in self.doubted
        held = total(self.held[pledge]) if sure else None
        self.trace.tags.append(Tag(block, log, *pledge, held, supplied, part if sure else None))

    def link(self, act: Act, lots: Iterable[Lot]) -> None:
        """Link a supply to the borrows whose money it consumed; bridges wait for the transaction's end."""
        if not self.links:
            return
        by_borrow: dict[Borrow, list[Lot]] = {}
        for lot in lots:
            if isinstance(lot.source, Borrow):
                by_borrow.setdefault(lot.source, []).append(lot)
        # all of one supply see the same loops, none of them its own
        made = [self._make(act, borrow, found) for borrow, found in by_borrow.items()]
        for link in made:
            if link is not None:
                self.trace.links.append(link)
                self.open_links[act.scope].append(link)

    def _make(self, act: Act, borrow: Borrow, lots: Sequence[Lot]) -> Link | None:
        amount, borrowed = total(lots), sum(lot.borrowed for lot in lots)
        usd = act.usd * amount / act.amount if act.usd is not None and act.amount else None
        if usd is not None and usd < self.min_link_usd:
            return None
        source = borrow.act
        same = (source.block, source.tx) == (act.block, act.tx)
        within = [w is None or (same if w == 0 else act.time - source.time <= w) for w in WINDOWS]
        depths = [1 + depth if inside else None for depth, inside in zip(borrow.depths, within, strict=True)]
        parent = borrow.parent
        trail = (parent.trail if parent is not None else frozenset()) | {source.scope}
        turned = act.scope in trail
        weakest: Evidence = min((lot.evidence for lot in lots), key=("assumed", "registry", "flows").index)
        link = Link(
            borrow, act, amount, borrowed, usd, depths, (parent.turn if parent is not None else 0) + turned,
            frozenset() if turned else trail, any(lot.is_flash for lot in lots), all(lot.counted for lot in lots),
            weakest, amount, changed_block=act.block,
        )  # fmt: skip
        joined = [one.loop for scope in (source.scope, act.scope) for one in self.open_links[scope]]
        joined += [one.loop for one in borrow.links]
        link.loop = min(joined, default=(act.block, act.log))
        fresh = sum(lot.borrowed for lot in lots if not lot.counted)
        for n, inside in enumerate(within):
            borrow.matched[n] += fresh if inside else 0
        for lot in lots:
            lot.link, lot.counted = link, True
        borrow.links.append(link)
        return link

    def release(self, pledge: Pledge, amount: int, block: int, log: int) -> list[Lot]:
        """Collateral shrinks: return the tagged part of it.

        The newest borrowed money comes back first, which is the reverse of winding up and leaves the least tagged;
        `keep_tagged` lets other money go first, for M7's upper bound.
        """
        lots = self.held[pledge]
        before = self.collateral[pledge]
        self.collateral[pledge] = max(before - amount, 0)
        if self.keep_tagged:
            amount = max(amount - max(before - total(lots), 0), 0)
        if self.rule == "pro_rata" and before:
            amount = total(lots) * min(amount, before) // before
        found = take(lots, amount, newest=True)
        for lot in found:
            if lot.link is not None:
                lot.link.open_amount -= lot.amount
                lot.link.changed_block = block
                if lot.link.open_amount <= 0:
                    self.close([lot.link], block)
                lot.link = None
        if found:
            self.tag(block, log, pledge, 0, 0)
        return found

    def close(self, links: Iterable[Link], block: int) -> None:
        for link in list(links):
            if link.closed_block is None:
                link.closed_block = link.changed_block = block
                self.open_links[link.supply.scope].remove(link)
