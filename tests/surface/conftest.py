"""The demo chain and the API over it on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from api.settings import Settings
from tests.stream.server import Served


@pytest.fixture(scope="session")
def demo(demo_database: Callable[[], str]) -> str:
    """The demo's database. No test of this folder changes what the indexer wrote."""
    return demo_database()


@pytest.fixture(scope="session")
def served(demo: str) -> Iterator[str]:
    """The address of the API over the demo."""
    with Served(Settings(demo)) as url:
        yield url
