"""Fresh databases for hard days."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def database(migrated_database: Callable[[], str]) -> Callable[[], str]:
    """Return a function that makes a migrated, empty database and returns its URL."""
    return migrated_database
