"""A deployment that is added later needs its protocol to begin anew; that gives the same rows as at first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from indexer.config import DeploymentSettings
from indexer.errors import BadConfig
from indexer.run import follow_chain
from indexer.store import schema  # noqa: F401  before its parts
from indexer.store.schema_exposure import EXPOSURE_HISTORY
from tests.replay.test_recordings import DEMO, settings_of

TABLES = ("market", "market_state", "param", "position", "position_change", "account_setting", "action", "contract",
          "cursor", "protocol_leverage_snapshot", "price", "token", "raw_log", "node_read",
          *(table.name for table in EXPOSURE_HISTORY))  # fmt: skip


def rows(url: str) -> dict[str, list[str]]:
    with psycopg.connect(url) as connection:
        return {table: sorted(map(str, connection.execute(f"SELECT * FROM {table}"))) for table in TABLES}


def test_reindexing_one_protocol_gives_the_same_rows(indexed_database: Callable[[Path], str]) -> None:
    url = indexed_database(DEMO)
    before = rows(url)
    follow_chain(settings_of(DEMO), url, to="latest", replay=DEMO, reindex=["aave_v3"])
    after = rows(url)
    assert {table for table in TABLES if before[table] != after[table]} == set()


def test_a_deployment_added_later_is_refused_by_name(migrated_database: Callable[[], str], tmp_path: Path) -> None:
    url, settings = migrated_database(), settings_of(DEMO)
    follow_chain(settings, url, to=200, replay=DEMO)
    twin = DeploymentSettings(
        protocol="morpho_blue", name="second", start_block=0, contracts={"Morpho": "0x" + "11" * 20}
    )
    more = settings.model_copy(update={"deployment": (*settings.deployment, twin)})
    with pytest.raises(BadConfig, match="--reindex morpho_blue"):
        follow_chain(more, url, to=300, replay=DEMO)
    follow_chain(more, url, to=300, replay=DEMO, reindex=["morpho_blue"])
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM deployment").fetchone() == (len(settings.deployment) + 1,)
        assert connection.execute("SELECT DISTINCT block_number FROM cursor").fetchall() == [(300,)]
