"""House rules of the API: no SQL outside the store, none built from strings, nothing imported but what it may."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
API = sorted((ROOT / "api").rglob("*.py"))
QUERIES = sorted((ROOT / "indexer" / "store" / "queries").rglob("*.py"))
SQL = ("SELECT", "INSERT", "UPDATE", "DELETE", "WHERE", "FROM")
MAY_IMPORT = ("indexer.store", "indexer.config", "indexer.errors", "indexer.types", "indexer.units")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", API + QUERIES, ids=name)
def test_no_statement_is_built_from_strings(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        built = isinstance(node, ast.JoinedStr)
        built |= isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod)
        built |= isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
        if built:
            assert not any(word in text.split() for text in texts(node) for word in SQL), f"{name(path)}:{node.lineno}"  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", QUERIES, ids=name)
def test_statements_are_constants_whose_values_are_bound(path: Path) -> None:
    """Every statement is a module-level constant; interpolation marks are `%(name)s` only."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            for text in texts(node.value):
                if "SELECT" in text.split():
                    assert text.count("%") == text.count("%("), f"{name(path)}:{node.lineno}"


@pytest.mark.parametrize("path", API, ids=name)
def test_the_api_asks_the_store_for_everything(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for text in texts(tree):
        assert not text.lstrip().startswith("SELECT ") or text in (
            "SELECT 1",
            "SELECT set_config('statement_timeout', %s, false)",
            "SELECT set_config('statement_timeout', %s, true)",
        )
    for node in ast.walk(tree):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            if module.split(".")[0] == "indexer":
                assert module.startswith(MAY_IMPORT), f"{name(path)} imports {module}"
