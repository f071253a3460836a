"""What `leverage verify` asks a Comet."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check


def checks(books: Books) -> list[Check]:
    """Return every principal, balance, collateral and total as contract calls. Unknown amounts are not asked."""
    comet = books.deployment.contracts["Comet"]
    held = {(row["account"], row["market_id"], row["side"]): row for row in books.positions}
    found: list[Check] = []
    for market in books.markets:
        market_id, native = market["market_id"], market["market_id"].rsplit(":", 1)[1]
        if native != comet:
            data, total = call("totalsCollateral(address)", native), int(market["supply_shares_raw"])
            found.append(Check("totalsCollateral", "", market_id, comet, data, (total, None)))
            for account in books.accounts:
                row = held.get((account, market_id, "collateral"))
                data = call("collateralBalanceOf(address,address)", account, native)
                expected = (0 if row is None else int(row["amount_raw"]),)
                found.append(Check("collateralBalanceOf", account, market_id, comet, data, expected))
            continue
        totals = (
            int(market["stored_supply_index_raw"]), int(market["stored_debt_index_raw"]), None, None,
            int(market["stored_supply_shares_raw"]), int(market["debt_shares_raw"]),
        )  # fmt: skip
        found.append(Check("totalsBasic", "", market_id, comet, call("totalsBasic()"), totals))
        for what, column in (("totalSupply", "total_supply_raw"), ("totalBorrow", "total_debt_raw")):
            if market[column] is not None:
                found.append(Check(what, "", market_id, comet, call(f"{what}()"), (int(market[column]),)))
        for account in books.accounts:
            supply, debt = (held.get((account, market_id, side)) for side in ("supply", "debt"))
            principal = (int(supply["shares_raw"]) if supply else 0) - (int(debt["shares_raw"]) if debt else 0)
            data = call("userBasic(address)", account)
            found.append(Check("userBasic", account, market_id, comet, data, (principal % 2**256,)))
            for what, row in (("balanceOf", supply), ("borrowBalanceOf", debt)):
                if row is None or row["amount_raw"] is not None:
                    expected = (0 if row is None else int(row["amount_raw"]),)
                    found.append(Check(what, account, market_id, comet, call(f"{what}(address)", account), expected))
    return found
