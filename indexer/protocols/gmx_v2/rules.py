"""How the events of GMX v2 move the books. They carry absolute values: what is booked is what the contract then held.

Source   gmx-synthetics: IncreasePositionUtils, DecreasePositionUtils, PositionUtils, MarketUtils, MarketFactory, Price
Units    size in base units of the index token; `size_in_usd` USD 1e30; collateral in base units of its token
Books    of a market three kinds, named after its market token M:
           M            totals of the market: pools, open interest, borrowing factors
           M-C          positions with collateral token C: rows `long` and `short`, funding accumulators of both sides
           M-C-<side>   their collateral: rows `margin`; an account's long and short have each their own
"""

from __future__ import annotations

from indexer.decode.abi import selector
from indexer.decode.words import unsigned
from indexer.errors import WrongRegime
from indexer.protocol import BookLike, Listing, MarketBooks
from indexer.types import Address
from indexer.units import ZERO_ADDRESS

MARKET, POSITIONS, MARGINS = "gmx_v2_market", "gmx_v2", "gmx_v2_margin"
"""Accountings of the three kinds of books."""

REGIME = "absolute"
"""The only one: every release told the state after the change."""

PRICE_DECIMALS = 30
DECIMALS = selector("decimals()")


def position_id(market: Address, collateral: Address) -> str:
    """Return the native id of a market's positions with one collateral token."""
    return f"{market}-{collateral}"


def margin_id(market: Address, collateral: Address, side: str) -> str:
    """Return the native id of the collateral of one side's positions."""
    return f"{market}-{collateral}-{side}"


# ---------------------------------------------------------------------------------------------------------- markets


def market_created(
    book: BookLike, emitter: Address, token: Address, index: Address, long: Address, short: Address
) -> None:
    """A market was listed. Of a market without an index token (swaps only) the index is the zero address."""
    key = book.deployment(emitter).key
    market = book.add_market((key, token), Listing(token, MARKET, REGIME, index, oracle=emitter))
    market.accrued_at, market.extra = book.timestamp(), {}
    book.set_param(market.key, "index_token", text=index)
    book.set_param(market.key, "long_token", text=long)
    book.set_param(market.key, "short_token", text=short)
    for asset in (index, long, short):
        if asset != ZERO_ADDRESS:
            book.add_token(asset, "unclassified")
            decimals = unsigned(book.answer(asset, DECIMALS))
            # an index token may be no contract: its decimals are known to the keepers only, its price stays without a unit
            if decimals is not None and decimals <= PRICE_DECIMALS and book.param(key, "decimals", asset) is None:
                book.set_param(key, "decimals", decimals, qualifier=asset)


def _market(book: BookLike, emitter: Address, token: Address) -> MarketBooks:
    return book.market((book.deployment(emitter).key, token))


def _positions(book: BookLike, emitter: Address, token: Address, collateral: Address) -> MarketBooks:
    """Return the books of a market's positions with one collateral token; the first mention lists them."""
    ref = (book.deployment(emitter).key, position_id(token, collateral))
    if book.has_market(ref):
        return book.market(ref)
    index = _asset_of(book, emitter, token)
    listing = Listing(ref[1], POSITIONS, REGIME, index, collateral_asset=collateral, oracle=emitter)
    positions = book.add_market(ref, listing)
    positions.extra = {}
    book.set_param(positions.key, "market_token", text=token)
    return positions


def _margins(book: BookLike, emitter: Address, token: Address, collateral: Address, side: str) -> MarketBooks:
    ref = (book.deployment(emitter).key, margin_id(token, collateral, side))
    if book.has_market(ref):
        return book.market(ref)
    margins = book.add_market(ref, Listing(ref[1], MARGINS, REGIME, collateral, oracle=emitter))
    margins.accrued_at = book.timestamp()
    return margins


def _asset_of(book: BookLike, emitter: Address, token: Address) -> Address:
    return str(book.param(_market(book, emitter, token).key, "index_token"))


def _tell(book: BookLike, market: MarketBooks, **numbers: int) -> None:
    market.extra = {**(market.extra or {}), **numbers}
    market.accrued_at = book.timestamp()
    book.touch(market)


# -------------------------------------------------------------------------------------------------------- positions


def position_set(
    book: BookLike, emitter: Address, token: Address, collateral: Address, account: Address, side: str, size_usd: int,
    size_tokens: int, collateral_amount: int, borrowing_factor: int, funding_per_size: int, long_claimable: int,
    short_claimable: int, delta_usd: int, delta_tokens: int,
) -> None:  # fmt: skip
    """A position grew, shrank or was closed; it is now as told. Closed is without size in either unit."""
    positions = _positions(book, emitter, token, collateral)
    margins = _margins(book, emitter, token, collateral, side)
    position, margin = book.position(positions.key, account, side), book.position(margins.key, account, "margin")
    before = (position.extra or {}).get("size_in_usd", 0)
    closed = size_usd == 0 or size_tokens == 0
    expected = (before + delta_usd, position.shares + delta_tokens)
    # a position that has no size left in one unit is removed whatever is left in the other
    if not (0 in expected if closed else expected == (size_usd, size_tokens)):
        raise WrongRegime(
            f"{side} of {account} in {token} is {size_usd} USD and {size_tokens} tokens by the event but {expected[0]} "
            f"and {expected[1]} by the books"
        )
    if closed:
        position.shares, position.extra, margin.shares = 0, None, 0
    else:
        position.shares = size_tokens
        position.extra = {
            "size_in_usd": size_usd, "collateral_amount": collateral_amount, "borrowing_factor": borrowing_factor,
            "funding_fee_per_size": funding_per_size, "long_token_claimable_per_size": long_claimable,
            "short_token_claimable_per_size": short_claimable,
        }  # fmt: skip
        margin.shares, margin.is_collateral = collateral_amount, True
    book.book(positions.key, account, side, position)
    book.book(margins.key, account, "margin", margin, leg=1)


# --------------------------------------------------------------------------------------------- totals and accumulators


def side_total_told(
    book: BookLike, emitter: Address, token: Address, collateral: Address, side: str, name: str, delta: int, value: int
) -> None:
    """Open interest or collateral of one side and collateral token is now as told. DataStore.applyDeltaToUint."""
    positions, key = _positions(book, emitter, token, collateral), f"{side}_{name}"
    before = (positions.extra or {}).get(key, 0)
    if before + delta != value:
        raise WrongRegime(f"{name} of {side}s in {token} is {value} by the event but {before + delta} by the books")
    _tell(book, positions, **{key: value})
    if name != "collateral":  # of two tokens there is no sum
        market = _market(book, emitter, token)
        _tell(book, market, **{key: (market.extra or {}).get(key, 0) + delta})


def per_size_told(
    book: BookLike, emitter: Address, token: Address, collateral: Address, side: str, name: str, value: int
) -> None:
    """A funding accumulator of one side and token is now as told."""
    _tell(book, _positions(book, emitter, token, collateral), **{f"{side}_{name}": value})


def borrowing_factor_told(book: BookLike, emitter: Address, token: Address, side: str, value: int) -> None:
    """The borrowing accumulator of one side is now as told."""
    _tell(book, _market(book, emitter, token), **{f"{side}_borrowing_factor": value})


def pool_amount_told(book: BookLike, emitter: Address, token: Address, asset: Address, value: int) -> None:
    """A pool holds so much of its long or short token. Where both are one token, `long_token_pool` is all of it."""
    market = _market(book, emitter, token)
    for role in ("long_token", "short_token"):
        if book.param(market.key, role) == asset:
            _tell(book, market, **{f"{role}_pool": value})
            return
    raise WrongRegime(f"pool of {token} tells of {asset}, which is neither its long nor its short token")


def impact_pool_told(book: BookLike, emitter: Address, token: Address, value: int) -> None:
    """The price impact pool holds so much of the index token."""
    _tell(book, _market(book, emitter, token), impact_pool=value)


def price_told(book: BookLike, emitter: Address, token: Address, low: int, high: int) -> None:
    """Keepers set a token's price for an execution: the mean of both, as Price.midPrice."""
    decimals = book.param(book.deployment(emitter).key, "decimals", token)
    unit = None if decimals is None else int(10 ** (PRICE_DECIMALS - int(decimals)))
    book.add_price(emitter, token, (low + high) // 2, unit, "usd")
