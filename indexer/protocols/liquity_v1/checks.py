"""What `leverage verify` asks Liquity."""

from __future__ import annotations

from indexer.decode.abi import call
from indexer.protocol import Books, Check

ASKED = {
    "troves": ("TroveManager", "getEntireDebtAndColl(address)", ("debt", "collateral")),
    "stability": ("StabilityPool", "getCompoundedLUSDDeposit(address)", ("supply",)),
    "gains": ("StabilityPool", "getDepositorETHGain(address)", ("supply",)),
    "surplus": ("CollSurplusPool", "getCollateral(address)", ("supply",)),
}


def checks(books: Books) -> list[Check]:
    """Return every trove, deposit, gain and surplus, and the system's debt, as calls to the contracts that are listed."""
    contracts = books.deployment.contracts
    amounts = {(row["account"], row["market_id"], row["side"]): int(row["amount_raw"]) for row in books.positions}
    found: list[Check] = []
    for market in books.markets:
        market_id = market["market_id"]
        contract, view, sides = ASKED[market_id.rsplit(":", 1)[1]]
        if contract not in contracts:
            continue
        to = contracts[contract]
        if contract == "TroveManager":
            total = (int(market["total_debt_raw"]),)
            found.append(Check("getEntireSystemDebt", "", market_id, to, call("getEntireSystemDebt()"), total))
        for account in books.accounts:
            expected = tuple(amounts.get((account, market_id, side), 0) for side in sides)
            found.append(Check(view.split("(")[0], account, market_id, to, call(view, account), expected))
    return found
