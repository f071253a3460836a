"""Perpetual Protocol v2 against the answers that its contracts gave on a private chain, through `index --replay` and SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.protocol import Books, Deployment
from indexer.protocols.perp_v2 import PROTOCOL
from indexer.run import Target, follow_chain
from tests.databases import Databases
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import Comparison, answers_of, meta_of
from tests.replay.perp_v2 import compare

RECORDING = Path(__file__).parent / "recording"


def index(folder: Path, url: str, stops: Sequence[Target] = ("latest",)) -> dict[str, Any]:
    """Index a recording, naming the contracts that a deployment must list and those it may, and return its meta.

    `stops` are the blocks at which the books are closed and loaded anew.
    """
    meta = meta_of(folder)
    kinds = {contract.kind for contract in PROTOCOL.contracts} | set(PROTOCOL.required)
    contracts = {name: address for name, address in meta["contracts"].items() if name in kinds}
    deployment = DeploymentSettings(protocol="perp_v2", name="recorded", start_block=0, contracts=contracts)
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("perp_v2",), deployment=(deployment,))
    for stop in stops:
        follow_chain(chain, url, to=stop, replay=folder)
    return meta


@pytest.fixture
def indexed(databases: Databases) -> str:
    """A database of the repository's recording, indexed."""
    return databases.filled("perp_v2_here", lambda url: index(RECORDING, url))


def proven(folder: Path, url: str) -> Comparison:
    """Hold every answer of a recording against SQL."""
    meta = meta_of(folder)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        return compare(connection, meta, answers_of(folder))


def test_the_recording_of_the_repository(indexed: str) -> None:
    found = proven(RECORDING, indexed)
    assert found.mismatches == []
    compared = found.compared
    assert compared.total() >= 2_160
    assert min(compared.values()) > 20
    with psycopg.connect(indexed) as connection:
        told = dict(connection.execute("SELECT action, count(*) FROM perp_events GROUP BY 1").fetchall())
        assert {"trade", "liquidation", "deposit", "withdraw", "funding", "settle_pnl", "liquidity"} <= set(told)
        people = connection.execute(
            "SELECT action, size_base, price, margin_delta, margin_unit, fee_usd, pnl_usd, is_adl, size_raw, fee_raw, pnl_raw, "
            "margin_delta_raw FROM perp_events ORDER BY block_number, evt_index, leg"
        ).fetchall()
        settlement = connection.execute("SELECT value_text FROM param WHERE name = 'settlement_token'").fetchone()
        assert settlement is not None
        deposits = [row for row in people if row[0] == "deposit"]
        # USDC has 6 decimals, everything that is traded 18
        assert {(row[4], row[7]) for row in deposits} == {(settlement[0], False)}
        assert all(row[3] * 10**6 == row[11] > 0 for row in deposits)
        trades = [row for row in people if row[0] == "trade"]
        assert all(row[1] * 10**18 == row[8] != 0 and row[2] > 0 and row[5] * 10**18 == row[9] for row in trades)
        assert {(row[3], row[4]) for row in trades} == {(None, None)}
        assert any(row[6] * 10**18 == row[10] != 0 for row in trades if row[6] is not None)
        # open interest of the takers: the books' running totals are the sum of their positions
        totals = connection.execute(
            "SELECT (SELECT (s.extra->>(v.side || '_size'))::numeric FROM market_state s "
            "        WHERE s.market_key = m.market_key ORDER BY s.block_number DESC LIMIT 1), "
            "       (SELECT coalesce(sum(p.shares_raw), 0) FROM position p "
            "        WHERE p.market_key = m.market_key AND p.side = v.side) "
            "FROM market m CROSS JOIN (VALUES ('long'), ('short')) v (side) WHERE m.accounting = 'perp_v2'"
        ).fetchall()
        assert len(totals) == 4
        assert [pair for pair in totals if pair[0] != pair[1]] == []


def test_the_whole_recording(recordings: Path, migrated_database: Callable[[], str]) -> None:
    url, blocks = migrated_database(), checkpoints_of(recordings / "perp_v2")
    index(recordings / "perp_v2", url)
    found = proven(recordings / "perp_v2", url)
    compared = found.compared
    record(
        "perp_v2", "2.8.4 (takers and margin)", blocks, compared.total(), len(found.mismatches),
        "recorded private chain",
    )  # fmt: skip
    assert found.mismatches == []
    assert compared.pop("slot0") >= 120
    assert compared.total() >= 11_880


def test_verify_asks_what_the_contracts_answered(indexed: str) -> None:
    meta, block = meta_of(RECORDING), 825
    with psycopg.connect(indexed) as connection, connection.cursor(row_factory=dict_row) as cur:
        at = (meta["chain_id"], block)
        positions = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
        markets = cur.execute("SELECT * FROM markets_at(%s, %s)", at).fetchall()
    deployment = Deployment(1, "perp_v2", meta["chain_id"], "recorded", 0, meta["contracts"])
    assert PROTOCOL.checks is not None
    accounts = [*meta["accounts"], meta["contracts"]["InsuranceFund"]]
    checks = PROTOCOL.checks(Books(deployment, accounts, positions, [], markets))
    expected = {(check.to, check.data): check.expected[0] for check in checks}
    told = {
        (answer["to"], answer["data"]): int(answer["result"], 16)
        for answer in answers_of(RECORDING)
        if answer["block"] == block and (answer["to"], answer["data"]) in expected
    }
    assert len(told) == 90  # 29 accounts and the insurance fund, in two markets and the vault
    assert {call: expected[call] for call in told} == told


def test_books_loaded_from_the_tables_go_on_as_before(indexed: str, migrated_database: Callable[[], str]) -> None:
    found, pieces = [], migrated_database()
    index(RECORDING, pieces, (90, 300, 301, 700, 850, "latest"))
    tables = ("position", "position_change", "market_state", "param", "perp_action")
    for url in (indexed, pieces):
        with psycopg.connect(url) as connection:
            found.append([connection.execute(f"SELECT * FROM {table} ORDER BY {table}").fetchall() for table in tables])
    assert found[0] == found[1]
    assert all(found[0])
