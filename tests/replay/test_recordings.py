"""Recorded chains of the real contracts, through `index --replay` and SQL: every answer equal to the last digit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.config import ChainSettings, DeploymentSettings
from indexer.run import follow_chain
from tests.protocols.results import checkpoints_of, record
from tests.replay import aave_v2, perp_v2
from tests.replay.answers import Comparison, answers_of, compare, meta_of

LISTED = {
    "aave_v3": ("PoolAddressesProvider",),
    "morpho_blue": ("Morpho",),
    "aave_v2": ("LendingPoolAddressesProvider", "AaveOracle"),
    "perp_v2": (
        "ClearingHouse", "AccountBalance", "Vault", "MarketRegistry", "InsuranceFund", "Exchange", "CollateralManager",
        "ClearingHouseConfig",
    ),
}  # fmt: skip
"""The contracts of each protocol that a user has to name, or may."""


def settings_of(folder: Path) -> ChainSettings:
    meta = meta_of(folder)
    deployments = tuple(
        DeploymentSettings(
            protocol=slug, name="recorded", start_block=0, contracts={name: meta["contracts"][name] for name in names}
        )
        for slug, names in LISTED.items()
        if set(names) <= meta["contracts"].keys()
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
        pytest.param("aave_v36", 66_000, "3.6.0", marks=pytest.mark.slow),  # the demo is of 3.6.0 too
        ("morpho_blue", 16_000, ""),
        ("multi", 90_000, "3.0.2"),
        pytest.param("multi_v36", 90_000, "3.6.0", marks=pytest.mark.slow),
    ],
)
def test_every_answer_is_equal(
    name: str, at_least: int, aave: str, recordings: Path, indexed_database: Callable[[Path], str]
) -> None:
    url = indexed_database(recordings / name)
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


def test_the_demo_chain_too(indexed_database: Callable[[Path], str]) -> None:
    url, meta, blocks = indexed_database(DEMO), meta_of(DEMO), checkpoints_of(DEMO)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        found = compare(connection, meta["chain_id"], meta, answers_of(DEMO))
        old = aave_v2.compare(connection, meta, asked_of("aave_v2"))
        perps = perp_v2.compare(connection, meta, asked_of("perp_v2"))
        # wrapped ether's price comes from Aave v3's oracle: the old market has figures in USD here
        assert connection.execute(
            "SELECT count(*) > 10, count(*) FILTER (WHERE status = 'unpriced') "
            "FROM v_account_leverage WHERE (project, version) = ('aave', '2')"
        ).fetchone() == (True, 0)
    told = shares(found, "3.6.0")
    told["aave_v2"] = ("1.0.1", old.compared.total(), len(old.mismatches))
    told["perp_v2"] = ("2.8.4 (takers and margin)", perps.compared.total(), len(perps.mismatches))
    for slug, (version, compared, mismatches) in told.items():
        record(slug, version, blocks, compared, mismatches, "the demo chain, `demo`")
    assert (found.mismatches, old.mismatches, perps.mismatches) == ([], [], [])
    assert found.compared.total() > 18_000
    assert old.compared.total() > 2_500
    assert perps.compared.total() > 500


def asked_of(protocol: str) -> Iterator[dict[str, Any]]:
    return (answer for answer in answers_of(DEMO) if answer["label"].get("protocol") == protocol)
