"""Single answers of view calls: a value, or None; never a zero that the contract did not say."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from indexer.decode import words

ONE = "0x" + f"{1:064x}"
ADDRESS = "0x" + "0" * 24 + "aB" * 20
NO_ANSWERS = [
    None,
    "",
    "0x",
    "0x00",
    ONE[:-1],
    ONE[:-2],
    ONE[2:],
    "0x" + " " * 62 + "01",
    "0x" + "g" * 64,
    "0x" + "_" * 64,
]


@pytest.mark.parametrize("answer", NO_ANSWERS)
def test_no_whole_word_of_hex_is_no_answer(answer: str | None) -> None:
    assert (words.unsigned(answer), words.address(answer), words.text(answer)) == (None, None, None)


def test_unsigned_reads_the_first_word() -> None:
    assert words.unsigned(ONE) == 1
    assert words.unsigned(ONE + "f" * 64) == 1
    assert words.unsigned("0x" + "F" * 64) == 2**256 - 1
    assert words.unsigned("0x" + "0" * 64) == 0


def test_address_wants_one_clean_word() -> None:
    assert words.address(ADDRESS) == "0x" + "ab" * 20
    assert words.address("0x" + "0" * 64) == "0x" + "0" * 40
    assert words.address(ADDRESS + "0" * 64) is None
    assert words.address("0x" + "0" * 23 + "1" + "ab" * 20) is None


def test_text_reads_both_forms_of_a_symbol() -> None:
    assert words.text("0x" + encode(["string"], ["wstETH"]).hex()) == "wstETH"
    assert words.text("0x" + b"MKR".ljust(32, b"\0").hex()) == "MKR"
    assert words.text("0x" + encode(["string"], ["a" * 40]).hex()) == "a" * 40


def test_text_is_cleaned_for_the_database() -> None:
    assert words.text("0x" + encode(["string"], [" A\0B "]).hex()) == "AB"
    assert words.text("0x" + b"\xff\xfeX".ljust(32, b"\0").hex()) == "\ufffd\ufffdX"


@pytest.mark.parametrize(
    "answer",
    [
        "0x" + "0" * 64,
        "0x" + encode(["string"], [""]).hex(),
        "0x" + encode(["string"], ["abc"]).hex()[:-64],
        "0x" + f"{2**255:064x}" * 2,
        "0x" + f"{32:064x}{2**64:064x}",
    ],
    ids=["empty word", "empty string", "cut short", "offset out of the data", "length out of the data"],
)
def test_text_that_says_nothing_is_none(answer: str) -> None:
    assert words.text(answer) is None
