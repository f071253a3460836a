"""Comet against the answers that the real contract gave on a recorded chain.

Compared, all by SQL: userBasic (the signed principal), balanceOf, borrowBalanceOf, collateralBalanceOf, totalsBasic (indexes,
principals, second of accrual), totalSupply, totalBorrow, getUtilization, totalsCollateral, isBorrowCollateralized,
isLiquidatable, getPrice.

No rule: getReserves and getCollateralReserves are token balances of the contract itself, which anybody may raise by a plain
token transfer; of userBasic and totalsBasic the words about rewards and flags are not kept.

The recording has the reads that events make necessary, but not those of the immutables (rate constants, factors, feeds),
which an indexer reads from the node once per implementation. `with_immutables` adds them as the node would answer, from
the parameters that the recording's meta states; without them interest that is pending and health are NULL, never guessed.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer import protocol
from indexer.config import ChainSettings, DeploymentSettings
from indexer.decode.abi import call, selector
from indexer.protocol import Deployment
from indexer.protocols.compound_v3 import PROTOCOL
from indexer.rebuild import rebuild
from indexer.run import follow_chain
from tests.databases import Databases
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import answers_of, meta_of

HERE = Path(__file__).parent / "recording"
NO_RULE = {"getReserves", "getCollateralReserves"}
RATES = ("Base", "SlopeLow", "SlopeHigh")
TABLES = ("market", "market_state", "param", "position", "position_change", "action", "contract", "price", "token")


def lines_of(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt") as lines:
        for line in lines:
            yield json.loads(line)


def immutables(folder: Path) -> list[dict[str, Any]]:
    """The answers that a node gives about the immutables and the base token's price, from what the meta states."""
    meta = meta_of(folder)
    notes, contracts, comet = meta["notes"], meta["contracts"], meta["contracts"]["Comet"]
    tokens = {token["symbol"]: token["decimals"] for token in meta["tokens"].values()}
    stated, base = notes["parameters"], notes["base_token"]
    told: list[tuple[str, list[int | str]]] = [
        (selector("baseToken()"), [contracts[base]]),
        (selector("baseTokenPriceFeed()"), [contracts[f"Feed {base}"]]),
        (selector("baseScale()"), [10 ** tokens[base]]),
    ]
    for side in ("supply", "borrow"):
        told.append((selector(f"{side}Kink()"), [int(stated[f"{side}Kink"])]))
        for part in RATES:  # Comet's constructor divides the yearly constants by the seconds of a year, floored
            yearly = int(stated[f"{side}PerYearInterestRate{part}"])
            told.append((selector(f"{side}PerSecondInterestRate{part}()"), [yearly // 31_536_000]))
    for n, (symbol, asset) in enumerate(notes["collateral_assets"].items()):
        factors = [int(asset[name]) for name in ("borrow_cf", "liquidate_cf", "liquidation_factor")]
        words = [n, contracts[symbol], asset["feed"], 10 ** tokens[symbol], *factors, 2**128 - 1]
        told.append((call("getAssetInfo(uint8)", n), words))
    reads = [
        {"block": notes["init_block"], "to": comet, "data": data, "result": encoded(words)} for data, words in told
    ]
    feed, price, checkpoints = contracts[f"Feed {base}"], 0, {block for block, _ in meta["checkpoints"]}
    for line in lines_of(folder / "chain.jsonl.gz"):
        if "block" in line:
            for log in line["logs"]:
                if log["address"] == feed:  # AnswerUpdated(int256 indexed current, ...)
                    price = int(log["topics"][1], 16)
            if (number := int(line["block"]["number"], 16)) in checkpoints:
                data = call("getPrice(address)", feed)
                reads.append({"block": number, "to": comet, "data": data, "result": encoded([price])})
    return [{**read, "label": {"reason": "immutable"}} for read in reads]


def encoded(words: list[int | str]) -> str:
    return "0x" + "".join(f"{word:064x}" if isinstance(word, int) else word[2:].rjust(64, "0") for word in words)


def with_immutables(folder: Path, copy: Path, block: int | None = None) -> Path:
    """Copy a recording with the reads of the immutables added, at the first block or at `block`."""
    copy.mkdir()
    shutil.copyfile(folder / "chain.jsonl.gz", copy / "chain.jsonl.gz")
    added, first = immutables(folder), meta_of(folder)["notes"]["init_block"]
    for read in added:
        read["block"] = block if block is not None and read["block"] == first else read["block"]
    with gzip.open(copy / "reads.jsonl.gz", "wt") as out:
        for read in sorted([*lines_of(folder / "reads.jsonl.gz"), *added], key=lambda read: int(read["block"])):
            out.write(json.dumps(read) + "\n")
    return copy


def settings_of(folder: Path) -> ChainSettings:
    meta = meta_of(folder)
    comet = DeploymentSettings(
        protocol="compound_v3", name="recorded", start_block=0, contracts={"Comet": meta["contracts"]["Comet"]}
    )
    return ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("compound_v3",), deployment=(comet,))


def index(folder: Path, url: str, to: int | str = "latest") -> None:
    follow_chain(settings_of(folder), url, to=to, replay=folder)  # type: ignore[arg-type]


class Books:
    """What SQL says at one block."""

    def __init__(self, connection: psycopg.Connection[Any], meta: dict[str, Any], block: int) -> None:
        at = (meta["chain_id"], block)
        self.comet = meta["contracts"]["Comet"]
        self.feeds = {asset["feed"]: symbol for symbol, asset in meta["notes"]["collateral_assets"].items()}
        self.assets = meta["contracts"]
        with connection.cursor(row_factory=dict_row) as cur:
            self.positions = {
                (row["account"], row["market_id"].rsplit(":", 1)[1], row["side"]): row
                for row in cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
            }
            self.markets = {
                row["market_id"].rsplit(":", 1)[1]: row
                for row in cur.execute("SELECT * FROM markets_at(%s, %s)", at).fetchall()
            }
            self.health = {
                row["account"]: row
                for row in cur.execute(
                    "SELECT hex(account_bytes) AS account, l.* FROM comet_liquidity(%s, %s) l", at
                ).fetchall()
            }
            self.flags = {
                row["account"]: row["is_liquidatable"]
                for row in cur.execute("SELECT account, is_liquidatable FROM account_health(%s, %s)", at).fetchall()
            }
            found = cur.execute(
                "SELECT comet_utilization(state) AS used FROM books(%s, %s) WHERE (state).regime = 'base'", at
            ).fetchone()
            self.used = None if found is None else found["used"]

    def say(self, answer: dict[str, Any]) -> tuple[int | None, ...]:
        """Return the words that the contract's answer has to begin with; None where SQL says that it does not know."""
        label, base = answer["label"], self.markets.get(self.comet)
        what, account = label["what"], label.get("account")
        if what == "userBasic":
            principal = self.figure(account, "supply", "shares_raw") - self.figure(account, "debt", "shares_raw")
            return (principal % 2**256,)
        if what in ("balanceOf", "borrowBalanceOf"):
            return (self.figure(account, "supply" if what == "balanceOf" else "debt", "amount_raw"),)
        if what == "collateralBalanceOf":
            return (self.figure(account, "collateral", "amount_raw", label["asset"]),)
        if what == "totalsCollateral":
            market = self.markets.get(label["asset"])
            return (0 if market is None else int(market["total_supply_raw"]), 0)
        if what == "getPrice":
            market = self.markets.get(self.assets[self.feeds["0x" + answer["data"][-40:]]])
            return (None if market is None or market["oracle_price_raw"] is None else int(market["oracle_price_raw"]),)
        if what in ("isBorrowCollateralized", "isLiquidatable"):
            return self.liquidity(what, account)
        assert base is not None
        if what == "totalsBasic":
            return (
                int(base["stored_supply_index_raw"]), int(base["stored_debt_index_raw"]), None, None,
                int(base["stored_supply_shares_raw"]), int(base["debt_shares_raw"]), int(base["accrued_at"].timestamp()),
            )  # fmt: skip
        totals = {
            "totalSupply": base["total_supply_raw"],
            "totalBorrow": base["total_debt_raw"],
            "getUtilization": self.used,
        }
        return (None if totals[what] is None else int(totals[what]),)

    def figure(self, account: str | None, side: str, column: str, market: str = "") -> Any:
        row = self.positions.get((account, market or self.comet, side))
        return 0 if row is None else None if row[column] is None else int(row[column])

    def liquidity(self, what: str, account: str | None) -> tuple[int | None, ...]:
        row = self.health.get(account)
        if row is None or not row["has_debt"]:
            return (int(what == "isBorrowCollateralized"),)
        figure = row["borrow_liquidity" if what == "isBorrowCollateralized" else "liquidation_liquidity"]
        if what == "isLiquidatable":
            assert self.flags[account] == (None if figure is None else figure < 0)
        return (None if figure is None else int((figure >= 0) == (what == "isBorrowCollateralized")),)


def compare(folder: Path, url: str) -> tuple[Counter[str], Counter[str], list[str]]:
    """Return by function how many answers were equal, how many SQL did not know, and what differs."""
    meta = meta_of(folder)
    by_block: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers_of(folder):
        if answer["label"]["what"] not in NO_RULE:
            by_block[answer["block"]].append(answer)
    equal: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    wrong: list[str] = []
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        for block, asked in sorted(by_block.items()):
            books = Books(connection, meta, block)
            for answer in asked:
                what, result = answer["label"]["what"], answer["result"]
                words = [int(result[n : n + 64], 16) for n in range(2, len(result), 64)]
                said = books.say(answer)
                if said[0] is None:
                    unknown[what] += 1
                elif all(a is None or a == b for a, b in zip(said, words, strict=False)):
                    equal[what] += 1
                else:
                    wrong.append(f"block {block} {answer['label']}: contract {words}, SQL {said}")
    return equal, unknown, wrong


@pytest.fixture
def indexed(databases: Databases, tmp_path: Path) -> str:
    """A database of the recording here, indexed, with its immutables known from the start."""
    return databases.filled("compound_v3_here", lambda url: index(with_immutables(HERE, tmp_path / "start"), url))


def test_every_answer_is_equal(indexed: str) -> None:
    equal, unknown, wrong = compare(HERE, indexed)
    assert wrong == []
    assert unknown == {}
    assert equal.total() > 2_500


def test_every_answer_of_the_whole_recording(
    migrated_database: Callable[[], str], tmp_path: Path, recordings: Path
) -> None:
    url, folder = migrated_database(), recordings / "compound_v3"
    index(with_immutables(folder, tmp_path / "chain"), url)
    equal, unknown, wrong = compare(folder, url)
    compared = equal.total() + unknown.total() + len(wrong)
    how = "recorded private chain, immutables as its notes state them"
    record("compound_v3", "comet main", checkpoints_of(folder), compared, unknown.total() + len(wrong), how)
    assert wrong == []
    assert unknown == {}
    assert equal.total() > 19_000


def test_without_the_immutables_what_is_pending_is_unknown(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    index(HERE, url)
    equal, unknown, wrong = compare(HERE, url)
    assert wrong == []
    exact = {"userBasic", "collateralBalanceOf", "totalsBasic", "totalsCollateral", "getUtilization"}
    assert exact.isdisjoint(unknown)
    assert all(equal[what] for what in exact)
    assert unknown["balanceOf"] > 0
    assert unknown["totalSupply"] > 0


def rows(url: str) -> dict[str, list[str]]:
    with psycopg.connect(url) as connection:
        return {table: sorted(map(str, connection.execute(f"SELECT * FROM {table}"))) for table in TABLES}


@pytest.mark.parametrize("block", [None, 301])
def test_one_run_many_runs_and_a_rebuild_give_the_same_rows(
    block: int | None, migrated_database: Callable[[], str], tmp_path: Path
) -> None:
    folder = with_immutables(HERE, tmp_path / "chain", block)  # known from the start, or only in the middle
    whole, parts = migrated_database(), migrated_database()
    index(folder, whole)
    for to in (24, 29, 200, 301, 520, "latest"):
        index(folder, parts, to)
    assert rows(parts) == rows(whole)
    rebuild(settings_of(folder), parts)
    assert rows(parts) == rows(whole)


def test_verify_asks_what_the_contract_answered(indexed: str) -> None:
    meta = meta_of(HERE)
    block = meta["checkpoints"][-1][0]
    comet = Deployment(0, "compound_v3", meta["chain_id"], "recorded", 0, {"Comet": meta["contracts"]["Comet"]})
    with psycopg.connect(indexed, row_factory=dict_row) as connection:
        found = [
            connection.execute(f"SELECT * FROM {function}(%s, %s)", (meta["chain_id"], block)).fetchall()
            for function in ("positions_at", "account_health", "markets_at")
        ]
    there = [answer for answer in answers_of(HERE) if answer["block"] == block]
    accounts = sorted({answer["label"]["account"] for answer in there if "account" in answer["label"]})
    asked = PROTOCOL.checks(protocol.Books(comet, accounts, *found)) if PROTOCOL.checks else []
    told = {(answer["to"], answer["data"]): answer["result"] for answer in there}
    assert len(asked) > 150  # six an account, six of totals
    for check in asked:
        words = [int(told[check.to, check.data][n : n + 64], 16) for n in range(2, 2 + 64 * len(check.expected), 64)]
        assert all(a is None or a == b for a, b in zip(check.expected, words, strict=True)), check
