"""Recorded chains of the real contracts, through `index --replay` and SQL: every answer equal to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from indexer.config import ChainSettings, DeploymentSettings
from indexer.run import follow_chain
from tests.replay.answers import answers_of, compare, meta_of

LISTED = {"aave_v3": "PoolAddressesProvider", "morpho_blue": "Morpho"}
"""The one contract of each protocol that a user has to name."""


def settings_of(folder: Path) -> ChainSettings:
    meta = meta_of(folder)
    deployments = tuple(
        DeploymentSettings(protocol=slug, name="recorded", start_block=0, contracts={name: meta["contracts"][name]})
        for slug, name in LISTED.items()
        if name in meta["contracts"]
    )
    return ChainSettings(name="recorded", chain_id=meta["chain_id"], deployment=deployments)


def index(folder: Path, url: str) -> None:
    follow_chain(settings_of(folder), url, to="latest", replay=folder)


@pytest.mark.parametrize(
    ("name", "at_least"),
    [("aave_v3", 66_000), ("aave_v36", 66_000), ("morpho_blue", 16_000), ("multi", 90_000), ("multi_v36", 90_000)],
)
def test_every_answer_is_equal(
    name: str, at_least: int, recordings: Path, migrated_database: Callable[[], str]
) -> None:
    url = migrated_database()
    index(recordings / name, url)
    with psycopg.connect(url) as connection:
        stopped = connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall()
        assert stopped == []
        found = compare(connection, 31337, meta_of(recordings / name), answers_of(recordings / name))
    assert found.mismatches == []
    assert found.compared.total() >= at_least


DEMO = Path(__file__).resolve().parents[2] / "demo"


def test_the_demo_chain_too(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    index(DEMO, url)
    with psycopg.connect(url) as connection:
        found = compare(connection, meta_of(DEMO)["chain_id"], meta_of(DEMO), answers_of(DEMO))
    assert found.mismatches == []
    assert found.compared.total() > 1_000
