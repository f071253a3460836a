"""Follow borrowed money through one owner's wallet, transaction by transaction (M6 event method, M7 tags).

A transaction is one atomic group. Within it tokens are followed in the order of their transfers; an address that takes
the owner's loan or pays for the owner's supply (a helper, a router) belongs to the owner for that transaction. What goes
out and what comes in are a conversion, pro rata; what comes in first is a bridge until it is paid for. Money that comes
in and is paid for with nothing is the owner's own.

Pure and per owner: the result depends on the owner's events alone, in whatever steps they were indexed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from indexer.aggregation.dfc import Rule, tagged
from indexer.aggregation.lots import (
    Act,
    Borrow,
    Bridge,
    Evidence,
    Lot,
    Move,
    Queue,
    Receipt,
    Token,
    converted,
    shared,
    take,
    total,
)  # fmt: skip
from indexer.aggregation.pledges import PledgeBook, Trace, Want
from indexer.aggregation.transactions import Event, Transaction, transactions


def follow(
    events: Iterable[Event], owner: Collection[Hashable], *, receipts: Mapping[Token, Receipt] | None = None,
    flows: bool = True, rule: Rule = "debt_first", min_link_usd: Decimal = Decimal(0),
    base_of: Mapping[Token, Token] | None = None, keep_tagged: bool = False,
) -> Trace:  # fmt: skip
    """Return the links, borrows and tags of one owner, a set of addresses.

    `events` in chain order or not; `flows` False says that transfers were not recorded (`base_of`, claim token to what it
    is a claim on, then finds what it can); `rule` decides which money a supply takes first: links are by debt_first. `keep_tagged`: of collateral
    taken out, other money counts as first.
    """
    own, known = frozenset(owner), receipts or {}
    book = Wallet(known, flows, rule, min_link_usd, base_of or {}, keep_tagged)
    book.feed(transactions(events, own, known, flows))
    return book.trace


@dataclass(slots=True)
class _Pending:
    token: Token
    amount: int
    lots: list[Lot]
    doubtful: bool
    """Whether it is unknown how much of it was the owner's own."""


class Wallet(PledgeBook):
    """One owner's books between two calls of `feed`: later blocks' events may be fed later, the trace is the same."""

    def __init__(
        self, receipts: Mapping[Token, Receipt], flows: bool, rule: Rule, min_link_usd: Decimal,
        base_of: Mapping[Token, Token], keep_tagged: bool, want: Want = "both",
    ) -> None:  # fmt: skip
        super().__init__(rule, min_link_usd, keep_tagged, want)
        self.receipts, self.flows, self.base_of = receipts, flows, base_of
        self.bridges: list[Bridge] = []
        self.wallet: dict[Token, Queue] = defaultdict(deque)
        self.balance: dict[Token, int] = defaultdict(int)
        self.unknown: set[Token] = set()

    def feed(self, found: Iterable[Transaction]) -> None:
        """Go through the transactions of further blocks, in chain order; a block must not be split."""
        for transaction in found:
            self.transaction(transaction)

    # ------------------------------------------------------------------------------------------- a transaction

    def transaction(self, found: Transaction) -> None:
        self.now = found
        self.pending: list[_Pending] = []
        self.before_borrow: list[tuple[Act, int]] = []
        for token, surplus in found.agents:
            if surplus < 0:  # an agent's own money, spent for the owner
                self.balance[token] -= surplus
        for step in found.steps:
            if isinstance(step, tuple):
                self._act(*step)
            elif isinstance(step, list):
                self._receive(step)
            else:
                self._send(step)
        if self.bridges:
            self._settle()
        for token, surplus in found.agents:
            if surplus > 0:  # what an agent keeps has left the owner
                take(self.wallet[token], surplus)
                self._spend(token, surplus)

    # ------------------------------------------------------------------------------------------------ the wallet

    def _spend(self, token: Token, amount: int) -> None:
        self.balance[token] -= amount
        if self.balance[token] < 0:  # it held money that was never seen to come in
            self.unknown.add(token)
            self.balance[token] = 0

    def _free(self, token: Token) -> int | None:
        if not self.flows or token in self.unknown:
            return None
        return max(self.balance[token] - total(self.wallet[token]), 0)

    def _pay(self, token: Token, amount: int, rule: Rule) -> list[Lot]:
        """Take money out of the wallet; the rule says which of it is borrowed."""
        lots = self.wallet[token]
        if self.balance[token] < amount and self.flows:
            self.unknown.add(token)
        part = tagged(rule, amount, total(lots), self._free(token))
        found = take(lots, int(part) if part is not None else 0)
        self._spend(token, amount)
        return found

    def _send(self, move: Move) -> None:
        """Money leaves: it pays a bridge, or waits for what comes in for it."""
        receipt = self.receipts.get(move.token)
        if receipt is not None:  # the collateral itself leaves
            lots = self.release(receipt.pledge, move.amount, move.block, move.log)
        else:
            lots = self._pay(move.token, move.amount, self.rule if self.now.swaps else "debt_first")
        flash = next(
            (b for b in self.bridges if b.is_flash and (b.token, b.custody) == (move.token, move.receiver)), None
        )
        owed = [flash] if flash is not None else [bridge for bridge in self.bridges if not bridge.is_flash]
        if owed:
            for bridge in owed:
                bridge.paid[move.token] = bridge.paid.get(move.token, 0) + move.amount
                bridge.backing.setdefault(move.token, []).extend(lots)
        else:
            self.pending.append(_Pending(move.token, move.amount, lots, move.token in self.unknown))

    def _receive(self, run: Sequence[Move]) -> None:
        """Money comes in: for what went out before, or ahead of what will be paid, or from outside."""
        sums: dict[Token, int] = defaultdict(int)
        for move in run:
            sums[move.token] += move.amount
        given: dict[Token, list[_Pending]] = defaultdict(list)
        for payment in self.pending:
            given[payment.token].append(payment)
        doubtful = any(payment.doubtful for payment in self.pending)
        self.pending = []
        for token, amount in sums.items():
            if doubtful:
                self.unknown.add(token)
            lots: list[Lot] = []
            if given:
                for payments in given.values():
                    paid = [lot for payment in payments for lot in payment.lots]
                    share = shared(paid, 1, len(sums)) if len(sums) > 1 else paid
                    # of several tokens paid or received each counts alike: amounts of different tokens do not add up
                    whole = sum(payment.amount for payment in payments) // len(sums)
                    lots += converted(share, whole, amount // len(given))
            elif self.now.last_out > run[-1].log or token in self.now.flashes:
                bridge = Bridge(False, token, amount, run[-1].sender)
                self.bridges.append(bridge)
                lots = [Lot(bridge, amount, amount)]
            self._put(token, amount, lots, run[-1])

    def _put(self, token: Token, amount: int, lots: Sequence[Lot], move: Move) -> None:
        receipt = self.receipts.get(token)
        if receipt is None:
            self.balance[token] += amount
            self.wallet[token].extend(lots)
        elif receipt.pledge in self.backed:
            act = Act(move.block, move.tx, move.log, move.time, "supply", receipt.scope, receipt.market,
                      receipt.protocol, receipt.token, amount)  # fmt: skip
            self.hold(act, list(lots))

    # ------------------------------------------------------------------------------------------------ the actions

    def _act(self, act: Act, move: Move | None) -> None:
        match act.kind:
            case "borrow":
                self._borrow(act, move)
            case "supply":
                self._supply(act)
            case "repay":
                take(self.wallet[act.token], act.amount)
                if move is not None:
                    self._spend(act.token, act.amount)
                self.repaid(act)
            case "withdraw":
                lots = self.release(act.pledge, act.amount, act.block, act.log)
                if act.pledge in self.doubted:
                    self.unknown.add(act.token)
                if move is not None:
                    self._put(act.token, act.amount, lots, move)
                elif not self.flows:
                    self.wallet[act.token].extend(lots)
            case "seize":
                self.release(act.pledge, act.amount, act.block, act.log)
            case "flash":
                if move is not None:
                    bridge = Bridge(True, act.token, act.amount, move.sender)
                    self.bridges.append(bridge)
                    self.balance[act.token] += act.amount
                    self.wallet[act.token].append(Lot(bridge, act.amount, act.amount))
            case "debt_emptied":
                for borrow in self.debts.pop((act.scope, act.token), []):
                    borrow.outstanding = 0
                    self.close(borrow.links, act.block)
            case "collateral_emptied":
                self.release(act.pledge, 1 << 256, act.block, act.log)
                self.collateral[act.pledge] = 0
                self.close([link for link in self.open_links[act.scope] if link.supply.pledge == act.pledge], act.block)
            case "enabled":
                self.backed[act.pledge] = act
                self.link(act, self.held[act.pledge])
            case "disabled":
                self.backed.pop(act.pledge, None)
                self.close([link for link in self.open_links[act.scope] if link.supply.pledge == act.pledge], act.block)

    def _borrow(self, act: Act, move: Move | None) -> None:
        borrow = self.owe(act)
        lot = Lot(borrow, act.amount, act.amount, is_flash=(act.token, act.amount) in self.now.kept)
        flash = next((b for b in self.bridges if b.is_flash and b.token == act.token), None)
        if move is None and self.flows and flash is not None:  # the flash loan is kept as debt, nothing moves again
            flash.paid[act.token] = flash.paid.get(act.token, 0) + act.amount
            flash.backing.setdefault(act.token, []).append(lot)
        elif move is not None or not self.flows:
            self.balance[act.token] += act.amount
            self.wallet[act.token].append(lot)
        if not self.flows:
            for supply, left in self.before_borrow:
                found = self._guess(supply, left)
                self.hold(supply, found, again=True)
            self.before_borrow = []

    def _supply(self, act: Act) -> None:
        if self.flows:
            receipt = self.receipts.get(act.token)
            if receipt is not None:  # a receipt pledged elsewhere: what it stands for is collateral there now
                lots = self.release(receipt.pledge, act.amount, act.block, act.log)
            else:
                lots = self._pay(act.token, act.amount, self.rule)
            if act.token in self.unknown:
                self.doubted.add(act.pledge)
            self.hold(act, lots)
            return
        self.doubted.add(act.pledge)
        lots = self._guess(act, act.amount)
        self.hold(act, lots)
        if total(lots) < act.amount and self.now.flashes:
            self.before_borrow.append((act, act.amount - total(lots)))

    def _guess(self, act: Act, wanted: int) -> list[Lot]:
        """Without wallet flows: lots of the token itself, then of related tokens, then of any, at USD value."""
        found = take(self.wallet[act.token], wanted)
        for lot in found:
            lot.evidence = lot.evidence if lot.evidence == "assumed" else "registry"
        left = wanted - total(found)
        if left <= 0 or not act.usd:
            return found
        base = self.base_of.get(act.token, act.token)
        ranked = sorted(
            (0 if self.base_of.get(token, token) == base else 1, n, token)
            for n, (token, lots) in enumerate(self.wallet.items()) if lots and token != act.token
        )  # fmt: skip
        for rank, _, token in ranked:
            evidence: Evidence = "assumed" if rank else "registry"
            for lot in list(self.wallet[token]) if left > 0 else ():
                borrow = lot.source
                if not isinstance(borrow, Borrow) or borrow.act.usd is None:
                    continue
                worth = int(borrow.act.usd * lot.borrowed / borrow.act.amount * act.amount / act.usd)
                part = min(worth, left)
                if part <= 0:
                    continue
                self.wallet[token].remove(lot)
                used = lot.split(lot.amount * part // worth) if part < worth and lot.amount > 1 else lot
                if used is not lot and lot.amount:
                    self.wallet[token].appendleft(lot)
                left -= part
                found.append(Lot(borrow, used.borrowed, part, evidence, used.counted))
        return found

    def _settle(self) -> None:
        """Put the money that paid a bridge in its place, wherever what it brought has gone."""
        for bridge in self.bridges:
            tokens = len(bridge.paid) or 1
            for place, queue in (*((None, q) for q in self.wallet.values()), *self.held.items()):
                if not any(lot.source is bridge for lot in queue):
                    continue
                rest: list[Lot] = []
                added: list[Lot] = []
                for lot in queue:
                    if lot.source is not bridge:
                        rest.append(lot)
                        continue
                    for token, paid in bridge.paid.items():
                        for one in bridge.backing[token]:
                            amount = one.amount * lot.amount // (paid * tokens)
                            part = one.borrowed * lot.amount // bridge.amount
                            if amount:
                                added.append(Lot(one.source, part, amount, one.evidence, one.counted, one.is_flash))
                for lot in added:
                    lot.is_flash = lot.is_flash or bridge.is_flash
                queue.clear()
                queue.extend(rest + added)
                if place is not None and place in self.backed:
                    self.link(self.backed[place], added)
                    self.tag(self.backed[place].block, self.backed[place].log, place, 0, total(added))
        self.bridges = []
