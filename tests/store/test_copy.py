"""COPY encoders go by column name; the schema says what those columns are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Boolean, Integer, LargeBinary, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.ledger.rows import COLUMNS
from indexer.store.copy import BOOLEAN, BYTES, JSON, TEXT, encode_logs
from indexer.store.schema import metadata
from indexer.store.writer import BLOCK_COLUMNS, LOG_COLUMNS
from indexer.types import Logs

COPIED = {**COLUMNS, "block": BLOCK_COLUMNS, "position": COLUMNS["position_change"]}


@pytest.mark.parametrize("table", COPIED)
def test_encoders_fit_the_schema(table: str) -> None:
    for name in COPIED[table]:
        kind = metadata.tables[table].c[name].type
        named = [
            type_
            for names, type_ in ((BYTES, LargeBinary), (TEXT, Text), (BOOLEAN, Boolean), (JSON, JSONB))
            if name in names
        ]
        assert isinstance(kind, (named or [(Integer, Numeric)])[0]), name
        assert len(named) <= 1, name


def test_binary_logs_come_back_as_they_were(new_database: Callable[[], str]) -> None:
    logs = Logs(
        block_number=[1, 2**40], log_index=[0, 2**31 - 1], tx_index=[7, 0], tx_hash=["0x" + "ab" * 32, "0x" + "00" * 32],
        block_hash=["", ""], address=["0x" + "01" * 20, "0x" + "ff" * 20], topics=[("0x" + "11" * 32, "0x" + "22" * 32), ()],
        data=["0x", "0x" + "0102" * 33], timestamp=[0, 0],
    )  # fmt: skip
    with psycopg.connect(new_database()) as connection:
        types = "(c bigint, b bigint, l int, t int, h bytea, a bytea, s bytea, d bytea)"
        connection.execute(f"CREATE TEMP TABLE log {types}")
        assert len(LOG_COLUMNS) == 7
        with connection.cursor() as cursor, cursor.copy("COPY log FROM STDIN (FORMAT binary)") as copy:
            copy.write(encode_logs(31_337, logs))
        rows: list[Any] = connection.execute("SELECT * FROM log ORDER BY b").fetchall()
    assert rows == [
        (31_337, 1, 0, 7, b"\xab" * 32, b"\x01" * 20, b"\x11" * 32 + b"\x22" * 32, b""),
        (31_337, 2**40, 2**31 - 1, 0, bytes(32), b"\xff" * 20, b"", b"\1\2" * 33),
    ]
