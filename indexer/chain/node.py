"""What a source of chain data is: a node, a pool of nodes and a recording all look like this.

Units    block numbers are ints; hashes and addresses are lower-case hex; timestamps unix seconds
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from indexer.errors import NodeUnavailable
from indexer.types import Answer, Header, Heads, Logs, Read, Watch

EVERYTHING = Watch(frozenset(), frozenset())
"""At this level an empty set restricts nothing: every emitter, every topic. (`fetch` treats no address as no log.)"""


class NoAnswer(NodeUnavailable):
    """The node took the question and was silent until the time was up: possibly too much was asked at once."""


class Node(Protocol):
    """One chain, as told by one source. Calls are safe from several threads at once."""

    @property
    def name(self) -> str:
        """Where the data comes from, fit to be shown: no path, key or password of a URL."""
        ...

    def chain_id(self) -> int:
        """Return the chain id the source serves."""
        ...

    def heads(self) -> Heads:
        """Return the newest block number by tag; `safe` and `finalized` are None where the chain has no such tag."""
        ...

    def headers(self, numbers: Sequence[int]) -> list[Header]:
        """Return the canonical headers of these numbers, in that order.

        Raises  BlockNotYetKnown when the source lacks one of them
        """
        ...

    def header_by_hash(self, block_hash: str) -> Header | None:
        """Return the header with this hash, or None when the source does not have it (any more)."""
        ...

    def logs(self, first: int, last: int, watch: Watch) -> Logs:
        """Return the watched logs of blocks `first..last`, as the source sent them.

        Raises  RangeTooLarge when the source refuses this much in one answer
        """
        ...

    def logs_of_block(self, block_hash: str, watch: Watch) -> Logs:
        """Return the watched logs of the one block with this hash, whatever chain it is on.

        Raises  BlockNotYetKnown when the source lacks the block
        """
        ...

    def call(self, reads: Sequence[Read]) -> list[Answer]:
        """Answer view calls, each at the end of its block. A revert or an empty answer is `result=None`.

        Raises  MissingFact when the source no longer has the state (an archive node is needed)
        """
        ...


@runtime_checkable
class RecordableNode(Node, Protocol):
    """A node that can also give its answers unparsed, for `record`."""

    def raw_headers(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return header objects as the source gives them. Raises BlockNotYetKnown."""
        ...

    def raw_logs(self, first: int, last: int) -> list[dict[str, Any]]:
        """Return every log entry of the blocks as the source gives it. Raises RangeTooLarge."""
        ...


def columns(entries: Sequence[Any]) -> Logs:
    """Turn typed log entries (see `rpc.LogEntry`) into columns. Hot: no Python call per log but `int`."""
    addresses = [e.address for e in entries]
    joined = "".join(addresses)
    if not joined.islower():  # checksummed addresses; one scan of the batch tells
        addresses = [address.lower() for address in addresses]
    return Logs(
        block_number=[int(e.block_number, 16) for e in entries],
        log_index=[int(e.log_index, 16) for e in entries],
        tx_index=[int(e.transaction_index, 16) for e in entries],
        tx_hash=[e.transaction_hash for e in entries],
        block_hash=[e.block_hash for e in entries],
        address=addresses,
        topics=[e.topics for e in entries],
        data=[e.data for e in entries],
        timestamp=[int(e.block_timestamp, 16) if e.block_timestamp else 0 for e in entries],
    )


def select(logs: Logs, watch: Watch) -> Logs:
    """Return the rows that `watch` asks for. Used where the source itself could not filter."""
    addresses, topics = watch
    rows = [
        row
        for row, (address, topic) in enumerate(zip(logs.address, logs.topics, strict=True))
        if (not addresses or address in addresses) and (not topics or (topic and topic[0] in topics))
    ]
    return logs if len(rows) == len(logs) else logs.take(rows)
