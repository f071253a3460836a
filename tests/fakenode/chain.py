"""A small chain in memory: headers and logs, recorded or made by hand, that can grow and reorganise."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.evm import ZERO_HASH, bloom_hex, bloom_of_logs, header, made_up_hash

BLOCK_SECONDS = 12
GENESIS_TIME = 1_700_000_000

RawLog = Mapping[str, Any]
"""What a test gives for a log: address and topics, optionally data, transactionHash, transactionIndex."""


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """A header as ``eth_getBlockByNumber(n, false)`` gives it, and its log entries in order."""

    header: dict[str, Any]
    logs: tuple[dict[str, Any], ...]

    @property
    def number(self) -> int:
        """Block number."""
        return int(self.header["number"], 16)

    @property
    def hash(self) -> str:
        """Block hash, 0x text."""
        return str(self.header["hash"])

    @property
    def timestamp(self) -> int:
        """Unix seconds."""
        return int(self.header["timestamp"], 16)


class FakeChain:
    """Blocks in order from ``first``; replaced branches stay known by hash.

    Recorded blocks keep their recorded headers. Blocks made here get a number, parent hash, bloom, block hash and
    log positions computed from their content, so that two branches with different content differ in hash.
    """

    def __init__(self, chain_id: int = 31_337, blocks: Iterable[FakeBlock] = (), *, first: int = 0) -> None:
        self.chain_id = chain_id
        self.blocks = list(blocks)
        self.first = self.blocks[0].number if self.blocks else first
        self.orphans: list[FakeBlock] = []
        self.meta: dict[str, Any] = {}
        self._made = 0

    @classmethod
    def from_recording(cls, folder: Path | str, *, blocks: int | None = None) -> Self:
        """The chain of a ``chain.jsonl.gz``, or its first so many blocks; ``meta`` is kept."""
        with gzip.open(Path(folder) / "chain.jsonl.gz", "rt") as lines:
            meta = json.loads(next(lines))["meta"]
            made: list[FakeBlock] = []
            for line in lines:
                if blocks is not None and len(made) == blocks:
                    break
                entry = json.loads(line)
                made.append(FakeBlock(entry["block"], tuple(entry["logs"])))
        chain = cls(int(meta["chain_id"]), made)
        chain.meta = meta
        return chain

    @classmethod
    def build(cls, logs_per_block: Sequence[Sequence[RawLog]], *, chain_id: int = 31_337, first: int = 0) -> Self:
        """A chain by hand: the logs of each block in order."""
        chain = cls(chain_id, first=first)
        chain.extend(logs_per_block)
        return chain

    @property
    def head(self) -> int:
        """Number of the last block; ``first - 1`` when there is none."""
        return self.first + len(self.blocks) - 1

    def block(self, number: int) -> FakeBlock | None:
        """The canonical block of a number."""
        at = number - self.first
        return self.blocks[at] if 0 <= at < len(self.blocks) else None

    def by_hash(self, block_hash: str) -> FakeBlock | None:
        """A block by hash, canonical or replaced."""
        wanted = block_hash.lower()
        return next((b for b in (*reversed(self.blocks), *reversed(self.orphans)) if b.hash == wanted), None)

    def orphans_at(self, number: int) -> list[FakeBlock]:
        """Replaced blocks of a number, oldest first."""
        return [block for block in self.orphans if block.number == number]

    def logs(self) -> Iterator[dict[str, Any]]:
        """All canonical logs in order."""
        for block in self.blocks:
            yield from block.logs

    def extend(self, logs_per_block: Sequence[Sequence[RawLog]]) -> list[FakeBlock]:
        """Append blocks with these logs and return them."""
        made = []
        for logs in logs_per_block:
            block = self._make(logs)
            self.blocks.append(block)
            made.append(block)
        return made

    def append(self, blocks: Iterable[FakeBlock]) -> None:
        """Append finished blocks (for instance the rest of a recording) as they are; links are checked."""
        for block in blocks:
            if self.blocks and (block.number, block.header["parentHash"]) != (self.head + 1, self.blocks[-1].hash):
                raise ValueError(f"block {block.number} does not follow block {self.head}")
            self.blocks.append(block)

    def reorg(self, depth: int, new_blocks: Sequence[Sequence[RawLog]]) -> list[FakeBlock]:
        """Replace the last ``depth`` blocks by new ones with these logs, fewer, as many or more."""
        if not 0 < depth <= len(self.blocks):
            raise ValueError(f"cannot replace {depth} of {len(self.blocks)} blocks")
        self.orphans += self.blocks[-depth:]
        del self.blocks[-depth:]
        return self.extend(new_blocks)

    def snapshot(self) -> list[FakeBlock]:
        """The canonical blocks now; later reorgs do not change the list."""
        return list(self.blocks)

    def _make(self, logs: Sequence[RawLog]) -> FakeBlock:
        """A block on top of the head; a counter in its hash keeps equal branches apart."""
        self._made += 1
        parent = self.blocks[-1] if self.blocks else None
        number = self.head + 1
        parent_hash = parent.hash if parent else ZERO_HASH
        timestamp = parent.timestamp + BLOCK_SECONDS if parent else GENESIS_TIME
        entries: list[dict[str, Any]] = []
        transactions: list[str] = []
        for index, log in enumerate(logs):
            tx_hash = log.get("transactionHash") or made_up_hash("tx", parent_hash, self._made, index)
            if tx_hash not in transactions:
                transactions.append(tx_hash)
            entries.append(
                {
                    "address": log["address"].lower(),
                    "topics": [topic.lower() for topic in log["topics"]],
                    "data": log.get("data", "0x"),
                    "blockNumber": hex(number),
                    "blockTimestamp": hex(timestamp),
                    "transactionHash": tx_hash,
                    "transactionIndex": hex(transactions.index(tx_hash)),
                    "logIndex": hex(index),
                    "removed": False,
                }
            )
        bloom = bloom_hex(bloom_of_logs(entries))
        block_hash = made_up_hash("block", parent_hash, number, self._made, json.dumps(entries))
        for entry in entries:
            entry["blockHash"] = block_hash
        made = header(
            number=number,
            block_hash=block_hash,
            parent_hash=parent_hash,
            timestamp=timestamp,
            bloom=bloom,
            transactions=transactions,
        )
        return FakeBlock(made, tuple(entries))
