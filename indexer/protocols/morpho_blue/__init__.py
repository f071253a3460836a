"""Morpho Blue: isolated markets in one singleton; shares stand in the events themselves.

Source   morpho-blue 1.0.0 EventsLib, Morpho.sol; morpho-blue-irm AdaptiveCurveIrm, FixedRateIrm
Units    assets in base units of the loan token; collateral in base units of the collateral token; LLTV and fee WAD
Omits    authorisations, rewards
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.abi import selector
from indexer.decode.layout import Events
from indexer.protocol import Actions, Contract, Fact, Finds, MarketFacts, PriceFeed, Protocol, changes
from indexer.protocols.morpho_blue import rules
from indexer.protocols.morpho_blue.checks import checks
from indexer.units import ZERO_ADDRESS


def market_created(e: Events) -> Sequence[Fact]:
    part = {name: e[f"marketParams.{name}"] for name in ("loanToken", "collateralToken", "oracle", "irm", "lltv")}
    return [
        Finds(e, "AdaptiveCurveIrm", part["irm"]),
        Finds(e, "FixedRateIrm", part["irm"]),
        changes(e, rules.market_created, e["id"], *part.values()),
    ]


def supply(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "supply", e["id"], amount=e["assets"], depositor=e["caller"], on_behalf_of=e["onBehalf"]),
        changes(e, rules.lent, e["id"], e["onBehalf"], e["assets"], e["shares"], touches=_touches(e, "onBehalf", "supply")),
    ]  # fmt: skip


def withdraw(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "withdraw", e["id"], amount=e["assets"], depositor=e["onBehalf"], on_behalf_of=e["onBehalf"],
                recipient=e["receiver"]),
        changes(e, rules.lent, e["id"], e["onBehalf"], minus(e["assets"]), minus(e["shares"]),
                touches=_touches(e, "onBehalf", "supply")),
    ]  # fmt: skip


def borrow(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "borrow", e["id"], amount=e["assets"], borrower=e["onBehalf"], on_behalf_of=e["onBehalf"],
                recipient=e["receiver"]),
        changes(e, rules.borrowed, e["id"], e["onBehalf"], e["assets"], e["shares"],
                touches=_touches(e, "onBehalf", "debt")),
    ]  # fmt: skip


def repay(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "repay", e["id"], amount=e["assets"], borrower=e["onBehalf"], on_behalf_of=e["onBehalf"],
                repayer=e["caller"]),
        changes(e, rules.borrowed, e["id"], e["onBehalf"], minus(e["assets"]), minus(e["shares"]),
                touches=_touches(e, "onBehalf", "debt")),
    ]  # fmt: skip


def supply_collateral(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "supply_collateral", e["id"], "collateral", amount=e["assets"], depositor=e["caller"],
                on_behalf_of=e["onBehalf"]),
        changes(e, rules.pledged, e["id"], e["onBehalf"], e["assets"], touches=_touches(e, "onBehalf", "collateral")),
    ]  # fmt: skip


def withdraw_collateral(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "withdraw_collateral", e["id"], "collateral", amount=e["assets"], depositor=e["onBehalf"],
                on_behalf_of=e["onBehalf"], recipient=e["receiver"]),
        changes(e, rules.pledged, e["id"], e["onBehalf"], minus(e["assets"]),
                touches=_touches(e, "onBehalf", "collateral")),
    ]  # fmt: skip


def liquidate(e: Events) -> Sequence[Fact]:
    touches = [*_touches(e, "borrower", "debt"), *_touches(e, "borrower", "collateral")]
    return [
        Actions(e, "liquidation", e["id"], amount=e["repaidAssets"], borrower=e["borrower"],
                on_behalf_of=e["borrower"], repayer=e["caller"], liquidator=e["caller"]),
        Actions(e, "seize", e["id"], "collateral", amount=e["seizedAssets"], depositor=e["borrower"],
                on_behalf_of=e["borrower"], liquidator=e["caller"], recipient=e["caller"], leg=1),
        Actions(e, "bad_debt", e["id"], amount=e["badDebtAssets"], borrower=e["borrower"],
                on_behalf_of=e["borrower"], leg=2, where=[shares > 0 for shares in e["badDebtShares"]]),
        changes(e, rules.liquidated, e["id"], e["borrower"], e["repaidAssets"], e["repaidShares"], e["seizedAssets"],
                e["badDebtAssets"], e["badDebtShares"], touches=touches),
    ]  # fmt: skip


def flash_loan(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "flashloan", token=e["token"], amount=e["assets"], fee=[0] * len(e), on_behalf_of=e["caller"],
                recipient=e["caller"]),
    ]  # fmt: skip


def accrue_interest(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.accrued, e["id"], e["prevBorrowRate"], e["interest"], e["feeShares"])]


def set_fee(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.fee_set, e["id"], e["newFee"])]


def set_fee_recipient(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.fee_recipient_set, e["newFeeRecipient"])]


def borrow_rate_update(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.curve_moved, e["id"], e["rateAtTarget"])]


def set_borrow_rate(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.fixed_rate_set, e["id"], e["newBorrowRate"])]


def minus(values: Sequence[int]) -> list[int]:
    """Return the values negated."""
    return [-value for value in values]


def _touches(e: Events, account: str, side: str) -> list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]:
    return [(list(zip(e.address, e["id"], strict=True)), e[account], side)]


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return `price()` of every market's oracle: collateral in the loan token, scaled 1e(36 + loan - collateral)."""
    found = []
    for listing in facts.listings.values():
        if listing.oracle and listing.oracle != ZERO_ADDRESS and listing.collateral_asset:
            loan, collateral = facts.decimals.get(listing.asset), facts.decimals.get(listing.collateral_asset)
            unit = None if loan is None or collateral is None else 10 ** (36 + loan - collateral)
            found.append(PriceFeed(listing.oracle, selector("price()"), listing.collateral_asset, unit, listing.asset))
    return found


PROTOCOL = Protocol(
    slug="morpho_blue",
    project="morpho",
    version="1",
    kind="lending",
    contracts=[
        Contract("Morpho", {
            "CreateMarket": market_created, "Supply": supply, "Withdraw": withdraw, "Borrow": borrow, "Repay": repay,
            "SupplyCollateral": supply_collateral, "WithdrawCollateral": withdraw_collateral, "Liquidate": liquidate,
            "AccrueInterest": accrue_interest, "SetFee": set_fee, "SetFeeRecipient": set_fee_recipient,
            "FlashLoan": flash_loan,
        }),
        Contract("AdaptiveCurveIrm", {"BorrowRateUpdate": borrow_rate_update}),
        Contract("FixedRateIrm", {"SetBorrowRate": set_borrow_rate}),
    ],
    required=("Morpho",),
    feeds=feeds,
    checks=checks,
    proven="1.0.0 with the adaptive curve on local chains and recordings, to the wei",
)  # fmt: skip
