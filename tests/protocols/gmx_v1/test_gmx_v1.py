"""GMX v1 by hand: there is no recording of its positions. Expected numbers follow Vault.sol and are worked out here.

Vault.increasePosition: collateral + collateralDelta - fee, size + sizeDelta. Vault._decreasePosition: size - sizeDelta, then
UpdatePosition, or ClosePosition with the size before when nothing is left.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.decode import abi
from indexer.errors import BadData, NegativeBalance, WrongRegime
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Books, Deployment
from indexer.protocols import discover
from indexer.protocols.gmx_v1.checks import checks
from indexer.run import follow_chain
from indexer.types import Logs
from tests.conftest import SHARED

VAULT, WETH, USDC, ALICE, BOB = (f"0x{n:040x}" for n in range(1, 6))
USD = 10**30
CHAIN_ID = 31337


def key_of(account: str, collateral: str, index: str, *, long: bool) -> str:
    """Vault.getPositionKey: of the packed words."""
    packed = "".join(part[2:] for part in (account, collateral, index)) + ("01" if long else "00")
    return "0x" + keccak(bytes.fromhex(packed)).hex()


class Chain:
    """Logs written by hand, all of one block; `old` is the vault whose UpdatePosition has no mark price."""

    def __init__(self, *, old: bool = False) -> None:
        self.book = Book(CHAIN_ID, "gmx_v1", "gmx", lambda keys: {})
        self.desk = Desk(discover()["gmx_v1"], self.book)
        self.desk.open([Deployment(11, "gmx_v1", CHAIN_ID, "test", 0, {"Vault": VAULT})])
        self.logs, self.old = Logs(), old

    def add(self, name: str, *values: Any) -> None:
        layouts = abi.events("gmx_v1", "Vault")[name]
        layout = next(found for found in layouts if len(found.static) == len(values))
        kinds = layout.signature.split("(")[1].rstrip(")").split(",")
        packed = [bytes.fromhex(v[2:]) if kind == "bytes32" else v for kind, v in zip(kinds, values, strict=True)]
        logs = self.logs
        logs.block_number.append(1)
        logs.log_index.append(len(logs.log_index))
        logs.tx_index.append(0)
        logs.tx_hash.append("0x" + "ab" * 32)
        logs.block_hash.append("0x" + "cd" * 32)
        logs.address.append(VAULT)
        logs.topics.append((layout.topic0,))
        logs.data.append("0x" + encode(kinds, packed).hex())
        logs.timestamp.append(0)

    def trade(
        self, name: str, delta: tuple[int, int], after: tuple[int, int] | None, *, account: str = ALICE,
        collateral: str = WETH, long: bool = True, fee: int = 0, closed: int = 0,
    ) -> None:  # fmt: skip
        """`delta` and `after` are size and collateral; `after` None closes a position of size `closed`."""
        key = key_of(account, collateral, WETH, long=long)
        self.add(name, key, account, collateral, WETH, delta[1], delta[0], long, 2000 * USD, fee)
        if after is None:
            self.add("ClosePosition", key, closed, 0, 2000 * USD, 7, 8, -9)
        else:
            self.add("UpdatePosition", key, *after, 2000 * USD, 7, 8, -9, *([] if self.old else [2000 * USD]))

    def settle(self) -> None:
        self.desk.settle(self.desk.translate(self.logs), [], {1: 1_700_000_000})
        self.logs = Logs()

    def refuses(self, error: type[BadData], match: str) -> None:
        with pytest.raises(error, match=match):
            self.settle()

    def held(self, account: str = ALICE, side: str = "long", collateral: str = WETH) -> tuple[int, int]:
        key = self.book.markets[11, f"{collateral}-{WETH}"].key
        return self.book.position(key, account, side).shares, self.book.position(key, account, "margin").shares


def test_topics_are_those_of_the_fact_sheet_and_of_the_older_vault() -> None:
    topics = {layout.topic0 for found in abi.events("gmx_v1", "Vault").values() for layout in found}
    assert "0x2fe68525253654c21998f35787a8d0f361905ef647c854092430ab65f2f15022" in topics  # IncreasePosition
    older = "0x25e8a331a7394a9f09862048843323b00bdbada258f524f5ce624a45bf00aabb"  # UpdatePosition, as an indexer of Arbitrum has it
    assert older in topics
    if not (SHARED / "events.json").is_file():
        pytest.skip("the event sheet is not beside the repository")
    rows = json.loads((SHARED / "events.json").read_text())
    sheet = {row["topic0"] for row in rows if (row["protocol"], row["emitter"]) == ("GMX v1 (Vault)", "Vault")}
    assert topics - sheet == {older}


@pytest.mark.parametrize("old", [False, True])
def test_a_long_is_opened_grown_shrunk_and_closed(old: bool) -> None:
    chain = Chain(old=old)
    chain.trade("IncreasePosition", (1000 * USD, 100 * USD), (1000 * USD, 99 * USD), fee=USD)  # 100 less a fee of 1
    chain.trade("IncreasePosition", (500 * USD, 0), (1500 * USD, 98 * USD), fee=USD)  # the fee comes from what is there
    chain.trade("DecreasePosition", (300 * USD, 0), (1200 * USD, 90 * USD), fee=USD)  # a loss of 7 and the fee of 1
    chain.settle()
    assert chain.held() == (1200 * USD, 90 * USD)
    market = chain.book.markets[11, f"{WETH}-{WETH}"]
    assert market.extra == {
        "long_size": 1200 * USD, "short_size": 0, "long_tokens": 6 * USD // 10, "short_tokens": 0,
    }  # fmt: skip
    assert chain.book.position(market.key, ALICE, "long").extra == {
        "average_price": 2000 * USD, "entry_funding_rate": 7, "reserve_amount": 8, "realised_pnl": -9,
    }  # fmt: skip
    chain.trade("DecreasePosition", (1200 * USD, 0), None, closed=1200 * USD)
    chain.settle()
    assert chain.held() == (0, 0)
    assert set(market.extra.values()) == {0} and len(market.extra) == 4
    assert [(row[7], row[10]) for row in chain.book.rows["perp_action"]] == [
        ("increase", 1000 * USD), ("increase", 500 * USD), ("decrease", -300 * USD), ("decrease", -1200 * USD),
    ]  # fmt: skip


def test_margin_moves_without_size_are_deposits_and_withdrawals() -> None:
    chain = Chain()
    chain.trade("IncreasePosition", (1000, 100), (1000, 100), collateral=USDC, long=False)
    chain.trade("IncreasePosition", (0, 50), (1000, 149), collateral=USDC, long=False, fee=1)
    chain.trade("DecreasePosition", (0, 40), (1000, 109), collateral=USDC, long=False)
    chain.settle()
    assert chain.held(side="short", collateral=USDC) == (1000, 109)
    assert [(row[7], row[9], row[10], row[12]) for row in chain.book.rows["perp_action"]] == [
        ("increase", "short", -1000, 100), ("deposit", "short", 0, 50), ("withdraw", "short", 0, -40),
    ]  # fmt: skip


def test_a_liquidation_names_the_account_and_the_size_before() -> None:
    chain = Chain()
    chain.trade("IncreasePosition", (1000, 100), (1000, 100))
    chain.trade("IncreasePosition", (500, 50), (500, 50), account=BOB)
    key = key_of(ALICE, WETH, WETH, long=True)
    chain.add("LiquidatePosition", key, ALICE, WETH, WETH, True, 1000, 100, 8, -9, 1800 * USD)
    chain.settle()
    assert (chain.held(), chain.held(BOB)) == ((0, 0), (500, 50))
    assert chain.book.rows["perp_action"][-1][16] is True


def test_a_liquidation_of_another_size_stops_the_protocol() -> None:
    chain = Chain()
    chain.trade("IncreasePosition", (1000, 100), (1000, 100))
    key = key_of(ALICE, WETH, WETH, long=True)
    chain.add("LiquidatePosition", key, ALICE, WETH, WETH, True, 1001, 100, 8, -9, 1800 * USD)
    chain.refuses(WrongRegime, "was 1001 by the event but 1000 by the books")


@pytest.mark.parametrize("after", [(1001, 99), (1000, 100)])
def test_a_size_or_a_collateral_that_does_not_follow_stops_the_protocol(after: tuple[int, int]) -> None:
    chain = Chain()
    chain.trade("IncreasePosition", (1000, 100), after, fee=1)
    chain.refuses(WrongRegime, "1000 with 99 by the books")


def test_a_close_that_leaves_something_stops_the_protocol() -> None:
    chain = Chain()
    chain.trade("IncreasePosition", (1000, 100), (1000, 100))
    chain.trade("DecreasePosition", (999, 0), None, closed=1000)
    chain.refuses(WrongRegime, "1 is left by the books")


def test_a_key_that_nobody_named_stops_the_protocol() -> None:
    chain = Chain()
    chain.trade("IncreasePosition", (1000, 100), (1000, 100))
    chain.add("UpdatePosition", key_of(BOB, WETH, WETH, long=True), 1, 1, 1, 1, 1, 1, 1)
    chain.refuses(WrongRegime, "without whose it is")


def test_pools_and_the_accumulator() -> None:
    chain = Chain()
    chain.add("IncreasePoolAmount", WETH, 100)
    chain.add("DecreasePoolAmount", WETH, 30)
    chain.add("IncreaseReservedAmount", WETH, 5)
    chain.add("IncreaseGuaranteedUsd", WETH, 9)
    chain.add("UpdateFundingRate", WETH, 11)
    chain.settle()
    assert chain.book.markets[11, WETH].extra == {
        "pool_amount": 70, "reserved_amount": 5, "guaranteed_usd": 9, "cumulative_funding_rate": 11,
    }  # fmt: skip
    chain.add("DecreaseReservedAmount", WETH, 6)
    chain.refuses(NegativeBalance, "reserved_amount")


def test_prices_are_asked_of_the_vault_for_a_whole_token() -> None:
    chain = Chain()
    chain.trade("IncreasePosition", (1000, 100), (1000, 100), collateral=USDC, long=False)
    chain.settle()
    feeds = discover()["gmx_v1"].feeds
    assert feeds is not None
    assert [(feed.to, feed.asset, feed.unit_raw, feed.quote) for feed in feeds(chain.book.market_facts())] == [
        (VAULT, WETH, USD, "usd"), (VAULT, USDC, USD, "usd"),
    ]  # fmt: skip


def blocks() -> Sequence[Logs]:
    opened, paid, closed = Chain(), Chain(), Chain()
    opened.trade("IncreasePosition", (1000 * USD, 100 * USD), (1000 * USD, 100 * USD))
    paid.add("UpdateFundingRate", WETH, 7 + 250)  # 250 millionths of 1,000 USD: 0.25 USD
    closed.trade("DecreasePosition", (1000 * USD, 0), None, closed=1000 * USD)
    return opened.logs, paid.logs, closed.logs


def test_the_tables_and_views(tmp_path: Path, migrated_database: Callable[[], str]) -> None:
    """Through `index --replay`, closed and loaded anew at every block."""
    with gzip.open(tmp_path / "chain.jsonl.gz", "wt") as file:
        file.write(json.dumps({"meta": {"chain_id": CHAIN_ID, "first": 0, "head": 2, "tokens": {}}}) + "\n")
        for number, logs in enumerate(blocks()):
            header = {
                "number": hex(number), "hash": f"0x{number + 1:064x}", "parentHash": f"0x{number:064x}",
                "timestamp": hex(1_700_000_000 + 12 * number), "logsBloom": "0x" + "ff" * 256,
            }  # fmt: skip
            entries = [
                {
                    "address": VAULT, "topics": list(topics), "data": data, "blockNumber": header["number"],
                    "blockHash": header["hash"], "transactionHash": "0x" + "ab" * 32, "transactionIndex": "0x0",
                    "logIndex": hex(n), "removed": False,
                }
                for n, (topics, data) in enumerate(zip(logs.topics, logs.data, strict=True))
            ]  # fmt: skip
            file.write(json.dumps({"block": header, "logs": entries}) + "\n")
    with gzip.open(tmp_path / "reads.jsonl.gz", "wt") as file:
        file.write("")
    url = migrated_database()
    listed = DeploymentSettings(protocol="gmx_v1", name="test", start_block=0, contracts={"Vault": VAULT})
    chain = ChainSettings(name="test", chain_id=CHAIN_ID, protocols=("gmx_v1",), deployment=(listed,), all_headers=True)
    for block in range(3):
        follow_chain(chain, url, to=block, replay=tmp_path)
    with psycopg.connect(url, row_factory=dict_row) as connection:

        def rows(query: str) -> list[dict[str, Any]]:
            return connection.execute(query).fetchall()

        assert rows("SELECT error FROM cursor WHERE status = 'stopped'") == []
        held = rows(f"SELECT * FROM positions_at({CHAIN_ID}, 1) ORDER BY side")
        assert [(r["account"], r["side"], r["shares_raw"], r["amount_raw"]) for r in held] == [
            (ALICE, "long", 1000 * USD, None), (ALICE, "margin", 100 * USD, None),
        ]  # fmt: skip
        (position,) = rows(f"SELECT * FROM gmx_v1_positions_at({CHAIN_ID}, 1)")
        assert (position["size_usd_raw"], position["collateral_usd_raw"]) == (1000 * USD, 100 * USD)
        assert (position["average_price_raw"], position["realised_pnl_usd_raw"]) == (2000 * USD, -9)
        assert (position["funding_fee_usd_raw"], position["leverage"]) == (USD // 4, 10)
        assert rows(f"SELECT * FROM gmx_v1_positions_at({CHAIN_ID}, 2)") == []
        (state,) = rows(f"SELECT * FROM perp_market_state_at({CHAIN_ID}, 1)")
        # 1,000 USD at 2,000: half a token, whatever the price does; no node told the mark here
        assert (state["oi_convention"], state["long_oi_base"], state["short_oi_base"]) == (
            "one_sided",
            Decimal("0.5"),
            0,
        )
        assert (state["mark"], state["oi_usd"], state["margin_long"], state["n_long"]) == (None, None, 100, 1)
        (skews,) = rows(f"SELECT * FROM imbalance_at({CHAIN_ID}, 1)")
        assert (skews["oi_skew"], skews["account_skew"], skews["notional_to_oi"]) == (None, None, None)
        scaled = rows(
            "SELECT action, size_base, price, margin_delta, margin_unit, fee_usd, pnl_usd, is_adl FROM perp_events "
            "ORDER BY block_number"
        )
        half = Decimal("0.5")  # 1,000 USD at 2,000
        assert [tuple(row.values()) for row in scaled] == [
            ("increase", half, 2000, 100, "usd", 0, None, None), ("decrease", -half, 2000, 0, "usd", 0, None, None),
        ]  # fmt: skip
        connection.execute(
            "INSERT INTO perp_action (chain_id, block_number, log_index, leg, tx_index, tx_hash, deployment_key, market_key, "
            "action, trader, side, size_raw, is_liquidation, contract) SELECT chain_id, 1, 99, 0, 0, '', deployment_key, "
            "market_key, 'liquidation', decode(%s, 'hex'), 'long', %s, true, '' FROM market WHERE accounting = 'gmx_v1'",
            (ALICE[2:], -1000 * USD),
        )
        (forced,) = rows(f"SELECT block_number, side, size_raw FROM perp_liquidations({CHAIN_ID}, 0, 2)")
        assert tuple(forced.values()) == (1, "long", USD // 2)
        deployment = Deployment(11, "gmx_v1", CHAIN_ID, "test", 0, {"Vault": VAULT})
        markets = rows(f"SELECT * FROM markets_at({CHAIN_ID}, 1)")
    ours, other = checks(Books(deployment, (ALICE, BOB), held, (), markets))
    assert (ours.to, ours.expected[:2]) == (VAULT, (1000 * USD, 100 * USD))
    assert (other.account, other.expected[:2]) == (BOB, (0, 0))
    assert ours.data == "0x" + keccak(b"getPosition(address,address,address,bool)")[:4].hex() + "".join(
        word.rjust(64, "0") for word in (ALICE[2:], WETH[2:], WETH[2:], "1")
    )
