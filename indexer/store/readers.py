"""Roles for people who read SQL: they see every table and view, change nothing, and no query of theirs runs for ever."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from indexer.errors import BadConfig

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
HIDDEN = ("api_key",)
"""Tables that readers have no business with."""


def create(connection: psycopg.Connection[Any], name: str, timeout_seconds: int) -> str:
    """Make a read-only role with a password of its own, or give an existing one a new password; return the password.

    Raises  BadConfig for a name that is not plain lower case, or when the connection may not create roles
    """
    if not NAME.fullmatch(name):
        raise BadConfig(f"{name!r} is no name for a role; write lower-case letters, digits and _, e.g. researcher")
    password = secrets.token_urlsafe(24)
    role = sql.Identifier(name)
    there = connection.execute(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = %s", (name,)
    ).fetchone()
    if there is not None and there[0]:
        raise BadConfig(f"{name!r} is a role that may do more than read; choose another name")
    try:
        with connection.transaction():
            if there is None:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            for statement in (
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)),
                sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role),
                sql.SQL("ALTER ROLE {} SET statement_timeout = {}").format(role, sql.Literal(f"{timeout_seconds}s")),
                sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = '60s'").format(role),
                sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role),
                sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role),
                # views are made anew by every release
                sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {}").format(role),
                *(sql.SQL("REVOKE ALL ON {} FROM {}").format(sql.Identifier(table), role) for table in HIDDEN),
            ):
                connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise BadConfig(
            f"the database's user may not make roles ({error.diag.message_primary}); ask its owner"
        ) from None
    return password


def address(url: str, name: str, password: str) -> str:
    """Return the database's address for that role."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{host}"))
