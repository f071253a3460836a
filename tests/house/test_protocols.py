"""docs/protocols.md says of every adapter what the adapter says of itself. The numbers are of the run that wrote it."""

from __future__ import annotations

import ast
import re

import pytest

from indexer.protocols import discover
from tools import make_protocols

HEADING = "| protocol | version proven | checkpoints | answers compared | mismatches | proven how | not covered |"


def table() -> dict[str, list[str]]:
    """Return the cells of each row of the first table, by slug."""
    lines = make_protocols.PAGE.read_text(encoding="utf-8").splitlines()
    rows = lines[lines.index(HEADING) + 2 :]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[: rows.index("")]]
    return {re.sub(r"\[(\w+)\].*", r"\1", row[0]): row[1:] for row in cells}


def test_every_adapter_is_listed_and_nothing_else() -> None:
    assert set(table()) == set(discover()), "run `make protocols`"


@pytest.mark.parametrize("slug", discover())
def test_the_status_is_the_adapters_own(slug: str) -> None:
    version, checkpoints, compared, mismatches, how, outside = table()[slug]
    proven = discover()[slug].proven
    if proven:
        assert (how, mismatches) == (proven, "0"), "run `make protocols`"
        assert version != "none"
        assert min(int(number.replace(",", "")) for number in (checkpoints, compared)) > 0
    else:
        assert how.startswith(make_protocols.UNPROVEN), "run `make protocols`"
        assert version == "none"
    assert outside == make_protocols.outside_of(slug), "run `make protocols`"


def test_what_proves_an_adapter_records_what_it_compared() -> None:
    """An adapter that says it is proven has a test that records numbers under its slug."""
    recorded = set()
    for name in make_protocols.recorded_tests():
        file = make_protocols.ROOT / name.partition("::")[0]
        recorded |= {
            node.value
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    assert [slug for slug, protocol in discover().items() if protocol.proven and slug not in recorded] == []


def test_a_page_without_a_run_of_what_is_proven_is_not_written() -> None:
    proven = {slug: protocol for slug, protocol in discover().items() if protocol.proven}
    with pytest.raises(SystemExit, match="no test recorded it"):
        make_protocols.render([], proven)


def test_the_numbers_of_the_page_are_read_back_as_they_were_written() -> None:
    """Where a recording is not here its test skips, and the page keeps what an earlier run said: the sums are of these."""
    rows = make_protocols.kept()
    for slug, (_, *numbers, _, _) in table().items():
        own = [row for row in rows if row["slug"] == slug]
        sums = [f"{sum(row[name] for row in own):,}" for name in ("checkpoints", "compared", "mismatches")]
        assert numbers == (sums if own else ["-"] * 3)


def test_what_is_left_out_is_told_in_whole_sentences() -> None:
    long = "Word " * 60
    told = make_protocols.left_out(f"# X\n\n**Left out.** Rewards | of\n[Aave v3.0](a.md). {long}ends. More.\n\nElse.")
    assert told == "Rewards \\| of Aave v3.0."
    assert make_protocols.left_out("# X\n\nNothing said.") == "-"
