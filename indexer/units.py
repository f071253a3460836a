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
"""Stands for the chain's own coin, which is no contract: 18 decimals everywhere, its symbol by `native_symbol`."""


def native_symbol(chain_id: int) -> str:
    """Return the symbol of a chain's own coin."""
    return "POL" if chain_id == 137 else "ETH"


def div_up(numerator: int, denominator: int) -> int:
    """Divide two non-negative integers, rounding up."""
    return -(-numerator // denominator)
