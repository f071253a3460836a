"""The documents say what the code does: generated pages, commands, keys, routes, links, and what the README shows."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from rich.console import Console
from typer.testing import CliRunner

from api.main import ROUTERS
from api.routes.stream import PARAMETERS
from api.settings import PREFIX
from api.settings import Settings as ApiBounds
from indexer.cli import app
from indexer.commands.demo import demo_settings, print_leverage, print_summary
from indexer.config import ApiSettings, ChainSettings, DeploymentSettings, Settings, known_protocols, parse
from indexer.errors import DatabaseUnavailable
from indexer.protocol import TRANSACTION_TYPES
from indexer.store import status
from tools import make_docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md")]
    + [page for room in ("docs", "indexer", "abis", "demo", "bench", "tests") for page in (ROOT / room).rglob("*.md")]
)
PAGES = [page for page in PAGES if "node_modules" not in page.parts]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SHARED_OPTIONS = {"--config", "--chain", "--help"}
"""Told once, below the table of commands."""


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """A function that makes a migrated database, or skip where no server can be started."""
    try:
        request.getfixturevalue("server")
    except (OSError, RuntimeError, DatabaseUnavailable, psycopg.OperationalError) as error:
        pytest.skip(f"no PostgreSQL can be started here: {error}")
    make: Callable[[], str] = request.getfixturevalue("migrated_database")
    return make


# --------------------------------------------------------------------------------------------------- generated


def test_the_data_model_is_up_to_date(database: Callable[[], str]) -> None:
    assert make_docs.PAGE.read_text(encoding="utf-8") == make_docs.render(database()), "run `make docs`"


def test_the_glossary_explains_each_transaction_type() -> None:
    assert sorted(kind for kind, _ in make_docs.transaction_types()) == sorted(TRANSACTION_TYPES)


# ------------------------------------------------------------------------------------------------ commands, keys


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_and_option_is_in_the_readme(command: str) -> None:
    row = re.search(rf"^\| `leverage {command}\b.*$", README, re.MULTILINE)
    assert row, f"no row for `leverage {command}` in README.md"
    long = {option for parameter in COMMANDS[command].params for option in parameter.opts if option.startswith("--")}
    assert [option for option in sorted(long - SHARED_OPTIONS) if option not in row[0]] == []


def test_no_command_is_documented_that_is_not_there() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    told = set(re.findall(r"`(?:\$ )?(?:\.venv/bin/)?leverage ([a-z][a-z-]+)\b", text))
    assert told <= set(COMMANDS)


def test_options_before_the_command_are_in_the_readme() -> None:
    root: Any = typer.main.get_command(app)
    told = {option for parameter in root.params for option in parameter.opts if option.startswith("--")} - {"--help"}
    assert [option for option in sorted(told) if f"`{option}" not in README] == []


TABLES: tuple[tuple[str, type[BaseModel], set[str]], ...] = (
    ("## Top level", Settings, {"file"}),
    ("## `[api]`", ApiSettings, set()),
    ("## `[chain.<name>]`", ChainSettings, {"name"}),
    ("## `[[chain.<name>.deployment]]`", DeploymentSettings, set()),
)


def keys_told(heading: str) -> dict[str, str]:
    """Return key -> default as the section's table gives them."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"\n{heading}", 1)[1], flags=re.MULTILINE)[0]
    return {key: default.strip() for key, default in re.findall(r"^\| `(\w+)` \|([^|]*)\|", section, re.MULTILINE)}


@pytest.mark.parametrize(("heading", "model", "hidden"), TABLES, ids=[table[0] for table in TABLES])
def test_each_key_and_its_default_are_documented(heading: str, model: type[BaseModel], hidden: set[str]) -> None:
    told = keys_told(heading)
    assert set(told) == set(model.model_fields) - hidden
    for key, field in model.model_fields.items():
        if told.get(key, "") == "":  # a table of its own
            continue
        default = field.default
        if default is PydanticUndefined:
            expected = "required"
        elif default is None:
            expected = "none"
        elif default == ():
            expected = "`[]`"
        else:
            expected = f"`{json.dumps(os.fspath(default) if isinstance(default, Path) else default)}`"
        assert told[key] == expected, key


def test_the_example_names_every_key() -> None:
    text = (ROOT / "leverage.example.toml").read_text(encoding="utf-8")
    for _, model, hidden in TABLES:
        for key in set(model.model_fields) - hidden:
            assert re.search(rf"^(# )?(\[.*\b{key}\b.*\]|{key} =)", text, re.MULTILINE), key


def test_the_bounds_of_the_api_are_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    told = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*?) \|", text, re.MULTILINE))
    expected = {key: f"`{value}`" if value else "none" for key, value in ApiBounds(database="").environment().items()}
    expected[f"{PREFIX}DATABASE"] = "required"
    assert {PREFIX + key: value for key, value in told.items()} == expected


# -------------------------------------------------------------------------------------------------------- routes


def routes() -> Iterator[tuple[str, set[str]]]:
    for module in ROUTERS:
        for route in module.router.routes:
            if isinstance(route, APIRoute):
                for method in route.methods:
                    yield f"{method} {route.path}", {parameter.name for parameter in route.dependant.query_params}
            else:
                yield f"WS {route.path}", PARAMETERS


def test_each_route_and_its_own_parameters_are_documented() -> None:
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    told = {
        route: set(re.findall(r"`(\w+)`", parameters))
        for route, parameters in re.findall(r"^\| `([A-Z]+ /[^`]*)` \| .*? \|(.*)\|$", text, re.MULTILINE)
    }
    assert told == dict(routes())


# --------------------------------------------------------------------------------------------------------- words


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name(page)}: {target}"
        assert not anchor or anchor in anchors(found), f"{name(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rooms = "indexer|api|tests|tools|docs|abis|bench|demo|migrations"
    for path in re.findall(rf"`((?:{rooms})/[\w./-]*[\w/])`", text):
        if "toy_fork" not in path:
            assert (ROOT / path).exists(), f"{name(page)}: {path}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "leverage.example.toml", ROOT / "compose.yml"], ids=name)
def test_no_machine_and_no_private_host_is_named(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    private = r"/(?:home|root|Users|work|tmp|var/folders)/|\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+|\.(?:local|internal|lan)\b"
    assert re.findall(private, text) == []


# ------------------------------------------------------------------------------------------- what the README shows


@pytest.fixture(scope="module")
def demo(database: Callable[[], str], request: pytest.FixtureRequest) -> str:
    """The demo chain, indexed."""
    url: str = request.getfixturevalue("demo_database")()
    return url


def test_the_demo_prints_what_the_readme_shows(demo: str) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=110)
    with psycopg.connect(demo) as connection:
        for chain in demo_settings().chains:
            print_summary(console, status.summary(connection, chain.chain_id))
            print_leverage(console, status.leverage(connection, chain.chain_id))
    assert "\n".join(line.rstrip() for line in shown.getvalue().splitlines()) in README


def test_the_queries_of_the_readme_give_the_rows_below_them(demo: str) -> None:
    blocks = re.findall(r"^```sql\n(.*?)^```\n\n```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for query, shown in blocks:
        heading, _, *lines = shown.splitlines()
        with psycopg.connect(demo) as connection:
            cursor = connection.execute(query)
            names = [column.name for column in cursor.description or ()]
            rows = [[str(cell) for cell in row] for row in cursor.fetchall()]
        assert [cell.strip() for cell in heading.split("|")] == names
        assert [[cell.strip() for cell in line.split("|")] for line in lines] == rows


def test_the_first_hour_exports_the_demo(demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no leverage.toml is yet, the variable that the page sets names the demo's database."""
    page = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    \.venv/bin/leverage (export .*)$", page, re.MULTILINE)
    assert len(lines) == 2
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVERAGE_DATABASE_URL", demo)
    for line in lines:
        done = CliRunner().invoke(app, line.split())
        assert done.exit_code == 0, done.output
    assert len((tmp_path / "accounts.csv").read_text().splitlines()) > 50
    assert (tmp_path / "velocity.parquet").read_bytes()[:4] == b"PAR1"


def test_the_configuration_of_the_readme_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETH_RPC_URL", "https://node")
    blocks = re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1 and len(blocks[0].splitlines()) <= 5
    assert parse(blocks[0], ROOT / "leverage.toml", known_protocols()).chains[0].chain_id == 1
