"""Who may import whom: the contracts in pyproject.toml, which `lint-imports` checks too."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_import_contracts_are_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_every_module_of_the_indexer_has_its_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {name.strip() for layer in layers for name in layer.split("|")}
    there = {f"indexer.{path.stem}" for path in (ROOT / "indexer").iterdir() if path.suffix == ".py"}
    there |= {f"indexer.{path.parent.name}" for path in (ROOT / "indexer").glob("*/__init__.py")}
    assert there - {"indexer.__init__"} <= placed, "say in pyproject.toml where the new module stands"
