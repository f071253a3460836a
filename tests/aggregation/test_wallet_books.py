"""Books that are kept for links or for tags alone, and fed in pieces, say what the whole says: made-up owners."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from indexer.aggregation.dfc import RULES, Rule
from indexer.aggregation.lots import Act, Move, Receipt
from indexer.aggregation.pledges import Trace
from indexer.aggregation.provenance import Wallet, follow
from indexer.aggregation.transactions import ZERO, Event, transactions

OWNER = frozenset({"me", "my safe"})
RECEIPTS: dict[Any, Receipt] = {
    "rA": Receipt("pool:A", "pool", "one", "A"),
    "rB": Receipt("other:B", "other", "two", "B"),
}
BASE: dict[Any, Any] = {"vB": "B"}
KINDS: tuple[Any, ...] = (
    "borrow", "borrow", "supply", "supply", "repay", "withdraw", "seize", "flash", "debt_emptied", "collateral_emptied",
    "enabled", "disabled",
)  # fmt: skip
AMOUNTS = (1000, 100, 70, 50, 30, 7)


def story(rng: random.Random, *, moves: bool) -> list[Event]:
    """Return events of one owner, some thousand seconds apart."""
    found: list[Event] = []
    block = tx = 0
    for log in range(rng.randrange(4, 40)):
        turn = rng.random()
        if turn < 0.35:
            block, tx = block + rng.randrange(1, 9000), 0
        elif turn < 0.55:
            tx += 1
        amount = rng.choice(AMOUNTS)
        if moves and rng.random() < 0.5:
            ends = rng.sample([*OWNER, "dex", "helper", "vault", ZERO], 2)
            found.append(
                Move(
                    block, tx, log, rng.choice(["A", "B", "C", "rA", "rB", "vB"]), ends[0], ends[1], amount, block * 12
                )
            )
            continue
        kind, scope, token = rng.choice(KINDS), rng.choice(["pool", "other"]), rng.choice(["A", "B", "C", "rA"])
        usd = rng.choice([None, Decimal(0), Decimal(amount) / 7, Decimal(amount)])
        custody = frozenset(rng.sample(["vault", "rA"], rng.randrange(2)))
        found.append(
            Act(
                block,
                tx,
                log,
                block * 12,
                kind,
                scope,
                f"{scope}:{token}",
                scope,
                token,
                amount,
                usd,
                rng.random() < 0.8,
                custody,
            )
        )
    return found


def links(trace: Trace) -> list[Any]:
    """Everything that is told of links."""
    return [
        (link.borrow.act, link.supply, link.amount, link.borrowed, link.usd, tuple(link.depths), link.turn, link.is_flash,
         link.is_repledge, link.evidence, link.open_amount, link.loop, link.closed_block)
        for link in trace.links
    ]  # fmt: skip


@pytest.mark.parametrize("flows", [True, False])
@pytest.mark.parametrize(("rule", "keep_tagged"), [*((rule, False) for rule in RULES), ("debt_first", True)])
def test_books_for_one_purpose_fed_in_pieces_say_what_the_whole_says(
    flows: bool, rule: Rule, keep_tagged: bool
) -> None:
    rng, told = random.Random(7), 0
    for _ in range(150):
        events = story(rng, moves=True)
        whole = follow(events, OWNER, receipts=RECEIPTS, flows=flows, rule=rule, base_of=BASE, keep_tagged=keep_tagged)
        cut = rng.choice(events).block
        pieces = [[e for e in events if e.block < cut], [e for e in events if e.block >= cut]]
        of_links, of_tags = (
            Wallet(RECEIPTS, flows, rule, Decimal(0), BASE, keep_tagged, want) for want in ("links", "tags")
        )
        for piece in pieces:
            happened = transactions(piece, OWNER, RECEIPTS, flows)
            of_links.feed(happened)
            of_tags.feed(happened)
        assert links(of_links.trace) == links(whole)
        assert of_tags.trace.tags == whole.tags
        told += bool(whole.links) + bool(whole.tags)
    assert told > 50


def test_without_wallet_flows_no_rule_pays_differently() -> None:
    """What `indexer.measures.loops` keeps one book for: links above dust, and tags of own money first."""
    rng, told = random.Random(8), 0
    for _ in range(300):
        events = story(rng, moves=False)
        sure = follow(events, OWNER, flows=False, rule="debt_first", base_of=BASE, min_link_usd=Decimal(1))
        own = follow(events, OWNER, flows=False, rule="free_first", base_of=BASE)
        both = follow(events, OWNER, flows=False, rule="free_first", base_of=BASE, min_link_usd=Decimal(1))
        assert links(both) == links(sure)
        assert both.tags == own.tags
        told += bool(both.links)
    assert told > 50
