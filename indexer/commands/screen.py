"""Progress on stderr: bars with rate and time left on a terminal, a plain line now and then otherwise."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from indexer.run import Progress

STDERR = Console(stderr=True)
"""Shared with the log, so that lines go above the bars."""

LINE_SECONDS = 5.0


class _Start(NamedTuple):
    at: float
    block: int
    task: TaskID


class Screen:
    """Shows `Progress` values of any number of chains, from any thread.

    with Screen() as screen: follow_chain(..., progress=screen)
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or STDERR
        self._bars = Bars(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
        )
        self._starts: dict[str, _Start] = {}
        self._last: dict[str, Progress] = {}
        self._shown: dict[str, float] = {}
        self._told: dict[str, Progress] = {}
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._bars.stop()
        else:
            for chain, progress in self._last.items():
                if self._told.get(chain) != progress:
                    self._print(progress, time.monotonic())

    def __call__(self, progress: Progress) -> None:
        """Show how far a chain is."""
        with self._lock:
            now = time.monotonic()
            if progress.chain not in self._starts:
                task = self._bars.add_task(progress.chain, total=None, text="")
                self._starts[progress.chain] = _Start(self._begin, progress.first_block - 1, task)
            self._last[progress.chain] = progress
            if self.console.is_terminal:
                self._bars.update(
                    self._starts[progress.chain].task,
                    total=progress.target - progress.first_block + 1,
                    completed=progress.block_number - progress.first_block + 1,
                    text=self.words(progress, now),
                )
            elif now - self._shown.get(progress.chain, -LINE_SECONDS) >= LINE_SECONDS:
                self._print(progress, now)

    def _print(self, progress: Progress, now: float) -> None:
        left = self.seconds_left(progress, now)
        ending = f", {timedelta(seconds=round(left))} left" if left else ""
        self.console.print(f"{progress.chain}: {self.words(progress, now)}{ending}", highlight=False, soft_wrap=True)
        self._shown[progress.chain], self._told[progress.chain] = now, progress

    def words(self, progress: Progress, now: float) -> str:
        """Return `block 1,234 of 5,678, 90 logs, 12 logs/s`."""
        seconds = max(now - self._starts[progress.chain].at, 0.001)
        place = f"block {progress.block_number:,}"
        if progress.target > progress.block_number:
            place += f" of {progress.target:,}"
        return f"{place}, {progress.logs:,} logs, {progress.logs / seconds:,.0f} logs/s"

    def seconds_left(self, progress: Progress, now: float) -> float | None:
        """Return how long it will take at the rate so far, or None at the target or before there is a rate."""
        start = self._starts[progress.chain]
        done, todo = progress.block_number - start.block, progress.target - progress.block_number
        return todo * (now - start.at) / done if done > 0 and todo > 0 else None
