"""Euler v2: vaults made by one factory, tied together by the Ethereum Vault Connector (EVC).

Source   euler-vault-kit (EVK) Events.sol, GenericFactory.sol; ethereum-vault-connector Events.sol
Units    supply in vault shares, debt in base units times 2^31, amounts in base units of the asset; LTVs in 1/10000
Omits    operators, permits, balance forwarding, EulerRouter's own events, collateral that is not a vault of the factory
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from indexer.decode.abi import call
from indexer.decode.layout import Events
from indexer.protocol import (
    Actions,
    Changes,
    Contract,
    Fact,
    Finds,
    Handler,
    MarketFacts,
    PriceFeed,
    Protocol,
    always,
    changes,
)
from indexer.protocols.euler_v2 import rules
from indexer.protocols.euler_v2.checks import checks
from indexer.types import key64
from indexer.units import ZERO_ADDRESS

USD = "0x" + f"{840:040x}"
"""How Euler names the dollar as a unit of account: its ISO 4217 number."""

FIAT_DECIMALS = 18


def proxy_created(e: Events) -> Sequence[Fact]:
    return [Finds(e, "EVault", e["proxy"]), early(e, rules.vault_created, e["proxy"], e["trailingData"])]


def vault_initialised(e: Events) -> Sequence[Fact]:
    return [early(e, rules.vault_initialised, e["dToken"])]


def vault_status(e: Events) -> Sequence[Fact]:
    return [
        early(e, rules.accrued, e["interestAccumulator"], e["timestamp"]),
        changes(
            e, rules.status, e["totalShares"], e["totalBorrows"], e["accumulatedFees"], e["cash"], e["interestRate"]
        ),
    ]


def deposit(e: Events) -> Sequence[Fact]:
    # fee shares are deposits of nothing: ConvertFees tells of them
    return [
        Actions(e, "supply", e.address, amount=e["assets"], depositor=e["sender"], on_behalf_of=e["owner"],
                where=[assets > 0 for assets in e["assets"]]),
    ]  # fmt: skip


def withdraw(e: Events) -> Sequence[Fact]:
    # socialised debt shows as a withdrawal of nobody's
    return [
        Actions(e, "withdraw", e.address, amount=e["assets"], depositor=e["owner"], on_behalf_of=e["owner"],
                recipient=e["receiver"], where=[owner != ZERO_ADDRESS for owner in e["owner"]]),
    ]  # fmt: skip


def transfer(e: Events) -> Sequence[Fact]:
    between = [ZERO_ADDRESS not in pair for pair in zip(e["from"], e["to"], strict=True)]
    return [
        Actions(e, "transfer", e.address, list(e.address), amount=e["value"], depositor=e["from"],
                on_behalf_of=e["from"], recipient=e["to"], where=between),
        changes(e, rules.shares_moved, e["from"], e["to"], e["value"],
                touches=[*_touches(e, "from", "supply"), *_touches(e, "to", "supply")]),
    ]  # fmt: skip


def borrow(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "borrow", e.address, amount=e["assets"], borrower=e["account"], on_behalf_of=e["account"]),
        changes(e, rules.borrowed, e["account"], e["assets"], touches=_touches(e, "account", "debt")),
    ]


def repay(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "repay", e.address, amount=e["assets"], borrower=e["account"], on_behalf_of=e["account"]),
        changes(e, rules.repaid, e["account"], e["assets"], touches=_touches(e, "account", "debt")),
    ]


def interest_accrued(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.interest_told, e["account"], e["assets"], touches=_touches(e, "account", "debt"))]


def pull_debt(e: Events) -> Sequence[Fact]:
    touches = [*_touches(e, "from", "debt"), *_touches(e, "to", "debt")]
    return [changes(e, rules.debt_moved, e["from"], e["to"], e["assets"], touches=touches)]


def liquidate(e: Events) -> Sequence[Fact]:
    touches = [*_touches(e, "violator", "debt"), *_touches(e, "liquidator", "debt")]
    return [
        Actions(e, "liquidation", e.address, amount=e["repayAssets"], borrower=e["violator"],
                on_behalf_of=e["violator"], liquidator=e["liquidator"]),
        Actions(e, "seize", e.address, e["collateral"], amount=e["yieldBalance"], depositor=e["violator"],
                on_behalf_of=e["violator"], liquidator=e["liquidator"], recipient=e["liquidator"], leg=1),
        changes(e, rules.debt_moved, e["violator"], e["liquidator"], e["repayAssets"], touches=touches),
    ]  # fmt: skip


def debt_socialised(e: Events) -> Sequence[Fact]:
    return [
        Actions(e, "bad_debt", e.address, amount=e["assets"], borrower=e["account"], on_behalf_of=e["account"]),
        changes(e, rules.debt_socialised),
    ]


def convert_fees(e: Events) -> Sequence[Fact]:
    parts = (("protocolReceiver", "protocolShares"), ("governorReceiver", "governorShares"))
    minted = [
        Actions(e, "mint_to_treasury", e.address, list(e.address), amount=e[shares], recipient=e[receiver], leg=leg,
                where=[part > 0 for part in e[shares]])
        for leg, (receiver, shares) in enumerate(parts)
    ]  # fmt: skip
    return [*minted, changes(e, rules.fees_converted)]


def ltv_set(e: Events) -> Sequence[Fact]:
    names = ("collateral", "borrowLTV", "liquidationLTV", "initialLiquidationLTV", "targetTimestamp", "rampDuration")
    return [changes(e, rules.ltv_set, *(e[name] for name in names))]


def caps_set(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.caps_set, e["newSupplyCap"], e["newBorrowCap"])]


def fee_set(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.fee_set, e["newFee"])]


def rate_model_set(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.address_set, always("irm"), e["newInterestRateModel"])]


def hooks_set(e: Events) -> Sequence[Fact]:
    return [
        changes(e, rules.address_set, always("hook_target"), e["newHookTarget"]),
        changes(e, rules.param_set, always("hooked_operations"), e["newHookedOps"]),
    ]


def vault_param(name: str, argument: str) -> Handler:
    """Return the handler of an event that sets one number of a vault."""

    def handle(e: Events) -> Sequence[Fact]:
        return [changes(e, rules.param_set, always(name), e[argument])]

    return handle


def owner_registered(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.owner_registered, e["addressPrefix"], e["owner"])]


def collateral_status(e: Events) -> Sequence[Fact]:
    touches = [(list(zip(e.address, e["collateral"], strict=True)), e["account"], "supply")]
    return [changes(e, rules.collateral_switched, e["account"], e["collateral"], e["enabled"], touches=touches)]


def controller_status(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.controller_switched, e["account"], e["controller"], e["enabled"])]


def early(e: Events, rule: Any, *columns: Iterable[Any]) -> Changes:
    """Return changes that are booked before everything else of their block."""
    return Changes(e, rule, (e.address, *columns), early=True)


def _touches(e: Events, account: str, side: str) -> list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]:
    return [(list(zip(e.address, e.address, strict=True)), e[account], side)]


def feeds(facts: MarketFacts) -> list[PriceFeed]:
    """Return the mid price of one whole asset, and of one whole share of each collateral, by every vault's oracle.

    Left out while decimals are unknown, for collateral that is no vault of the factory, and for a unit of account that
    is neither a currency nor the asset of some vault.
    """
    chains = {deployment.key: deployment for deployment in facts.deployments}
    assets = {listing.asset for listing in facts.listings.values()}
    backing: dict[int, set[str]] = {}
    for (subject, name, collateral), value in facts.params.items():
        if name in ("liquidation_ltv_bps", "initial_liquidation_ltv_bps") and value:
            backing.setdefault(subject, set()).add(collateral)
    found = []
    for (deployment_key, vault), listing in facts.listings.items():
        deployment = chains[deployment_key]
        key = key64(f"{deployment.protocol}:{deployment.chain_id}:{vault}")
        unit = facts.params.get((key, "unit_of_account", ""))
        if listing.oracle is None or not isinstance(unit, str):
            continue
        fiat = int(unit, 16) < 1000
        unit_decimals = FIAT_DECIMALS if fiat else facts.decimals.get(unit) if unit in assets else None
        collaterals = sorted(token for token in backing.get(key, ()) if (deployment_key, token) in facts.listings)
        for token in (listing.asset, *collaterals):
            decimals = facts.decimals.get(token)
            if unit_decimals is not None and decimals is not None and token != unit:
                data = call("getQuote(uint256,address,address)", 10**decimals, token, unit)
                found.append(PriceFeed(listing.oracle, data, token, 10**unit_decimals, "usd" if unit == USD else unit))
    return found


PROTOCOL = Protocol(
    slug="euler_v2",
    project="euler",
    version="2",
    kind="lending",
    contracts=[
        Contract("GenericFactory", {"ProxyCreated": proxy_created}),
        Contract("EthereumVaultConnector", {
            "OwnerRegistered": owner_registered, "CollateralStatus": collateral_status,
            "ControllerStatus": controller_status,
        }),
        Contract("EVault", {
            "EVaultCreated": vault_initialised, "VaultStatus": vault_status, "Deposit": deposit, "Withdraw": withdraw,
            "Transfer": transfer, "Borrow": borrow, "Repay": repay, "InterestAccrued": interest_accrued,
            "PullDebt": pull_debt, "Liquidate": liquidate, "DebtSocialized": debt_socialised,
            "ConvertFees": convert_fees, "GovSetLTV": ltv_set, "GovSetCaps": caps_set, "GovSetInterestFee": fee_set,
            "GovSetInterestRateModel": rate_model_set, "GovSetHookConfig": hooks_set,
            "GovSetMaxLiquidationDiscount": vault_param("max_liquidation_discount_bps", "newDiscount"),
            "GovSetLiquidationCoolOffTime": vault_param("liquidation_cool_off_seconds", "newCoolOffTime"),
            "GovSetConfigFlags": vault_param("config_flags", "newConfigFlags"),
        }),
    ],
    required=("GenericFactory", "EthereumVaultConnector"),
    feeds=feeds,
    checks=checks,
    proven="public repository heads of the EVK and the EVC on a recording, to the last fractional bit of debt",
)  # fmt: skip
