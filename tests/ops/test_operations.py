"""What operators get beside the product is true to it: the dashboard, alerts, compose file and log lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import metrics
from indexer.config import ROOT
from tests.api.conftest import TestClient

OPS = ROOT / "ops"
NAME = re.compile(r"\bleverage_[a-z0-9_]+")


def told() -> set[str]:
    """Names that the documentation of `/metrics` promises."""
    return set(NAME.findall(metrics.__doc__ or ""))


def family(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    board = json.loads((OPS / "grafana" / "leverage.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in board["templating"]["list"]]
    assert len(asked) >= 12
    names = {family(name) for text in asked for name in NAME.findall(text)}
    assert names <= told() and len(names) >= 10
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in board["panels"]]
    assert len(set(places)) == len(places)


def test_alerts_ask_for_metrics_that_exist() -> None:
    rules = yaml.safe_load((OPS / "alerts.yml").read_text())["groups"][0]["rules"]
    assert len(rules) >= 5
    for rule in rules:
        assert {family(name) for name in NAME.findall(rule["expr"])} <= told()
        assert rule["annotations"]["summary"] and rule["for"]


def test_documented_metrics_are_served(client: TestClient) -> None:
    client.get("/v1/status")
    served = {family(name) for name in NAME.findall(client.get("/metrics").text)}
    assert told() <= served


def test_compose_runs_what_there_is() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yml").read_text())
    services = compose["services"]
    assert services["indexer"]["command"] == "run" and services["api"]["command"].startswith("serve")
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and source != "./leverage.toml":
                assert (ROOT / source).exists(), source
            elif not source.startswith("./"):
                assert source in compose["volumes"]
    assert {"LEVERAGE_DATABASE_URL", "LEVERAGE_LOG_FORMAT"} <= services["api"]["environment"].keys()


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_lines(form: str, tmp_path: Path) -> None:
    """A command that logs and fails: each line on stderr that is a log line is of the form asked for."""
    code = (
        "import logging, sys; from indexer import cli\n"
        "@cli.app.command('say')\n"
        "def say() -> None: logging.getLogger('indexer.x').warning('block %s of %s', 7, 'chain')\n"
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--log-format", form, "say"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    if form == "json":
        found = json.loads(line)
        assert (found["levelname"], found["name"], found["message"]) == ("WARNING", "indexer.x", "block 7 of chain")
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", found["asctime"])
    else:
        assert line.endswith("WARNING indexer.x: block 7 of chain")
