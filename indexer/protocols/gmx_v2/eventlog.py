"""The packed logs of GMX v2's EventEmitter: items named by strings, read by walking the offsets.

    data = msgSender, eventName, EventLogData      EventLogData = (address, uint, int, bool, bytes32, bytes, string)Items
    Items = items (key, value)[], arrayItems (key, value[])[]

Source   gmx-synthetics contracts/event/EventUtils.sol, EventEmitter.sol; Solidity ABI specification, "Formal Specification"
Rule     by key, never by place: releases added and moved keys
Omits    array items, and items of bytes and strings: no event that is read here has any
Why      eth-abi takes 0.2 to 0.5 ms a log, and most of the emitter's logs are of names that nobody reads
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from eth_hash.auto import keccak

from indexer.decode.layout import Events
from indexer.errors import DecodeError

OPTIONAL = "?"
"""Ends a key that some releases do not have: None there."""

_DATA, _HEAD = 2, 3
"""Words of the log's data: which one holds the offset of EventLogData, and how many there are."""


def split(e: Events, wanted: Mapping[str, Sequence[str]]) -> Iterator[Events]:
    """Yield, for every wanted event name in a batch, its rows as Events of that name with a column a key.

    Raises  DecodeError, located, for data that is not as above and for a key that is absent
    """
    rows: dict[str, list[int]] = {}
    for n, topic in enumerate(e["eventNameHash"]):
        rows.setdefault(topic, []).append(n)
    for name, keys in wanted.items():
        found = rows.get(name_hash(name))
        if found:
            values = [_row(e, n, name, keys) for n in found]
            columns = {key.removesuffix(OPTIONAL): [row[at] for row in values] for at, key in enumerate(keys)}
            yield pick(e, found, name, columns)


def pick(e: Events, rows: Sequence[int], name: str, columns: dict[str, list[Any]]) -> Events:
    """Return some rows of a batch, with these columns."""
    return Events(
        name, [e.block_number[n] for n in rows], [e.log_index[n] for n in rows], [e.tx_index[n] for n in rows],
        [e.tx_hash[n] for n in rows], [e.address[n] for n in rows], columns,
    )  # fmt: skip


def items(data: str) -> dict[str, Any]:
    """Return the single items of one log by key: addresses and bytes32 as 0x hex in lower case. Raises ValueError."""
    raw = bytes.fromhex(data[2:])
    if data[:2] != "0x" or 2 * len(raw) != len(data) - 2:
        raise ValueError("not 0x and whole bytes of hex")
    found: dict[str, Any] = {}
    start = _word(raw, 32 * _DATA)
    if start < 32 * _HEAD:
        raise ValueError("offset into the head")
    for place, read in enumerate(_READERS):
        group = start + _word(raw, start + 32 * place)
        listed = group + _word(raw, group)
        first = listed + 32
        count = _word(raw, listed)
        if 32 * count > len(raw):
            raise ValueError(f"{count} items in {len(raw)} bytes")
        for n in range(count):
            item = first + _word(raw, first + 32 * n)
            at = item + _word(raw, item)
            end = at + 32 + _word(raw, at)
            if end > len(raw):
                raise ValueError("key beyond the data")
            key = raw[at + 32 : end].decode("utf-8", "replace")
            if key in found:
                raise ValueError(f"key {key!r} twice")
            found[key] = read(raw, item + 32)
    return found


def name_hash(name: str) -> str:
    """Return the second topic of an event name."""
    found = _HASHES.get(name)
    if found is None:
        found = _HASHES[name] = "0x" + keccak(name.encode()).hex()
    return found


_HASHES: dict[str, str] = {}


def _word(raw: bytes, at: int) -> int:
    word = raw[at : at + 32]
    if len(word) != 32:
        raise ValueError("word beyond the data")
    return int.from_bytes(word)


def _address(raw: bytes, at: int) -> str:
    value = _word(raw, at)
    if value >> 160:
        raise ValueError("address with dirty high bytes")
    return f"0x{value:040x}"


def _signed(raw: bytes, at: int) -> int:
    value = _word(raw, at)
    return value - (1 << 256) if value >> 255 else value


def _bool(raw: bytes, at: int) -> bool:
    value = _word(raw, at)
    if value > 1:
        raise ValueError("boolean that is neither 0 nor 1")
    return value == 1


def _bytes32(raw: bytes, at: int) -> str:
    return f"0x{_word(raw, at):064x}"


_READERS: tuple[Callable[[bytes, int], Any], ...] = (_address, _word, _signed, _bool, _bytes32)
"""Readers of the groups in their order; bytes and strings, the last two, are not read."""


def _row(e: Events, n: int, name: str, keys: Sequence[str]) -> list[Any]:
    try:
        found = items(e["data"][n])
    except ValueError as error:
        raise _bad(e, n, name, "data", str(error)) from None
    row = []
    for key in keys:
        value = found.get(key.removesuffix(OPTIONAL))
        if value is None and not key.endswith(OPTIONAL):
            raise _bad(e, n, name, key, "no item of this key")
        row.append(value)
    return row


def _bad(e: Events, n: int, name: str, argument: str, reason: str) -> DecodeError:
    return DecodeError(
        event=f"{e.name} {name}", argument=argument, word=e["data"][n][:66], reason=reason, address=e.address[n],
        tx_hash=e.tx_hash[n], log_index=e.log_index[n], block_number=e.block_number[n],
    )  # fmt: skip
