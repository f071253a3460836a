"""The nouns that flow between rooms. Every batch is a frozen dataclass of equal-length lists.

    node -> Logs -> Events -> facts -> positions -> metrics

Hex stays hex (lower case, `0x`) until decode; only block numbers, indexes and timestamps are ints before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from typing import Any, Literal, NamedTuple

Address = str
"""20 bytes as 42 lower-case characters, `0x` first."""

Hash = str
"""32 bytes as 66 lower-case characters, `0x` first."""

Side = Literal["supply", "collateral", "debt", "long", "short", "margin"]

Finality = Literal["latest", "safe", "finalized"]


def key64(readable_id: str) -> int:
    """Return the signed 64-bit key of a readable id: the first 8 bytes of its SHA-256.

    The same on every machine, in every order of discovery and after every reorg, which a sequence is not.
    """
    return int.from_bytes(sha256(readable_id.encode()).digest()[:8], "big", signed=True)


class BlockRef(NamedTuple):
    """What identifies a block. `timestamp` is unix seconds."""

    number: int
    hash: Hash
    parent_hash: Hash
    timestamp: int


class Header(NamedTuple):
    """A block header, the part that the indexer keeps. `logs_bloom` is 2048 bits as hex."""

    number: int
    hash: Hash
    parent_hash: Hash
    timestamp: int
    logs_bloom: str

    @property
    def ref(self) -> BlockRef:
        """Return the header without its bloom."""
        return BlockRef(self.number, self.hash, self.parent_hash, self.timestamp)


@dataclass(frozen=True, slots=True)
class Logs:
    """Logs as the node sent them, in chain order (block number, log index).

    `timestamp` is the block's, in unix seconds, or 0 where the node did not give `blockTimestamp`.
    """

    block_number: list[int] = field(default_factory=list)
    log_index: list[int] = field(default_factory=list)
    tx_index: list[int] = field(default_factory=list)
    tx_hash: list[Hash] = field(default_factory=list)
    block_hash: list[Hash] = field(default_factory=list)
    address: list[Address] = field(default_factory=list)
    topics: list[tuple[str, ...]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    timestamp: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.block_number)

    def take(self, rows: Sequence[int]) -> Logs:
        """Return the given rows, in the given order, as a new batch."""
        return Logs(*([column[row] for row in rows] for column in self.columns()))

    def columns(self) -> tuple[list[Any], ...]:
        """Return the columns in the order of the fields."""
        return tuple(getattr(self, name) for name in self.__slots__)

    @staticmethod
    def concat(parts: Sequence[Logs]) -> Logs:
        """Join batches end to end. The caller sorts when the parts interleave (`in_order`)."""
        if len(parts) == 1:
            return parts[0]
        return Logs(
            *(list(chain.from_iterable(columns)) for columns in zip(*(part.columns() for part in parts), strict=True))
        )

    def in_order(self) -> Logs:
        """Return the batch sorted by (block number, log index), exact repeats of a log dropped."""
        keys = list(zip(self.block_number, self.log_index, strict=True))
        rows = sorted(range(len(keys)), key=keys.__getitem__)
        unique = [row for n, row in enumerate(rows) if n == 0 or keys[row] != keys[rows[n - 1]]]
        return self if unique == list(range(len(keys))) else self.take(unique)


class Watch(NamedTuple):
    """What to ask the node for: logs of these emitters with one of these first topics."""

    addresses: frozenset[Address]
    topics: frozenset[Hash]


class Heads(NamedTuple):
    """Block numbers by tag. `safe` and `finalized` are None where the chain has no such tag."""

    latest: int
    safe: int | None
    finalized: int | None


class Read(NamedTuple):
    """A view call wanted at the end of a block: `eth_call(to, data)` at `block_number`.

    `block_hash` pins it to that very block where the block can still be replaced; None leaves it to the number.
    """

    block_number: int
    to: Address
    data: str
    reason: str
    block_hash: Hash | None = None


class Answer(NamedTuple):
    """What the node answered to a Read. `result` is None when the call reverted or the answer is lacking."""

    read: Read
    result: str | None


@dataclass(frozen=True, slots=True)
class Range:
    """Blocks `first..last` complete: every log that `watch` asks for, checked against its block.

    `headers` holds, ascending, every block with a log, the last block, and every block above the finalized one.
    `watch` is what was asked; a contract found later inside the range has to be asked for again.
    """

    first: int
    last: int
    logs: Logs
    headers: tuple[Header, ...]
    heads: Heads
    watch: Watch


@dataclass(frozen=True, slots=True)
class Reorg:
    """The chain above `ancestor` was replaced. `branch` is the new one, already fetched and checked."""

    ancestor: BlockRef
    branch: Range


@dataclass(frozen=True, slots=True)
class Finalized:
    """No block up to and including `block` can change any more."""

    block: BlockRef


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing new: the chain's heads as last seen, at the poll's end."""

    heads: Heads


Step = Range | Reorg | Finalized | Idle
