"""Compound v2 against the answers that the contracts of a recorded chain gave."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.rebuild import rebuild
from indexer.run import follow_chain
from tests.databases import Databases
from tests.protocols.results import checkpoints_of, record

HERE = Path(__file__).parent / "recording"

MARKET_COLUMNS = {
    "borrowIndex": "stored_debt_index_raw", "totalBorrows": "stored_debt_assets_raw",
    "totalSupply": "stored_supply_shares_raw", "exchangeRateStored": "stored_supply_index_raw",
    "exchangeRateCurrent": "supply_index_raw", "borrowRatePerBlock": "debt_rate_raw",
    "supplyRatePerBlock": "supply_rate_raw", "getUnderlyingPrice": "oracle_price_raw",
}  # fmt: skip
EXTRA = {"totalReserves": "reserves", "getCash": "cash", "accrualBlockNumber": "accrued_block"}
# Every recorded function is compared. The list of getAssetsIn is compared as a set: no event tells its order after a
# market was left. getUnderlyingPrice is the input that was read, stored and found again.


def lines_of(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt") as lines:
        for line in lines:
            yield json.loads(line)


def settings(meta: dict[str, Any]) -> ChainSettings:
    listed = {"Unitroller": meta["contracts"]["Unitroller"]}
    deployment = DeploymentSettings(protocol="compound_v2", name="recorded", start_block=0, contracts=listed)
    return ChainSettings(
        name="recorded", chain_id=meta["chain_id"], protocols=("compound_v2",), deployment=(deployment,)
    )


def index(folder: Path, url: str, to: int | str = "latest") -> dict[str, Any]:
    meta = next(lines_of(folder / "chain.jsonl.gz"))["meta"]
    follow_chain(settings(meta), url, to=to, replay=folder)  # type: ignore[arg-type]
    return meta


def compare(folder: Path, url: str) -> tuple[Counter[str], list[str]]:
    """Return how many answers were compared, by function, and the ones that differ."""
    by_block: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for answer in lines_of(folder / "views.jsonl.gz"):
        by_block[answer["block"]].append(answer)
    compared: Counter[str] = Counter()
    wrong: list[str] = []
    with psycopg.connect(url, row_factory=dict_row) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        for block, answers in sorted(by_block.items()):
            said = Said(connection, block)
            for answer in answers:
                label, raw = answer["label"], answer["result"]
                words = [int(raw[n : n + 64], 16) for n in range(2, len(raw), 64)]
                expected = sorted(words[2:]) if label["what"] == "getAssetsIn" else words
                found = said.of(label["what"], label.get("account"), label.get("token"))
                compared[label["what"]] += 1
                if found != expected:
                    wrong.append(f"block {block} {label}: contract {expected}, SQL {found}")
    return compared, wrong


class Said:
    """What SQL says at one block."""

    def __init__(self, connection: psycopg.Connection[Any], block: int) -> None:
        at = {"chain": 31337, "block": block}

        def rows(query: str) -> list[dict[str, Any]]:
            return connection.execute(query, at).fetchall()

        self.markets = {
            m["market_id"].rsplit(":", 1)[1]: m for m in rows("SELECT * FROM markets_at(%(chain)s, %(block)s)")
        }
        self.positions = {
            (p["account"], p["market_id"].rsplit(":", 1)[1], p["side"]): p
            for p in rows("SELECT * FROM positions_at(%(chain)s, %(block)s)")
        }
        self.health = {h["account"]: h for h in rows("SELECT * FROM account_health(%(chain)s, %(block)s)")}
        self.extra = {
            "0x" + m["supply_token"].hex(): m["extra"]
            for m in rows(
                "SELECT DISTINCT ON (s.market_key) m.supply_token, s.extra FROM market_state s JOIN market m USING "
                "(chain_id, market_key) WHERE s.block_number <= %(block)s ORDER BY s.market_key, s.block_number DESC"
            )
        }
        self.entered: dict[str, list[int]] = defaultdict(list)
        for row in rows(
            "SELECT DISTINCT ON (c.market_key, c.account) m.supply_token, c.account, c.is_collateral FROM position_change c "
            "JOIN market m USING (chain_id, market_key) WHERE c.side = 'supply' AND c.block_number <= %(block)s "
            "ORDER BY c.market_key, c.account, c.block_number DESC, c.log_index DESC, c.leg DESC"
        ):
            if row["is_collateral"]:
                self.entered["0x" + row["account"].hex()].append(int.from_bytes(row["supply_token"], "big"))

    def of(self, what: str, account: Any, token: Any) -> list[int | None]:
        if what == "getAccountLiquidity":
            row = self.health.get(account)
            if row is None:
                return [0, 0, 0]
            over = int(row["max_borrow_raw"]) - int(row["debt_raw"])
            assert row["is_liquidatable"] == (over < 0)
            assert int(row["available_borrows_base_raw"]) == max(0, over)
            return [0, max(0, over), max(0, -over)]
        if what == "getAssetsIn":
            return [*sorted(self.entered[account])]
        if what == "balanceOf":
            row = self.positions.get((account, token, "supply"))
            return [int(row["shares_raw"]) if row else 0]
        if what in ("borrowBalanceStored", "borrowBalanceCurrent"):
            row = self.positions.get((account, token, "debt"))
            if row is None:
                return [0]
            if what == "borrowBalanceCurrent":
                return [None if row["amount_raw"] is None else int(row["amount_raw"])]
            return [int(row["shares_raw"]) * int(self.markets[token]["stored_debt_index_raw"]) // int(row["basis_raw"])]
        if what in EXTRA:
            return [int(self.extra[token][EXTRA[what]])]
        value = self.markets[token][MARKET_COLUMNS[what]]
        return [None if value is None else int(value)]


@pytest.fixture
def indexed(databases: Databases) -> str:
    """A database of the recording here, indexed."""
    return databases.filled("compound_v2_here", lambda url: index(HERE, url))


def test_every_answer_of_the_recording_here(indexed: str) -> None:
    compared, wrong = compare(HERE, indexed)
    assert wrong == []
    assert compared.total() > 4_000


def test_every_answer_of_the_whole_recording(recordings: Path, migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    index(recordings / "compound_v2", url)
    compared, wrong = compare(recordings / "compound_v2", url)
    blocks = checkpoints_of(recordings / "compound_v2")
    record("compound_v2", "public head", blocks, compared.total(), len(wrong), "recorded private chain")
    assert wrong == []
    assert compared.total() > 30_000


TABLES = ("position_change", "position", "market", "market_state", "param", "action", "contract", "price", "raw_log")


def test_the_rate_of_a_ctoken_is_what_its_contract_says(indexed: str) -> None:
    """`token_rate_at` of each cToken against exchangeRateCurrent() at the checkpoints of the recording here."""
    meta = next(lines_of(HERE / "chain.jsonl.gz"))["meta"]
    compared = 0
    with psycopg.connect(indexed) as connection:
        for answer in lines_of(HERE / "views.jsonl.gz"):
            if answer["label"]["what"] == "exchangeRateCurrent":
                row = connection.execute(
                    "SELECT kind, rate_rule, numerator_raw * 1e18 / denominator_raw FROM token_rate_at(%s, unhex(%s), %s)",
                    (meta["chain_id"], answer["to"], answer["block"]),
                ).fetchone()
                assert row == ("ctoken", "market", int(answer["result"], 16)), answer["label"]
                compared += 1
    assert compared > 0


def rows_of(url: str) -> dict[str, list[Any]]:
    with psycopg.connect(url) as connection:
        return {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}").fetchall())) for name in TABLES}


def test_in_steps_or_at_once_and_rebuilt(indexed: str, migrated_database: Callable[[], str]) -> None:
    """Steps end between a constructor and the listing that reveals it: what was said before is fetched and kept once."""
    steps = migrated_database()
    for to in (9, 11, 13, 16, 17, 18, 25, 491, 696, 1030, 1992):
        index(HERE, steps, to)
    meta = index(HERE, steps)
    expected = rows_of(indexed)
    assert rows_of(steps) == expected
    rebuild(settings(meta), steps)
    assert rows_of(steps) == expected
