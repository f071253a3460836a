"""Worlds of their own for tests of the API, and the API over them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from api.main import create_app
from api.settings import Settings
from tests.api.world import World, coverage, everything
from tests.databases import Databases

with warnings.catch_warnings():  # Starlette prefers httpx2 now; httpx, a development dependency here, works as before
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient


@pytest.fixture(scope="session")
def whole_world(databases: Databases) -> Callable[[], str]:
    """Return a function that gives a database with the whole small world."""

    def fill(url: str) -> None:
        world = World(url)
        everything(world)
        world.close()

    return lambda: databases.filled("small_world", fill)


def fresh(url: str) -> Iterator[World]:
    world = World(url)
    yield world
    world.close()


@pytest.fixture
def empty(migrated_database: Callable[[], str]) -> Iterator[World]:
    """A migrated database without rows."""
    yield from fresh(migrated_database())


@pytest.fixture
def bare(empty: World) -> World:
    """Chain, blocks and cursors, no protocol data."""
    coverage(empty)
    return empty


@pytest.fixture
def world(whole_world: Callable[[], str]) -> Iterator[World]:
    """The whole small world."""
    yield from fresh(whole_world())


Serve = Callable[..., TestClient]


def client_of(url: str, **settings: object) -> TestClient:
    return TestClient(create_app(Settings(url, **settings)), raise_server_exceptions=False)  # type: ignore[arg-type]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start the API over a world; settings may be overridden."""
    with ExitStack() as running:
        yield lambda world, **settings: running.enter_context(client_of(world.url, **settings))


@pytest.fixture(scope="session")
def client(whole_world: Callable[[], str]) -> Iterator[TestClient]:
    """The API over a whole world that no test changes."""
    with client_of(whole_world()) as running:
        yield running
