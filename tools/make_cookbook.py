"""Run the queries of docs/sql-cookbook.md on the demo chain and write their first rows below them.

    python -m tools.make_cookbook            write
    python -m tools.make_cookbook --check    write nothing; exit 1 if a page differs

The words and the queries are written by hand; what follows a ```sql block in a ```text block is the answer, in psql's form. In
docs/first-hour.md requests are answered likewise, below their `$ curl` line; what moves with the clock or with the size of the
steps that were indexed (`lag_seconds`, ids of the stream) is cut. A test does `--check`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from api.main import create_app
from api.settings import Settings
from indexer.commands.demo import RECORDING, demo_settings
from indexer.config import ROOT
from indexer.run import follow_chain
from indexer.store.embedded import Embedded
from indexer.store.migrate import upgrade

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore"
    )  # Starlette prefers httpx2 now; httpx, a development dependency here, works as before
    from fastapi.testclient import TestClient

PAGES = (ROOT / "docs" / "sql-cookbook.md", ROOT / "docs" / "first-hour.md")
QUERY = re.compile(r"^```sql\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
REQUEST = re.compile(
    r"^```console\n\$ curl (\S+) 'http://127\.0\.0\.1:8000([^']*)'\n.*?^```\n", re.MULTILINE | re.DOTALL
)
SHOWN = 8
"""Rows of an answer that a page shows."""
LETTERS, WIDTH = 900, 128
"""Letters of an HTTP answer that a page shows, and how long its lines are."""

NUMBERS = (int, float, Decimal)


def queries(text: str) -> list[str]:
    """Return the queries of a page."""
    return [found[1] for found in QUERY.finditer(text)]


def render(text: str, connection: psycopg.Connection[Any], client: TestClient) -> str:
    """Return the page with every answer written anew."""

    def fetched(found: re.Match[str]) -> str:
        answer = re.sub(r'("lag_seconds":)\d+', r"\1...", client.get(found[2]).text.strip())
        answer = re.sub(r"^(id: \d+-)\d+$", r"\1...", answer, flags=re.MULTILINE)
        answer = answer if len(answer) <= LETTERS else answer[:LETTERS] + " ..."
        lines = [line[at : at + WIDTH] for line in answer.splitlines() for at in range(0, max(len(line), 1), WIDTH)]
        shown = "\n".join(lines)
        return f"```console\n$ curl {found[1]} 'http://127.0.0.1:8000{found[2]}'\n{shown}\n```\n"

    def answered(found: re.Match[str]) -> str:
        cursor = connection.execute(found[1].encode())
        names = [column.name for column in cursor.description or ()]
        return f"```sql\n{found[1]}```\n\n```text\n{table(names, cursor.fetchall())}\n```\n"

    return REQUEST.sub(fetched, QUERY.sub(answered, text))


def table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as psql prints them: numbers to the right, NULL as nothing."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows[:SHOWN]]
    right = [
        any(isinstance(row[n], NUMBERS) and not isinstance(row[n], bool) for row in rows) for n in range(len(names))
    ]
    widths = [max(len(name), *(len(row[n]) for row in cells), 0) for n, name in enumerate(names)]
    lines = [" | ".join(name.center(width) for name, width in zip(names, widths, strict=True)).rstrip()]
    lines.append("-+-".join("-" * width for width in widths))
    for row in cells:
        put = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        lines.append(" | ".join(put).rstrip())
    counted = f"({len(rows)} row{'' if len(rows) == 1 else 's'}{f', the first {SHOWN}' if len(rows) > SHOWN else ''})"
    return "\n".join([*lines, counted])


def demo(url: str) -> None:
    """Index the demo chain into an empty database."""
    upgrade(url)
    for chain in demo_settings().chains:
        follow_chain(chain, url, to="latest", replay=RECORDING)


def differing(url: str) -> Iterator[tuple[Path, str]]:
    """Yield the pages that differ from what they should be, with their right text."""
    with psycopg.connect(url, autocommit=True) as connection, TestClient(create_app(Settings(url))) as client:
        connection.read_only = True
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            if (right := render(text, connection, client)) != text:
                yield page, right


def main() -> int:
    """Write or check the pages; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the answers into docs/sql-cookbook.md and docs/first-hour.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page differs")
    parser.add_argument("--database", metavar="URL", help="a database that holds the demo chain already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leverage-docs-") as folder, Embedded(Path(folder)) as own:
        url = arguments.database or own
        if arguments.database is None:
            demo(url)
        found = list(differing(url))
    for page, text in found:
        print(f"{'differs' if arguments.check else 'wrote'} {page.relative_to(ROOT)}")
        if not arguments.check:
            page.write_text(text, encoding="utf-8")
    return 1 if found and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
