"""What `leverage verify` asks a comptroller and its cTokens."""

from __future__ import annotations

from indexer.decode.abi import call, selector
from indexer.families.compound.maths import owed
from indexer.protocol import Books, Check


def checks(books: Books) -> list[Check]:
    """Return every balance, debt, index, total and liquidity of a deployment as contract calls. NULL claims nothing."""
    found: list[Check] = []
    held = {(row["account"], row["market_id"], row["side"]): row for row in books.positions}
    for market in books.markets:
        market_id = market["market_id"]
        token = market_id.rsplit(":", 1)[1]
        for view, column in (
            ("totalSupply()", "stored_supply_shares_raw"), ("borrowIndex()", "stored_debt_index_raw"),
            ("totalBorrows()", "stored_debt_assets_raw"), ("exchangeRateStored()", "stored_supply_index_raw"),
            ("exchangeRateCurrent()", "supply_index_raw"),
        ):  # fmt: skip
            if market[column] is not None:
                found.append(Check(view[:-2], "", market_id, token, selector(view), (int(market[column]),)))
        for account in books.accounts:
            supply, debt = (held.get((account, market_id, side)) for side in ("supply", "debt"))
            figures: dict[str, int | None] = {
                "balanceOf": int(supply["shares_raw"]) if supply else 0,
                "borrowBalanceStored": 0,
                "borrowBalanceCurrent": 0,
            }
            if debt:
                index, now = market["stored_debt_index_raw"], debt["amount_raw"]
                figures["borrowBalanceStored"] = owed(int(debt["shares_raw"]), int(debt["basis_raw"]), int(index))
                figures["borrowBalanceCurrent"] = None if now is None else int(now)
            for name, expected in figures.items():
                if expected is not None:
                    found.append(Check(name, account, market_id, token, call(f"{name}(address)", account), (expected,)))
    health = {row["account"]: row for row in books.health}
    for account in books.accounts:
        row = health.get(account)
        limit, owes = (0, 0) if row is None else (row["max_borrow_raw"], row["debt_raw"])
        if limit is not None and owes is not None:
            words = (0, max(0, int(limit) - int(owes)), max(0, int(owes) - int(limit)))
            data = call("getAccountLiquidity(address)", account)
            found.append(
                Check("getAccountLiquidity", account, "", books.deployment.contracts["Unitroller"], data, words)
            )
    return found
