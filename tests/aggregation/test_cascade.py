"""M13: the worked example, every edge and naive reading of METRICS, and what must hold for any world."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.aggregation.cascade import Run, Scenario, contagion, groups_follow, simulate, start_prices
from indexer.aggregation.impact import Impact
from indexer.aggregation.legs import Legs, legs_of
from indexer.aggregation.liquidation_rules import MORPHO
from indexer.aggregation.stress import FACTORS, SHARES, Markets, markets_after, relative_depth, stress
from tests.aggregation.cascades import leg, scenario, simple, worked

POOL = {"WETH": 10_000_000.0}


def run(legs: Legs, fall: float, **more: object) -> Run:
    depth = more.pop("depth", POOL)
    only = more.pop("only", None)
    return simulate(legs, scenario(legs, {"WETH": -fall}, depth, **more), only=only)  # type: ignore[arg-type]


def test_the_worked_example() -> None:
    legs = worked()
    joint = run(legs, 0.13)
    first, second = joint.rounds
    assert first.oracle[0] == pytest.approx(1740, abs=1e-9)
    assert (first.repaid_usd.tolist(), second.repaid_usd.tolist()) == ([150_000, 0], [0, 136_000])
    assert first.sold[0] == pytest.approx(90.517241, abs=5e-7)
    assert first.market[0] == pytest.approx(1682.693070, abs=5e-7)
    assert second.sold[0] == pytest.approx(84.863962, abs=5e-7)
    assert second.market[0] == pytest.approx(1631.498381, abs=5e-7)
    assert joint.amplification()[0] == pytest.approx(1.417314, abs=5e-7)
    assert joint.bad_debt_usd == 0
    assert joint.branching() == [pytest.approx(136_000 / 150_000)]
    assert joint.endogenous_share() == pytest.approx(136_000 / 286_000)
    assert run(legs, 0.13, only=["B"]).repaid_usd == 0
    assert contagion(legs, scenario(legs, {"WETH": -0.13}, POOL), joint) == {"A": 0, "B": 136_000}


def test_bottomless_depth_is_no_cascade() -> None:
    without = run(worked(), 0.13, depth={})
    assert without.repaid_usd == 150_000  # B stays safe at 1740
    assert without.amplification()[0] == 1
    assert without.branching() == []


def test_a_position_may_be_liquidated_more_than_once() -> None:
    """Aave v2 repays half a round: the worst account is there again in the next."""
    legs = legs_of(simple("a", 100, 150_000, 0.80, protocol="aave_v2"))
    found = run(legs, 0.13)
    assert len(found.rounds) >= 2
    assert all(each.liquidated.sum() == 1 for each in found.rounds)
    assert found.rounds[0].repaid_usd.sum() == 75_000


def test_a_jump_and_a_path_differ_in_bad_debt() -> None:
    legs = legs_of([*simple("a", 100, 150_000, 0.80), *simple("b", 100, 120_000, 0.80)])
    jump, path = run(legs, 0.5), run(legs, 0.5, steps=10)
    assert jump.bad_debt_usd > path.bad_debt_usd
    assert path.settled and path.rounds[-1].step <= 10


def test_the_oracle_may_lag() -> None:
    legs = worked()
    assert run(legs, 0.13, pass_through=0.0).repaid_usd == 0  # a frozen oracle liquidates nobody
    late = run(legs, 0.13, pass_through=0.5)
    assert late.settled
    assert late.rounds[0].repaid_usd.sum() == 0  # 1870: A still stands
    assert late.repaid_usd == pytest.approx(286_000)


def test_liquidators_may_hold() -> None:
    held = run(worked(), 0.13, sold_share=0.0)
    assert held.repaid_usd == 150_000
    assert held.amplification()[0] == 1


def test_collateral_runs_out_and_leaves_bad_debt() -> None:
    """100 ETH at 1000 cover 100000 / 1.05 of 150000; the rest nobody pays."""
    found = run(legs_of(simple("a", 100, 150_000, 0.86)), 0.5, depth={})
    assert found.repaid_usd == pytest.approx(100_000 / 1.05, rel=1e-12)
    assert found.bad_debt_usd == pytest.approx(150_000 - 100_000 / 1.05, rel=1e-12)
    assert found.remaining.tolist() == [0, 0]


def test_equality_is_healthy_except_at_euler() -> None:
    for protocol, repaid in (("morpho_blue", 0), ("aave_v3", 0), ("compound_v3", 0), ("euler_v2", 160_000)):
        legs = legs_of(simple("a", 100, 160_000, 0.80, protocol=protocol))
        assert run(legs, 0.0).repaid_usd == repaid, protocol


def test_comet_absorbs_the_whole_account() -> None:
    """All collateral goes, also what the debt did not need; the debt is covered to the last."""
    rows = [
        leg("a", "collateral", "WETH", 100, 2000, 0.8, protocol="compound_v3"),
        leg("a", "collateral", "WBTC", 1, 50_000, 0.8, protocol="compound_v3"),
        leg("a", "debt", "USDC", 190_000, 1, protocol="compound_v3"),
    ]
    found = run(legs_of(rows), 0.1)
    assert found.seized.tolist() == [100, 1, 0]
    assert found.repaid_usd == 190_000 and found.bad_debt_usd == 0 and len(found.rounds) == 1


def test_what_does_not_count_is_not_seized() -> None:
    rows = [*simple("a", 100, 150_000, 0.86), leg("a", "collateral", "WBTC", 10, 50_000, 0.8, counts=False)]
    found = run(legs_of(rows), 0.5)
    assert found.bad_debt_usd > 0
    assert found.remaining[2] == 10


def test_a_borrower_without_price_is_left_out_and_counted() -> None:
    rows = [*simple("a", 100, 150_000, 0.86), *simple("x", 1, 1_900, 0.86)]
    rows[2] = rows[2]._replace(price_usd=None, value_usd=None, decides_raw=None)
    found = run(legs_of(rows), 0.13)
    assert found.unpriced == 1 and found.repaid_usd == 150_000


def test_a_supply_without_price_that_does_not_count_changes_nothing() -> None:
    odd = leg("a", "collateral", "ODD", 10, 1, 0, counts=False)._replace(price_usd=None, value_usd=None)
    rows = [*simple("a", 100, 150_000, 0.86), odd]
    found = run(legs_of(rows), 0.5)
    assert found.unpriced == 0
    assert found.repaid_usd == pytest.approx(100_000 / 1.05) and found.bad_debt_usd == pytest.approx(
        150_000 - 100_000 / 1.05
    )
    assert found.remaining[2] == 10


def test_the_protocols_own_terms_decide() -> None:
    """The books' USD says healthy, the protocol's own oracle does not: it is its word that counts."""
    rows = simple("a", 100, 150_000, 0.86)
    rows[0] = rows[0]._replace(decides_raw=149_000.0)
    assert run(legs_of(rows), 0.0).repaid_usd == 150_000


def test_each_leg_keeps_its_own_price() -> None:
    """Two protocols with slightly different oracles: each is judged by its own, both fall by the same share."""
    rows = [*simple("a", 100, 150_000, 0.86, protocol="A"), leg("b", "collateral", "WETH", 100, 1990, 0.86, protocol="B"),
            leg("b", "debt", "USDC", 150_000, 1, protocol="B")]  # fmt: skip
    found = run(legs_of(rows), 0.1233, depth={})  # 1753.4 and 1744.6; liquidatable below 1744.186
    assert found.repaid_usd == 0
    assert run(legs_of(rows), 0.1236, depth={}).by_node("repaid_usd").tolist() == [0, 150_000]


def test_at_least_three_depths_and_the_range() -> None:
    legs = worked()
    with pytest.raises(ValueError, match="three"):
        stress(legs, scenario(legs, {"WETH": -0.13}, POOL), factors=(1.0, 2.0))
    found = stress(legs, scenario(legs, {"WETH": -0.13}, POOL))
    assert [each.factor for each in found.settings] == list(FACTORS)
    # with twice the depth the fall stops short of B: a single setting would have said it with certainty
    assert found.range("repaid_usd") == (150_000, 286_000)
    low, high = found.amplification(0) or (0, 0)
    assert low < 1.417314 < high
    assert found.amplification(1) is None
    assert found.settings[1].contagion == {"A": 0, "B": 136_000}


def test_relative_depth_is_of_what_backs_debt() -> None:
    legs = worked()
    impact = relative_depth(legs, start_prices(legs))
    assert impact.depth[0] == 400_000 and np.isnan(impact.depth[1])
    assert len(SHARES) >= 3


def test_correlated_assets_fall_together_unless_told_otherwise() -> None:
    shocks, told = np.array([-0.3, 0.0, -0.1, 0.0]), np.array([True, False, True, False])
    assert groups_follow(shocks, told, [[0, 1]]).tolist() == [-0.3, -0.3, -0.1, 0.0]
    assert groups_follow(shocks, told, [[0, 2]]).tolist() == [-0.3, 0.0, -0.1, 0.0]


def test_the_three_models() -> None:
    start = np.array([2000.0])
    fair, sold = np.array([1740.0]), np.array([100.0])
    assert Impact("linear", np.array([0.001]), start).price(fair, sold)[0] == pytest.approx(1740 * 0.9)
    assert Impact("exponential", np.array([0.001]), start).price(fair, sold)[0] == pytest.approx(1740 * np.exp(-0.1))
    pool = 5000 * 10_000_000
    assert Impact("cpmm", np.array([1e7]), start).price(fair, sold)[0] == pytest.approx(
        pool / ((pool / 1740) ** 0.5 + 100) ** 2
    )
    for model, depth in (("cpmm", 1e7), ("linear", 0.001), ("exponential", 0.001)):
        impact = Impact(model, np.array([depth]), start)  # type: ignore[arg-type]
        prices = [impact.scaled(factor).price(fair, sold)[0] for factor in (0.5, 1, 2)]
        assert prices == sorted(prices) and prices[0] < prices[2], model
        assert impact.price(fair, np.zeros(1))[0] == 1740


def test_markets_after() -> None:
    rows = [
        each._replace(leg_market_key=key) for each, key in zip(simple("a", 100, 150_000, 0.86), (1, 2), strict=True)
    ]
    legs = legs_of(rows)
    found = run(legs, 0.13)
    markets = Markets(np.array([1, 2]), np.array([0, 1]), np.array([500.0, 50_000.0]), np.array([0.0, 150_000.0]))
    after = markets_after(markets, legs, found)
    assert after.utilization_before.tolist() == [0, 0.75]
    assert after.cash[0] == pytest.approx(500 - 90.517241, abs=1e-6)
    assert after.cash[1] == 200_000 and after.debt[1] == 0 and after.utilization[1] == 0
    assert after.withdrawable.tolist() == after.cash.tolist()


def test_nothing_to_liquidate() -> None:
    found = run(legs_of(simple("a", 100, 10_000, 0.86)), 0.13)
    assert found.rounds == () and found.settled and found.repaid_usd == 0
    assert found.endogenous_share() is None and found.amplification()[0] == pytest.approx(1)


# ------------------------------------------------------------------------------------------------------- properties

PROTOCOLS = (
    "aave_v2",
    "aave_v3",
    "spark",
    "morpho_blue",
    "compound_v2",
    "compound_v3",
    "euler_v2",
    "maker",
    "liquity_v1",
)
ACCOUNT = st.tuples(
    st.sampled_from(PROTOCOLS), st.floats(0.1, 1e4), st.floats(0.05, 1.1), st.sampled_from([0.5, 0.8, 0.93]), st.floats(0, 0.5)
)  # fmt: skip


def world(accounts: list[tuple[str, float, float, float, float]], one: str | None = None) -> Legs:
    """Accounts of two collaterals; their debt is a share of what they may owe."""
    rows = []
    for n, (protocol, eth, used, threshold, other) in enumerate(accounts):
        name, protocol = f"x{n}", one or protocol
        rows += [
            leg(name, "collateral", "WETH", eth, 2000, threshold, protocol=protocol),
            leg(name, "collateral", "WBTC", eth * other / 25, 50_000, threshold, protocol=protocol),
            leg(name, "debt", "USDC", eth * 2000 * (1 + other) * threshold * used, 1, protocol=protocol),
        ]
    return legs_of(rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACCOUNT, min_size=1, max_size=12), st.floats(0, 0.9), st.integers(1, 4), st.floats(1e4, 1e8))
def test_nothing_appears_or_vanishes(accounts: list[tuple[str, float, float, float, float]], fall: float, steps: int, depth: float) -> None:  # fmt: skip
    legs = world(accounts)
    found = run(legs, fall, steps=steps, depth={"WETH": depth, "WBTC": depth})
    assert found.repaid + found.bad + found.seized + found.remaining == pytest.approx(legs.units, rel=1e-9)
    for column in (found.repaid, found.bad, found.seized, found.remaining):
        assert (column >= 0).all()
    assert not found.seized[legs.is_debt].any() and not found.repaid[~legs.is_debt].any()
    assert found.repaid.sum() == pytest.approx(found.repaid_usd, rel=1e-9)  # the debt is in dollars
    assert found.bad.sum() == pytest.approx(found.bad_debt_usd, rel=1e-9, abs=1e-6)
    sold = sum((each.sold for each in found.rounds), np.zeros(len(legs.assets)))
    assert sold.sum() == pytest.approx(found.seized.sum(), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACCOUNT, min_size=1, max_size=12), st.floats(0, 0.6), st.floats(0, 0.3), st.floats(1e5, 1e8))
def test_a_deeper_shock_never_liquidates_less(accounts: list[tuple[str, float, float, float, float]], fall: float, more: float, depth: float) -> None:  # fmt: skip
    """Any amount at once: without impact debt closed (repaid or bad) by account grows; with it, the first round does.

    Later rounds need not: who falls a round earlier sells less collateral, at a better price (the test below).
    """
    legs = world([(p, e, u, t, 0.0) for p, e, u, t, _ in accounts], one="morpho_blue")
    shallow, deep = (run(legs, each, depth={}) for each in (fall, fall + more))
    assert ((deep.repaid + deep.bad) - (shallow.repaid + shallow.bad) >= -1e-6).all()
    first = [run(legs, each, depth={"WETH": depth}, max_rounds=1) for each in (fall, fall + more)]
    assert ((first[1].repaid + first[1].bad) - (first[0].repaid + first[0].bad) >= -1e-6).all()


def test_a_deeper_shock_may_end_a_little_higher() -> None:
    """B falls with A when the shock is deep, and after A's sale when it is not: then at a lower price, for more ether."""
    legs = legs_of([*simple("a", 100, 150_000, 0.86), *simple("b", 100, 136_000, 0.80)])
    shallow, deep = run(legs, 0.149, depth={"WETH": 1e6}), run(legs, 0.151, depth={"WETH": 1e6})
    assert [int(each.liquidated.sum()) for each in shallow.rounds] == [1, 1]
    assert [int(each.liquidated.sum()) for each in deep.rounds] == [2]
    assert deep.seized.sum() < shallow.seized.sum() and deep.final[0] > shallow.final[0]


@settings(max_examples=40, deadline=None)
@given(st.lists(ACCOUNT, min_size=1, max_size=10), st.floats(0, 0.6), st.floats(1e5, 1e8))
def test_counterfactuals_are_consistent(accounts: list[tuple[str, float, float, float, float]], fall: float, depth: float) -> None:  # fmt: skip
    legs = world(accounts)
    depths = {"WETH": depth, "WBTC": depth}
    joint = run(legs, fall, depth=depths)
    assert run(legs, fall, depth=depths, only=joint.nodes).repaid_usd == joint.repaid_usd
    assert run(legs, fall, depth=depths, only=[]).rounds == ()
    for name in joint.nodes:
        alone = run(legs, fall, depth=depths, only=[name])
        place = joint.nodes.index(name)
        assert alone.by_node("repaid_usd").sum() == alone.by_node("repaid_usd")[place]
        chosen = np.array([each == name for each in legs.protocols])
        apart = run(legs.only(chosen), fall, depth=depths)
        assert apart.repaid_usd == pytest.approx(alone.repaid_usd, rel=1e-12)
    # without impact nobody reaches anybody
    dry = run(legs, fall, depth={})
    reached = contagion(legs, scenario(legs, {"WETH": -fall}, {}), dry)
    assert reached == pytest.approx(dict.fromkeys(reached, 0), abs=1e-6)


def test_a_rule_of_ones_own() -> None:
    legs = legs_of(simple("a", 100, 150_000, 0.80, protocol="aave_v2"))
    own = {int(legs.deployment_keys[0]): MORPHO}
    found = simulate(
        legs, Scenario(np.array([-0.13, 0]), Impact("cpmm", np.array([1e7, np.nan]), start_prices(legs))), rules=own
    )
    assert found.repaid_usd == 150_000 and len(found.rounds) == 1
