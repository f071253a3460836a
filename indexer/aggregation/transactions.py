"""One transaction of one owner (M6, M7): which transfers its actions made, who acted for the owner, what crosses the wallet.

Nothing here depends on how borrowed money is followed: the books of every rule go through the same `Transaction`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Final, NamedTuple

from indexer.aggregation.lots import Act, Move, Token

ZERO: Final = "0x" + "0" * 40

Event = Act | Move

Step = tuple[Act, Move | None] | Move | list[Move]
"""An action and the transfer that it made; a transfer out; transfers in that came together."""

NOTHING: Final[frozenset[Token]] = frozenset()


class Transaction(NamedTuple):
    """What happened in one transaction, in order."""

    steps: Sequence[Step]
    flashes: frozenset[Token] = NOTHING
    """Tokens of its flash loans."""
    kept: frozenset[tuple[Token, int]] = frozenset()
    """Flash principal that nothing moved for besides a borrow: it was kept as debt. Token and amount."""
    swaps: bool = False
    """Whether money that no action moved went both in and out."""
    last_out: int = -1
    """Log index of the last such transfer out."""
    agents: Sequence[tuple[Token, int]] = ()
    """What agents of the owner have more (less) of at its end, by agent."""


def transactions(
    events: Iterable[Event], owner: frozenset[Hashable], receipts: Collection[Token], flows: bool
) -> list[Transaction]:
    """Return the transactions of one owner's events, which may come in any order; in chain order."""
    found: dict[tuple[int, int], list[Event]] = {}
    for event in events:
        found.setdefault((event.block, event.tx), []).append(event)
    for group in found.values():
        if len(group) > 1:
            group.sort(key=lambda event: (event.log, isinstance(event, Act)))
    return [_transaction(found[place], owner, receipts, flows) for place in sorted(found)]


def _transaction(
    events: Sequence[Event], owner: frozenset[Hashable], receipts: Collection[Token], flows: bool
) -> Transaction:
    acts = [event for event in events if isinstance(event, Act)]
    flashes = frozenset([act.token for act in acts if act.kind == "flash"])
    if len(acts) == len(events):
        kept = frozenset([(act.token, act.amount) for act in acts if act.kind == "flash"]) if flashes else frozenset()
        return Transaction([(act, None) for act in acts], flashes, kept)
    moves = [event for event in events if isinstance(event, Move)]
    matched, cluster = _match(acts, moves, owner, flashes) if flows else ({}, owner)
    alone = {id(act) for act in matched.values()}
    crossing = {id(move) for move in moves if _crosses(move, owner, cluster, receipts)}
    outside = [move for move in moves if id(move) in crossing and id(move) not in matched]
    steps: list[Step] = []
    run: list[Move] = []
    for event in events:
        if isinstance(event, Act):
            if id(event) not in alone:
                steps.append((event, None))
                run = []
            continue
        act = matched.get(id(event))
        if act is not None:
            if act.kind in ("supply", "repay") and event.sender not in cluster:
                steps.append([event])
            steps.append((act, event))
            if act.kind in ("borrow", "withdraw") and event.receiver not in cluster:
                steps.append(event)
            run = []
        elif id(event) not in crossing:
            run = []
        elif event.receiver not in cluster:
            steps.append(event)
            run = []
        elif run:
            run.append(event)
        else:
            run = [event]
            steps.append(run)
    return Transaction(
        steps,
        flashes,
        frozenset([(act.token, act.amount) for act in acts if act.kind == "flash" and id(act) not in alone]),
        {move.sender in cluster for move in outside} == {True, False},
        max((move.log for move in outside if move.sender in cluster), default=-1),
        _agents(moves, cluster - owner),
    )


def _match(
    acts: Sequence[Act], moves: Sequence[Move], owner: frozenset[Hashable], flashes: Collection[Token]
) -> tuple[dict[int, Act], frozenset[Hashable]]:
    """Find the transfer that each action made: same token and amount, nearest in the log."""
    free: dict[tuple[Token, int], list[Move]] = defaultdict(list)
    for move in moves:
        free[move.token, move.amount].append(move)
    matched: dict[int, Act] = {}
    cluster = set(owner)
    # flash loans last: their log comes at the end, their principal first, and the same amount may be borrowed too
    for act in sorted(acts, key=lambda one: one.kind == "flash"):
        inward = act.kind in ("borrow", "withdraw", "flash")
        if not inward and act.kind not in ("supply", "repay"):
            continue
        inside = cluster if act.kind == "flash" else owner
        near = [
            move for move in free[act.token, act.amount]
            if (move.sender not in inside if inward else move.receiver not in owner)
        ]  # fmt: skip
        if act.custody:
            held = [move for move in near if (move.sender if inward else move.receiver) in act.custody | {ZERO}]
            near = held or ([] if act.token in flashes else near)
        if near:
            first = act.kind == "flash"
            move = min(near, key=lambda one: (0 if first else abs(one.log - act.log), one.log))
            free[act.token, act.amount].remove(move)
            matched[id(move)] = act
            cluster.add(move.receiver if inward else move.sender)
    cluster.discard(ZERO)
    return matched, frozenset(cluster - _traders(cluster - owner, moves))


def _traders(agents: Collection[Hashable], moves: Sequence[Move]) -> set[Hashable]:
    """Return those that end with more of one token and less of another: whom the owner traded with."""
    net: dict[tuple[Hashable, Token], int] = defaultdict(int)
    for move in moves if agents else ():
        net[move.receiver, move.token] += move.amount
        net[move.sender, move.token] -= move.amount
    gained = {agent for (agent, _), surplus in net.items() if surplus > 0}
    return {agent for (agent, _), surplus in net.items() if surplus < 0} & gained & set(agents)


def _agents(moves: Sequence[Move], agents: Collection[Hashable]) -> list[tuple[Token, int]]:
    """Return what each agent has more (less) of every token at the transaction's end."""
    net: dict[tuple[Hashable, Token], int] = defaultdict(int)
    for move in moves if agents else ():
        net[move.receiver, move.token] += move.amount
        net[move.sender, move.token] -= move.amount
    return [(token, surplus) for (agent, token), surplus in net.items() if agent in agents and surplus]


def _crosses(
    move: Move, owner: Collection[Hashable], cluster: Collection[Hashable], receipts: Collection[Token]
) -> bool:
    """Tell whether a transfer enters or leaves the owner; mints and burns of receipts are said by the actions."""
    if move.token in receipts and ZERO in (move.sender, move.receiver):
        return move.sender in cluster and move.sender not in owner  # redeemed by a helper
    return (move.sender in cluster) != (move.receiver in cluster)
