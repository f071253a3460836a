"""`leverage demo`: the recorded chain in `demo/`, from an empty folder to a served API, without a network."""

from __future__ import annotations

import shutil
import sys
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.table import Table

from indexer import __version__
from indexer.commands.context import database, serve
from indexer.commands.follow import follow
from indexer.config import DATA_DIR, FILE_NAME, ROOT, Settings, load
from indexer.errors import BadConfig
from indexer.store import status
from indexer.store.database import connect

RECORDING = ROOT / "demo"


def demo_settings() -> Settings:
    """Return the demo's own settings. Its database is apart from the real one, and another for another recording."""
    try:
        recording = (RECORDING / "chain.jsonl.gz").read_bytes()
        settings = load(RECORDING / FILE_NAME)
    except FileNotFoundError:
        raise BadConfig(f"{RECORDING} has no recording; the demo needs a checkout of the repository") from None
    version = sha256(f"{__version__} ".encode() + recording).hexdigest()[:8]
    folder = Path.cwd() / DATA_DIR / f"demo-{version}"
    return settings.model_copy(update={"data_dir": folder, "database": None})


def demo(once: bool, port: int | None, fresh: bool) -> None:
    """Index the demo chain, print what came of it, and serve it unless `once`."""
    settings = demo_settings()
    if fresh:
        _remove(settings.data_dir)
    with database(settings) as url:  # held to the end, so that the server is not stopped in between
        follow(settings, settings.chains, to="latest", replay=RECORDING)
        console = Console(width=None if sys.stdout.isatty() else 120)
        for chain in settings.chains:
            with connect(url) as connection:
                print_summary(console, status.summary(connection, chain.chain_id))
                print_leverage(console, status.leverage(connection, chain.chain_id))
        console.print(f"SQL   psql '{url}'", soft_wrap=True, highlight=False)
        if not once:
            where = f"http://{settings.api.host}:{settings.api.port if port is None else port}"
            console.print(f"Page  {where}/", soft_wrap=True, highlight=False)
            console.print(f"HTTP  {where}/v1/docs    Ctrl-C stops", soft_wrap=True, highlight=False)
            serve(settings, url, port=port)


def _remove(folder: Path) -> None:
    """Forget an earlier demo, unless it is being used."""
    if (folder / "postgres" / "postmaster.pid").exists():
        raise BadConfig(f"a demo is running in {folder}; stop it first, then use --fresh")
    shutil.rmtree(folder, ignore_errors=True)


def print_summary(console: Console, rows: list[status.Summary]) -> None:
    """Show what was indexed."""
    table = Table("protocol", *(name for name in status.Summary._fields[1:]), title="Indexed")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(row.protocol, *(f"{count:,}" for count in row[1:]))
    console.print(table)


def print_leverage(console: Console, rows: list[status.Leverage]) -> None:
    """Show the leverage of accounts with debt."""
    table = Table("deployment", "borrowers", "insolvent", "unpriced", "assets $m", "debt $m", "leverage")
    table.title = "Leverage of borrowers, at the head"
    for column in table.columns:
        column.overflow = "fold"
        column.justify = "left" if column is table.columns[0] else "right"
    for row in rows:
        ratio = "-" if row.leverage is None else f"{row.leverage:.3f}"
        money = (f"{row.assets_usd / 10**6:,.3f}", f"{row.debt_usd / 10**6:,.3f}")
        counts = (str(row.n_ok), str(row.n_insolvent), str(row.n_unpriced))
        table.add_row(row.deployment, *counts, *money, ratio)
    console.print(table)
