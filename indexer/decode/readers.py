"""One reader per Solidity word type: all 64-character words of one argument in, all values out, every word checked.

Raises  ValueError when a word is not hex, has dirty padding, or is out of range; the Layout then finds the row
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Reader = Callable[[Sequence[str]], list[Any]]

_ZEROS_12 = "0" * 24
_LENGTHS = frozenset({64})


def _check_hex(words: Sequence[str]) -> None:
    """Raise ValueError unless every word is 64 hex digits. One C call for the whole column."""
    # fromhex skips white space and a long word could make up for a short one, so lengths are checked as well
    if len(bytes.fromhex("".join(words))) != 32 * len(words) or not _LENGTHS.issuperset(map(len, words)):
        raise ValueError("not 32 bytes of hex")


def read_address(words: Sequence[str]) -> list[str]:
    """Return 0x addresses in lower case."""
    _check_hex(words)
    if any(word[:24] != _ZEROS_12 for word in words):
        raise ValueError("address with dirty high bytes")
    return ["0x" + word[24:].lower() for word in words]


def read_bool(words: Sequence[str]) -> list[bool]:
    """Return booleans; anything but 0 and 1 is an error."""
    values = read_unsigned(256)(words)
    if any(value > 1 for value in values):
        raise ValueError("boolean that is neither 0 nor 1")
    return [value == 1 for value in values]


def read_unsigned(bits: int) -> Reader:
    """Return the reader of uint<bits>."""
    limit = 1 << bits

    def read(words: Sequence[str]) -> list[int]:
        _check_hex(words)
        values = [int(word, 16) for word in words]
        if bits < 256 and max(values, default=0) >= limit:
            raise ValueError(f"out of range of uint{bits}")
        return values

    return read


def read_signed(bits: int) -> Reader:
    """Return the reader of int<bits>, two's complement, sign-extended to 256 bits."""
    limit, modulus = 1 << (bits - 1), 1 << 256

    def read(words: Sequence[str]) -> list[int]:
        _check_hex(words)
        unsigned = (int(word, 16) for word in words)
        values = [value - modulus if value >> 255 else value for value in unsigned]
        if any(not -limit <= value < limit for value in values):
            raise ValueError(f"out of range of int{bits}")
        return values

    return read


def read_bytes(size: int) -> Reader:
    """Return the reader of bytes<size>: left-aligned, the rest zero; values as 0x hex."""
    padding = "0" * (64 - 2 * size)

    def read(words: Sequence[str]) -> list[str]:
        _check_hex(words)
        if padding and any(word[2 * size :] != padding for word in words):
            raise ValueError(f"bytes{size} with dirty padding")
        return ["0x" + word[: 2 * size].lower() for word in words]

    return read


def reader_for(kind: str) -> Reader:
    """Return the reader of an elementary static type. Raises ValueError for any other."""
    if kind == "address":
        return read_address
    if kind == "bool":
        return read_bool
    match = re.fullmatch(r"(uint|int|bytes)(\d*)", kind)
    if match is None or (match[1] == "bytes" and not match[2]):
        raise ValueError(f"no word reader for {kind}")
    size = int(match[2] or 256)
    return {"uint": read_unsigned, "int": read_signed, "bytes": read_bytes}[match[1]](size)
