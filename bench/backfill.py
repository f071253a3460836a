"""Backfill, backfill over a slow line with caps, rebuild, and memory: the indexer against the floor of the same run.

Every run ends with the comparison of all balances with the generator's books; a difference is an error, not a figure.
"""

from __future__ import annotations

from typing import Any

from bench import floor
from bench.chain_generator import GeneratedChain
from bench.measure import Job, Postgres, check_truth, load_average, row_counts, run_worker
from bench.replay_node import ReplayNode

SLOW: dict[str, Any] = {"latency_ms": 40, "max_block_range": 1_000, "max_logs": 5_000}
"""A provider far away: milliseconds before each answer, most blocks and logs of one `eth_getLogs`."""


def once(
    chain: GeneratedChain,
    server: Postgres,
    *,
    double_read: bool = True,
    metrics: bool = True,
    then_rebuild: bool = False,
    **node_options: Any,
) -> dict[str, Any]:
    """Index the chain once into a fresh database; with `then_rebuild` derive it again from the kept logs."""
    with server.database() as url, ReplayNode(chain, **node_options) as node:
        node_before, server_before, load = node.stats()["cpu_seconds"], server.cpu_seconds(), load_average()
        job = Job("index", str(chain.directory), url, node.url, double_read, metrics=metrics)
        result = run_worker(job)
        stats, rows = node.stats(), row_counts(url)
        result |= {
            "logs": rows["raw_log"],
            "logs_per_second": round(rows["raw_log"] / result["seconds"]),
            "postgres_cpu_seconds": round(server.cpu_seconds() - server_before, 3),
            "node_cpu_seconds": round(stats["cpu_seconds"] - node_before, 3),
            "load_average": load,
            "double_read": double_read,
            "calls": stats.get("calls"),
            "rows": rows,
            "balances_checked": check_truth(chain, url),
        }
        if then_rebuild:
            again = run_worker(Job("rebuild", str(chain.directory), url))
            if row_counts(url) != result["rows"]:
                raise RuntimeError(f"a rebuild wrote {row_counts(url)}, the backfill {result['rows']}")
            check_truth(chain, url)
            result["rebuild"] = {**again, "logs": rows["raw_log"]}
    return result


def best(results: list[dict[str, Any]], key: str = "seconds") -> dict[str, Any]:
    """The fastest run, with the times of all of them."""
    fastest = min(results, key=lambda result: float(result[key]))
    return {**fastest, f"all_{key}": [result[key] for result in results]}


def against_floor(chain: GeneratedChain, server: Postgres, runs: int, step: int) -> dict[str, Any]:
    """Backfill (reading twice, once, and without metrics), rebuild, and the floor with the rows that the indexer wrote, in turns."""
    twice, single, books, rebuilt, floors = [], [], [], [], []
    for _ in range(runs):
        twice.append(once(chain, server, then_rebuild=True))
        rebuilt.append(twice[-1].pop("rebuild"))
        single.append(once(chain, server, double_read=False))
        books.append(once(chain, server, metrics=False))
        rows = [(name, count) for name, count in twice[-1]["rows"].items() if name != "position"]
        with server.database() as url:
            floors.append(floor.isolated(chain, url, step=step, rows=rows))
    found = {
        "backfill": best(twice),
        "backfill_single_read": best(single),
        "backfill_books": best(books),
        "rebuild": best(rebuilt),
        "floor": best(floors, "total_seconds"),
    }
    least = found["floor"]["total_seconds"]
    for name in ("backfill", "backfill_single_read", "backfill_books"):
        found[name]["ratio_to_floor"] = round(found[name]["seconds"] / least, 2)
    found["rebuild"]["logs_per_second"] = round(found["rebuild"]["logs"] / found["rebuild"]["seconds"])
    found["rebuild"]["ratio_to_backfill"] = round(found["rebuild"]["seconds"] / found["backfill"]["seconds"], 2)
    return found


def slow_line(chain: GeneratedChain, server: Postgres, runs: int) -> dict[str, Any]:
    """Backfill over 40 ms of latency with a provider's caps, against loopback runs in between."""
    near, far = [], []
    for _ in range(runs):
        near.append(once(chain, server))
        far.append(once(chain, server, **SLOW))
    result = best(far)
    result["loopback_seconds"] = best(near)["seconds"]
    result["ratio_to_loopback"] = round(result["seconds"] / result["loopback_seconds"], 2)
    return result


def memory(chains: list[GeneratedChain], server: Postgres) -> list[dict[str, Any]]:
    """Peak memory of a backfill of chains of growing length."""
    found = []
    for chain in chains:
        result = once(chain, server)
        keys = ("logs", "peak_rss_mib", "seconds", "logs_per_second", "load_average")
        found.append({"blocks": chain.head + 1, **{key: result[key] for key in keys}})
    return found
