"""The demo and a replay, from an empty folder, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.config import ROOT

DEMO = str(ROOT / "demo")


@pytest.fixture
def out(leverage: Callable) -> Callable[..., str]:
    """Return a function that runs a command which has to end well, and returns what it printed."""

    def run(*arguments: str) -> str:
        done = leverage(*arguments)
        assert done.code == 0, (arguments, done.err)
        return str(done.out)

    return run


def test_demo_once_indexes_everything_and_prints_a_summary(out: Callable[..., str]) -> None:
    first = out("demo", "--once")
    assert "aave_v3" in first and "morpho_blue" in first
    assert out("demo", "--once") == first


@pytest.mark.parametrize(
    ("stop", "middle", "end", "at_least"),
    [(120, 150, 200, 20), pytest.param(600, 500, None, 50, marks=pytest.mark.slow)],
)
def test_a_recording_is_replayed_and_rebuilt(
    stop: int, middle: int, end: int | None, at_least: int, out: Callable[..., str]
) -> None:
    def blocks() -> set[int]:
        return {row["block_number"] for row in json.loads(out("status", "--json"))}

    def positions() -> list[str]:
        return sorted(out("export", "position").splitlines())

    out("index", "--replay", DEMO, "--to", str(stop))
    assert blocks() == {stop}
    out("index", "--replay", DEMO, *(() if end is None else ("--to", str(end))))
    assert min(blocks()) > stop and (end is None or blocks() == {end})
    before = positions()
    assert len(before) > at_least

    Path("leverage.toml").write_text(Path(DEMO, "leverage.toml").read_text())  # rebuild has to know the deployments
    out("rebuild")
    assert positions() == before
    out("rebuild", "--from", str(middle))
    assert positions() == before
