"""M12 by its worked numbers: sizes, pairs, toxicity, perps, buckets; and that the naive way differs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from indexer.aggregation import liquidation
from indexer.aggregation.liquidation import Account, Collateral, Debt
from indexer.aggregation.risk import (
    Leg,
    bucket,
    depeg_to_liquidation,
    group_drop,
    health_factor,
    health_factor_at,
    liquidation_price,
)  # fmt: skip

D = Decimal


def account(health: str, *debts: int, collateral: int = 12_000, bonus: str = "0.05") -> Account:
    """An account with debts of one dollar a token and one collateral."""
    return Account(
        tuple(Debt(f"d{n}", D(debt), D(1)) for n, debt in enumerate(debts)),
        (Collateral("c", D(collateral), D(1), D("0.8"), D(bonus)),),
        D(health),
    )


@pytest.mark.parametrize(("health", "repay"), [("0.97", 5000), ("0.95", 7000), ("0.9500000000000000001", 5000)])
def test_aave_33_closes_half_of_the_whole_debt(health: str, repay: int) -> None:
    one = account(health, 7000, 3000)
    assert liquidation.aave_v33_repay_usd(one, one.debts[0], one.collaterals[0]) == repay


def test_aave_before_33_closed_half_of_the_reserve() -> None:
    one = account("0.97", 7000, 3000)
    assert liquidation.aave_v3_repay_usd(one, one.debts[0], one.collaterals[0]) == 3500  # the naive answer for 3.3
    low = account("0.95", 7000, 3000)
    assert liquidation.aave_v3_repay_usd(low, low.debts[0], low.collaterals[0]) == 7000
    assert liquidation.half_of_debt_repay_usd(low, low.debts[0], low.collaterals[0]) == 3500  # Aave v2: always


@pytest.mark.parametrize(
    ("debts", "collateral", "repay"),
    [
        ((1999, 8001), 12_000, 1999),  # the reserve's debt is small: all of it
        ((7000, 3000), 1999, 7000),  # the collateral is small: no limit but the collateral itself
        ((2000, 8000), 12_000, 2000),  # exactly 2000 is not small, and below half of the whole debt
        ((2100, 900), 12_000, 1100),  # half would leave 600 of debt: 1000 must stay
        ((2500, 0), 2600, 1250),  # half leaves 1250 of debt and 1287.5 of collateral
        ((10_000, 0), 6200, 1600 * 100 // 105 + 1),  # half would leave 950 of collateral: 1000 must stay
    ],
)
def test_aave_33_small_positions_and_dust(debts: tuple[int, int], collateral: int, repay: int) -> None:
    one = account("0.97", *debts, collateral=collateral)
    found = liquidation.aave_v33_repay_usd(one, one.debts[0], one.collaterals[0])
    if debts == (10_000, 0):
        assert found == D(5200) / D("1.05")  # (6200 - 1000) / 1.05, below half of the debt
    else:
        assert found == repay


def test_the_collateral_caps_what_can_be_repaid() -> None:
    found = liquidation.best_pair(account("0.5", 10_000, collateral=2100), liquidation.aave_v33_repay_usd)
    assert found is not None
    assert (found.seize, found.repay, found.profit_usd) == (D(2100), D(2000), D(100))
    assert found.health_factor_after == 0  # debt stays, nothing backs it


def test_the_best_pair_is_the_one_that_pays_most() -> None:
    one = Account(
        (Debt("dai", D(3000), D(1)), Debt("usdc", D(1000), D(1))),
        (Collateral("weth", D(1), D(1000), D("0.8"), D("0.05")), Collateral("link", D(500), D(7), D("0.7"), D("0.07")),
         Collateral("mkr", D(10), D(1000), D(0), D("0.2"))),
        D("0.9"),
    )  # fmt: skip
    found = liquidation.best_pair(one, liquidation.whole_debt_repay_usd)
    assert found is not None
    assert (found.debt_asset, found.collateral_asset) == ("dai", "link")  # mkr backs nothing and may not be taken
    assert found.repay == 3000
    assert round(found.seize, 20) == round(D(3210) / 7, 20)
    assert found.profit_usd == 210


def test_toxic_before_it_is_bad_debt() -> None:
    # M14: C 1000, D 950, bonus 8 %: LTV .95 > 1/1.08, yet D < C
    assert liquidation.is_toxic(D(950), D(1000), D("0.08"))
    assert not liquidation.is_toxic(D(925), D(1000), D("0.08"))
    one = Account((Debt("d", D(950), D(1)),), (Collateral("c", D(1000), D(1), D("0.9"), D("0.08")),), D("0.947"))
    found = liquidation.pair(one, one.debts[0], one.collaterals[0], lambda *_: D(475))
    assert found is not None and found.health_factor_after is not None
    assert found.health_factor_after < D(900) / 950  # worse than before
    well = Account((Debt("d", D(905), D(1)),), (Collateral("c", D(1000), D(1), D("0.9"), D("0.08")),), D("0.994"))
    found = liquidation.pair(well, well.debts[0], well.collaterals[0], lambda *_: D(452))
    assert found is not None and found.health_factor_after is not None
    assert found.health_factor_after > D(900) / 905


def test_morpho_any_amount_at_its_own_incentive() -> None:
    assert liquidation.morpho_bonus(D("0.86")) == 1 / (1 - D("0.3") * D("0.14")) - 1
    assert liquidation.morpho_bonus(D(0)) == D("0.15")  # 1 / 0.7 is above the cap
    assert liquidation.morpho_bonus(D(1)) == 0


def test_euler_discount_grows_as_health_falls() -> None:
    assert liquidation.euler_bonus(D("0.98"), D("0.15")) == 1 / D("0.98") - 1
    assert liquidation.euler_bonus(D("0.5"), D("0.15")) == 1 / D("0.85") - 1
    assert liquidation.euler_bonus(D(1), D("0.15")) == 0


def test_whole_accounts_go() -> None:
    found = liquidation.whole_account(account("0.9", 7000, 3000))
    assert found is not None
    assert (found.repay_usd, found.profit_usd) == (10_000, 2000)
    assert found.health_factor_after is None
    assert liquidation.whole_account(Account((), (), D(1))) is None


def test_isolated_perp() -> None:
    size, entry, margin, maintenance = D(10), D(2000), D(2500), D("0.01")
    long = liquidation.perp_liquidation_price(size, entry, margin, maintenance)
    short = liquidation.perp_liquidation_price(-size, entry, margin, maintenance)
    assert long is not None and round(long, 6) == D("1767.676768")
    assert short is not None and round(short, 6) == D("2227.722772")
    assert liquidation.perp_liquidation_price(size, entry, D(20_000), maintenance) is None
    assert liquidation.perp_liquidation_price(D(0), entry, margin, maintenance) is None


def test_what_blocks() -> None:
    free = {"paused": [False, None], "inactive": [False, False], "grace_until": [None, 90], "now": 100}
    assert liquidation.blocked_reason(**free) is None  # type: ignore[arg-type]
    assert liquidation.blocked_reason(**{**free, "paused": [False, True]}) == "reserve_paused"  # type: ignore[arg-type]
    assert liquidation.blocked_reason(**{**free, "inactive": [True, False]}) == "reserve_inactive"  # type: ignore[arg-type]
    assert liquidation.blocked_reason(**{**free, "grace_until": [100, None]}) == "grace_period"  # type: ignore[arg-type]


def test_base_units_never_round_up() -> None:
    assert liquidation.base_units(D("1.9999999"), 6) == 1_999_999
    assert liquidation.base_units(D(2**200), 18) == 2**200 * 10**18


# ------------------------------------------------------------------------------------------- edges of M12


def test_buckets_are_half_open() -> None:
    assert [bucket(D(x)) for x in ("0", "0.999999999999999999", "1", "1.05", "1.1", "1.25", "1.5", "2", "9")] == [
        "[0,1)", "[0,1)", "[1,1.05)", "[1.05,1.1)", "[1.1,1.25)", "[1.25,1.5)", "[1.5,2)", "[2,inf)", "[2,inf)",
    ]  # fmt: skip
    assert bucket(None) == "no_debt"


def test_interest_alone_liquidates() -> None:
    # debt 996 against K = 1000 at 10 % a year: 0.998545 twenty days later, without any event
    factor = health_factor_at(D(1000) / 996, [(D(996), D("0.10"))], 20 * 86_400)
    assert round(factor, 6) == D("0.998545")
    assert bucket(factor) == "[0,1)"
    assert bucket(D(1000) / 996) == "[1,1.05)"  # naive: the balance of the last event


def test_group_and_depeg() -> None:
    assert round(depeg_to_liquidation(D("1.2"), D(10), D("10.5"), D("0.95")) or D(0), 6) == D("0.078947")
    assert depeg_to_liquidation(D("1.2"), D(0), D(1), D("0.95")) is None
    # both sides fall together: no uniform fall liquidates, which the naive ETH price level would claim
    legs = (Leg("wstETH", D(2400), D(10), D(0), D("0.95")), Leg("WETH", D(2000), D(0), D("10.5"), D("0.95")))
    assert group_drop(legs, ("wstETH", "WETH")) is not None and (group_drop(legs, ("wstETH", "WETH")) or 0) == 1
    assert group_drop(legs, ("WETH",)) is None


def test_zero_threshold_counts_zero_and_weights_are_not_prices() -> None:
    legs = (
        Leg("WETH", D(2000), D(10), D(0), D("0.8")), Leg("JUNK", D(1), D(10**9), D(0), D(0)),
        Leg("DAI", D(1), D(0), D(12_000), D(0)),
    )  # fmt: skip
    assert health_factor(legs) == D(16_000) / 12_000
    assert liquidation_price(legs, "JUNK") is None
    mixed = (Leg("WETH", D(2000), D(10), D(0), D("0.8")), Leg("USDC", D(1), D(5000), D(0), D("0.75")),
             Leg("DAI", D(1), D(0), D(12_000), D(0)))  # fmt: skip
    right, naive = liquidation_price(mixed, "WETH"), D(2000) / (health_factor(mixed) or D(1))
    assert right == D("1031.25")
    assert naive > right + 180  # scaled by the collateral weight: 1215
