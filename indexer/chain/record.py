"""A chain segment as two plain files, and a node that answers from them.

`chain.jsonl.gz`   line 1 `{"meta": {...}}`, then `{"block": header, "logs": [entries]}` a block, as the node gave them
`reads.jsonl.gz`   `{"block", "label", "to", "data", "result"}` a line; `error` instead of `result` for a revert
"""

from __future__ import annotations

import gzip
import json
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from indexer.chain import wire
from indexer.chain.logs import Planner
from indexer.chain.node import RecordableNode, columns, select
from indexer.errors import BadConfig, BlockNotYetKnown, NodeDisagrees, RangeTooLarge
from indexer.types import Answer, Header, Heads, Logs, Read, Watch

CHAIN_FILE = "chain.jsonl.gz"
READS_FILE = "reads.jsonl.gz"

SYMBOL, DECIMALS, NAME, ASSET, UNDERLYING = "0x95d89b41", "0x313ce567", "0x06fdde03", "0x38d52e0f", "0x6f307dc3"

_CHUNK = 100


def record(
    node: RecordableNode,
    first: int,
    last: int,
    directory: Path | str,
    reads: Iterable[Answer],
    meta: Mapping[str, Any],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write blocks `first..last` with all their logs, and the given answers, into `directory`.

    Shape   `meta` is kept as given, with `chain_id`, `first` and `head` set; give `tokens` in it (address to symbol,
            decimals, ...) to have a replay answer token metadata. `progress` is called with the last block written.
    Raises  NodeDisagrees when the chain changed meanwhile; BlockNotYetKnown for blocks above the node's head
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    described = {**meta, "chain_id": node.chain_id(), "first": first, "head": last}
    partial = folder / f"{CHAIN_FILE}.partial"
    with gzip.open(partial, "wt", encoding="utf-8") as file:
        file.write(_line({"meta": described}))
        parent = None
        for header, logs in _blocks(node, first, last):
            if parent is not None and header["parentHash"] != parent:
                number = int(header["number"], 16)
                raise NodeDisagrees(
                    f"{node.name}: block {number} does not follow block {number - 1}: the chain changed while it was recorded",
                    wire.header_request(number - 1),
                    wire.header_request(number),
                )
            parent = header["hash"]
            file.write(_line({"block": header, "logs": logs}))
            if progress:
                progress(int(header["number"], 16))
    with gzip.open(folder / READS_FILE, "wt", encoding="utf-8") as file:
        for answer in reads:
            file.write(_line(_read_line(answer)))
    partial.replace(folder / CHAIN_FILE)  # last: a recording with a chain file is a complete one


def _blocks(node: RecordableNode, first: int, last: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield (header, its logs) in order."""
    planner = Planner()
    for start in range(first, last + 1, _CHUNK):
        numbers = range(start, min(start + _CHUNK, last + 1))
        headers = node.raw_headers(numbers)
        logs: dict[str, list[dict[str, Any]]] = {header["hash"]: [] for header in headers}
        todo, end = numbers[0], numbers[-1]
        while todo <= numbers[-1]:
            try:
                entries = node.raw_logs(todo, end)
            except RangeTooLarge as error:
                end = planner.refused(todo, end, error)
                continue
            for entry in entries:
                if entry["blockHash"] not in logs:
                    raise NodeDisagrees(
                        f"{node.name}: a log of block {entry['blockHash']}, which none of the headers is",
                        wire.logs_request(todo, end, Watch(frozenset(), frozenset())),
                        wire.header_request(int(entry["blockNumber"], 16)),
                    )
                logs[entry["blockHash"]].append(entry)
            planner.answered(end - todo + 1, len(entries))
            todo, end = end + 1, planner.last_of(end + 1, numbers[-1])
        for header in headers:
            yield header, sorted(logs[header["hash"]], key=lambda entry: int(entry["logIndex"], 16))


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _read_line(answer: Answer) -> dict[str, Any]:
    read, result = answer
    line = {"block": read.block_number, "label": {"reason": read.reason}, "to": read.to, "data": read.data}
    return {**line, "result": result} if result is not None else {**line, "error": "reverted or empty"}


class ReplayNode:
    """A node that answers from a recording: a chain that stands still, every block final.

    Omits   reads that were not recorded are answered with None, but for token metadata, which the meta line gives
    Raises  BadConfig when the files are missing, cut off or have a gap
    """

    def __init__(self, directory: Path | str) -> None:
        folder = Path(directory)
        self._name = f"recording {folder}"
        headers: list[dict[str, Any]] = []
        entries: list[dict[str, Any]] = []
        lines = _read_lines(folder / CHAIN_FILE)
        try:
            self.meta: dict[str, Any] = dict(next(lines)["meta"])
            for line in lines:
                headers.append(line["block"])
                entries += line["logs"]
            self._headers = [msgspec.convert(header, wire.HeaderEntry).header() for header in headers]
            self._logs = columns(msgspec.convert(entries, list[wire.LogEntry]))
        except (StopIteration, KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
            raise BadConfig(f"{folder / CHAIN_FILE}: not a recording: {type(error).__name__} {error}") from None
        self._raw_headers, self._raw_logs = headers, entries
        numbers = [header.number for header in self._headers]
        if not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
            raise BadConfig(f"{folder / CHAIN_FILE}: blocks are missing or out of order")
        self.first, self.last = numbers[0], numbers[-1]
        """The recorded blocks, both included."""
        self._by_hash = {header.hash: header for header in self._headers}
        self._tokens = {str(a).lower(): dict(token) for a, token in (self.meta.get("tokens") or {}).items()}
        self._answers = list(_read_answers(folder / READS_FILE)) if (folder / READS_FILE).exists() else []
        self._results = {(a.read.block_number, a.read.to, a.read.data): a.result for a in self._answers}
        self._metadata = {
            (a.read.to, a.read.data): a.result
            for a in self._answers
            if a.read.data in (SYMBOL, DECIMALS, NAME, ASSET, UNDERLYING)
        }

    @property
    def name(self) -> str:
        """The folder."""
        return self._name

    def chain_id(self) -> int:
        """Return the recorded chain's id."""
        return int(self.meta["chain_id"])

    def heads(self) -> Heads:
        """Return the last recorded block for every tag."""
        return Heads(self.last, self.last, self.last)

    def headers(self, numbers: Sequence[int]) -> list[Header]:
        """Return recorded headers."""
        return [self._headers[self._place(number)] for number in numbers]

    def header_by_hash(self, block_hash: str) -> Header | None:
        """Return a recorded header."""
        return self._by_hash.get(block_hash)

    def logs(self, first: int, last: int, watch: Watch) -> Logs:
        """Return the watched logs of recorded blocks."""
        return select(self._logs.take(self._rows(first, last)), watch)

    def logs_of_block(self, block_hash: str, watch: Watch) -> Logs:
        """Return the watched logs of one recorded block."""
        header = self._by_hash.get(block_hash)
        if header is None:
            raise BlockNotYetKnown(f"{self.name} has no block {block_hash}")
        return self.logs(header.number, header.number, watch)

    def call(self, reads: Sequence[Read]) -> list[Answer]:
        """Answer from the recorded reads; None for a read that was not recorded."""
        return [Answer(read, self._result(read)) for read in reads]

    def recorded_reads(self, first: int, last: int) -> list[Answer]:
        """Return every recorded read of the blocks, in file order; the indexer books them like its own."""
        return [answer for answer in self._answers if first <= answer.read.block_number <= last]

    def raw_headers(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return header objects as recorded."""
        return [self._raw_headers[self._place(number)] for number in numbers]

    def raw_logs(self, first: int, last: int) -> list[dict[str, Any]]:
        """Return log entries as recorded."""
        return [self._raw_logs[row] for row in self._rows(first, last)]

    def _place(self, number: int) -> int:
        if number > self.last:
            raise BlockNotYetKnown(f"{self.name} ends at block {self.last}")
        if number < self.first:
            raise BadConfig(
                f"{self.name} begins at block {self.first}; set start_block = {self.first} (asked: {number})"
            )
        return number - self.first

    def _rows(self, first: int, last: int) -> range:
        self._place(first)
        self._place(last)
        return range(bisect_left(self._logs.block_number, first), bisect_right(self._logs.block_number, last))

    def _result(self, read: Read) -> str | None:
        key = (read.block_number, read.to, read.data)
        if key in self._results:
            return self._results[key]
        if read.data not in (SYMBOL, DECIMALS, NAME, ASSET, UNDERLYING):
            return None
        return _token_answer(self._tokens.get(read.to, {}), read.data) or self._metadata.get((read.to, read.data))


def _token_answer(token: dict[str, Any], selector: str) -> str | None:
    """Return the ABI-encoded answer to a metadata call, from a token of the meta line."""
    if selector == DECIMALS and isinstance(token.get("decimals"), int):
        return f"0x{token['decimals']:064x}"
    if selector in (SYMBOL, NAME) and isinstance(token.get("symbol"), str):
        text = token["symbol"].encode()
        return f"0x{32:064x}{len(text):064x}{text.hex().ljust(-(-len(text) // 32) * 64, '0')}"
    if selector == ASSET and str(token.get("kind", "")).startswith("ERC-4626") and token.get("asset"):
        return f"0x{int(token['asset'], 16):064x}"
    if selector == UNDERLYING and token.get("underlying"):
        return f"0x{int(token['underlying'], 16):064x}"
    return None


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a gzipped file of lines. Raises BadConfig when it cannot be read."""
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                yield msgspec.json.decode(line, type=dict[str, Any])
    except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
        raise BadConfig(f"{path}: cannot be read: {error}") from None


def _read_answers(path: Path) -> Iterator[Answer]:
    for line in _read_lines(path):
        try:
            label = line.get("label") or {}
            read = Read(int(line["block"]), line["to"].lower(), line["data"].lower(), str(label.get("reason") or ""))
            yield Answer(read, line.get("result"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadConfig(f"{path}: a read that cannot be used: {error}") from None
