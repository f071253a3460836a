"""Each trap of Compound v2's accounting, on logs written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from indexer.errors import MissingFact, NegativeBalance, WrongRegime
from indexer.families.compound import rules
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment, MarketBooks
from indexer.protocols import discover
from indexer.types import Answer, Logs, Read
from indexer.units import NATIVE_TOKEN, WAD, ZERO_ADDRESS

UNITROLLER, TOKEN, MODEL, ASSET, ALICE, BOB = (f"0x{n:040x}" for n in range(1, 7))
CAROL = "0x" + "77" * 20
NEW, OLD = 4, 3
"""Words of the two forms of AccrueInterest."""


def word(value: int | str) -> str:
    return f"{value:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Chain:
    """One market with a listed token, and logs written by hand: event name, topics and words."""

    def __init__(self, slug: str = "compound_v2", underlying: str | None = ASSET, symbol: bool = True) -> None:
        self.book = Book(1, slug, "compound", lambda keys: {})
        self.desk = Desk(discover()[slug], self.book)
        self.topics = {
            (kind, layout.name, layout.signature.count("uint256")): layout.topic0
            for kind, by_topic in self.desk.router.kinds.items()
            for layouts in by_topic.values()
            for layout in layouts
        }
        self.desk.open([Deployment(11, slug, 1, "test", 0, {"Unitroller": UNITROLLER})])
        self.logs, self.times = Logs(), {block: 12 * block for block in range(1, 100)}
        text = f"0x{32:064x}{2:064x}" + b"cX".hex().ljust(64, "0")
        self.answers = [
            Answer(Read(3, TOKEN, rules.UNDERLYING, ""), underlying and "0x" + word(underlying)),
            Answer(Read(3, TOKEN, rules.SYMBOL, ""), text if symbol else None),
        ]
        self.add(1, MODEL, "InterestRateModel", "NewInterestParams", [], [10, 200, 3000, WAD // 2])
        self.add(2, TOKEN, "CToken", "NewMarketInterestRateModel", [], [ZERO_ADDRESS, MODEL])
        self.add(3, UNITROLLER, "Unitroller", "MarketListed", [], [TOKEN])

    def add(
        self, block: int, address: str, kind: str, event: str, topics: Sequence[int | str], words: Sequence[int | str]
    ) -> None:
        numbers = {key[2]: topic for key, topic in self.topics.items() if key[:2] == (kind, event)}
        topic0 = next(iter(numbers.values())) if len(numbers) == 1 else numbers[len(words)]
        for column, value in zip(
            self.logs.columns(),
            (block, len(self.logs), 0, "0x" + "ab" * 32, "0x" + "cd" * 32, address,
             (topic0, *("0x" + word(topic) for topic in topics)), "0x" + "".join(map(word, words)), 0),
            strict=True,
        ):  # fmt: skip
            column.append(value)

    def token(self, block: int, event: str, *words: int | str, topics: Sequence[str] = ()) -> None:
        self.add(block, TOKEN, "CToken", event, topics, words)

    def mint(self, block: int, account: str, amount: int, tokens: int) -> None:
        self.token(block, "Mint", account, amount, tokens)
        self.token(block, "Transfer", tokens, topics=[TOKEN, account])

    def settle(self) -> MarketBooks:
        facts = self.desk.translate(self.logs)
        while new := self.desk.learn(facts):
            rows = [
                n for n, address in enumerate(self.logs.address) if self.logs.block_number[n] >= new.get(address, 100)
            ]
            facts.extend(self.desk.translate(self.logs.take(rows)))
        self.desk.settle(facts, self.answers, self.times)
        return self.book.markets[11, TOKEN]

    def shares(self, account: str, side: str = "supply") -> int:
        return self.book.positions[self.book.markets[11, TOKEN].key, account, side].shares


def extra(market: MarketBooks) -> dict[str, int]:
    assert market.extra is not None
    return market.extra


def test_what_constructors_said_before_the_listing_is_known() -> None:
    market = Chain().settle()
    assert (market.debt_index, market.fee) == (WAD, 0)
    assert extra(market)["accrued_block"] == 2
    assert [extra(market)[f"irm_{name}"] for name in ("base", "multiplier", "jump", "kink")] == [
        10,
        200,
        3000,
        WAD // 2,
    ]


def test_balances_come_from_transfers_only_and_a_mint_is_not_counted_twice() -> None:
    chain = Chain()
    chain.mint(4, ALICE, 1000, 500)
    chain.token(5, "Transfer", 200, topics=[ALICE, BOB])
    chain.token(6, "Transfer", 100, topics=[BOB, TOKEN])
    chain.token(6, "Redeem", BOB, 200, 100)
    market = chain.settle()
    assert (chain.shares(ALICE), chain.shares(BOB), chain.shares(TOKEN)) == (300, 100, 0)
    assert (market.supply_shares, extra(market)["cash"]) == (400, 800)
    assert market.supply_index == 2 * WAD


def test_tokens_sent_to_their_own_contract_stay_in_the_supply() -> None:
    chain = Chain()
    chain.mint(4, ALICE, 1000, 500)
    chain.token(5, "Transfer", 200, topics=[ALICE, TOKEN])
    chain.mint(6, BOB, 1000, 500)
    market = chain.settle()
    assert (market.supply_shares, chain.shares(TOKEN), chain.shares(BOB)) == (1000, 200, 500)


def test_seized_reserves_burn_tokens_and_bring_no_cash() -> None:
    chain = Chain()
    chain.mint(4, ALICE, 1000, 500)
    chain.token(5, "Transfer", 97, topics=[ALICE, BOB])
    chain.token(5, "Transfer", 3, topics=[ALICE, TOKEN])
    chain.token(5, "ReservesAdded", TOKEN, 6, 6)
    chain.token(6, "ReservesAdded", CAROL, 10, 16)
    chain.token(7, "ReservesReduced", CAROL, 4, 12)
    market = chain.settle()
    assert (market.supply_shares, chain.shares(TOKEN)) == (497, 0)
    assert (extra(market)["cash"], extra(market)["reserves"]) == (1000 + 10 - 4, 12)


def borrowing(slug: str = "compound_v2") -> Chain:
    chain = Chain(slug)
    # base rate 10 for the blocks (seconds) since the constructor, nothing borrowed: the index grows all the same
    steps = 2 if slug == "compound_v2" else 24
    index = WAD + 10 * steps
    chain.token(4, "AccrueInterest", 0, 0, index, 0)
    chain.mint(4, ALICE, 1000, 500)
    chain.token(4, "Borrow", BOB, 400, 400, 400)
    return chain


def test_debts_are_absolute_principals_at_the_index_of_their_moment() -> None:
    chain = borrowing()
    market = chain.settle()
    position = chain.book.positions[market.key, BOB, "debt"]
    assert (position.shares, position.basis) == (400, WAD + 20)
    assert (market.debt_assets, extra(market)["cash"]) == (400, 600)


def test_a_debt_that_does_not_fit_stops_the_protocol() -> None:
    chain = borrowing()
    chain.token(4, "RepayBorrow", BOB, BOB, 100, 301, 301)
    with pytest.raises(WrongRegime, match="owes 301"):
        chain.settle()


def test_borrows_that_do_not_fit_stop_the_protocol() -> None:
    chain = borrowing()
    chain.token(5, "AccrueInterest", 600, 1, WAD + 21, 402)
    with pytest.raises(WrongRegime, match="accrued 1"):
        chain.settle()


@pytest.mark.parametrize(("slug", "steps"), [("compound_v2", 1), ("moonwell", 12)])
def test_interest_by_blocks_or_by_seconds(slug: str, steps: int) -> None:
    chain = borrowing(slug)
    index = WAD + 10 * (2 if slug == "compound_v2" else 24)
    rate = (400 * WAD // 1000) * 200 // WAD + 10  # 40 % used: below the kink
    chain.token(5, "AccrueInterest", 600, 0, index + rate * steps * index // WAD, 400)
    market = chain.settle()
    assert extra(market)["irm_base"] == 10  # the model explains the accrual


def test_a_model_that_does_not_explain_an_accrual_is_unknown_from_there_on() -> None:
    chain = borrowing()
    chain.token(5, "AccrueInterest", 600, 0, WAD + 1_000_000, 400)
    assert "irm_base" not in extra(chain.settle())


def test_underlying_that_came_without_an_event_shows_at_the_next_accrual() -> None:
    chain = borrowing()
    index, rate = WAD + 20, (400 * WAD // 1300) * 200 // WAD + 10
    chain.token(5, "AccrueInterest", 900, 0, index + rate * index // WAD, 400)
    assert extra(chain.settle())["cash"] == 900


def test_accruals_of_three_words_tell_no_cash_so_it_is_read() -> None:
    chain = Chain()
    chain.token(4, "AccrueInterest", 0, WAD + 20, 0)
    chain.mint(4, ALICE, 1000, 500)
    chain.token(4, "Borrow", BOB, 400, 400, 400)
    chain.token(5, "AccrueInterest", 0, WAD + 999, 400)  # not what 600 of cash gives
    market = chain.settle()
    assert "cash" not in extra(market)
    assert market.supply_index is None
    assert chain.desk.state_reads([6]) == [Read(6, TOKEN, rules.GET_CASH, "state")]


def test_a_line_without_a_kink() -> None:
    chain = Chain()
    chain.add(4, MODEL, "InterestRateModel", "NewInterestParams", [], [7, 100])
    market = chain.settle()
    assert (extra(market)["irm_base"], extra(market)["irm_multiplier"]) == (7, 100)
    assert "irm_kink" not in extra(market)


def test_membership_is_a_flag_that_outlives_an_empty_balance() -> None:
    chain = Chain()
    chain.add(4, UNITROLLER, "Unitroller", "MarketEntered", [], [TOKEN, ALICE])
    chain.add(4, UNITROLLER, "Unitroller", "MarketEntered", [], [TOKEN, BOB])
    chain.add(5, UNITROLLER, "Unitroller", "MarketExited", [], [TOKEN, BOB])
    market = chain.settle()
    held = [chain.book.positions[market.key, account, "supply"].is_collateral for account in (ALICE, BOB)]
    assert held == [True, False]


def test_a_token_without_underlying_is_the_chains_coin_but_only_if_it_answers() -> None:
    chain = Chain(underlying=None)
    chain.settle()
    assert chain.book.listings[11, TOKEN].asset == NATIVE_TOKEN
    with pytest.raises(MissingFact, match="underlying"):
        Chain(underlying=None, symbol=False).settle()


def test_more_sent_than_held() -> None:
    chain = Chain()
    chain.mint(4, ALICE, 1000, 500)
    chain.token(5, "Transfer", 501, topics=[ALICE, BOB])
    with pytest.raises(NegativeBalance):
        chain.settle()
