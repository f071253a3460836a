"""The arithmetic of an Euler vault: debt with 31 extra bits, compound interest, fee shares.

Source   euler-vault-kit Cache.sol (initVaultCache), BorrowUtils.sol, RPow.sol, Owed.sol, AmountCap.sol, Constants.sol
Units    owed: base units of the asset times 2^31; accumulator and rate a second in ray
"""

from __future__ import annotations

from dataclasses import dataclass

from indexer.units import BPS, RAY

SHIFT = 31
"""INTERNAL_DEBT_PRECISION_SHIFT: debt is stored in 1 / 2^31 of a base unit."""

ONE = 1 << SHIFT
MAX_AMOUNT = 2**112 - 1
"""MAX_SANE_AMOUNT"""

MAX_DEBT = MAX_AMOUNT << SHIFT
"""MAX_SANE_DEBT_AMOUNT"""

OVERFLOW = 2**256


@dataclass(frozen=True, slots=True)
class Totals:
    """What interest moves: the accumulator, all debt with its fraction, all shares, and those of fees among them."""

    accumulator: int
    owed: int
    shares: int
    fees: int


def assets_up(owed: int) -> int:
    """Return a debt in whole base units, as the contract shows it."""
    return (owed + ONE - 1) >> SHIFT


def power(x: int, n: int) -> int | None:
    """Return x^n in ray, each step rounded half up; None where the contract's 256 bits overflow."""
    half = RAY // 2
    result = x if n % 2 else RAY
    n >>= 1
    while n:
        if x >> 128:
            return None
        squared = x * x + half
        if squared >= OVERFLOW:
            return None
        x = squared // RAY
        if n % 2:
            product = result * x + half
            if product >= OVERFLOW:
                return None
            result = product // RAY
        n >>= 1
    return result


def accrue(before: Totals, cash: int, rate: int, fee_bps: int, seconds: int) -> Totals | None:
    """Return the totals `seconds` later; None where they are too large and the contract leaves all as it was."""
    accumulator = before.accumulator
    factor = power(RAY + rate, seconds)
    if factor is not None and accumulator * factor < OVERFLOW:
        accumulator = accumulator * factor // RAY
    owed = before.owed
    if owed * accumulator < OVERFLOW:
        owed = owed * accumulator // before.accumulator
    fee_assets = (owed - before.owed) * fee_bps // (BPS << SHIFT)
    shares = before.shares
    if fee_assets:
        assets = cash + assets_up(owed)
        shares = assets * shares // (assets - fee_assets)
    if owed > MAX_DEBT:
        return None
    if shares > MAX_AMOUNT:
        shares = before.shares
    return Totals(accumulator, owed, shares, before.fees + shares - before.shares)


def moved(owed: int, assets: int) -> int:
    """Return how much of a debt moves with `assets`: exactly that, or all of it when they differ by less than a unit."""
    amount = assets << SHIFT
    return owed if abs(amount - owed) < ONE else amount


def cap(raw: int) -> int | None:
    """Return a cap in base units from its 10 bits of mantissa and 6 of exponent; None is no cap."""
    return 10 ** (raw & 63) * (raw >> 6) // 100 if raw else None
