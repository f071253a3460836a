"""Synthetix Perps v2 by hand: no recording of it exists, so each trap has logs written here and its arithmetic beside it.

The logs go through `index --replay` and SQL, closed and loaded anew between two blocks.
"""

from __future__ import annotations

import pytest

from indexer.errors import MissingFact, WrongRegime
from indexer.protocols.synthetix_perps_v2 import snake
from tests.protocols.synthetix_perps_v2.by_hand import (
    ALICE,
    BOB,
    CHAIN,
    E18,
    ETH,
    KEEPER,
    LEGACY,
    MANAGER,
    OLD,
    SUSD,
    Chain,
    held,
    positions,
)


def test_the_state_told_is_absolute(chain: Chain) -> None:
    """A transfer of 1000 and the PositionModified of the same call are one thousand, not two."""
    chain.recompute()
    chain.add(ETH, "PerpsV2Proxy", "MarginTransferred", [ALICE], [1000 * E18])
    chain.modify(ALICE, 1000 * E18, 0, 0, 1200 * E18, skew=0)
    chain.next()
    chain.recompute()
    # buys 2 at 1200 for a fee of 1.44: margin 998.56
    chain.modify(ALICE, 99856 * 10**16, 2 * E18, 2 * E18, 1200 * E18, skew=2 * E18)
    chain.next()
    chain.recompute()
    # an order is submitted: its keeper deposit of 2 leaves the margin, the size stays, the price is marked anew
    chain.modify(ALICE, 99656 * 10**16, 2 * E18, 0, 1201 * E18, skew=2 * E18)
    chain.next()
    chain.recompute()
    # sells 5: a short of 3
    chain.modify(ALICE, 99 * E18, -3 * E18, -5 * E18, 1210 * E18, skew=-3 * E18)
    with chain.settle(stops=(2,)) as db:
        assert held(db, 1) == {(ALICE, "margin"): 1000 * E18}
        assert held(db, 2) == {(ALICE, "margin"): 99856 * 10**16, (ALICE, "long"): 2 * E18}
        assert held(db, 3) == {(ALICE, "margin"): 99656 * 10**16, (ALICE, "long"): 2 * E18}
        assert held(db) == {(ALICE, "margin"): 99 * E18, (ALICE, "short"): 3 * E18}
        assert [row["last_price_raw"] for n in (2, 3, 4) for row in positions(db, n).values()] == [
            1200 * E18, 1201 * E18, 1210 * E18,
        ]  # fmt: skip
        rows = db.execute(
            "SELECT action, side, size_raw, margin_delta_raw FROM perp_events ORDER BY block_number"
        ).fetchall()
        assert [tuple(row.values()) for row in rows] == [
            ("deposit", None, None, 1000 * E18), ("trade", "long", 2 * E18, None), ("trade", "short", -5 * E18, None),
        ]  # fmt: skip
        rows = db.execute(
            "SELECT size_base, price, margin_delta, margin_unit, fee_usd, pnl_usd, is_adl FROM perp_events ORDER BY block_number"
        ).fetchall()
        assert [tuple(row.values()) for row in rows] == [
            (None, None, 1000, "usd", None, None, False), (2, 1200, None, None, 0, None, False),
            (-5, 1210, None, None, 0, None, False),
        ]  # fmt: skip
        row = db.execute("SELECT asset FROM positions WHERE side = 'margin'").fetchone()
        assert row and row["asset"] == SUSD, "margin is in sUSD, whatever the market trades"


def test_the_older_form_without_skew(chain: Chain) -> None:
    """Longs less shorts is the skew: 5 - 2 = 3, which the first event of the later form has to say too."""
    chain.recompute()
    chain.modify(ALICE, 100 * E18, 5 * E18, 5 * E18, 10 * E18, skew=None)
    chain.modify(BOB, 100 * E18, -2 * E18, -2 * E18, 10 * E18, skew=None)
    chain.next()
    chain.recompute()
    chain.modify(BOB, 110 * E18, -2 * E18, 0, 10 * E18, skew=3 * E18)
    with chain.settle() as db:
        assert held(db)[ALICE, "long"] == 5 * E18
        row = db.execute("SELECT extra FROM market_state ORDER BY block_number DESC LIMIT 1").fetchone()
        assert row and (row["extra"]["skew"], row["extra"]["long_size"], row["extra"]["short_size"]) == (
            3 * E18, 5 * E18, 2 * E18,
        )  # fmt: skip


def test_a_skew_that_does_not_follow_stops_the_protocol(chain: Chain) -> None:
    chain.recompute()
    chain.modify(ALICE, 100 * E18, 5 * E18, 5 * E18, 10 * E18, skew=6 * E18)
    chain.refuses(WrongRegime, "is 6000000000000000000 by the event but 5000000000000000000 by the books")


def test_a_funding_value_that_was_never_told_stops_the_protocol(chain: Chain) -> None:
    chain.recompute()
    chain.modify(ALICE, 100 * E18, 5 * E18, 5 * E18, 10 * E18, skew=5 * E18, index=9)
    chain.refuses(MissingFact, "at index 9 is needed and absent")


@pytest.mark.parametrize("late", [True, False])
def test_a_liquidation_has_two_steps(chain: Chain, late: bool) -> None:
    """Flagged, then gone: size and margin are zero by PositionModified, PositionLiquidated only tells about it."""
    chain.recompute()
    chain.modify(ALICE, 100 * E18, 5 * E18, 5 * E18, 10 * E18, skew=5 * E18)
    chain.next()
    chain.recompute()
    chain.add(ETH, "PerpsV2Proxy", "PositionFlagged", [], [7, ALICE, KEEPER, *([9 * E18] if late else []), chain.now])
    chain.next()
    chain.recompute()
    chain.modify(ALICE, 0, 0, 0, 8 * E18, skew=0 if late else None)
    fees = [2 * E18, 3 * E18, 4 * E18] if late else [9 * E18]  # flagger, liquidator, stakers; once their sum
    chain.add(ETH, "PerpsV2Proxy", "PositionLiquidated", [], [7, ALICE, KEEPER, 5 * E18, 8 * E18, *fees])
    with chain.settle(stops=(2,)) as db:
        assert [positions(db, n)[ALICE]["is_flagged"] for n in (1, 2)] == [False, True]
        assert held(db, 2) == {(ALICE, "margin"): 100 * E18, (ALICE, "long"): 5 * E18}
        assert held(db) == {}
        assert positions(db) == {}
        (row,) = db.execute(
            "SELECT side, size_raw, price_raw, fee_raw FROM perp_events WHERE is_liquidation"
        ).fetchall()
        assert tuple(row.values()) == ("short", -5 * E18, 8 * E18, 9 * E18)
        (row,) = db.execute("SELECT size_base, price, fee_usd, is_adl FROM perp_events WHERE is_liquidation").fetchall()
        assert tuple(row.values()) == (-5, 8, 9, False)  # 2 + 3 + 4, or once their sum


def test_markets_of_the_older_futures_are_not_taken_for_perps(chain: Chain) -> None:
    """The same manager lists them and they emit the same PositionModified, but their keys do not end in PERP."""
    chain.recompute(market=OLD)
    chain.modify(BOB, 5 * E18, E18, E18, E18, skew=None, market=OLD)
    with chain.settle() as db:
        assert held(db) == {}
        rows = db.execute("SELECT market_id FROM markets").fetchall()
        assert [row["market_id"] for row in rows] == [f"synthetix_perps_v2:{CHAIN}:{ETH}"]


def test_a_new_manager_lists_the_same_proxy_and_positions_stay(chain: Chain) -> None:
    chain.recompute()
    chain.modify(ALICE, 100 * E18, 5 * E18, 5 * E18, 10 * E18, skew=None)
    chain.next()
    chain.add(LEGACY, "LegacyFuturesMarketManager", "MarketRemoved", ["sETH", "sETHPERP"], [ETH])
    chain.next()
    chain.add(MANAGER, "FuturesMarketManager", "MarketAdded", ["sETH", "sETHPERP"], [ETH])
    with chain.settle(stops=(1,)) as db:
        assert held(db) == {(ALICE, "margin"): 100 * E18, (ALICE, "long"): 5 * E18}
        rows = [db.execute("SELECT regime FROM markets_at(%s, %s)", (CHAIN, n)).fetchall() for n in (1, 2, 3)]
        assert [row["regime"] for (row,) in rows] == ["listed", "removed", "listed"]
        (row,) = db.execute("SELECT name, value_raw FROM param WHERE qualifier = 'sETHPERP'").fetchall()
        assert tuple(row.values()) == ("max_leverage", 100 * E18)


def test_names_of_parameters() -> None:
    assert [snake(name) for name in ("maxFundingVelocity", "skewScale", "maxPD")] == [
        "max_funding_velocity", "skew_scale", "max_pd",
    ]  # fmt: skip
