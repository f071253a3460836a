"""Spark is Aave v3.0 with revisions of its own: the recorded answers of Aave 3.0.2, and which revisions stop it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from indexer.config import ChainSettings, DeploymentSettings
from indexer.decode import abi
from indexer.errors import MissingFact
from indexer.families.aave.rules import POOL_REVISION, regime_of_version
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment
from indexer.protocols.spark import PROTOCOL, VERSIONS
from indexer.run import follow_chain
from indexer.types import Answer, Logs, Read
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import answers_of, compare, meta_of

POOL, IMPLEMENTATION = "0x" + "11" * 20, "0x" + "22" * 20


def upgraded(revision: int) -> Book:
    """A pool of Spark that is upgraded and then says its revision."""
    book = Book(1, "spark", "spark", lambda keys: {})
    desk = Desk(PROTOCOL, book)
    desk.open([Deployment(11, "spark", 1, "test", 0, {"Pool": POOL})])
    (layout,) = abi.events("aave_v3", "Pool")["Upgraded"]
    logs = Logs(
        [5], [0], [0], ["0x" + "ab" * 32], ["0x" + "cd" * 32], [POOL],
        [(layout.topic0, "0x" + IMPLEMENTATION[2:].rjust(64, "0"))], ["0x"], [0],
    )  # fmt: skip
    facts = desk.translate(logs)
    assert desk.wanted(facts) == [Read(5, POOL, POOL_REVISION, "contract version")]
    desk.settle(facts, [Answer(Read(5, POOL, POOL_REVISION, ""), f"0x{revision:064x}")], {5: 60})
    return book


@pytest.mark.parametrize("revision", VERSIONS)
def test_every_known_revision_is_booked_as_aave_3_0_2(revision: int) -> None:
    book = upgraded(revision)
    assert book.param(11, "contract_version") == VERSIONS[revision]
    assert book.param(11, "regime") == "half_up_a" == regime_of_version("3.0.2")


@pytest.mark.parametrize("revision", [0, 5, 9])
def test_a_revision_that_nobody_looked_at_stops_it(revision: int) -> None:
    """Aave's own revision 5 is 3.2; what Spark's would be is not known."""
    with pytest.raises(MissingFact, match=f"POOL_REVISION {revision} of deployment test is not a version"):
        upgraded(revision)


@pytest.mark.slow
def test_every_answer_of_aave_3_0_2_under_the_name_of_spark(
    recordings: Path, migrated_database: Callable[[], str]
) -> None:
    folder, url = recordings / "aave_v3", migrated_database()
    meta, name = meta_of(folder), "PoolAddressesProvider"
    listed = DeploymentSettings(
        protocol="spark", name="recorded", start_block=0, contracts={name: meta["contracts"][name]}
    )
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("spark",), deployment=(listed,))
    follow_chain(chain, url, to="latest", replay=folder)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        found = compare(connection, meta["chain_id"], meta, answers_of(folder))
    compared, differ, how = (
        found.compared.total(),
        len(found.mismatches),
        "recorded private chain of Aave, under this name",
    )
    record("spark", "Aave 3.0.2, not Spark's own contracts", checkpoints_of(folder), compared, differ, how)
    assert found.mismatches == []
    assert found.compared.total() > 66_000
