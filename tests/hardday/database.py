"""What a database says, as text that can be compared: every table but what only operation knows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg
from psycopg import sql

from indexer.store import schema

WALL_CLOCK = {("chain", "seen_at")}

Dump = dict[str, list[str]]


def dump(url: str) -> Dump:
    """Return every table as sorted rows of text."""
    found: Dump = {}
    with psycopg.connect(url) as connection:
        for name, table in sorted(schema.metadata.tables.items()):
            if table in schema.OPERATION:
                continue
            columns = [column.name for column in table.columns if (name, column.name) not in WALL_CLOCK]
            fields = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
            rows = connection.execute(sql.SQL("SELECT ROW({})::text FROM {}").format(fields, sql.Identifier(name)))
            found[name] = sorted(row[0] for row in rows)
    return found


def differences(one: Dump, other: Dump, shown: int = 4) -> list[str]:
    """Return a line for each table that differs, with the first rows on either side only. Empty when they are equal."""
    lines = []
    for name in sorted(one.keys() | other.keys()):
        here, there = Counter(one.get(name, ())), Counter(other.get(name, ()))
        if here != there:
            left, right = sorted((here - there).elements()), sorted((there - here).elements())
            lines.append(f"{name}: {len(left)} rows only here {left[:shown]}, {len(right)} only there {right[:shown]}")
    return lines


def assert_equal(url: str, other: str) -> None:
    """Fail with the rows that differ between two databases."""
    found = differences(dump(url), dump(other))
    assert not found, "\n".join(found)


def cursors(url: str) -> dict[str, dict[str, Any]]:
    """Return the cursor row of each protocol: block, hash (0x text), status, error."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT protocol, block_number, block_hash, status, error FROM cursor").fetchall()
    return {
        row[0]: {"block": row[1], "hash": "0x" + row[2].hex() if row[2] else None, "status": row[3], "error": row[4]}
        for row in rows
    }


def count(url: str, query: str, *parameters: Any) -> int:
    """Return the one number that a query gives."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query, parameters).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return int(row[0])
