"""Read `abis/<slug>/<Contract>.json`: standard JSON ABI arrays, data only."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from eth_hash.auto import keccak

from indexer.decode.layout import Layout
from indexer.errors import BadConfig

ROOT = Path(__file__).resolve().parents[2] / "abis"


@cache
def load(slug: str, contract: str) -> tuple[dict[str, object], ...]:
    """Return the entries of one ABI file. Raises BadConfig when there is none."""
    path = ROOT / slug / f"{contract}.json"
    if not path.is_file():
        raise BadConfig(f"abis/{slug}/{contract}.json does not exist; add the contract's ABI there")
    return tuple(json.loads(path.read_text()))


@cache
def events(slug: str, contract: str) -> dict[str, tuple[Layout, ...]]:
    """Return every event of a contract by name; a name has several layouts when its form changed over time."""
    found: dict[str, list[Layout]] = {}
    for entry in load(slug, contract):
        if entry["type"] == "event" and ("note" in entry or not entry.get("anonymous")):
            layout = Layout.compile(entry)
            found.setdefault(layout.name, []).append(layout)
    return {name: tuple(layouts) for name, layouts in found.items()}


@cache
def contracts(slug: str) -> tuple[str, ...]:
    """Return the contract names that a protocol has ABI files for."""
    return tuple(sorted(path.stem for path in (ROOT / slug).glob("*.json")))


@cache
def selector(signature: str) -> str:
    """Return the 4-byte selector of a function, e.g. `decimals()`, as `0x` hex."""
    return "0x" + keccak(signature.encode())[:4].hex()


def call(signature: str, *words: str | int) -> str:
    """Return the calldata of a function whose arguments are single words: addresses as hex, numbers as int."""
    encoded = (f"{word:064x}" if isinstance(word, int) else word.removeprefix("0x").rjust(64, "0") for word in words)
    return selector(signature) + "".join(encoded)
