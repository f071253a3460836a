"""Aave v2 against the answers that the contracts of a recorded chain gave: every one, to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.protocol import Books as ProtocolBooks
from indexer.protocol import Deployment
from indexer.protocols.aave_v2.checks import checks
from indexer.run import follow_chain
from tests.databases import Databases
from tests.protocols.results import checkpoints_of, record
from tests.replay.aave_v2 import compare
from tests.replay.answers import Comparison, answers_of, meta_of

HERE = Path(__file__).parent / "recording"


def index(folder: Path, url: str, to: int | str = "latest") -> None:
    meta = meta_of(folder)
    name = "LendingPoolAddressesProvider"
    listed = DeploymentSettings(
        protocol="aave_v2", name="recorded", start_block=0, contracts={name: meta["contracts"][name]}
    )
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("aave_v2",), deployment=(listed,))
    follow_chain(chain, url, to=to, replay=folder)  # type: ignore[arg-type]


def check(folder: Path, url: str) -> Comparison:
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        found = compare(connection, meta_of(folder), answers_of(folder))
        # ether is the base currency and nothing tells its USD price: nothing is claimed in USD
        assert connection.execute("SELECT count(*) FROM positions WHERE amount_usd IS NOT NULL").fetchone() == (0,)
        assert connection.execute("SELECT DISTINCT status FROM v_account_leverage").fetchall() == [("unpriced",)]
    return found


@pytest.fixture
def indexed(databases: Databases) -> str:
    """A database of the recording here, indexed."""
    return databases.filled("aave_v2_here", lambda url: index(HERE, url))


def test_every_answer_is_equal(indexed: str) -> None:
    found = check(HERE, indexed)
    assert found.mismatches[:5] == []
    assert found.compared.total() > 9_000
    assert found.compared["principalBalanceOf"] > 1_000


def test_a_run_in_many_pieces_gives_the_same(migrated_database: Callable[[], str]) -> None:
    """Restarts in the middle of loans: everything a rule needs comes back from the tables."""
    url = migrated_database()
    for block in (90, 300, 301, 555, 700, 1000, 1020):
        index(HERE, url, block)
    index(HERE, url)
    assert check(HERE, url).mismatches[:5] == []


def test_usd_needs_the_price_of_ether_and_nothing_else(indexed: str) -> None:
    """Another protocol's oracle says what wrapped ether is worth, as on Ethereum: all of the account is then in USD."""
    weth = meta_of(HERE)["contracts"]["WETH"]
    with psycopg.connect(indexed) as connection:
        connection.execute(
            "INSERT INTO param (chain_id, subject, name, qualifier, block_number, log_index, value_text) "
            "SELECT chain_id, deployment_key, 'base_token', '', 0, 0, %s FROM deployment",
            (weth,),
        )
        connection.execute(
            "INSERT INTO price (chain_id, feed, asset, block_number, log_index, price_raw, unit_raw, quote, source) "
            "VALUES (31337, %s, %s, 900, 0, 200050000000, 100000000, 'usd', 'oracle')",
            (bytes(20), bytes.fromhex(weth[2:])),
        )
        found = connection.execute(
            "SELECT count(*) FILTER (WHERE debt_usd > 0) > 5, "
            "count(*) FILTER (WHERE debt_usd <> total_debt_base_raw * 2000.5 * 1e-18 "
            "OR collateral_usd <> total_collateral_base_raw * 2000.5 * 1e-18 OR status = 'unpriced'), "
            "count(*) FILTER (WHERE h.collateral_price_usd = m.oracle_price_raw * 2000.5 * 1e-18) > 5, "
            "count(*) FILTER (WHERE h.collateral_price_usd <> m.oracle_price_raw * 2000.5 * 1e-18) "
            "FROM account_health(31337, 905) h LEFT JOIN markets_at(31337, 905) m "
            "ON m.accounting = 'aave_v2' AND ARRAY[m.asset] = h.collateral_assets"
        ).fetchone()
        assert found == (True, 0, True, 0)
        before = connection.execute("SELECT DISTINCT status FROM account_health(31337, 899)").fetchall()
        assert before == [("unpriced",)]


def test_verify_asks_what_the_contracts_answered(indexed: str) -> None:
    block = max(answer["block"] for answer in answers_of(HERE))
    answers = {(a["to"], a["data"]): a["result"] for a in answers_of(HERE) if a["block"] == block}
    with psycopg.connect(indexed, row_factory=dict_row) as connection:
        rows = [
            connection.execute(f"SELECT * FROM {name}(31337, {block})").fetchall()  # type: ignore[arg-type]
            for name in ("positions_at", "account_health", "markets_at")
        ]
    accounts = sorted({a["label"]["account"] for a in answers_of(HERE) if "account" in a["label"]})
    asked = checks(ProtocolBooks(Deployment(1, "aave_v2", 31337, "recorded", 0, {}), accounts, *rows))
    assert len(asked) > 700
    for check in asked:
        words = "0x" + "".join(f"{word:064x}" for word in check.expected if word is not None)
        assert answers[check.to, check.data] == words, check


def test_a_rebasing_reserve_makes_its_accounts_unpriced(indexed: str) -> None:
    with psycopg.connect(indexed) as connection:
        connection.execute(
            "UPDATE market_state SET regime = 'rebasing' WHERE market_key = "
            "(SELECT market_key FROM market WHERE accounting = 'aave_v2' ORDER BY block_number LIMIT 1)"
        )
        found = connection.execute(
            "SELECT count(*) > 5, count(p.amount_raw), count(h.total_collateral_base_raw), count(h.health_factor_raw), "
            "count(h.available_borrows_base_raw), count(*) FILTER (WHERE h.status <> 'unpriced') "
            "FROM positions p JOIN account_health(31337, 1033) h USING (account) JOIN markets_at(31337, 1033) m "
            "ON m.market_id = p.market_id AND m.regime = 'rebasing' WHERE p.side = 'supply' AND p.is_collateral"
        ).fetchone()
    assert found == (True, 0, 0, 0, 0, 0)


@pytest.mark.slow
def test_every_answer_of_the_whole_recording(recordings: Path, migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    index(recordings / "aave_v2", url)
    found, blocks = check(recordings / "aave_v2", url), checkpoints_of(recordings / "aave_v2")
    record("aave_v2", "1.0.1", blocks, found.compared.total(), len(found.mismatches), "recorded private chain")
    assert found.mismatches[:5] == []
    assert found.compared.total() > 57_000
