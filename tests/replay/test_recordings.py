"""Recorded chains of the real contracts, through `index --replay` and SQL: every answer equal to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from indexer.config import ChainSettings, DeploymentSettings
from indexer.run import follow_chain
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import Comparison, answers_of, compare, meta_of

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


MORPHO = {"position", "market", "rateAtTarget", "borrowRateView"}
"""Functions of Morpho Blue; all others compared are Aave's."""


def shares(found: Comparison, aave: str) -> dict[str, tuple[str, int, int]]:
    """Return what was compared of each protocol: its version, answers, and mismatches (of both where they share a chain)."""
    morpho = sum(count for what, count in found.compared.items() if what in MORPHO)
    parts = {"aave_v3": (aave, found.compared.total() - morpho), "morpho_blue": ("1.0.0", morpho)}
    return {slug: (*part, len(found.mismatches)) for slug, part in parts.items() if part[1]}


def index(folder: Path, url: str) -> None:
    follow_chain(settings_of(folder), url, to="latest", replay=folder)


@pytest.mark.parametrize(
    ("name", "at_least", "aave"),
    [
        ("aave_v3", 66_000, "3.0.2"),
        ("aave_v36", 66_000, "3.6.0"),
        ("morpho_blue", 16_000, ""),
        ("multi", 90_000, "3.0.2"),
        ("multi_v36", 90_000, "3.6.0"),
    ],
)
def test_every_answer_is_equal(
    name: str, at_least: int, aave: str, recordings: Path, migrated_database: Callable[[], str]
) -> None:
    url = migrated_database()
    index(recordings / name, url)
    with psycopg.connect(url) as connection:
        stopped = connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall()
        assert stopped == []
        found = compare(connection, 31337, meta_of(recordings / name), answers_of(recordings / name))
    for slug, (version, compared, mismatches) in shares(found, aave).items():
        record(
            slug, version, checkpoints_of(recordings / name), compared, mismatches, f"recorded private chain `{name}`"
        )
    assert found.mismatches == []
    assert found.compared.total() >= at_least


DEMO = Path(__file__).resolve().parents[2] / "demo"


def test_the_demo_chain_too(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    index(DEMO, url)
    with psycopg.connect(url) as connection:
        found = compare(connection, meta_of(DEMO)["chain_id"], meta_of(DEMO), answers_of(DEMO))
    for slug, (version, compared, mismatches) in shares(found, "3.6.0").items():
        record(slug, version, checkpoints_of(DEMO), compared, mismatches, "the demo chain, `demo`")
    assert found.mismatches == []
    assert found.compared.total() > 1_000
