"""The embedded PostgreSQL: it keeps what was committed, whoever is killed, and is stopped by the last to leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from indexer.errors import DatabaseUnavailable
from indexer.store.embedded import Embedded

USE_AND_DIE = """
import os, pathlib, sys, psycopg
from indexer.store.embedded import Embedded
with psycopg.connect(Embedded(pathlib.Path(sys.argv[1])).start(), autocommit=True) as connection:
    connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose server is gone after the test."""
    yield tmp_path
    left = Embedded(tmp_path)
    left.start()
    left.release()


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def kept(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT n FROM kept").fetchone()
        assert row is not None
        return int(row[0])


def test_data_stays_and_the_last_to_leave_stops_the_server(folder: Path) -> None:
    with Embedded(folder) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
            safe = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
            assert connection.execute(safe).fetchone() == ("on", "on", "on")
        with Embedded(folder) as second:
            assert second == url
        assert kept(url) == 7
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    with Embedded(folder) as url:
        assert kept(url) == 7


def test_a_killed_user_leaves_the_server_running_for_the_next(folder: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", USE_AND_DIE, folder], check=False)
    assert killed.returncode == -signal.SIGKILL
    before = postmaster(folder)
    with Embedded(folder) as url:
        assert postmaster(folder) == before
        assert kept(url) == 7
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_a_killed_server_is_started_again_with_what_was_committed(folder: Path) -> None:
    with Embedded(folder) as url:
        busy = psycopg.connect(url, autocommit=True)
        busy.execute("CREATE TABLE kept AS SELECT 7 AS n")
        os.kill(postmaster(folder), signal.SIGKILL)
        with Embedded(folder) as again:
            assert again == url
            assert kept(url) == 7
        busy.close()


def test_a_lock_file_with_somebody_elses_process_number(folder: Path) -> None:
    with Embedded(folder) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    lock = folder / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{folder / 'postgres'}\n{int(time.time())}\n5432\n{folder}\n\n0 0\nready\n")
    with Embedded(folder) as url:
        assert kept(url) == 7


def test_a_path_too_long_for_a_socket(folder: Path) -> None:
    deep = folder / ("d" * 100)
    with Embedded(deep) as url:
        assert "/tmp/leverage-" in url
        psycopg.connect(url).close()


def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(DatabaseUnavailable, match="was written by PostgreSQL 14, this is 18"):
        Embedded(tmp_path).start()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match="cannot write to"):
        Embedded(tmp_path / "file" / "data").start()
