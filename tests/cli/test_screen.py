"""Progress without a terminal: plain lines, with the rate and the time left."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from indexer.commands import screen
from indexer.run import Progress


def test_lines_come_now_and_then_and_the_last_state_always(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    with screen.Screen(Console(file=out, force_terminal=False)) as shown:
        for second in range(1, 13):
            clock[0] = 100.0 + second
            shown(Progress("main", 1, second * 100, 2_000, second * 50))
    assert out.getvalue().splitlines() == [
        "main: block 100 of 2,000, 50 logs, 50 logs/s, 0:00:19 left",
        "main: block 600 of 2,000, 300 logs, 50 logs/s, 0:00:14 left",
        "main: block 1,100 of 2,000, 550 logs, 50 logs/s, 0:00:09 left",
        "main: block 1,200 of 2,000, 600 logs, 50 logs/s, 0:00:08 left",
    ]


def test_a_terminal_gets_a_bar_with_the_time_left() -> None:
    out = io.StringIO()
    with screen.Screen(Console(file=out, force_terminal=True, width=120)) as shown:
        shown(Progress("main", 0, 50, 100, 7))
    assert "main" in out.getvalue() and "block 50 of 100, 7 logs" in out.getvalue()
