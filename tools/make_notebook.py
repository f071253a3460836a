"""Write docs/examples/leverage.ipynb from docs/examples/leverage.py, its cells run on the demo chain.

    python -m tools.make_notebook

The script is the source (`# %%` begins a cell, `# %% [markdown]` one of words). A test compares the cells, another runs them.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from indexer.config import ROOT
from indexer.store.embedded import Embedded
from tools.make_cookbook import demo

SCRIPT = ROOT / "docs" / "examples" / "leverage.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")
MARKER = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def notebook() -> Any:
    """Return the notebook of the script, not yet run."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    parts = MARKER.split(SCRIPT.read_text(encoding="utf-8"))[1:]
    for number, (words, text) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if words:
            cell = nbformat.v4.new_markdown_cell(re.sub(r"^# ?", "", text.strip(), flags=re.MULTILINE))
        else:
            cell = nbformat.v4.new_code_cell(text.strip())
        cell["id"] = f"cell-{number}"
        made.cells.append(cell)
    return made


def run(url: str) -> Any:
    """Return the notebook with what its cells answer on a database."""
    made = notebook()
    # the kernel is a process of its own
    environment = {**os.environ, "LEVERAGE_DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
    client = NotebookClient(made, timeout=300, kernel_name="python3")
    client.execute(env=environment, cwd=str(ROOT))
    for cell in made.cells:
        cell.get("metadata", {}).pop("execution", None)  # when it ran
    return made


def main() -> int:
    """Write the notebook; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="leverage-docs-") as folder, Embedded(Path(folder)) as own:
        url = sys.argv[1] if len(sys.argv) > 1 else own
        if url == own:
            demo(url)
        nbformat.write(run(url), NOTEBOOK)
    print(f"wrote {NOTEBOOK.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
