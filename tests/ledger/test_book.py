"""The ledger against hand-worked Aave and Morpho logs: the rows, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from indexer.errors import NegativeBalance, UnknownMarket, WrongRegime
from indexer.families.aave.maths import RAY, ray_div, ray_mul
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment
from indexer.protocols import discover
from indexer.types import Logs

PROVIDER, POOL, CONFIGURATOR, ASSET, A_TOKEN, DEBT_TOKEN, STABLE, ALICE, BOB = (f"0x{n:040x}" for n in range(1, 10))


def word(value: int | str) -> str:
    return f"{value:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Chain:
    """Logs written by hand: event name, topics and words."""

    def __init__(self, stable: str = STABLE) -> None:
        protocol = discover()["aave_v3"]
        self.book = Book(1, "aave_v3", "aave", lambda keys: {})
        self.desk = Desk(protocol, self.book)
        self.topics = {
            (kind, layout.name): layout.topic0
            for kind, by_topic in self.desk.router.kinds.items()
            for layouts in by_topic.values()
            for layout in layouts
        }
        listed = {"PoolAddressesProvider": PROVIDER, "Pool": POOL, "PoolConfigurator": CONFIGURATOR}
        self.desk.open([Deployment(11, "aave_v3", 1, "test", 0, listed)])
        self.logs = Logs()
        self.times: dict[int, int] = {}
        self.add(
            1, CONFIGURATOR, "PoolConfigurator", "ReserveInitialized", [ASSET, A_TOKEN], [stable, DEBT_TOKEN, STABLE]
        )

    def add(
        self, block: int, address: str, kind: str, event: str, topics: Sequence[int | str], words: Sequence[int | str],
        time: int | None = None,
    ) -> None:  # fmt: skip
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
        self.times[block] = block * 12 if time is None else time

    def settle(self) -> None:
        facts = self.desk.translate(self.logs)
        new = self.desk.learn(facts)
        rest = [row for row, address in enumerate(self.logs.address) if address in new]
        facts.extend(self.desk.translate(self.logs.take(rest)))
        self.desk.settle(facts, [], self.times)

    def shares(self, account: str, side: str) -> int:
        market = self.book.markets[11, ASSET]
        return self.book.positions[market.key, account, side].shares


def test_mint_burn_and_transfer_of_scaled_shares() -> None:
    chain = Chain()
    chain.add(2, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [1000, 0, RAY])
    index = RAY + RAY // 10  # 10 % later: 1000 scaled are worth 1100, so the accrued interest is 100
    chain.add(3, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [210, 100, index])
    chain.add(4, A_TOKEN, "AToken", "BalanceTransfer", [ALICE, BOB], [300, index])
    chain.settle()
    assert chain.shares(ALICE, "supply") == 1000 + 100 - 300  # 110 / 1.1 = 100 new scaled
    assert chain.shares(BOB, "supply") == 300


def test_a_burn_smaller_than_the_interest_shows_as_a_mint() -> None:
    chain = Chain()
    chain.add(2, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [1000, 0, RAY])
    index = 2 * RAY  # interest 1000; withdrawing 400 gives Mint(600, 1000)
    chain.add(3, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [600, 1000, index])
    chain.settle()
    assert chain.shares(ALICE, "supply") == 1000 - 200


def test_an_interest_that_does_not_fit_stops_the_protocol() -> None:
    chain = Chain()
    chain.add(2, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [1000, 0, RAY])
    chain.add(
        3, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [210, 99, RAY + RAY // 10]
    )  # a log was lost, or a rule is wrong
    with pytest.raises(WrongRegime, match="accrued 99 by the event but 100") as caught:
        chain.settle()
    assert (caught.value.protocol, caught.value.block_number) == ("aave_v3", 3)


def test_more_burned_than_held() -> None:
    chain = Chain()
    chain.add(2, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [1000, 0, RAY])
    chain.add(3, A_TOKEN, "AToken", "BalanceTransfer", [ALICE, BOB], [1001, RAY])
    with pytest.raises(NegativeBalance, match="would be -1 shares"):
        chain.settle()


def test_a_debt_index_that_no_rule_gives() -> None:
    chain = Chain()
    rate = RAY // 10
    chain.add(2, POOL, "Pool", "ReserveDataUpdated", [ASSET], [0, 0, rate, RAY, RAY], time=0)
    chain.add(3, POOL, "Pool", "ReserveDataUpdated", [ASSET], [0, 0, rate, RAY, RAY + 1], time=31_536_000)
    with pytest.raises(WrongRegime, match="debt index"):
        chain.settle()


def test_binomial_compounding_of_one_year() -> None:
    chain = Chain()
    year, rate = 31_536_000, RAY // 10
    # A: RAY + r + t(t-1)/2 b2 + t(t-1)(t-2)/6 b3, by hand from MathUtils.sol
    b2 = ((rate * rate + RAY // 2) // RAY) // (year * year)
    b3 = ((b2 * rate + RAY // 2) // RAY) // year
    grown = RAY + rate * year // year + year * (year - 1) * b2 // 2 + year * (year - 1) * (year - 2) * b3 // 6
    chain.add(2, POOL, "Pool", "ReserveDataUpdated", [ASSET], [0, 0, rate, RAY, RAY], time=0)
    chain.add(3, POOL, "Pool", "ReserveDataUpdated", [ASSET], [0, 0, rate, RAY, grown], time=year)
    chain.settle()
    assert chain.book.markets[11, ASSET].debt_index == grown


def test_market_never_listed() -> None:
    chain = Chain()
    chain.add(2, POOL, "Pool", "ReserveDataUpdated", [BOB], [0, 0, 0, RAY, RAY])
    with pytest.raises(UnknownMarket):
        chain.settle()


def test_one_step_or_many_give_the_same_rows() -> None:
    def filled() -> Chain:
        chain = Chain()
        for block, index in ((2, RAY), (5, RAY + RAY // 7), (9, RAY + RAY // 3)):
            scaled = 0 if block == 2 else {5: 1000, 9: 1000 + ray_div(500, RAY + RAY // 7)}[block]
            last = {2: RAY, 5: RAY, 9: RAY + RAY // 7}[block]
            increase = ray_mul(scaled, index) - ray_mul(scaled, last)
            value = {2: 1000, 5: 500, 9: 70}[block] + increase
            chain.add(block, A_TOKEN, "AToken", "Mint", [ALICE, ALICE], [value, increase, index])
        return chain

    whole = filled()
    whole.settle()
    parts, logs = filled(), filled().logs
    for block in sorted(set(logs.block_number)):
        parts.logs = logs.take([row for row, number in enumerate(logs.block_number) if number == block])
        parts.settle()
    assert parts.book.rows["position_change"] == whole.book.rows["position_change"]
    assert parts.book.rows["market_state"] == whole.book.rows["market_state"]
