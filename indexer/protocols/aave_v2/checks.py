"""What `leverage verify` asks an Aave v2 pool and its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indexer.decode.abi import call
from indexer.protocol import Books, Check
from indexer.types import Address
from indexer.units import UINT256_MAX

HEALTH = (
    "total_collateral_base_raw", "total_debt_base_raw", "available_borrows_base_raw",
    "current_liquidation_threshold_bps", "ltv_bps", "health_factor_raw",
)  # fmt: skip

Held = Mapping[tuple[Address, str, str], Mapping[str, Any]]


def checks(books: Books) -> list[Check]:
    """Return every balance, index, total and account figure of a deployment as contract calls."""
    found: list[Check] = []
    held = {(row["account"], row["market_id"], row["side"]): row for row in books.positions}
    pools = {market["market_id"].split(":")[2] for market in books.markets}
    for market in books.markets:
        if market["accounting"] == "aave_v2_stable":
            found += _stable(market, held, books)
        elif market["regime"] == "scaled":
            found += _scaled(market, held, books)
    health = {row["account"]: row for row in books.health}
    for pool in pools:
        for account in books.accounts:
            row = health.get(account)
            expected: tuple[int | None, ...] = (0, 0, 0, 0, 0, UINT256_MAX)
            if row is not None:
                if row["total_collateral_base_raw"] is None or row["total_debt_base_raw"] is None:
                    continue  # unpriced: nothing is claimed
                figures = [None if row[name] is None else int(row[name]) for name in HEALTH]
                expected = (*figures[:5], UINT256_MAX if figures[5] is None else figures[5])
            data = call("getUserAccountData(address)", account)
            found.append(Check("getUserAccountData", account, "", pool, data, expected))
    return found


def _scaled(market: Mapping[str, Any], held: Held, books: Books) -> list[Check]:
    found, market_id, asset = [], market["market_id"], market["asset"]
    pool = market_id.split(":")[2]
    for side, token in (("supply", market["supply_token"]), ("debt", market["debt_token"])):
        shares, total = int(market[f"{side}_shares_raw"]), int(market[f"total_{side}_raw"])
        found.append(Check("scaledTotalSupply", "", market_id, token, call("scaledTotalSupply()"), (shares,)))
        found.append(Check("totalSupply", "", market_id, token, call("totalSupply()"), (total,)))
        found += _balances("scaledBalanceOf", market_id, side, token, held, books)
    for name, column in (
        ("getReserveNormalizedIncome", "supply_index_raw"), ("getReserveNormalizedVariableDebt", "debt_index_raw"),
    ):  # fmt: skip
        found.append(Check(name, "", market_id, pool, call(f"{name}(address)", asset), (int(market[column]),)))
    return found


def _stable(market: Mapping[str, Any], held: Held, books: Books) -> list[Check]:
    market_id, token = market["market_id"], market["debt_token"]
    totals = (int(market["total_debt_raw"]), int(market["debt_rate_raw"]))
    return [
        Check("getTotalSupplyAndAvgRate", "", market_id, token, call("getTotalSupplyAndAvgRate()"), totals),
        *_balances("principalBalanceOf", market_id, "debt", token, held, books),
    ]


def _balances(shares: str, market_id: str, side: str, token: Address, held: Held, books: Books) -> list[Check]:
    found = []
    for account in books.accounts:
        row = held.get((account, market_id, side), {"shares_raw": 0, "amount_raw": 0})
        for name, column in ((shares, "shares_raw"), ("balanceOf", "amount_raw")):
            data = call(f"{name}(address)", account)
            found.append(Check(name, account, market_id, token, data, (int(row[column]),)))
    return found
