"""How the events of GMX v1 move the books. UpdatePosition carries absolute values, but only the position's key.

Source   gmx-contracts contracts/core/Vault.sol
Units    size, collateral, average price and profit USD 1e30; reserve and pools in base units of the token
Books    `<collateral>-<index>`  positions: rows `long` or `short` (size) and `margin` (collateral). A pair has one side
                                 only: a long's collateral is the index token itself, a short's a stable token
         `<token>`               what the vault holds of a token, and its borrow fee accumulator
Keys     IncreasePosition or DecreasePosition, which name the account, come right before UpdatePosition or ClosePosition of
         the same key; in between, `extra` of the market says whose it is
"""

from __future__ import annotations

from indexer.errors import NegativeBalance, WrongRegime
from indexer.protocol import BookLike, Listing, MarketBooks
from indexer.types import Address

POSITIONS, POOLS = "gmx_v1", "gmx_v1_pool"
"""Accountings of the two kinds of books."""

REGIME = "absolute"
USD = 10**30


def position_id(collateral: Address, index: Address) -> str:
    """Return the native id of the positions in an index token with one collateral token."""
    return f"{collateral}-{index}"


def _positions(book: BookLike, vault: Address, collateral: Address, index: Address) -> MarketBooks:
    """Return the books of a pair's positions; the first position lists them."""
    ref = (book.deployment(vault).key, position_id(collateral, index))
    if book.has_market(ref):
        return book.market(ref)
    listing = Listing(ref[1], POSITIONS, REGIME, index, collateral_asset=collateral, oracle=vault)
    market = book.add_market(ref, listing)
    market.accrued_at, market.extra = (
        book.timestamp(),
        {"long_size": 0, "short_size": 0, "long_tokens": 0, "short_tokens": 0},
    )
    for token in (collateral, index):
        book.add_token(token, "unclassified")
    return market


# -------------------------------------------------------------------------------------------------------- positions


def position_increased(
    book: BookLike, vault: Address, key: str, account: Address, collateral: Address, index: Address, side: str,
    size: int, margin: int, fee: int,
) -> None:  # fmt: skip
    """A position grew or got collateral; its fee was taken from the collateral."""
    market = _positions(book, vault, collateral, index)
    held = book.position(market.key, account, "margin").shares
    _await(market, key, account, side, book.position(market.key, account, side).shares + size, held + margin - fee)


def position_decreased(
    book: BookLike,
    vault: Address,
    key: str,
    account: Address,
    collateral: Address,
    index: Address,
    side: str,
    size: int,
) -> None:
    """A position shrank or gave collateral back; what is left of the collateral depends on its profit."""
    market = _positions(book, vault, collateral, index)
    _await(market, key, account, side, book.position(market.key, account, side).shares - size, None)


def position_updated(
    book: BookLike, vault: Address, key: str, size: int, collateral: int, average_price: int, entry_rate: int,
    reserve: int, realised_pnl: int,
) -> None:  # fmt: skip
    """The position that the log before named is now as told."""
    market, account, side, expected, margin = _awaited(book, vault, key)
    if size != expected or margin not in (None, collateral):
        raise WrongRegime(
            f"{side} of {account} is {size} with {collateral} by the event but {expected} with {margin} by the books"
        )
    extra = {
        "average_price": average_price, "entry_funding_rate": entry_rate, "reserve_amount": reserve,
        "realised_pnl": realised_pnl,
    }  # fmt: skip
    _set(book, market, account, side, size, collateral, extra)


def position_closed(book: BookLike, vault: Address, key: str, size: int) -> None:
    """The position that the log before named was closed. The event has the size before."""
    market, account, side, expected, _ = _awaited(book, vault, key)
    if expected != 0 or size != book.position(market.key, account, side).shares:
        raise WrongRegime(f"{side} of {account} was {size} by the event and {expected} is left by the books")
    _set(book, market, account, side, 0, 0, None)


def position_liquidated(
    book: BookLike, vault: Address, account: Address, collateral: Address, index: Address, side: str, size: int
) -> None:
    """A position was liquidated. The event has the size before."""
    market = _positions(book, vault, collateral, index)
    held = book.position(market.key, account, side).shares
    if size != held:
        raise WrongRegime(f"liquidated {side} of {account} was {size} by the event but {held} by the books")
    _set(book, market, account, side, 0, 0, None)


def _await(market: MarketBooks, key: str, account: Address, side: str, size: int, margin: int | None) -> None:
    market.extra = {
        **(market.extra or {}), "pending_key": int(key, 16), "pending_account": int(account, 16),
        "pending_long": int(side == "long"), "pending_size": size,
    }  # fmt: skip
    if margin is not None:
        market.extra["pending_margin"] = margin


def _awaited(book: BookLike, vault: Address, key: str) -> tuple[MarketBooks, Address, str, int, int | None]:
    wanted = int(key, 16)
    for market in book.markets_of(book.deployment(vault).key):
        extra = market.extra or {}
        if extra.get("pending_key") == wanted:
            market.extra = {name: value for name, value in extra.items() if not name.startswith("pending_")}
            side = "long" if extra["pending_long"] else "short"
            return (
                market,
                f"0x{extra['pending_account']:040x}",
                side,
                extra["pending_size"],
                extra.get("pending_margin"),
            )
    raise WrongRegime(f"position {key} was told without whose it is")


def _set(
    book: BookLike, market: MarketBooks, account: Address, side: str, size: int, collateral: int,
    extra: dict[str, int] | None,
) -> None:  # fmt: skip
    position, margin = book.position(market.key, account, side), book.position(market.key, account, "margin")
    totals = dict(market.extra or {})
    totals[f"{side}_size"] += size - position.shares
    if f"{side}_tokens" in totals:  # books that began before this was kept lack it for ever
        totals[f"{side}_tokens"] += _tokens(size, extra) - _tokens(position.shares, position.extra)
    position.shares, position.extra = size, extra
    margin.shares, margin.is_collateral = collateral, True
    book.book(market.key, account, side, position)
    book.book(market.key, account, "margin", margin, leg=1)
    market.extra, market.accrued_at = totals, book.timestamp()
    book.touch(market)


def _tokens(size: int, extra: dict[str, int] | None) -> int:
    """Return the index tokens, 1e30 a whole one, whose value moves as the position's profit does: size / average price."""
    price = (extra or {}).get("average_price", 0)
    return size * USD // price if price else 0


# ------------------------------------------------------------------------------------------------------------ pools


def _pool(book: BookLike, vault: Address, token: Address) -> MarketBooks:
    ref = (book.deployment(vault).key, token)
    if book.has_market(ref):
        return book.market(ref)
    market = book.add_market(ref, Listing(token, POOLS, REGIME, token, oracle=vault))
    market.extra = {}
    book.add_token(token, "unclassified")
    return market


def funding_rate_told(book: BookLike, vault: Address, token: Address, rate: int) -> None:
    """The borrow fee accumulator of a collateral token is now as told."""
    _tell(book, _pool(book, vault, token), "cumulative_funding_rate", rate)


def pool_moved(book: BookLike, vault: Address, token: Address, name: str, delta: int) -> None:
    """A total of a token moved."""
    market = _pool(book, vault, token)
    value = (market.extra or {}).get(name, 0) + delta
    if value < 0:
        raise NegativeBalance(f"gmx_v1: {name} of {token} would be {value}")
    _tell(book, market, name, value)


def _tell(book: BookLike, market: MarketBooks, name: str, value: int) -> None:
    market.extra, market.accrued_at = {**(market.extra or {}), name: value}, book.timestamp()
    book.touch(market)
