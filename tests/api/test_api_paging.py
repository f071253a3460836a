"""Cursors come back as they went; anything else is refused by name."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from api.etag import matches
from api.paging import VERSION, Pin, check_key, checksum, decode, encode
from api.problems import Problem

HASH = "0x" + "ab" * 32
PIN = Pin(1, 21_000_000, HASH, ("1.5", "0xa1", 7))
ASKED = "0123456789abcdef"
GOOD = [VERSION, ASKED, 1, 5, HASH, []]


def forge(parts: object) -> str:
    """Write a cursor with a right checksum around any content."""
    body = json.dumps(parts).encode()
    return urlsafe_b64encode(checksum(body) + body).rstrip(b"=").decode()


def refused(cursor: str, asked: str = ASKED) -> Problem:
    with pytest.raises(Problem) as caught:
        decode(asked, cursor)
    assert caught.value.status == 422
    assert caught.value.extra["errors"][0]["parameter"] == "cursor"
    return caught.value


def test_a_cursor_comes_back_as_it_went() -> None:
    assert decode(ASKED, encode(ASKED, PIN)) == PIN
    assert decode(ASKED, forge(GOOD)) == Pin(1, 5, HASH, ())


def test_every_flipped_byte_is_noticed() -> None:
    raw = urlsafe_b64decode(encode(ASKED, PIN) + "==")
    for at in range(len(raw)):
        bent = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        refused(urlsafe_b64encode(bent).rstrip(b"=").decode())


@pytest.mark.parametrize(
    "cursor", ["", "x", "!", "A" * 1025, "AAAA", "null", "' OR 1=1", "é", forge({}), forge([]), forge(5)]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    refused(cursor)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2), (0, None), (2, "1"), (2, -1), (2, True), (2, 2**63), (2, 1.5), (3, None), (3, "5"), (3, -1), (4, 1),
        (4, "0x"), (4, HASH.upper()), (4, HASH + "0"), (5, None), (5, "a"), (5, [None]), (5, [[]]), (5, [1.5]), (5, [True]),
        (5, [{}]),
    ],
)  # fmt: skip
def test_each_part_is_checked_even_when_the_checksum_is_right(at: int, value: object) -> None:
    refused(forge([*GOOD[:at], value, *GOOD[at + 1 :]]))


def test_a_cursor_of_another_question_is_refused() -> None:
    assert "another path or other filters" in refused(encode("another", PIN)).detail


def test_a_key_must_fit_the_list_it_orders() -> None:
    keyset = (("a", "number"), ("b", "text"), ("c", "integer"))
    assert check_key(("1.5", "x", 7), keyset) == ("1.5", "x", 7)
    for key in (
        (), ("1.5", "x"), ("1.5", "x", 7, 8), ("x", "x", 7), ("NaN", "x", 7), ("Infinity", "x", 7), ("1.5", 7, 7),
        ("1.5", "x", "7"), ("1.5", "x\0", 7), ("1.5", "x" * 301, 7), (1, "x", 7), ("", "x", 7), ("1" * 200, "x", 7),
    ):  # fmt: skip
        with pytest.raises(Problem):
            check_key(key, keyset)


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ('W/"a"', True), ('"a"', True), ("*", True), ('"b", W/"a"', True), ('W/"b"', False), ("", False), ("a", False),
        ('"b","c"', False),
    ],
)  # fmt: skip
def test_if_none_match_compares_weakly_over_a_list(header: str, same: bool) -> None:
    assert matches(header, 'W/"a"') is same
