"""`python -m tests.localchain record` and `demo`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from . import truth
from .build import REPOSITORY, BuildUnavailable
from .chain import LocalChain
from .record import record
from .scenario import Scenario


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line and runs one command; 0 when done, 3 when the packages cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.localchain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("record", help="run a random scenario and write it down")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--blocks", type=int, default=300, help="turns of the scenario, about one block each")
    run.add_argument("--aave", choices=["3.0.2", "3.6", "none"], default="3.6")
    run.add_argument("--no-morpho", action="store_true")
    run.add_argument("--no-aave-v2", action="store_true")
    run.add_argument("--no-perp", action="store_true")
    run.add_argument("--out", type=Path, required=True)
    demo = commands.add_parser("demo", help="make the demo recording again")
    demo.add_argument("--out", type=Path, default=REPOSITORY / "demo")
    told = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        if told.command == "demo":
            from .demo import make_demo

            make_demo(told.out)
        else:
            _record(told)
    except BuildUnavailable as missing:
        print(missing, file=sys.stderr)
        return 3
    print(f"written to {told.out} in {time.monotonic() - started:.0f} s")
    return 0


def _record(told: argparse.Namespace) -> None:
    aave = None if told.aave == "none" else told.aave
    more = {"aave_v2": not told.no_aave_v2, "perp": not told.no_perp}
    with LocalChain(aave=aave, morpho=not told.no_morpho, seed=told.seed, **more) as chain:
        scenario = Scenario(chain, told.seed)
        scenario.setup()
        scenario.steps(told.blocks)
        scenario.checkpoint("final")
        truth.snapshot(scenario, "final")
        record(scenario, told.out)


if __name__ == "__main__":
    sys.exit(main())
