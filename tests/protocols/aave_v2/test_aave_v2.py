"""Aave v2 against the answers that the contracts of a recorded chain gave: every one, to the last digit.

Not compared: of `getReserveData` the reserve's place in the pool's list (no event tells it; nothing depends on it).
`getAssetPrice` is an input of this comparison; it is compared to show that each block is valued at its own price.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.protocol import Books as ProtocolBooks
from indexer.protocol import Deployment
from indexer.protocols.aave_v2.checks import checks
from indexer.run import follow_chain
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import answers_of, meta_of

HERE = Path(__file__).parent / "recording"
UINT256_MAX = 2**256 - 1


def index(folder: Path, url: str, to: int | str = "latest") -> None:
    meta = meta_of(folder)
    name = "LendingPoolAddressesProvider"
    listed = DeploymentSettings(
        protocol="aave_v2", name="recorded", start_block=0, contracts={name: meta["contracts"][name]}
    )
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("aave_v2",), deployment=(listed,))
    follow_chain(chain, url, to=to, replay=folder)  # type: ignore[arg-type]


class Books:
    """What SQL says at one block."""

    def __init__(self, connection: psycopg.Connection[Any], meta: dict[str, Any], block: int) -> None:
        self.meta, at = meta, (meta["chain_id"], block)
        with connection.cursor(row_factory=dict_row) as cur:
            positions = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
            health = cur.execute("SELECT * FROM account_health(%s, %s)", at).fetchall()
            markets = cur.execute("SELECT * FROM markets_at(%s, %s)", at).fetchall()
            params = cur.execute("SELECT * FROM params_at(%s, %s)", at).fetchall()
            states = cur.execute(
                "SELECT DISTINCT ON (market_key) market_key, accrued_at, extra FROM market_state WHERE chain_id = %s "
                "AND block_number <= %s ORDER BY market_key, block_number DESC",
                at,
            ).fetchall()
        self.positions = {(p["account"], p["market_id"].rsplit(":", 1)[1], p["side"]): p for p in positions}
        self.health = {h["account"]: h for h in health}
        self.markets = {m["market_id"].rsplit(":", 1)[1]: m for m in markets}
        self.params = {(p["subject"], p["name"]): int(p["value_raw"] or 0) for p in params}
        self.states = {s["market_key"]: s for s in states}

    def say(self, what: str, label: dict[str, Any]) -> tuple[int | None, ...]:
        """Return the words of the contract's answer; None leaves a word out."""
        if what == "getUserAccountData":
            return self._account(label["account"])
        asset = label.get("asset") or self.meta["tokens"][label["token"]]["underlying"]
        stable = label.get("kind") == "stableDebtToken"
        native, side = f"{asset}-stable" if stable else asset, "supply" if label.get("kind") == "aToken" else "debt"
        market = self.markets[native]
        if what in ("balanceOf", "scaledBalanceOf", "principalBalanceOf"):
            row = self.positions.get((label["account"], native, side))
            return (0,) if row is None else (int(row["amount_raw" if what == "balanceOf" else "shares_raw"]),)
        if what == "getTotalSupplyAndAvgRate":
            return int(market["total_debt_raw"]), int(market["debt_rate_raw"])
        if what == "getReserveData":
            return self._reserve(market, self.markets[f"{asset}-stable"])
        column = {
            "getAssetPrice": "oracle_price_raw", "getReserveNormalizedIncome": "supply_index_raw",
            "getReserveNormalizedVariableDebt": "debt_index_raw", "scaledTotalSupply": f"{side}_shares_raw",
            "totalSupply": f"total_{side}_raw",
        }[what]  # fmt: skip
        return (int(market[column]),)

    def _account(self, account: str) -> tuple[int, ...]:
        row = self.health.get(account)
        if row is None:
            return (0, 0, 0, 0, 0, UINT256_MAX)
        names = ("total_collateral_base_raw", "total_debt_base_raw", "available_borrows_base_raw",
                 "current_liquidation_threshold_bps", "ltv_bps")  # fmt: skip
        factor = row["health_factor_raw"]
        return (*(int(row[name]) for name in names), UINT256_MAX if factor is None else int(factor))

    def _reserve(self, market: dict[str, Any], stable: dict[str, Any]) -> tuple[int | None, ...]:
        key = market["market_key"]
        configuration = market["decimals"] << 48
        for name, bit in (
            ("ltv_bps", 0), ("liquidation_threshold_bps", 16), ("liquidation_bonus_bps", 32), ("is_active", 56),
            ("is_frozen", 57), ("borrowing_enabled", 58), ("stable_borrowing_enabled", 59), ("reserve_factor_bps", 64),
        ):  # fmt: skip
            configuration |= self.params.get((key, name), 0) << bit
        state = self.states[key]
        return (
            configuration, int(market["stored_supply_index_raw"]), int(market["stored_debt_index_raw"]),
            int(market["supply_rate_raw"]), int(market["debt_rate_raw"]),
            (state["extra"] or {}).get("stable_borrow_rate_ray", 0), int(state["accrued_at"]),
            int(market["supply_token"], 16), int(stable["debt_token"], 16), int(market["debt_token"], 16),
            int(market["irm"], 16), None,
        )  # fmt: skip


def compare(connection: psycopg.Connection[Any], folder: Path) -> tuple[Counter[str], list[str]]:
    meta, by_block = meta_of(folder), defaultdict(list)
    for answer in answers_of(folder):
        by_block[answer["block"]].append(answer)
    compared: Counter[str] = Counter()
    mismatches = []
    for block, answers in sorted(by_block.items()):
        books = Books(connection, meta, block)
        for answer in answers:
            what, result = answer["label"]["what"], answer["result"]
            words = [int(result[n : n + 64], 16) for n in range(2, len(result), 64)]
            said = books.say(what, answer["label"])
            compared[what] += 1
            if len(said) != len(words) or any(ours not in (None, word) for ours, word in zip(said, words, strict=True)):
                mismatches.append(f"block {block} {answer['label']}: contract {words}, SQL {said}")
    return compared, mismatches


def check(folder: Path, url: str) -> Counter[str]:
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        compared, mismatches = compare(connection, folder)
        # ether is the base currency and nothing tells its USD price: nothing is claimed in USD
        assert connection.execute("SELECT count(*) FROM positions WHERE amount_usd IS NOT NULL").fetchone() == (0,)
        assert connection.execute("SELECT DISTINCT status FROM v_account_leverage").fetchall() == [("unpriced",)]
    assert mismatches[:5] == []
    return compared


def test_every_answer_is_equal(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    index(HERE, url)
    compared = check(HERE, url)
    assert compared.total() > 9_000
    assert compared["principalBalanceOf"] > 1_000


def test_a_run_in_many_pieces_gives_the_same(migrated_database: Callable[[], str]) -> None:
    """Restarts in the middle of loans: everything a rule needs comes back from the tables."""
    url = migrated_database()
    for block in (90, 300, 301, 555, 700, 1000, 1020):
        index(HERE, url, block)
    index(HERE, url)
    check(HERE, url)


def test_usd_needs_the_price_of_ether_and_nothing_else(migrated_database: Callable[[], str]) -> None:
    """Another protocol's oracle says what wrapped ether is worth, as on Ethereum: all of the account is then in USD."""
    url = migrated_database()
    index(HERE, url)
    weth = meta_of(HERE)["contracts"]["WETH"]
    with psycopg.connect(url) as connection:
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


def test_verify_asks_what_the_contracts_answered(migrated_database: Callable[[], str]) -> None:
    url, block = migrated_database(), max(answer["block"] for answer in answers_of(HERE))
    index(HERE, url)
    answers = {(a["to"], a["data"]): a["result"] for a in answers_of(HERE) if a["block"] == block}
    with psycopg.connect(url, row_factory=dict_row) as connection:
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


def test_a_rebasing_reserve_makes_its_accounts_unpriced(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    index(HERE, url)
    with psycopg.connect(url) as connection:
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
    compared, blocks = check(recordings / "aave_v2", url).total(), checkpoints_of(recordings / "aave_v2")
    record("aave_v2", "1.0.1", blocks, compared, 0, "recorded private chain")  # `check` lets none differ
    assert compared > 57_000
