"""Comet's rules against hand-worked logs: principals at an index, sides, announced transfers, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from indexer.errors import MissingFact, NegativeBalance, WrongRegime
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment
from indexer.protocols.compound_v3 import PROTOCOL, reads
from indexer.types import Answer, Logs, Read

COMET, ASSET, ALICE, BOB, KEEPER, ZERO = (*(f"0x{n:040x}" for n in range(1, 6)), "0x" + "00" * 20)
ONE = 10**15


def word(value: int | str) -> str:
    return f"{value % 2**256:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Chain:
    """Logs of one Comet written by hand, and the reads of its blocks."""

    def __init__(self) -> None:
        self.book = Book(1, "compound_v3", "compound", lambda keys: {})
        self.desk = Desk(PROTOCOL, self.book)
        layouts = (layout for found in self.desk.router.kinds["Comet"].values() for layout in found)
        self.topics = {layout.name: layout.topic0 for layout in layouts}
        self.desk.open([Deployment(11, "compound_v3", 1, "test", 0, {"Comet": COMET})])
        self.logs = Logs()
        self.answers: list[Answer] = []
        self.times: dict[int, int] = {}

    def log(self, block: int, event: str, topics: Sequence[str], words: Sequence[int]) -> None:
        logs = self.logs
        logs.block_number.append(block)
        logs.log_index.append(len(logs.log_index))
        logs.tx_index.append(0)
        logs.tx_hash.append("0x" + "ab" * 32)
        logs.block_hash.append("0x" + "cd" * 32)
        logs.address.append(COMET)
        logs.topics.append((self.topics[event], *("0x" + word(topic) for topic in topics)))
        logs.data.append("0x" + "".join(map(word, words)))
        logs.timestamp.append(0)

    def totals(self, block: int, supply_index: int = ONE, debt_index: int = ONE) -> None:
        self.read(block, reads.TOTALS, [supply_index, debt_index, 0, 0, 70, 30, block * 12, 0])

    def principal(self, block: int, account: str, principal: int) -> None:
        self.read(block, reads.principal_of(account), [principal, 0, 0, 0, 0])

    def read(self, block: int, data: str, words: Sequence[int | str]) -> None:
        self.times[block] = block * 12
        self.answers.append(Answer(Read(block, COMET, data, "test"), "0x" + "".join(map(word, words))))

    def settle(self, told: Sequence[Answer] = ()) -> None:
        self.desk.settle(self.desk.translate(self.logs), self.answers, self.times, told)

    def shares(self, account: str, side: str, market: str = COMET) -> int:
        return self.book.position(self.book.markets[11, market].key, account, side).shares


def test_debt_rounds_up_and_a_supply_repays_first() -> None:
    chain = Chain()
    chain.totals(2, debt_index=3 * ONE)
    chain.log(2, "Withdraw", [ALICE, ALICE], [100])  # 100 / 3 = 33.3: principal -34
    chain.totals(3, supply_index=2 * ONE, debt_index=3 * ONE)
    chain.log(3, "Supply", [ALICE, ALICE], [151])  # -102 + 151 = 49: 24 supplied at index 2
    chain.log(3, "Transfer", [ZERO, ALICE], [48])  # the supply part, rounded: never a balance
    chain.settle()
    rows = [(row[2], row[3], row[6]) for row in chain.book.rows["position_change"]]
    assert rows == [("debt", 2, 34), ("supply", 3, 24), ("debt", 3, 0)]
    assert chain.book.markets[11, COMET].extra is None


def test_a_transfer_that_states_another_amount_stops_the_protocol() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "Supply", [ALICE, ALICE], [100])
    chain.log(2, "Transfer", [ZERO, ALICE], [99])
    with pytest.raises(WrongRegime, match="transferred 99 by the event but 100") as caught:
        chain.settle()
    assert (caught.value.protocol, caught.value.block_number) == ("compound_v3", 2)


def test_an_announced_transfer_that_does_not_come_stops_the_protocol() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "Supply", [ALICE, ALICE], [100])
    chain.log(2, "Supply", [BOB, BOB], [100])
    with pytest.raises(WrongRegime, match="should have shown in a Transfer"):
        chain.settle()


def test_an_empty_withdrawal_may_lose_a_unit_by_rounding_and_shows_it() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "Supply", [ALICE, ALICE], [100])
    chain.log(2, "Transfer", [ZERO, ALICE], [100])
    chain.totals(3, supply_index=ONE + ONE // 3)  # 100 is worth 133, and 133 is principal 99
    chain.log(3, "Withdraw", [ALICE, ALICE], [0])
    chain.log(3, "Transfer", [ALICE, ZERO], [1])
    chain.settle()
    assert chain.shares(ALICE, "supply") == 99


def test_a_base_transfer_takes_both_sides_from_reads() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "Supply", [ALICE, ALICE], [100])
    chain.log(2, "Transfer", [ZERO, ALICE], [100])
    chain.log(2, "Withdraw", [BOB, BOB], [50])
    chain.totals(3)
    chain.log(3, "Transfer", [ALICE, ZERO], [20])  # repays 20 of Bob's debt, which leaves no log
    chain.principal(3, ALICE, 80)
    told = [Answer(Read(3, COMET, reads.principal_of(BOB), "test"), "0x" + word(-30) + word(0) * 4)]
    chain.settle(told)
    assert (chain.shares(ALICE, "supply"), chain.shares(BOB, "debt")) == (80, 30)


def test_a_base_transfer_without_a_read_stops_the_protocol() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "Transfer", [ALICE, ZERO], [20])
    with pytest.raises(MissingFact, match="needs userBasic"):
        chain.settle()


def test_a_block_with_a_log_needs_the_totals() -> None:
    chain = Chain()
    chain.log(2, "Withdraw", [ALICE, ALICE], [100])
    with pytest.raises(MissingFact, match="totalsBasic"):
        chain.settle()


def test_a_principal_that_was_read_counts_once_however_many_logs_the_block_has() -> None:
    chain = Chain()
    chain.totals(2)
    chain.principal(2, ALICE, -70)  # 30 of the debt came without a log
    chain.log(2, "Withdraw", [ALICE, ALICE], [30])
    chain.log(2, "Withdraw", [ALICE, ALICE], [10])
    chain.settle(chain.answers)  # a recording tells the same answers again at the end of the block
    assert [row[6] for row in chain.book.rows["position_change"]] == [70]


def test_accruing_without_a_log_moves_the_index_by_a_read() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "Withdraw", [ALICE, ALICE], [30])
    chain.times[5] = 60
    words = [2 * ONE, 3 * ONE, 0, 0, 70, 30, 60, 0]
    chain.settle([Answer(Read(5, COMET, reads.TOTALS, "test"), "0x" + "".join(map(word, words)))])
    market = chain.book.markets[11, COMET]
    assert (market.supply_index, market.debt_index, market.accrued_at) == (2 * ONE, 3 * ONE, 60)
    assert [row[1] for row in chain.book.rows["market_state"]] == [2, 5]


def test_an_absorption_takes_all_collateral_and_may_leave_a_supply() -> None:
    chain = Chain()
    for block in (2, 3):
        chain.totals(block)
    chain.log(2, "SupplyCollateral", [ALICE, ALICE, ASSET], [9])
    chain.log(2, "Withdraw", [ALICE, ALICE], [100])
    chain.log(3, "AbsorbCollateral", [KEEPER, ALICE, ASSET], [9, 120])
    chain.log(3, "AbsorbDebt", [KEEPER, ALICE], [110, 110])
    chain.log(3, "Transfer", [ZERO, ALICE], [10])
    chain.settle()
    assert [chain.shares(ALICE, side) for side in ("supply", "debt")] == [10, 0]
    assert chain.shares(ALICE, "collateral", ASSET) == 0
    assert chain.book.markets[11, ASSET].supply_shares == 0


def test_more_collateral_out_than_in() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "TransferCollateral", [ALICE, BOB, ASSET], [1])
    with pytest.raises(NegativeBalance, match="would be -1 shares"):
        chain.settle()


def test_a_market_keeps_the_asset_it_was_listed_with() -> None:
    late, early = Chain(), Chain()
    for chain, block in ((late, 2), (early, 1)):
        chain.times[block] = block * 12
        chain.totals(2)
        chain.log(2, "Withdraw", [ALICE, ALICE], [30])
        chain.settle([Answer(Read(block, COMET, reads.BASE_TOKEN, "test"), "0x" + word(ASSET))])
    assert [row[6] for row in late.book.rows["market"]] == [COMET]
    assert [row[6] for row in early.book.rows["market"]] == [ASSET]


def test_rate_constants_reach_the_market_whether_read_before_or_after_its_first_log() -> None:
    chain = Chain()
    chain.totals(2)
    chain.log(2, "Withdraw", [ALICE, ALICE], [30])
    chain.times[1], chain.times[3] = 12, 36
    kink, base = list(reads.RATES)[:2]
    chain.settle([
        Answer(Read(1, COMET, kink, "test"), "0x" + word(7)), Answer(Read(3, COMET, base, "test"), "0x" + word(9)),
    ])  # fmt: skip
    assert chain.book.markets[11, COMET].extra == {"supply_kink": 7, "supply_rate_base": 9}
