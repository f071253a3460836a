"""How Synthetix Perps v2 events move the books. Every market is isolated: an account has its own margin in each.

Source   github.com/Synthetixio/synthetix: PerpsV2MarketProxyable (_trade, _updatePositionMargin, _recomputeFunding),
         PerpsV2MarketLiquidate, PerpsV2MarketBase
Tables   `long`, `short`: |size|, basis = the price that profit counts from (lastPrice)
         `margin`: margin as stored, without profit and funding since; its `extra` while a size is open: position_id,
         funding_index, funding (the sequence's value at that index) and, once it may only be liquidated, flagged
         `market_state.extra`: skew, long_size, short_size, funding, funding_rate, funding_index; accrued_at is when
         funding was last recomputed
"""

from __future__ import annotations

from indexer.errors import MissingFact, WrongRegime
from indexer.protocol import BookLike, Listing, MarketBooks
from indexer.types import Address

ACCOUNTING = "synthetix_perps_v2"
LONG, SHORT, MARGIN = "long", "short", "margin"
LISTED, REMOVED = "listed", "removed"
"""Regimes of a market: whether its manager lists it. Positions in a removed one stay booked."""


def market_added(book: BookLike, manager: Address, proxy: Address, asset: str, market_key: str) -> None:
    """A manager listed a market; a second manager lists the same proxies anew, and their positions stay."""
    if not proxy:  # of the older futures
        return
    deployment = book.deployment(manager)
    ref = (deployment.key, proxy)
    if book.has_market(ref):
        market = book.market(ref)
        market.regime = LISTED
        book.touch(market)
    else:
        margin = deployment.contracts["SynthsUSD"]
        market = book.add_market(ref, Listing(proxy, ACCOUNTING, LISTED, proxy, collateral_asset=margin))
        # PerpsV2MarketState begins its sequence with 0 at index 0
        market.extra = dict.fromkeys(
            ("skew", "long_size", "short_size", "funding", "funding_rate", "funding_index"), 0
        )  # fmt: skip
        market.accrued_at = book.timestamp()
        book.add_token(proxy, "unclassified")
        book.add_token(margin, "plain")
    for name, text in (("base_asset", asset), ("market_key", market_key)):
        if book.param(market.key, name) != text:
            book.set_param(market.key, name, text=text)


def market_removed(book: BookLike, manager: Address, proxy: Address) -> None:
    """A manager took a market off its list."""
    ref = (book.deployment(manager).key, proxy)
    if book.has_market(ref):
        market = book.market(ref)
        market.regime = REMOVED
        book.touch(market)


def funding_recomputed(book: BookLike, proxy: Address, funding: int, rate: int, index: int, timestamp: int) -> None:
    """The funding sequence got its next value: sUSD per unit of size since the market began, growing for longs."""
    market = _market(book, proxy)
    _extra(market).update(funding=funding, funding_rate=rate, funding_index=index)
    market.accrued_at = timestamp
    book.touch(market)


def position_modified(
    book: BookLike, proxy: Address, account: Address, position_id: int, margin: int, size: int, last_price: int,
    funding_index: int, skew: int | None,
) -> None:  # fmt: skip
    """A position is now this: after a trade, a transfer of margin, an order's deposit, or a liquidation (zeros).

    Raises  WrongRegime when the market's skew is not the sum of the positions booked: a log was lost
    """
    market = _market(book, proxy)
    extra = _extra(market)
    if size and funding_index != extra["funding_index"]:
        # each call recomputes funding first, so that this never differs
        raise MissingFact(f"{ACCOUNTING}: funding of {proxy} at index {funding_index} is needed and absent")
    for leg, (side, total) in enumerate(((LONG, "long_size"), (SHORT, "short_size"))):
        row = book.position(market.key, account, side)
        shares = max(size if side == LONG else -size, 0)
        basis = last_price if shares else None
        if (row.shares, row.basis) != (shares, basis):
            extra[total] += shares - row.shares
            row.shares, row.basis = shares, basis
            book.book(market.key, account, side, row, leg)
    extra["skew"] = extra["long_size"] - extra["short_size"]
    if skew is not None and skew != extra["skew"]:
        raise WrongRegime(f"skew of {proxy} is {skew} by the event but {extra['skew']} by the books")
    held = book.position(market.key, account, MARGIN)
    held.shares, held.is_collateral = margin, True
    opened = {"position_id": position_id, "funding_index": funding_index, "funding": extra["funding"]}
    held.extra = opened if size else None
    book.book(market.key, account, MARGIN, held, 2)
    book.touch(market)


def position_flagged(book: BookLike, proxy: Address, account: Address) -> None:
    """The first step of a liquidation: nothing but the liquidation can happen to the position now."""
    market = _market(book, proxy)
    held = book.position(market.key, account, MARGIN)
    held.extra = {**(held.extra or {}), "flagged": 1}
    book.book(market.key, account, MARGIN, held)


def parameter_set(book: BookLike, settings: Address, name: str, market_key: str, value: int) -> None:
    """A parameter of one market, by its key (it may be set before the market is listed), or of all ('')."""
    book.set_param(book.deployment(settings).key, name, value, qualifier=market_key)


def _market(book: BookLike, proxy: Address) -> MarketBooks:
    return book.market((book.deployment(proxy).key, proxy))


def _extra(market: MarketBooks) -> dict[str, int]:
    assert market.extra is not None
    return market.extra
