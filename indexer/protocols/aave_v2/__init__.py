"""Aave v2: one pool a deployment, variable and stable debt, prices in ether.

Source   @aave/protocol-v2 1.0.1: LendingPool, LendingPoolConfigurator, AToken, VariableDebtToken, StableDebtToken
Units    amounts in base units of the reserve's asset; indexes and rates in ray; prices in wei of ether a whole token
Omits    rewards, credit delegation allowances
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.abi import call
from indexer.decode.layout import Events
from indexer.families import aave
from indexer.protocol import (
    Actions,
    Contract,
    Fact,
    Finds,
    Handler,
    MarketFacts,
    PriceFeed,
    Protocol,
    always,
    changes,
)  # fmt: skip
from indexer.protocols.aave_v2 import rules
from indexer.protocols.aave_v2.checks import checks

# ----------------------------------------------------------------------------------------------------------- pool


def deposit(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "supply", e["reserve"], amount=e["amount"], depositor=e["user"], on_behalf_of=e["onBehalfOf"]),
    ]  # fmt: skip


def repay(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "repay", e["reserve"], amount=e["amount"], borrower=e["user"], on_behalf_of=e["user"],
                repayer=e["repayer"]),
    ]  # fmt: skip


def liquidate(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "liquidation", e["principal"], amount=e["debtToCover"], borrower=e["user"], on_behalf_of=e["user"],
                repayer=e["liquidator"], liquidator=e["liquidator"]),
        Actions(e, "seize", e["collateral"], amount=e["liquidatedCollateralAmount"], depositor=e["user"],
                on_behalf_of=e["user"], liquidator=e["liquidator"], recipient=e["liquidator"], leg=1),
    ]  # fmt: skip


def reserve_data(e: Events) -> Sequence[Fact]:
    return [
        changes(e, rules.reserve_data, e["asset"], e["liquidityRate"], e["stableBorrowRate"], e["variableBorrowRate"],
                e["liquidityIndex"], e["variableBorrowIndex"]),
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------------- tokens


def supply_mint(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["from"], None)]
    return [changes(e, rules.scaled_change, e["from"], e["value"], e["index"], always(1), touches=touches)]


def supply_burn(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["from"], None)]
    return [changes(e, rules.scaled_change, e["from"], e["value"], e["index"], always(-1), touches=touches)]


def balance_transfer(e: Events) -> Sequence[Fact]:
    # unlike in v3 the value is the amount itself, not the scaled one
    touches = [(e.address, e["from"], None), (e.address, e["to"], None)]
    return [
        Actions(e, "transfer", "receipt", amount=e["value"], depositor=e["from"], on_behalf_of=e["from"],
                recipient=e["to"]),
        changes(e, rules.balance_transfer, e["from"], e["to"], e["value"], e["index"], touches=touches),
    ]  # fmt: skip


def debt_mint(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["onBehalfOf"], None)]
    return [changes(e, rules.scaled_change, e["onBehalfOf"], e["value"], e["index"], always(1), touches=touches)]


def debt_burn(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["user"], None)]
    return [changes(e, rules.scaled_change, e["user"], e["amount"], e["index"], always(-1), touches=touches)]


def stable_mint(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["onBehalfOf"], None)]
    return [
        changes(e, rules.stable_mint, e["onBehalfOf"], e["amount"], e["currentBalance"], e["balanceIncrease"],
                e["newRate"], e["avgStableRate"], e["newTotalSupply"], touches=touches),
    ]  # fmt: skip


def stable_burn(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["user"], None)]
    return [
        changes(e, rules.stable_burn, e["user"], e["amount"], e["currentBalance"], e["balanceIncrease"],
                e["avgStableRate"], e["newTotalSupply"], touches=touches),
    ]  # fmt: skip


# --------------------------------------------------------------------------------- provider, configurator, oracle

PROXIES = {"LENDING_POOL": "LendingPool", "LENDING_POOL_CONFIGURATOR": "LendingPoolConfigurator"}


def proxy_created(e: Events) -> Sequence[Fact]:
    names = [bytes.fromhex(word[2:]).rstrip(b"\0").decode("utf-8", "replace") for word in e["id"]]
    found: list[Fact] = [
        Finds(e, kind, [proxy if n == name else "" for n, proxy in zip(names, e["newAddress"], strict=True)])
        for name, kind in PROXIES.items()
    ]
    return [*found, changes(e, rules.proxy_created, names, e["newAddress"])]


def oracle_updated(e: Events) -> Sequence[Fact]:
    return [Finds(e, "AaveOracle", e["newAddress"]), changes(e, rules.oracle_changed, e["newAddress"])]


def reserve_initialized(e: Events) -> Sequence[Fact]:
    return [
        Finds(e, "AToken", e["aToken"]),
        Finds(e, "StableDebtToken", e["stableDebtToken"]),
        Finds(e, "VariableDebtToken", e["variableDebtToken"]),
        changes(e, rules.reserve_initialized, e["asset"], e["aToken"], e["stableDebtToken"], e["variableDebtToken"],
                e["interestRateStrategyAddress"]),
    ]  # fmt: skip


def borrowing_on(e: Events) -> Sequence[Fact]:
    return [
        changes(e, rules.reserve_param, e["asset"], always("borrowing_enabled"), always(1)),
        changes(e, rules.reserve_param, e["asset"], always("stable_borrowing_enabled"), e["stableRateEnabled"]),
    ]


def strategy_changed(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.strategy_changed, e["asset"], e["strategy"])]


def switch(name: str, value: int) -> Handler:
    """Return the handler of an event whose name alone says what a parameter of `asset` is now."""

    def handle(e: Events) -> Sequence[Fact]:
        return [changes(e, rules.reserve_param, e["asset"], always(name), always(value))]

    return handle


def weth_set(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.weth_set, e["weth"])]


def asset_price(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.asset_price, e["asset"], e["price"])]


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return `getAssetPrice` of every listed reserve's oracle: wei of ether for one whole token."""
    found: dict[tuple[str, str], PriceFeed] = {}
    for (deployment_key, _), listing in facts.listings.items():
        oracle = facts.params.get((deployment_key, "price_oracle", ""))
        if isinstance(oracle, str):
            data = call("getAssetPrice(address)", listing.asset)
            quote = str(facts.params.get((deployment_key, "base_token", "")) or rules.ETHER)
            found[oracle, data] = PriceFeed(oracle, data, listing.asset, rules.WEI, quote)
    return list(found.values())


PROTOCOL = Protocol(
    slug="aave_v2",
    project="aave",
    version="2",
    kind="lending",
    contracts=[
        Contract("LendingPoolAddressesProvider", {
            "ProxyCreated": proxy_created, "PriceOracleUpdated": oracle_updated,
        }),
        Contract("LendingPool", {
            "Deposit": deposit, "Withdraw": aave.withdraw, "Borrow": aave.borrow, "Repay": repay,
            "LiquidationCall": liquidate, "FlashLoan": aave.flash_loan, "ReserveDataUpdated": reserve_data,
            "ReserveUsedAsCollateralEnabled": aave.collateral_on, "ReserveUsedAsCollateralDisabled": aave.collateral_off,
        }),
        Contract("LendingPoolConfigurator", {
            "ReserveInitialized": reserve_initialized,
            "CollateralConfigurationChanged": aave.collateral_config,
            "BorrowingEnabledOnReserve": borrowing_on,
            "BorrowingDisabledOnReserve": switch("borrowing_enabled", 0),
            "StableRateEnabledOnReserve": switch("stable_borrowing_enabled", 1),
            "StableRateDisabledOnReserve": switch("stable_borrowing_enabled", 0),
            "ReserveActivated": switch("is_active", 1),
            "ReserveDeactivated": switch("is_active", 0),
            "ReserveFrozen": switch("is_frozen", 1),
            "ReserveUnfrozen": switch("is_frozen", 0),
            "ReserveFactorChanged": aave.reserve_param("reserve_factor_bps", "factor"),
            "ReserveInterestRateStrategyChanged": strategy_changed,
        }),
        Contract("AToken", {"Mint": supply_mint, "Burn": supply_burn, "BalanceTransfer": balance_transfer}),
        Contract("VariableDebtToken", {"Mint": debt_mint, "Burn": debt_burn}),
        Contract("StableDebtToken", {"Mint": stable_mint, "Burn": stable_burn}),
        Contract("AaveOracle", {"WethSet": weth_set, "AssetPriceUpdated": asset_price}),
    ],
    required=("LendingPoolAddressesProvider",),
    feeds=feeds,
    open_deployment=rules.open_deployment,
    checks=checks,
    market_is_asset=True,
    proven="1.0.1 with stable-rate debt on a recording, to the wei",
)  # fmt: skip
