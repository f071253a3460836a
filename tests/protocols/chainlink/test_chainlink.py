"""Chainlink answers become prices: signs, decimals, pairs, and a proxy that moves on."""

from __future__ import annotations

from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment
from indexer.protocols import discover
from indexer.protocols.chainlink.rules import DECIMALS, DESCRIPTION
from indexer.types import Answer, Logs, Read

PROXY, OLD, NEW, TOKEN = (f"0x{n:040x}" for n in (1, 2, 3, 4))
ANSWER_UPDATED = "0x0559884fd3a460db3073b7fc896cc77986f16e378210ded43186175bf646fc5f"
CONFIRMED = "0x33745f67a407dcb785417f9c123dd3641479a102674b6e35c1f10975625b90e9"


def word(value: int) -> str:
    return f"0x{value % 2**256:064x}"


def text(value: str) -> str:
    return "0x" + f"{32:064x}{len(value):064x}" + value.encode().hex().ljust(64, "0")


def log(logs: Logs, block: int, address: str, topics: tuple[str, ...], data: str) -> None:
    row = (block, len(logs), 0, "0x" + "ab" * 32, "", address, topics, data, 0)
    for column, value in zip(logs.columns(), row, strict=True):
        column.append(value)


def answer(logs: Logs, block: int, feed: str, price: int) -> None:
    log(logs, block, feed, (ANSWER_UPDATED, word(price), word(7)), word(1_700_000_000))


def settle(logs: Logs, reads: dict[tuple[int, str, str], str]) -> Desk:
    desk = Desk(discover()["chainlink"], Book(1, "chainlink", "chainlink", lambda keys: {}))
    desk.open(
        [Deployment(5, "chainlink", 1, "eth_usd", 0, {"AggregatorProxy": PROXY, "Aggregator": OLD, "Token": TOKEN})]
    )
    facts = desk.translate(logs)
    new = desk.learn(facts)
    facts.extend(desk.translate(logs.take([row for row, address in enumerate(logs.address) if address in new])))
    answers = [Answer(Read(block, to, data, ""), result) for (block, to, data), result in reads.items()]
    wanted = {(read.block_number, read.to, read.data) for read in desk.wanted(facts)}
    assert reads.keys() <= wanted
    desk.settle(facts, answers, {block: 12 * block for block in logs.block_number})
    return desk


def prices(desk: Desk) -> list[tuple[object, ...]]:
    return [(row[0], row[1], row[2], row[4], row[5], row[6]) for row in desk.book.rows["price"]]


def test_answers_of_a_usd_feed() -> None:
    logs = Logs()
    answer(logs, 10, OLD, 2000_00000000)
    answer(logs, 11, OLD, 1999_50000000)
    desk = settle(logs, {(10, OLD, DECIMALS): word(8), (10, OLD, DESCRIPTION): text("ETH / USD")})
    assert prices(desk) == [
        (OLD, TOKEN, 10, 2000_00000000, 10**8, "usd"),
        (OLD, TOKEN, 11, 1999_50000000, 10**8, "usd"),
    ]


def test_zero_and_negative_answers_give_no_price() -> None:
    logs = Logs()
    answer(logs, 10, OLD, 0)
    answer(logs, 11, OLD, -5)
    assert prices(settle(logs, {(10, OLD, DECIMALS): word(8), (10, OLD, DESCRIPTION): text("ETH / USD")})) == []


def test_another_quote_is_not_usd_and_unknown_decimals_have_no_unit() -> None:
    logs = Logs()
    answer(logs, 10, OLD, 10**18)
    desk = settle(logs, {(10, OLD, DESCRIPTION): text("LINK / ETH")})
    assert prices(desk) == [(OLD, TOKEN, 10, 10**18, None, "eth")]


def test_without_the_pair_there_is_no_price() -> None:
    logs = Logs()
    answer(logs, 10, OLD, 10**18)
    assert prices(settle(logs, {(10, OLD, DECIMALS): word(8)})) == []


def test_a_proxy_that_confirms_a_new_aggregator() -> None:
    logs = Logs()
    log(logs, 12, PROXY, (CONFIRMED, word(2), word(3)), "0x")
    answer(logs, 13, NEW, 1_00000000)
    desk = settle(logs, {(13, NEW, DECIMALS): word(8), (13, NEW, DESCRIPTION): text("ETH / USD")})
    assert prices(desk) == [(NEW, TOKEN, 13, 1_00000000, 10**8, "usd")]
