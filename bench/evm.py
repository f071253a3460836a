"""What an EVM node computes for a block: hashes, log blooms, header objects and log filters.

Shared by the replay node of the benches and the lying node of the tests. Nothing here does I/O. Hashes of
made-up blocks and transactions are SHA-256 (any 32 bytes do); blooms and event topics use Keccak-256, because
clients recompute those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Self

from eth_hash.auto import keccak

Json = Any
"""A decoded JSON value."""

ZERO_ADDRESS = "0x" + "0" * 40
ZERO_HASH = "0x" + "0" * 64
EMPTY_BLOOM = "0x" + "0" * 512


@cache
def topic0(signature: str) -> str:
    """Keccak-256 of an event signature such as ``Transfer(address,address,uint256)``, as 0x text."""
    return "0x" + keccak(signature.encode()).hex()


@cache
def selector(signature: str) -> str:
    """The first four bytes of the Keccak-256 of a function signature, as 0x text."""
    return topic0(signature)[:10]


def word(value: int) -> str:
    """A non-negative integer as 64 hex digits without 0x (one ABI word)."""
    return f"{value:064x}"


def address_word(address: str) -> str:
    """A 0x address as 64 hex digits without 0x."""
    return "0" * 24 + address[2:]


def address_topic(address: str) -> str:
    """A 0x address left-padded to a 0x topic."""
    return "0x" + "0" * 24 + address[2:]


def made_up_hash(*parts: object) -> str:
    """A deterministic 32-byte 0x hash of the parts' text."""
    return "0x" + hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def made_up_address(*parts: object) -> str:
    """A deterministic 20-byte 0x address of the parts' text."""
    return "0x" + made_up_hash("address", *parts)[-40:]


@lru_cache(maxsize=1 << 20)
def bloom_bits(value: str) -> int:
    """The three bits that one address or topic (0x text) sets in a 2048-bit log bloom, as an integer mask."""
    digest = keccak(bytes.fromhex(value[2:]))
    mask = 0
    for i in (0, 2, 4):
        mask |= 1 << ((digest[i] << 8 | digest[i + 1]) & 2047)
    return mask


def bloom_of(items: Iterable[str]) -> int:
    """The bloom of addresses and topics (0x text), as an integer."""
    bloom = 0
    for item in items:
        bloom |= bloom_bits(item)
    return bloom


def bloom_of_logs(logs: Iterable[Mapping[str, Json]]) -> int:
    """The bloom of log entries: every address and every topic."""
    bloom = 0
    for log in logs:
        bloom |= bloom_bits(log["address"]) | bloom_of(log["topics"])
    return bloom


def bloom_hex(bloom: int) -> str:
    """An integer bloom as 0x and 512 hex digits."""
    return f"0x{bloom:0512x}"


def bloom_may_contain(bloom: str, value: str) -> bool:
    """Whether a 0x bloom admits an address or topic (false means certainly absent)."""
    bits = bloom_bits(value)
    return int(bloom, 16) & bits == bits


def header(
    *, number: int, block_hash: str, parent_hash: str, timestamp: int, bloom: str, transactions: Sequence[str]
) -> dict[str, Json]:
    """A header object as ``eth_getBlockByNumber(n, false)`` gives it; timestamp in Unix seconds."""
    return {
        "baseFeePerGas": "0x3b9aca00",
        "difficulty": "0x0",
        "extraData": "0x",
        "gasLimit": "0x1c9c380",
        "gasUsed": hex(250_000 * len(transactions)),
        "hash": block_hash,
        "logsBloom": bloom,
        "miner": ZERO_ADDRESS,
        "mixHash": ZERO_HASH,
        "nonce": "0x0000000000000000",
        "number": hex(number),
        "parentHash": parent_hash,
        "receiptsRoot": made_up_hash("receipts", block_hash),
        "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "size": "0x374",
        "stateRoot": made_up_hash("state", block_hash),
        "timestamp": hex(timestamp),
        "totalDifficulty": "0x0",
        "transactions": list(transactions),
        "transactionsRoot": made_up_hash("transactions", block_hash),
        "uncles": [],
    }


@dataclass(frozen=True, slots=True)
class LogFilter:
    """The address and topic part of an ``eth_getLogs`` filter; ``None`` means any."""

    addresses: frozenset[str] | None
    topics: tuple[frozenset[str] | None, ...]

    @classmethod
    def parse(cls, query: Mapping[str, Json]) -> Self:
        """Read a filter object: address one or a list; each topic position null, one or a list (OR).

        An empty list means any, as in geth.
        """
        raw = query.get("address")
        addresses = None if not raw else frozenset(x.lower() for x in ([raw] if isinstance(raw, str) else raw))
        topics = tuple(
            None if not one else frozenset(x.lower() for x in ([one] if isinstance(one, str) else one))
            for one in query.get("topics") or ()
        )
        return cls(addresses, topics)

    @property
    def only_topic0(self) -> bool:
        """Whether nothing beyond position 0 is constrained, not even the number of topics."""
        return len(self.topics) <= 1

    def admits(self, address: str, first: str | None) -> bool:
        """Whether a log with this address and topic0 can match (later positions not looked at)."""
        if self.addresses is not None and address not in self.addresses:
            return False
        return not self.topics or self.topics[0] is None or first in self.topics[0]

    def matches(self, log: Mapping[str, Json]) -> bool:
        """Whether a log entry matches, all positions."""
        topics: Sequence[str] = log["topics"]
        if len(topics) < len(self.topics) or not self.admits(log["address"], topics[0] if topics else None):
            return False
        return all(want is None or got in want for want, got in zip(self.topics[1:], topics[1:], strict=False))


def quantity(value: str) -> int:
    """A 0x quantity as an integer; ``ValueError`` when it is not one."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError(f"not a hex quantity: {value!r}")
    return int(value, 16)
