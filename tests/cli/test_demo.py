"""The demo and a replay, from an empty folder, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from indexer.config import ROOT


def test_demo_once_indexes_everything_and_prints_a_summary(leverage: Callable) -> None:
    done = leverage("demo", "--once")
    assert done.code == 0, done.err
    assert "aave_v3" in done.out and "morpho_blue" in done.out
    again = leverage("demo", "--once")
    assert again.code == 0
    assert again.out == done.out


def test_a_recording_is_replayed_rebuilt_and_shown(leverage: Callable) -> None:
    demo = str(ROOT / "demo")
    assert leverage("index", "--replay", demo, "--to", "600").code == 0
    assert {row["block_number"] for row in json.loads(leverage("status", "--json").out)} == {600}
    assert leverage("index", "--replay", demo).code == 0
    before = leverage("export", "position").out
    assert before.count("\n") > 50
    Path("leverage.toml").write_text((ROOT / "demo" / "leverage.toml").read_text())
    assert leverage("rebuild").code == 0
    assert leverage("export", "position").out == before
    assert leverage("rebuild", "--from", "500").code == 0
    assert leverage("export", "position").out == before
