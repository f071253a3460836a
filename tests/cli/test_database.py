"""Addresses of PostgreSQL, and waiting for one."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from indexer.errors import BadConfig, DatabaseUnavailable
from indexer.store.database import connect, normalise, redact, sqlalchemy_url, wait_for_database


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_addresses_are_written_one_way(scheme: str) -> None:
    assert normalise(f"{scheme}://me@host/db") == "postgresql://me@host/db"
    assert sqlalchemy_url(f"{scheme}://me@host/db") == "postgresql+psycopg://me@host/db"


def test_other_addresses_are_refused() -> None:
    with pytest.raises(BadConfig, match=r"mysql://me:\*\*\*@host/db is not a PostgreSQL address"):
        normalise("mysql://me:secret@host/db")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me:se@cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("postgresql:///db?host=/tmp&password=secret&user=me", "postgresql:///db?host=/tmp&password=***&user=me"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"postgresql://me:secret@127.0.0.1:{listener.getsockname()[1]}/db"


def test_nobody_there() -> None:
    with pytest.raises(DatabaseUnavailable, match=r"cannot reach PostgreSQL at postgresql://me:\*\*\*@") as error:
        connect(closed_port())
    assert "secret" not in str(error.value) and error.value.hint


def test_waiting_ends() -> None:
    told: list[DatabaseUnavailable] = []
    begin = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        wait_for_database(closed_port(), 0.3, told.append)
    assert time.monotonic() - begin < 5
    assert told


def test_what_waiting_cannot_help_is_told_at_once(new_database: Callable[[], str]) -> None:
    told: list[DatabaseUnavailable] = []
    url = new_database()
    name = url.rsplit("/", 1)[-1].partition("?")[0] if "?" not in url else url.partition("?")[0].rsplit("/", 1)[-1]
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        wait_for_database(url.replace(name, "no_such_database"), 60, told.append)
    assert told == []
    wait_for_database(url).close()
