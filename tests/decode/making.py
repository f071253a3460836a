"""Raw material for the tests of the decode room: ABI entries and logs, made with eth-abi and keccak only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from indexer.types import Logs

HERE = Path(__file__).parent
ZERO_HASH = "0x" + "0" * 64


def topic(signature: str) -> str:
    return "0x" + keccak(text=signature).hex()


def word(kind: str, value: Any) -> str:
    """One static value as a topic."""
    return "0x" + encode([kind], [value]).hex()


def tx(number: int) -> str:
    return f"0x{number:064x}"


def logs_of(rows: Sequence[tuple[str, Sequence[str], str]], block: int = 7) -> Logs:
    """Return (address, topics, data) rows as a batch; the n-th has log index n and transaction `tx(n)`."""
    count = len(rows)
    return Logs(
        [block] * count, list(range(count)), [0] * count, [tx(n) for n in range(count)], [ZERO_HASH] * count,
        [address for address, _, _ in rows], [tuple(topics) for _, topics, _ in rows], [data for _, _, data in rows],
        [0] * count,
    )  # fmt: skip


def event(declaration: str) -> dict[str, Any]:
    """Return the ABI entry of `Name(type [indexed] name, ...)`, elementary types only."""
    name, _, rest = declaration.partition("(")
    inputs = []
    for part in filter(None, (piece.strip() for piece in rest.rstrip(")").split(","))):
        kind, *words = part.split()
        inputs.append({"type": kind, "name": words[-1], "indexed": "indexed" in words})
    return {"type": "event", "name": name, "inputs": inputs, "anonymous": False}


def raw_log(
    address: str, signature: str, topics: Sequence[str], data: str, index: int = 0, **more: Any
) -> dict[str, Any]:
    """Return a log as eth_getLogs gives it."""
    return {
        "address": address, "topics": [topic(signature), *topics], "data": data, "blockNumber": "0x64",
        "transactionHash": tx(1), "transactionIndex": "0x2", "blockHash": ZERO_HASH, "logIndex": hex(index),
        "removed": False, **more,
    }  # fmt: skip


def receipts(path: Path) -> dict[str, dict[str, Any]]:
    """Return the `{chain_id, block_timestamp, receipt}` lines of a file by transaction hash."""
    entries = map(json.loads, path.read_text().splitlines())
    return {entry["receipt"]["transactionHash"]: entry for entry in entries}
