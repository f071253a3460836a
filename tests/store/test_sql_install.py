"""Migrations and installation: up, down, up; twice is once; a protocol's SQL is found; nothing of others is dropped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from indexer.store import views
from indexer.store.database import sqlalchemy_url
from indexer.store.migrate import config, downgrade, upgrade
from indexer.store.schema import metadata

OURS = (
    "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
    " AND relname <> 'alembic_version'),"
    " (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)"
)


def counts(url: str) -> Any:
    with psycopg.connect(url) as db:
        return db.execute(OURS).fetchone()


def test_up_down_up(new_database: Callable[[], str]) -> None:
    url = new_database()
    upgrade(url)
    full = counts(url)
    assert full[0] > len(metadata.tables)
    assert full[1] > 30
    upgrade(url)
    assert counts(url) == full
    downgrade(url, "base")
    assert counts(url) == (0, 0)
    upgrade(url)
    assert counts(url) == full


def test_migrations_make_the_schema(migrated: str) -> None:
    """Tables, types, nullability, indexes and comments of all migrations together are those of schema.py."""
    engine = create_engine(sqlalchemy_url(migrated))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _, name, kind, reflected, __: (
                    not (kind == "table" and reflected and (name.endswith("_default") or name == "alembic_version"))
                ),
            },
        )
        assert compare_metadata(context, metadata) == []
        partitioned = connection.exec_driver_sql(
            "SELECT c.relname, pg_get_partkeydef(c.oid), d.relname FROM pg_class c LEFT JOIN pg_inherits i ON"
            " i.inhparent = c.oid LEFT JOIN pg_class d ON d.oid = i.inhrelid WHERE c.relkind = 'p' ORDER BY 1"
        ).all()
    engine.dispose()
    assert [tuple(row) for row in partitioned] == [
        (name, "LIST (chain_id)", f"{name}_default")
        for name in ("action", "position_change", "raw_log", "token_transfer")
    ]


def test_a_connection_or_a_url_will_do(new_database: Callable[[], str]) -> None:
    engine = create_engine(sqlalchemy_url(new_database()))
    upgrade(engine)
    with engine.begin() as connection:
        assert views.install(connection) is False
        assert config(connection).attributes["connection"] is connection
    engine.dispose()


def test_every_view_and_column_has_a_comment(db: psycopg.Connection[Any]) -> None:
    bare = db.execute(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace"
        " AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)"
    ).fetchall()
    assert bare == []


def test_every_view_and_function_runs_on_an_empty_database(db: psycopg.Connection[Any]) -> None:
    for (view,) in db.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'").fetchall():
        assert db.execute(f"SELECT * FROM {view}").fetchall() == []


def test_a_protocol_brings_its_own_sql(migrated: str, tmp_path: Path) -> None:
    """A folder with toy_quote and toy_health is dispatched to; no other file changes."""
    root = tmp_path / "indexer"
    for folder in ("store/sql", "families", "protocols"):
        shutil.copytree(views.ROOT / folder, root / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (root / "protocols" / "toy").mkdir()
    (root / "protocols" / "toy" / "accounting.sql").write_text(
        "CREATE FUNCTION toy_quote(s market_state, t bigint) RETURNS market_quote LANGUAGE sql IMMUTABLE AS $$"
        " SELECT (NULL, NULL, 2, 1, 'floor', 3, 1, 'ceil', 20, 30, 10, 10, NULL, NULL, NULL)::market_quote $$;\n"
        "CREATE FUNCTION toy_health(p_chain bigint, p_block bigint, p_accounts bytea[] DEFAULT NULL)"
        " RETURNS SETOF account_health_row LANGUAGE sql STABLE AS $$ SELECT (NULL::account_health_row).* WHERE false $$;"
    )
    with psycopg.connect(migrated) as db, db.transaction(force_rollback=True):
        assert views.install(db, root) is True
        assert views.install(db, root) is False
        db.execute("INSERT INTO block VALUES (7, 1, '\\x01', NULL, 100)")
        db.execute("INSERT INTO cursor VALUES (7, 'toy', 1, 1, '\\x01', 'following', NULL)")
        db.execute("INSERT INTO deployment VALUES (7, 1, 'toy', 'toy', '1', 'main', 'lending', 1, '{}')")
        db.execute(
            "INSERT INTO market (chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting,"
            " asset) VALUES (7, 2, 1, 0, 'toy:7:x', 1, 'toy', '\\xaa'), (7, 3, 1, 0, 'toy:7:y', 1, 'unheard_of', '\\xaa')"
        )
        for market in (2, 3):
            db.execute(
                "INSERT INTO position VALUES (7, %s, '\\xbb', 'debt', 1, 0, 0, 5, NULL, false)", (market,)
            )  # fmt: skip
        rows = db.execute("SELECT market_id, amount_raw, amount FROM positions_at(7, 1) ORDER BY 1").fetchall()
        assert rows == [("toy:7:x", 15, None), ("toy:7:y", None, None)], "no rule or no decimals: NULL"
    with psycopg.connect(migrated) as db:
        assert views.install(db) is False, "the test above rolled back"


def test_a_view_of_somebody_else_is_never_dropped(migrated: str) -> None:
    with psycopg.connect(migrated) as db:
        db.execute("CREATE VIEW mine AS SELECT account FROM positions")
        with pytest.raises(psycopg.errors.DependentObjectsStillExist):
            views.drop(db)
        db.rollback()


def test_account_text_uses_the_index(db: psycopg.Connection[Any]) -> None:
    """A predicate on the hex text of a view reaches the index of the table below."""
    db.execute(
        "INSERT INTO position SELECT 7, n % 9, decode(lpad(to_hex(n), 40, '0'), 'hex'), 'debt', 1, 0, 0, 5, NULL, false"
        " FROM generate_series(1, 5000) n"
    )
    db.execute("ANALYZE position")
    for relation in ("positions", "positions_at(7, NULL)", "v_account_leverage"):
        plan = "\n".join(
            row[0] for row in db.execute(f"EXPLAIN SELECT * FROM {relation} WHERE account = '0xab'").fetchall()
        )
        assert "ix_position_account_text" in plan, plan
