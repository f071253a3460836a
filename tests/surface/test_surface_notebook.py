"""docs/examples/leverage.ipynb is its script, and runs on the demo chain."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from tools.make_notebook import NOTEBOOK, notebook, run


def cells(of: Any) -> list[tuple[str, str]]:
    return [(cell["cell_type"], cell["source"]) for cell in of.cells]


def tables(of: Any) -> list[str]:
    return [
        output["data"]["text/markdown"]
        for cell in of.cells
        for output in cell.get("outputs", ())
        if "text/markdown" in output.get("data", {})
    ]


KEPT = nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_its_script() -> None:
    assert cells(KEPT) == cells(notebook()), "run `python -m tools.make_notebook`"


def test_its_cells_compile_and_were_run() -> None:
    for cell in KEPT.cells:
        if cell["cell_type"] == "code":
            compile(cell["source"], "cell", "exec")
            assert not [output for output in cell["outputs"] if output["output_type"] == "error"]
    assert len(tables(KEPT)) == 4
    assert all(len(table.splitlines()) > 2 for table in tables(KEPT)), "a table without rows"


@pytest.mark.slow
def test_it_gives_the_tables_that_it_shows(demo: str) -> None:
    assert tables(run(demo)) == tables(KEPT)
