"""How Comet's events move the books: one signed principal per account, plain collateral, indexes by reads.

No event carries an index, so `totalsBasic()` is read at every block with a log of the market; it is constant within a
block once an action has accrued. Where the end of the block's `userBasic` was read, the principal is that answer;
otherwise it follows from the event, and the `Transfer` that the event announces has to state the same amount.

Source   comet Comet.sol (supplyBase, withdrawBase, transferBase, absorbInternal), CometCore.sol (presentValue, principalValue)
Units    principal in base units at index 1e15
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from indexer.errors import MissingFact, UnknownMarket, WrongRegime
from indexer.protocol import BookLike, Listing, MarketBooks
from indexer.protocols.compound_v3 import reads
from indexer.types import Address
from indexer.units import ZERO_ADDRESS, div_up

INDEX_SCALE: Final = 10**15
BASE, COLLATERAL = "base", "collateral"
"""Regimes: a Comet's base market, named by the Comet itself, and its collateral assets, named by the asset."""

ANNOUNCED: Final = "announced_log"
"""block * 2^32 + log index of the Transfer that a Supply, Withdraw or AbsorbDebt announces; there only until it came."""


def present_value(principal: int, market: MarketBooks) -> int:
    """Return what a signed principal is worth; the magnitude is floored on both sides."""
    if principal >= 0:
        return principal * (market.supply_index or 0) // INDEX_SCALE
    return -(-principal * (market.debt_index or 0) // INDEX_SCALE)


def principal_value(value: int, market: MarketBooks) -> int:
    """Return the signed principal of a value: supply floored, debt rounded up."""
    if value >= 0:
        return value * INDEX_SCALE // (market.supply_index or 0)
    return -div_up(-value * INDEX_SCALE, market.debt_index or 0)


# ---------------------------------------------------------------------------------------------------- base market


def came_in(book: BookLike, comet: Address, account: Address, amount: int) -> None:
    """Base came in for an account, or its debt was absorbed: repays first, supplies the rest."""
    _moved(book, comet, account, amount, 1)


def went_out(book: BookLike, comet: Address, account: Address, amount: int) -> None:
    """Base went out: withdraws first, borrows the rest."""
    _moved(book, comet, account, amount, -1)


def _moved(book: BookLike, comet: Address, account: Address, amount: int, sign: int) -> None:
    market = _accrued(book, comet)
    if ANNOUNCED in (market.extra or {}):
        raise WrongRegime(f"a supply or withdrawal before log {book.log_index} should have shown in a Transfer")
    told = _told_principal(book, comet, account)
    if told is not None:
        _set_principal(book, market, account, told)
        return
    old = _principal(book, market, account)
    new = principal_value(present_value(old, market) + sign * amount, market)
    _set_principal(book, market, account, new)
    # supply principal that moves in the event's direction shows in a Transfer, the next log; against it, by rounding, not
    supplied = sign * (max(new, 0) - max(old, 0))
    if supplied > 0:
        market.extra = {
            **(market.extra or {}), ANNOUNCED: _place(book) + 1, "announced_raw": present_value(supplied, market),
        }  # fmt: skip


def transferred(book: BookLike, comet: Address, source: Address, target: Address, amount: int) -> None:
    """The supply part of a move. Announced by the log before, or one half of a base transfer whose sides are read."""
    market = _accrued(book, comet)
    extra = market.extra or {}
    announced = extra.get(ANNOUNCED) == _place(book)
    if announced:
        stated = extra["announced_raw"]
        if stated != amount:
            raise WrongRegime(f"Comet {comet} transferred {amount} by the event but {stated} by the books")
        market.extra = {name: value for name, value in extra.items() if not name.startswith("announced_")} or None
    for account in (source, target):
        if account == ZERO_ADDRESS:
            continue
        told = _told_principal(book, comet, account)
        if told is not None:
            _set_principal(book, market, account, told)
        elif not announced:
            raise MissingFact(f"a base transfer of {account} in Comet {comet} needs userBasic at its block")


def _place(book: BookLike) -> int:
    return (book.block_number << 32) + book.log_index


def _principal(book: BookLike, market: MarketBooks, account: Address) -> int:
    return book.position(market.key, account, "supply").shares - book.position(market.key, account, "debt").shares


def _set_principal(book: BookLike, market: MarketBooks, account: Address, principal: int) -> None:
    supplied, borrowed = (principal, 0) if principal >= 0 else (0, -principal)
    for leg, side, shares in ((0, "supply", supplied), (1, "debt", borrowed)):
        position = book.position(market.key, account, side)
        if position.shares != shares:
            position.shares = shares
            book.book(market.key, account, side, position, leg)


def _told_principal(book: BookLike, comet: Address, account: Address) -> int | None:
    return reads.principal(book.answer(comet, reads.principal_of(account)))


def accrued(book: BookLike, comet: Address) -> None:
    """A log of the market: whatever it says, indexes and totals are those read at the end of its block."""
    _accrued(book, comet)


def _accrued(book: BookLike, comet: Address) -> MarketBooks:
    totals = reads.totals(book.answer(comet, reads.TOTALS))
    if totals is None:
        raise MissingFact(f"totalsBasic() of Comet {comet} is needed at every block with a log of it")
    market = _base_market(book, comet)
    _book_totals(book, market, totals)
    return market


def _book_totals(book: BookLike, market: MarketBooks, totals: tuple[int, int, int, int, int]) -> None:
    supply_index, debt_index, supplied, borrowed, accrued_at = totals
    if not supply_index:  # the storage is not initialised yet
        return
    if (
        market.accrued_at != accrued_at or market.supply_shares != supplied or market.debt_shares != borrowed
        or market.supply_index != supply_index or market.debt_index != debt_index
    ):  # fmt: skip
        market.supply_index, market.debt_index = supply_index, debt_index
        market.supply_shares, market.debt_shares, market.accrued_at = supplied, borrowed, accrued_at
        book.touch(market)


# ----------------------------------------------------------------------------------------------------- collateral


def pledged(book: BookLike, comet: Address, account: Address, asset: Address, amount: int) -> None:
    """Collateral came in (positive) or went out (negative). It earns nothing: shares are the amount itself."""
    market = _collateral_market(book, comet, asset)
    _add_collateral(book, market, account, amount)
    market.supply_shares += amount
    market.supply_assets = market.supply_shares
    book.touch(market)
    _accrued(book, comet)


def collateral_transferred(
    book: BookLike, comet: Address, source: Address, target: Address, asset: Address, amount: int
) -> None:
    """Collateral changed its owner within the Comet."""
    market = _collateral_market(book, comet, asset)
    _add_collateral(book, market, source, -amount)
    _add_collateral(book, market, target, amount, leg=1)
    _accrued(book, comet)


def _add_collateral(book: BookLike, market: MarketBooks, account: Address, amount: int, leg: int = 0) -> None:
    position = book.position(market.key, account, "collateral")
    position.shares += amount
    position.is_collateral = True
    book.book(market.key, account, "collateral", position, leg)


# ------------------------------------------------------------------------------------------------------- listings


def _base_market(book: BookLike, comet: Address) -> MarketBooks:
    """Return the base market, listed at the first log. Where baseToken() was not read before, its asset is the Comet, a
    token whose unit is the base unit; that stays, so that one market never has two assets."""
    key = book.deployment(comet).key
    ref = (key, comet)
    try:
        return book.market(ref)
    except UnknownMarket:  # once; asking first would cost every log a look
        pass
    asset = str(book.param(key, "base_token") or comet)
    book.add_token(asset, "unclassified")
    listing = Listing(comet, "comet", BASE, asset, oracle=comet, supply_index=INDEX_SCALE, debt_index=INDEX_SCALE)
    market = book.add_market(ref, listing)
    market.extra = {
        name: value for name in reads.RATES.values() if isinstance(value := book.param(key, name), int)
    } or None
    return market


def _collateral_market(book: BookLike, comet: Address, asset: Address) -> MarketBooks:
    ref = (book.deployment(comet).key, asset)
    if book.has_market(ref):
        return book.market(ref)
    book.add_token(asset, "unclassified")
    listing = Listing(f"{comet}:{asset}", "comet", COLLATERAL, asset, oracle=comet, supply_assets=0)
    return book.add_market(ref, listing)


# ---------------------------------------------------------------------------------------------- what reads tell


def upgraded(book: BookLike, comet: Address) -> None:
    """A new implementation: the immutables are those read at the end of this block; what reverts is not there."""
    for data in reads.IMMUTABLES:
        answer = book.answer(comet, data)
        if answer is not None:
            READ_RULES[data[:10]](book, comet, data, answer)


def totals_read(book: BookLike, comet: Address, data: str, result: str) -> None:
    """Indexes and totals at the end of a block, also of one without a log: accruing leaves none."""
    totals = reads.totals(result)
    if totals is None:
        return
    try:
        market = book.market((book.deployment(comet).key, comet))
    except UnknownMarket:  # before its first log there is nothing to value
        return
    _book_totals(book, market, totals)


def principal_read(book: BookLike, comet: Address, data: str, result: str) -> None:
    """An account's principal at the end of a block: base transfers into or out of debt leave no log."""
    principal = reads.principal(result)
    if principal is not None and (principal or book.has_market((book.deployment(comet).key, comet))):
        _set_principal(book, _base_market(book, comet), "0x" + data[-40:], principal)


def base_token_read(book: BookLike, comet: Address, data: str, result: str) -> None:
    """The base token, which is the asset of the base market once that is listed."""
    words = reads.words(result, 1)
    if words is not None:
        _set_text(book, book.deployment(comet).key, "base_token", reads.address(words[0]))


def base_feed_read(book: BookLike, comet: Address, data: str, result: str) -> None:
    """The feed that prices the base token."""
    words = reads.words(result, 1)
    if words is not None:
        _set_text(book, book.deployment(comet).key, "price_feed", reads.address(words[0]))


def base_scale_read(book: BookLike, comet: Address, data: str, result: str) -> None:
    """10 to the base token's decimals."""
    words = reads.words(result, 1)
    if words is not None:
        _set_number(book, book.deployment(comet).key, "scale", words[0])


def rate_read(book: BookLike, comet: Address, data: str, result: str) -> None:
    """A constant of the rate curves, per second; interest between two accruals follows from them and the totals."""
    words = reads.words(result, 1)
    if words is not None:
        key, name = book.deployment(comet).key, reads.RATES[data[:10]]
        _set_number(book, key, name, words[0])
        if book.has_market((key, comet)):
            market = book.market((key, comet))
            if (market.extra or {}).get(name) != words[0]:
                market.extra = {**(market.extra or {}), name: words[0]}
                book.touch(market)


def asset_read(book: BookLike, comet: Address, data: str, result: str) -> None:
    """A collateral asset as the implementation lists it."""
    words = reads.words(result, 8)
    if words is None:
        return
    _, asset_word, feed, scale, borrow_factor, liquidate_factor, liquidation_factor, supply_cap = words[:8]
    asset, key = reads.address(asset_word), book.deployment(comet).key
    market = _collateral_market(book, comet, asset)
    _set_text(book, key, "price_feed", reads.address(feed), asset)
    for name, value in (
        ("scale", scale), ("borrow_factor_raw", borrow_factor), ("liquidate_factor_raw", liquidate_factor),
        ("liquidation_factor_raw", liquidation_factor),
    ):  # fmt: skip
        _set_number(book, key, name, value, asset)
    # the same in the columns that every lending market has
    _set_number(book, market.key, "ltv_bps", borrow_factor // 10**14)
    _set_number(book, market.key, "liquidation_threshold_bps", liquidate_factor // 10**14)
    _set_number(book, market.key, "supply_cap", supply_cap // scale)


def _set_number(book: BookLike, subject: int, name: str, value: int, qualifier: str = "") -> None:
    if book.param(subject, name, qualifier) != value:
        book.set_param(subject, name, value, qualifier=qualifier)


def _set_text(book: BookLike, subject: int, name: str, value: str, qualifier: str = "") -> None:
    if book.param(subject, name, qualifier) != value:
        book.set_param(subject, name, text=value, qualifier=qualifier)


READ_RULES: Final[Mapping[str, Callable[[BookLike, Address, str, str], None]]] = {
    reads.TOTALS: totals_read,
    reads.PRINCIPAL: principal_read,
    reads.BASE_TOKEN: base_token_read,
    reads.BASE_FEED: base_feed_read,
    reads.BASE_SCALE: base_scale_read,
    reads.ASSET: asset_read,
    **dict.fromkeys(reads.RATES, rate_read),
}
"""Selector to the rule that books its answer."""
