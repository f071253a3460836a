"""The range planner covers every block once, makes progress on every refusal, and learns the node's cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.ranges import MAX_PATIENCE, Plan
from indexer.errors import RangeTooLarge


def read(plan: Plan, first: int, last: int, cap: int, density: float, suggests: bool) -> tuple[Plan, list[int], int]:
    """Read a range from a node with a cap in blocks; return plan, blocks in order and number of refusals."""
    blocks: list[int] = []
    refused = 0
    todo, end = first, plan.last_of(first, last)
    while todo <= last:
        if end - todo + 1 > cap:
            refused += 1
            plan, tried = plan.refuse(todo, end, todo + cap - 1 if suggests else None)
            assert todo <= tried < end
            end = tried
            continue
        plan = plan.answered(end - todo + 1, int((end - todo + 1) * density))
        blocks += range(todo, end + 1)
        todo = end + 1
        end = plan.last_of(todo, last)
        assert end >= todo or todo > last
    return plan, blocks, refused


@given(
    span=st.integers(1, 3_000), cap=st.integers(1, 5_000), first=st.integers(0, 10**9), count=st.integers(1, 5_000),
    density=st.floats(0, 50), suggests=st.booleans(),
)  # fmt: skip
def test_every_block_once_and_few_refusals(
    span: int, cap: int, first: int, count: int, density: float, suggests: bool
) -> None:
    plan, blocks, refused = read(Plan(span=span), first, first + count - 1, cap, density, suggests)
    assert blocks == list(range(first, first + count))
    assert 1 <= plan.span <= plan.max_span
    assert refused <= 14 + len(blocks) / min(cap, count) / 8


@pytest.mark.parametrize("suggests", [True, False])
@pytest.mark.parametrize("cap", [10, 50, 800, 1_000, 2_000])
def test_a_cap_is_learned_and_hardly_hit_again(cap: int, suggests: bool) -> None:
    plan, _, first = read(Plan(), 0, 100 * cap, cap, 0.01, suggests)
    plan, _, later = read(plan, 0, 500 * cap, cap, 0.01, suggests)
    assert plan.span > cap * 0.6
    assert first <= 22
    assert later <= 20


def test_the_node_refuses_less_and_less_often() -> None:
    plan = Plan(span=1_000, good=1_000, refused=2_000)
    for _ in range(5_000):
        span = plan.span
        plan = plan.answered(span, 1) if span <= 1_000 else plan.refuse(0, span - 1, None)[0]
    assert plan.patience > 500 and plan.patience <= MAX_PATIENCE


def test_a_raised_cap_is_found() -> None:
    plan, _, _ = read(Plan(), 0, 100_000, 100, 0.01, False)
    plan, _, _ = read(plan, 0, 2_000_000, 10_000, 0.01, False)
    assert plan.span > 2_000


def test_many_logs_shrink_the_range_and_few_let_it_grow() -> None:
    plan = Plan(span=1_000)
    assert plan.answered(1_000, 80_000).span == 100
    assert plan.answered(1_000, 7_999).span <= 1_000
    assert plan.answered(1_000, 0).span == 2_000
    assert plan.answered(300, 0).span == 1_000, "a tail says nothing"


def test_late_refusals_of_ranges_in_flight_do_not_shrink_the_plan_again() -> None:
    plan = Plan(span=2_000)
    plan, tried = plan.refuse(0, 1_999, None)
    assert (plan.span, tried) == (1_000, 999)
    for n in range(1, 8):
        again, tried = plan.refuse(n * 2_000, n * 2_000 + 1_999, None)
        assert again == plan and tried == n * 2_000 + 999


def test_a_configured_maximum_is_never_passed() -> None:
    plan, _, refused = read(Plan(max_span=10), 0, 5_000, 10, 0.0, False)
    assert (plan.span, refused) == (10, 0)


def test_one_block_too_large_is_an_error_with_a_remedy() -> None:
    with pytest.raises(RangeTooLarge, match="single block 77: 10 MB; give another node"):
        Plan().refuse(77, 77, None, "10 MB")
