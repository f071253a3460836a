"""Alembic environment: the connection of `indexer.store.migrate`, or a URL of its own.

URL      config attribute `url`, else environment variable LEVERAGE_DATABASE_URL
Views    are not migrated: they are dropped before the first migration that runs and installed after the last
"""

from __future__ import annotations

import os

from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from indexer.errors import BadConfig
from indexer.store import views
from indexer.store.database import sqlalchemy_url
from indexer.store.schema import metadata


def url() -> str:
    """Return the URL given, or say where to give one."""
    found = context.config.attributes.get("url") or os.environ.get("LEVERAGE_DATABASE_URL")
    if not found:
        raise BadConfig("migrations: no database; set LEVERAGE_DATABASE_URL=postgresql://user@host/name")
    return sqlalchemy_url(found)


def include(entry: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """Leave partitions out of comparisons: the schema names parents only."""
    return not (kind == "table" and reflected and str(name).endswith("_default"))


def run(connection: Connection) -> None:
    """Migrate on a connection; the caller commits."""
    context.configure(connection=connection, target_metadata=metadata, include_object=include, compare_type=True)
    with context.begin_transaction():
        if moves(MigrationContext.configure(connection).get_current_revision()):
            views.drop(connection)
        context.run_migrations()


def moves(before: str | None) -> bool:
    """Whether tables are about to change: our views and functions stand in the way of that."""
    try:
        return before is not None and context.get_revision_argument() != before
    except KeyError:  # a command that migrates nothing
        return False


if context.is_offline_mode():
    context.configure(url=url(), target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    with create_engine(url()).begin() as connection:
        run(connection)
