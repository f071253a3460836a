"""Write `abis/<slug>/<Contract>.json` and `abis/SOURCES.toml` from `abis/<slug>/interfaces.toml`.

Usage   python tools/make_abis.py            rewrite the files
        python tools/make_abis.py --check    exit 1 and name every file that differs
Source  each `sources` entry: a published package with its version, or a public repository
Omits   functions that the indexer never reads; events that move neither a position, a parameter nor a price

Declarations keep parameter names and `indexed` exactly as the contract sources have them. An event that exists under one
signature in all versions is listed once; an event of older versions only stays listed, because history needs it.
`raw event` leaves the data as it is, in the column `data`, for a handler that reads only some of it.
`note f(...)` declares an anonymous LogNote of the function f: topic0 is its selector, four topics (`note3`: three). Two
functions of one name need contracts of their own: events go by function name.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ABIS = ROOT / "abis"


@dataclass(frozen=True)
class Contract:
    """One ABI file: where its declarations come from, and the declarations, one a line."""

    path: str
    sources: tuple[str, ...]
    declarations: str
    note: str = ""


def contracts() -> tuple[Contract, ...]:
    """Return what every `abis/<slug>/interfaces.toml` declares, by path."""
    return tuple(
        Contract(f"{file.parent.name}/{name}", tuple(entry["sources"]), entry["declarations"], entry.get("note", ""))
        for file in sorted(ABIS.glob("*/interfaces.toml"))
        for name, entry in tomllib.loads(file.read_text()).items()
    )


_EVENT = re.compile(r"(raw )?event (\w+)\((.*)\)$")
_NOTE = re.compile(r"note(\d?) (\w+)\((.*)\)")
_FUNCTION = re.compile(r"function (\w+)\((.*)\) view returns \((.*)\)$")
_NAME = re.compile(r"[A-Za-z_]\w*")
_ARRAYS = re.compile(r"(\[\d*\])+")
_TYPE = re.compile(r"(address|bool|string|bytes\d*|u?int\d+)(\[\d*\])*")


def _split(params: str) -> list[str]:
    """Cut a parameter list at the commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(params):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(params[start:at])
            start = at + 1
    return [part.strip() for part in (*parts, params[start:]) if part.strip()]


def _parameter(text: str, *, event: bool) -> dict[str, Any]:
    """Turn `type [indexed] [name]` into an ABI parameter; a tuple is `(type name, ...) name`, many `(...)[] name`."""
    entry: dict[str, Any] = {"name": "", "type": ""}
    if text.startswith("("):
        inner, _, rest = text[1:].rpartition(")")
        arrays = _ARRAYS.match(rest)
        entry["type"] = "tuple" + (arrays[0] if arrays else "")
        entry["components"] = [_parameter(part, event=False) for part in _split(inner)]
        words = rest[arrays.end() if arrays else 0 :].split()
    else:
        head, *words = text.split()
        if not _TYPE.fullmatch(head):
            raise ValueError(f"unknown type {head!r} in {text!r}")
        entry["type"] = head
    indexed = words[:1] == ["indexed"]
    words = words[indexed:]
    if len(words) > 1 or not all(_NAME.fullmatch(word) for word in words) or (indexed and not event):
        raise ValueError(f"cannot read parameter {text!r}")
    entry["name"] = words[0] if words else ""
    if event:
        entry["indexed"] = indexed
    return entry


def parse(declaration: str) -> dict[str, Any]:
    """Turn one human-readable declaration into its JSON ABI entry.

    Raises  ValueError if the line is neither `event Name(...)`, `note name(...)` nor `function name(...) view returns (...)`
    """
    if found := _EVENT.fullmatch(declaration):
        inputs = [_parameter(part, event=True) for part in _split(found[3])]
        return {"type": "event", "name": found[2], "inputs": inputs, "anonymous": False} | (
            {"raw": True} if found[1] else {}
        )
    if found := _FUNCTION.fullmatch(declaration):
        return {
            "type": "function",
            "name": found[1],
            "inputs": [_parameter(part, event=False) for part in _split(found[2])],
            "outputs": [_parameter(part, event=False) for part in _split(found[3])],
            "stateMutability": "view",
        }
    if found := _NOTE.fullmatch(declaration):
        inputs = [_parameter(part, event=False) | {"indexed": False} for part in _split(found[3])]
        topics = int(found[1] or 4)
        return {"type": "event", "name": found[2], "inputs": inputs, "anonymous": True, "note": topics}
    raise ValueError(f"cannot read declaration {declaration!r}")


def abi_json(contract: Contract) -> str:
    """Render a contract's ABI, one entry a line so that a change is one line of a diff."""
    entries = [parse(line.strip()) for line in contract.declarations.strip().splitlines()]
    return "[\n" + ",\n".join("  " + json.dumps(entry) for entry in entries) + "\n]\n"


def sources_toml() -> str:
    """Render `SOURCES.toml`: one table a file, by path."""
    lines = ["# Where each interface comes from. Written by tools/make_abis.py; change it there."]
    for contract in contracts():
        lines += ["", "[[file]]", f'path = "{contract.path}.json"', f"sources = {json.dumps(list(contract.sources))}"]
        if contract.note:
            lines.append(f"note = {json.dumps(contract.note)}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check every file; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the ABI files from their declarations.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check: bool = parser.parse_args().check
    files = {ABIS / f"{contract.path}.json": abi_json(contract) for contract in contracts()}
    files[ABIS / "SOURCES.toml"] = sources_toml()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{'differs' if check else 'wrote'} {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
