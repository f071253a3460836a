"""Restart: `kill -9` in the middle of a backfill, start again, seconds until a new row is committed. Database up.

The real command (`leverage index --to latest`) with a configuration file; see ``bench.starter`` for the phases. After the
kills a last start runs to the end, and all balances must equal the generator's books.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from bench.chain_generator import GeneratedChain
from bench.measure import Postgres, check_truth, load_average
from bench.replay_node import ROOT, ReplayNode

PHASES = ("interpreter", "imports", "connect_and_load", "first_range", "committed")
"""What ends in turn after the start of the process. `committed` is booking and committing the first range."""

CONFIGURATION = """\
database = "{database}"
[chain.bench]
chain_id = {chain_id}
rpc = ["{node}"]
protocols = ["aave_v3"]
all_headers = false
[[chain.bench.deployment]]
protocol = "aave_v3"
name = "bench"
start_block = 1
contracts = {{ PoolAddressesProvider = "{provider}", AaveOracle = "{oracle}" }}
"""


def run(chain: GeneratedChain, server: Postgres, kills: int, seed: int = 1) -> dict[str, Any]:
    """Kill and restart so many times; return seconds from process start to the first commit, as a whole and by phase."""
    chance = random.Random(seed)
    starts: list[dict[str, float]] = []
    load = load_average()
    with ReplayNode(chain) as node, tempfile.TemporaryDirectory(prefix="bench-restart-") as folder:
        while len(starts) < kills:
            with server.database() as url:
                config = Path(folder) / "leverage.toml"
                told = {"provider": chain.contracts["provider"], "oracle": chain.contracts["oracle"]}
                config.write_text(CONFIGURATION.format(database=url, chain_id=chain.chain_id, node=node.url, **told))
                _start(config, url, chance)  # the first start of a database is not a restart
                while len(starts) < kills and _cursor(url) < chain.head // 2:
                    starts.append(_start(config, url, chance))
                quiet = subprocess.DEVNULL
                subprocess.run(_command(config), cwd=ROOT, check=True, stdout=quiet, stderr=quiet)
                balances = check_truth(chain, url)
    totals = sorted(start["total"] for start in starts)
    return {
        "kills": len(starts),
        "p50_seconds": totals[len(totals) // 2],
        "worst_seconds": totals[-1],
        "phase_p50_seconds": {phase: sorted(start[phase] for start in starts)[len(starts) // 2] for phase in PHASES},
        "all_seconds": [start["total"] for start in starts],
        "balances_checked": balances,
        "load_average": load,
    }


def _command(config: Path) -> list[str]:
    return [sys.executable, "-m", "bench.starter", "index", "--to", "latest", "--config", str(config)]


def _start(config: Path, url: str, chance: random.Random) -> dict[str, float]:
    """Start the command, wait for its first commit, kill it a moment later; return the seconds of each phase."""
    before = _cursor(url)
    began = time.monotonic()
    process = subprocess.Popen(_command(config), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        told = process.stdout.readline()
        if not told:
            raise RuntimeError(f"the command ended before a commit, exit code {process.wait()}")
        if _cursor(url) <= before:
            raise RuntimeError("the command says that it committed and the cursor has not moved")
        time.sleep(chance.uniform(0.0, 0.15))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    ends = json.loads(told)
    found, last = {}, began
    for phase in PHASES:
        found[phase] = round(ends[phase] - last, 3)
        last = ends[phase]
    return {**found, "total": round(last - began, 3)}


def _cursor(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT max(block_number) FROM cursor").fetchone()
    return -1 if row is None or row[0] is None else int(row[0])
