"""Load: the API as bots and a page would use it, while blocks arrive.

* the made-up pool of `bench.risk` (Aave, 200,000 borrowers) with its `risk_head`, in the embedded PostgreSQL
* the API as a user runs it: one uvicorn process on loopback, its defaults
* a writer in this process: every `BLOCK_SECONDS` a block with moved prices and changed accounts, committed in one transaction with what
  `measures.risk` and `measures.stream` make of it
* the load in a process of its own (`python -m bench.load_client`): pollers of the at-risk list, every second one with the last ETag, and
  listeners of `/v1/stream` who note every block's number

A listener that lacks a block which the writer committed while it was connected, or has one twice or out of order, has missed it.

Units    milliseconds of wall clock from sending a request to the last byte of its answer
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from api.settings import Settings
from bench.measure import Postgres, load_average
from bench.replay_node import ROOT
from bench.risk import CHAIN, Pool
from indexer.measures import Committed, risk, stream

BLOCK_SECONDS = 3.0
CHANGED = 20
START_SECONDS = 30


def run(
    server: Postgres, seconds: float = 60, borrowers: int = 200_000, pollers: int = 50, listeners: int = 200
) -> dict[str, Any]:
    """Load the API for some seconds and return what the clients saw."""
    load = load_average()
    with server.database() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET jit = off")
        pool = Pool(connection, borrowers, random.Random(1))
        _commit(pool, 0)
        connection.execute("VACUUM ANALYZE")
        with api(url) as address:
            asked = {"address": address, "seconds": seconds, "pollers": pollers, "listeners": listeners}
            client = subprocess.Popen(
                [sys.executable, "-m", "bench.load_client", json.dumps(asked)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            try:
                assert client.stdout is not None
                assert client.stdin is not None
                if client.stdout.readline().strip() != "ready":
                    raise RuntimeError("the load generator did not start")
                blocks, commits = [], []
                end = time.monotonic() + seconds
                while (due := time.monotonic() + BLOCK_SECONDS) < end:
                    begun = time.perf_counter()
                    _commit(pool, CHANGED)
                    commits.append((time.perf_counter() - begun) * 1e3)
                    blocks.append(pool.block)
                    time.sleep(max(0.0, due - time.monotonic()))
                told, _ = client.communicate(f"{pool.block}\n", timeout=seconds + 60)
            finally:
                if client.poll() is None:
                    client.kill()
                client.wait()
    found: dict[str, Any] = json.loads(told)
    heard = found.pop("heard")
    missed = sum(len(set(blocks) - set(one)) for one in heard)
    wrong = sum(one != sorted(set(one)) for one in heard)
    return {
        "seconds": seconds, "borrowers": borrowers, "pollers": pollers, "listeners": listeners, "blocks": len(blocks),
        "commit_ms": quantiles(commits), **found, "events_expected": len(blocks) * listeners, "missed_events": missed,
        "listeners_out_of_order": wrong, "load_average": load,
    }  # fmt: skip


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 and the worst."""
    ordered = sorted(values)
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "worst": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 2) for name, part in places.items()}


def _commit(pool: Pool, changed: int) -> None:
    with pool.connection.transaction():
        pool.next_block(changed)
        step = Committed(CHAIN, pool.block, pool.block, ("aave_v3",), at_head=True)
        risk.at_step(pool.connection, step)
        stream.at_step(pool.connection, step)


@contextmanager
def api(url: str) -> Iterator[str]:
    """The API in a process of its own, on a free port of loopback; ended when the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "api.main:from_environment", "--factory", "--host", "127.0.0.1",
               "--port", str(port), "--no-access-log", "--log-level", "warning"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | Settings(database=url).environment())
    try:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the API did not answer within {START_SECONDS} seconds") from None
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
