"""What Comet's events do not tell: calldata of the view calls, and how their answers read.

Source   comet CometExt.totalsBasic, CometStorage.userBasic, Comet.getAssetInfo and the immutables' getters
Units    indexes 1e15, rates WAD a second, factors WAD, prices 8 decimals
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from indexer.decode.abi import call, selector

TOTALS: Final = selector("totalsBasic()")
PRINCIPAL: Final = selector("userBasic(address)")
ADDRESS_PADDING: Final = "0" * 24
BASE_TOKEN: Final = selector("baseToken()")
BASE_FEED: Final = selector("baseTokenPriceFeed()")
BASE_SCALE: Final = selector("baseScale()")
ASSET: Final = selector("getAssetInfo(uint8)")

RATES: Final = {
    selector(f"{side}{getter}()"): f"{side}_{name}"
    for side in ("supply", "borrow")
    for getter, name in (
        ("Kink", "kink"), ("PerSecondInterestRateBase", "rate_base"),
        ("PerSecondInterestRateSlopeLow", "rate_low"), ("PerSecondInterestRateSlopeHigh", "rate_high"),
    )
}  # fmt: skip
"""Getter of a rate constant to its name in the base market's `extra`."""

MOST_ASSETS: Final = 24
"""MAX_ASSETS of the newest Comet; older ones have 15 and revert above what they list."""

IMMUTABLES: Final = (
    BASE_TOKEN, BASE_FEED, BASE_SCALE, *RATES, *(call("getAssetInfo(uint8)", n) for n in range(MOST_ASSETS)),
)  # fmt: skip
"""Everything that a new implementation may change."""


def principal_of(account: str) -> str:
    """Return the calldata that asks an account's signed principal."""
    return f"{PRINCIPAL}{ADDRESS_PADDING}{account[2:]}"  # as `call` would, once or twice for every log


def price_of(feed: str) -> str:
    """Return the calldata that asks Comet for a feed's price."""
    return call("getPrice(address)", feed)


def words(result: str | None, least: int) -> list[int] | None:
    """Return the words of an answer, or None when there are fewer than expected."""
    if result is None or len(result) < 2 + 64 * least:
        return None
    return [int(result[at : at + 64], 16) for at in range(2, 2 + 64 * (len(result) // 64), 64)]


@lru_cache(maxsize=8)
def totals(result: str | None) -> tuple[int, int, int, int, int] | None:
    """Return supply index, borrow index, supply, borrow and time of `totalsBasic()`, or None where it answered less.

    Every log of a block and its end look at the same answer: it is decoded once, and of each word only as many digits
    as its type has (two uint64, two uint104, uint40). A fold does not come back to a block, so few are kept.
    """
    if result is None or len(result) < 2 + 64 * 7:
        return None
    return (
        int(result[50:66], 16), int(result[114:130], 16), int(result[296:322], 16), int(result[360:386], 16),
        int(result[440:450], 16),
    )  # fmt: skip


def principal(result: str | None) -> int | None:
    """Return the signed principal that `userBasic(address)` answered, or None where it answered less than a word."""
    if result is None or len(result) < 66:
        return None
    word = int(result[2:66], 16)
    return word - (1 << 256) if word >> 255 else word


def address(word: int) -> str:
    """Return a word as an address."""
    return f"0x{word:040x}"
