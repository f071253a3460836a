"""Kill the indexer at random moments, start it again, and measure how long its first new row takes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[2]
LIFETIME = 120.0


class Worker:
    """One process of the indexer. Killed by its own id."""

    def __init__(self, database: str, rpc: str, to: Any, **settings: Any) -> None:
        told = {"database": database, "rpc": rpc, "to": to, "settings": settings, "lifetime": LIFETIME}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.hardday.worker", json.dumps(told)], cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def end(self) -> str:
        """Wait for its own end; return what it wrote to standard error."""
        _, told = self.process.communicate(timeout=LIFETIME)
        return told.decode()


@dataclass
class Crashes:
    """What happened: kills, of those within the work, and seconds from each restart to the first new committed row."""

    kills: int = 0
    completed: int = 0
    to_first_row: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.to_first_row)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        if not self.to_first_row:
            return f"{self.kills} kills"
        return (
            f"{self.kills} kills; start of the process to the first new row: n {len(self.to_first_row)}, "
            f"p50 {self.percentile(0.5):.2f} s, p90 {self.percentile(0.9):.2f} s, max {max(self.to_first_row):.2f} s"
        )


class Place:
    """Where the cursors of a database stand, asked over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __call__(self) -> list[tuple[Any, ...]]:
        return self._connection.execute("SELECT protocol, block_number, block_hash FROM cursor ORDER BY 1").fetchall()

    def close(self) -> None:
        self._connection.close()


def torture(worker: Any, url: str, chance: random.Random, kills: int, spread: float, told: Crashes) -> bool:
    """Start and kill up to `kills` times, each within `spread` seconds after the first new row, or before it.

    Returns whether the work was done (the process ended by itself) before the last kill.
    """
    place = Place(url)
    try:
        for _ in range(kills):
            before = place()
            process = worker()
            if chance.random() < 0.15:  # while it starts, connects, takes the lock, loads
                _sleep_until(process, process.started + chance.uniform(0.0, 1.0))
            else:
                while process.running() and place() == before:
                    time.sleep(0.002)
                    assert time.monotonic() - process.started < LIFETIME, "no new row"
                if any(block is not None for _, _, block in place()):  # the first commit of all only opens the books
                    told.to_first_row.append(time.monotonic() - process.started)
                _sleep_until(process, time.monotonic() + chance.uniform(0.0, spread))
            if not process.running():
                error = process.end()
                assert process.process.returncode == 0, error
                told.completed += 1
                return True
            process.kill()
            told.kills += 1
    finally:
        place.close()
    return False


def _sleep_until(process: Worker, deadline: float) -> None:
    while process.running() and time.monotonic() < deadline:
        time.sleep(0.002)
