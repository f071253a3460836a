"""How Liquity's events move the books: absolute troves with their snapshots, accumulators, absolute deposits.

Source   liquity/dev TroveManager.sol, BorrowerOperations.sol, StabilityPool.sol
Units    wei of LUSD or ether; L_ETH, L_LUSDDebt 1e18 a unit of stake
Markets  troves: collateral ether, debt LUSD; stability: supply LUSD; gains, surplus: supply ether
"""

from __future__ import annotations

from dataclasses import dataclass

from indexer.errors import MissingFact
from indexer.protocol import BookLike, Deployment, Listing, MarketBooks, PositionState
from indexer.types import Address
from indexer.units import NATIVE_TOKEN, WAD

TROVES, STABILITY, GAINS, SURPLUS = "troves", "stability", "gains", "surplus"
"""Refs of the four markets of a deployment."""

ACTIVE, CLOSED, LIQUIDATED, REDEEMED = 1, 2, 3, 4
"""TroveManager.Status; 0 is a trove that never was."""

MANAGER_REDEEMS = 3
"""`operation` of the manager's TroveUpdated: 0 pending applied, 1 and 2 liquidated, 3 redeemed from."""

SCALE_FACTOR = 10**9


@dataclass(slots=True)
class Told:
    """Columns of actions that only the rule can fill: types, amounts, and whether anything moved."""

    coll_type: list[str]
    coll: list[int | None]
    coll_moved: list[bool]
    debt_type: list[str]
    debt: list[int | None]
    debt_moved: list[bool]

    @staticmethod
    def of(rows: int) -> Told:
        """Return empty columns."""
        return Told([""] * rows, [None] * rows, [False] * rows, [""] * rows, [None] * rows, [False] * rows)

    def say_coll(self, row: int, delta: int) -> None:
        """Say that collateral came in (positive) or went out."""
        self.coll_type[row] = "supply_collateral" if delta > 0 else "withdraw_collateral"
        self.coll[row], self.coll_moved[row] = abs(delta), delta != 0

    def say_debt(self, row: int, delta: int, more: str = "borrow", less: str = "repay") -> None:
        """Say that LUSD was borrowed (positive) or repaid; or deposited and withdrawn."""
        self.debt_type[row] = more if delta > 0 else less
        self.debt[row], self.debt_moved[row] = abs(delta), delta != 0


def open_deployment(book: BookLike, deployment: Deployment) -> None:
    """Book the token and the price feed of a listing that names them."""
    if "LUSDToken" in deployment.contracts:
        book.set_param(deployment.key, "lusd", text=deployment.contracts["LUSDToken"])
    if "PriceFeed" in deployment.contracts:
        _price_feed(book, deployment.key, deployment.contracts["PriceFeed"])


def lusd_set(book: BookLike, manager: Address, lusd: Address) -> None:
    """The manager was told its token, once and for all."""
    key = book.deployment(manager).key
    book.set_param(key, "lusd", text=lusd)
    feed = book.param(key, "price_oracle")
    if feed is not None:
        _price_feed(book, key, str(feed))


def price_feed_set(book: BookLike, manager: Address, feed: Address) -> None:
    """The manager was told its price feed, once and for all."""
    _price_feed(book, book.deployment(manager).key, feed)


def price_updated(book: BookLike, feed: Address, price: int) -> None:
    """The feed took a new price of ether in dollars, 1e18."""
    book.add_price(feed, NATIVE_TOKEN, price, WAD, "usd")


def stated(book: BookLike, emitter: Address, ref: str, name: str, value: int) -> None:
    """An event stated a figure of the system as it is now."""
    _set(book, _market(book, emitter, ref), name, value)


def terms_updated(book: BookLike, manager: Address, coll: int, debt: int) -> None:
    """What no deposit covered was spread over all troves by stake: there is no event of any trove."""
    market = _market(book, manager, TROVES)
    _set(book, market, "L_ETH", coll)
    _set(book, market, "L_LUSDDebt", debt)


def trove_updated(
    book: BookLike, emitter: Address, borrower: Address, debt: int, coll: int, stake: int, operation: int,
    by_owner: bool, told: Told, row: int,
) -> None:  # fmt: skip
    """A trove is as the event says, with what was pending applied; its snapshots are the terms in force."""
    market = _market(book, emitter, TROVES)
    terms = _figures(market)
    ether, lusd = (book.position(market.key, borrower, side) for side in ("collateral", "debt"))
    before = ether.extra or {}
    snapshots = {name: terms.get(name, 0) for name in ("L_ETH", "L_LUSDDebt")}
    if ether.shares and before["L_ETH"] >= snapshots["L_ETH"]:
        # nothing is pending to the contract (hasPendingRewards), so it takes no new snapshots
        snapshots = {name: before[name] for name in snapshots}
    if by_owner or operation == MANAGER_REDEEMS:
        told.say_coll(row, coll - ether.shares)
        told.say_debt(row, debt - lusd.shares)
    # TotalStakesUpdated is not emitted when a stake is removed: the sum is kept here
    _set(book, market, "total_stakes", terms.get("total_stakes", 0) + stake - before.get("stake", 0))
    market.debt_shares += debt - lusd.shares
    for side, position, amount in (("collateral", ether, coll), ("debt", lusd, debt)):
        position.shares, position.is_collateral = amount, side == "collateral"
        position.extra = {"stake": stake, "status": _status(stake, operation, by_owner), **snapshots}
        book.book(market.key, borrower, side, position)


def deposit_changed(book: BookLike, pool: Address, depositor: Address, deposit: int, told: Told, row: int) -> None:
    """A deposit is as the event says; it shrinks with P and gains ether with S from these snapshots on."""
    stability, gains = _market(book, pool, STABILITY), _market(book, pool, GAINS)
    now = _figures(stability)
    epoch, scale = now.get("epoch", 0), now.get("scale", 0)
    snapshots = {"P": now.get("P", WAD), "S": now.get(_sum(epoch, scale), 0), "epoch": epoch, "scale": scale}
    before = book.position(stability.key, depositor, "supply")
    told.say_debt(row, deposit - compounded(before, now), "supply", "withdraw")
    stability.supply_shares += deposit - before.shares
    book.touch(stability)
    for market in (stability, gains):
        position = book.position(market.key, depositor, "supply")
        position.shares, position.extra = deposit, dict(snapshots)
        book.book(market.key, depositor, "supply", position)


def sum_updated(book: BookLike, pool: Address, value: int, epoch: int, scale: int) -> None:
    """Ether of a liquidation was shared among the deposits: the sum of this epoch and scale grows."""
    for ref in (STABILITY, GAINS):
        _set(book, _market(book, pool, ref), _sum(epoch, scale), value)


def surplus_changed(book: BookLike, pool: Address, account: Address, balance: int) -> None:
    """What was left of a redeemed or capped trove waits to be claimed."""
    market = _market(book, pool, SURPLUS)
    position = book.position(market.key, account, "supply")
    market.supply_shares += balance - position.shares
    position.shares = balance
    book.touch(market)
    book.book(market.key, account, "supply", position)


def compounded(position: PositionState, now: dict[str, int]) -> int:
    """Return what is left of a deposit: StabilityPool._getCompoundedStakeFromSnapshots."""
    then = position.extra
    if not position.shares or then is None or then["epoch"] < now.get("epoch", 0):
        return 0
    scales = now.get("scale", 0) - then["scale"]
    if scales > 1:
        return 0
    left = int(position.shares * now.get("P", WAD) // then["P"] // SCALE_FACTOR**scales)
    return left if left >= position.shares // 10**9 else 0


def _status(stake: int, operation: int, by_owner: bool) -> int:
    if stake:
        return ACTIVE
    if by_owner:
        return CLOSED
    return REDEEMED if operation == MANAGER_REDEEMS else LIQUIDATED


def _sum(epoch: int, scale: int) -> str:
    return f"S:{epoch}:{scale}"


def _figures(market: MarketBooks) -> dict[str, int]:
    return market.extra or {}


def _set(book: BookLike, market: MarketBooks, name: str, value: int) -> None:
    market.extra = {**_figures(market), name: value}
    book.touch(market)


def _price_feed(book: BookLike, key: int, feed: Address) -> None:
    book.set_param(key, "price_oracle", text=feed)
    lusd = book.param(key, "lusd")
    if lusd is not None:  # Liquity itself counts one LUSD as one dollar, always
        book.add_price(feed, str(lusd), WAD, WAD, "usd", source="par")


def _market(book: BookLike, emitter: Address, ref: str) -> MarketBooks:
    """Return one of the four markets; they are listed together by the first log that needs one."""
    deployment = book.deployment(emitter)
    key = deployment.key
    if not book.has_market((key, TROVES)):
        lusd = book.param(key, "lusd")
        if lusd is None:
            raise MissingFact("liquity_v1: no event and no listing names the LUSD token")
        book.add_token(str(lusd), "cdp_stable", "liquity")
        book.add_token(NATIVE_TOKEN, "plain")
        for name, asset, coll in (
            (TROVES, str(lusd), NATIVE_TOKEN), (STABILITY, str(lusd), None), (GAINS, NATIVE_TOKEN, None),
            (SURPLUS, NATIVE_TOKEN, None),
        ):  # fmt: skip
            native_id = f"{deployment.contracts['TroveManager']}:{name}"
            market = book.add_market((key, name), Listing(native_id, f"liquity_{name}", name, asset, coll))
            market.accrued_at, market.extra = book.timestamp(), {}
    return book.market((key, ref))
