"""The demo chain, indexed once for all tests of this folder, and the API over it on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from api.settings import Settings
from indexer.commands.demo import RECORDING, demo_settings
from indexer.run import follow_chain
from tests.stream.server import Served


@pytest.fixture(scope="session")
def demo(migrated_database: Callable[[], str]) -> str:
    """The demo's database. No test of this folder changes what the indexer wrote."""
    url = migrated_database()
    for chain in demo_settings().chains:
        follow_chain(chain, url, to="latest", replay=RECORDING)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    return url


@pytest.fixture(scope="session")
def served(demo: str) -> Iterator[str]:
    """The address of the API over the demo."""
    with Served(Settings(demo)) as url:
        yield url
