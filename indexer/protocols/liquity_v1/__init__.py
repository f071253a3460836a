"""Liquity v1: troves of ether with LUSD debt, redistribution by accumulators, the Stability Pool.

Source   liquity/dev TroveManager, BorrowerOperations, StabilityPool, ActivePool, DefaultPool, CollSurplusPool, PriceFeed
Units    LUSD and ether in wei; accumulators L_* 1e18 a unit of stake; P 1e18; S ether times P
Omits    LQTY and its staking, front ends, the sorted list, wallets' LUSD
"""

from __future__ import annotations

from collections.abc import Sequence

from indexer.decode.layout import Events
from indexer.protocol import Actions, Contract, Fact, Finds, Handler, Protocol, always, changes
from indexer.protocols.liquity_v1 import rules
from indexer.protocols.liquity_v1.checks import checks


def trove_of_owner(e: Events) -> Sequence[Fact]:
    return _trove(e, by_owner=True)


def trove_of_manager(e: Events) -> Sequence[Fact]:
    return _trove(e, by_owner=False)


def _trove(e: Events, *, by_owner: bool) -> Sequence[Fact]:
    # the event is absolute: what was moved is known to the rule, which fills these columns
    told, troves = rules.Told.of(len(e)), [rules.TROVES] * len(e)
    return [
        changes(e, rules.trove_updated, e["_borrower"], e["_debt"], e["_coll"], e["stake"], e["operation"],
                always(by_owner), always(told), range(len(e)),
                touches=_touches(e, "_borrower", rules.TROVES, ("collateral", "debt"))),
        Actions(e, told.coll_type, troves, "collateral", amount=told.coll, depositor=e["_borrower"],
                on_behalf_of=e["_borrower"], where=told.coll_moved),
        Actions(e, told.debt_type, troves, amount=told.debt, borrower=e["_borrower"], on_behalf_of=e["_borrower"],
                leg=1, where=told.debt_moved),
    ]  # fmt: skip


def trove_liquidated(e: Events) -> Sequence[Fact]:
    # for people only: the trove's own TroveUpdated with zeros follows
    where = [rules.TROVES] * len(e)
    return [
        Actions(e, "liquidation", where, amount=e["_debt"], borrower=e["_borrower"], on_behalf_of=e["_borrower"]),
        Actions(e, "seize", where, "collateral", amount=e["_coll"], depositor=e["_borrower"],
                on_behalf_of=e["_borrower"], leg=1),
    ]  # fmt: skip


def terms_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.terms_updated, e["_L_ETH"], e["_L_LUSDDebt"])]


def deposit_changed(e: Events) -> Sequence[Fact]:
    told = rules.Told.of(len(e))
    return [
        changes(e, rules.deposit_changed, e["_depositor"], e["_newDeposit"], always(told), range(len(e)),
                touches=[*_touches(e, "_depositor", rules.STABILITY, ("supply",)),
                         *_touches(e, "_depositor", rules.GAINS, ("supply",))]),
        Actions(e, told.debt_type, [rules.STABILITY] * len(e), amount=told.debt, depositor=e["_depositor"],
                on_behalf_of=e["_depositor"], where=told.debt_moved),
    ]  # fmt: skip


def sum_updated(e: Events) -> Sequence[Fact]:
    epochs = e["_epoch"] if "_epoch" in e.columns else always(0)
    return [changes(e, rules.sum_updated, e["_S"], epochs, e["_scale"])]


def surplus_changed(e: Events) -> Sequence[Fact]:
    touches = _touches(e, "_account", rules.SURPLUS, ("supply",))
    return [changes(e, rules.surplus_changed, e["_account"], e["_newBalance"], touches=touches)]


def price_updated(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.price_updated, e["_lastGoodPrice"])]


def price_feed_set(e: Events) -> Sequence[Fact]:
    feed = e["_newPriceFeedAddress"]
    return [Finds(e, "PriceFeed", feed), changes(e, rules.price_feed_set, feed)]


def lusd_set(e: Events) -> Sequence[Fact]:
    return [changes(e, rules.lusd_set, e["_newLUSDTokenAddress"])]


def _found(kind: str, column: str) -> Handler:
    def found(e: Events) -> Sequence[Fact]:
        return [Finds(e, kind, e[column])]

    return found


def _figure(market: str, name: str, column: str) -> Handler:
    """Return a handler of an event that states one absolute figure of a market."""

    def stated(e: Events) -> Sequence[Fact]:
        return [changes(e, rules.stated, always(market), always(name), e[column])]

    return stated


def _touches(
    e: Events, account: str, market: str, sides: Sequence[str]
) -> list[tuple[Sequence[tuple[str, str]], Sequence[str], str]]:
    return [([(address, market) for address in e.address], e[account], side) for side in sides]


PROTOCOL = Protocol(
    slug="liquity_v1",
    project="liquity",
    version="1",
    kind="lending",
    contracts=[
        Contract("TroveManager", {
            "TroveUpdated": trove_of_manager, "TroveLiquidated": trove_liquidated, "LTermsUpdated": terms_updated,
            "BaseRateUpdated": _figure(rules.TROVES, "base_rate", "_baseRate"),
            "BorrowerOperationsAddressChanged": _found("BorrowerOperations", "_newBorrowerOperationsAddress"),
            "ActivePoolAddressChanged": _found("ActivePool", "_activePoolAddress"),
            "DefaultPoolAddressChanged": _found("DefaultPool", "_defaultPoolAddress"),
            "StabilityPoolAddressChanged": _found("StabilityPool", "_stabilityPoolAddress"),
            "CollSurplusPoolAddressChanged": _found("CollSurplusPool", "_collSurplusPoolAddress"),
            "PriceFeedAddressChanged": price_feed_set, "LUSDTokenAddressChanged": lusd_set,
        }),
        Contract("BorrowerOperations", {"TroveUpdated": trove_of_owner}),
        Contract("ActivePool", {
            "ActivePoolLUSDDebtUpdated": _figure(rules.TROVES, "active_debt", "_LUSDDebt"),
            "ActivePoolETHBalanceUpdated": _figure(rules.TROVES, "active_coll", "_ETH"),
        }),
        Contract("DefaultPool", {
            "DefaultPoolLUSDDebtUpdated": _figure(rules.TROVES, "default_debt", "_LUSDDebt"),
            "DefaultPoolETHBalanceUpdated": _figure(rules.TROVES, "default_coll", "_ETH"),
        }),
        Contract("StabilityPool", {
            "UserDepositChanged": deposit_changed, "S_Updated": sum_updated,
            "P_Updated": _figure(rules.STABILITY, "P", "_P"),
            "ScaleUpdated": _figure(rules.STABILITY, "scale", "_currentScale"),
            "EpochUpdated": _figure(rules.STABILITY, "epoch", "_currentEpoch"),
            "StabilityPoolLUSDBalanceUpdated": _figure(rules.STABILITY, "total", "_newBalance"),
        }),
        Contract("CollSurplusPool", {"CollBalanceUpdated": surplus_changed}),
        Contract("PriceFeed", {"LastGoodPriceUpdated": price_updated}),
    ],
    required=("TroveManager",),
    open_deployment=rules.open_deployment,
    checks=checks,
    proven="the public repository's head on a recorded chain, to the wei",
)  # fmt: skip
