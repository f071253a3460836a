"""Euler's rules by hand: one vault, a few logs, numbers to check with a pencil."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
import pytest

from indexer.errors import NegativeBalance, UnknownMarket, WrongRegime
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment, MarketBooks, MarketFacts
from indexer.protocols import discover
from indexer.protocols.euler_v2 import USD, feeds
from indexer.protocols.euler_v2.maths import ONE, cap, power
from indexer.types import Logs
from indexer.units import RAY

FACTORY, EVC, VAULT, ASSET, ORACLE, D_TOKEN, LENDER, ALICE, BOB, OTHER = (f"0x{n:040x}" for n in range(0xA1, 0xAB))
ZERO = "0x" + "00" * 20
TENTH = RAY // 10
"""10 % a second: one second later 100 owed are 110."""

LATER = 11 * TENTH
OWED = 101 * ONE * 11 // 10
"""Alice's debt one second later: 111.1, shown as 112."""


def word(value: int | str) -> str:
    return f"{value:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Vault:
    """A vault made in block 1 at second 100 without a fee; at second 200 in block 2 1000 are lent and Alice borrows 101."""

    def __init__(self, begun: bool = True) -> None:
        self.book = Book(1, "euler_v2", "euler", lambda keys: {})
        self.desk = Desk(discover()["euler_v2"], self.book)
        self.topics = {
            (kind, layout.name): layout.topic0
            for kind, by_topic in self.desk.router.kinds.items()
            for layouts in by_topic.values()
            for layout in layouts
        }
        listed = {"GenericFactory": FACTORY, "EthereumVaultConnector": EVC}
        self.desk.open([Deployment(11, "euler_v2", 1, "test", 0, listed)])
        self.logs = Logs()
        self.times = {1: 100, 2: 200, 3: 201, 4: 201}
        # as on chain: the vault speaks before the factory says that it exists
        self.vault(1, "EVaultCreated", [LENDER, ASSET], [D_TOKEN])
        self.status(1, 0, 0, 0, 0, RAY, 0)
        packed = "".join(address[2:] for address in (ASSET, ORACLE, USD)).ljust(128, "0")
        self.add(1, FACTORY, "GenericFactory", "ProxyCreated", [VAULT], [1, ZERO, 96, 60, "0x" + packed])
        if begun:
            self.vault(1, "GovSetInterestFee", [], [0])
            self.vault(2, "Transfer", [ZERO, LENDER], [1000])
            self.vault(2, "Borrow", [ALICE], [101])
            self.status(2, 1000, 101, 0, 899, RAY, TENTH)

    def add(
        self, block: int, address: str, kind: str, event: str, topics: Sequence[int | str], words: Sequence[int | str]
    ) -> None:
        logs = self.logs
        logs.block_number.append(block)
        logs.log_index.append(len(logs.log_index))
        logs.tx_index.append(0)
        logs.tx_hash.append("0x" + "ab" * 32)
        logs.block_hash.append("0x" + "cd" * 32)
        logs.address.append(address)
        logs.topics.append((self.topics[kind, event], *("0x" + word(topic) for topic in topics)))
        logs.data.append("0x" + "".join(map(word, words)))
        logs.timestamp.append(0)

    def vault(self, block: int, event: str, topics: Sequence[int | str], words: Sequence[int | str]) -> None:
        self.add(block, VAULT, "EVault", event, topics, words)

    def status(self, block: int, shares: int, borrows: int, fees: int, cash: int, accumulator: int, rate: int) -> None:
        self.vault(block, "VaultStatus", [], [shares, borrows, fees, cash, accumulator, rate, self.times[block]])

    def settle(self) -> None:
        facts = self.desk.translate(self.logs)
        new = self.desk.learn(facts)
        rest = [row for row, address in enumerate(self.logs.address) if address in new]
        facts.extend(self.desk.translate(self.logs.take(rest)))
        self.desk.settle(facts, [], self.times)

    @property
    def market(self) -> MarketBooks:
        return self.book.markets[11, VAULT]

    def debt(self, account: str) -> int:
        return self.book.positions[self.market.key, account, "debt"].shares

    def supply(self, account: str) -> int:
        return self.book.positions[self.market.key, account, "supply"].shares

    def actions(self, block: int) -> list[str]:
        return [row[7] for row in self.book.rows["action"] if row[0] == block]


def test_an_accumulator_told_at_the_end_holds_for_the_whole_batch_and_repaying_rounds_up() -> None:
    vault = Vault()
    vault.vault(3, "InterestAccrued", [ALICE], [11])
    vault.vault(3, "Repay", [ALICE], [12])
    vault.status(3, 1000, 100, 0, 911, LATER, TENTH)
    vault.settle()
    assert vault.debt(ALICE) == 100 * ONE  # not 99.1: the fraction is rounded up at the repayment
    assert vault.book.positions[vault.market.key, ALICE, "debt"].basis == LATER
    assert vault.market.debt_shares == 100 * ONE
    assert vault.market.extra == {"cash": 911, "fees": 0, "interest_fee_bps": 0}


def test_borrowing_keeps_the_fraction() -> None:
    vault = Vault()
    vault.vault(3, "InterestAccrued", [ALICE], [11])
    vault.vault(3, "Borrow", [ALICE], [10])
    vault.status(3, 1000, 122, 0, 889, LATER, TENTH)
    vault.settle()
    assert vault.debt(ALICE) == OWED + 10 * ONE


def test_pulled_debt_is_neither_rounded_nor_repaid() -> None:
    vault = Vault()
    vault.vault(3, "Repay", [ALICE], [40])
    vault.vault(3, "Borrow", [BOB], [40])
    vault.vault(3, "PullDebt", [ALICE, BOB], [40])
    vault.status(3, 1000, 112, 0, 899, LATER, TENTH)
    vault.settle()
    assert (vault.debt(ALICE), vault.debt(BOB)) == (OWED - 40 * ONE, 40 * ONE)
    assert vault.market.debt_shares == OWED


@pytest.mark.parametrize(("told", "shown"), [(112, 112), (111, 111), (111, 112)])
def test_all_of_a_debt_moves_when_less_than_a_unit_would_stay(told: int, shown: int) -> None:
    vault = Vault()  # 111.1 owed: of 112 and of 111 alike all moves; versions show the Repay differently
    vault.vault(3, "Repay", [ALICE], [shown])
    vault.vault(3, "Borrow", [BOB], [told])
    vault.vault(3, "Liquidate", [BOB, ALICE], [OTHER, told, 5])
    vault.status(3, 1000, 112, 0, 899, LATER, TENTH)
    vault.settle()
    assert (vault.debt(ALICE), vault.debt(BOB)) == (0, OWED)


def test_a_repayment_before_a_move_in_one_batch_stays_one() -> None:
    vault = Vault()
    vault.vault(3, "Repay", [ALICE], [12])  # 100 left
    vault.vault(3, "Repay", [ALICE], [30])
    vault.vault(3, "Borrow", [BOB], [30])
    vault.vault(3, "PullDebt", [ALICE, BOB], [30])
    vault.vault(3, "Liquidate", [BOB, ALICE], [OTHER, 0, 5])  # worthless collateral, taken for nothing: no debt moves
    vault.status(3, 1000, 100, 0, 911, LATER, TENTH)
    vault.settle()
    assert (vault.debt(ALICE), vault.debt(BOB)) == (70 * ONE, 30 * ONE)


def test_socialised_debt_is_struck_off() -> None:
    vault = Vault()
    vault.vault(3, "Repay", [ALICE], [40])
    vault.vault(3, "Borrow", [BOB], [40])
    vault.vault(3, "Repay", [ALICE], [72])
    vault.vault(3, "Withdraw", [BOB, ZERO, ZERO], [72, 0])
    vault.vault(3, "DebtSocialized", [ALICE], [72])
    vault.vault(3, "Liquidate", [BOB, ALICE], [OTHER, 40, 5])
    vault.status(3, 1000, 40, 0, 899, LATER, TENTH)
    vault.settle()
    assert (vault.debt(ALICE), vault.debt(BOB), vault.market.debt_shares) == (0, 40 * ONE, 40 * ONE)
    assert vault.actions(3) == ["repay", "borrow", "repay", "bad_debt", "liquidation", "seize"]  # and no withdrawal


def test_fees_are_shares_of_nobody_until_they_are_converted() -> None:
    vault = Vault()
    vault.vault(2, "GovSetInterestFee", [], [5000])
    # interest 10.1, half of it is 5 whole units; 1011 * 1000 / (1011 - 5) = 1004 shares
    vault.status(3, 1004, 112, 4, 899, LATER, TENTH)
    for receiver in (BOB, OTHER):
        vault.vault(4, "Transfer", [ZERO, receiver], [2])
        vault.vault(4, "Deposit", [ZERO, receiver], [0, 2])
    vault.vault(4, "ConvertFees", [ALICE, BOB, OTHER], [2, 2])
    vault.status(4, 1004, 112, 0, 899, LATER, TENTH)
    vault.settle()
    assert (vault.supply(BOB), vault.supply(OTHER), vault.market.supply_shares) == (2, 2, 1004)
    assert vault.actions(4) == ["mint_to_treasury", "mint_to_treasury"]  # and no supply


def test_shares_change_hands_and_back_debts_when_enabled() -> None:
    vault = Vault()
    vault.add(3, EVC, "EthereumVaultConnector", "CollateralStatus", [LENDER, VAULT], [1])
    vault.vault(3, "Transfer", [LENDER, BOB], [300])
    vault.status(3, 1000, 112, 0, 899, LATER, TENTH)
    vault.settle()
    assert (vault.supply(LENDER), vault.supply(BOB)) == (700, 300)
    positions = vault.book.positions
    assert positions[vault.market.key, LENDER, "supply"].is_collateral
    assert not positions[vault.market.key, BOB, "supply"].is_collateral


def test_an_owner_has_the_prefix_of_256_accounts() -> None:
    vault = Vault(begun=False)
    prefix = ALICE[2:40].ljust(64, "0")
    vault.add(1, EVC, "EthereumVaultConnector", "OwnerRegistered", ["0x" + prefix, ALICE], [])
    vault.add(1, EVC, "EthereumVaultConnector", "ControllerStatus", [ALICE[:-2] + "ff", VAULT], [1])
    vault.settle()
    settings = [row[:3] + row[5:] for row in vault.book.rows["account_setting"]]
    assert settings == [
        (11, ALICE, "owner_prefix", int(ALICE[:40], 16)),
        (11, ALICE[:-2] + "ff", f"controller:{VAULT}", 1),
    ]


def test_an_accumulator_that_no_rate_gives() -> None:
    vault = Vault()
    vault.status(3, 1000, 112, 0, 899, LATER + 1, TENTH)
    with pytest.raises(WrongRegime, match="interest accumulator"):
        vault.settle()


def test_an_interest_that_does_not_fit() -> None:
    vault = Vault()
    vault.vault(3, "InterestAccrued", [ALICE], [13])  # 11, and a move of debt may show 10 or 12
    vault.status(3, 1000, 112, 0, 899, LATER, TENTH)
    with pytest.raises(WrongRegime, match="is 13 by the event but 11"):
        vault.settle()


def test_a_lost_borrow_shows_in_the_totals() -> None:
    vault = Vault()
    vault.status(3, 1000, 113, 0, 899, LATER, TENTH)
    with pytest.raises(WrongRegime, match="shares, borrows and fees"):
        vault.settle()


def test_more_shares_sent_than_held() -> None:
    vault = Vault()
    vault.vault(3, "Transfer", [BOB, LENDER], [1])
    with pytest.raises(NegativeBalance, match="would be -1 shares"):
        vault.settle()


def test_a_vault_that_the_factory_never_made() -> None:
    vault = Vault(begun=False)
    vault.desk.watch_contract(vault.book.deployments[FACTORY], OTHER, "EVault", 1, 0)
    vault.add(2, OTHER, "EVault", "Transfer", [ZERO, LENDER], [1])
    with pytest.raises(UnknownMarket):
        vault.settle()


def test_an_amount_cap_has_ten_bits_and_six() -> None:
    assert cap(0) is None
    assert cap((250 << 6) | 3) == 2500  # 2.50 * 10^3
    assert cap(5) == 0  # a cap of nothing is not "no cap"


def test_powers_round_half_up_and_overflow_is_known() -> None:
    assert power(LATER, 2) == 121 * RAY // 100
    assert power(RAY + 1, 0) == RAY
    assert power(2 * RAY, 200) is None


def test_feeds_ask_for_a_whole_token_in_the_unit_of_account() -> None:
    vault = Vault(begun=False)
    vault.settle()
    facts = vault.book.market_facts()
    (feed,) = feeds(MarketFacts(facts.deployments, facts.listings, facts.params, {ASSET: 6}))
    assert (feed.to, feed.asset, feed.unit_raw, feed.quote) == (ORACLE, ASSET, 10**18, "usd")
    assert feed.data[-192:] == word(10**6) + word(ASSET) + word(USD)
    assert feeds(facts) == []  # without decimals there is no whole token


def test_a_lowered_liquidation_ltv_comes_down_in_a_line(migrated_database: Callable[[], str]) -> None:
    ask = "SELECT euler_v2_liquidation_ltv(%s, %s, %s, %s, %s)"
    cases = (
        (8000, 9001, 2000, 1000, 1000), (8000, 9001, 2000, 1000, 1500), (8000, 9001, 2000, 1000, 2000),
        (9001, 8000, 2000, 1000, 1000), (8600, 0, 1000, 0, 1000),
    )  # fmt: skip
    with psycopg.connect(migrated_database()) as connection:
        found = [connection.execute(ask, case).fetchone() for case in cases]
    assert [int(row[0]) for row in found if row] == [9001, 8500, 8000, 9001, 8600]


def test_sql_compounds_as_the_contract(migrated_database: Callable[[], str]) -> None:
    with psycopg.connect(migrated_database()) as connection:
        row = connection.execute(
            "SELECT euler_v2_power(1.1e27, 2), euler_v2_power(2e27, 200), euler_v2_power(1e27 + 1, 0)"
        ).fetchone()
    assert row == (121 * RAY // 100, None, RAY)
