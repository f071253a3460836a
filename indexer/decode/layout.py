"""One ABI event, compiled once into a Layout: decode is then a loop over columns, not over logs.

Static events are sliced word by word; events with strings, arrays or dynamic tuples go through eth-abi behind the
same call. Static tuples are flattened: `marketParams.loanToken`. An indexed dynamic argument is its 32-byte hash.

Source   Solidity ABI specification, "Events" and "Strict encoding mode"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_hash.auto import keccak

from indexer.decode.readers import Reader, reader_for
from indexer.errors import DecodeError
from indexer.types import Address, Hash, Logs


@dataclass(frozen=True, slots=True)
class Events:
    """Decoded logs of one event, in chain order. `columns` are named by the ABI's own argument names."""

    name: str
    block_number: list[int]
    log_index: list[int]
    tx_index: list[int]
    tx_hash: list[Hash]
    address: list[Address]
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def __getitem__(self, argument: str) -> list[Any]:
        return self.columns[argument]

    def __len__(self) -> int:
        return len(self.block_number)

    def rows(self) -> list[dict[str, Any]]:
        """Return readable rows, for debugging and test failures; never on the hot path."""
        return [{name: column[n] for name, column in self.columns.items()} for n in range(len(self))]


_PREFIX = frozenset({"0x"})


@dataclass(frozen=True, slots=True)
class _Argument:
    name: str
    type: str
    read: Reader


@dataclass(frozen=True, slots=True)
class Layout:
    """How one event's topics and data words become columns."""

    name: str
    signature: str
    topic0: Hash
    topic_count: int
    indexed: tuple[_Argument, ...]
    static: tuple[_Argument, ...]
    dynamic: tuple[tuple[str, str], ...]
    skipped: int = 0
    """Characters of `data` (with 0x) before the first word."""

    data_length: int = 0
    """Characters of `data` (with 0x) of a static event."""

    raw: bool = False
    """Whether the data is left as it is, hex in the column `data`, for a handler that reads only some of it."""

    @staticmethod
    def compile(entry: dict[str, Any]) -> Layout:
        """Compile one `{"type": "event", ...}` ABI entry. Raises ValueError when two arguments have one name."""
        inputs = entry["inputs"]
        signature = f"{entry['name']}({','.join(_canonical(item) for item in inputs)})"
        if "note" in entry:
            return _note(entry, signature)
        indexed = [item for item in inputs if item["indexed"]]
        plain = [item for item in inputs if not item["indexed"]]
        is_dynamic = any(_dynamic(_canonical(item)) for item in plain)
        static = () if is_dynamic else tuple(argument for item in plain for argument in _flatten(item, ""))
        layout = Layout(
            name=entry["name"],
            signature=signature,
            topic0="0x" + keccak(signature.encode()).hex(),
            topic_count=1 + len(indexed),
            indexed=tuple(
                _Argument(item["name"], item["type"], reader_for("bytes32" if _hashed(item) else item["type"]))
                for item in indexed
            ),
            static=static,
            dynamic=tuple((item["name"], _canonical(item)) for item in plain) if is_dynamic else (),
            skipped=2,
            data_length=2 + 64 * len(static),
            raw=entry.get("raw", False),
        )
        names = [argument.name for argument in layout.indexed + layout.static] + [name for name, _ in layout.dynamic]
        if len(set(names)) < len(names):
            raise ValueError(f"event {signature}: every argument needs a name of its own, got {names}")
        return layout

    def fits(self, topic_count: int, data: str) -> bool:
        """Return whether a log has this event's shape: topic count and data length (a minimum for dynamic events)."""
        if topic_count != self.topic_count:
            return False
        return len(data) >= 2 + 64 * len(self.dynamic) if self.dynamic else len(data) == self.data_length

    def decode(self, logs: Logs, rows: Sequence[int]) -> Events:
        """Decode the given rows of a batch.

        Raises  DecodeError naming the first bad row's event, argument, word, transaction and log index
        """
        topics = [logs.topics[row] for row in rows]
        data = [logs.data[row] for row in rows]
        columns: dict[str, list[Any]] = {}
        try:
            if any(len(found) != self.topic_count for found in topics):
                raise ValueError("topic count")
            for n, argument in enumerate(self.indexed, 1):
                if {found[n][:2] for found in topics} - _PREFIX:
                    raise ValueError("topic without 0x")
                columns[argument.name] = argument.read([found[n][2:] for found in topics])
            if self.raw:
                columns["data"] = data
            elif self.dynamic:
                self._decode_dynamic(data, columns)
            else:
                self._decode_static(data, columns)
        except ValueError:
            self._raise_first_bad(logs, rows)
            raise
        return Events(
            self.name,
            [logs.block_number[row] for row in rows],
            [logs.log_index[row] for row in rows],
            [logs.tx_index[row] for row in rows],
            [logs.tx_hash[row] for row in rows],
            [logs.address[row] for row in rows],
            columns,
        )

    def _decode_static(self, data: list[str], columns: dict[str, list[Any]]) -> None:
        length = self.data_length
        if set(map(len, data)) - {length} or {words[:2] for words in data} - _PREFIX:
            raise ValueError("data length or prefix")
        start = self.skipped
        for argument in self.static:
            end = start + 64
            columns[argument.name] = argument.read([words[start:end] for words in data])
            start = end

    def _decode_dynamic(self, data: list[str], columns: dict[str, list[Any]]) -> None:
        from indexer.decode import dynamic

        types = [kind for _, kind in self.dynamic]
        decoded = [dynamic.decode(types, _data_bytes(text)) for text in data]
        for n, (name, _) in enumerate(self.dynamic):
            columns[name] = [dynamic.house_form(values[n]) for values in decoded]

    def _raise_first_bad(self, logs: Logs, rows: Sequence[int]) -> None:
        """Find the row and argument that do not decode and say everything needed to look them up."""
        for row in rows:
            topics, data = logs.topics[row], logs.data[row]
            failure = self._first_failure(topics, data)
            if failure:
                argument, word, reason = failure
                raise DecodeError(
                    event=self.signature,
                    argument=argument,
                    word=word,
                    reason=reason,
                    address=logs.address[row],
                    tx_hash=logs.tx_hash[row],
                    log_index=logs.log_index[row],
                    block_number=logs.block_number[row],
                ) from None

    def _first_failure(self, topics: Sequence[str], data: str) -> tuple[str, str, str] | None:
        if len(topics) != self.topic_count:
            return "topics", str(len(topics)), f"expected {self.topic_count} topics"
        for n, argument in enumerate(self.indexed, 1):
            if not topics[n].startswith("0x"):
                return argument.name, topics[n], "hex without 0x"
            try:
                argument.read([topics[n][2:]])
            except ValueError as error:
                return argument.name, topics[n], str(error)
        if data[:2] != "0x":
            return "data", data[:66], "hex without 0x"
        if self.dynamic:
            return self._first_dynamic_failure(data)
        if len(data) != self.data_length:
            return "data", data[:66], f"expected {self.data_length // 2 - 1} bytes of data, got {len(data) // 2 - 1}"
        for n, argument in enumerate(self.static):
            word = data[self.skipped + 64 * n : self.skipped + 64 * (n + 1)]
            try:
                argument.read([word])
            except ValueError as error:
                return argument.name, word, str(error)
        return None

    def _first_dynamic_failure(self, data: str) -> tuple[str, str, str] | None:
        """Find the argument by decoding one more at a time; the word is its own or, for a dynamic one, its offset."""
        from indexer.decode import dynamic

        try:
            raw = _data_bytes(data)
        except ValueError as error:
            return "data", data[:66], str(error)
        types = [kind for _, kind in self.dynamic]
        start = 2
        for n, (name, kind) in enumerate(self.dynamic):
            try:
                dynamic.decode(types[: n + 1], raw)
            except ValueError as error:
                return name, data[start : start + 64], str(error)
            start += 64 * dynamic.head_words(kind)
        return None


NOTE_WORDS = 9
"""Words of a LogNote's data: offset, length 224, and 224 bytes of calldata, padded."""


def _note(entry: dict[str, Any], signature: str) -> Layout:
    """Compile an anonymous LogNote of one function: topic0 is its selector, the arguments stand in the logged calldata.

    `"note": n` in the ABI entry gives the number of topics. At most six arguments fit the logged calldata.

    Source  dss 2019-11 lib.sol and vat.sol, modifier note
    """
    arguments = tuple(argument for item in entry["inputs"] for argument in _flatten(item, ""))
    return Layout(
        name=entry["name"],
        signature=signature,
        topic0="0x" + keccak(signature.encode())[:4].hex().ljust(64, "0"),
        topic_count=entry["note"],
        indexed=(),
        static=arguments,
        dynamic=(),
        skipped=2 + 2 * 64 + 8,
        data_length=2 + 64 * NOTE_WORDS,
    )


def _data_bytes(data: str) -> bytes:
    raw = bytes.fromhex(data[2:])
    # fromhex skips white space
    if data[:2] != "0x" or 2 * len(raw) != len(data) - 2:
        raise ValueError("not 0x and whole bytes of hex")
    return raw


def _canonical(item: dict[str, Any]) -> str:
    """Return the canonical type, tuples spelled out: `(address,uint256)[]`."""
    kind: str = item["type"]
    if kind.startswith("tuple"):
        return "(" + ",".join(_canonical(part) for part in item["components"]) + ")" + kind[5:]
    return kind


def _dynamic(kind: str) -> bool:
    """Return whether a canonical type has no fixed length (fixed arrays are left to eth-abi as well)."""
    return "string" in kind or "[" in kind or re.search(r"bytes(?!\d)", kind) is not None


def _hashed(item: dict[str, Any]) -> bool:
    kind = _canonical(item)
    return kind.startswith("(") or _dynamic(kind)


def _flatten(item: dict[str, Any], prefix: str) -> list[_Argument]:
    name = prefix + item["name"]
    if item["type"] == "tuple":
        return [argument for part in item["components"] for argument in _flatten(part, f"{name}.")]
    return [_Argument(name, item["type"], reader_for(item["type"]))]
