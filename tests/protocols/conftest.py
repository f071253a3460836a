"""A migrated database whose changes are rolled back, for hand-made vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest


@pytest.fixture(scope="session")
def link_database(migrated_database: Callable[[], str]) -> str:
    return migrated_database()


@pytest.fixture
def linkdb(link_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(link_database) as connection:
        connection.execute("INSERT INTO chain (chain_id, name) VALUES (1, 'test')")
        yield connection
        connection.rollback()
