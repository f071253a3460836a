"""Aave v3.0.2 arithmetic on unsigned integers: ray and percentage products rounded half up, interest growth.

Units: ray = 1e27, percentages in basis points (1e4), time in seconds, rates in ray per year.
"""

from __future__ import annotations

RAY = 10**27
HALF_RAY = RAY // 2
SECONDS_PER_YEAR = 31_536_000
BPS = 10_000


def ray_mul(a: int, b: int) -> int:
    """a * b / RAY, half up."""
    return (a * b + HALF_RAY) // RAY


def ray_div(a: int, b: int) -> int:
    """a * RAY / b, half up."""
    return (a * RAY + b // 2) // b


def percent_mul(value: int, bps: int) -> int:
    """value * bps / 1e4, half up."""
    return (value * bps + BPS // 2) // BPS


def percent_div(value: int, bps: int) -> int:
    """value * 1e4 / bps, half up."""
    return (value * BPS + bps // 2) // bps


def linear_growth(rate: int, seconds: int) -> int:
    """Growth factor (ray) of the liquidity index over some seconds at a yearly rate (ray)."""
    return RAY + rate * seconds // SECONDS_PER_YEAR


def compounded_growth(rate: int, seconds: int) -> int:
    """Growth factor (ray) of the debt index: three binomial terms, as Aave up to 3.3 computes it."""
    if seconds == 0:
        return RAY
    square = ray_mul(rate, rate) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
    cube = ray_mul(square, rate) // SECONDS_PER_YEAR
    second = seconds * (seconds - 1) * square // 2
    third = seconds * (seconds - 1) * max(seconds - 2, 0) * cube // 6
    return RAY + rate * seconds // SECONDS_PER_YEAR + second + third
