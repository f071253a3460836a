"""How Pendle's tokens become claims on the asset of their SY.

Source   pendle-finance/pendle-core-v2-public PendlePYLpOracle with a duration of 0, MarketMathCore
Units    ln rate WAD
"""

from __future__ import annotations

from indexer.decode.abi import selector
from indexer.protocol import BookLike
from indexer.types import Address
from indexer.units import NATIVE_TOKEN, ZERO_ADDRESS

ASSET_INFO = selector("assetInfo()")


def yield_contract(book: BookLike, factory: Address, sy: Address, expiry: int, pt: Address, yt: Address) -> None:
    """A principal and a yield token of one asset and expiry exist. An SY of ether names no asset: the chain's coin."""
    key, asset = book.deployment(factory).key, _asset(book.answer(sy, ASSET_INFO))
    book.add_link(key, pt, "pt", asset, issuer="pendle", rule="implied_rate" if asset else None, expiry=expiry,
                  source="UpdateImpliedRate of its market: 1 / exp(ln rate * time left), 1 from expiry on")  # fmt: skip
    book.add_link(key, yt, "yt", asset, issuer="pendle", expiry=expiry)


def new_market(book: BookLike, factory: Address, market: Address, pt: Address) -> None:
    """A market of a principal token exists."""
    book.set_param(book.deployment(factory).key, "pt", text=pt, qualifier=market)


def implied_rate(book: BookLike, market: Address, ln_rate: int) -> None:
    """A trade moved the market's rate: it is the principal token's until another market of it says one."""
    key = book.deployment(market).key
    pt = book.param(key, "pt", market)
    if pt is not None:
        book.set_param(key, "ln_implied_rate", ln_rate, qualifier=str(pt))


def _asset(answer: str | None) -> Address | None:
    """Return the second of the three words of assetInfo()."""
    if answer is None or len(answer) < 2 + 3 * 64:
        return None
    found = "0x" + answer[2 + 64 + 24 : 2 + 128]
    return NATIVE_TOKEN if found == ZERO_ADDRESS else found
