"""A documented relation as a file: CSV straight from COPY, Parquet in row groups. Memory stays flat.

Exact    raw amounts are whole digits in CSV and decimal text in Parquet, whose own decimals end at 76 digits
Hex      `bytea` becomes 0x text in both
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any, Literal

import psycopg
from psycopg import sql

from indexer.config_problems import suggest
from indexer.errors import BadConfig

Format = Literal["csv", "parquet"]

ROW_GROUP = 50_000
"""Rows held in memory at a time."""

RELATIONS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm') AND obj_description(c.oid, 'pg_class') IS NOT NULL
ORDER BY c.relname
"""

COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def relations(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the tables and views that have a description, which is what makes them public."""
    return [row[0] for row in connection.execute(RELATIONS)]


def copy_table(connection: psycopg.Connection[Any], table: str, format: Format, out: IO[bytes]) -> int:
    """Write every row of a relation to `out` and return how many there were.

    Raises  BadConfig when there is no such documented relation
    """
    known = relations(connection)
    if table not in known:
        raise BadConfig(f"no table or view {table!r}{suggest(table, known) or '; the database is empty, index first'}")
    columns = [(str(name), str(kind)) for name, kind in connection.execute(COLUMNS, [table])]
    return {"csv": _csv, "parquet": _parquet}[format](connection, table, columns, out)


def _select(table: str, columns: list[tuple[str, str]], text: frozenset[str]) -> sql.Composed:
    """Return the SELECT of all rows: bytea as 0x text, columns of the kinds in `text` as text."""

    def column(name: str, kind: str) -> sql.Composed:
        wrap = "'0x' || encode({0}, 'hex') AS {0}" if kind == "bytea" else "{0}::text AS {0}" if kind in text else "{0}"
        return sql.SQL(wrap).format(sql.Identifier(name))

    listed = sql.SQL(", ").join(column(name, kind) for name, kind in columns)
    return sql.SQL("SELECT {} FROM {}").format(listed, sql.Identifier(table))


def _csv(connection: psycopg.Connection[Any], table: str, columns: list[tuple[str, str]], out: IO[bytes]) -> int:
    query = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(_select(table, columns, frozenset()))
    with connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            for block in copy:
                out.write(block)
        return cursor.rowcount


def _parquet(connection: psycopg.Connection[Any], table: str, columns: list[tuple[str, str]], out: IO[bytes]) -> int:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise BadConfig("Parquet needs pyarrow; run `.venv/bin/pip install pyarrow`, or write --format csv") from None
    kinds: dict[str, Callable[[], Any]] = {
        "bigint": arrow.int64,
        "integer": arrow.int32,
        "smallint": arrow.int16,
        "boolean": arrow.bool_,
        "double precision": arrow.float64,
        "timestamp with time zone": lambda: arrow.timestamp("us", tz="UTC"),
    }
    schema = arrow.schema([(name, kinds.get(kind, arrow.string)()) for name, kind in columns])
    text = frozenset(kind for _, kind in columns if kind not in kinds and kind != "bytea")
    rows = 0
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for group in _groups(connection, _select(table, columns, text)):
            rows += len(group)
            arrays = [
                arrow.array(column, field.type) for column, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
    return rows


def _groups(connection: psycopg.Connection[Any], query: sql.Composed) -> Iterator[list[tuple[Any, ...]]]:
    with connection.cursor(name="leverage_export") as cursor:
        cursor.execute(query)
        while group := cursor.fetchmany(ROW_GROUP):
            yield group
