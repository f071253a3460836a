"""How the events of Perpetual Protocol v2 move the books: takers' positions, vault balances, owed realised profit.

Source   @perp/curie-contract 2.8.4 and 1.0.8 to 2.0.1: AccountBalance, ClearingHouse, Vault, SettlementTokenMath
Units    size and notional 18 decimals; owed profit 18 decimals; vault balances in base units of their token
Signed   a size is the `long` or the `short` row, a vault balance the `margin` or the `debt` row; the other row is zero.
         `extra` of a taker's row: open_notional, and order_liquidity of its orders as a maker.
         `extra` of a margin row of the settlement token: owed_realized_pnl
"""

from __future__ import annotations

from dataclasses import dataclass

from indexer.decode.abi import call, selector
from indexer.decode.words import unsigned
from indexer.errors import MissingFact, NegativeBalance, WrongRegime
from indexer.protocol import BookLike, Listing, MarketBooks
from indexer.types import Address
from indexer.units import WAD

TAKERS, MARGINS = "perp_v2", "perp_v2_margin"
"""Accountings: a base token's market, and the vault's books of one margin token."""

LONG, SHORT, MARGIN, DEBT = "long", "short", "margin", "debt"
OPEN, PAUSED, CLOSED = "open", "paused", "closed"
"""Regimes of a base token's market, in the order of IBaseToken.Status."""

FLOOR, TRUNCATE, COLLATERAL = "floor", "truncate", "collateral"
"""Regimes of a margin token. Of the settlement token: how owed profit of 18 decimals is rounded when it is settled, FLOOR
in 2.8.4, TRUNCATE up to 2.0.1. COLLATERAL is any other token."""

DUST = 10
"""AccountBalance._DUST, in wei."""

BALANCE = "getBalance(address)"
Q96 = 2**96


# -------------------------------------------------------------------------------------------------------- positions


@dataclass(slots=True)
class Taker:
    """A trader's taker side of one market, signed, and the liquidity of its orders."""

    size: int
    open_notional: int
    order_liquidity: int
    removed_at: int = 0
    """Where dust was left that the removal of the last order, told by the next log, deregisters; 0 for nowhere."""

    def is_dust(self) -> bool:
        """Return whether AccountBalance deregisters it once it has no orders."""
        return abs(self.size) < DUST and abs(self.open_notional) < DUST

    def clear(self) -> None:
        """Deregister: what is left is forgotten."""
        self.size = self.open_notional = 0


def pool_added(book: BookLike, registry: Address, base: Address, fee_ratio: int, pool: Address) -> None:
    """A base token's market was listed."""
    deployment = book.deployment(registry)
    market = book.add_market((deployment.key, base), Listing(base, TAKERS, OPEN, base, oracle=base))
    market.extra = {"long_size": 0, "short_size": 0}
    market.accrued_at = book.timestamp()
    book.set_param(market.key, "pool", text=pool)
    book.set_param(market.key, "fee_ratio", fee_ratio)
    book.add_token(base, "unclassified")


def position_changed(
    book: BookLike, house: Address, base: Address, trader: Address, size: int, notional: int, fee: int,
    open_notional: int, pnl: int, sqrt_price: int, tx_index: int,
) -> None:  # fmt: skip
    """A taker traded, was liquidated, took over a liquidated position, or a maker's removed orders left a position."""
    market = book.market((book.deployment(house).key, base))
    taker = _taker(book, market, trader)
    taker.size += size
    expected = taker.open_notional + notional - fee - pnl
    deregistered = open_notional == 0 and abs(taker.size) < DUST and abs(expected) < DUST
    if open_notional != expected and not deregistered:
        raise WrongRegime(f"open notional of {trader} is {open_notional} by the event but {expected} by the books")
    taker.open_notional, taker.removed_at = open_notional, 0
    if taker.is_dust():
        # 2.x deregisters before this event, which then says 0; 1.x right after it
        if taker.order_liquidity == 0 or open_notional != expected:
            taker.clear()
        elif taker.size:
            taker.removed_at = _place(book, tx_index)
    _book_taker(book, market, trader, taker)
    # PerpMath.formatSqrtPriceX96ToPriceX96, formatX96ToX10_18; the base token is always the pool's token0
    price = sqrt_price * sqrt_price // Q96 * WAD // Q96
    _touch(book, market, {**(market.extra or {}), "sqrt_price_x96": sqrt_price, "mark_price": price})


def position_closed(
    book: BookLike, house: Address, base: Address, trader: Address, size: int, open_notional: int
) -> None:
    """A position was settled at the price that its market was closed at."""
    market = book.market((book.deployment(house).key, base))
    taker = _taker(book, market, trader)
    if (taker.size, taker.open_notional) != (size, open_notional):
        raise WrongRegime(
            f"closed position of {trader} is {size} for {open_notional} by the event but {taker.size} for "
            f"{taker.open_notional} by the books"
        )
    taker.clear()
    _book_taker(book, market, trader, taker)


def liquidity_changed(
    book: BookLike, house: Address, base: Address, maker: Address, liquidity: int, tx_index: int
) -> None:
    """A maker's order grew or shrank. Its share of the pool is not booked; whether it has orders decides about dust."""
    market = book.market((book.deployment(house).key, base))
    taker = _taker(book, market, maker)
    taker.order_liquidity += liquidity
    if taker.order_liquidity < 0:
        raise NegativeBalance(f"perp_v2: order liquidity of {maker} would be {taker.order_liquidity}")
    # removeLiquidity of 2.x tells PositionChanged, then this: the order was gone already when it deregistered
    if taker.order_liquidity == 0 and taker.removed_at and taker.removed_at == _place(book, tx_index) - 1:
        taker.clear()
    taker.removed_at = 0
    _book_taker(book, market, maker, taker)


def _place(book: BookLike, tx_index: int) -> int:
    return book.block_number << 64 | tx_index << 32 | book.log_index


def _taker(book: BookLike, market: MarketBooks, trader: Address) -> Taker:
    long, short = (book.position(market.key, trader, side) for side in (LONG, SHORT))
    extra = long.extra or short.extra or {}
    return Taker(
        long.shares - short.shares, extra.get("open_notional", 0), extra.get("order_liquidity", 0),
        extra.get("removed_at", 0),
    )  # fmt: skip


def _book_taker(book: BookLike, market: MarketBooks, trader: Address, taker: Taker) -> None:
    rows = [book.position(market.key, trader, side) for side in (LONG, SHORT)]
    # the row of the present side holds what else there is; without a position it stays where it was
    holds = 1 if taker.size < 0 or (taker.size == 0 and rows[1].extra is not None) else 0
    extra = {"open_notional": taker.open_notional, "order_liquidity": taker.order_liquidity}
    if taker.removed_at:
        extra["removed_at"] = taker.removed_at
    totals = dict(market.extra or {})
    for leg, (side, total, row) in enumerate(zip((LONG, SHORT), ("long_size", "short_size"), rows, strict=True)):
        shares, kept = (abs(taker.size), extra) if leg == holds else (0, None)
        if (row.shares, row.extra) != (shares, kept):
            totals[total] = totals.get(total, 0) + shares - row.shares
            row.shares, row.extra = shares, kept
            book.book(market.key, trader, side, row, leg)
    _touch(book, market, totals)


# ----------------------------------------------------------------------------------------------------------- margin


def deposited(book: BookLike, vault: Address, token: Address, account: Address, amount: int) -> None:
    """Margin came into the vault."""
    _add_margin(book, _margin_market(book, vault, token), account, amount)


def withdrawn(book: BookLike, vault: Address, token: Address, account: Address, amount: int) -> None:
    """Margin left the vault. With the settlement token all owed profit went into the balance before, without an event."""
    market = _margin_market(book, vault, token)
    owed = _owed(book, market, account)  # of any other token nothing is ever owed
    settled = _settled(book, market, vault, token, account, amount, owed) if owed else 0
    _add_margin(book, market, account, settled - amount, -owed)


def pnl_realized(book: BookLike, balances: Address, account: Address, amount: int) -> None:
    """Profit, loss, funding, fees and penalties: owed until the account next withdraws the settlement token."""
    _add_margin(book, _settlement_market(book, balances), account, 0, amount)


def bad_debt_settled(book: BookLike, vault: Address, account: Address, amount: int) -> None:
    """The insurance fund took over what an account without positions and collateral owes."""
    market = _settlement_market(book, vault)
    _add_margin(book, market, account, amount)
    _add_margin(book, market, _insurance_fund(book, vault), -amount, leg=2)


def collateral_liquidated(
    book: BookLike, vault: Address, account: Address, token: Address, collateral: int, repaid: int, fee: int
) -> None:
    """A liquidator paid settlement token for another collateral; part of it went to the insurance fund."""
    settlement = _settlement_market(book, vault)
    _add_margin(book, _margin_market(book, vault, token), account, -collateral)
    _add_margin(book, settlement, account, repaid)
    _add_margin(book, settlement, _insurance_fund(book, vault), fee, leg=2)


def _settled(
    book: BookLike, market: MarketBooks, vault: Address, token: Address, account: Address, amount: int, owed: int
) -> int:
    """Return owed profit in the settlement token's decimals, rounded as the vault's version rounds."""
    unit: int = 10 ** (18 - _decimals(book, vault, token))
    rounded = {FLOOR: owed // unit, TRUNCATE: owed // unit if owed > 0 else -(-owed // unit)}
    if rounded[FLOOR] != rounded[TRUNCATE]:
        # no event tells the vault's version; where the node tells the balance after, it shows which rounding gives it
        told = unsigned(book.answer(vault, call(BALANCE, account)))
        before = _balance(book, market, account)
        for regime, settled in rounded.items():
            if told == (before + settled - amount) % 2**256:
                market.regime = regime
                book.touch(market)
    return rounded[market.regime]


def _decimals(book: BookLike, vault: Address, token: Address) -> int:
    key = book.deployment(vault).key
    known = book.param(key, "settlement_decimals")
    if known is None:
        known = unsigned(book.answer(token, selector("decimals()")))
        if known is None or known > 18:
            raise MissingFact(f"perp_v2: decimals of the settlement token {token} are needed and absent")
        book.set_param(key, "settlement_decimals", known)
    return int(known)


def _margin_market(book: BookLike, vault: Address, token: Address) -> MarketBooks:
    """Return the books of a margin token; its first deposit lists it. One that no CollateralAdded named settles."""
    key = book.deployment(vault).key
    if book.has_market((key, token)):
        return book.market((key, token))
    regime = COLLATERAL
    if book.param(key, "collateral_ratio", token) is None and book.param(key, "settlement_token") is None:
        book.set_param(key, "settlement_token", text=token)
        regime = FLOOR
    market = book.add_market((key, token), Listing(f"{vault}:{token}", MARGINS, regime, token))
    market.accrued_at = book.timestamp()
    book.add_token(token, "unclassified")
    return market


def _settlement_market(book: BookLike, emitter: Address) -> MarketBooks:
    key = book.deployment(emitter).key
    token = book.param(key, "settlement_token")
    if token is None:
        raise MissingFact("perp_v2: no deposit has told the settlement token yet")
    return book.market((key, str(token)))


def _insurance_fund(book: BookLike, vault: Address) -> Address:
    return book.deployment(vault).contracts["InsuranceFund"]


def _balance(book: BookLike, market: MarketBooks, account: Address) -> int:
    return book.position(market.key, account, MARGIN).shares - book.position(market.key, account, DEBT).shares


def _owed(book: BookLike, market: MarketBooks, account: Address) -> int:
    extra = book.position(market.key, account, MARGIN).extra
    return extra.get("owed_realized_pnl", 0) if extra else 0


def _add_margin(
    book: BookLike, market: MarketBooks, account: Address, amount: int, owed: int = 0, leg: int = 0
) -> None:
    balance = _balance(book, market, account) + amount
    if balance < 0 and market.regime == COLLATERAL:
        raise NegativeBalance(f"perp_v2: balance of {account} would be {balance} base units")
    margin = book.position(market.key, account, MARGIN)
    before = (margin.shares, margin.extra)
    margin.shares, margin.is_collateral = max(balance, 0), True
    if owed:
        margin.extra = {"owed_realized_pnl": _owed(book, market, account) + owed}
    if (margin.shares, margin.extra) != before:
        book.book(market.key, account, MARGIN, margin, leg)
    debt = book.position(market.key, account, DEBT)
    if debt.shares != max(-balance, 0):
        debt.shares = max(-balance, 0)
        book.book(market.key, account, DEBT, debt, leg + 1)


# --------------------------------------------------------------------------------------------- prices and parameters


def twaps_told(book: BookLike, exchange: Address, base: Address, market_twap: int, index_twap: int) -> None:
    """Funding grew; the event tells the averages that it grew by."""
    market = book.market((book.deployment(exchange).key, base))
    _touch(book, market, {**(market.extra or {}), "market_twap": market_twap, "index_twap": index_twap})


def status_updated(book: BookLike, base: Address, status: int) -> None:
    """A market was paused or closed."""
    market = book.market((book.deployment(base).key, base))
    market.regime = (OPEN, PAUSED, CLOSED)[status]
    book.touch(market)


def price_feed_changed(book: BookLike, base: Address, feed: Address) -> None:
    """The index price of a base token comes from another feed."""
    book.set_param(book.market((book.deployment(base).key, base)).key, "price_feed", text=feed)


def market_param_set(book: BookLike, emitter: Address, base: Address, name: str, value: int) -> None:
    """A ratio of one market changed."""
    book.set_param(book.market((book.deployment(emitter).key, base)).key, name, value)


def deployment_param_set(book: BookLike, emitter: Address, name: str, value: int) -> None:
    """A ratio of all markets changed."""
    book.set_param(book.deployment(emitter).key, name, value)


def collateral_added(
    book: BookLike, manager: Address, token: Address, ratio: int, discount: int, feed: Address
) -> None:
    """A margin token besides the settlement token was listed."""
    key = book.deployment(manager).key
    book.set_param(key, "collateral_ratio", ratio, qualifier=token)
    book.set_param(key, "discount_ratio", discount, qualifier=token)
    book.set_param(key, "collateral_price_feed", text=feed, qualifier=token)


def collateral_ratio_changed(book: BookLike, manager: Address, token: Address, ratio: int) -> None:
    """How much of a margin token's value counts changed."""
    book.set_param(book.deployment(manager).key, "collateral_ratio", ratio, qualifier=token)


def _touch(book: BookLike, market: MarketBooks, extra: dict[str, int]) -> None:
    market.extra, market.accrued_at = extra, book.timestamp()
    book.touch(market)
