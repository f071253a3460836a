"""What the measurements share: the tuned PostgreSQL, fresh databases, the indexer's process, the comparison with truth.

Units    seconds of wall clock or CPU, MiB (2**20 bytes), logs a second
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from bench.chain_generator import GeneratedChain
from bench.replay_node import ROOT
from indexer.store.embedded import Embedded
from indexer.store.migrate import upgrade

TEMPLATE = "bench_template"

TABLES = ("raw_log", "action", "position_change", "market_state", "block", "price", "node_read")
"""Tables with a row a log or a block; the floor copies as many rows of each."""


class WrongResult(Exception):
    """The indexer's balances are not the chain's: the figures of that run mean nothing."""


class Postgres:
    """The embedded server with the indexer's own settings, and databases that are migrated already."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self._data = str(data)
        self._numbers = count(1)
        with self._admin() as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        upgrade(self._url_of(TEMPLATE))

    def _url_of(self, name: str) -> str:
        before, query = self.url.split("?", 1)
        return f"{before.rsplit('/', 1)[0]}/{name}?{query}"

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database with the newest schema; dropped afterwards. Dirty pages are written before it is given out."""
        name = f"bench_{next(self._numbers)}"
        with self._admin() as admin:
            command = "CREATE DATABASE {} TEMPLATE {}"
            admin.execute(sql.SQL(command).format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
            admin.execute("CHECKPOINT")
        try:
            yield self._url_of(name)
        finally:
            with self._admin() as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def cpu_seconds(self) -> float:
        """CPU of the whole server since its start, ended backends included."""
        total = 0.0
        for process in psutil.process_iter(["cwd", "name"]):
            if process.info["cwd"] == self._data and "postgres" in (process.info["name"] or ""):
                try:
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                total += times.user + times.system + times.children_user + times.children_system
        return total


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The embedded PostgreSQL in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-pg-", ignore_cleanup_errors=True) as directory:
        embedded = Embedded(Path(directory))
        with embedded as url:
            yield Postgres(url, embedded.data)


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker process is to do: `index` up to the head, `rebuild`, or `follow` for ever. See `bench.worker`."""

    what: str
    chain: str
    database: str
    node: str = ""
    double_read: bool = True
    poll_seconds: float = 0.2
    metrics: bool = True
    """False leaves out what `indexer.measures` computes: decoding, ledger and store alone, which no user can ask for."""


@contextmanager
def worker(job: Job) -> Iterator[subprocess.Popen[str]]:
    """The indexer in a process of its own; killed when the block ends before it does."""
    command = [sys.executable, "-m", "bench.worker", json.dumps(asdict(job))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def run_worker(job: Job) -> dict[str, Any]:
    """Run a job to its end and return what it measured of itself, with `process_seconds` from start to exit."""
    began = time.perf_counter()
    with worker(job) as process:
        told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the worker failed with exit code {process.returncode}")
    result: dict[str, Any] = json.loads(told)
    return {**result, "process_seconds": round(time.perf_counter() - began, 3)}


def row_counts(database: str) -> dict[str, int]:
    """Rows of every table that grows with the chain, and of `position`."""
    with psycopg.connect(database) as connection:
        return {name: _count(connection, name) for name in (*TABLES, "position")}


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


def check_truth(chain: GeneratedChain, database: str) -> int:
    """Compare every balance, index and collateral flag with the generator's books; return the number of balances.

    Raises  WrongResult
    """
    truth = chain.truth()
    scaled: dict[str, dict[str, str]] = {token: {} for token in truth["scaled"]}
    backing: dict[str, list[str]] = {asset: [] for asset in truth["collateral"]}
    with psycopg.connect(database) as connection:
        cursor = connection.execute(
            "SELECT min(block_number), count(*) FROM cursor WHERE status <> 'stopped'"
        ).fetchone()
        if cursor != (chain.head, 1):
            raise WrongResult(f"the cursor stands at {cursor}, the head is {chain.head}")
        for token, asset, account, side, shares, flag in connection.execute(
            """
            SELECT '0x' || encode(CASE p.side WHEN 'debt' THEN m.debt_token ELSE m.supply_token END, 'hex'),
                   '0x' || encode(m.asset, 'hex'), '0x' || encode(p.account, 'hex'), p.side, p.shares_raw, p.is_collateral
            FROM position p JOIN market m USING (chain_id, market_key) ORDER BY p.account
            """
        ):
            if shares:
                scaled[token][account] = str(shares)
            if flag and side == "supply":
                backing[asset].append(account)
        indexes = {
            row[0]: (str(row[1]), str(row[2]))
            for row in connection.execute(
                """
                SELECT DISTINCT ON (market_key) '0x' || encode(m.asset, 'hex'), s.supply_index_raw, s.debt_index_raw
                FROM market_state s JOIN market m USING (chain_id, market_key) ORDER BY market_key, s.block_number DESC
                """
            )
        }
    for token, book in truth["scaled"].items():
        if scaled[token] != book:
            wrong = [
                account
                for account in book.keys() | scaled[token].keys()
                if book.get(account) != scaled[token].get(account)
            ]
            raise WrongResult(f"{len(wrong)} scaled balances of {token} differ, first {wrong[0]}")
    for asset, reserve in truth["reserves"].items():
        if indexes[asset] != (reserve["liquidity_index"], reserve["debt_index"]):
            raise WrongResult(f"indexes of {asset}: {indexes[asset]} instead of {reserve}")
        if sorted(backing[asset]) != truth["collateral"][asset]:
            raise WrongResult(f"collateral flags of {asset}")
    return sum(map(len, scaled.values()))


def load_average() -> float:
    """Processes that wanted a core over the last minute, before a part begins."""
    return round(os.getloadavg()[0], 1)
