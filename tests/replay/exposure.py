"""Edges between protocols as the scenario of a recording tells them, worked out without our own code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

CHAIN = 31337
ROOT = {"sDAI": "DAI", "mvUSDC": "USDC", "waWETH": "WETH", "aWETH": "WETH"}
"""What claims stand for."""

Pairs = dict[tuple[str, str, str], float]


def moments(truth: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Blocks at which the scenario asked the contracts about every account."""
    return [(snapshot["block"], snapshot["accounts"]) for snapshot in truth["snapshots"]]


def protocol_edges(db: psycopg.Connection[Any], block: int) -> dict[str, Pairs]:
    """Each owner's edges between two protocols that are indexed, and not from what is not."""
    found: dict[str, Pairs] = {}
    for owner, source, target, kind, value in db.execute(
        "SELECT owner_id, src, dst, edge_kind, sum(value_usd) FROM exposure_edges_at(%s, %s)"
        " WHERE method = 'state' AND src <> dst AND src NOT LIKE 'issuer:%%' GROUP BY 1, 2, 3, 4",
        (CHAIN, block),
    ):
        found.setdefault(owner, {})[source, target, kind] = float(value)
    return found


def cross_loop(legs: list[dict[str, Any]], now: dict[str, Any]) -> Pairs:
    """Edges of one who borrows at each of two protocols: a debt reaches the other where it is posted as the same asset."""
    usd = {"aave_v3": now["aave"], "morpho_blue": {
        side: sum(market[side] for market in now["morpho"].values()) for side in ("collateral_usd", "debt_usd")
    }}  # fmt: skip
    found: Pairs = {}
    for debtor in legs:
        root = debtor["debt"]
        posted = {leg["protocol"]: usd[leg["protocol"]]["collateral_usd"] for leg in legs
                  if ROOT.get(leg["collateral"], leg["collateral"]) == root}  # fmt: skip
        owed = sum(usd[leg["protocol"]]["debt_usd"] for leg in legs if leg["debt"] == root)
        for place, value in posted.items():
            if place != debtor["protocol"] and value and owed:
                key = debtor["protocol"], place, "debt"
                found[key] = usd[debtor["protocol"]]["debt_usd"] * value / max(owed, sum(posted.values()))
    return found


def expected(who: dict[str, Any], now: dict[str, Any]) -> Pairs:
    aave, morpho = now["aave"], now["morpho"]
    match who["role"]:
        case "carry_lender":
            return {("aave_v3", "morpho_blue", "debt"): min(aave["debt_usd"], now["lent_usd"])}
        case "receipt_loop":
            return {("aave_v3", "morpho_blue", "claim"): sum(market["collateral_usd"] for market in morpho.values())}
        case "vault_share_loop":
            debt, shares = aave["debt_usd"], aave["collateral_usd"]
            return {("morpho_blue", "aave_v3", "vault"): shares, ("aave_v3", "morpho_blue", "debt"): min(debt, shares)}
        case "cross_loop":
            return cross_loop(who["cycle"], now)
    return {}


def significant(pairs: Pairs) -> Pairs:
    return {key: value for key, value in pairs.items() if value >= 1}


PLACE = {"mvUSDC": "morpho_blue", "waWETH": "aave_v3", "aWETH": "aave_v3"}
"""Where the assets behind a claim are."""


def moved(who: dict[str, Any], block: int, usd_of: Callable[[str, str], float]) -> Pairs:
    """Edges of the steps that an account took: each borrow with the supply that it paid for, at prices of now."""
    found: Pairs = {}
    pending: tuple[str, float] | None = None
    supplies = ("supply_collateral",) if who["role"] == "receipt_loop" else ("supply", "supply_collateral")
    for step in who["steps"]:
        if step["block"] > block or not step["ok"]:
            continue
        if step["op"] == "borrow":
            pending = step["protocol"], usd_of(step["token"], step["amount"])
        elif step["op"] in supplies and pending is not None:
            source, borrowed = pending
            target = PLACE.get(step["token"], step["protocol"])
            if source != target:
                key = source, target, "debt"
                found[key] = found.get(key, 0) + min(borrowed, usd_of(step["token"], step["amount"]))
            pending = None
    return found
