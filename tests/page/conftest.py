"""The demo chain indexed once, served by the real API with its worker, and a browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright

from api.settings import Settings
from indexer.config import load
from indexer.run import follow_chain
from indexer.simulator import simulating
from tests.page.browser import OPTIONS, Visitor, chromium
from tests.stream.server import Served

DEMO = Path(__file__).resolve().parents[2] / "demo"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium, or skip."""
    found = chromium()
    if found is None:
        pytest.skip("no Chromium here: install one, or name it in LEVERAGE_CHROMIUM")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, headless=True, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: LEVERAGE_SCREENSHOTS keeps them."""
    kept = os.environ.get("LEVERAGE_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def indexed(migrated_database: Callable[[], str]) -> str:
    """A database with the whole demo chain. Nobody stays connected to it, so that it can be copied."""
    url = migrated_database()
    follow_chain(load(DEMO / "leverage.toml").chain["demo"], url, to="latest", replay=DEMO)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    return url


@pytest.fixture(scope="session")
def copied(server: Any, indexed: str) -> Callable[[str], str]:
    """Return a function that copies the indexed demo under a name and returns the copy's URL."""

    def copy(name: str) -> str:
        source = psycopg.conninfo.conninfo_to_dict(indexed)["dbname"]
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {source}_{name} TEMPLATE {source}")
        return indexed.replace(f"/{source}", f"/{source}_{name}", 1)

    return copy


@pytest.fixture(scope="session")
def site(copied: Callable[[str], str]) -> Iterator[str]:
    """The address of the real API on the demo, with the worker of simulations beside it."""
    url = copied("site")
    with simulating(url), Served(Settings(url)) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, shots: Path) -> Iterator[Callable[..., Visitor]]:
    """Return a function that opens a window: `visit(address, size="phone", theme="dark")`."""
    with ExitStack() as stack:

        def visitor(url: str, **how: str) -> Visitor:
            made = Visitor(browser, url, shots, **how)
            stack.callback(made.close)
            return made

        yield visitor
