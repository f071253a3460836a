"""GMX v2 by hand: there is no recording of positions. Logs are encoded by eth-abi, expected numbers are worked out here.

The contract's arithmetic (IncreasePositionUtils, DecreasePositionUtils, PositionUtils.getPositionPnlUsd):
an increase adds sizeDeltaUsd and sizeDeltaUsd / price tokens, rounded down for a long and up for a short; a decrease of a
part takes sizeInTokens * sizeDeltaUsd / sizeInUsd tokens, rounded up for a long and down for a short.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from indexer.decode import abi, dynamic
from indexer.errors import BadData, DecodeError, UnknownMarket, WrongRegime
from indexer.ledger.book import Book
from indexer.ledger.desk import DECIMALS, Desk
from indexer.protocol import Deployment
from indexer.protocols import discover
from indexer.protocols.gmx_v2 import NAMED
from indexer.protocols.gmx_v2.eventlog import items, name_hash
from indexer.types import Answer, Logs, Read
from tests.conftest import SHARED

EMITTER, MARKET, WETH, USDC, DOGE, ALICE, BOB = (f"0x{n:040x}" for n in range(1, 8))
USD = 10**30
EVENT_LOG_1 = "0x137a44067c8961cd7e1d876f4754a5a3a75989b4552f1843fc69c3b372def160"
KINDS = ("address", "uint256", "int256", "bool", "bytes32", "bytes", "string")
TYPES = ["address", "string", "(" + ",".join(f"((string,{kind})[],(string,{kind}[])[])" for kind in KINDS) + ")"]
GROUP = {
    "account": 0, "market": 0, "collateralToken": 0, "marketToken": 0, "indexToken": 0, "longToken": 0, "shortToken": 0,
    "token": 0, "provider": 0, "delta": 2, "basePnlUsd": 2, "isLong": 3, "orderKey": 4, "reason": 6,
}  # fmt: skip
"""Place of each key's group; the others are unsigned numbers."""


def packed(name: str, values: dict[str, Any], groups: dict[str, int] | None = None) -> str:
    found: list[tuple[list[Any], list[Any]]] = [([], []) for _ in KINDS]
    for key, value in values.items():
        found[(groups or {}).get(key, GROUP.get(key, 1))][0].append((key, value))
    return "0x" + encode(TYPES, (EMITTER, name, tuple(found))).hex()


class Chain:
    """Packed logs written by hand, all of block 1."""

    def __init__(self, index: str = WETH) -> None:
        self.book = Book(42161, "gmx_v2", "gmx", lambda keys: {})
        self.desk = Desk(discover()["gmx_v2"], self.book)
        self.desk.open([Deployment(11, "gmx_v2", 42161, "test", 0, {"EventEmitter": EMITTER})])
        self.logs = Logs()
        self.answers = [
            Answer(Read(1, token, DECIMALS, ""), f"0x{decimals:064x}") for token, decimals in ((WETH, 18), (USDC, 6))
        ]
        self.add("MarketCreated", marketToken=MARKET, indexToken=index, longToken=WETH, shortToken=USDC)

    def add(self, name: str, /, _data: str | None = None, **values: Any) -> None:
        groups = {"collateralDeltaAmount": 2} if name == "PositionIncrease" else None
        logs = self.logs
        logs.block_number.append(1)
        logs.log_index.append(len(logs.log_index))
        logs.tx_index.append(0)
        logs.tx_hash.append("0x" + "ab" * 32)
        logs.block_hash.append("0x" + "cd" * 32)
        logs.address.append(EMITTER)
        logs.topics.append((EVENT_LOG_1, "0x" + keccak(name.encode()).hex(), "0x" + "00" * 32))
        logs.data.append(packed(name, values, groups) if _data is None else _data)
        logs.timestamp.append(0)

    def side(self, name: str, delta: int, value: int, *, long: bool = True, collateral: str = USDC) -> None:
        self.add(name, market=MARKET, collateralToken=collateral, isLong=long, delta=delta, nextValue=value)

    def position(
        self, name: str, after: tuple[int, int, int], delta: tuple[int, int, int], *, account: str = ALICE,
        long: bool = True, collateral: str = USDC, kind: int = 2, **more: Any,
    ) -> None:  # fmt: skip
        """`after` and `delta` are size in USD, size in tokens and collateral."""
        self.add(
            name, account=account, market=MARKET, collateralToken=collateral, isLong=long, sizeInUsd=after[0],
            sizeInTokens=after[1], collateralAmount=after[2], borrowingFactor=5, fundingFeeAmountPerSize=6,
            longTokenClaimableFundingAmountPerSize=7, shortTokenClaimableFundingAmountPerSize=8,
            executionPrice=2000 * 10**12, sizeDeltaUsd=delta[0], sizeDeltaInTokens=delta[1],
            collateralDeltaAmount=delta[2], orderType=kind, **more,
        )  # fmt: skip

    def settle(self) -> None:
        facts = self.desk.translate(self.logs)
        assert {(read.to, read.data) for read in self.desk.wanted(facts)} >= {(WETH, DECIMALS), (USDC, DECIMALS)}
        self.desk.settle(facts, self.answers, {1: 1_700_000_000})
        self.logs = Logs()

    def refuses(self, error: type[BadData], match: str) -> None:
        with pytest.raises(error, match=match):
            self.settle()

    def held(self, account: str = ALICE, side: str = "long", collateral: str = USDC) -> tuple[int, int, int]:
        """Size in USD, size in tokens and collateral, as stored."""
        books = self.book.markets[11, f"{MARKET}-{collateral}"]
        margins = self.book.markets[11, f"{MARKET}-{collateral}-{side}"]
        position = self.book.position(books.key, account, side)
        margin = self.book.position(margins.key, account, "margin")
        return (position.extra or {}).get("size_in_usd", 0), position.shares, margin.shares


# ------------------------------------------------------------------------------------------------------- the walker


def test_names_and_topics_are_those_of_the_fact_sheet() -> None:
    assert abi.events("gmx_v2", "EventEmitter")["EventLog1"][0].topic0 == EVENT_LOG_1
    assert name_hash("PositionIncrease") == "0xf94196ccb31f81a3e67df18f2a62cbfb50009c80a7d3c728a3f542e3abc5cb63"
    assert name_hash("PositionDecrease") == "0x07d51b51b408d7c62dcc47cc558da5ce6a6e0fd129a427ebce150f52b0e5171a"
    if not (SHARED / "events.json").is_file():
        pytest.skip("the event sheet is not beside the repository")
    rows = json.loads((SHARED / "events.json").read_text())
    sheet = {row["name"]: row["topic1"] for row in rows if row["protocol"] == "GMX v2 name"}
    assert {name: name_hash(name) for name in NAMED} == {name: sheet[name] for name in NAMED}


def test_the_walker_reads_what_eth_abi_reads() -> None:
    values: tuple[tuple[list[Any], list[Any]], ...] = (
        ([("account", ALICE), ("market", MARKET)], [("path", [WETH, USDC])]),
        ([("sizeInUsd", 2**256 - 1), ("a key of more than thirty-two bytes, over two words", 0)], []),
        ([("delta", -(2**255)), ("next", 5)], [("many", [-1])]),
        ([("isLong", True), ("isShort", False)], []),
        ([("orderKey", b"\x07" * 32)], []),
        ([("raw", b"\x01\x02\x03")], []),
        ([("reason", "text")], [("reasons", ["a", "b"])]),
    )
    raw = encode(TYPES, (EMITTER, "Any", values))
    decoded = dynamic.decode(TYPES, raw)[2][:5]
    expected = {key: dynamic.house_form(value) for group, _ in decoded for key, value in group}
    assert len(expected) == 9
    assert items("0x" + raw.hex()) == expected


@pytest.mark.parametrize(
    ("cut", "reason"),
    [(slice(None, 100), "beyond"), (slice(None, -1), "hex"), (slice(2, None), "0x")],
)
def test_data_that_is_cut_does_not_decode(cut: slice, reason: str) -> None:
    data = packed("OraclePriceUpdate", {"token": WETH, "minPrice": 1, "maxPrice": 2})
    with pytest.raises(ValueError, match=reason):
        items(data[cut])


def test_words_are_checked() -> None:
    data = packed("OraclePriceUpdate", {"token": WETH, "isLong": True})
    word = WETH[2:].rjust(64, "0")
    with pytest.raises(ValueError, match="dirty high bytes"):
        items(data.replace(word, "1" + word[1:]))
    with pytest.raises(ValueError, match="twice"):
        items("0x" + encode(TYPES, (EMITTER, "", ((([("a", WETH), ("a", WETH)]), []), *[([], [])] * 6))).hex())


def test_a_key_that_is_absent_stops_the_protocol_and_other_names_are_not_even_decoded() -> None:
    chain = Chain()
    chain.add("OrderCancelled", "0x")
    chain.add("OraclePriceUpdate", token=WETH, minPrice=1)
    chain.refuses(DecodeError, "maxPrice")


# -------------------------------------------------------------------------------------------------------- positions


def test_a_long_grows_and_shrinks() -> None:
    chain = Chain()
    # 10,000 USD at 2,000: 5e18 base units; 1,000 USDC less a fee of 5
    chain.position("PositionIncrease", (10_000 * USD, 5 * 10**18, 995 * 10**6), (10_000 * USD, 5 * 10**18, 995 * 10**6))
    # a fifth closed at 2,100: 1e18 tokens, 2,100 - 2,000 = 100 USD of profit
    chain.position("PositionDecrease", (8_000 * USD, 4 * 10**18, 995 * 10**6), (2_000 * USD, 10**18, 0), kind=4,
                   basePnlUsd=100 * USD)  # fmt: skip
    chain.settle()
    assert chain.held() == (8_000 * USD, 4 * 10**18, 995 * 10**6)
    books = chain.book.markets[11, f"{MARKET}-{USDC}"]
    assert chain.book.position(books.key, ALICE, "long").extra == {
        "size_in_usd": 8_000 * USD, "collateral_amount": 995 * 10**6, "borrowing_factor": 5, "funding_fee_per_size": 6,
        "long_token_claimable_per_size": 7, "short_token_claimable_per_size": 8,
    }  # fmt: skip
    # side, size, price, margin, fee, pnl: what was bought is positive
    assert [row[9:15] for row in chain.book.rows["perp_action"]] == [
        ("long", 5 * 10**18, 2000 * 10**12, 995 * 10**6, None, None),
        ("long", -(10**18), 2000 * 10**12, 0, None, 100 * USD),
    ]


def test_long_and_short_and_each_collateral_are_positions_of_their_own() -> None:
    chain = Chain()
    chain.position("PositionIncrease", (100, 5, 30), (100, 5, 30))
    chain.position("PositionIncrease", (200, 7, 40), (200, 7, 40), long=False)
    chain.position("PositionIncrease", (300, 9, 50), (300, 9, 50), collateral=WETH)
    chain.position("PositionIncrease", (400, 9, 60), (400, 9, 60), account=BOB)
    chain.settle()
    assert chain.held() == (100, 5, 30)
    assert chain.held(side="short") == (200, 7, 40)
    assert chain.held(collateral=WETH) == (300, 9, 50)
    assert chain.held(BOB) == (400, 9, 60)
    assert [row[10] for row in chain.book.rows["perp_action"]] == [5, -7, 9, 9]


def test_margin_alone_moves_without_size() -> None:
    chain = Chain()
    chain.position("PositionIncrease", (100, 5, 30), (100, 5, 30))
    chain.position("PositionIncrease", (100, 5, 50), (0, 0, 20))
    chain.position("PositionDecrease", (100, 5, 10), (0, 0, 40), kind=4, basePnlUsd=0)
    chain.settle()
    assert chain.held() == (100, 5, 10)
    assert [row[12] for row in chain.book.rows["perp_action"]] == [30, 20, -40]


def test_a_liquidation_closes_and_is_named() -> None:
    chain = Chain()
    chain.position("PositionIncrease", (100, 5, 30), (100, 5, 30), long=False)
    chain.position("PositionDecrease", (0, 0, 0), (100, 5, 0), long=False, kind=7, basePnlUsd=-40)
    chain.settle()
    assert chain.held(side="short") == (0, 0, 0)
    last = chain.book.rows["perp_action"][-1]
    assert (last[7], last[10], last[14], last[16]) == ("liquidation", 5, -40, True)


def test_a_position_without_tokens_left_is_gone_though_usd_are_left() -> None:
    chain = Chain()
    # long of 3 tokens for 100: of 99 USD, ceil(3 * 99 / 100) = 3 tokens; 1 USD is left of nothing
    chain.position("PositionIncrease", (100, 3, 30), (100, 3, 30))
    chain.position("PositionDecrease", (0, 0, 0), (99, 3, 0), kind=4, basePnlUsd=0)
    chain.settle()
    assert chain.held() == (0, 0, 0)


@pytest.mark.parametrize("after", [(150, 5, 30), (200, 11, 30), (0, 0, 0)])
def test_a_size_that_does_not_follow_stops_the_protocol(after: tuple[int, int, int]) -> None:
    chain = Chain()
    chain.position("PositionIncrease", (100, 5, 30), (100, 5, 30))
    chain.position("PositionIncrease", after, (100, 5, 0))  # a log was lost, or a rule is wrong
    chain.refuses(WrongRegime, "200 and 10 by the books")


def test_an_older_release_without_a_profit_key() -> None:
    chain = Chain()
    chain.position("PositionIncrease", (100, 5, 30), (100, 5, 30))
    chain.position("PositionDecrease", (40, 2, 30), (60, 3, 0), kind=4)
    chain.settle()
    assert chain.book.rows["perp_action"][-1][14] is None


# ---------------------------------------------------------------------------------------- totals, accumulators, prices


def test_open_interest_is_kept_by_collateral_and_summed_by_market() -> None:
    chain = Chain()
    chain.side("OpenInterestUpdated", 100, 100)
    chain.side("OpenInterestUpdated", 50, 50, collateral=WETH)
    chain.side("OpenInterestUpdated", -30, 70)
    chain.side("OpenInterestInTokensUpdated", 7, 7, long=False)
    chain.side("CollateralSumUpdated", 9, 9)
    chain.add("CumulativeBorrowingFactorUpdated", market=MARKET, isLong=False, nextValue=3)
    chain.add("PoolAmountUpdated", market=MARKET, token=USDC, nextValue=4)
    chain.add("PositionImpactPoolAmountUpdated", market=MARKET, nextValue=5)
    chain.add("FundingFeeAmountPerSizeUpdated", market=MARKET, collateralToken=USDC, isLong=True, value=6)
    chain.settle()
    assert chain.book.markets[11, MARKET].extra == {
        "long_open_interest": 120, "short_open_interest_in_tokens": 7, "short_borrowing_factor": 3,
        "short_token_pool": 4, "impact_pool": 5,
    }  # fmt: skip
    assert chain.book.markets[11, f"{MARKET}-{USDC}"].extra == {
        "long_open_interest": 70, "short_open_interest_in_tokens": 7, "long_collateral": 9, "long_funding_fee_per_size": 6,
    }  # fmt: skip


def test_open_interest_that_does_not_follow_stops_the_protocol() -> None:
    chain = Chain()
    chain.side("OpenInterestUpdated", 100, 100)
    chain.side("OpenInterestUpdated", 100, 201)
    chain.refuses(WrongRegime, "is 201 by the event but 200 by the books")


def test_a_price_is_the_mean_and_its_unit_follows_the_decimals() -> None:
    chain = Chain(index=DOGE)  # no contract: nothing tells its decimals
    chain.settle()
    # 2,000 USD of 18 decimals: 2000 * 10**(30 - 18); 1 USD of 6: 10**24
    chain.add("OraclePriceUpdate", token=WETH, minPrice=1999 * 10**12, maxPrice=2001 * 10**12, provider=BOB)
    chain.add("OraclePriceUpdate", token=USDC, minPrice=10**24, maxPrice=10**24 + 1)
    chain.add("OraclePriceUpdate", token=DOGE, minPrice=10**21, maxPrice=10**21)
    chain.desk.settle(chain.desk.translate(chain.logs), [], {1: 1_700_000_000})
    assert [(row[1], row[4], row[5]) for row in chain.book.rows["price"]] == [
        (WETH, 2000 * 10**12, 10**12), (USDC, 10**24, 10**24), (DOGE, 10**21, None),
    ]  # fmt: skip


def test_a_market_that_was_never_created() -> None:
    chain = Chain()
    chain.add("CumulativeBorrowingFactorUpdated", market=BOB, isLong=True, nextValue=3)
    chain.refuses(UnknownMarket, "never listed")


def test_no_real_receipt_here_holds_such_events() -> None:
    """When one comes to the folder, decode it here against eth-abi."""
    file = SHARED / "mainnet" / "receipts.jsonl"
    if not file.is_file():
        pytest.skip("no receipts of public chains beside the repository")
    topics = [
        log["topics"][0]
        for line in file.read_text().splitlines()
        for log in json.loads(line)["receipt"]["logs"]
        if log["topics"]
    ]
    assert EVENT_LOG_1 not in topics
