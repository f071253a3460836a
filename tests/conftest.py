"""What all tests share: one PostgreSQL for the test run, and fresh, migrated or indexed databases on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Databases, server_of

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


LONG = (
    "page/test_page_states", "surface/test_surface_fuzz", "hardday/test_reorgs", "stream/test_stream_follow",
    "surface/test_surface_paging", "store/test_sql_legs", "localchain/test_exact", "store/test_sql_aave",
    "hardday/test_anvil_reorgs", "surface/test_surface_rows", "page/test_page_views", "surface/test_surface_schema",
    "hardday/test_lying_node", "hardday/test_database_away", "cli/test_demo", "replay/test_loops", "replay/test_exposure",
    "replay/test_recordings", "replay/test_reindex", "hardday/test_company", "hardday/test_bad_data",
    "protocols/compound_v3/test_compound_v3", "localchain/test_localchain", "hardday/test_crash", "hardday/test_wallets",
    "page/test_page_live", "measures/test_risk_head", "surface/test_surface_bot", "measures/test_perp_recordings",
)  # fmt: skip
"""Files that take longest, as `--durations` tells. What is not here, or no longer long, costs balance and nothing else.

Marks of `xdist_group` do nothing: pytest 9.2 does not let xdist 3.8 write them into a test's name.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first: `--dist loadfile` gives files out in this order, and short ones then fill up the end."""
    place = {ROOT / "tests" / f"{name}.py": at for at, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def server(testrun_uid: str) -> Iterator[Any]:
    """The PostgreSQL server of this test run, the same in all its workers."""
    with server_of(testrun_uid) as running:
        yield running


@pytest.fixture(scope="session")
def databases(server: Any) -> Databases:
    return Databases(str(server.get_uri()))


@pytest.fixture(scope="session")
def new_database(databases: Databases) -> Callable[[], str]:
    """Return a function that makes an empty database and returns its URL."""
    return databases.new


@pytest.fixture(scope="session")
def migrated_database(databases: Databases) -> Callable[[], str]:
    """Return a function that makes a migrated, empty database and returns its URL."""
    return lambda: databases.new(databases.migrated())


@pytest.fixture(scope="session")
def indexed_database(databases: Databases) -> Callable[[Path], str]:
    """Return a function that gives a database of a recording, indexed to its end: one's own, free to be written to.

    A recording is indexed once a test run, whatever asks for it; each database of it is a file copy.
    """
    from indexer.run import follow_chain
    from tests.replay.test_recordings import settings_of

    def make(folder: Path) -> str:
        def index(url: str) -> None:
            follow_chain(settings_of(folder), url, to="latest", replay=folder)

        return databases.filled(f"recording_{folder.name}", index)

    return make


@pytest.fixture(scope="session")
def demo_database(databases: Databases) -> Callable[[], str]:
    """Return a function that gives a database as `leverage demo` makes it: one's own, free to be written to."""
    from indexer.commands.demo import RECORDING, demo_settings
    from indexer.run import follow_chain

    def index(url: str) -> None:
        for chain in demo_settings().chains:
            follow_chain(chain, url, to="latest", replay=RECORDING)

    return lambda: databases.filled("demo", index)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded chains, or skip."""
    folder = SHARED / "recordings"
    if not folder.is_dir():
        pytest.skip("../shared/recordings is not here; this test needs recorded chains of the real contracts")
    return folder
