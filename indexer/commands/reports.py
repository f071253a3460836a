"""status, verify, decode, export and sql: commands that look. `verify` keeps what it found, the others write nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from rich.console import Console
from rich.table import Table

from indexer.commands.context import database
from indexer.config import ChainSettings, Settings
from indexer.errors import BadConfig, LeverageError
from indexer.store import embedded, export
from indexer.store import status as store_status
from indexer.store.database import connect


class CheckFailed(LeverageError):
    """What was to be checked is not so: exit code 1."""


def status(settings: Settings, as_json: bool) -> None:
    """Show how far each protocol is."""
    with database(settings) as url, connect(url) as connection:
        rows = store_status.read(connection)
    if as_json:
        print(msgspec.json.encode([row._asdict() for row in rows]).decode())
        return
    if not rows:
        print("nothing is indexed yet; start with `leverage run`")
        return
    table = Table("chain", "protocol", "status", "block", "head", "lag", "error")
    for row in rows:
        numbers = (f"{row.block_number:,}", _or_dash(row.head_block), _or_dash(row.lag_blocks))
        colour = {"stopped": "red", "following": "green"}.get(row.status, "yellow")
        told = " ".join(part for part in (row.error, row.hint) if part)
        table.add_row(row.chain, row.protocol, f"[{colour}]{row.status}[/]", *numbers, told)
    Console(soft_wrap=not sys.stdout.isatty()).print(table)


def _or_dash(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def verify(settings: Settings, chain: ChainSettings, sample: int | None, block: int | None) -> None:
    """Compare the ledger with the contracts' own views. Raises `CheckFailed` on any difference."""
    from indexer.verify import verify as compare

    with database(settings, migrate=True) as url:
        report = compare(chain, url, sample=sample, block=block)
    at = f"{chain.name}, block {report.block_number:,}"
    if report.differences:
        table = Table("protocol", "what", "account", "market", "ledger", "contract", title=f"{at}: differences")
        for protocol, check, answered in ((row.protocol, row.check, row.answered) for row in report.differences):
            words = (_words(check.expected), "reverted" if answered is None else _words(answered))
            table.add_row(protocol, check.what, check.account, check.market_id, *words)
        Console(soft_wrap=not sys.stdout.isatty()).print(table)
        raise CheckFailed(f"{at}: {len(report.differences):,} of {report.total:,} answers differ")
    for (protocol, what), count in sorted(report.compared.items()):
        print(f"{protocol} {what}: {count:,} equal")
    print(f"{at}: {report.total:,} answers compared, no difference")


def _words(words: Sequence[int | None]) -> str:
    return " ".join("-" if word is None else str(word) for word in words)


def decode(source: str, chain_id: int | None) -> None:
    """Print the actions of receipts or logs, one JSON object a line; say on stderr what fits several protocols.

    Raises  CheckFailed, after everything else is printed, when a log of a watched contract does not decode
    """
    from indexer.decode_file import decode_entries, read_entries

    failures = 0
    with _opened(source) as file:
        for decoded in decode_entries(read_entries(file.read().decode()), chain_id):
            for action in decoded.actions:
                sys.stdout.buffer.write(msgspec.json.encode(action) + b"\n")
            for log in decoded.ambiguous:
                where = f"log {log.log_index} of transaction {log.tx_hash}, contract {log.address}"
                print(f"ambiguous: {where} fits {', '.join(log.protocols)}", file=sys.stderr)
            if decoded.removed:
                print(f"left out: {decoded.removed} logs that a reorg removed", file=sys.stderr)
            for failure in decoded.failures:
                print(f"error: {failure}", file=sys.stderr)
            failures += len(decoded.failures)
    sys.stdout.buffer.flush()
    if failures:
        raise CheckFailed(f"{failures} logs do not decode")


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(source).open("rb") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise BadConfig(
            f"{source}: {error.strerror}; give a file of receipts or logs, or - for standard input"
        ) from None


def export_table(settings: Settings, table: str, format: export.Format, output: Path | None) -> None:
    """Write a relation to a file, which appears only when it is complete, or to standard output."""
    if format == "parquet" and output is None:
        output = Path(f"{table}.parquet")
    with database(settings) as url, connect(url) as connection:
        if output is None:
            export.copy_table(connection, table, format, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        try:
            with _complete(output) as file:
                rows = export.copy_table(connection, table, format, file)
        except OSError as error:
            raise BadConfig(f"--output {output}: {error.strerror}; give a path that can be written") from None
    print(f"{rows:,} rows in {output}", file=sys.stderr)


@contextmanager
def _complete(output: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes its place at the end. A device or a pipe is written to, never replaced."""
    place = output.resolve()
    if place.exists() and not place.is_file():
        with place.open("wb") as file:
            yield file
        return
    partial = place.with_name(place.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)


def sql(settings: Settings, arguments: Sequence[str]) -> int:
    """Open psql on the database and return its exit code."""
    program = shutil.which("psql") or str(embedded.binary("psql"))
    with database(settings) as url:
        return subprocess.call([program, url, *arguments])
