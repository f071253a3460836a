"""What `leverage verify` asks Euler's vaults."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check


def checks(books: Books) -> list[Check]:
    """Return every balance and debt, and every vault's totals with pending interest, as contract calls."""
    held = {(row["account"], row["market_id"], row["side"]): row for row in books.positions}
    found: list[Check] = []
    for market in books.markets:
        market_id, vault = market["market_id"], market["supply_token"]
        for what, column in (
            ("interestAccumulator", "debt_index_raw"), ("totalSupply", "supply_shares_raw"),
            ("totalAssets", "total_supply_raw"), ("totalBorrows", "total_debt_raw"),
            ("totalBorrowsExact", "debt_shares_raw"), ("interestRate", "debt_rate_raw"),
        ):  # fmt: skip
            found.append(Check(what, "", market_id, vault, call(f"{what}()"), (int(market[column]),)))
        for account in books.accounts:
            for what, side, column in (("balanceOf", "supply", "shares_raw"), ("debtOf", "debt", "amount_raw")):
                row = held.get((account, market_id, side))
                expected = (0 if row is None else int(row[column]),)
                found.append(Check(what, account, market_id, vault, call(f"{what}(address)", account), expected))
    return found
