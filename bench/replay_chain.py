"""Answers JSON-RPC calls from a generated chain: slices of prepared JSON, no parsing of logs on the way out.

``eth_getLogs`` over everything is one slice of a memory-mapped file; a filter on addresses and topic0 is a
byte translation over one byte a log and then a slice for each run of wanted logs. Pure apart from mapping files.
"""

from __future__ import annotations

import json
import mmap
import re
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Any

import msgspec

from bench.evm import LogFilter, quantity, selector, word

Parts = list[bytes | memoryview]
"""Pieces of one answer, sent one after the other."""

_RUN = re.compile(rb"\x01+")


class RpcError(Exception):
    """A JSON-RPC error answer."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def body(self) -> bytes:
        """The JSON of the error member."""
        value: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            value["data"] = self.data
        return msgspec.json.encode(value)


class ReplayChain:
    """The files of a generated chain, opened for reading (mapped until the process ends)."""

    def __init__(self, directory: Path | str) -> None:
        path = Path(directory)
        self.meta: dict[str, Any] = json.loads((path / "meta.json").read_text())
        self.log_bytes = _map(path / "logs.bin")
        self._log_view = memoryview(self.log_bytes)
        self.header_bytes = _map(path / "headers.bin")
        self.log_offsets = _numbers(path / "log_offsets.bin")
        self.header_offsets = _numbers(path / "header_offsets.bin")
        self.block_logs = _numbers(path / "block_logs.bin")
        self.log_pairs = (path / "log_pairs.bin").read_bytes()
        hashes = (path / "hashes.bin").read_bytes()
        self.blocks = len(hashes) // 32
        self.by_hash = {hashes[i * 32 : i * 32 + 32]: i for i in range(self.blocks)}
        self.pairs: list[tuple[str, str]] = [(address, first) for address, first in self.meta["pairs"]]
        self._tables: dict[LogFilter, bytes | None] = {}

    def header(self, number: int) -> bytes:
        """The header JSON of a block."""
        return self.header_bytes[self.header_offsets[number] : self.header_offsets[number + 1]]

    def count(self, start: int, end: int) -> int:
        """Number of logs in blocks start to end, both included."""
        return self.block_logs[end + 1] - self.block_logs[start]

    def logs(self, start: int, end: int) -> bytes:
        """The log JSON of blocks start to end, both included, comma-separated."""
        return b"".join(self.log_parts(start, end))

    def log_parts(self, start: int, end: int, wanted: LogFilter | None = None, most: int = 0) -> Parts:
        """The same in pieces that need no copy; more than ``most`` matching logs (0: no cap) is an error."""
        first, last = self.block_logs[start], self.block_logs[end + 1]
        table = None if wanted is None else self._table(wanted)
        if table is None or wanted is None:
            runs = [(first, last)] if last > first else []
        else:
            marks = self.log_pairs[first:last].translate(table)
            runs = [(first + run.start(), first + run.end()) for run in _RUN.finditer(marks)]
            if not wanted.only_topic0:
                runs = [(n, n + 1) for begin, end in runs for n in range(begin, end) if self._matches(n, wanted)]
        if most and sum(end - begin for begin, end in runs) > most:
            raise RpcError(-32005, f"query returned more than {most} results")
        view, offsets = self._log_view, self.log_offsets
        if len(runs) == 1:
            return [view[offsets[runs[0][0]] : offsets[runs[0][1]] - 1]]
        return [b",".join([view[offsets[begin] : offsets[end] - 1] for begin, end in runs])]

    def _matches(self, log: int, wanted: LogFilter) -> bool:
        raw = self.log_bytes[self.log_offsets[log] : self.log_offsets[log + 1] - 1]
        return wanted.matches(msgspec.json.decode(raw))

    def _table(self, wanted: LogFilter) -> bytes | None:
        """For each pair number 1 if logs of it may match; ``None`` when every log matches."""
        if wanted not in self._tables:
            marks = bytes(int(wanted.admits(*pair)) for pair in self.pairs)
            everything = wanted.only_topic0 and all(marks)
            self._tables[wanted] = None if everything else marks + bytes(256 - len(marks))
        return self._tables[wanted]


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _numbers(path: Path) -> array[int]:
    numbers: array[int] = array("Q")
    numbers.frombytes(path.read_bytes())
    return numbers


class Contracts:
    """Answers ``eth_call`` for the contracts of a generated chain, at any block."""

    def __init__(self, meta: dict[str, Any]) -> None:
        contracts = meta["contracts"]
        self.answers: dict[tuple[str, str], str] = {
            (contracts["pool"], selector("POOL_REVISION()")): word(2),
            (contracts["pool"], selector("ADDRESSES_PROVIDER()")): _address(contracts["provider"]),
            (contracts["provider"], selector("getPool()")): _address(contracts["pool"]),
            (contracts["provider"], selector("getPoolConfigurator()")): _address(contracts["configurator"]),
            (contracts["provider"], selector("getPriceOracle()")): _address(contracts["oracle"]),
            (contracts["oracle"], selector("BASE_CURRENCY()")): word(0),
            (contracts["oracle"], selector("BASE_CURRENCY_UNIT()")): word(10**8),
        }
        for r in meta["reserves"]:
            tokens = (
                (r["asset"], r["symbol"]),
                (r["atoken"], "a" + r["symbol"]),
                (r["stable_debt_token"], "stableDebt" + r["symbol"]),
                (r["variable_debt_token"], "variableDebt" + r["symbol"]),
            )
            for token, symbol in tokens:
                self.answers[token, selector("decimals()")] = word(r["decimals"])
                self.answers[token, selector("symbol()")] = _text(symbol)
                self.answers[token, selector("name()")] = _text("Bench " + symbol)
        self.oracle = contracts["oracle"]
        self.price_of = selector("getAssetPrice(address)")
        self.prices: dict[str, tuple[list[int], list[int]]] = {
            asset: ([n for n, _ in steps], [price for _, price in steps]) for asset, steps in meta["prices"].items()
        }

    def call(self, to: str, data: str, block: int) -> str:
        """The 0x result of a call, or ``RpcError`` as a node reports a revert."""
        to, data = to.lower(), data.lower()
        if to == self.oracle and data[:10] == self.price_of:
            blocks, prices = self.prices.get("0x" + data[34:74], ([], []))
            at = bisect_right(blocks, block)
            return "0x" + word(prices[at - 1] if at else 0)
        answer = self.answers.get((to, data[:10]))
        if answer is None:
            raise RpcError(3, "execution reverted", "0x")
        return "0x" + answer


def _address(address: str) -> str:
    return "0" * 24 + address[2:]


def _text(value: str) -> str:
    raw = value.encode()
    return word(32) + word(len(raw)) + raw.hex() + "00" * (-len(raw) % 32)


def block_of(value: object, tags: dict[str, int]) -> int:
    """A block parameter (quantity or tag) as a number."""
    if isinstance(value, str) and value in tags:
        return tags[value]
    try:
        return quantity(value)  # type: ignore[arg-type]
    except ValueError as error:
        raise RpcError(-32602, f"invalid argument: {error}") from error
