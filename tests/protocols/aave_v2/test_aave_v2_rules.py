"""Aave v2's rules against logs worked out by hand. Rates are chosen so that a second is exactly one or two per cent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from indexer.errors import MissingFact, NegativeBalance, WrongRegime
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment, MarketBooks, PositionState
from indexer.protocols.aave_v2 import PROTOCOL
from indexer.protocols.aave_v2.rules import compounded_interest
from indexer.types import Logs
from indexer.units import RAY

PROVIDER, POOL, CONFIGURATOR, ASSET, A_TOKEN, STABLE, DEBT_TOKEN, STRATEGY, ALICE, BOB = (
    f"0x{n:040x}" for n in range(1, 11)
)
ST_ETH = "0xae7ab96520de3a18e5e111b5eaab095312d7fe84"
ONE_PER_CENT = 31_536_000 * 10**25
"""A yearly rate in ray that is 1 % a second: 1.01 after one, 1.0201 after two."""


def word(value: int | str) -> str:
    return f"{value:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Chain:
    """Logs written by hand: event name, topics and words; block n is at second n."""

    def __init__(self, asset: str = ASSET, **listed: str) -> None:
        self.book = Book(1, "aave_v2", "aave", lambda keys: {})
        self.desk = Desk(PROTOCOL, self.book)
        self.asset = asset
        self.topics = {
            (kind, layout.name): layout.topic0
            for kind, by_topic in self.desk.router.kinds.items()
            for layouts in by_topic.values()
            for layout in layouts
        }
        contracts = listed or {
            "LendingPoolAddressesProvider": PROVIDER, "LendingPool": POOL, "LendingPoolConfigurator": CONFIGURATOR,
        }  # fmt: skip
        self.desk.open([Deployment(11, "aave_v2", 1, "test", 0, contracts)])
        self.logs = Logs()
        self.times: dict[int, int] = {}
        self.add(1, CONFIGURATOR, "LendingPoolConfigurator", "ReserveInitialized", [asset, A_TOKEN],
                 [STABLE, DEBT_TOKEN, STRATEGY])  # fmt: skip

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
        self.times[block] = block

    def supply(self, block: int, event: str, topics: Sequence[str], words: Sequence[int]) -> None:
        self.add(block, A_TOKEN, "AToken", event, topics, words)

    def stable(self, block: int, event: str, account: str, *words: int) -> None:
        who = [account, account] if event == "Mint" else [account]
        self.add(block, STABLE, "StableDebtToken", event, who, words)

    def rates(self, block: int, supply_rate: int, debt_rate: int, supply_index: int, debt_index: int) -> None:
        self.add(block, POOL, "LendingPool", "ReserveDataUpdated", [self.asset],
                 [supply_rate, 0, debt_rate, supply_index, debt_index])  # fmt: skip

    def settle(self) -> Chain:
        facts = self.desk.translate(self.logs)
        new = self.desk.learn(facts)
        rest = [row for row, address in enumerate(self.logs.address) if address in new]
        facts.extend(self.desk.translate(self.logs.take(rest)))
        self.desk.settle(facts, [], self.times)
        return self

    def market(self, ending: str = "") -> MarketBooks:
        return self.book.markets[11, self.asset + ending]

    def position(self, account: str, side: str = "supply", ending: str = "") -> PositionState:
        return self.book.positions[self.market(ending).key, account, side]


# ------------------------------------------------------------------------------------------------- scaled balances


def test_amounts_of_token_events_are_plain_also_those_of_transfers() -> None:
    chain = Chain()
    index = RAY + RAY // 4
    chain.supply(2, "Mint", [ALICE], [1000, RAY])
    chain.rates(3, 0, 0, index, RAY)
    chain.supply(3, "Mint", [ALICE], [250, index])  # 200 scaled
    chain.supply(4, "BalanceTransfer", [ALICE, BOB], [500, index])  # 400 scaled: in v3 it would be 500
    chain.supply(5, "Burn", [ALICE, BOB], [3, index])  # 2.4, half up: 2
    chain.settle()
    assert (chain.position(ALICE).shares, chain.position(BOB).shares) == (1200 - 400 - 2, 400)
    assert chain.market().supply_shares == 1198


def test_a_treasury_mint_may_round_to_no_shares() -> None:
    chain = Chain()
    chain.supply(2, "Mint", [ALICE], [1000, RAY])
    chain.rates(3, 0, 0, 3 * RAY, RAY)
    chain.supply(3, "Mint", [BOB], [1, 3 * RAY])  # a third of a share
    chain.settle()
    assert (chain.position(BOB).shares, chain.market().supply_shares) == (0, 1000)


def test_a_state_update_mints_at_the_grown_index_before_it_is_logged() -> None:
    chain = Chain()
    chain.supply(2, "Mint", [ALICE], [1000, RAY])
    chain.rates(2, ONE_PER_CENT, 0, RAY, RAY)
    grown = RAY + 2 * RAY // 100
    chain.supply(4, "Mint", [BOB], [102, grown])
    chain.rates(4, ONE_PER_CENT, 0, grown, RAY)
    assert chain.settle().position(BOB).shares == 100


def test_an_index_that_no_rule_gives_stops_the_protocol() -> None:
    chain = Chain()
    chain.rates(2, ONE_PER_CENT, 0, RAY, RAY)
    chain.supply(4, "Mint", [BOB], [102, RAY + RAY // 100])  # of a second earlier: a log was lost
    with pytest.raises(WrongRegime, match="supply index is"):
        chain.settle()


def test_the_debt_index_stands_still_while_nobody_owes_or_earns() -> None:
    chain = Chain()
    chain.rates(2, 0, ONE_PER_CENT, RAY, RAY)
    chain.rates(4, 0, ONE_PER_CENT, RAY, RAY)
    chain.add(5, DEBT_TOKEN, "VariableDebtToken", "Mint", [ALICE, ALICE], [100, RAY])
    chain.settle()
    assert (chain.position(ALICE, "debt").shares, chain.market().debt_shares) == (100, 100)


def test_a_debt_index_that_no_rule_gives() -> None:
    chain = Chain()
    chain.rates(2, ONE_PER_CENT, ONE_PER_CENT, RAY, RAY)
    chain.rates(4, ONE_PER_CENT, ONE_PER_CENT, RAY + 2 * RAY // 100, RAY + 201 * RAY // 10_000 + 1)
    with pytest.raises(WrongRegime, match="debt index of"):
        chain.settle()


def test_compounding_divides_the_rate_first() -> None:
    assert compounded_interest(ONE_PER_CENT, 2) == RAY + 201 * RAY // 10_000
    assert compounded_interest(ONE_PER_CENT, 0) == RAY
    # almost 2 ray a second counts as 1: the rest is lost before it is multiplied; v3 divides after
    assert compounded_interest(2 * 31_536_000 - 1, 31_536_000) == RAY + 31_536_000


def test_more_burned_than_held() -> None:
    chain = Chain()
    chain.supply(2, "Mint", [ALICE], [1000, RAY])
    chain.supply(3, "Burn", [ALICE, ALICE], [1001, RAY])
    with pytest.raises(NegativeBalance, match="would be -1 shares"):
        chain.settle()


def test_a_reserve_without_a_known_pool() -> None:
    with pytest.raises(MissingFact, match="its pool is unknown"):
        Chain(LendingPoolConfigurator=CONFIGURATOR).settle()


def test_balances_of_an_asset_that_rebases_are_unknown_not_wrong() -> None:
    """aSTETH as on Ethereum in January 2023: its burn empties the account although one unit less leaves than came."""
    chain = Chain(ST_ETH)
    index = 1_000_037_170_043_105_432_303_256_297
    chain.supply(2, "BalanceTransfer", [ALICE, BOB], [84_521_918_902_842_181_053, index])
    chain.supply(3, "Burn", [BOB, BOB], [84_521_918_902_842_181_052, index])
    chain.settle()
    assert chain.market().regime == "rebasing"  # accounting.sql gives no amount for it
    assert chain.position(BOB).shares == 1


# ----------------------------------------------------------------------------------------------------- stable debt


def test_a_loan_adds_its_interest_and_a_small_repayment_looks_the_same() -> None:
    chain = Chain()
    rate = ONE_PER_CENT
    chain.stable(2, "Mint", ALICE, 1_000_000, 0, 0, rate, rate, 1_000_000)
    chain.stable(3, "Mint", ALICE, 500_000, 1_010_000, 10_000, rate, rate, 1_510_000)  # a second loan
    chain.stable(4, "Mint", ALICE, 10_000, 1_525_100, 15_100, rate, rate, 1_520_000)  # 5,100 repaid of 15,100 interest
    chain.settle()
    found = chain.position(ALICE, "debt", "-stable")
    assert found.shares == 1_000_000 + (500_000 + 10_000) + 10_000
    assert found.extra == {"rate_ray": rate, "updated_at": 4}
    books = chain.market("-stable")
    assert (books.debt_assets, books.debt_shares, books.debt_rate, books.accrued_at) == (1_520_000, 1_520_000, rate, 4)


def test_a_full_repayment_takes_rate_and_time_back_to_zero() -> None:
    chain = Chain()
    chain.stable(2, "Mint", ALICE, 1_000_000, 0, 0, ONE_PER_CENT, ONE_PER_CENT, 1_000_000)
    chain.stable(3, "Burn", ALICE, 1_000_000, 1_010_000, 10_000, 0, 0)
    found = chain.settle().position(ALICE, "debt", "-stable")
    assert (found.shares, found.extra) == (0, {"rate_ray": 0, "updated_at": 0})


def test_a_part_repaid_keeps_the_rate() -> None:
    chain = Chain()
    chain.stable(2, "Mint", ALICE, 1_000_000, 0, 0, ONE_PER_CENT, ONE_PER_CENT, 1_000_000)
    chain.stable(3, "Burn", ALICE, 490_000, 1_010_000, 10_000, ONE_PER_CENT, 510_000)  # 500,000 repaid
    found = chain.settle().position(ALICE, "debt", "-stable")
    assert (found.shares, found.extra) == (510_000, {"rate_ray": ONE_PER_CENT, "updated_at": 3})


def test_the_total_is_lost_when_a_dear_loan_is_repaid_and_the_event_does_not_say_so() -> None:
    """Alice pays 2 % a second, Bob nothing, the average is 1 %: after a second she owes more interest than the total has.

    The contract stores total 0 and average 0 then, while the event says that 1,000 are left. Bob repays all the same.
    """
    chain = Chain()
    chain.stable(2, "Mint", ALICE, 1000, 0, 0, 2 * ONE_PER_CENT, 2 * ONE_PER_CENT, 1000)
    chain.stable(2, "Mint", BOB, 1000, 0, 0, 0, ONE_PER_CENT, 2000)
    chain.stable(3, "Burn", ALICE, 1000, 1020, 20, 0, 1000)
    chain.settle()
    books = chain.market("-stable")
    assert (books.debt_assets, books.debt_rate, books.debt_shares) == (0, 0, 1000)
    assert chain.position(BOB, "debt", "-stable").shares == 1000


def test_the_last_to_repay_may_find_a_smaller_total() -> None:
    chain = Chain()
    chain.stable(2, "Mint", ALICE, 1000, 0, 0, 2 * ONE_PER_CENT, 2 * ONE_PER_CENT, 1000)
    chain.stable(2, "Mint", BOB, 1000, 0, 0, 0, ONE_PER_CENT, 2000)
    chain.stable(3, "Burn", ALICE, 1000, 1020, 20, 0, 1000)
    chain.stable(4, "Burn", BOB, 1000, 1000, 0, 0, 0)
    assert chain.settle().market("-stable").debt_shares == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((490_000, 1_010_001, 10_001, ONE_PER_CENT, 510_000), "stable debt of"),
        ((490_000, 1_010_000, 10_000, ONE_PER_CENT, 510_001), "stable total is"),
        ((490_000, 1_010_000, 10_000, ONE_PER_CENT + 1, 510_000), "stable total is"),
    ],
    ids=["balance", "total", "average rate"],
)
def test_a_stable_log_that_does_not_fit_stops_the_protocol(words: tuple[int, ...], message: str) -> None:
    chain = Chain()
    chain.stable(2, "Mint", ALICE, 1_000_000, 0, 0, ONE_PER_CENT, ONE_PER_CENT, 1_000_000)
    chain.stable(3, "Burn", ALICE, *words)
    with pytest.raises(WrongRegime, match=message):
        chain.settle()
