"""Connections to PostgreSQL: one way to write its address, one way to open it, one way to wait for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, stop_never, wait_exponential_jitter

from indexer.errors import BadConfig, DatabaseUnavailable

CONNECT_SECONDS = 5
"""How long one attempt may take; PostgreSQL's own default is to wait for ever."""

_PASSING = re.compile(
    r"starting up|shutting down|recovery|too many (clients|connections)|connection slots", re.IGNORECASE
)


def normalise(url: str) -> str:
    """Return the address as libpq reads it: scheme `postgresql`, no driver suffix."""
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise BadConfig(f"{redact(url)} is not a PostgreSQL address; write postgresql://user@host:5432/database")
    return "postgresql" + url[len(parts.scheme) :]


def sqlalchemy_url(url: str) -> str:
    """Return the address as SQLAlchemy and Alembic read it."""
    return normalise(url).replace("postgresql://", "postgresql+psycopg://", 1)


def redact(url: str) -> str:
    """Return the address fit to be shown: without the password."""
    url = re.sub(r"(?<=[?&]password=)[^&]*", "***", url)
    parts = urlsplit(url)
    if ":" not in parts.netloc.rpartition("@")[0]:
        return url
    login, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login.partition(':')[0]}:***@{host}"))


def connect(url: str) -> psycopg.Connection:
    """Open a connection. Raises `DatabaseUnavailable` when nobody answers or the server refuses.

    Compiling the large functions of `store/sql` takes longer than running them, hence no JIT.
    """
    try:
        connection = psycopg.connect(
            normalise(url),
            connect_timeout=CONNECT_SECONDS,
            application_name="leverage",
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
        connection.execute("SET jit = off")
        connection.commit()
        return connection
    except psycopg.OperationalError as error:
        raise _unavailable(url, error) from None
    except psycopg.ProgrammingError as error:
        raise BadConfig(f"{redact(url)} is not a PostgreSQL address: {_one_line(error)}") from None


def wait_for_database(
    url: str, seconds: float | None = 5.0, before_sleep: Callable[[DatabaseUnavailable], None] | None = None
) -> psycopg.Connection:
    """Open a connection as soon as the server takes one, for at most `seconds` (None: for ever).

    Raises `DatabaseUnavailable` when the time is up; at once when waiting cannot help (wrong password, no such
    database) and `seconds` is not None. `before_sleep` is told of every attempt that failed.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(DatabaseUnavailable if seconds is None else _Passing),
        stop=stop_never if seconds is None else stop_after_delay(seconds),
        wait=wait_exponential_jitter(multiplier=0.05, max=2.0, jitter=0.05),
        before_sleep=lambda state: before_sleep(state.outcome.exception()) if before_sleep and state.outcome else None,  # type: ignore[arg-type]
        reraise=True,
    ):
        with attempt:
            return connect(url)
    raise AssertionError("unreachable: the last attempt raises")


class _Passing(DatabaseUnavailable):
    """Nobody answers, or the server is starting or full: it may be there in a moment."""


def _unavailable(url: str, error: psycopg.OperationalError) -> DatabaseUnavailable:
    told = _one_line(error)
    kind = _Passing if "FATAL" not in told or _PASSING.search(told) else DatabaseUnavailable
    unavailable = kind(f"cannot reach PostgreSQL at {redact(url)}: {told}")
    unavailable.hint = "Start it, or correct `database` in leverage.toml (without one: LEVERAGE_DATABASE_URL); left out, the embedded one is used."
    return unavailable


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
