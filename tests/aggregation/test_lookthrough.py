"""M10: look-through leverage, owner consolidation, rehypothecation, against worked numbers and naive rivals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.aggregation.lookthrough import (
    Entity,
    Holding,
    Leg,
    Pledge,
    consolidate,
    gross,
    look_through,
    netted,
    rehypothecation_multiplier,
)

D = Decimal


def entity(name: str, plain: object = 0, debt: object = 0) -> Entity:
    return Entity(name, D(str(plain)), D(str(debt)))


def test_worked_example() -> None:
    found = look_through([entity("U", 0, 100), entity("V", 600, 400)], [Holding("U", "V", 1.0)])
    assert (found["U"].assets_usd, found["U"].debt_usd, found["U"].leverage, found["U"].hops) == (600, 500, 6, 1)
    assert found["V"].leverage == 3
    naive = 200 / (200 - 100)  # shares at their value, own debt
    assert naive == 2 != found["U"].leverage


def test_naive_product_of_leverages_is_right_only_without_other_assets() -> None:
    alone = look_through([entity("U", 0, 100), entity("V", 600, 400)], [Holding("U", "V", 1.0)])["U"]
    assert alone.leverage == 2 * 3
    mixed = look_through([entity("U", 200, 100), entity("V", 600, 400)], [Holding("U", "V", 1.0)])["U"]
    own = (200 + 200) / (200 + 200 - 100)
    assert mixed.leverage == pytest.approx(800 / 300)
    assert mixed.leverage != pytest.approx(own * 3)


def test_naive_one_hop_misses_what_a_vault_of_vaults_owes() -> None:
    entities = [entity("U", 0, 0), entity("V", 0, 100), entity("W", 600, 400)]
    found = look_through(entities, [Holding("U", "V", 1.0), Holding("V", "W", 1.0)])["U"]
    assert (found.assets_usd, found.debt_usd, found.leverage, found.hops) == (600, 500, 6, 2)
    one_hop = 200 / (200 - 100)  # V's shares of W at their value
    assert one_hop != found.leverage


def test_circular_holdings_are_summed_to_the_end() -> None:
    """V and W own half of each other; U owns the rest of V. A_V = 100 + A_W / 2, A_W = 60 + A_V / 2."""
    entities = [entity("U"), entity("V", 100, 40), entity("W", 60, 0)]
    holdings = [Holding("V", "W", 0.5), Holding("W", "V", 0.5), Holding("U", "V", 0.5)]
    found = look_through(entities, holdings)
    assert found["V"].assets_usd == pytest.approx((100 + 60 / 2) / (1 - 1 / 4))
    assert found["V"].debt_usd == pytest.approx(40 / (1 - 1 / 4))
    assert found["U"].assets_usd == pytest.approx(found["V"].assets_usd / 2)
    assert found["U"].hops is None


def test_a_circle_that_owns_all_of_itself_is_unresolved() -> None:
    entities = [entity("U", 10), entity("V", 100), entity("W", 60), entity("X", 5, 1)]
    found = look_through(entities, [Holding("V", "W", 1.0), Holding("W", "V", 0.6), Holding("W", "X", 0.5)])
    assert found["V"].status == "ok" or found["V"].status == "no_debt"
    found = look_through(entities, [Holding("V", "W", 1.0), Holding("W", "V", 1.0), Holding("X", "U", 1.0)])
    assert found["V"].status == found["W"].status == "unresolved"
    assert found["V"].assets_usd is None and found["V"].leverage is None
    assert found["X"].leverage == pytest.approx(15 / 14)  # who does not reach the circle is not touched


def test_who_holds_into_an_unresolved_circle_is_unresolved_too() -> None:
    entities = [entity("U", 10), entity("V", 100)]
    found = look_through(entities, [Holding("V", "V", 1.0)])
    assert found["V"].status == "unresolved" and found["U"].status == "no_debt"
    entities.append(entity("W"))
    with pytest.raises(ValueError, match="more than all of it"):
        look_through(entities, [Holding("V", "V", 1.0), Holding("U", "V", 0.5)])


def test_limited_liability() -> None:
    """A vault that owes more than it has is worth nothing to its holders; the excess is nobody's debt here."""
    found = look_through([entity("U", 50, 10), entity("V", 90, 95)], [Holding("U", "V", 1.0)])
    assert (found["U"].assets_usd, found["U"].debt_usd) == (50, 10)
    assert (found["V"].status, found["V"].excess_usd) == ("insolvent", 5)
    naive = (50 + 90) / (50 + 90 - 10 - 95)
    assert found["U"].leverage == 50 / 40 != naive


def test_failure_of_a_vault_reaches_the_vault_that_holds_it() -> None:
    entities = [entity("U", 10), entity("V", 0, 30), entity("W", 90, 95)]
    found = look_through(entities, [Holding("U", "V", 1.0), Holding("V", "W", 1.0)])
    assert found["U"].assets_usd == 10 and found["U"].debt_usd == 0
    assert found["V"].excess_usd > 0 and found["W"].excess_usd == 5


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="Z of the holding"):
        look_through([entity("U")], [Holding("U", "Z", 0.5)])
    with pytest.raises(ValueError, match="between 0 and 1"):
        look_through([entity("U"), entity("V")], [Holding("U", "V", 1.5)])
    with pytest.raises(ValueError, match="listed twice"):
        look_through([entity("U"), entity("U")], [])


def test_status_without_equity() -> None:
    found = look_through([entity("a"), entity("b", 5, 5), entity("c", 5, 6), entity("d", 5)], [])
    assert [found[name].status for name in "abcd"] == ["no_debt", "zero_equity", "insolvent", "no_debt"]
    assert [found[name].leverage for name in "abcd"] == [None, None, None, 1.0]


def test_netting_unwraps_lending_receipts_only() -> None:
    legs = [
        Leg("aDAI", "DAI", D(80), False), Leg("DAI", "DAI", D(50), True),
        Leg("wstETH", "wstETH", D(100), False), Leg("WETH", "WETH", D(60), True),
    ]  # fmt: skip
    both, net = gross(legs), netted(legs)
    assert (both.assets_usd, both.debt_usd, both.leverage) == (180, 110, D(180) / 70)
    assert (net.assets_usd, net.debt_usd, net.leverage) == (130, 60, D(130) / 70)
    naive = D(30 + 40) / (30 + 40)  # an LST set off against its base: the leverage is gone, the risk is not
    assert net.leverage != naive
    assert netted([Leg("DAI", "DAI", D(5), True)]).leverage is None


def test_a_repledged_receipt_is_one_asset_where_it_is_collateral() -> None:
    pledges = [
        Pledge("U", "WETH", "WETH", "aave", D(100), receipt="aWETH"),
        Pledge("U", "WETH", "aWETH", "morpho", D(60)),
    ]
    assert consolidate(pledges) == {("U", "WETH", "aave"): D(40), ("U", "WETH", "morpho"): D(60)}
    naive = sum(pledge.amount for pledge in pledges)
    assert naive == 160 != sum(consolidate(pledges).values())


def test_someone_elses_receipt_is_their_asset() -> None:
    pledges = [
        Pledge("U", "WETH", "WETH", "aave", D(100), receipt="aWETH"),
        Pledge("T", "WETH", "aWETH", "morpho", D(60)),
    ]
    assert sum(consolidate(pledges).values()) == 160


def test_rehypothecation_multiplier() -> None:
    """100 WETH in Aave; 60 of its receipts are Morpho collateral: 160 claimed, 100 there."""
    found = rehypothecation_multiplier({"WETH": [D(100), D(60)], "GONE": [D(1)]}, {"WETH": D(100), "GONE": D(0)})
    assert found == {"WETH": D("1.6"), "GONE": None}


SHARE = st.floats(0, 0.3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), SHARE, SHARE), min_size=3, max_size=3), st.floats(0.1, 0.9))
def test_splitting_an_entity_in_two_accounts_changes_neither_sum(
    made: list[tuple[int, float, float]], part: float
) -> None:
    entities = [entity(f"v{n}", plain + 100, 10) for n, (plain, _, _) in enumerate(made)]
    circle = [Holding(f"v{n}", f"v{(n + 1) % 3}", share) for n, (_, share, _) in enumerate(made)]
    one = look_through(
        [*entities, entity("U", 100, 20)], [*circle, *(Holding("U", f"v{n}", made[n][2]) for n in range(3))]
    )
    halves = [
        Holding(name, f"v{n}", made[n][2] * weight) for n in range(3) for name, weight in (("x", part), ("y", 1 - part))
    ]
    two = look_through([*entities, entity("x", 30, 5), entity("y", 70, 15)], [*circle, *halves])
    for field in ("assets_usd", "debt_usd"):
        assert getattr(one["U"], field) == pytest.approx(getattr(two["x"], field) + getattr(two["y"], field), rel=1e-9)
