"""The indexer in a process of its own: ``python -m bench.worker '{"what": "index", ...}'`` (see ``bench.measure.Job``).

Prints one JSON line about itself: seconds of the work without the interpreter's start, CPU seconds, peak resident MiB. ``follow`` prints a line for every block it has committed instead, with the time on the system's monotonic
clock (the same in all processes): when the poll that saw the block began, and when the commit had returned.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.chain_generator import load
from bench.measure import Job
from indexer import measures
from indexer.books import ChainBooks
from indexer.chain import NodePool
from indexer.config import ChainSettings, DeploymentSettings
from indexer.rebuild import rebuild
from indexer.run import follow_chain
from indexer.store.writer import StepRows
from indexer.types import Heads


def settings(job: Job) -> ChainSettings:
    """The generated chain as a user would configure it: the provider's address and the start block, nothing more."""
    chain = load(job.chain)
    return ChainSettings(
        name="bench",
        chain_id=chain.chain_id,
        rpc=(job.node,) if job.node else (),
        protocols=("aave_v3",),
        deployment=(
            DeploymentSettings(
                protocol="aave_v3",
                name="bench",
                start_block=1,
                contracts={
                    "PoolAddressesProvider": chain.contracts["provider"],
                    "AaveOracle": chain.contracts["oracle"],
                },
            ),
        ),
        poll_seconds=job.poll_seconds,
        all_headers=False,
        wallet_flows=False,
        double_read=job.double_read,
    )


def peak_rss_mib() -> float:
    """Peak resident memory of this process since exec (`ru_maxrss` would count the parent's)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def measure(job: Job) -> dict[str, Any]:
    """Run an `index` or a `rebuild` to its end."""
    chain = settings(job)
    if not job.metrics:
        measures.take = lambda *_, **__: None
    cpu, began = time.process_time(), time.perf_counter()
    if job.what == "rebuild":
        rebuild(chain, job.database)
    else:
        follow_chain(chain, job.database, to="latest")
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "peak_rss_mib": peak_rss_mib(),
    }


def follow(job: Job) -> None:
    """Follow the head for ever and tell of every commit."""
    seen: dict[int, float] = {}
    ask, commit = NodePool.heads, ChainBooks._commit

    def heads(pool: NodePool) -> Heads:
        asked = time.monotonic()
        found = ask(pool)
        seen.setdefault(found.latest, asked)
        return found

    def committed(books: ChainBooks, step: StepRows) -> None:
        commit(books, step)
        done = time.monotonic()
        block = max(cursor.block_number for cursor in step.cursors)
        print(json.dumps({"block": block, "polled": seen.get(block), "committed": done}), flush=True)

    NodePool.heads = heads  # type: ignore[method-assign, assignment]
    ChainBooks._commit = committed  # type: ignore[method-assign, assignment]
    follow_chain(settings(job), job.database)


def main() -> None:
    """Command line."""
    job = Job(**json.loads(sys.argv[1]))
    if job.what == "follow":
        follow(job)
    else:
        print(json.dumps(measure(job)))


if __name__ == "__main__":
    main()
