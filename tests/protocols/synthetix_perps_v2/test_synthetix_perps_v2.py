"""Synthetix Perps v2 by hand: no recording of it exists, so each trap has logs written here and its arithmetic beside it.

The logs go through `index --replay` and SQL, closed and loaded anew between two blocks.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.decode import abi
from indexer.errors import BadData, MissingFact, WrongRegime
from indexer.protocol import Books, Deployment
from indexer.protocols.synthetix_perps_v2 import PROTOCOL, snake
from indexer.run import follow_chain

MANAGER, LEGACY, SETTINGS, SUSD, ETH, OLD, ALICE, BOB, KEEPER = (f"0x{n:040x}" for n in range(1, 10))
E18 = 10**18
DAY = 86400
CHAIN = 31337
LISTED = {
    "FuturesMarketManager": MANAGER, "LegacyFuturesMarketManager": LEGACY, "PerpsV2MarketSettings": SETTINGS,
    "SynthsUSD": SUSD,
}  # fmt: skip
PARAMETERS = {
    "maxFundingVelocity": 9 * E18, "skewScale": 10**6 * E18, "liquidationBufferRatio": 75 * 10**14,
    "liquidationPremiumMultiplier": 15625 * 10**14,
}  # fmt: skip


def word(value: int | str) -> str:
    if isinstance(value, int):
        return f"{value % 2**256:064x}"
    return value[2:].rjust(64, "0") if value.startswith("0x") else value.encode().hex().ljust(64, "0")


def topic(kind: str, event: str, words: int) -> str:
    """The topic of the form of an event that has so many words of data."""
    (found,) = (form for form in abi.events(PROTOCOL.abi_folder, kind)[event] if len(form.static) == words)
    return found.topic0


class Chain:
    """Logs written by hand, block after block, as a recording."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.blocks: list[tuple[int, list[dict[str, Any]]]] = []
        self.prices: list[dict[str, Any]] = []
        self.now = 1_680_000_000
        self.next()
        self.setting("ParameterUpdated", ["sETHPERP", "maxLeverage"], 100 * E18)  # may come before the listing
        self.add(LEGACY, "LegacyFuturesMarketManager", "MarketAdded", ["sETH", "sETH"], [OLD])
        self.add(LEGACY, "LegacyFuturesMarketManager", "MarketAdded", ["sETH", "sETHPERP"], [ETH])
        self.index = 0

    def next(self, seconds: int = 2, price: int | None = None) -> None:
        self.now += seconds
        self.blocks.append((self.now, []))
        if price is not None:
            result = "0x" + word(price * E18) + word(0)
            self.prices.append(
                {
                    "block": len(self.blocks),
                    "label": {},
                    "to": ETH,
                    "data": abi.selector("assetPrice()"),
                    "result": result,
                }
            )

    def add(self, at: str, kind: str, event: str, topics: Sequence[int | str], words: Sequence[int | str]) -> None:
        logs = self.blocks[-1][1]
        number = f"{len(self.blocks):#x}"
        logs.append({
            "address": at, "topics": [topic(kind, event, len(words)), *("0x" + word(value) for value in topics)],
            "data": "0x" + "".join(map(word, words)), "blockHash": "0x" + word(len(self.blocks)), "blockNumber": number,
            "transactionHash": "0x" + "ab" * 32, "transactionIndex": "0x0", "logIndex": f"{len(logs):#x}", "removed": False,
        })  # fmt: skip

    def setting(self, event: str, topics: Sequence[str], value: int) -> None:
        self.add(SETTINGS, "PerpsV2MarketSettings", event, topics, [value])

    def parameters(self) -> None:
        for name, value in PARAMETERS.items():
            self.setting("ParameterUpdated", ["sETHPERP", name], value)
        self.setting("LiquidationFeeRatioUpdated", [], 35 * 10**14)
        self.setting("MinKeeperFeeUpdated", [], E18)
        self.setting("MaxKeeperFeeUpdated", [], 1000 * E18)
        self.setting("KeeperLiquidationFeeUpdated", [], 2 * E18)

    def recompute(self, funding: int = 0, rate: int = 0, market: str = ETH) -> None:
        self.index += 1
        self.add(market, "PerpsV2Proxy", "FundingRecomputed", [], [funding, rate, self.index, self.now])

    def modify(
        self, account: str, margin: int, size: int, traded: int, price: int, skew: int | None, index: int | None = None,
        market: str = ETH,
    ) -> None:  # fmt: skip
        words = [margin, size, traded, price, self.index if index is None else index, 0]
        self.add(market, "PerpsV2Proxy", "PositionModified", [7, account], words if skew is None else [*words, skew])

    def settle(self, stops: Sequence[int] = ()) -> psycopg.Connection[Any]:
        """Index up to each stop and then to the end, every time with the books loaded anew."""
        with gzip.open(self.folder / "chain.jsonl.gz", "wt") as file:
            file.write(json.dumps({"meta": {"chain_id": CHAIN}}) + "\n")
            for number, (seconds, logs) in enumerate(self.blocks, 1):
                header = {
                    "hash": "0x" + word(number), "parentHash": "0x" + word(number - 1), "number": f"{number:#x}",
                    "timestamp": f"{seconds:#x}",
                }  # fmt: skip
                file.write(json.dumps({"block": header, "logs": logs}) + "\n")
        with gzip.open(self.folder / "reads.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(line) + "\n" for line in self.prices)
        deployment = DeploymentSettings(protocol="synthetix_perps_v2", name="hand", start_block=1, contracts=LISTED)
        chain = ChainSettings(name="hand", chain_id=CHAIN, protocols=("synthetix_perps_v2",), deployment=(deployment,))
        for stop in (*stops, "latest"):
            follow_chain(chain, self.url, to=stop, replay=self.folder)
        return psycopg.connect(self.url, row_factory=dict_row)

    def refuses(self, error: type[BadData], match: str) -> None:
        with self.settle() as db:
            row = db.execute("SELECT status, error FROM cursor").fetchone()
        assert row and row["status"] == "stopped"
        assert row["error"]["error"] == error.__name__
        assert match in row["error"]["message"]


@pytest.fixture
def chain(tmp_path: Path, migrated_database: Callable[[], str]) -> Iterator[Chain]:
    yield Chain(tmp_path, migrated_database())


def held(db: psycopg.Connection[Any], block: int | None = None) -> dict[tuple[str, str], int]:
    rows = db.execute("SELECT account, side, amount_raw FROM positions_at(%s, %s)", (CHAIN, block)).fetchall()
    return {(row["account"], row["side"]): int(row["amount_raw"]) for row in rows}


def positions(db: psycopg.Connection[Any], block: int | None = None) -> dict[str, dict[str, Any]]:
    rows = db.execute("SELECT * FROM synthetix_perps_v2_positions_at(%s, %s)", (CHAIN, block)).fetchall()
    return {row["account"]: row for row in rows}


# ---------------------------------------------------------------------------------------------- what events say


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


# ------------------------------------------------------------------------------------------- what the views say


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
