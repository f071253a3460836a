"""What `leverage verify` asks an Aave pool and its tokens."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check
from indexer.units import UINT256_MAX


def checks(books: Books) -> list[Check]:
    """Return every balance, index, total and account figure of a deployment as contract calls."""
    found: list[Check] = []
    held = {
        (row["account"], row["market_id"], row["side"]): (int(row["shares_raw"]), int(row["amount_raw"]))
        for row in books.positions
    }
    pools = set()
    for market in books.markets:
        market_id, asset = market["market_id"], market["asset"]
        pool = market_id.split(":")[2]
        pools.add(pool)
        for side, token, total in (
            ("supply", market["supply_token"], market["total_supply_raw"]),
            ("debt", market["debt_token"], market["total_debt_raw"]),
        ):
            shares = int(market[f"{side}_shares_raw"])
            found.append(Check("scaledTotalSupply", "", market_id, token, call("scaledTotalSupply()"), (shares,)))
            found.append(Check("totalSupply", "", market_id, token, call("totalSupply()"), (int(total),)))
            for account in books.accounts:
                scaled, amount = held.get((account, market_id, side), (0, 0))
                found.append(
                    Check(
                        "scaledBalanceOf",
                        account,
                        market_id,
                        token,
                        call("scaledBalanceOf(address)", account),
                        (scaled,),
                    )
                )
                found.append(
                    Check("balanceOf", account, market_id, token, call("balanceOf(address)", account), (amount,))
                )
        for name, column in (
            ("getReserveNormalizedIncome", "supply_index_raw"), ("getReserveNormalizedVariableDebt", "debt_index_raw"),
        ):  # fmt: skip
            found.append(Check(name, "", market_id, pool, call(f"{name}(address)", asset), (int(market[column]),)))
    columns = (
        "total_collateral_base_raw", "total_debt_base_raw", "available_borrows_base_raw",
        "current_liquidation_threshold_bps", "ltv_bps", "health_factor_raw",
    )  # fmt: skip
    health = {row["account"]: row for row in books.health}
    for pool in pools:
        for account in books.accounts:
            row = health.get(account)
            if row is None:
                expected: tuple[int | None, ...] = (0, 0, 0, 0, 0, UINT256_MAX)
            elif row["total_collateral_base_raw"] is None:
                continue  # unpriced: nothing is claimed
            else:
                figures = [None if row[name] is None else int(row[name]) for name in columns]
                expected = (*figures[:5], UINT256_MAX if figures[5] is None else figures[5])
            data = call("getUserAccountData(address)", account)
            found.append(Check("getUserAccountData", account, "", pool, data, expected))
    return found
