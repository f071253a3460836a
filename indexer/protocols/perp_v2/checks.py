"""What `leverage verify` asks Perpetual Protocol v2: taker sizes and vault balances."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check
from indexer.protocols.perp_v2.rules import BALANCE, COLLATERAL, DEBT, LONG, MARGIN, SHORT, TAKERS


def checks(books: Books) -> list[Check]:
    """Return every taker's size and every margin balance as contract calls; signed answers as 256-bit words."""
    balances, vault = books.deployment.contracts["AccountBalance"], books.deployment.contracts["Vault"]
    held = {(row["account"], row["market_id"], row["side"]): int(row["amount_raw"]) for row in books.positions}
    found: list[Check] = []
    for market in books.markets:
        market_id, asset = market["market_id"], market["asset"]
        takers = market["accounting"] == TAKERS
        plus, minus = (LONG, SHORT) if takers else (MARGIN, DEBT)
        for account in books.accounts:
            amount = held.get((account, market_id, plus), 0) - held.get((account, market_id, minus), 0)
            if takers:
                to, data = balances, call("getTakerPositionSize(address,address)", account, asset)
            elif market["regime"] == COLLATERAL:
                to, data = vault, call("getBalanceByToken(address,address)", account, asset)
            else:  # vaults before 1.2 know the settlement token only
                to, data = vault, call(BALANCE, account)
            found.append(Check("size" if takers else "balance", account, market_id, to, data, (amount % 2**256,)))
    return found
