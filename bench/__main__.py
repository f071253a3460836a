"""``python -m bench``: measure the indexer against the floor and the targets; prints a table, writes JSON and Markdown."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench import adapters, backfill, cascade, exposure, floor, head, load, loops, report, restart, risk
from bench.chain_generator import DEFAULT_CACHE, GeneratedChain, ensure
from bench.measure import Postgres, load_average, postgres

PARTS = ("adapters", "backfill", "slow", "memory", "restart", "head", "exposure", "cascade", "risk", "loops", "load")
"""`backfill` includes the floor and the rebuild."""


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}; default: all")
    parser.add_argument("--logs", type=int, default=200_000)
    parser.add_argument("--blocks", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step", type=int, default=500, help="floor: blocks a getLogs call")
    parser.add_argument("--runs", type=int, default=3, help="the fastest of so many counts")
    parser.add_argument(
        "--sizes", default="1,2", help="memory: lengths of the chain, as multiples of --logs and --blocks"
    )
    parser.add_argument("--kills", type=int, default=10, help="restart: times the indexer is killed")
    parser.add_argument("--head-blocks", type=int, default=100, help="head: blocks that appear one by one")
    parser.add_argument("--load-seconds", type=float, default=60, help="load: how long clients ask and listen")
    parser.add_argument("--cache", type=Path, default=None, help="directory of generated chains; default .cache/bench")
    parser.add_argument("--json", type=Path, default=DEFAULT_CACHE / "results.json", help="where the results go")
    parser.add_argument("--results", type=Path, default=None, help="also write them as Markdown, e.g. bench/RESULTS.md")
    args = parser.parse_args()
    args.parts = args.parts.split(",")
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"--parts: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    return args


def chain_of(args: argparse.Namespace, times: int = 1) -> GeneratedChain:
    """The generated chain, or one several times as long."""
    return ensure(args.cache, logs=args.logs * times, blocks=args.blocks * times, seed=args.seed)


def measure(args: argparse.Namespace, server: Postgres) -> dict[str, Any]:
    """Run the parts asked for, one after the other."""
    chain = chain_of(args)
    with psycopg.connect(server.url) as connection:
        version = connection.execute("SHOW server_version").fetchone()
    about = report.about(version[0] if version else "unknown")
    about |= {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "load_before": load_average()}
    about |= {"logs": chain.logs, "blocks": chain.head + 1, "seed": args.seed, "runs": args.runs}
    results: dict[str, Any] = {"about": about, "machine": floor.machine()}
    for part in PARTS:
        if part not in args.parts:
            continue
        match part:
            case "adapters":
                results[part] = adapters.run()
            case "backfill":
                results[part] = backfill.against_floor(chain, server, args.runs, args.step)
            case "slow":
                results[part] = backfill.slow_line(chain, server, args.runs)
            case "memory":
                sizes = [int(size) for size in args.sizes.split(",")]
                results[part] = backfill.memory([chain_of(args, size) for size in sizes], server)
            case "restart":
                results[part] = restart.run(chain, server, args.kills, args.seed)
            case "head":
                results[part] = head.run(chain, server, args.head_blocks, args.seed)
            case "cascade":
                results[part] = cascade.run(passes=args.runs, seed=args.seed)
            case "risk":
                results[part] = risk.run(server)
            case "loops":
                results[part] = loops.run(seed=args.seed)
            case "load":
                results[part] = load.run(server, args.load_seconds)
            case "exposure":
                results[part] = exposure.run(args.seed)
        print(report.terminal({part: results[part]}), flush=True)
    results["about"]["load_after"] = load_average()
    return results


def main() -> None:
    """Measure, then write."""
    args = arguments()
    with postgres() as server:
        results = measure(args, server)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.results:
        args.results.write_text(report.markdown(results))
    print(f"{results['machine']}; load average {results['about']['load_before']} before; {args.json}")


if __name__ == "__main__":
    main()
