"""Euler v2 against the answers that the contracts of a recorded chain gave: every function, to the last bit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.run import follow_chain
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import answers_of, meta_of

HERE = Path(__file__).resolve().parent / "recording"
LISTED = ("GenericFactory", "EthereumVaultConnector")

# Every recorded function has a rule: balanceOf, debtOf, debtOfExact and these.
OF_MARKET = {
    "interestAccumulator": "debt_index_raw", "totalSupply": "supply_shares_raw", "totalAssets": "total_supply_raw",
    "totalBorrows": "total_debt_raw", "totalBorrowsExact": "debt_shares_raw", "interestRate": "debt_rate_raw",
    "cash": "cash", "accumulatedFees": "fees",
}  # fmt: skip

POSITIONS = """
SELECT p.account, split_part(p.market_id, ':', 3) AS vault, p.side, p.shares_raw, p.amount_raw,
       CASE WHEN p.side = 'debt' THEN euler_v2_owed(p.shares_raw, p.basis_raw, m.debt_index_raw) END AS exact
FROM positions_at(%(chain)s, %(block)s) p JOIN markets_at(%(chain)s, %(block)s) m USING (chain_id, market_key)
"""
MARKETS = """
SELECT m.*, split_part(m.market_id, ':', 3) AS vault, (s.extra->>'cash')::numeric AS cash,
       (s.extra->>'fees')::numeric + m.supply_shares_raw - s.supply_shares_raw AS fees
FROM markets_at(%(chain)s, %(block)s) m
CROSS JOIN LATERAL (
    SELECT * FROM market_state s WHERE s.chain_id = m.chain_id AND s.market_key = m.market_key AND s.block_number <= %(block)s
    ORDER BY s.block_number DESC LIMIT 1) s
"""


def index(folder: Path, url: str, to: int | None = None) -> None:
    meta = meta_of(folder)
    listed = {name: meta["contracts"][name] for name in LISTED}
    deployment = DeploymentSettings(protocol="euler_v2", name="recorded", start_block=0, contracts=listed)
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], deployment=(deployment,))
    follow_chain(chain, url, to="latest" if to is None else to, replay=folder)


def compare(connection: psycopg.Connection[Any], folder: Path) -> tuple[Counter[str], list[str]]:
    by_block: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers_of(folder):
        by_block[answer["block"]].append(answer)
    compared: Counter[str] = Counter()
    mismatches = []
    for block, answers in sorted(by_block.items()):
        at = {"chain": meta_of(folder)["chain_id"], "block": block}
        with connection.cursor(row_factory=dict_row) as cursor:
            positions = {(p["account"], p["vault"], p["side"]): p for p in cursor.execute(POSITIONS, at).fetchall()}
            markets = {m["vault"]: m for m in cursor.execute(MARKETS, at).fetchall()}
        for answer in answers:
            label = answer["label"]
            what, vault = label["what"], label["vault"]
            if what in OF_MARKET:
                said = markets[vault][OF_MARKET[what]]
            else:
                side, column = {
                    "balanceOf": ("supply", "shares_raw"), "debtOf": ("debt", "amount_raw"), "debtOfExact": ("debt", "exact"),
                }[what]  # fmt: skip
                row = positions.get((label["account"], vault, side))
                said = 0 if row is None else row[column]
            compared[what] += 1
            if said is None or int(said) != int(answer["result"], 16):
                mismatches.append(f"block {block} {label}: contract {int(answer['result'], 16)}, SQL {said}")
    return compared, mismatches


@pytest.fixture(scope="module")
def url(migrated_database: Callable[[], str]) -> str:
    found = migrated_database()
    index(HERE, found)
    return found


def connected(url: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url)
    stopped = connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall()
    assert stopped == []
    return connection


def test_every_answer_is_equal(url: str) -> None:
    with connected(url) as connection:
        compared, mismatches = compare(connection, HERE)
    assert mismatches == []
    assert compared.total() > 3_000
    assert set(compared) == {"balanceOf", "debtOf", "debtOfExact", *OF_MARKET}


def test_every_answer_of_the_full_recording_is_equal(url: str, recordings: Path) -> None:
    full = recordings / "euler_v2"
    with connected(url) as connection:  # the chain is the same; only the answers were thinned
        compared, mismatches = compare(connection, full)
    record(
        "euler_v2",
        "public heads of EVK and EVC",
        checkpoints_of(full),
        compared.total(),
        len(mismatches),
        "recorded private chain",
    )
    assert mismatches == []
    assert compared.total() > 20_000


def test_a_restart_in_the_middle_gives_the_same_rows(url: str, migrated_database: Callable[[], str]) -> None:
    head = meta_of(HERE)["head"]
    other = migrated_database()
    for block in (*range(100, head, 97), head):
        index(HERE, other, to=block)
        with connected(other) as connection:
            assert connection.execute("SELECT block_number FROM cursor").fetchall() == [(block,)]
    for table in ("position_change", "market_state", "param", "account_setting", "action"):
        with connected(url) as one, connected(other) as two:
            query = f"SELECT t::text FROM {table} t ORDER BY 1"
            assert one.execute(query).fetchall() == two.execute(query).fetchall()
