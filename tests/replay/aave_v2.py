"""Hold what SQL says of Aave v2 against what its contracts answered, answer by answer, to the last digit.

Not compared: of `getReserveData` the reserve's place in the pool's list (no event tells it; nothing depends on it).
`getAssetPrice` is an input of this comparison; it is compared to show that each block is valued at its own price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.replay.answers import UINT256_MAX, Comparison


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
        ours = [p for p in positions if p["market_id"].startswith("aave_v2:")]
        self.positions = {(p["account"], p["market_id"].rsplit(":", 1)[1], p["side"]): p for p in ours}
        self.health = {h["account"]: h for h in health if (h["project"], h["version"]) == ("aave", "2")}
        self.markets = {m["market_id"].rsplit(":", 1)[1]: m for m in markets if m["market_id"].startswith("aave_v2:")}
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


def compare(connection: psycopg.Connection[Any], meta: dict[str, Any], answers: Iterable[dict[str, Any]]) -> Comparison:
    """Compare every answer; one word of one that has no rule is left out."""
    by_block: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers:
        by_block[answer["block"]].append(answer)
    found = Comparison()
    for block, asked in sorted(by_block.items()):
        books = Books(connection, meta, block)
        for answer in asked:
            what, result = answer["label"]["what"], answer["result"]
            words = [int(result[n : n + 64], 16) for n in range(2, len(result), 64)]
            said = books.say(what, answer["label"])
            found.compared[what] += 1
            if len(said) != len(words) or any(ours not in (None, word) for ours, word in zip(said, words, strict=True)):
                found.mismatches.append(f"block {block} {answer['label']}: contract {words}, SQL {said}")
    return found
