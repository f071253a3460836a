"""Aave v3 pools and their scaled tokens; shared by Aave v3 and its forks.

Source   aave-v3-core 1.19.3, aave-v3-origin 3.6.0: Pool, PoolConfigurator, AToken, VariableDebtToken libraries
Units    amounts in base units of the reserve's asset; indexes and rates in ray; shares are Aave's scaled balances
Omits    stable-rate debt, rewards, isolation-mode debt
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexer.decode.abi import call
from indexer.decode.layout import Events
from indexer.families.aave import rules
from indexer.families.aave.maths import ray_mul
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
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- pool


def supply(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "supply", e["reserve"], amount=e["amount"], depositor=e["user"], on_behalf_of=e["onBehalfOf"]),
    ]  # fmt: skip


def withdraw(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "withdraw", e["reserve"], amount=e["amount"], depositor=e["user"], on_behalf_of=e["user"],
                recipient=e["to"]),
    ]  # fmt: skip


def borrow(e: Events) -> Sequence[Fact]:
    # the debtor is onBehalfOf; `user` called and receives the funds (credit delegation, gateways)
    return [
        Actions(e, "borrow", e["reserve"], amount=e["amount"], borrower=e["onBehalfOf"],
                on_behalf_of=e["onBehalfOf"], recipient=e["user"]),
    ]  # fmt: skip


def repay(e: Events) -> Sequence[Fact]:
    kinds = ["repay_with_atokens" if in_kind else "repay" for in_kind in e["useATokens"]]
    return [
        Actions(e, kinds, e["reserve"], amount=e["amount"], borrower=e["user"], on_behalf_of=e["user"],
                repayer=e["repayer"]),
    ]  # fmt: skip


def liquidate(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "liquidation", e["debtAsset"], amount=e["debtToCover"], borrower=e["user"], on_behalf_of=e["user"],
                repayer=e["liquidator"], liquidator=e["liquidator"]),
        Actions(e, "seize", e["collateralAsset"], amount=e["liquidatedCollateralAmount"], depositor=e["user"],
                on_behalf_of=e["user"], liquidator=e["liquidator"], recipient=e["liquidator"], leg=1),
        changes(e, rules.liquidated, e["collateralAsset"], e["receiveAToken"]),
    ]  # fmt: skip


def flash_loan(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "flashloan", e["asset"], amount=e["amount"], fee=e["premium"], on_behalf_of=e["initiator"],
                recipient=e["target"]),
    ]  # fmt: skip


def minted_to_treasury(e: Events) -> Sequence[Fact]:
    return [Actions(e, "mint_to_treasury", e["reserve"], amount=e["amountMinted"])]


def deficit_created(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "bad_debt", e["debtAsset"], amount=e["amountCreated"], borrower=e["user"], on_behalf_of=e["user"]),
    ]


def deficit_covered(e: Events) -> Sequence[Fact]:
    return [Actions(e, "cover_deficit", e["reserve"], amount=e["amountCovered"], repayer=e["caller"])]


def reserve_data(e: Events) -> Sequence[Fact]:
    return [
        changes(e, rules.reserve_data, e["reserve"], e["liquidityRate"], e["variableBorrowRate"], e["liquidityIndex"],
                e["variableBorrowIndex"]),
    ]  # fmt: skip


def collateral_on(e: Events) -> Sequence[Fact]:
    return [_flag(e, True)]


def collateral_off(e: Events) -> Sequence[Fact]:
    return [_flag(e, False)]


def _flag(e: Events, on: bool) -> Fact:
    references = list(zip(e.address, e["reserve"], strict=True))
    touches = [(references, e["user"], "supply")]
    return changes(e, rules.collateral_flag, e["reserve"], e["user"], always(on), touches=touches)


def emode_set(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.emode_set, e["user"], e["categoryId"])]


# --------------------------------------------------------------------------------------------------------- tokens


def mint(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["onBehalfOf"], None)]
    return [changes(e, rules.mint, e["onBehalfOf"], e["value"], e["balanceIncrease"], e["index"], touches=touches)]


def burn(e: Events) -> Sequence[Fact]:
    touches = [(e.address, e["from"], None)]
    return [changes(e, rules.burn, e["from"], e["value"], e["balanceIncrease"], e["index"], touches=touches)]


def balance_transfer(e: Events) -> Sequence[Fact]:
    amounts = [ray_mul(value, index) for value, index in zip(e["value"], e["index"], strict=True)]
    touches = [(e.address, e["from"], None), (e.address, e["to"], None)]
    return [
        Actions(e, "transfer", "receipt", amount=amounts, depositor=e["from"], on_behalf_of=e["from"],
                recipient=e["to"]),
        changes(e, rules.balance_transfer, e["from"], e["to"], e["value"], e["index"], touches=touches),
    ]  # fmt: skip


# --------------------------------------------------------------------------------- provider, configurator, oracle


def reserve_initialized(e: Events) -> Sequence[Fact]:
    return [
        Finds(e, "AToken", e["aToken"]),
        Finds(e, "VariableDebtToken", e["variableDebtToken"]),
        changes(e, rules.reserve_initialized, e["asset"], e["aToken"], e["stableDebtToken"], e["variableDebtToken"]),
    ]


def collateral_config(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.collateral_config, e["asset"], e["ltv"], e["liquidationThreshold"], e["liquidationBonus"])]


def emode_category(e: Events) -> Sequence[Fact]:
    return [
        changes(e, rules.emode_category, e["categoryId"], e["ltv"], e["liquidationThreshold"], e["liquidationBonus"],
                e["oracle"], e["label"]),
    ]  # fmt: skip


def oracle_updated(e: Events) -> Sequence[Fact]:
    return [Finds(e, "AaveOracle", e["newAddress"]), changes(e, rules.oracle_changed, e["newAddress"])]


def base_currency(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.base_currency, e["baseCurrencyUnit"])]


def asset_price(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.asset_price, e["asset"], e["price"])]


def reserve_param(name: str, argument: str, qualifier: str = "") -> Handler:
    """Return the handler of an event that sets one parameter of `asset`; `qualifier` names the category argument."""

    def handle(e: Events) -> Sequence[Fact]:
        qualifiers = [str(category) for category in e[qualifier]] if qualifier else always("")
        return [changes(e, rules.reserve_param, e["asset"], always(name), e[argument], qualifiers)]

    return handle


def deployment_param(name: str, argument: str, qualifier: str = "") -> Handler:
    """Return the handler of an event that sets one parameter of the whole deployment."""

    def handle(e: Events) -> Sequence[Fact]:
        qualifiers = [str(category) for category in e[qualifier]] if qualifier else always("")
        return [changes(e, rules.deployment_param, always(name), e[argument], qualifiers)]

    return handle


PROXIES = {"POOL": "Pool", "POOL_CONFIGURATOR": "PoolConfigurator"}


def contracts(versions: Mapping[int, str]) -> list[Contract]:
    """Return the contracts of an Aave v3 pool whose POOL_REVISION numbers mean these versions."""

    def proxy_created(e: Events) -> Sequence[Fact]:
        names = [bytes.fromhex(word[2:]).rstrip(b"\0").decode("utf-8", "replace") for word in e["id"]]
        pools = [n == "POOL" for n in names]
        found: list[Fact] = [
            Finds(e, kind, [proxy if n == name else "" for n, proxy in zip(names, e["proxyAddress"], strict=True)])
            for name, kind in PROXIES.items()
        ]
        wanted = [proxy if is_pool else "" for is_pool, proxy in zip(pools, e["proxyAddress"], strict=True)]
        return [
            *found,
            Wants(e, wanted, rules.POOL_REVISION, "contract version"),
            changes(e, rules.proxy_created, names, e["proxyAddress"], always(versions)),
        ]

    def pool_upgraded(e: Events) -> Sequence[Fact]:
        return [
            Wants(e, e.address, rules.POOL_REVISION, "contract version"),
            changes(e, rules.pool_upgraded, always(versions)),
        ]

    return [
        Contract("PoolAddressesProvider", {"ProxyCreated": proxy_created, "PriceOracleUpdated": oracle_updated}),
        Contract("Pool", {
            "Supply": supply, "Withdraw": withdraw, "Borrow": borrow, "Repay": repay, "LiquidationCall": liquidate,
            "FlashLoan": flash_loan, "ReserveDataUpdated": reserve_data, "MintedToTreasury": minted_to_treasury,
            "ReserveUsedAsCollateralEnabled": collateral_on, "ReserveUsedAsCollateralDisabled": collateral_off,
            "UserEModeSet": emode_set, "DeficitCreated": deficit_created, "DeficitCovered": deficit_covered,
            "Upgraded": pool_upgraded,
        }),
        Contract("PoolConfigurator", {
            "ReserveInitialized": reserve_initialized, "CollateralConfigurationChanged": collateral_config,
            "EModeCategoryAdded": emode_category,
            "ReserveBorrowing": reserve_param("borrowing_enabled", "enabled"),
            "ReserveActive": reserve_param("is_active", "active"),
            "ReserveFrozen": reserve_param("is_frozen", "frozen"),
            "ReservePaused": reserve_param("is_paused", "paused"),
            "ReserveFactorChanged": reserve_param("reserve_factor_bps", "newReserveFactor"),
            "ReserveFlashLoaning": reserve_param("flash_loan_enabled", "enabled"),
            "BorrowCapChanged": reserve_param("borrow_cap", "newBorrowCap"),
            "SupplyCapChanged": reserve_param("supply_cap", "newSupplyCap"),
            "DebtCeilingChanged": reserve_param("debt_ceiling", "newDebtCeiling"),
            "SiloedBorrowingChanged": reserve_param("siloed_borrowing", "newState"),
            "BorrowableInIsolationChanged": reserve_param("borrowable_in_isolation", "borrowable"),
            "LiquidationProtocolFeeChanged": reserve_param("liquidation_protocol_fee_bps", "newFee"),
            "LiquidationGracePeriodChanged": reserve_param("liquidation_grace_period_until", "gracePeriodUntil"),
            "PendingLtvChanged": reserve_param("pending_ltv_bps", "ltv"),
            "EModeAssetCategoryChanged": reserve_param("emode_category", "newCategoryId"),
            "AssetCollateralInEModeChanged": reserve_param("emode_collateral", "collateral", "categoryId"),
            "AssetBorrowableInEModeChanged": reserve_param("emode_borrowable", "borrowable", "categoryId"),
            "AssetLtvzeroInEModeChanged": reserve_param("emode_ltvzero", "ltvzero", "categoryId"),
            "EModeCategoryIsolationChanged": deployment_param("emode_isolated", "isolated", "categoryId"),
            "FlashloanPremiumTotalUpdated": deployment_param("flash_premium_bps", "newFlashloanPremiumTotal"),
        }),
        Contract("AToken", {"Mint": mint, "Burn": burn, "BalanceTransfer": balance_transfer}),
        Contract("VariableDebtToken", {"Mint": mint, "Burn": burn}),
        Contract("AaveOracle", {"AssetPriceUpdated": asset_price, "BaseCurrencySet": base_currency}),
    ]  # fmt: skip


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return `getAssetPrice` of every listed reserve's oracle."""
    found = []
    for (deployment_key, _), listing in facts.listings.items():
        oracle = facts.params.get((deployment_key, "price_oracle", ""))
        if isinstance(oracle, str):
            unit = facts.params.get((deployment_key, "base_currency_unit", ""))
            data = call("getAssetPrice(address)", listing.asset)
            found.append(PriceFeed(oracle, data, listing.asset, int(unit) if unit else rules.USD_UNIT, "usd"))
    return found
