"""Who may be in the story: every role, how often it appears, and how an account is cast in it."""

from __future__ import annotations

from collections.abc import Callable

from . import decoys, loops
from .actor import Actor, Plan
from .world import World

AAVE, MORPHO, BOTH = ["aave_v3"], ["morpho_blue"], ["aave_v3", "morpho_blue"]
MULTI = "multi-transaction"
# role -> (plan, protocols it needs, mechanism; None for decoys, most turns, how many of 20)
ROLES: dict[str, tuple[Callable[[World, Actor], Plan], list[str], str | None, int, int]] = {
    "aave_loop": (loops.aave_loop, AAVE, MULTI, 6, 5),
    "aave_flash_loop": (loops.aave_flash_loop, AAVE, "one transaction, flash loan", 1, 2),
    "aave_single_tx_loop": (
        loops.aave_single_tx_loop,
        AAVE,
        "one transaction, repeated borrow and supply through a helper with credit delegation",
        5,
        1,
    ),
    "morpho_loop": (loops.morpho_loop, MORPHO, MULTI, 5, 4),
    "morpho_callback_loop": (loops.morpho_callback_loop, MORPHO, "one transaction, collateral callback", 1, 2),
    "morpho_single_tx_loop": (
        loops.morpho_single_tx_loop,
        MORPHO,
        "one transaction, repeated borrow and supply through a helper",
        6,
        1,
    ),
    "cross_loop": (loops.cross_loop, BOTH, f"{MULTI}; one turn walks every leg of the cycle", 3, 4),
    "receipt_loop": (loops.receipt_loop, BOTH, "receipt token of one protocol is collateral in the other", 3, 2),
    "vault_share_loop": (loops.vault_share_loop, BOTH, "vault share of a Morpho lender is Aave collateral", 4, 2),
    "plain_borrower": (decoys.plain_borrower, AAVE, None, 0, 4),
    "repeat_borrower": (decoys.repeat_borrower, AAVE, None, 0, 2),
    "outside_money_topup": (decoys.outside_money_topup, AAVE, None, 0, 2),
    "short_seller": (decoys.short_seller, AAVE, None, 0, 1),
    "carry_lender": (decoys.carry_lender, BOTH, None, 0, 2),
    "two_protocol_borrower": (decoys.two_protocol_borrower, BOTH, None, 0, 1),
    "lender": (decoys.lender, BOTH, None, 0, 1),
}


def hire(world: World, account: str, role: str) -> Actor:
    """Casts an account in a role, with its own equity and number of turns."""
    plan, _, mechanism, most, _ = ROLES[role]
    turns = 0 if mechanism is None else max(1, world.rng.randrange(max(1, most - 3), most + 1))
    equity = round(world.rng.uniform(8_000, 120_000), 2)
    actor = Actor(account, role, mechanism is not None, [], mechanism, turns, equity)
    actor.plan = plan(world, actor)
    return actor


def casting(protocols: set[str]) -> list[str]:
    """Roles that a chain with these protocols can play, each as often as it should appear."""
    fitting = [(role, entry) for role, entry in ROLES.items() if set(entry[1]) <= protocols]
    return [role for role, entry in fitting for _ in range(entry[4])]
