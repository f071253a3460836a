"""GMX v2 through `index --replay` into the tables, closed and loaded anew at every block, and what SQL says of it.

The chain is written by hand: four blocks of packed logs. Expected numbers are worked out beside them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.protocol import Books, Deployment
from indexer.protocols.gmx_v2.checks import checks, field, position_key
from indexer.run import follow_chain
from tests.protocols.gmx_v2.test_gmx_v2 import ALICE, BOB, EMITTER, MARKET, USD, USDC, WETH, Chain

CHAIN_ID = 31337


def write(folder: Path, blocks: list[Chain]) -> None:
    """Write one block for each list of logs."""
    tokens = {WETH: {"symbol": "WETH", "decimals": 18}, USDC: {"symbol": "USDC", "decimals": 6}}
    with gzip.open(folder / "chain.jsonl.gz", "wt") as file:
        file.write(
            json.dumps({"meta": {"chain_id": CHAIN_ID, "first": 0, "head": len(blocks) - 1, "tokens": tokens}}) + "\n"
        )
        for number, chain in enumerate(blocks):
            header = {
                "number": hex(number), "hash": f"0x{number + 1:064x}", "parentHash": f"0x{number:064x}",
                "timestamp": hex(1_700_000_000 + 12 * number), "logsBloom": "0x" + "ff" * 256,
            }  # fmt: skip
            logs = chain.logs
            entries: list[dict[str, Any]] = [
                {
                    "address": address, "topics": list(topics), "data": data, "blockNumber": header["number"],
                    "blockHash": header["hash"], "transactionHash": "0x" + "ab" * 32, "transactionIndex": "0x0",
                    "logIndex": hex(n), "removed": False,
                }
                for n, (address, topics, data) in enumerate(zip(logs.address, logs.topics, logs.data, strict=True))
            ]  # fmt: skip
            file.write(json.dumps({"block": header, "logs": entries}) + "\n")
    with gzip.open(folder / "reads.jsonl.gz", "wt") as file:
        file.write("")


def four_blocks() -> list[Chain]:
    created, opened, grown, closed = (Chain() for _ in range(4))
    for chain in (opened, grown, closed):
        chain.logs = type(chain.logs)()
    # 10,000 USD at 2,000 with 1,000 USDC; the position notes factor 5 and funding 6
    opened.side("OpenInterestUpdated", 10_000 * USD, 10_000 * USD)
    opened.side("OpenInterestInTokensUpdated", 5 * 10**18, 5 * 10**18)
    opened.side("CollateralSumUpdated", 10**9, 10**9)
    opened.position("PositionIncrease", (10_000 * USD, 5 * 10**18, 10**9), (10_000 * USD, 5 * 10**18, 10**9))
    opened.add("OraclePriceUpdate", token=WETH, minPrice=1999 * 10**12, maxPrice=2001 * 10**12)
    opened.add("OraclePriceUpdate", token=USDC, minPrice=10**24, maxPrice=10**24)
    # one thousandth of the size is owed: 10 USD; funding of (10**15 + 1) a size of 10**30 * 10**15: rounded up
    grown.add("CumulativeBorrowingFactorUpdated", market=MARKET, isLong=True, nextValue=5 + 10**27)
    grown.add("FundingFeeAmountPerSizeUpdated", market=MARKET, collateralToken=USDC, isLong=True, value=6 + 10**15 + 1)
    closed.side("OpenInterestUpdated", -10_000 * USD, 0)
    closed.side("OpenInterestInTokensUpdated", -5 * 10**18, 0)
    closed.side("CollateralSumUpdated", -(10**9), 0)
    closed.position("PositionDecrease", (0, 0, 0), (10_000 * USD, 5 * 10**18, 0), kind=7, basePnlUsd=-900 * USD)
    return [created, opened, grown, closed]


def test_where_the_data_store_keeps_a_position() -> None:
    """PositionUtils.getPositionKey and PositionStoreUtils, encoded by eth-abi."""
    key = keccak(encode(["address", "address", "address", "bool"], [ALICE, MARKET, USDC, True]))
    assert position_key(ALICE, MARKET, USDC, True) == key
    name = keccak(encode(["string"], ["SIZE_IN_TOKENS"]))
    assert field(key, "SIZE_IN_TOKENS") == "0x" + keccak(encode(["bytes32", "bytes32"], [key, name])).hex()


def test_the_tables_and_views(tmp_path: Path, migrated_database: Callable[[], str]) -> None:
    write(tmp_path, four_blocks())
    url = migrated_database()
    listed = DeploymentSettings(protocol="gmx_v2", name="test", start_block=0, contracts={"EventEmitter": EMITTER})
    chain = ChainSettings(name="test", chain_id=CHAIN_ID, protocols=("gmx_v2",), deployment=(listed,), all_headers=True)
    for block in range(4):
        follow_chain(chain, url, to=block, replay=tmp_path)
    with psycopg.connect(url, row_factory=dict_row) as connection:

        def rows(query: str) -> list[dict[str, Any]]:
            return connection.execute(query).fetchall()

        assert rows("SELECT error FROM cursor WHERE status = 'stopped'") == []
        held = rows(f"SELECT * FROM positions_at({CHAIN_ID}, 2) ORDER BY side")
        assert [(r["account"], r["side"], r["asset"], r["symbol"], r["shares_raw"], r["amount_raw"]) for r in held] == [
            (ALICE, "long", WETH, "WETH", 5 * 10**18, 5 * 10**18),
            (ALICE, "margin", USDC, "USDC", 10**9, 10**9),
        ]
        assert [(r["price_usd"], r["amount_usd"]) for r in held] == [(2000, 10_000), (1, 1_000)]
        (position,) = rows(f"SELECT * FROM gmx_v2_positions_at({CHAIN_ID}, 2)")
        assert (position["market_token"], position["account"], position["side"]) == (MARKET, ALICE, "long")
        assert (position["index_token"], position["collateral_token"]) == (WETH, USDC)
        assert position["size_in_usd_raw"] == 10_000 * USD
        assert position["collateral_amount_raw"] == 10**9
        assert position["entry_price"] == 2000 * 10**12
        assert position["borrowing_fee_usd_raw"] == 10 * USD
        # 10**34 * (10**15 + 1) / 10**45 = 10**4 and a bit
        assert position["funding_fee_raw"] == 10**4 + 1
        markets = rows(f"SELECT * FROM markets_at({CHAIN_ID}, 2)")
        store = Deployment(11, "gmx_v2", CHAIN_ID, "test", 0, {"DataStore": BOB})
        found = checks(Books(store, (ALICE,), held, (), markets))
        assert [(check.what, check.expected) for check in found] == [
            ("size", (5 * 10**18,)), ("collateral", (10**9,)), ("size", (0,)), ("collateral", (0,)),
        ]  # fmt: skip
        assert rows(f"SELECT * FROM positions_at({CHAIN_ID}, 3)") == []
        assert rows(f"SELECT * FROM gmx_v2_positions_at({CHAIN_ID}, NULL)") == []
        actions = rows("SELECT action, side, size_raw, pnl_raw, is_liquidation FROM perp_events ORDER BY block_number")
        assert [tuple(row.values()) for row in actions] == [
            ("increase", "long", 5 * 10**18, None, False),
            ("liquidation", "long", -5 * 10**18, -900 * USD, True),
        ]
        scaled = rows(
            "SELECT size_base, price, margin_delta, margin_unit, fee_usd, pnl_usd, is_adl FROM perp_events ORDER BY block_number"
        )
        # 5e18 base units of 18 decimals; 2e15 USD of one, 1e30, are 2,000 of a whole token; 1e9 base units of USDC are 1,000;
        # the liquidation left no collateral to take out
        assert [tuple(row.values()) for row in scaled] == [
            (5, 2000, 1000, USDC, None, None, False),
            (-5, 2000, 0, USDC, None, -900, False),
        ]

        (state,) = rows(f"SELECT * FROM perp_market_state_at({CHAIN_ID}, 2)")
        assert (state["venue"], state["market"], state["oi_convention"]) == (
            "gmx",
            f"gmx_v2:{CHAIN_ID}:{MARKET}",
            "pool",
        )
        # at mark: 5 tokens at 2,000, margin of 1,000 USDC: ten times
        assert (state["long_oi_base"], state["short_oi_base"], state["mark"], state["oi_usd"]) == (5, 0, 2000, 10_000)
        assert (state["margin_long"], state["margin_short"], state["n_long"], state["n_short"]) == (1000, 0, 1, 0)
        assert (state["index"], state["funding_rate"]) == (None, None)
        (skews,) = rows(f"SELECT * FROM imbalance_at({CHAIN_ID}, 2)")
        assert (skews["oi_skew"], skews["notional_to_oi"], skews["basis"], skews["leverage_skew"]) == (
            1,
            10,
            None,
            None,
        )
        (after,) = rows(f"SELECT oi_base, oi_usd, margin_long FROM perp_market_state_at({CHAIN_ID}, 3)")
        assert tuple(after.values()) == (0, 0, 0)
        (forced,) = rows(
            f"SELECT m.market_id, l.block_number, l.side, l.size_raw FROM perp_liquidations({CHAIN_ID}, 0, 3) l JOIN market m USING (market_key)"
        )
        assert tuple(forced.values()) == (f"gmx_v2:{CHAIN_ID}:{MARKET}", 3, "long", 5 * 10**18)
