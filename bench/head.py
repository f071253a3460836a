"""Head: one block at a time, polling every 200 ms: from the block being available to its rows being committed.

`beyond the poll` is counted from the beginning of the poll that saw the block: what the indexer adds to waiting.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

from bench.chain_generator import GeneratedChain
from bench.measure import Job, Postgres, load_average, worker
from bench.replay_node import ReplayNode

POLL_SECONDS = 0.2


def run(chain: GeneratedChain, server: Postgres, blocks: int, seed: int = 1) -> dict[str, Any]:
    """Index all but the last blocks, then let these appear one by one at random moments of the poll."""
    chance = random.Random(seed)
    total, beyond = [], []
    load = load_average()
    with server.database() as url, ReplayNode(chain, head=chain.head - blocks) as node:
        job = Job("follow", str(chain.directory), url, node.url, poll_seconds=POLL_SECONDS)
        with worker(job) as process:
            assert process.stdout is not None
            _wait_for(process.stdout, chain.head - blocks)
            for number in range(chain.head - blocks + 1, chain.head + 1):
                time.sleep(chance.uniform(0.3, 0.5))
                available = time.monotonic()
                node.set_head(number)
                told = _wait_for(process.stdout, number)
                total.append(told["committed"] - available)
                beyond.append(told["committed"] - max(told["polled"], available))
    return {
        "blocks": blocks,
        "poll_ms": POLL_SECONDS * 1_000,
        "beyond_the_poll_ms": _quantiles(beyond),
        "available_to_committed_ms": _quantiles(total),
        "load_average": load,
    }


def _wait_for(lines: Any, number: int) -> dict[str, Any]:
    for line in lines:
        told: dict[str, Any] = json.loads(line)
        if told["block"] >= number:
            return told
    raise RuntimeError("the indexer ended while it followed the head")


def _quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"p50": len(ordered) // 2, "p95": min(len(ordered) - 1, len(ordered) * 95 // 100), "worst": len(ordered) - 1}
    return {name: round(ordered[place] * 1_000, 1) for name, place in at.items()}
