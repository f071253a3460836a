"""The command line, run in this process: exit code, what it printed, what it complained of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from indexer import cli


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own, which each new session closes to others: a server here runs as another user."""
    with tempfile.TemporaryDirectory(prefix="leverage-cli-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def leverage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Return a function that runs `leverage` with these arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Done:
        monkeypatch.setattr("sys.argv", ["leverage", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        return Done(code, *capsys.readouterr())

    return run
