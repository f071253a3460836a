"""Aave's fixed-point arithmetic and interest, exact to the last digit.

Source   aave-v3-core 1.19.3 WadRayMath, MathUtils, PercentageMath; aave-v3-origin 3.6.0 TokenMath, MathUtils
Units    balances in base units, indexes and yearly rates in ray (1e27), times in seconds
"""

from typing import Final

from indexer.units import RAY, SECONDS_PER_YEAR

HALF_RAY: Final = RAY // 2

UNSCALED_A: Final = "unscaled_a"
"""3.0.0: as HALF_UP_A, but BalanceTransfer carries the underlying amount."""

HALF_UP_A: Final = "half_up_a"
"""3.0.1 to 3.3: token amounts round half up; debt compounds by three binomial terms."""

HALF_UP_B: Final = "half_up_b"
"""3.4: token amounts round half up; debt compounds by the Taylor series."""

DIRECTED_B: Final = "directed_b"
"""3.5 to 3.7: amounts round in the protocol's favour; debt compounds by the Taylor series."""


def ray_mul(a: int, b: int) -> int:
    """Return a*b/RAY, half up (WadRayMath.rayMul)."""
    return (a * b + HALF_RAY) // RAY


def ray_div(a: int, b: int) -> int:
    """Return a*RAY/b, half up (WadRayMath.rayDiv)."""
    return (a * RAY + b // 2) // b


def linear_interest(rate_ray: int, seconds: int) -> int:
    """Return the growth factor in ray of simple interest (MathUtils.calculateLinearInterest)."""
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR


def compounded_interest(regime: str, rate_ray: int, seconds: int) -> int:
    """Return the growth factor in ray of debt (MathUtils.calculateCompoundedInterest of the regime's version)."""
    if seconds == 0:
        return RAY
    if regime in (UNSCALED_A, HALF_UP_A):
        base_2 = ray_mul(rate_ray, rate_ray) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
        base_3 = ray_mul(base_2, rate_ray) // SECONDS_PER_YEAR
        second = seconds * (seconds - 1) * base_2 // 2
        third = seconds * (seconds - 1) * max(seconds - 2, 0) * base_3 // 6
        return RAY + rate_ray * seconds // SECONDS_PER_YEAR + second + third
    x = rate_ray * seconds // SECONDS_PER_YEAR
    return RAY + x + ray_mul(x, x // 2 + ray_mul(x, x // 6))


def balance(regime: str, side: str, scaled: int, index: int) -> int:
    """Return what balanceOf gives for a scaled balance: half up until 3.4; then supply floors and debt ceils."""
    if regime != DIRECTED_B:
        return (scaled * index + HALF_RAY) // RAY
    product = scaled * index
    return product // RAY if side == "supply" else -(-product // RAY)


def scaled_from_balance(side: str, amount: int, index: int) -> int:
    """Return the scaled balance whose directed balance is `amount` (3.5+). Unique because index >= RAY."""
    return -(-amount * RAY // index) if side == "supply" else amount * RAY // index
