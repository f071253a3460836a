"""What `leverage verify` asks the Vat."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check


def checks(books: Books) -> list[Check]:
    """Return every urn, gem, dai and sin, every ilk's Art and rate, debt() and vice() as contract calls."""
    vat = books.deployment.contracts["Vat"]
    held = {(row["account"], row["market_id"], row["side"]): int(row["shares_raw"]) for row in books.positions}
    found: list[Check] = []
    for market in books.markets:
        market_id = market["market_id"]
        native = market_id.rsplit(":", 1)[1]
        if market["accounting"] == "maker_dai":
            for view, column in (("debt()", "supply_shares_raw"), ("vice()", "debt_shares_raw")):
                found.append(Check(view, "", market_id, vat, call(view), (int(market[column]),)))
        elif market["accounting"] == "maker":
            totals = (int(market["debt_shares_raw"]), int(market["stored_debt_index_raw"]), None, None, None)
            found.append(Check("ilks", "", market_id, vat, call("ilks(bytes32)", native), totals))
        for account in books.accounts:
            supply, collateral, debt = (
                held.get((account, market_id, side), 0) for side in ("supply", "collateral", "debt")
            )
            if market["accounting"] == "maker":
                data = call("urns(bytes32,address)", native, account)
                found.append(Check("urns", account, market_id, vat, data, (collateral, debt)))
            elif market["accounting"] == "maker_gem":
                data = call("gem(bytes32,address)", native.removeprefix("gem-"), account)
                found.append(Check("gem", account, market_id, vat, data, (supply,)))
            else:
                found.append(Check("dai", account, market_id, vat, call("dai(address)", account), (supply,)))
                found.append(Check("sin", account, market_id, vat, call("sin(address)", account), (debt,)))
    return found
