"""Write `docs/protocols.md`: how far each adapter is proven, from a run of the tests that compare whole recordings.

Usage   python -m tools.make_protocols       run the tests, then write the page (`make protocols`); some minutes
Source  the tests that call `tests.protocols.results.record`; `proven` of each adapter; "Left out" of its README
Exit    1 when a test fails, or when an adapter says that it is proven and no run showed it; the page is left as it is
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from indexer.protocol import Protocol
from indexer.protocols import discover

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "protocols.md"
RESULTS = ROOT / ".cache" / "protocol-results"
"""Where `tests/protocols/results.py` writes."""

TESTS = ("tests/protocols", "tests/replay")
LONGEST = 300
"""Characters of "not covered": whole sentences up to so many, but at least one."""

UNPROVEN = "**unproven**"

HEAD = """\
<!-- Written by tools/make_protocols.py from a run of the tests. Change the tests or the adapters, then run `make protocols`. -->

# Protocols: what is proven

Every number is of the run that wrote this page. An *answer* is what a deployed contract returned for a view call at a block of
a recorded chain; it is compared with what SQL says of that block, to the last digit. *Checkpoints* are the blocks with answers.
The chains are private ones with the protocols' real contracts; no public chain's whole history was compared. **Unproven**: the
rules follow published sources and are tested by hand, but this protocol's own contracts were not run.

| protocol | version proven | checkpoints | answers compared | mismatches | proven how | not covered |
|---|---|---|---|---|---|---|
"""

TAIL = """
A protocol with several recordings has their sums above. Recording by recording:

| protocol | version | recording | checkpoints | answers compared | mismatches |
|---|---|---|---|---|---|
"""

NOTE = """
The whole of what an adapter leaves out is in its README. `GET /v1/protocols` does not say what is proven: the API reads the
database only, and the database has no such column.
"""


def recorded_tests() -> Iterator[str]:
    """Yield the tests that record results, as pytest names them."""
    for room in TESTS:
        for file in sorted((ROOT / room).rglob("test_*.py")):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and "record" in _calls(node):
                    yield f"{file.relative_to(ROOT).as_posix()}::{node.name}"


def _calls(function: ast.FunctionDef) -> set[str]:
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {called.id for called in calls if isinstance(called, ast.Name)}


def run() -> list[dict[str, Any]]:
    """Run the tests anew and return what they recorded."""
    if RESULTS.is_dir():
        for old in RESULTS.glob("*.json"):
            old.unlink()
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not live", *recorded_tests()]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit("docs/protocols.md is left as it is: a test failed")
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob("*.json"))]


def left_out(readme: str) -> str:
    """Return the beginning of a README's section on what is left out, whole sentences."""
    found = re.search(r"^\*\*Left out\.?\*\*:?\s*(.+?)(?:\n\s*\n|\Z)", readme, re.MULTILINE | re.DOTALL)
    if found is None:
        return "-"
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(found[1].split())).replace("|", "\\|")
    taken = ""
    for sentence in re.split(r"(?<=\.)\s+(?=[A-Z`])", text):
        if taken and len(taken) + len(sentence) > LONGEST:
            break
        taken = f"{taken} {sentence}".strip()
    return taken


def render(results: Sequence[Mapping[str, Any]], adapters: Mapping[str, Protocol]) -> str:
    """Return the page."""
    rows, details = [], []
    for slug, adapter in sorted(adapters.items()):
        own = sorted((row for row in results if row["slug"] == slug), key=lambda row: (row["version"], row["how"]))
        if adapter.proven and not own:
            sys.exit(f"docs/protocols.md is left as it is: {slug} says that it is proven, and no test recorded it")
        folder = f"../indexer/protocols/{slug}/README.md"
        readme = (PAGE.parent / folder).resolve()
        sums = [
            f"{sum(row[name] for row in own):,}" if own else "-" for name in ("checkpoints", "compared", "mismatches")
        ]
        version = ", ".join(dict.fromkeys(row["version"] for row in own)) if adapter.proven else "none"
        how = adapter.proven
        if not how:
            how = f"{UNPROVEN}; compared were {own[0]['version']}" if own else UNPROVEN
        outside = left_out(readme.read_text(encoding="utf-8")) if readme.is_file() else "-"
        name = f"[{slug}]({folder})" if readme.is_file() else slug
        rows.append("| " + " | ".join([name, version, *sums, how, outside]) + " |")
        details += [
            f"| {slug} | {row['version']} | {row['how']} | {row['checkpoints']:,} | {row['compared']:,} | {row['mismatches']:,} |"
            for row in own
        ]
    return HEAD + "\n".join(rows) + "\n" + TAIL + "\n".join(details) + "\n" + NOTE


def main() -> None:
    """Run and write."""
    PAGE.write_text(render(run(), discover()), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
