"""Write `docs/data-model.md`: every table, view and function for people, as the code and the database say.

Usage   python -m tools.make_docs            write the page (`make docs`)
        python -m tools.make_docs --check    exit 1 when it differs
Source  tables: `indexer/store/schema.py`; views and functions: the catalog of a freshly migrated embedded PostgreSQL;
        transaction types: `indexer/protocol.py`, their meanings from `docs/glossary.md`
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from indexer.protocol import TRANSACTION_TYPES
from indexer.store.embedded import Embedded
from indexer.store.migrate import upgrade
from indexer.store.schema import BY_BLOCK, TRUTH, metadata

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "data-model.md"
GLOSSARY = ROOT / "docs" / "glossary.md"

HEAD = """\
<!-- Written by tools/make_docs.py from the schema and the database's catalog. Change those, then run `make docs`. -->

# Data model

The tables, views and functions are a public interface: their names and meanings change only with a major version.

* **Views and functions are for people**: hex as text, decimals applied, USD where a price is known. Start there.
* **Tables hold exact integers and bytes.** `*_raw` are on-chain integers in base units, `NUMERIC(78,0)`; nothing is rounded.
* **Unknown is NULL**, never zero and never a guess: decimals, prices, amounts under a rate model without rules.
* **As of a block** means after its last transaction, interest extrapolated to its own timestamp. The functions that take
  `(chain_id, block)` say so for any covered block; the views of the same columns say it of the indexed head. A block
  whose header is not kept raises `LV001`, one outside coverage `LV002`, each with a hint.
* **Addresses and hashes** in views are lower case: `WHERE account = '0x...'`.
"""

VIEWS = """
SELECT c.relname, obj_description(c.oid, 'pg_class'), a.attname, format_type(a.atttypid, a.atttypmod),
       col_description(c.oid, a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname, a.attnum
"""

FUNCTIONS = """
SELECT p.proname, pg_get_function_arguments(p.oid), obj_description(p.oid, 'pg_proc'),
       pg_get_function_result(p.oid),
       coalesce(
           (SELECT array_agg(n || ' ' || format_type(t, NULL) ORDER BY o)
            FROM unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY AS u (n, t, m, o) WHERE m = 't'),
           (SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
            FROM pg_type y JOIN pg_attribute a ON a.attrelid = y.typrelid AND a.attnum > 0
            WHERE y.oid = p.prorettype AND y.typtype = 'c'))
FROM pg_proc p
WHERE p.pronamespace = current_schema()::regnamespace AND obj_description(p.oid, 'pg_proc') IS NOT NULL
ORDER BY p.proname
"""

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

VIEW_OF_FUNCTION = {
    "positions_at": "positions", "positions_of": "positions", "markets_at": "markets",
    "account_health": "v_account_leverage", "account_health_of": "v_account_leverage",
    "account_health_among": "v_account_leverage", "limits_at": "limits",
    "liquidation_risk_at": "liquidation_risk", "protocol_leverage_at": "protocol_leverage",
    "perp_market_state_at": "perp_market_state", "imbalance_at": "imbalance", "purge_events_at": "purge_events",
    "market_corrections_at": "market_corrections",
}  # fmt: skip
"""Functions that return the columns of a view; the view's section explains them."""


def main() -> int:
    """Write or check the page; return the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/data-model.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page differs")
    check: bool = parser.parse_args().check
    with tempfile.TemporaryDirectory(prefix="leverage-docs-") as folder, Embedded(Path(folder)) as url:
        upgrade(url)
        text = render(url)
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{'differs' if check else 'wrote'} {PAGE.relative_to(ROOT)}")
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    return 1 if check else 0


def render(url: str) -> str:
    """Return the page's text, read from the schema and from a migrated database."""
    with psycopg.connect(url) as connection:
        views = _views(connection.execute(VIEWS).fetchall())
        functions = connection.execute(FUNCTIONS).fetchall()
    tables = metadata.tables.values()
    names = {
        "Views": list(views), "Functions": [row[0] for row in functions], "Tables": [table.name for table in tables],
    }  # fmt: skip
    contents = [f"* {kind}: {', '.join(_link(name) for name in sorted(found))}" for kind, found in names.items()]
    parts = [HEAD, "\n".join([*contents, "* [Transaction types](#transaction-types)"]) + "\n", "## Views\n"]
    parts += [_view(name, comment, columns) for name, (comment, columns) in views.items()]
    parts += ["## Functions\n", *(_function(views, *row) for row in functions)]
    parts += ["## Tables\n", *(_table(table) for table in tables), _types()]
    return "\n".join(parts)


def _link(name: str) -> str:
    return f"[`{name}`](#{name})"


def _views(rows: Iterable[Sequence[Any]]) -> dict[str, tuple[str, list[tuple[str, str, str]]]]:
    found: dict[str, tuple[str, list[tuple[str, str, str]]]] = {}
    for view, comment, column, kind, words in rows:
        found.setdefault(view, (comment, []))[1].append((column, kind, words))
    return found


def _view(name: str, comment: str, columns: Iterable[tuple[str, str, str]]) -> str:
    lines = [f"### {name}\n", f"{_sentence(comment)}\n", "| column | type | |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{column}` | {kind} | {_cell(words)} |" for column, kind, words in columns), ""])


def _function(
    views: dict[str, Any], name: str, arguments: str, comment: str, result: str, columns: list[str] | None
) -> str:
    lines = [f"### {name}\n", f"`{name}({_plain(arguments)})`: {_sentence(comment)}\n"]
    if columns is None:
        lines.append(f"Returns {result}.\n")
    elif name in VIEW_OF_FUNCTION:
        view = VIEW_OF_FUNCTION[name]
        shown = {column for column, _, _ in views[view][1]}
        if lacking := [column for column in columns if column.split()[0] not in shown]:
            raise AssertionError(f"{name} returns {lacking}, which the view {view} does not have")
        lines.append(f"Returns the columns of {_link(view)}.\n")
    else:
        lines.append(f"Returns rows of {', '.join(f'`{column}`' for column in columns)}.\n")
    return "\n".join(lines)


def _plain(arguments: str) -> str:
    """Return `chain_id bigint, ...`: the prefix p_ only keeps arguments and columns apart."""
    named = re.sub(r"\bp_(\w+)", lambda found: {"chain": "chain_id"}.get(found[1], found[1]), arguments)
    return re.sub(r"(DEFAULT NULL)::\w+", r"\1", named)


def _table(table: Table) -> str:
    notes = [f"Key: {', '.join(f'`{column.name}`' for column in table.primary_key)}."]
    if table.dialect_options["postgresql"]["partition_by"]:
        notes.append("Partitioned by chain.")
    if table in TRUTH:
        notes.append("Kept by a rebuild.")
    if table in BY_BLOCK:
        notes.append("Rows above a replaced block are deleted.")
    lines = [f"### {table.name}\n", f"{_sentence(str(table.comment))} {' '.join(notes)}\n"]
    lines += ["| column | type | |", "|---|---|---|", *map(_column, table.columns), ""]
    return "\n".join(lines)


def _column(column: Column[Any]) -> str:
    kind = column.type.compile(dialect=DIALECT).lower()
    return f"| `{column.name}` | {kind}{', may be NULL' if column.nullable else ''} | {_cell(str(column.comment))} |"


def _types() -> str:
    meanings = dict(transaction_types())
    rows = [f"| `{name}` | {meanings[name]} |" for name in TRANSACTION_TYPES]
    told = "`transaction_type` is one of these. The list is closed: a new one is a new data version.\n"
    return "\n".join(["## Transaction types\n", told, "| type | means | who is who |", "|---|---|---|", *rows, ""])


def transaction_types() -> Iterator[tuple[str, str]]:
    """Yield each transaction type of the glossary with the rest of its row."""
    section = GLOSSARY.read_text(encoding="utf-8").partition("\n## Transaction types\n")[2]
    yield from re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
