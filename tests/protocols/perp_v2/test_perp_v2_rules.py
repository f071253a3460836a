"""Rules of Perpetual Protocol v2 by hand: small numbers, one test a trap."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from indexer.decode.abi import call
from indexer.errors import BadData, MissingFact, NegativeBalance, WrongRegime
from indexer.ledger.book import Book
from indexer.ledger.desk import DECIMALS, Desk
from indexer.protocol import Deployment
from indexer.protocols import discover
from indexer.types import Answer, Logs, Read

HOUSE, BALANCES, VAULT, REGISTRY, FUND, MANAGER, BASE, POOL, USDC, WETH, ALICE, BOB = (
    f"0x{n:040x}" for n in range(1, 13)
)
ONE = 10**18
PRICE_4 = 2 * 2**96
"""Square root of 4, as Uniswap writes it."""


def word(value: int | str) -> str:
    return f"{value % 2**256:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Chain:
    """Logs written by hand, all of one block and transaction unless `block` or `transaction` is set."""

    def __init__(self) -> None:
        self.book = Book(1, "perp_v2", "perpetual", lambda keys: {})
        self.desk = Desk(discover()["perp_v2"], self.book)
        self.topics = {
            (kind, layout.name): layout.topic0
            for kind, by_topic in self.desk.router.kinds.items()
            for layouts in by_topic.values()
            for layout in layouts
        }
        listed = {
            "ClearingHouse": HOUSE, "AccountBalance": BALANCES, "Vault": VAULT, "MarketRegistry": REGISTRY,
            "InsuranceFund": FUND, "CollateralManager": MANAGER,
        }  # fmt: skip
        self.emitters = {kind: address for kind, address in listed.items() if kind != "InsuranceFund"}
        self.emitters["BaseToken"] = BASE
        self.desk.open([Deployment(11, "perp_v2", 1, "test", 0, listed)])
        self.logs, self.block, self.transaction = Logs(), 1, 0
        self.answers = [Answer(Read(block, USDC, DECIMALS, ""), "0x" + word(6)) for block in range(1, 9)]
        self.add("MarketRegistry", "PoolAdded", [BASE, 3000, POOL], [])

    def add(self, kind: str, event: str, topics: Sequence[int | str], words: Sequence[int | str]) -> None:
        logs = self.logs
        logs.block_number.append(self.block)
        logs.log_index.append(len(logs.log_index))
        logs.tx_index.append(self.transaction)
        logs.tx_hash.append("0x" + "ab" * 32)
        logs.block_hash.append("0x" + "cd" * 32)
        logs.address.append(self.emitters[kind])
        logs.topics.append((self.topics[kind, event], *("0x" + word(topic) for topic in topics)))
        logs.data.append("0x" + "".join(map(word, words)))
        logs.timestamp.append(0)

    def deposit(self, account: str, amount: int, token: str = USDC) -> None:
        self.add("Vault", "Deposited", [token, account], [amount])

    def withdraw(self, account: str, amount: int, token: str = USDC) -> None:
        self.add("Vault", "Withdrawn", [token, account], [amount])

    def realize(self, account: str, amount: int) -> None:
        self.add("AccountBalance", "PnlRealized", [account], [amount])

    def change(self, account: str, size: int, notional: int, after: int, fee: int = 0, pnl: int = 0) -> None:
        self.add("ClearingHouse", "PositionChanged", [account, BASE], [size, notional, fee, after, pnl, PRICE_4])

    def order(self, account: str, liquidity: int) -> None:
        self.add("ClearingHouse", "LiquidityChanged", [account, BASE, USDC], [-60, 60, 0, 0, liquidity, 0])

    def collateral(self, token: str) -> None:
        self.add("CollateralManager", "CollateralAdded", [token], [POOL, 700_000, 100_000, 10**24])

    def settle(self) -> None:
        facts = self.desk.translate(self.logs)
        new = self.desk.learn(facts)
        rest = [row for row, address in enumerate(self.logs.address) if address in new]
        facts.extend(self.desk.translate(self.logs.take(rest)))
        self.desk.settle(facts, self.answers, dict.fromkeys(range(9), 1_700_000_000))

    def refuses(self, error: type[BadData], match: str) -> None:
        with pytest.raises(error, match=match):
            self.settle()

    def taker(self, account: str) -> tuple[int, int]:
        """Signed size and open notional, as stored."""
        key = self.book.markets[11, BASE].key
        long, short = (self.book.position(key, account, side) for side in ("long", "short"))
        assert long.shares == 0 or short.shares == 0
        extra = long.extra or short.extra or {}
        return long.shares - short.shares, extra.get("open_notional", 0)

    def margin(self, account: str, token: str = USDC) -> tuple[int, int]:
        """Signed balance and owed profit."""
        key = self.book.markets[11, token].key
        margin, debt = (self.book.position(key, account, side) for side in ("margin", "debt"))
        assert margin.shares == 0 or debt.shares == 0
        return margin.shares - debt.shares, (margin.extra or {}).get("owed_realized_pnl", 0)


# -------------------------------------------------------------------------------------------------------- positions


def test_a_long_turned_short_and_its_totals() -> None:
    chain = Chain()
    chain.change(ALICE, 5 * ONE, -20 * ONE, after=-21 * ONE, fee=ONE)
    # sells 7 for 28: 5/7 of what it gets closes the long, 20 - 21 = -1 lost; the short of 2 has got the rest
    chain.change(ALICE, -7 * ONE, 28 * ONE, after=8 * ONE, pnl=-ONE)
    chain.settle()
    assert chain.taker(ALICE) == (-2 * ONE, 8 * ONE)
    market = chain.book.markets[11, BASE]
    assert market.extra == {
        "long_size": 0, "short_size": 2 * ONE, "sqrt_price_x96": PRICE_4, "mark_price": 4 * ONE,
    }  # fmt: skip


def test_a_liquidator_takes_the_position_over() -> None:
    chain = Chain()
    chain.change(ALICE, 5 * ONE, -20 * ONE, after=-20 * ONE)
    chain.change(ALICE, -5 * ONE, 15 * ONE, after=0, pnl=-5 * ONE)
    chain.change(BOB, 5 * ONE, -15 * ONE + 3, after=-15 * ONE + 3)  # less the fee it earns
    chain.add("ClearingHouse", "PositionLiquidated", [ALICE, BASE], [15 * ONE, 5 * ONE, 6, BOB])
    chain.settle()
    assert (chain.taker(ALICE), chain.taker(BOB)) == ((0, 0), (5 * ONE, -15 * ONE + 3))


def test_an_open_notional_that_does_not_follow_stops_the_protocol() -> None:
    chain = Chain()
    chain.change(ALICE, 5 * ONE, -20 * ONE, after=-20 * ONE)
    chain.change(ALICE, 5 * ONE, -20 * ONE, after=-41 * ONE)  # a log was lost, or a rule is wrong
    chain.refuses(WrongRegime, "-41000000000000000000 by the event but -40000000000000000000 by the books")


def test_dust_is_deregistered_before_the_event_or_after_it() -> None:
    chain = Chain()
    chain.change(ALICE, 100, -400, after=-400)
    chain.change(ALICE, -93, 396, after=0)  # 2.x: 7 and -4 are left, forgotten, and the event says so
    chain.change(BOB, 100, -400, after=-400)
    chain.change(BOB, -93, 396, after=-4)  # 1.x: forgotten right after the event
    chain.settle()
    assert (chain.taker(ALICE), chain.taker(BOB)) == ((0, 0), (0, 0))


def test_dust_that_is_large_in_one_number_stays() -> None:
    chain = Chain()
    chain.change(ALICE, 100, -400, after=-400)
    chain.change(ALICE, -93, 390, after=-10)
    chain.settle()
    assert chain.taker(ALICE) == (7, -10)


def test_dust_of_a_maker_stays_until_its_last_order_is_gone() -> None:
    chain = Chain()
    chain.order(ALICE, 1000)
    chain.change(ALICE, 7, 0, after=0)
    chain.order(ALICE, -400)  # removeLiquidity: PositionChanged, then LiquidityChanged
    chain.change(ALICE, 100, -400, after=-400)
    chain.settle()
    assert chain.taker(ALICE) == (107, -400)


def test_dust_goes_with_the_last_order() -> None:
    chain = Chain()
    chain.order(ALICE, 1000)
    chain.change(ALICE, 7, 0, after=0)
    chain.order(ALICE, -1000)
    chain.change(ALICE, 100, -400, after=-400)
    chain.settle()
    assert chain.taker(ALICE) == (100, -400)


def test_an_order_cancelled_in_the_next_transaction_keeps_the_dust() -> None:
    chain = Chain()
    chain.order(ALICE, 1000)
    chain.change(ALICE, 7, 0, after=0)
    chain.transaction = 1
    chain.order(ALICE, -1000)  # cancelExcessOrders: LiquidityChanged, then PositionChanged with what they left
    chain.change(ALICE, 100, -400, after=-400)
    chain.settle()
    assert chain.taker(ALICE) == (107, -400)


def test_more_liquidity_removed_than_there_is() -> None:
    chain = Chain()
    chain.order(ALICE, 1000)
    chain.order(ALICE, -1001)
    chain.refuses(NegativeBalance, "would be -1")


def test_a_closed_market_settles_positions() -> None:
    chain = Chain()
    chain.change(ALICE, -5 * ONE, 20 * ONE, after=20 * ONE)
    chain.add("BaseToken", "StatusUpdated", [1], [])
    chain.add("BaseToken", "StatusUpdated", [2], [])
    chain.add("ClearingHouse", "PositionClosed", [ALICE, BASE], [-5 * ONE, -15 * ONE, 20 * ONE, 5 * ONE, 3 * ONE])
    chain.settle()
    assert chain.taker(ALICE) == (0, 0)
    assert chain.book.markets[11, BASE].regime == "closed"


# ----------------------------------------------------------------------------------------------------------- margin


def test_owed_profit_is_settled_by_a_withdrawal_and_rounded_down() -> None:
    chain = Chain()
    chain.deposit(ALICE, 1_000_000)
    chain.realize(ALICE, 3 * 10**12 + 999_999_999_999)  # 3.99.. base units
    chain.withdraw(ALICE, 500_000)
    chain.deposit(BOB, 1_000_000)
    chain.realize(BOB, -(3 * 10**12) - 1)  # -3.00..1 base units: down is -4
    chain.withdraw(BOB, 500_000)
    chain.settle()
    assert (chain.margin(ALICE), chain.margin(BOB)) == ((500_003, 0), (499_996, 0))


def test_an_older_vault_truncates_and_its_balance_shows_it() -> None:
    chain = Chain()
    chain.deposit(ALICE, 1_000_000)
    chain.realize(ALICE, -1)
    chain.withdraw(ALICE, 500_000)
    chain.answers.append(Answer(Read(1, VAULT, call("getBalance(address)", ALICE), ""), "0x" + word(500_000)))
    chain.block = 2
    chain.realize(ALICE, -1)
    chain.withdraw(ALICE, 0)  # nothing told: as the vault was seen to round last
    chain.settle()
    assert chain.margin(ALICE) == (500_000, 0)
    assert chain.book.markets[11, USDC].regime == "truncate"


def test_unknown_decimals_of_the_settlement_token_stop_the_protocol() -> None:
    chain = Chain()
    chain.answers = []
    chain.deposit(ALICE, 1_000_000)
    chain.realize(ALICE, 10**12)
    chain.withdraw(ALICE, 1)
    chain.refuses(MissingFact, "decimals of the settlement token")


def test_losses_may_leave_a_negative_balance_that_the_insurance_fund_takes_over() -> None:
    chain = Chain()
    chain.deposit(ALICE, 10)
    chain.realize(ALICE, -15 * 10**12)
    chain.withdraw(ALICE, 0)
    chain.settle()
    assert chain.margin(ALICE) == (-5, 0)
    chain.logs, chain.block = Logs(), 2
    chain.add("Vault", "BadDebtSettled", [ALICE], [5])
    chain.settle()
    assert (chain.margin(ALICE), chain.margin(FUND)) == ((0, 0), (-5, 0))


def test_a_collateral_is_not_the_settlement_token_and_leaves_owed_profit_alone() -> None:
    chain = Chain()
    chain.collateral(WETH)
    chain.deposit(ALICE, 9 * ONE, WETH)
    chain.deposit(ALICE, 100)
    chain.realize(ALICE, -(250 * 10**12))
    chain.withdraw(ALICE, ONE, WETH)
    chain.settle()
    assert (chain.margin(ALICE), chain.margin(ALICE, WETH)) == ((100, -(250 * 10**12)), (8 * ONE, 0))


def test_a_liquidated_collateral_repays_in_the_settlement_token() -> None:
    chain = Chain()
    chain.collateral(WETH)
    chain.deposit(ALICE, 9 * ONE, WETH)
    chain.deposit(BOB, 1)
    chain.add("Vault", "CollateralLiquidated", [ALICE, WETH, BOB], [2 * ONE, 70, 5, 100_000])
    chain.settle()
    assert chain.margin(ALICE, WETH) == (7 * ONE, 0)
    assert (chain.margin(ALICE), chain.margin(FUND), chain.margin(BOB)) == ((70, 0), (5, 0), (1, 0))


def test_more_collateral_withdrawn_than_held() -> None:
    chain = Chain()
    chain.collateral(WETH)
    chain.deposit(ALICE, 9, WETH)
    chain.withdraw(ALICE, 10, WETH)
    chain.refuses(NegativeBalance, "would be -1")


def test_profit_before_any_deposit_has_no_settlement_token() -> None:
    chain = Chain()
    chain.realize(ALICE, 1)
    chain.refuses(MissingFact, "settlement token")
