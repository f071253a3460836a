"""What `leverage verify` asks GMX v1: size and collateral of every account in every pair of tokens, closed ones too."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check
from indexer.protocols.gmx_v1.rules import POSITIONS


def checks(books: Books) -> list[Check]:
    """Return every position as a contract call; the words after size and collateral are left out."""
    vault = books.deployment.contracts["Vault"]
    held = {(row["account"], row["market_id"], row["side"]): int(row["shares_raw"]) for row in books.positions}
    found: list[Check] = []
    for market in books.markets:
        if market["accounting"] != POSITIONS:
            continue
        market_id = market["market_id"]
        collateral, index = market_id.rsplit(":", 1)[1].split("-")
        is_long = collateral == index  # Vault._validateTokens: a short's collateral is a stable token
        for account in books.accounts:
            data = call("getPosition(address,address,address,bool)", account, collateral, index, int(is_long))
            size = held.get((account, market_id, "long" if is_long else "short"), 0)
            margin = held.get((account, market_id, "margin"), 0)
            expected = (size, margin, None, None, None, None, None, None)
            found.append(Check("position", account, market_id, vault, data, expected))
    return found
