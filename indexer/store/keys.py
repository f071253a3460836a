"""Keys of the HTTP API: made, listed and revoked here. What is stored cannot be used to ask."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any, NamedTuple

import psycopg

from indexer.errors import BadConfig

PREFIX = "lvg_"


class Key(NamedTuple):
    """A key as it is listed: everything but the key itself."""

    name: str
    requests_per_minute: int | None
    created_at: int
    revoked_at: int | None


def create(connection: psycopg.Connection[Any], name: str, requests_per_minute: int | None) -> str:
    """Make a key and return it. It is not kept and cannot be shown again.

    Raises  BadConfig when a key of that name exists
    """
    key = PREFIX + secrets.token_urlsafe(32)
    digest = hashlib.sha256(key.encode()).digest()
    made = connection.execute(
        "INSERT INTO api_key (name, key_sha256, requests_per_minute, created_at) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (name) DO NOTHING",
        (name, digest, requests_per_minute, int(time.time())),
    )
    if made.rowcount == 0:
        raise BadConfig(f"a key called {name!r} exists, or existed; choose another name")
    return key


def revoke(connection: psycopg.Connection[Any], name: str) -> None:
    """Make a key useless; the API forgets it within seconds.

    Raises  BadConfig when there is none of that name in use
    """
    done = connection.execute(
        "UPDATE api_key SET revoked_at = %s WHERE name = %s AND revoked_at IS NULL", (int(time.time()), name)
    )
    if done.rowcount == 0:
        raise BadConfig(f"no key called {name!r} is in use; `leverage key list` shows them")


def keys(connection: psycopg.Connection[Any]) -> list[Key]:
    """Return every key that was made, oldest first."""
    rows = connection.execute(
        "SELECT name, requests_per_minute, created_at, revoked_at FROM api_key ORDER BY created_at, name"
    )
    return [Key(*row) for row in rows]
