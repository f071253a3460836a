"""The demo chain, served by the real API with its worker, and a browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from api.settings import Settings
from indexer.simulator import simulating
from tests.page.browser import OPTIONS, Visitor, chromium
from tests.stream.server import Served


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
def site(demo_database: Callable[[], str]) -> Iterator[str]:
    """The address of the real API on the demo, with the worker of simulations beside it."""
    url = demo_database()
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
