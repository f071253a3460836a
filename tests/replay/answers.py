"""Hold what SQL says against what the contracts answered, answer by answer.

The expected values are the recorded `eth_call` results; nothing of the indexer computes them. Each answer is looked up
the way a user would: `positions_at`, `account_health`, `markets_at`.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

UINT256_MAX = 2**256 - 1
UNCHECKED = {"getReserveData", "getAssetPrice", "price", "rate", "convertToAssets", "vault totalAssets",
             "vault totalSupply", "erc20 balanceOf", "isAuthorized"}  # fmt: skip
"""Answers that are inputs (prices), or no statement about positions."""

ELSEWHERE = frozenset({"aave_v2", "perp_v2"})
"""Protocols of the demo chain with a comparison of their own, beside this file; their answers name them."""


@dataclass
class Comparison:
    """How many answers were compared, by function, and the first of each kind that differ."""

    compared: Counter[str] = field(default_factory=Counter)
    mismatches: list[str] = field(default_factory=list)


def meta_of(folder: Path) -> dict[str, Any]:
    """Return the first line of a recording."""
    with gzip.open(folder / "chain.jsonl.gz", "rt") as lines:
        return json.loads(next(lines))["meta"]


def answers_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the recorded answers."""
    with gzip.open(folder / "views.jsonl.gz", "rt") as lines:
        for line in lines:
            yield json.loads(line)


def compare(
    connection: psycopg.Connection[Any], chain_id: int, meta: dict[str, Any], answers: Iterator[dict[str, Any]]
) -> Comparison:
    """Compare every answer that states something about a position, an account or a market."""
    by_block: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers:
        if answer["label"].get("protocol") in ELSEWHERE:
            continue
        by_block[answer["block"]].append(answer)
    found = Comparison()
    for block, asked in sorted(by_block.items()):
        books = _Books(connection, chain_id, block, meta)
        for answer in asked:
            what = answer["label"]["what"]
            if what in UNCHECKED:
                continue
            words = tuple(int(answer["result"][n : n + 64], 16) for n in range(2, len(answer["result"]), 64))
            said = books.say(what, answer["label"])
            found.compared[what] += 1
            if said != words[: len(said)]:
                found.mismatches.append(f"block {block} {answer['label']}: contract {words}, SQL {said}")
    return found


class _Books:
    """What SQL says at one block."""

    def __init__(self, connection: psycopg.Connection[Any], chain_id: int, block: int, meta: dict[str, Any]) -> None:
        self.meta = meta
        at = (chain_id, block)
        with connection.cursor(row_factory=dict_row) as cur:
            positions = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
            health = cur.execute("SELECT * FROM account_health(%s, %s) WHERE market_id IS NULL", at).fetchall()
            markets = cur.execute("SELECT * FROM markets_at(%s, %s)", at).fetchall()
            settings = cur.execute(
                "SELECT DISTINCT ON (account) '0x' || encode(account, 'hex') AS account, value_raw FROM account_setting "
                "WHERE chain_id = %s AND name = 'emode' AND block_number <= %s "
                "ORDER BY account, block_number DESC, log_index DESC",
                at,
            ).fetchall()
        positions = [p for p in positions if p["market_id"].split(":", 1)[0] not in ELSEWHERE]
        health = [h for h in health if (h["project"], h["version"]) != ("aave", "2")]
        markets = [m for m in markets if m["market_id"].split(":", 1)[0] not in ELSEWHERE]
        # a market is named by what ends its readable id: Aave's asset, Morpho's market id
        self.positions = {(p["account"], p["market_id"].rsplit(":", 1)[1], p["side"]): p for p in positions}
        self.health = {h["account"]: h for h in health}
        self.markets = {m["market_id"].rsplit(":", 1)[1]: m for m in markets}
        self.emode = {s["account"]: int(s["value_raw"]) for s in settings}

    def say(self, what: str, label: dict[str, Any]) -> tuple[int, ...]:
        """Return the words that the contract's answer has to begin with."""
        if what in ("scaledBalanceOf", "balanceOf"):
            side = "supply" if label["kind"] == "aToken" else "debt"
            row = self.positions.get((label["account"], self._asset(label), side))
            return (0,) if row is None else (int(row["shares_raw" if what == "scaledBalanceOf" else "amount_raw"]),)
        if what == "getUserAccountData":
            return self._account(label["account"])
        if what == "getUserEMode":
            return (self.emode.get(label["account"], 0),)
        if what == "position":
            rows = (
                self.positions.get((label["account"], label["id"], side)) for side in ("supply", "debt", "collateral")
            )
            return tuple(0 if row is None else int(row["shares_raw"]) for row in rows)
        if what in ("market", "rateAtTarget", "borrowRateView"):
            return self._morpho(what, self.markets[label["id"]])
        market = self.markets[self._asset(label)]
        columns = {
            "getReserveNormalizedIncome": "supply_index_raw", "getReserveNormalizedVariableDebt": "debt_index_raw",
        }  # fmt: skip
        if what in columns:
            return (int(market[columns[what]]),)
        side = "supply" if label["kind"] == "aToken" else "debt"
        return (int(market[f"{side}_shares_raw" if what == "scaledTotalSupply" else f"total_{side}_raw"]),)

    def _asset(self, label: dict[str, Any]) -> str:
        if "asset" in label:
            return str(label["asset"])
        return str(self.meta["tokens"][label["token"]].get("underlying") or self.meta["contracts"][label["market"]])

    def _account(self, account: str) -> tuple[int, ...]:
        row = self.health.get(account)
        if row is None:
            return (0, 0, 0, 0, 0, UINT256_MAX)
        figures = [row[name] for name in (
            "total_collateral_base_raw", "total_debt_base_raw", "available_borrows_base_raw",
            "current_liquidation_threshold_bps", "ltv_bps",
        )]  # fmt: skip
        factor = row["health_factor_raw"]
        return (*(int(figure) for figure in figures), UINT256_MAX if factor is None else int(factor))

    @staticmethod
    def _morpho(what: str, market: dict[str, Any]) -> tuple[int, ...]:
        if what == "market":
            return (
                int(market["stored_supply_assets_raw"]), int(market["stored_supply_shares_raw"]),
                int(market["stored_debt_assets_raw"]), int(market["debt_shares_raw"]),
            )  # fmt: skip
        return (int(market["rate_at_target_raw" if what == "rateAtTarget" else "debt_rate_raw"] or 0),)
