"""Compound v2 markets: cTokens under one comptroller; shared by Compound v2 and its forks.

Source   compound-protocol (public repository) CToken, CErc20, CEther, Comptroller, JumpRateModelV2; moonwell-contracts-v2
Units    supply shares in base units of the cToken, everything else in base units of the underlying; factors WAD
Omits    COMP and other rewards, Failure logs (nothing moved)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from indexer.decode.abi import call
from indexer.decode.layout import Events
from indexer.families.compound import rules
from indexer.protocol import (
    Actions,
    Contract,
    Fact,
    Finds,
    Handler,
    MarketFacts,
    PriceFeed,
    Wants,
    always,
    changes,
)
from indexer.types import Address
from indexer.units import ZERO_ADDRESS

BLOCKS, SECONDS = rules.BLOCKS, rules.SECONDS

PAST_BLOCKS = 500_000
"""How far back a cToken or rate model is read when it is found: its constructor told what no later event repeats."""

READ_RULES = {rules.GET_CASH: rules.cash_read}

# ----------------------------------------------------------------------------------------------------- comptroller


def market_entered(e: Events) -> Sequence[Fact]:
    return [_membership(e, True)]


def market_exited(e: Events) -> Sequence[Fact]:
    return [_membership(e, False)]


def _membership(e: Events, entered: bool) -> Fact:
    touches = [(list(zip(e.address, e["cToken"], strict=True)), e["account"], "supply")]
    return changes(e, rules.membership, e["cToken"], e["account"], always(entered), touches=touches)


def collateral_factor(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.collateral_factor, e["cToken"], e["newCollateralFactorMantissa"])]


def close_factor(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.deployment_param, always("close_factor_raw"), e["newCloseFactorMantissa"])]


def liquidation_incentive(e: Events) -> Sequence[Fact]:
    return [
        changes(e, rules.deployment_param, always("liquidation_incentive_raw"), e["newLiquidationIncentiveMantissa"])
    ]


def borrow_cap(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.market_param, e["cToken"], always("borrow_cap_raw"), e["newBorrowCap"])]


def action_paused(e: Events) -> Sequence[Fact]:
    names = [f"{action.lower()}_paused" for action in e["action"]]
    if "cToken" not in e.columns:  # transfers and seizures are paused for all markets at once
        return [changes(e, rules.deployment_param, names, e["pauseState"])]
    return [changes(e, rules.market_param, e["cToken"], names, e["pauseState"])]


# ---------------------------------------------------------------------------------------------------------- cToken


def accrue_interest(e: Events) -> Sequence[Fact]:
    cash: Iterable[int | None] = e["cashPrior"] if "cashPrior" in e.columns else always(None)
    return [changes(e, rules.accrued, cash, e["interestAccumulated"], e["borrowIndex"], e["totalBorrows"])]


def mint(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "supply", e.address, amount=e["mintAmount"], depositor=e["minter"], on_behalf_of=e["minter"]),
        changes(e, rules.minted, e["mintAmount"], e["mintTokens"]),
    ]


def redeem(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "withdraw", e.address, amount=e["redeemAmount"], depositor=e["redeemer"],
                on_behalf_of=e["redeemer"], recipient=e["redeemer"]),
        changes(e, rules.redeemed, e["redeemAmount"], e["redeemTokens"], touches=_touches(e, e.address, "supply")),
    ]  # fmt: skip


def borrow(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "borrow", e.address, amount=e["borrowAmount"], borrower=e["borrower"],
                on_behalf_of=e["borrower"], recipient=e["borrower"]),
        changes(e, rules.debt_moved, e["borrower"], e["borrowAmount"], e["accountBorrows"], e["totalBorrows"],
                touches=_touches(e, e["borrower"], "debt")),
    ]  # fmt: skip


def repay_borrow(e: Events) -> Sequence[Fact]:
    amounts = [-amount for amount in e["repayAmount"]]
    return [
        Actions(e, "repay", e.address, amount=e["repayAmount"], borrower=e["borrower"], on_behalf_of=e["borrower"],
                repayer=e["payer"]),
        changes(e, rules.debt_moved, e["borrower"], amounts, e["accountBorrows"], e["totalBorrows"],
                touches=_touches(e, e["borrower"], "debt")),
    ]  # fmt: skip


def liquidate_borrow(e: Events) -> Sequence[Fact]:
    # for people only: RepayBorrow and Transfer logs beside it move the books. Seized tokens include the protocol's share
    return [
        Actions(e, "liquidation", e.address, amount=e["repayAmount"], borrower=e["borrower"],
                on_behalf_of=e["borrower"], repayer=e["liquidator"], liquidator=e["liquidator"]),
        Actions(e, "seize", e["cTokenCollateral"], e["cTokenCollateral"], amount=e["seizeTokens"],
                depositor=e["borrower"], on_behalf_of=e["borrower"], liquidator=e["liquidator"],
                recipient=e["liquidator"], leg=1),
    ]  # fmt: skip


def transfer(e: Events) -> Sequence[Fact]:
    # mints and redemptions also show as transfers from and to the cToken
    between = [token not in pair for token, *pair in zip(e.address, e["from"], e["to"], strict=True)]
    return [
        Actions(e, "transfer", e.address, e.address, amount=e["amount"], depositor=e["from"], on_behalf_of=e["from"],
                recipient=e["to"], where=between),
        changes(e, rules.transferred, e["from"], e["to"], e["amount"],
                touches=[*_touches(e, e["from"], "supply"), *_touches(e, e["to"], "supply")]),
    ]  # fmt: skip


def reserves_added(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.reserves_added, e["benefactor"], e["addAmount"], e["newTotalReserves"])]


def reserves_reduced(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.reserves_reduced, e["reduceAmount"], e["newTotalReserves"])]


def reserve_factor(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.reserve_factor, e["newReserveFactorMantissa"])]


def _touches(
    e: Events, accounts: Sequence[Address], side: str
) -> list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]:
    return [(list(zip(e.address, e.address, strict=True)), accounts, side)]


# ------------------------------------------------------------------------------------------------------ rate model


def interest_params(e: Events) -> Sequence[Fact]:
    absent: Iterable[None] = always(None)
    jump, kink = (e.columns.get(name, absent) for name in ("jumpMultiplierPerBlock", "kink"))
    return [changes(e, rules.model_parameters, e["baseRatePerBlock"], e["multiplierPerBlock"], jump, kink)]


def contracts(unit: str, coin_quoted_below: Mapping[int, int] = MappingProxyType({})) -> list[Contract]:
    """Return the contracts of a deployment whose interest is counted by blocks or by seconds.

    `coin_quoted_below` says by chain: oracles named below that block quote in the chain's coin, later ones in USD.
    """
    listing_reads = (
        rules.UNDERLYING, rules.SYMBOL, rules.BORROW_INDEX, rules.ACCRUED[unit], rules.RESERVE_FACTOR, rules.EXCHANGE_RATE,
    )  # fmt: skip

    def market_listed(e: Events) -> Sequence[Fact]:
        return [
            Finds(e, "CToken", e["cToken"], past=PAST_BLOCKS),
            *(Wants(e, e["cToken"], data, "cToken at its listing") for data in listing_reads),
            changes(e, rules.market_listed, e["cToken"], always(unit)),
        ]

    def price_oracle(e: Events) -> Sequence[Fact]:
        return [changes(e, rules.oracle_changed, e["newPriceOracle"], always(coin_quoted_below))]

    def rate_model(e: Events) -> Sequence[Fact]:
        models = [model if model != ZERO_ADDRESS else "" for model in e["newInterestRateModel"]]
        return [
            Finds(e, "InterestRateModel", models, past=PAST_BLOCKS),
            *(Wants(e, models, data, "rate model") for data in rules.MODEL[unit].values()),
            changes(e, rules.model_changed, e["oldInterestRateModel"], e["newInterestRateModel"], always(unit)),
        ]

    comptroller: dict[str, Handler] = {
        "MarketListed": market_listed, "MarketEntered": market_entered, "MarketExited": market_exited,
        "NewCollateralFactor": collateral_factor, "NewCloseFactor": close_factor,
        "NewLiquidationIncentive": liquidation_incentive, "NewPriceOracle": price_oracle, "NewBorrowCap": borrow_cap,
        "ActionPaused": action_paused,
    }  # fmt: skip
    token: dict[str, Handler] = {
        "AccrueInterest": accrue_interest, "Mint": mint, "Redeem": redeem, "Borrow": borrow,
        "RepayBorrow": repay_borrow, "LiquidateBorrow": liquidate_borrow, "Transfer": transfer,
        "ReservesAdded": reserves_added, "ReservesReduced": reserves_reduced, "NewReserveFactor": reserve_factor,
        "NewMarketInterestRateModel": rate_model,
    }  # fmt: skip
    return [
        Contract("Unitroller", comptroller),
        Contract("CToken", token),
        Contract("InterestRateModel", {"NewInterestParams": interest_params}),
    ]


# ----------------------------------------------------------------------------------------------------------- reads


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return `getUnderlyingPrice` of every listed market: scaled 1e(36 - decimals)."""
    found = []
    for (key, token), listing in facts.listings.items():
        oracle = facts.params.get((key, "price_oracle", ""))
        if isinstance(oracle, str) and oracle != ZERO_ADDRESS:
            decimals = facts.decimals.get(listing.asset)
            unit = None if decimals is None else 10 ** (36 - decimals)
            data = call("getUnderlyingPrice(address)", token)
            quote = str(facts.params.get((key, "oracle_quote", "")) or "usd")
            found.append(PriceFeed(oracle, data, listing.asset, unit, quote))
    return found


def state_reads(facts: MarketFacts) -> list[tuple[Address, str]]:
    """Return `getCash` of the tokens whose accruals do not tell it."""
    return [
        (token, rules.GET_CASH)
        for key, token in facts.listings
        if facts.params.get((key, "reads_cash", token)) is not None
    ]
