"""M3: open interest of perp markets, and notional-to-open-interest (NOI) in the variants that the phrase stands for.

    matched book            OI = one side, base units x mark          (every long has its short)
    pool as counterparty    OI = long + short, each base units x mark (sides may differ)
    one_sided               the same, of a book that has one side by construction (a GMX v1 pair): it has no skew

    exposure_to_oi   (OI + lending-financed long + borrowed short) / OI      1: perps carry all of the leveraged exposure
    oi_to_margin     OI / posted margin                                      average effective leverage of the venue
    volume_to_oi     notional traded in a window / time-average OI           turnover
    gross_to_oi      (long + short) / OI                                     2 matched, 1 pool: a check of the data

Units    base units as the venue counts them, USD as Decimal; a ratio is a fraction, None where OI or margin is 0
Source   docs/methodology.md M3. The field has no single standard for the phrase: every result names its `variant`
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

Convention = Literal["matched", "pool", "one_sided"]
Variant = Literal["exposure_to_oi", "oi_to_margin", "volume_to_oi", "gross_to_oi"]
MarginBasis = Literal["isolated", "cross"]

ZERO = Decimal(0)


class OpenInterest(NamedTuple):
    """Open interest of one market. The USD figures are None without a mark price."""

    convention: Convention
    oi_base: Decimal
    oi_usd: Decimal | None
    long_oi_usd: Decimal | None
    short_oi_usd: Decimal | None


class NotionalToOi(NamedTuple):
    """A notional-to-open-interest ratio; it means nothing without its variant."""

    variant: Variant
    value: Decimal | None


class Margin(NamedTuple):
    """Posted margin at market value, without haircuts; None when a token of it has no price."""

    usd: Decimal | None
    basis: MarginBasis


def open_interest(
    long_base: Decimal, short_base: Decimal, mark: Decimal | None, convention: Convention
) -> OpenInterest:
    """Return open interest by the venue's convention, both sides at mark: never at entry, never netted.

    Raises  ValueError for a negative side, or a matched book whose sides differ: its data are not complete
    """
    if long_base < 0 or short_base < 0:
        raise ValueError(f"open interest of a side is never negative: long {long_base}, short {short_base}")
    if convention == "matched" and long_base != short_base:
        raise ValueError(
            f"a matched book has as much long as short, not {long_base} and {short_base}: positions are missing"
        )
    base = long_base if convention == "matched" else long_base + short_base
    if mark is None:
        return OpenInterest(convention, base, None, None, None)
    return OpenInterest(convention, base, base * mark, long_base * mark, short_base * mark)


def base_units(notional: Decimal, price: Decimal) -> Decimal | None:
    """Return the base units of a notional in the quote currency (coin-margined contracts): notional / price."""
    return notional / price if price else None


def margin_value(amounts: Iterable[tuple[Decimal, Decimal | None]], basis: MarginBasis) -> Margin:
    """Return posted margin from (amount, USD price) of each token: its haircut-free value, tagged with its basis."""
    total = ZERO
    for amount, price in amounts:
        if amount and price is None:
            return Margin(None, basis)
        total += amount * (price or ZERO)
    return Margin(total, basis)


def exposure_to_oi(oi_usd: Decimal, long_lending_usd: Decimal, short_lending_usd: Decimal) -> NotionalToOi:
    """Return (OI + N_long + N_short) / OI of one asset; None when OI is 0.

    N_long   value held as collateral that is debt-financed against another asset class (M7)
    N_short  value borrowed and not held
    """
    return NotionalToOi("exposure_to_oi", _over(oi_usd + long_lending_usd + short_lending_usd, oi_usd))


def oi_to_margin(oi_usd: Decimal | None, margin_usd: Decimal | None) -> NotionalToOi:
    """Return OI / posted margin: None without a price or when no margin is posted."""
    known = None if oi_usd is None or margin_usd is None else _over(oi_usd, margin_usd)
    return NotionalToOi("oi_to_margin", known)


def volume_to_oi(volume: Decimal, held: Sequence[tuple[Decimal, int]]) -> NotionalToOi:
    """Return turnover: volume of a window over its time-average OI, in one unit; `held` are (OI, seconds it held)."""
    seconds = sum(length for _, length in held)
    weighted = sum((oi * length for oi, length in held), ZERO)
    return NotionalToOi("volume_to_oi", _over(volume * seconds, weighted))


def gross_to_oi(long: Decimal, short: Decimal, oi: Decimal) -> NotionalToOi:
    """Return (|long| + |short|) / OI; `expected_gross` says what it must be. A check of the data, not a signal."""
    return NotionalToOi("gross_to_oi", _over(abs(long) + abs(short), oi))


def expected_gross(convention: Convention) -> int:
    """Return what `gross_to_oi` must be: 2 on a matched book, 1 on a pool venue."""
    return 2 if convention == "matched" else 1


def _over(a: Decimal, b: Decimal) -> Decimal | None:
    return a / b if b else None
