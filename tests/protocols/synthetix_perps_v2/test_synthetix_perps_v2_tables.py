"""Synthetix Perps v2 by hand: what functions and views say of positions, margins and markets."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import psycopg

from indexer.protocol import Books, Deployment
from indexer.protocols.synthetix_perps_v2 import PROTOCOL
from tests.protocols.synthetix_perps_v2.by_hand import (
    ALICE,
    BOB,
    CHAIN,
    DAY,
    E18,
    ETH,
    LISTED,
    Chain,
    positions,
)


def test_remaining_margin_a_day_later(chain: Chain) -> None:
    """Alice buys 100 at 1200.06 and Bob sells nothing yet; a day later the price is 1300.

    skew / scale = 100 / 1e6 = 0.0001; velocity = 0.0001 * 9 = 0.0009 a day; rate = 0 + 0.0009 * 1 = 0.0009
    unrecorded   = -(0 + 0.0009) / 2 * 1 * 1300 = -0.585 sUSD per unit; funding = 100 * -0.585 = -58.5
    profit       = 100 * (1300 - 1200.06) = 9994; remaining = 5000 + 9994 - 58.5 = 14935.5
    notional     = 130000; liquidation margin = 130000 * 0.0075 + 130000 * 0.0035 + 2 = 975 + 455 + 2 = 1432
    premium      = 100 / 1e6 * 130000 * 1.5625 = 20.3125
    """
    chain.parameters()
    chain.recompute()
    chain.modify(ALICE, 5000 * E18, 100 * E18, 100 * E18, 120006 * 10**16, skew=100 * E18)
    chain.next(DAY, price=1300)
    chain.setting("MinInitialMarginUpdated", [], 40 * E18)  # a log, so that the price of this block is read
    with chain.settle() as db:
        row = positions(db)[ALICE]
        assert (row["side"], row["size_raw"], row["margin_raw"], row["market_name"]) == (
            "long", 100 * E18, 5000 * E18, "sETHPERP",
        )  # fmt: skip
        assert (row["price_raw"], row["profit_raw"], row["funding_raw"]) == (1300 * E18, 9994 * E18, -585 * 10**17)
        assert row["remaining_margin_raw"] == 149355 * 10**17
        assert (row["notional_raw"], row["liquidation_margin_raw"]) == (130000 * E18, 1432 * E18)
        assert (row["liquidation_premium_raw"], row["can_liquidate"]) == (203125 * 10**14, False)
        assert round(row["leverage"], 6) == round(130000 * 10 / type(row["leverage"])(149355), 6)
        assert positions(db, 1)[ALICE]["remaining_margin_raw"] is None, "no price was read at block 1"


def test_funding_counts_from_the_position_s_own_index(chain: Chain) -> None:
    """Alice is long 100 since index 1 (value 0), Bob short 40 since index 2 (value -0.585, rate 0.0009), price 1300.

    half a day later: skew 60: velocity = 0.00006 * 9 = 0.00054; rate = 0.0009 + 0.00054 / 2 = 0.00117
    unrecorded = -(0.0009 + 0.00117) / 2 * 0.5 * 1300 = -0.001035 * 650 = -0.67275
    Alice: net = -0.585 - 0.67275 - 0 = -1.25775, times 100 = -125.775
    Bob:   net = -0.67275, times -40 = 26.91: he is paid; profit -40 * (1300 - 1299.97) = -1.2
    """
    chain.parameters()
    chain.recompute()
    chain.modify(ALICE, 5000 * E18, 100 * E18, 100 * E18, 1300 * E18, skew=100 * E18)
    chain.next(DAY)
    chain.recompute(funding=-585 * 10**15, rate=9 * 10**14)
    chain.modify(BOB, 3000 * E18, -40 * E18, -40 * E18, 129997 * 10**16, skew=60 * E18)
    chain.next(DAY // 2, price=1300)
    chain.setting("MinInitialMarginUpdated", [], 40 * E18)
    with chain.settle(stops=(2,)) as db:
        rows = positions(db)
        assert (rows[ALICE]["funding_raw"], rows[BOB]["funding_raw"]) == (-125775 * 10**15, 2691 * 10**16)
        assert rows[BOB]["profit_raw"] == -12 * 10**17
        assert rows[BOB]["remaining_margin_raw"] == 3000 * E18 + 2691 * 10**16 - 12 * 10**17


def test_who_can_be_liquidated(chain: Chain) -> None:
    """Long 100 from 1300, margin 1500, no time passes: at 1295 the margin is 1500 - 500 = 1000.

    notional 129500: buffer 971.25 + fee 453.25 + keeper 2 = 1426.5; less the premium 100/1e6*129500*1.5625 = 20.234375
    979.765625 <= 1426.5: yes. At 1280 nothing is left: 1500 - 2000 < 0, remaining 0 and no leverage.
    """
    chain.parameters()
    chain.recompute()
    chain.modify(ALICE, 1500 * E18, 100 * E18, 100 * E18, 1300 * E18, skew=100 * E18)
    for price in (1295, 1280):
        chain.next(0, price=price)
        chain.setting("MinInitialMarginUpdated", [], 40 * E18)
    with chain.settle() as db:
        row = positions(db, 2)[ALICE]
        assert (row["remaining_margin_raw"], row["liquidation_margin_raw"]) == (1000 * E18, 14265 * 10**17)
        assert (row["liquidation_premium_raw"], row["can_liquidate"]) == (20234375 * 10**12, True)
        row = positions(db)[ALICE]
        assert (row["remaining_margin_raw"], row["leverage"], row["can_liquidate"]) == (0, None, True)


def test_without_a_parameter_a_number_is_unknown_never_guessed(chain: Chain) -> None:
    chain.recompute()
    chain.modify(ALICE, 1500 * E18, 100 * E18, 100 * E18, 1300 * E18, skew=100 * E18)
    chain.modify(BOB, 700 * E18, 0, 0, 1300 * E18, skew=100 * E18)
    chain.next(10, price=1300)
    chain.setting("MinInitialMarginUpdated", [], 40 * E18)
    with chain.settle() as db:
        row = positions(db)[ALICE]
        unknown = ("funding_raw", "remaining_margin_raw", "liquidation_margin_raw", "can_liquidate", "leverage")
        assert (row["profit_raw"], [row[name] for name in unknown]) == (0, [None] * 5)
        row = positions(db)[BOB]
        assert (row["side"], row["remaining_margin_raw"], row["can_liquidate"]) == (None, 700 * E18, False)


def test_arithmetic_truncates_toward_zero_and_the_skew_is_capped(migrated_database: Callable[[], str]) -> None:
    """-7 * 0.5 = -3.5, -3 in Solidity and -4 by floor; a skew of 3 of a scale of 2 counts as 1, below -1 as -1."""
    with psycopg.connect(migrated_database()) as db:
        row = db.execute(
            "SELECT synthetix_times(-7, 5e17), synthetix_over(-7, 2e18),"
            " synthetix_perps_v2_funding_rate(3e18, 2e18, 9e18, 0, 1e18),"
            " synthetix_perps_v2_funding_rate(-5e18, 2e18, 9e18, 1e18, 5e17),"
            # -((3 + 4) / 2) = -3.5, -3; times half a day -1.5, -1; times a price of 2
            " synthetix_perps_v2_unrecorded(3, 4, 5e17, 2e18)"
        ).fetchone()
    assert row == (-3, -3, 9 * E18, E18 - 45 * 10**17, -2)


def test_checks_ask_for_the_stored_position(chain: Chain) -> None:
    chain.recompute()
    chain.modify(BOB, 700 * E18, -3 * E18, -3 * E18, 1300 * E18, skew=-3 * E18)
    with chain.settle() as db:
        deployment = Deployment(1, "synthetix_perps_v2", CHAIN, "hand", 1, LISTED)
        rows = [db.execute(f"SELECT * FROM {name}").fetchall() for name in ("positions", "markets")]
        assert PROTOCOL.checks is not None
        found = PROTOCOL.checks(Books(deployment, (ALICE, BOB), rows[0], [], rows[1]))
    assert [check.expected for check in found] == [
        (None, None, 0, 0, 0), (None, None, 700 * E18, 1300 * E18, 2**256 - 3 * E18),
    ]  # fmt: skip
    assert {check.to for check in found} == {ETH}


def test_as_a_perp_venue(chain: Chain) -> None:
    """Longs 5, shorts 2 at 10 sUSD and a skew scale of a million: the next unit costs 10 x (1 + 3e-6)."""
    chain.parameters()
    chain.recompute(rate=E18 // 100)
    chain.modify(ALICE, 25 * E18, 5 * E18, 5 * E18, 10 * E18, skew=5 * E18)
    chain.modify(BOB, 20 * E18, -2 * E18, -2 * E18, 10 * E18, skew=3 * E18)
    chain.next(price=10)
    chain.recompute(rate=E18 // 100)
    chain.modify(BOB, 20 * E18, -2 * E18, 0, 10 * E18, skew=3 * E18)
    chain.next(price=10)
    chain.recompute(rate=E18 // 100)
    chain.add(ETH, "PerpsV2Proxy", "PositionLiquidated", [], [7, ALICE, BOB, 5 * E18, 9 * E18, E18, E18, 0])
    chain.modify(ALICE, 0, 0, 0, 9 * E18, skew=-2 * E18)
    with chain.settle() as db:
        row = db.execute("SELECT * FROM perp_market_state_at(%s, 2)", (CHAIN,)).fetchone()
        assert row
        assert (row["oi_convention"], row["long_oi_base"], row["short_oi_base"], row["oi_base"]) == ("pool", 5, 2, 7)
        assert (row["index"], row["mark"], row["margin_long"], row["margin_short"]) == (10, Decimal("10.00003"), 25, 20)
        assert (row["n_long"], row["n_short"], row["funding_interval_s"]) == (1, 1, 86_400)
        assert row["funding_rate"] == Decimal("0.01")
        skews = db.execute("SELECT * FROM imbalance_at(%s, 2)", (CHAIN,)).fetchone()
        assert skews
        assert (skews["basis"], skews["funding_annualised"], skews["account_skew"]) == (
            Decimal("0.000003"),
            Decimal("3.65"),
            0,
        )
        # twice against once: (2 - 1) / 3
        assert round(skews["leverage_skew"], 9) == round(Decimal(1) / 3, 9)
        forced = db.execute("SELECT block_number, side, size_raw FROM perp_liquidations(%s, 1, 3)", (CHAIN,)).fetchall()
        assert [tuple(one.values()) for one in forced] == [(3, "long", 5 * E18)]
