"""What commands share: the settings, the database, and the wish to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from types import FrameType
from typing import Any

import psycopg

from indexer.config import ROOT, Settings
from indexer.errors import DatabaseUnavailable
from indexer.store import views
from indexer.store.database import connect, normalise, redact, wait_for_database
from indexer.store.embedded import Embedded

MIGRATION_LOCK = 0x6C657631
"""Advisory lock: of several commands that start together, one migrates and the others wait."""


@contextmanager
def database(settings: Settings, migrate: bool = False) -> Iterator[str]:
    """Yield the address of the database: the configured one, or the embedded one, started and later stopped.

    Raises  DatabaseUnavailable also when it goes away inside
    """
    try:
        if settings.database is None:
            with Embedded(settings.data_dir) as url:
                yield _migrated(url) if migrate else url
        else:
            url = normalise(settings.database)
            wait_for_database(url).close()
            yield _migrated(url) if migrate else url
    except psycopg.OperationalError as error:
        if isinstance(error, (psycopg.errors.QueryCanceled, psycopg.errors.DiskFull)):
            raise
        where = redact(settings.database or "") or "the embedded database"
        raise DatabaseUnavailable(f"{where} went away: {' '.join(str(error).split())}") from error


def _migrated(url: str) -> str:
    """Bring the tables and views to this version, one process at a time."""
    with connect(url) as connection:
        connection.autocommit = True
        if not _current(connection):
            from indexer.store.migrate import upgrade  # 0.2 s to import: not at every start

            connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            upgrade(url)
    return url


def _current(connection: psycopg.Connection[Any]) -> bool:
    """Say whether the newest migration and the SQL of this version are in the database."""
    there = connection.execute(
        "SELECT to_regclass('public.alembic_version'), to_regprocedure('leverage_sql()')"
    ).fetchone()
    if there is None or None in there:
        return False
    versions = connection.execute("SELECT version_num, (leverage_sql()).version FROM alembic_version").fetchall()
    newest = max(path.name.partition("_")[0] for path in (ROOT / "migrations" / "versions").glob("[0-9]*_*.py"))
    return versions == [(newest, sha256(views.render().encode()).hexdigest())]


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets. A second Ctrl-C interrupts at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(settings: Settings, url: str, host: str | None = None, port: int | None = None) -> None:
    """Run the HTTP API, and the simulations asked of it, until told to stop. The API is named, not imported: it stands beside us."""
    import uvicorn

    from indexer.simulator import simulating

    os.environ |= {
        "LEVERAGE_API_DATABASE": url,
        "LEVERAGE_API_REQUIRE_KEY": str(settings.api.require_key),
        "LEVERAGE_API_REQUESTS_PER_MINUTE": str(settings.api.requests_per_minute or 0),
        "LEVERAGE_API_CORS_ORIGINS": ",".join(settings.api.cors_origins),
        "LEVERAGE_API_READY_LAG_SECONDS": str(settings.api.ready_lag_seconds or 0),
    }
    with (
        simulating(url),
        stoppable(),
    ):  # uvicorn repeats the signal it got when it is done; then nothing more must happen
        uvicorn.run(
            "api.main:from_environment",
            factory=True,
            host=host or settings.api.host,
            port=settings.api.port if port is None else port,
            workers=settings.api.workers,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
