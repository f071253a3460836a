"""Units and the few conversions between them. The only place with powers of ten."""

from typing import Final

WAD: Final = 10**18
RAY: Final = 10**27
BPS: Final = 10_000
SECONDS_PER_YEAR: Final = 31_536_000
"""365 days, as Aave and Morpho count a year."""

UINT256_MAX: Final = 2**256 - 1
ZERO_ADDRESS: Final = "0x" + "00" * 20
NATIVE_TOKEN: Final = "0x" + "ee" * 20
"""Stands for the chain's own coin, which is no contract: 18 decimals everywhere, its symbol by NATIVE_SYMBOLS."""


NATIVE_SYMBOLS: Final = {
    1: "ETH", 10: "ETH", 8453: "ETH", 42161: "ETH", 534352: "ETH", 59144: "ETH", 324: "ETH", 137: "POL", 56: "BNB",
    100: "xDAI", 43114: "AVAX", 250: "FTM", 146: "S", 42220: "CELO", 5000: "MNT", 1088: "METIS", 1284: "GLMR", 1285: "MOVR",
}  # fmt: skip
"""Symbol of a chain's own coin by chain id. A chain that is not here has none: a symbol is never guessed."""


def div_up(numerator: int, denominator: int) -> int:
    """Divide two non-negative integers, rounding up."""
    return -(-numerator // denominator)
