"""What imports do not reveal: files, clocks and chance in pure rooms, errors swallowed, files grown too long."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEXER = ROOT / "indexer"

PURE_ROOMS = ("aggregation", "decode", "families", "ledger", "protocols")
PURE_FILES = ("errors.py", "protocol.py", "types.py", "units.py")

READS_STATIC_DATA = {
    "indexer/decode/abi.py",  # abis/<slug>/*.json
    "indexer/protocols/__init__.py",  # protocols/<slug>/deployments.toml
}
FILE_CALLS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "unlink", "mkdir"}
CLOCK_CALLS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "sleep"}
CLOCK_OWNERS = {"time", "datetime", "date"}

MAY_CATCH_ANYTHING = {"indexer/run.py", "indexer/cli.py", "api/problems.py"}

LONGEST_FILE = 400
MAY_BE_LONGER: set[str] = set()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def house_files() -> list[Path]:
    return sorted(path for room in ("indexer", "api") for path in (ROOT / room).rglob("*.py"))


def pure_files() -> list[Path]:
    rooms = [path for room in PURE_ROOMS for path in (INDEXER / room).rglob("*.py")]
    return sorted([*rooms, *(INDEXER / file for file in PURE_FILES)])


def impure_calls(tree: ast.AST) -> Iterator[str]:
    """Yield `line: call` of every call that reads a file or a clock."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        attribute = called.attr if isinstance(called, ast.Attribute) else None
        plain = called.id if isinstance(called, ast.Name) else None
        owner = ast.unparse(called.value).rpartition(".")[2] if isinstance(called, ast.Attribute) else ""
        if plain in {"open", "input", "print"} or attribute in FILE_CALLS:
            yield f"{node.lineno}: {ast.unparse(called)}"
        if attribute in CLOCK_CALLS and owner in CLOCK_OWNERS:
            yield f"{node.lineno}: {ast.unparse(called)}"


@pytest.mark.parametrize("path", pure_files(), ids=name)
def test_pure_rooms_read_no_files_and_no_clock(path: Path) -> None:
    if name(path) not in READS_STATIC_DATA:
        assert list(impure_calls(ast.parse(path.read_text()))) == []


def test_the_ban_sees_what_it_forbids() -> None:
    text = (
        "import time, datetime\nopen('x')\nPath('x').read_text()\ntime.time()\ndatetime.datetime.now()\ndatetime.now()"
    )
    assert [line.split(":")[0] for line in impure_calls(ast.parse(text))] == ["2", "3", "4", "5", "6"]


@pytest.mark.parametrize("path", house_files(), ids=name)
def test_errors_are_caught_by_name(path: Path) -> None:
    caught = [
        f"{node.lineno}: except {ast.unparse(node.type) if node.type else ''}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) == "Exception")
    ]
    assert caught == [] or name(path) in MAY_CATCH_ANYTHING


@pytest.mark.parametrize("path", house_files(), ids=name)
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_FILE or name(path) in MAY_BE_LONGER, f"{lines} lines; split it by what it is about"
