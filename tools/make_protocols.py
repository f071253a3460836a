"""Write `docs/protocols.md`: how far each adapter is proven, from a run of the tests that compare whole recordings.

Usage   python -m tools.make_protocols           run the tests, then write the page (`make protocols`); a minute
        python -m tools.make_protocols --keep    run nothing: the page's own numbers, the adapters' newest words
Source  the tests that call `tests.protocols.results.record`; `proven` of each adapter; "Left out" of its README
Omits   a test that skips (its recording is not here) records nothing; the page's numbers of an earlier run are kept, with
        their date
Exit    1 when a test fails, or when an adapter says that it is proven and no run ever showed it; the page stays as it is
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from indexer.protocol import Protocol
from indexer.protocols import discover

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "protocols.md"
RESULTS = ROOT / ".cache" / "protocol-results"
"""Where `tests/protocols/results.py` writes."""

RECORDINGS = ROOT.parent / "shared" / "recordings"

README = "../indexer/protocols/{}/README.md"
"""Of an adapter, from the page."""

TESTS = ("tests/protocols", "tests/replay")
LONGEST = 300
"""Characters of "not covered": whole sentences up to so many, but at least one."""

UNPROVEN = "**unproven**"

HEAD = """\
<!-- Written by tools/make_protocols.py from a run of the tests. Change the tests or the adapters, then run `make protocols`. -->

# Protocols: what is proven

Every number is of a run of the tests, on the date in the second table. An *answer* is what a deployed contract returned for a view call at a block of
a recorded chain; it is compared with what SQL says of that block, to the last digit; oracle prices among
them are inputs, and show that a block is valued at its own price. *Checkpoints* are the blocks with answers.
The chains are private ones with the protocols' real contracts; no public chain's whole history was compared. **Unproven**: the
rules follow published sources and are tested by hand, but this protocol's own contracts were not run.

| protocol | version proven | checkpoints | answers compared | mismatches | proven how | not covered |
|---|---|---|---|---|---|---|
"""

TAIL = """
A protocol with several recordings has their sums above. Recording by recording:

| protocol | version | recording | checkpoints | answers compared | mismatches | run |
|---|---|---|---|---|---|---|
"""

NOTE = """
The whole of what an adapter leaves out is in its README. `GET /v1/protocols` says `proven` too, in the words of the
adapter that indexed last.
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
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    new = [json.loads(file.read_text(encoding="utf-8")) | {"run": today} for file in sorted(RESULTS.glob("*.json"))]
    if RECORDINGS.is_dir():  # nothing was skipped, so what was not recorded is no more
        return new
    told = {(row["slug"], row["how"]) for row in new}
    return [*new, *(row for row in kept() if (row["slug"], row["how"]) not in told)]


def kept() -> list[dict[str, Any]]:
    """Return the numbers that the page has."""
    names = ("slug", "version", "how", "checkpoints", "compared", "mismatches", "run")
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    found = [
        dict(zip(names, row, strict=True))
        for row in re.findall(r"^\| " + r" \| ".join(["(.+?)"] * 7) + r" \|$", page.partition(TAIL)[2], re.MULTILINE)
    ]
    return [row | {name: int(row[name].replace(",", "")) for name in names[3:6]} for row in found]


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


def outside_of(slug: str) -> str:
    """Return what an adapter's README says that it leaves out, as a cell of the table."""
    file = (PAGE.parent / README.format(slug)).resolve()
    return left_out(file.read_text(encoding="utf-8")) if file.is_file() else "-"


def render(results: Sequence[Mapping[str, Any]], adapters: Mapping[str, Protocol]) -> str:
    """Return the page."""
    rows, details = [], []
    for slug, adapter in sorted(adapters.items()):
        own = sorted((row for row in results if row["slug"] == slug), key=lambda row: (row["version"], row["how"]))
        if adapter.proven and not own:
            sys.exit(f"docs/protocols.md is left as it is: {slug} says that it is proven, and no test recorded it")
        sums = [
            f"{sum(row[name] for row in own):,}" if own else "-" for name in ("checkpoints", "compared", "mismatches")
        ]
        version = ", ".join(dict.fromkeys(row["version"] for row in own)) if adapter.proven else "none"
        how = adapter.proven
        if not how:
            how = f"{UNPROVEN}; compared were {own[0]['version']}" if own else UNPROVEN
        readme = README.format(slug)
        name = f"[{slug}]({readme})" if (PAGE.parent / readme).is_file() else slug
        rows.append("| " + " | ".join([name, version, *sums, how, outside_of(slug)]) + " |")
        details += [
            f"| {slug} | {row['version']} | {row['how']} | {row['checkpoints']:,} | {row['compared']:,} | {row['mismatches']:,} | {row['run']} |"
            for row in own
        ]
    return HEAD + "\n".join(rows) + "\n" + TAIL + "\n".join(details) + "\n" + NOTE


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="run nothing: keep the page's numbers")
    results = kept() if parser.parse_args().keep else run()
    PAGE.write_text(render(results, discover()), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
