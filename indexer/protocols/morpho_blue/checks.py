"""What `leverage verify` asks Morpho."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check


def checks(books: Books) -> list[Check]:
    """Return every position and every market's stored totals as contract calls."""
    morpho = books.deployment.contracts["Morpho"]
    held = {(row["account"], row["market_id"], row["side"]): int(row["shares_raw"]) for row in books.positions}
    found: list[Check] = []
    for market in books.markets:
        market_id = market["market_id"]
        native = market_id.split(":")[2]
        totals = (
            int(market["stored_supply_assets_raw"]), int(market["stored_supply_shares_raw"]),
            int(market["stored_debt_assets_raw"]), int(market["debt_shares_raw"]),
        )  # fmt: skip
        found.append(Check("market", "", market_id, morpho, call("market(bytes32)", native), totals))
        for account in books.accounts:
            expected = tuple(held.get((account, market_id, side), 0) for side in ("supply", "debt", "collateral"))
            data = call("position(bytes32,address)", native, account)
            found.append(Check("position", account, market_id, morpho, data, expected))
    return found
