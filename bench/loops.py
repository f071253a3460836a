"""Loop detection over a million events: the pure function alone, no database, on made-up owners of every kind."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from typing import Any

from indexer.aggregation.loops import loops
from indexer.aggregation.lots import Act, Move
from indexer.aggregation.provenance import follow
from indexer.aggregation.transactions import ZERO, Event

EVENTS = 1_000_000
KINDS = ("looper", "cross", "borrower", "topup")


def owner_events(number: int, rng: random.Random) -> list[Event]:
    """Return the events of one made-up owner: turns of supply, borrow, swap; half of the owners are no loopers."""
    me, kind = f"owner{number}", KINDS[number % len(KINDS)]
    events: list[Event] = []
    amount, block = 10**20, rng.randrange(1_000_000)
    scopes = ("aave", "morpho") if kind == "cross" else ("aave",)

    def move(token: str, sender: str, receiver: str, value: int) -> None:
        events.append(Move(block, 0, len(events), token, sender, receiver, value, block * 12))

    def act(what: Any, token: str, value: int, scope: str) -> None:
        usd = Decimal(value) / 10**18
        events.append(Act(block, 0, len(events), block * 12, what, scope, f"{scope}:{token}", scope, token, value, usd))

    move("A", ZERO, me, amount)
    for turn in range(rng.randrange(3, 12)):
        scope = scopes[turn % len(scopes)]
        block += 1
        if kind == "topup" and turn:
            move("A", ZERO, me, amount)
        if turn == 0 or kind != "borrower":
            move("A", me, scope, amount)
            act("supply", "A", amount, scope)
        block += 1
        amount = amount * 7 // 10
        act("borrow", "B", amount, scope)
        move("B", scope, me, amount)
        block += 1
        move("B", me, "dex" if kind in ("looper", "cross") else "sink", amount)
        if kind in ("looper", "cross"):
            move("A", "dex", me, amount)
    return events


def run(events: int = EVENTS, seed: int = 1) -> dict[str, Any]:
    """Detect the loops of owners with `events` events together; seconds are of detection alone."""
    rng = random.Random(seed)
    owners: list[list[Event]] = []
    whole = 0
    while whole < events:
        owners.append(owner_events(len(owners), rng))
        whole += len(owners[-1])
    started = time.perf_counter()
    links = found = 0
    for number, listed in enumerate(owners):
        trace = follow(listed, {f"owner{number}"})
        links += len(trace.links)
        found += len(loops(trace.links))
    seconds = time.perf_counter() - started
    return {
        "events": whole, "owners": len(owners), "links": links, "loops": found, "seconds": round(seconds, 2),
        "events_per_second": round(whole / seconds),
    }  # fmt: skip
