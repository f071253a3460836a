"""key and reader: who may ask over HTTP, and who may read SQL."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from indexer.commands.context import database
from indexer.config import Settings
from indexer.store import keys, readers
from indexer.store.database import connect


def create_key(settings: Settings, name: str, requests_per_minute: int | None) -> None:
    """Make a key of the HTTP API and print it, once."""
    with database(settings, migrate=True) as url, connect(url) as connection:
        key = keys.create(connection, name, requests_per_minute)
    print(key)


def list_keys(settings: Settings) -> None:
    """Print every key that was made, without the keys."""
    with database(settings, migrate=True) as url, connect(url) as connection:
        rows = keys.keys(connection)
    table = Table("name", "a minute", "made", "revoked")
    for row in rows:
        limit = "any" if row.requests_per_minute is None else f"{row.requests_per_minute:,}"
        table.add_row(row.name, limit, _day(row.created_at), _day(row.revoked_at))
    Console().print(table)


def revoke_key(settings: Settings, name: str) -> None:
    """End a key."""
    with database(settings, migrate=True) as url, connect(url) as connection:
        keys.revoke(connection, name)
    print(f"{name} is revoked")


def create_reader(settings: Settings, name: str, timeout_seconds: int) -> None:
    """Make a read-only role and print how to connect with it, once."""
    with database(settings, migrate=True) as url, connect(url) as connection:
        password = readers.create(connection, name, timeout_seconds)
        print(f"psql '{readers.address(url, name, password)}'")


def _day(seconds: int | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
