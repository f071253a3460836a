"""The JSON-RPC bodies that are read: typed structs with the needed fields only, so msgspec skips the rest."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from indexer.types import Header, Watch

T = TypeVar("T")

MAX_ADDRESSES = 1_000
"""Addresses (or topics) of one eth_getLogs: geth's limit. Up to `MAX_QUERIES` times as many are asked in parts."""

MAX_QUERIES = 5
"""More parts than this cost more than reading every emitter's logs of the topics and picking here."""


class LogEntry(msgspec.Struct, rename="camel", gc=False):
    """A log as eth_getLogs gives it. A pending log (null block) does not fit and is refused."""

    address: str
    topics: tuple[str, ...]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    transaction_index: str
    log_index: str
    block_timestamp: str | None = None
    removed: bool = False


class HeaderEntry(msgspec.Struct, rename="camel", gc=False):
    """A header as eth_getBlockBy* gives it."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    logs_bloom: str | None = None

    def header(self) -> Header:
        """Return it as the nouns of the house. Raises ValueError on a malformed number."""
        return Header(
            int(self.number, 16),
            self.hash.lower(),
            self.parent_hash.lower(),
            int(self.timestamp, 16),
            self.logs_bloom or "",
        )


class RpcError(msgspec.Struct):
    """A JSON-RPC error object; loosely typed because nodes take liberties with it."""

    code: Any = None
    message: Any = ""
    data: Any = None

    def text(self) -> str:
        """Return what the node said, its `data` included where that is short text (many put the reason there)."""
        extra = f": {self.data}" if isinstance(self.data, str) and len(self.data) < 300 else ""
        return f"{self.message or ''}{extra}"


class Reply(msgspec.Struct, Generic[T]):
    """One JSON-RPC response."""

    id: Any = None
    result: T | None = None
    error: RpcError | str | None = None


def error_of(error: RpcError | str) -> tuple[int | None, str]:
    """Return (code, text) of an error object or bare string."""
    if isinstance(error, str):
        return None, error
    code = error.code
    if isinstance(code, str) and code.lstrip("-").isdigit():
        code = int(code)
    return (code if isinstance(code, int) else None), error.text()


@lru_cache(maxsize=64)
def filters(watch: Watch) -> tuple[tuple[dict[str, Any], ...], bool]:
    """Return the address/topics parts of the eth_getLogs calls that a watch needs, and whether to pick rows afterwards."""
    topics, picks = sorted(watch.topics), False
    if len(topics) > MAX_ADDRESSES:
        topics, picks = [], True
    shared: dict[str, Any] = {"topics": [topics]} if topics else {}
    addresses = sorted(watch.addresses)
    if not addresses:
        return (shared,), picks
    if len(addresses) > MAX_ADDRESSES * MAX_QUERIES:
        return (shared,), True
    parts = (addresses[n : n + MAX_ADDRESSES] for n in range(0, len(addresses), MAX_ADDRESSES))
    return tuple({"address": part, **shared} for part in parts), picks


def request_text(method: str, params: object) -> str:
    """Return a request as a provider's support can replay it, long address lists cut."""
    text = msgspec.json.encode({"method": method, "params": params}).decode()
    return text if len(text) <= 1_000 else f"{text[:1_000]}... ({len(text)} characters)"


def logs_request(first: int, last: int, watch: Watch) -> str:
    """Return the eth_getLogs request of a range as text."""
    return request_text("eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(last), **filters(watch)[0][0]}])


def block_logs_request(block_hash: str, watch: Watch) -> str:
    """Return the eth_getLogs request of one block as text."""
    return request_text("eth_getLogs", [{"blockHash": block_hash, **filters(watch)[0][0]}])


def header_request(number: int) -> str:
    """Return the request of a header as text."""
    return request_text("eth_getBlockByNumber", [hex(number), False])
