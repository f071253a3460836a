"""How a SELECT is run, and how a list is cut into slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

Row = dict[str, Any]
"""One row by column name, ready for JSON."""

Key = tuple[str | int, ...]
"""Where a slice ended: the values of its ordering columns in the last row."""

Keyset = tuple[tuple[str, Literal["text", "integer", "number", "key", "address"]], ...]
"""The columns that order a list and the kind of each. `number` is an exact decimal carried as text, `key` a signed
64-bit integer carried as text, `address` 0x and 40 lower-case hex digits: what a statement casts must be of its form."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a list. `next_key` is None on the last part."""

    rows: list[Row]
    next_key: Key | None


def select(connection: Connection[Any], statement: LiteralString, parameters: Mapping[str, object]) -> list[Row]:
    """Run one prepared SELECT and return its rows."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters, prepare=True).fetchall()


def select_one(connection: Connection[Any], statement: LiteralString, parameters: Mapping[str, object]) -> Row | None:
    """Run one prepared SELECT of at most one row."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters, prepare=True).fetchone()


def select_slice(
    connection: Connection[Any],
    statement: LiteralString,
    keyset: Keyset,
    after: Key | None,
    limit: int,
    parameters: Mapping[str, object],
) -> Slice:
    """Run a SELECT that orders by `keyset`, takes `%(limit)s` rows and begins after `%(key_0)s, %(key_1)s, ...`.

    One row more than asked is read to know whether another slice follows.
    """
    key = {f"key_{n}": after[n] if after is not None else None for n in range(len(keyset))}
    rows = select(connection, statement, {**parameters, **key, "limit": limit + 1})
    if len(rows) <= limit:
        return Slice(rows, None)
    last = rows[limit - 1]
    return Slice(rows[:limit], tuple(last[name] for name, _ in keyset))
