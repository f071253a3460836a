"""What `leverage verify` asks Synthetix Perps v2: every position as its market stores it."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check
from indexer.protocols.synthetix_perps_v2.rules import LONG, MARGIN, SHORT


def checks(books: Books) -> list[Check]:
    """Return every account's `positions` in every market: margin, last price while a size is open, signed size."""
    held = {(row["account"], row["market_id"], row["side"]): row for row in books.positions}

    def amount(account: str, market_id: str, side: str) -> int:
        row = held.get((account, market_id, side))
        return int(row["amount_raw"]) if row else 0

    found: list[Check] = []
    for market in books.markets:
        market_id, proxy = market["market_id"], market["asset"]
        for account in books.accounts:
            long, short, margin = (amount(account, market_id, side) for side in (LONG, SHORT, MARGIN))
            row = held.get((account, market_id, LONG if long else SHORT))
            price = int(row["basis_raw"]) if row else 0
            expected = (None, None, margin, price, (long - short) % 2**256)
            found.append(Check("position", account, market_id, proxy, call("positions(address)", account), expected))
    return found
