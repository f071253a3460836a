"""Data with strings, arrays or dynamic tuples: left to eth-abi. Imported when the first such event comes.

eth-abi takes 0.1 s to import, and the events that move balances are all static.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_abi.codec import ABIDecoder
from eth_abi.decoding import StringDecoder
from eth_abi.encoding import TextStringEncoder
from eth_abi.exceptions import DecodingError
from eth_abi.grammar import ABIType, TupleType, parse
from eth_abi.registry import BaseEquals, registry


def _decoder() -> ABIDecoder:
    """Return eth-abi's decoder, lenient with strings: a contract may emit any bytes, and a name must not stop it."""
    lenient = registry.copy()  # type: ignore[no-untyped-call]
    lenient.unregister("string")
    equals = BaseEquals("string", with_sub=False)  # type: ignore[no-untyped-call]
    strings = StringDecoder(handle_string_errors="replace")  # type: ignore[no-untyped-call]
    lenient.register(equals, TextStringEncoder, strings, label="string")
    return ABIDecoder(lenient)


_decode = _decoder().decode


def decode(types: Sequence[str], raw: bytes) -> tuple[Any, ...]:
    """Return the values of the types. Raises ValueError, whatever is wrong."""
    try:
        return _decode(types, raw)
    except (DecodingError, OverflowError) as error:
        raise ValueError(str(error)) from None


def house_form(value: Any) -> Any:
    """Return an eth-abi value as the readers would: bytes as 0x hex, sequences as tuples; addresses are lower case."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list):
        return tuple(house_form(part) for part in value)
    return value


def head_words(kind: str) -> int:
    """Return how many words a type takes in the head of the data: one, or all of a static array or tuple."""
    return _head_words(parse(kind))


def _head_words(kind: ABIType) -> int:
    if kind.is_dynamic:
        return 1
    if kind.arrlist:
        return int(kind.arrlist[-1][0]) * _head_words(kind.item_type)
    return sum(_head_words(part) for part in kind.components) if isinstance(kind, TupleType) else 1
