"""What the tests of recordings compared, as JSON for `tools/make_protocols.py`, which writes docs/protocols.md from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.replay.answers import answers_of

FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "protocol-results"


def record(slug: str, version: str, checkpoints: int, compared: int, mismatches: int, how: str) -> None:
    """Write what one run of one recording gave; `how` names the recording. A later run of the same replaces it."""
    row = {
        "slug": slug, "version": version, "checkpoints": checkpoints, "compared": compared, "mismatches": mismatches,
        "how": how,
    }  # fmt: skip
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", f"{slug}-{version}-{how}".lower()).strip("-")
    (FOLDER / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def checkpoints_of(folder: Path) -> int:
    """Return at how many blocks a recording has answers."""
    return len({answer["block"] for answer in answers_of(folder)})
