"""A migrated database for this folder, and recorded chains to hold the SQL against."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from eth_abi import decode

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"


@pytest.fixture(scope="session")
def migrated(migrated_database: Callable[[], str]) -> str:
    """URL of one migrated database shared by tests that roll back."""
    return migrated_database()


@pytest.fixture
def db(migrated: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose changes are rolled back after the test."""
    with psycopg.connect(migrated) as connection:
        yield connection
        connection.rollback()


class Recording:
    """One recorded chain: headers by number, and the contracts' own answers by block."""

    def __init__(self, folder: Path) -> None:
        self.times: dict[int, int] = {}
        self.logs: list[tuple[int, dict[str, Any]]] = []
        self.answers: dict[tuple[int, str], list[tuple[dict[str, Any], str]]] = {}
        with gzip.open(folder / "chain.jsonl.gz", "rt") as lines:
            self.meta = json.loads(next(lines))["meta"]
            for line in lines:
                row = json.loads(line)
                number = int(row["block"]["number"], 16)
                self.times[number] = int(row["block"]["timestamp"], 16)
                self.logs.extend((number, log) for log in row["logs"])
        with gzip.open(folder / "views.jsonl.gz", "rt") as lines:
            for line in lines:
                row = json.loads(line)
                label = row["label"]
                self.answers.setdefault((row["block"], label["what"]), []).append((label, row["result"]))

    def at(self, block: int, what: str) -> list[tuple[dict[str, Any], tuple[Any, ...]]]:
        """Return label and decoded values of every answer to `what` at a block."""
        return [
            (label, decode(split(outputs_of(label["sig"])), bytes.fromhex(result[2:])))
            for label, result in self.answers.get((block, what), [])
        ]


def outputs_of(signature: str) -> str:
    """Return the inside of the last bracket of `name(inputs)(outputs)`."""
    depth = 0
    for at in range(len(signature) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(signature[at], 0)
        if depth == 0:
            return signature[at + 1 : -1]
    raise ValueError(signature)


def split(types: str) -> list[str]:
    """Split a list of ABI types at the commas outside brackets."""
    parts, depth = [""], 0
    for letter in types:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Recording]:
    """Return a function that loads a recording by folder name, or skips the test without it."""
    loaded: dict[str, Recording] = {}

    def load(name: str) -> Recording:
        if not (RECORDINGS / name / "views.jsonl.gz").exists():
            pytest.skip(f"no recording {name} in {RECORDINGS}")
        if name not in loaded:
            loaded[name] = Recording(RECORDINGS / name)
        return loaded[name]

    return load
