"""Keys of the API that are in use."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.rows import Row, select

IN_USE: Final[LiteralString] = """
SELECT name, key_sha256, requests_per_minute FROM api_key WHERE revoked_at IS NULL
"""


def in_use(connection: Connection[Any]) -> list[Row]:
    """Return the keys that work: name, SHA-256 of the key, requests a minute (None: no limit)."""
    return select(connection, IN_USE, {})
