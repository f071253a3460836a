"""M6: worked numbers, every edge and every naive mistake, by hand. Amounts are small integers; A and B are tokens."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import pytest

from indexer.aggregation.dfc import band, dfc_share
from indexer.aggregation.loops import (
    bound,
    bound_utilisation,
    constant_ltv_loop,
    equivalent_depth,
    is_state_loop,
    looped_debt_share,
    loops,
    multiplier,
    recursive_borrow_share,
)  # fmt: skip
from indexer.aggregation.lots import Act, Move, Receipt
from indexer.aggregation.pledges import Trace
from indexer.aggregation.provenance import follow
from indexer.aggregation.transactions import ZERO, Event

ME, HELPER, DEX, POOL, FRIEND = "me", "helper", "dex", "pool", "friend"
E18 = 10**18


class Story:
    """Writes events in order; a new transaction at each `tx()`, a block a transaction."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.block, self.time, self.logs = 0, 0, count()

    def tx(self, seconds: int = 60) -> Story:
        self.block += 1
        self.time += seconds
        return self

    def act(self, kind: Any, token: str, amount: int = 0, scope: str = "aave", **more: Any) -> Story:
        protocol, market = more.pop("protocol", scope), more.pop("market", f"{scope}:{token}")
        self.events.append(
            Act(self.block, 0, next(self.logs), self.time, kind, scope, market, protocol, token, amount,
                more.pop("usd", Decimal(amount)), **more)
        )  # fmt: skip
        return self

    def move(self, token: str, sender: str, receiver: str, amount: int) -> Story:
        self.events.append(Move(self.block, 0, next(self.logs), token, sender, receiver, amount, self.time))
        return self

    def supply(self, token: str, amount: int, scope: str = "aave", payer: str = ME, **more: Any) -> Story:
        return self.move(token, payer, scope, amount).act("supply", token, amount, scope, **more)

    def borrow(self, token: str, amount: int, scope: str = "aave", to: str = ME, **more: Any) -> Story:
        return self.act("borrow", token, amount, scope, **more).move(token, scope, to, amount)

    def repay(self, token: str, amount: int, scope: str = "aave", payer: str = ME) -> Story:
        return self.move(token, payer, scope, amount).act("repay", token, amount, scope)

    def withdraw(self, token: str, amount: int, scope: str = "aave") -> Story:
        return self.act("withdraw", token, amount, scope).move(token, scope, ME, amount)

    def swap(self, given: str, paid: int, got: str, received: int, who: str = ME) -> Story:
        return self.move(given, who, DEX, paid).move(got, DEX, who, received)

    def trace(self, **options: Any) -> Trace:
        return follow(self.events, {ME}, **options)


def two_turns() -> Story:
    """10 A of own money, then twice: borrow B at 0.7, swap, supply: METRICS' example, in whole tokens of 1e18."""
    story = Story().tx().move("A", ZERO, ME, 10 * E18).tx().supply("A", 10 * E18)
    for amount in (7 * E18, 49 * E18 // 10):
        story.tx().borrow("B", amount).tx().swap("B", amount, "A", amount).tx().supply("A", amount)
    return story


# ------------------------------------------------------------------------------------------------- worked examples


def test_two_turns_of_the_worked_example() -> None:
    books = constant_ltv_loop(10, Fraction(7, 10), 2)
    assert books == (Fraction(219, 10), Fraction(119, 10), Fraction(219, 100))
    assert bound(Fraction(7, 10)) == Fraction(10, 3)
    assert bound_utilisation(books.multiplier, Fraction(7, 10)) == Fraction(657, 1000)
    assert multiplier(books.assets, books.debt) == books.multiplier
    assert equivalent_depth(books.multiplier, Fraction(7, 10)) == pytest.approx(2, abs=1e-12)
    assert equivalent_depth(4, Fraction(8, 10)) == pytest.approx(6.212567, abs=5e-7)
    trace = two_turns().trace()
    assert [(link.depths[0], link.turn, link.amount) for link in trace.links] == [
        (1, 1, 7 * E18),
        (2, 2, 49 * E18 // 10),
    ]
    (loop,) = loops(trace.links)
    assert (loop.depth, loop.turns, loop.kind, loop.closed_block) == (2, 2, "intra", None)


def test_costs_of_a_turn_shrink_what_is_acquired() -> None:
    l, h = Fraction(7, 10), Fraction(1, 100)  # noqa: E741
    assert constant_ltv_loop(10, l, 2, h).assets == 10 * (1 - (l * (1 - h)) ** 3) / (1 - l * (1 - h))


def test_dfc_of_the_two_turns_and_of_a_mixed_wallet() -> None:
    assert (band(50, 60, 40).low, band(50, 60, 40).mid, band(50, 60, 40).high) == (10, 30, 50)
    held = two_turns().trace().tags[-1].held
    assert held is not None
    assert dfc_share(held, 219 * E18 // 10) == Fraction(119, 219)
    assert float(Fraction(119, 219)) == pytest.approx(0.543379, abs=5e-7)


# ------------------------------------------------------------------------------------------------------ forms, edges


def flash_open(story: Story, borrow_amount: int = 119) -> Story:
    """Flash B, swap for A, supply with own 100 A through a helper, borrow B to pay the flash loan back."""
    return (
        story.tx().move("A", ME, HELPER, 100).move("B", POOL, HELPER, 119).swap("B", 119, "A", 119, HELPER)
        .move("A", HELPER, "aave", 219).act("supply", "A", 219).act("borrow", "B", borrow_amount)
        .move("B", "aave", HELPER, borrow_amount).move("B", HELPER, POOL, 119).act("flash", "B", 119)
    )  # fmt: skip


def test_a_flash_loan_links_the_borrow_that_repays_it_at_depth_1() -> None:
    trace = flash_open(Story().tx().move("A", ZERO, ME, 100)).trace()
    (link,) = trace.links
    assert (link.depths, link.amount, link.is_flash, link.same_transaction) == ([1, 1, 1], 119, True, True)
    assert len(trace.borrows) == 1  # what counting borrows would call one; its multiplier is that of two turns
    assert equivalent_depth(Fraction(219, 100), Fraction(7, 10)) == pytest.approx(2, abs=1e-12)


def test_a_flash_loan_kept_as_debt_is_the_same() -> None:
    story = Story().tx().move("A", ZERO, ME, 100).tx().move("B", "aave", HELPER, 119)
    story.swap("B", 119, "A", 119, HELPER).move("A", ME, HELPER, 100).supply("A", 219, payer=HELPER)
    story.act("borrow", "B", 119, custody=frozenset({"aave"})).act("flash", "B", 119)
    (link,) = story.trace().links
    assert (link.depths[0], link.amount, link.is_flash) == (1, 119, True)


def test_a_flash_loan_repaid_with_own_money_is_no_loop() -> None:
    story = Story().tx().move("B", ZERO, ME, 119).move("A", ZERO, ME, 100)
    story.tx().move("B", POOL, ME, 119).swap("B", 119, "A", 119).supply("A", 119).move("B", ME, POOL, 119)
    assert story.act("flash", "B", 119).trace().links == []


def test_a_pool_that_delivers_before_it_is_paid_is_a_bridge_too() -> None:
    story = Story().tx().move("A", DEX, ME, 50).supply("A", 50).borrow("B", 40).move("B", ME, DEX, 40)
    (link,) = story.trace().links
    assert (link.amount, link.borrowed, link.is_flash, link.depths[0]) == (50, 40, False, 1)


def test_many_turns_in_one_transaction_through_a_helper_with_delegated_credit() -> None:
    story = Story().tx().move("A", ZERO, ME, 100).tx().move("A", ME, HELPER, 100).supply("A", 100, payer=HELPER)
    for amount in (70, 49, 34):
        story.borrow("B", amount, to=HELPER).swap("B", amount, "A", amount, HELPER).supply("A", amount, payer=HELPER)
    assert [link.depths for link in story.trace().links] == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]


def test_credit_delegated_to_a_friend_who_keeps_it_is_no_loop_of_mine() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50, to=FRIEND).tx().move("B", ZERO, ME, 50)
    assert story.tx().supply("B", 50).trace().links == []


def test_one_borrow_sent_straight_to_the_exchange() -> None:
    story = Story().tx().supply("A", 100).tx().act("borrow", "B", 50).move("B", "aave", DEX, 50).move("A", DEX, ME, 49)
    (link,) = story.tx().supply("A", 49).trace().links
    assert (link.amount, link.borrowed) == (49, 50)


def test_slippage_shrinks_the_value_and_not_the_tag() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 70).tx().swap("B", 70, "A", 63).tx().supply("A", 63)
    (link,) = story.trace().links
    assert (link.amount, link.borrowed, link.borrow.matched[0]) == (63, 70, 70)


def test_across_two_protocols_a_turn_walks_both_legs() -> None:
    story = Story().tx().supply("A", 100)
    for _ in range(2):
        story.tx().borrow("B", 50).tx().supply("B", 50, "morpho").tx().borrow("A", 30, "morpho").tx().supply("A", 30)
    trace = story.trace()
    assert [(link.depths[0], link.turn, link.kind) for link in trace.links] == [
        (1, 0, "inter"), (2, 1, "inter"), (3, 1, "inter"), (4, 2, "inter"),
    ]  # fmt: skip
    assert [(one.turns, one.depth, one.kind) for one in loops(trace.links)] == [(2, 4, "inter")]


def test_a_receipt_pledged_elsewhere_is_one_asset_where_it_is_collateral() -> None:
    receipts = {"aA": Receipt("aave:A", "aave", "aave", "A")}
    story = Story().tx().move("A", ZERO, ME, 100).tx().supply("A", 100).move("aA", ZERO, ME, 100)
    for _ in range(2):
        story.tx().supply("aA", 99, "morpho").tx().borrow("A", 80, "morpho").tx().supply("A", 80).move(
            "aA", ZERO, ME, 80
        )
    story.tx().supply("aA", 80, "morpho")
    trace = story.trace(receipts=receipts)
    assert max(link.turn for link in trace.links) == 2
    assert trace.borrows[0].matched[0] == 80  # re-pledged, and counted once


def test_a_vault_wrapper_in_between_keeps_the_tag() -> None:
    story = Story().tx().supply("vA", 100).tx().borrow("A", 60).tx().move("A", ME, "vault", 60).move("vA", ZERO, ME, 55)
    (link,) = story.tx().supply("vA", 55).trace().links
    assert (link.amount, link.borrowed) == (55, 60)


def test_the_debtor_of_a_vault_is_the_vault() -> None:
    story = Story().tx().supply("A", 100, payer="vault").tx().borrow("B", 50, to="vault")
    story.tx().swap("B", 50, "A", 50, "vault").tx().supply("A", 50, payer="vault")
    assert len(follow(story.events, {"vault"}).links) == 1


@pytest.mark.parametrize(
    ("seconds", "depths"), [(3_600, [1, 1, None]), (86_400, [1, 1, None]), (86_401, [1, None, None])]
)
def test_windows_by_age_of_the_borrow(seconds: int, depths: list[int | None]) -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx(seconds).supply("B", 50)
    (link,) = story.trace().links
    assert (link.age, link.depths) == (seconds, depths)


def test_depth_within_a_window_counts_only_links_within_it() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx(90_000).supply("B", 50)
    story.tx().borrow("B", 20).tx().supply("B", 20)
    assert [link.depths for link in story.trace().links] == [[1, None, None], [2, 1, None]]


def test_unwinding_closes_what_it_takes_back_newest_first() -> None:
    story = two_turns()
    story.tx().withdraw("A", 49 * E18 // 10).tx().swap("A", 49 * E18 // 10, "B", 49 * E18 // 10)
    story.tx().repay("B", 49 * E18 // 10)
    first, second = story.trace().links
    assert (first.closed_block, second.closed_block) == (None, story.block - 2)
    story.tx().withdraw("A", 7 * E18).tx().repay("B", 7 * E18).act("debt_emptied", "B")
    (loop,) = loops(story.trace().links)
    assert loop.closed_block == story.block - 1  # with the linked collateral, a block before the debt


def test_a_debt_or_collateral_of_zero_closes_by_itself() -> None:
    for kind, token in (("debt_emptied", "B"), ("collateral_emptied", "A")):
        (loop,) = loops(two_turns().tx().act(kind, token).trace().links)
        assert loop.closed_block is not None


def test_a_loop_over_its_bound_is_flagged_and_not_clipped() -> None:
    assert bound_utilisation(Fraction(4), Fraction(7, 10)) == Fraction(12, 10)
    assert equivalent_depth(4, Fraction(7, 10)) is None


def test_nulls_of_the_formulas() -> None:
    assert multiplier(Fraction(10), Fraction(10)) is None
    assert bound(Fraction(1)) is None
    assert equivalent_depth(1, Fraction(8, 10)) == 0
    assert equivalent_depth(2, 1) is None
    assert looped_debt_share(Fraction(0), Fraction(0)) is None
    assert looped_debt_share(Fraction(1), Fraction(4)) == Fraction(1, 4)
    assert dfc_share(0, 0) is None
    assert (band(50, 60, None).low, band(50, 60, None).mid, band(50, 60, None).high) == (None, None, 50)
    assert band(50, 0, 0).mid == 0


def test_the_state_method_needs_one_asset_group_and_an_ltv() -> None:
    assert is_state_loop("correlated", Fraction(9, 10))
    assert not is_state_loop("directional", Fraction(9, 10))
    assert not is_state_loop("same_asset", Fraction(1, 10))
    assert not is_state_loop("same_asset", None)


# ---------------------------------------------------------------------------------------------------- naive mistakes


def test_borrowing_again_and_again_is_no_depth() -> None:
    story = Story().tx().supply("A", 100)
    for _ in range(5):
        story.tx().borrow("B", 10).tx().move("B", ME, FRIEND, 10)
    trace = story.trace()
    assert len(trace.borrows) == 5  # the naive depth
    assert trace.links == []


def test_supplying_outside_money_between_borrows_is_no_loop() -> None:
    story = Story()
    for _ in range(3):
        story.tx().move("A", ZERO, ME, 50).tx().supply("A", 50).tx().borrow("B", 20).tx().move("B", ME, FRIEND, 20)
    assert [entry.kind for entry in story.events if isinstance(entry, Act)] == [
        "supply",
        "borrow",
    ] * 3  # a pattern matches
    assert story.trace().links == []


def test_equal_amounts_of_two_owners_are_not_matched() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx().move("B", ME, FRIEND, 50)
    mine = story.trace()
    theirs = follow([Act(9, 0, 1, 0, "supply", "aave", "aave:B", "aave", "B", 50)], {FRIEND})
    assert mine.links == theirs.links == []


def test_two_addresses_of_one_owner_are() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx().move("B", ME, "proxy", 50)
    assert len(follow(story.tx().supply("B", 50, payer="proxy").events, {ME, "proxy"}).links) == 1


def test_lending_without_collateral_is_no_link_until_it_is_switched_on() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx().supply("B", 50, collateral=False)
    assert story.trace().links == []
    story.tx().act("enabled", "B")
    assert [link.amount for link in story.trace().links] == [50]
    story.tx().act("disabled", "B")
    assert story.trace().links[0].closed_block == story.block


def test_swaps_through_any_venue_are_followed_where_fixed_patterns_are_not() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx()
    story.move("B", ME, "router", 50).move("C", "router", "other", 9).move("C", "other", "router", 9)
    (link,) = story.move("A", "router", ME, 45).tx().supply("A", 45).trace().links
    assert link.amount == 45


def test_dust_is_ignored_and_unpriced_is_not() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx().supply("B", 50, usd=Decimal("0.5"))
    assert story.trace(min_link_usd=Decimal(1)).links == []
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx().supply("B", 50, usd=None)
    (link,) = story.trace(min_link_usd=Decimal(1)).links
    assert link.usd is None


def test_repayment_consumes_the_oldest_lot() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx().borrow("B", 30).tx().repay("B", 50)
    (link,) = story.tx().supply("B", 30).trace().links
    assert link.borrow.act.amount == 30


# ---------------------------------------------------------------------------------------------------------- shares


def test_shares_of_borrowing_by_volume_and_by_count() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 50).tx(90_000).supply("B", 25).tx().borrow("B", 150)
    borrows = story.trace().borrows
    assert recursive_borrow_share(borrows, None) == (Fraction(25, 200), Fraction(1, 2), 0)
    assert recursive_borrow_share(borrows, 86_400) == (0, 0, 0)
    assert recursive_borrow_share([]) == (None, None, 0)


# --------------------------------------------------------------------------------------------------- without flows


def test_without_wallet_flows_links_say_how_sure_they_are() -> None:
    def story(token: str) -> list[Event]:
        acts = Story().tx().supply("A", 100).tx().borrow("B", 50).tx().supply(token, 40)
        return [event for event in acts.events if isinstance(event, Act)]

    def found(token: str) -> list[tuple[str, int, int]]:
        links = follow(story(token), {ME}, flows=False, base_of={"vB": "B"}).links
        return [(link.evidence, link.amount, link.borrowed) for link in links]

    assert found("B") == [("registry", 40, 40)]
    assert found("vB") == [("registry", 40, 40)]
    assert found("A") == [("assumed", 40, 40)]


def test_without_wallet_flows_own_money_is_unknown() -> None:
    events = [event for event in two_turns().events if isinstance(event, Act)]
    assert all(tag.held is None for tag in follow(events, {ME}, flows=False, rule="free_first").tags)


# ------------------------------------------------------------------------------------------------------------- M7


def test_three_rules_on_one_wallet() -> None:
    story = Story().tx().supply("A", 100).tx().move("B", ZERO, ME, 40).tx().borrow("B", 60).tx().supply("B", 50)
    held = [story.trace(rule=rule).tags[-1].held for rule in ("free_first", "pro_rata", "debt_first")]
    assert held == [10, 30, 50]


def test_withdrawn_collateral_returns_its_tag_to_the_wallet() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 60).tx().supply("B", 60).tx().withdraw("B", 60)
    assert story.trace().tags[-1].held == 0
    assert story.tx().supply("B", 60).trace().tags[-1].held == 60


def test_a_receipt_sold_takes_its_tag_along() -> None:
    receipts = {"aB": Receipt("aave:B", "aave", "aave", "B")}
    story = Story().tx().supply("A", 100).tx().borrow("B", 60).tx().supply("B", 60).move("aB", ZERO, ME, 60)
    trace = story.tx().move("aB", ME, FRIEND, 60).trace(receipts=receipts)
    assert trace.tags[-1].held == 0
    assert trace.links[0].closed_block == story.block


def test_money_that_was_never_seen_to_come_in_leaves_only_the_upper_rule() -> None:
    story = Story().tx().supply("A", 100).tx().borrow("B", 60).tx().supply("B", 60)
    held = {tag.market: tag.held for tag in story.trace(rule="pro_rata").tags}
    assert held == {"aave:A": None, "aave:B": 60}  # A was not seen to come in
    story.tx().move("A", ME, DEX, 10).move("C", DEX, ME, 10).tx().supply("C", 10)
    assert story.trace(rule="pro_rata").tags[-1].held is None  # nor is it known what paid for C
    assert {tag.market: tag.held for tag in story.trace(rule="debt_first").tags}["aave:B"] == 60
