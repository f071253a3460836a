"""Compound v3 (Comet): one borrowable base asset a market, collateral that earns nothing.

Source   compound-finance/comet CometMainInterface.sol, CometExtInterface.sol, Comet.sol
Units    base and collateral in base units of their tokens; base shares are principals at index 1e15
Omits    rewards, reserves, allowances, protocol sales of absorbed collateral; the Configurator, whose events announce
         and do not activate: parameters are read when the Comet's proxy says Upgraded
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Actions, Contract, Fact, MarketFacts, PriceFeed, Protocol, Wants, changes
from indexer.protocols.compound_v3 import reads, rules
from indexer.protocols.compound_v3.checks import checks
from indexer.types import Address
from indexer.units import ZERO_ADDRESS

PRICE_UNIT = 10**8
"""Every Comet scales its feeds to 8 decimals (PRICE_FEED_DECIMALS)."""

IN_USD = frozenset({
    (1, "0xc3d688b66703497daa19211eedff47f25384cdc3"), (1, "0x3afdc9bca9213a35503b077a6072f3d0d5ab0840"),
    (1, "0x5d409e56d886231adaf00c8775665ad0f9897b56"), (42161, "0x9c4ec768c28520b50860ea7a15bd7213a9ff58bf"),
    (42161, "0xa5edbdd9646f8dff606d7448e414884c7d905dca"), (42161, "0xd98be00b5d27fc98112bde293e487f8d4ca57d07"),
    (8453, "0xb125e6687d4313864e53df431d5425969c15eb2f"), (8453, "0x9c4ec768c28520b50860ea7a15bd7213a9ff58bf"),
    (8453, "0x2c776041ccfe903071af44aa147368a9c8eea518"), (10, "0x2e44e174f7d53f0212823acc11c01a11d58c5bcb"),
    (10, "0x995e394b8b2437ac8ce61ee0bc610d617962b214"), (137, "0xf25212e676d1f7f89cd72ffee66158f541246445"),
    (137, "0xaeb318360f27748acb200ce616e389a6c9409a07"),
})  # fmt: skip
"""(chain, Comet) with a dollar stablecoin as base. A Comet does not say what its feeds are quoted in: ETH markets use ratios."""


def supply(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e, "dst"),
        Actions(e, "supply", e.address, amount=e["amount"], depositor=e["from"], on_behalf_of=e["dst"], repayer=e["from"]),
        changes(e, rules.came_in, e["dst"], e["amount"], touches=_base(e, "dst")),
    ]  # fmt: skip


def withdraw(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e, "src"),
        Actions(e, "withdraw", e.address, amount=e["amount"], borrower=e["src"], depositor=e["src"],
                on_behalf_of=e["src"], recipient=e["to"]),
        changes(e, rules.went_out, e["src"], e["amount"], touches=_base(e, "src")),
    ]  # fmt: skip


def transfer(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e, "from", "to"),
        changes(e, rules.transferred, e["from"], e["to"], e["amount"], touches=[*_base(e, "from"), *_base(e, "to")]),
    ]


def absorb_debt(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e, "borrower"),
        Actions(e, "liquidation", e.address, amount=e["basePaidOut"], borrower=e["borrower"],
                on_behalf_of=e["borrower"], liquidator=e["absorber"]),
        changes(e, rules.came_in, e["borrower"], e["basePaidOut"], touches=_base(e, "borrower")),
    ]  # fmt: skip


def supply_collateral(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e),
        Actions(e, "supply_collateral", e["asset"], amount=e["amount"], depositor=e["from"], on_behalf_of=e["dst"]),
        changes(e, rules.pledged, e["dst"], e["asset"], e["amount"], touches=_collateral(e, "dst")),
    ]


def withdraw_collateral(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e),
        Actions(e, "withdraw_collateral", e["asset"], amount=e["amount"], depositor=e["src"], on_behalf_of=e["src"],
                recipient=e["to"]),
        changes(e, rules.pledged, e["src"], e["asset"], [-amount for amount in e["amount"]],
                touches=_collateral(e, "src")),
    ]  # fmt: skip


def transfer_collateral(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e),
        Actions(e, "transfer", e["asset"], amount=e["amount"], depositor=e["from"], on_behalf_of=e["from"],
                recipient=e["to"]),
        changes(e, rules.collateral_transferred, e["from"], e["to"], e["asset"], e["amount"],
                touches=[*_collateral(e, "from"), *_collateral(e, "to")]),
    ]  # fmt: skip


def absorb_collateral(e: Events) -> Sequence[Fact]:
    return [
        *_reads(e),
        Actions(e, "seize", e["asset"], amount=e["collateralAbsorbed"], depositor=e["borrower"],
                on_behalf_of=e["borrower"], liquidator=e["absorber"], recipient=e.address),
        changes(e, rules.pledged, e["borrower"], e["asset"], [-amount for amount in e["collateralAbsorbed"]],
                touches=_collateral(e, "borrower")),
    ]  # fmt: skip


def other(e: Events) -> Sequence[Fact]:
    """Nobody's balance moves, but the market may have accrued."""
    return [*_reads(e), changes(e, rules.accrued)]


def upgraded(e: Events) -> Sequence[Fact]:
    wants = [Wants(e, e.address, data, "immutables of a new implementation") for data in reads.IMMUTABLES]
    return [*wants, changes(e, rules.upgraded)]


def _reads(e: Events, *accounts: str) -> list[Fact]:
    """Return the reads of a block with a log: the totals, and the principals of those whose base moved."""
    return [
        Wants(e, e.address, reads.TOTALS, "indexes and totals"),
        *(
            Wants(
                e,
                ["" if account == ZERO_ADDRESS else comet for comet, account in zip(e.address, e[name], strict=True)],
                [reads.principal_of(account) for account in e[name]],
                "principal",
            )
            for name in accounts
        ),
    ]


Touches = list[tuple[Sequence[tuple[str, str]], Sequence[Address], str]]


def _base(e: Events, account: str) -> Touches:
    markets = list(zip(e.address, e.address, strict=True))
    return [(markets, e[account], "supply"), (markets, e[account], "debt")]


def _collateral(e: Events, account: str) -> Touches:
    return [(list(zip(e.address, e["asset"], strict=True)), e[account], "collateral")]


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return `getPrice(feed)` of every asset whose feed is known, as the Comet itself asks it."""
    found = []
    for deployment in facts.deployments:
        comet = deployment.contracts["Comet"]
        quote = "usd" if (deployment.chain_id, comet) in IN_USD else "unstated"
        for (key, native), listing in facts.listings.items():
            if key == deployment.key:
                feed = facts.params.get((key, "price_feed", "" if native == comet else native))
                if feed:
                    found.append(PriceFeed(comet, reads.price_of(str(feed)), listing.asset, PRICE_UNIT, quote))
    return found


def state_reads(facts: MarketFacts) -> list[tuple[Address, str]]:
    """Return the totals, which move without a log, and the immutables of a Comet whose upgrade was not seen."""
    found = []
    for deployment in facts.deployments:
        comet = deployment.contracts["Comet"]
        lacking = facts.params.get((deployment.key, "base_token", "")) is None
        found += [(comet, data) for data in ((reads.TOTALS, *reads.IMMUTABLES) if lacking else (reads.TOTALS,))]
    return found


PROTOCOL = Protocol(
    slug="compound_v3",
    project="compound",
    version="3",
    kind="lending",
    contracts=[
        Contract("Comet", {
            "Supply": supply, "Withdraw": withdraw, "Transfer": transfer, "SupplyCollateral": supply_collateral,
            "WithdrawCollateral": withdraw_collateral, "TransferCollateral": transfer_collateral,
            "AbsorbDebt": absorb_debt, "AbsorbCollateral": absorb_collateral, "BuyCollateral": other,
            "WithdrawReserves": other, "PauseAction": other, "Upgraded": upgraded,
        }),
    ],
    required=("Comet",),
    feeds=feeds,
    state_reads=state_reads,
    read_rules=rules.READ_RULES,
    checks=checks,
    proven="comet main on a recording with its reads, to the wei",
)  # fmt: skip
