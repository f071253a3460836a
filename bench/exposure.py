"""The exposure graph's decomposition: 100,000 edges of 20,000 owners between 200 protocols, what 1,000,000 events leave.

A lending event in ten leaves an open link, so a million events are 100,000 edges. Protocols are drawn by Zipf's law (a few
are in most edges, as on chain), values log-normally; both are made up, seeded. The floor is the same sums by a plain loop
over the edges: what any decomposition has to do before it begins.
"""

from __future__ import annotations

import random
import time
from decimal import Decimal
from typing import Any

from bench.measure import WrongResult
from indexer.aggregation.graph import Edge, chains, collapse, loops, owner_loops, total

EDGES = 100_000
OWNERS = 20_000
NODES = 200


def edges(seed: int) -> list[Edge]:
    """Return the made-up edges."""
    draw = random.Random(seed)
    names = [f"protocol_{n:03d}" for n in range(NODES)]
    weights = [1 / (n + 1) for n in range(NODES)]
    ends = draw.choices(names, weights, k=2 * EDGES)
    return [
        Edge(
            f"owner_{draw.randrange(OWNERS)}", ends[2 * n], ends[2 * n + 1], draw.choice(("debt", "claim", "vault")),
            Decimal(round(draw.lognormvariate(9, 2) * 100)) / 100,
        )
        for n in range(EDGES)
    ]  # fmt: skip


def timed(work: Any) -> tuple[float, Any]:
    """Return the seconds that a call took, and its result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def run(seed: int) -> dict[str, Any]:
    """Decompose each owner's graph and the one of all together; check that no dollar is made or lost.

    Raises  WrongResult if one is
    """
    made = edges(seed)
    floor, weights = timed(lambda: collapse(made))
    by_owner, parts = timed(lambda: owner_loops(made))
    paths, listed = timed(lambda: sum(len(chains(part.residual)) for part in parts.values()))
    system, whole = timed(lambda: loops(weights))
    for name, part in (("owners", total(parts.values())), ("system", whole)):
        left = sum(part.residual.values(), Decimal(0)) + part.gross_circulation_usd
        if left != sum(weights.values(), Decimal(0)):
            raise WrongResult(f"{name}: cycles and residual hold {left}, the edges {sum(weights.values())}")
    return {
        "edges": EDGES, "owners": len(parts), "nodes": NODES, "pairs": len(weights), "floor_seconds": floor,
        "owners_seconds": by_owner, "owner_cycles": sum(len(part.cycles) for part in parts.values()),
        "chains_seconds": paths, "chains": listed, "system_seconds": system, "system_cycles": len(whole.cycles),
    }  # fmt: skip
