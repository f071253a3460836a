"""What the scenario did to whom, in numbers that come from the contracts' own views and not from any log."""

from __future__ import annotations

from typing import Any

from . import perp_people as perps
from .actor import Actor
from .anvil import GENESIS_TIME
from .scenario import DAY, Scenario
from .world import ORACLE_SCALE

DEFINITIONS = {
    "turn": "one pass over every leg of the cycle: supply, borrow, convert; the last supply of what was borrowed is "
    "part of the last turn",
    "multiplier": "sum of collateral value / (collateral value - debt value) over the lending protocols, by "
    "getUserAccountData and position() x market() x oracle price",
    "single_tx": "turns_done counts the repeated supplies inside the one transaction; a flash loan or callback "
    "opening is one turn",
}


def measure(scenario: Scenario, account: str) -> dict[str, Any]:
    """Collateral, debt and multiplier of an account at the newest block."""
    chain, world = scenario.chain, scenario.world
    aave: dict[str, Any] = {"collateral_usd": 0.0, "debt_usd": 0.0, "health_factor": str(2**256 - 1)}
    if chain.reserves:
        collateral, debt, _, _, _, health = chain.view("Pool", "getUserAccountData", account)
        aave = {"collateral_usd": round(collateral / 1e8, 2), "debt_usd": round(debt / 1e8, 2)}
        aave["health_factor"] = str(health)
    morpho: dict[str, Any] = {}
    asked = []
    for market in chain.markets.values():
        identifier = bytes.fromhex(market.id[2:])
        asked += [("Morpho", "position", (identifier, account)), ("Morpho", "market", (identifier,))]
    answers = chain.views(asked)
    for at, (name, market) in enumerate(chain.markets.items()):
        (supplied, borrowed, pledged), totals = answers[2 * at], answers[2 * at + 1]
        if not supplied and not borrowed and not pledged:
            continue
        debt = -(-borrowed * (totals[2] + 1) // (totals[3] + 10**6))
        lent = supplied * (totals[0] + 1) // (totals[1] + 10**6)
        worth = pledged * world.oracle_price(name) // ORACLE_SCALE
        morpho[name] = {"collateral": str(pledged), "debt": str(debt), "lent": str(lent)}
        morpho[name] |= {
            key: round(world.usd(market.loan, amount), 2)
            for key, amount in (("collateral_usd", worth), ("debt_usd", debt), ("lent_usd", lent))
        }
    elsewhere = _newcomer(scenario, account)
    total = {
        key: round(
            aave.get(key, 0.0) + sum(one[key] for one in morpho.values()) + elsewhere.get("aave_v2", {}).get(key, 0.0),
            2,
        )
        for key in ("collateral_usd", "debt_usd", "lent_usd")
    }
    equity = total["collateral_usd"] - total["debt_usd"]
    multiplier = round(total["collateral_usd"] / equity, 6) if equity > 0.01 else None
    return {"aave": aave, "morpho": morpho, **elsewhere, **total, "multiplier": multiplier}


def _newcomer(scenario: Scenario, account: str) -> dict[str, Any]:
    """What an account has in Aave v2 and at the perp venue; nothing for those who never go there."""
    chain, world = scenario.chain, scenario.world
    found: dict[str, Any] = {}
    if chain.old_reserves and account in chain.newcomers:
        collateral, debt, _, _, _, health = chain.view("LendingPool", "getUserAccountData", account)
        if collateral or debt:
            ether = world.price["WETH"] / 1e26
            found["aave_v2"] = {
                "collateral_usd": round(collateral * ether, 2),
                "debt_usd": round(debt * ether, 2),
                "health_factor": str(health),
            }
    if chain.perp_markets and account in scenario.newcomers.traders and (held := perps.worth(world, account)):
        found["perp"] = held
    return found


def wallet(scenario: Scenario, account: str) -> dict[str, str]:
    """Token balances that are not zero."""
    chain = scenario.chain
    own = [token for token in chain.tokens.values() if "protocol" not in token]  # else named by other books
    symbols = [token["symbol"] for token in own if token["kind"] != "variableDebtToken"]
    asked = [(scenario.world.token(symbol), "balanceOf", (account,)) for symbol in symbols]
    return {symbol: str(held) for symbol, held in zip(symbols, chain.views(asked), strict=True) if held}


def snapshot(scenario: Scenario, why: str) -> None:
    """Keeps everyone's figures as of the newest block."""
    clock = scenario.chain.clock
    figures = {actor.account: measure(scenario, actor.account) for actor in scenario.cast}
    day = round((clock.now - GENESIS_TIME) / DAY, 2)
    scenario.snapshots.append({"block": clock.head, "why": why, "day": day, "accounts": figures})


def _told(scenario: Scenario, actor: Actor) -> dict[str, Any]:
    told: dict[str, Any] = {
        "role": actor.role,
        "is_loop": actor.is_loop and actor.turns_done > 0,
        "turns_planned": actor.turns_planned,
        "turns_done": actor.turns_done,
        "cycle": actor.cycle if actor.is_loop else [],
        "protocols": sorted({leg["protocol"] for leg in actor.cycle}) if actor.is_loop else [],
        "mechanism": actor.mechanism,
        "equity_usd": actor.equity_usd,
        "funding": actor.funding,
        "steps": actor.steps,
        "liquidations": actor.liquidations,
        "closed": actor.closed,
        "partly_unwound": actor.partly_unwound,
        "final": {**measure(scenario, actor.account), "wallet": wallet(scenario, actor.account)},
    }
    if actor.steps:
        told |= {"opened_block": actor.steps[0]["block"], "last_step_block": actor.steps[-1]["block"]}
    return told


def truth(scenario: Scenario, slug: str) -> dict[str, Any]:
    """The whole story, ready for `truth.json`."""
    clock = scenario.chain.clock
    return {
        "slug": slug,
        "seed": str(scenario.seed),
        "description": "written by the scenario while it ran; no log was decoded for it",
        "days": round((clock.now - GENESIS_TIME) / DAY, 2),
        "crashes": scenario.crashes,
        "definitions": DEFINITIONS,
        "accounts": {actor.account: _told(scenario, actor) for actor in scenario.cast},
        "noise_accounts": scenario.noise.accounts,
        "liquidations": scenario.liquidations,
        "perp_liquidations": scenario.newcomers.perp_liquidations,
        "snapshots": scenario.snapshots,
    }
