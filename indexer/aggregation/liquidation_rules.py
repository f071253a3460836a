"""Who may be liquidated and how much at once, by protocol: the rules that a cascade applies to columns of borrowers.

    pair rules   one debt leg against one collateral leg: repay = min(limit, C / (1 + b)), seize = repay (1 + b)
    whole rules  the account at once: all collateral goes, debt is covered up to sum C / (1 + b)

Units    USD at the price that the protocol decides by; close factors, health factors and bonus as fractions
Source   docs/methodology.md M12, M13; contracts named at each rule
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

import numpy as np

from indexer.aggregation.legs import Flags, Floats, Places


@dataclass(frozen=True, slots=True)
class Rule:
    """One protocol's trigger and size."""

    close_factor: float = 1.0
    """Share of the chosen leg's debt that one liquidation may repay (of all debt where `of_total`)."""
    full_at: float = 0.0
    """Health factor at or below which the whole leg may be repaid."""
    of_total: bool = False
    """Whether the close factor is of the account's total debt."""
    small_usd: float = 0.0
    """A leg of less debt or collateral than this may be repaid whole."""
    leftover_usd: float = 0.0
    """What must at least remain of debt and of collateral, unless one of them is used up."""
    whole: bool = False
    at_equality: bool = False
    """Whether a health factor of exactly 1 is liquidatable."""
    discount_by_health: bool = False
    """Whether the bonus is 1/HF - 1, up to the leg's."""
    bonus: float = float("nan")
    """Bonus that replaces the legs' own; NaN for none."""
    unknown_bonus: float = 0.0
    """Bonus where neither rule nor leg has one."""


AAVE_V2: Final = Rule(close_factor=0.5)  # LendingPoolCollateralManager: LIQUIDATION_CLOSE_FACTOR_PERCENT
AAVE_V3_0: Final = Rule(close_factor=0.5, full_at=0.95)  # LiquidationLogic up to 3.2
AAVE_V3_3: Final = Rule(close_factor=0.5, full_at=0.95, of_total=True, small_usd=2000, leftover_usd=1000)  # from 3.3
MORPHO: Final = Rule()  # Morpho.liquidate: any amount
COMPOUND_V2: Final = Rule(close_factor=0.5)  # Comptroller.closeFactorMantissa; a deployment's own is given by parameter
COMET: Final = Rule(whole=True)  # Comet.absorb; what collateral is worth above the debt is credited in base tokens
EULER_V2: Final = Rule(at_equality=True, discount_by_health=True)  # Liquidation.calculateMaxLiquidation
MAKER: Final = Rule(unknown_bonus=0.13)  # Dog.bark: the whole debt times chop; 13 % is what most ilks have had
LIQUITY: Final = Rule(whole=True, bonus=0.0)  # TroveManager.liquidate: the Stability Pool takes debt and collateral

BY_PROTOCOL: Final[Mapping[str, Rule]] = {
    "aave_v2": AAVE_V2, "aave_v3": AAVE_V3_3, "spark": AAVE_V3_0, "morpho_blue": MORPHO, "compound_v2": COMPOUND_V2,
    "moonwell": COMPOUND_V2, "compound_v3": COMET, "euler_v2": EULER_V2, "maker": MAKER, "liquity_v1": LIQUITY,
}  # fmt: skip
"""Rule of each protocol. Any other protocol: any amount (MORPHO), the least that a rule can restrain."""


class RuleColumns(NamedTuple):
    """Rules of many borrowers, one entry a borrower; the fields are Rule's."""

    close_factor: Floats
    full_at: Floats
    of_total: Flags
    small_usd: Floats
    leftover_usd: Floats
    whole: Flags
    at_equality: Flags
    discount_by_health: Flags
    bonus: Floats
    unknown_bonus: Floats

    def take(self, places: Places) -> RuleColumns:
        """Return the rules of borrowers at these places."""
        return _columns([column[places] for column in self])


def columns_of(rules: Sequence[Rule]) -> RuleColumns:
    """Return the rules of borrowers as columns."""
    known = {rule: n for n, rule in enumerate(dict.fromkeys(rules))}
    place = np.array([known[rule] for rule in rules], np.int64)
    flags = {field.name for field in fields(Rule) if field.type == "bool"}
    return _columns(
        [np.array([getattr(rule, name) for rule in known], np.bool_ if name in flags else np.float64)[place]
         for name in RuleColumns._fields]
    )  # fmt: skip


def _columns(columns: Sequence[Any]) -> RuleColumns:
    return RuleColumns(*columns)


def liquidatable(rules: RuleColumns, weighted: Floats, debt: Floats) -> Flags:
    """Return who may be liquidated: threshold-weighted collateral below debt; at equality only where the rule says so."""
    found: Flags = (debt > 0) & ((weighted < debt) | (rules.at_equality & (weighted == debt)))
    return found


def bonus_of(rules: RuleColumns, legs_bonus: Floats, health: Floats) -> Floats:
    """Return the bonus of each liquidation: the rule's, else the leg's, else the rule's stand-in; by health where so."""
    own = np.where(np.isnan(legs_bonus), rules.unknown_bonus, legs_bonus)
    most = np.where(np.isnan(rules.bonus), own, rules.bonus)
    with np.errstate(divide="ignore", over="ignore"):
        by_health = 1 / health - 1
    return np.where(rules.discount_by_health, np.clip(by_health, 0, most), most)


def repay_usd(
    rules: RuleColumns, health: Floats, total_debt: Floats, leg_debt: Floats, leg_collateral: Floats, bonus: Floats
) -> Floats:
    """Return what one liquidation of a pair repays, USD, when the liquidator takes the most that the rule allows.

    Formula  limit = leg debt where HF <= full_at or a leg is small, else close_factor * (leg or total) debt
             repay = min(limit, leg debt, leg collateral / (1 + bonus))
    Edge     Aave from 3.3: where neither leg is used up, both must keep leftover_usd, so that less may be repaid
    Source   docs/methodology.md M12: total 10000, leg 7000, collateral 12000: HF 0.97 repays 5000, HF 0.95 repays 7000
    """
    whole = health <= rules.full_at
    whole |= rules.of_total & ((leg_debt < rules.small_usd) | (leg_collateral < rules.small_usd))
    part = rules.close_factor * np.where(rules.of_total, total_debt, leg_debt)
    limit = np.where(whole, leg_debt, np.minimum(leg_debt, part))
    cap = leg_collateral / (1 + bonus)
    repaid = np.minimum(limit, cap)
    kept = (repaid < leg_debt) & (repaid < cap) & (rules.leftover_usd > 0)
    least = np.minimum(leg_debt - rules.leftover_usd, (leg_collateral - rules.leftover_usd) / (1 + bonus))
    return np.where(kept, np.clip(least, 0, repaid), repaid)
