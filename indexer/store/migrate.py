"""Bring a database to the newest schema: Alembic migrations, then the SQL functions and views."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine

from indexer.store import views
from indexer.store.database import sqlalchemy_url

MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"


def upgrade(database: Engine | str, revision: str = "head") -> None:
    """Migrate to `revision` and install the views, all in one transaction.

    A database that is at `head` with its views installed is only read, so every start may call this.
    """
    _run(database, revision, down=False)


def downgrade(database: Engine | str, revision: str) -> None:
    """Undo migrations down to `revision` (`base` for none). Views go; `upgrade` brings them back."""
    _run(database, revision, down=True)


def config(connection: Connection | None = None, url: str | None = None) -> Config:
    """Return the Alembic configuration for a connection, or for a URL."""
    alembic = Config()
    alembic.set_main_option("script_location", str(MIGRATIONS))
    alembic.attributes["connection"] = connection
    alembic.attributes["url"] = url
    return alembic


def _run(database: Engine | str, revision: str, *, down: bool) -> None:
    engine = create_engine(sqlalchemy_url(database)) if isinstance(database, str) else database
    try:
        with engine.begin() as connection:
            if down:
                command.downgrade(config(connection), revision)
            else:
                command.upgrade(config(connection), revision)
                views.install(connection)
    finally:
        if isinstance(database, str):
            engine.dispose()
