"""Simulations of liquidation cascades over the books: from a question to an answer, for the command line and the worker.

A question (`Question`) names assets by address. Its answer is plain JSON: USD as text, ratios and prices as numbers, one entry a
depth setting, their range, and the propagation matrix of the middle setting. See docs/methodology.md M13 and M15.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from psycopg import Connection

from indexer.aggregation.cascade import Round, Scenario, groups_follow, start_prices
from indexer.aggregation.impact import Impact
from indexer.aggregation.legs import Floats, Legs
from indexer.aggregation.propagation import Propagation, propagation
from indexer.aggregation.stress import (
    FACTORS,
    SHARES,
    Range,
    Setting,
    Stress,
    markets_after,
    relative_depth,
    stress,
)  # fmt: skip
from indexer.errors import BadRequest
from indexer.store.queries.legs import load_legs
from indexer.store.queries.shocks import correlated, markets_at, rules_at

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
LEAST_SHOCK: Final = -1.0
MOST_SHOCK: Final = 10.0


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be asked. Assets are addresses, lower case."""

    shocks: Annotated[dict[str, float], msgspec.Meta(min_length=1, max_length=200)]
    """Exogenous change of each price: above -1, below 10."""
    path: Annotated[str, msgspec.Meta(pattern=r"^(jump|steps:([1-9]|[1-4][0-9]|50))$")] = "jump"
    impact: Literal["cpmm", "linear", "exponential"] = "cpmm"
    depth: dict[str, Annotated[float, msgspec.Meta(gt=0)]] = {}
    """cpmm: dollars on the quote side; else the fraction of the price that one token sold takes. Empty: relative depth."""
    depth_factors: Annotated[tuple[Annotated[float, msgspec.Meta(gt=0, le=1e6)], ...], msgspec.Meta(max_length=5)] = ()
    pass_through: Fraction = 1.0
    sold_share: Fraction = 1.0
    max_rounds: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100
    protocols: tuple[str, ...] | None = None
    correlated: bool = True


class Answer(NamedTuple):
    """An answer: what goes into `cascade_runs.result`, and the rows of the other two tables."""

    result: dict[str, Any]
    rounds: list[tuple[float, int, int, int, str, str, dict[str, Any]]]
    """depth_factor, round, step, n_liquidated, repaid_usd, bad_debt_usd, detail."""
    matrix: list[tuple[str, str, float | None]]
    """source, target, propagation."""


def question_of(body: Mapping[str, Any]) -> Question:
    """Read a question. Raises BadRequest saying which part is not valid, and why."""
    try:
        found = msgspec.convert(dict(body), Question)
    except msgspec.ValidationError as error:
        raise BadRequest(f"simulation: {error}") from None
    for asset, shock in found.shocks.items():
        if not LEAST_SHOCK < shock < MOST_SHOCK:
            raise BadRequest(f"shock of {asset}: {shock} is not above {LEAST_SHOCK:g} and below {MOST_SHOCK:g}")
    if any(not math.isfinite(depth) for depth in found.depth.values()):
        raise BadRequest("depth: write a finite number")
    if found.depth_factors and len(set(found.depth_factors)) < 3:
        raise BadRequest("depth_factors: give at least three different ones: one depth is not an answer")
    return found


def answer(connection: Connection[Any], chain_id: int, block: int, asked: Question) -> Answer:
    """Compute a question as of a block. Raises BadRequest for an asset that no borrower has, or a protocol that has none."""
    legs = load_legs(connection, chain_id, block, protocols=asked.protocols)
    missing = sorted(set(asked.protocols or ()) - set(legs.protocols))
    if missing:
        raise BadRequest(f"protocols: {', '.join(missing)} has no borrowers at block {block}")
    place = {asset: n for n, asset in enumerate(legs.assets)}
    absent = sorted((set(asked.shocks) | set(asked.depth)) - set(place))
    if absent:
        raise BadRequest(f"assets: no borrower has {', '.join(absent)} as collateral or debt at block {block}")
    start = start_prices(legs)
    unpriced = sorted(asset for asset in set(asked.shocks) | set(asked.depth) if not start[place[asset]] > 0)
    if unpriced:
        raise BadRequest(f"assets: {', '.join(unpriced)} has no price at block {block}")
    shocks = np.zeros(len(legs.assets))
    given = np.zeros(len(legs.assets), np.bool_)
    for asset, shock in asked.shocks.items():
        shocks[place[asset]], given[place[asset]] = shock, True
    if asked.correlated:
        shocks = groups_follow(shocks, given, correlated(connection, chain_id, block, legs))
    impact = relative_depth(legs, start, asked.impact)
    if asked.depth:
        depth = np.full(len(legs.assets), np.nan)
        for asset, deep in asked.depth.items():
            depth[place[asset]] = deep
        impact = Impact(asked.impact, depth, start)
    steps = 1 if asked.path == "jump" else int(asked.path.partition(":")[2])
    scenario = Scenario(shocks, impact, asked.pass_through, steps, asked.max_rounds, asked.sold_share)
    factors = asked.depth_factors or (FACTORS if asked.depth else SHARES)
    rules = rules_at(connection, chain_id, block)
    found = stress(legs, scenario, factors=factors, rules=rules)
    middle = found.settings[len(found.settings) // 2]
    carried = propagation(legs, replace(scenario, impact=impact.scaled(middle.factor)), rules=rules)
    markets, ids = markets_at(connection, chain_id, block, legs)
    after = markets_after(markets, legs, middle.run)
    touched = np.flatnonzero((after.debt != markets.debt) | (after.cash != markets.cash))
    moved = [n for n in range(len(legs.assets)) if shocks[n] or any(_moved(each, n) for each in found.settings)]
    result = {
        "borrowers": legs.borrowers,
        "unpriced": middle.run.unpriced,
        "depth": "given" if asked.depth else "relative",
        "assets": [
            {"asset": legs.assets[n], "symbol": legs.symbols[n], "shock": float(shocks[n]), "price": _number(start[n]),
             "exogenous_price": _number(middle.run.exogenous[n]), "amplification": _range(found.amplification(n)),
             "final_price": _range(_prices(found, n))}
            for n in moved
        ],
        "range": {name: [_usd(value) for value in found.range(name)] for name in ("repaid_usd", "bad_debt_usd")},
        "settings": [_setting(each, legs) for each in found.settings],
        "markets": [
            {"market_id": ids[n], "asset": legs.assets[int(markets.asset[n])],
             "utilization_before": _number(after.utilization_before[n]), "utilization": _number(after.utilization[n]),
             "withdrawable": _number(after.withdrawable[n])}
            for n in touched
        ],
        "propagation": {
            "depth_factor": middle.factor, "spectral_radius": carried.spectral_radius(), "is_stable": carried.is_stable(),
            "strength": dict(zip(carried.nodes, carried.strength().tolist(), strict=True)),
        },
    }  # fmt: skip
    return Answer(result, [_round(each.factor, one, legs, moved, middle.run.nodes)
                           for each in found.settings for one in each.run.rounds], _matrix(carried))  # fmt: skip


def _setting(setting: Setting, legs: Legs) -> dict[str, Any]:
    run = setting.run
    repaid, bad, count = (run.by_node(name) for name in ("repaid_usd", "bad_debt_usd", "liquidated"))
    return {
        "depth_factor": setting.factor, "rounds": len(run.rounds), "settled": run.settled,
        "repaid_usd": _usd(run.repaid_usd), "bad_debt_usd": _usd(run.bad_debt_usd),
        "endogenous_share": run.endogenous_share(), "branching": run.branching(),
        "protocols": [
            {"protocol": name, "liquidations": int(count[n]), "repaid_usd": _usd(repaid[n]), "bad_debt_usd": _usd(bad[n]),
             "contagion_usd": _usd(setting.contagion[name])}
            for n, name in enumerate(run.nodes)
        ],
        "seized": {legs.assets[n]: amount for n, amount in enumerate(_by_asset(legs, run.seized)) if amount},
    }  # fmt: skip


def _round(factor: float, one: Round, legs: Legs, moved: list[int], nodes: tuple[str, ...]) -> Any:
    detail = {
        "oracle": {legs.assets[n]: _number(one.oracle[n]) for n in moved},
        "market": {legs.assets[n]: _number(one.market[n]) for n in moved},
        "sold": {legs.assets[n]: float(one.sold[n]) for n in moved if one.sold[n]},
        "repaid_usd": {name: _usd(one.repaid_usd[n]) for n, name in enumerate(nodes) if one.repaid_usd[n]},
    }
    repaid, bad = _usd(one.repaid_usd.sum()), _usd(one.bad_debt_usd.sum())
    return factor, one.number, one.step, int(one.liquidated.sum()), repaid, bad, detail


def _matrix(found: Propagation) -> list[tuple[str, str, float | None]]:
    return [
        (source, target, _number(found.matrix[p, q]))
        for p, source in enumerate(found.nodes)
        for q, target in enumerate(found.nodes)
        if p != q
    ]


def _moved(setting: Setting, asset: int) -> bool:
    return bool(setting.run.final[asset] != setting.run.start[asset]) and math.isfinite(setting.run.start[asset])


def _prices(found: Stress, asset: int) -> Range | None:
    prices = [float(each.run.final[asset]) for each in found.settings]
    return Range(min(prices), max(prices)) if all(map(math.isfinite, prices)) else None


def _by_asset(legs: Legs, values: Floats) -> list[float]:
    return [float(value) for value in np.bincount(legs.asset, values, len(legs.assets))]


def _range(found: Range | None) -> list[float] | None:
    return None if found is None else [found.low, found.high]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _usd(value: float) -> str:
    """Return dollars as text; a simulation has no more digits than micro-dollars to say."""
    return f"{float(value) + 0.0:.6f}"
