"""Sizes of a proposal by hand, where what the contract would refuse is a rounding or another price away."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from indexer.measures.risk_pairs import Leg, Market, of_account

WETH, USD = "0x" + "e1" * 20, "0x" + "d1" * 20
ETHER = 10**18


def market(decimals: int, collateral_decimals: int | None = None, version: str | None = None) -> Market:
    return Market(decimals, collateral_decimals, None, version, False, False, None, None, None, 1, False)


def leg(protocol: str, side: str, asset: str, units: str, price: str, at: int, decides: int, bonus: str | None) -> Leg:
    threshold = Decimal("0.8") if side != "debt" else None
    share = None if bonus is None else Decimal(bonus)
    return Leg(protocol, side, asset, Decimal(units), Decimal(price), True, threshold, share, at, Decimal(decides))


def one_ether_against(debt: int, factor: str) -> tuple[Any, ...]:
    """What is proposed on Aave 3.6 where an ether of 2000 USD (LT 0.80, bonus 5 %) backs so many USD; factor = 1600 / debt."""
    legs = [
        leg("aave_v3", "collateral", WETH, "1", "2000", 1, 1600 * 10**8, "0.05"),
        leg("aave_v3", "debt", USD, str(debt), "1", 2, debt * 10**8, None),
    ]
    found = of_account(legs, {1: market(18, version="3.6"), 2: market(18, version="3.6")}, Decimal(factor), 0)
    assert found is not None
    return found


def test_where_all_collateral_goes_aave_is_told_a_hair_more() -> None:
    """One ether of 2000 USD backs 3000: 1904.76 repay all of it. Rounded down, a base unit of ether would be left: refused."""
    found = one_ether_against(3000, "0.533")
    repay, seize = found[2], found[3]
    assert seize == ETHER
    takes = Fraction(repay) * 105 / 100 / 2000  # in base units of ether; the contract takes no more than there is
    assert ETHER + 1 < takes < ETHER + 10


def test_of_a_debt_with_collateral_left_aave_is_told_no_more_than_the_debt() -> None:
    found = one_ether_against(1700, "0.941")
    assert found[2] == 1700 * ETHER


def test_morpho_seizes_by_the_oracle_of_its_market() -> None:
    """The books say 2100 USD, the market's oracle 2000: what repays all collateral is 2000 / 1.06, rounded down."""
    legs = [
        leg("morpho_blue", "collateral", WETH, "1", "2100", 1, 1600 * 10**6, "0.06"),
        leg("morpho_blue", "debt", USD, "3000", "1", 1, 3000 * 10**6, None),
    ]
    found = of_account(legs, {1: market(6, 18)}, Decimal("0.533"), 0)
    assert found is not None
    assert (found[2], found[3]) == (1_886_792_452, ETHER)
