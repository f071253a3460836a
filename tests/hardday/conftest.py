"""Fresh databases for hard days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest


@pytest.fixture(scope="session")
def hurried(server: Any) -> None:
    """Let the test server not wait for the disk: it is processes that die here, not machines."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def database(hurried: None, migrated_database: Callable[[], str]) -> Callable[[], str]:
    """Return a function that makes a migrated, empty database and returns its URL."""
    return migrated_database
