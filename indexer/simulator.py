"""The worker that computes simulations asked for over HTTP: one thread, one simulation at a time, beside `leverage serve`.

The API only inserts a question into `cascade_runs`. Any number of workers may take from it: a question is claimed with
FOR UPDATE SKIP LOCKED, and taken again when its worker died. A simulation whose block was replaced meanwhile is dropped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from indexer.errors import BadRequest, LeverageError
from indexer.simulate import Answer, answer, question_of
from indexer.store.database import connect

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25
AWAY_SECONDS: Final = 5.0
STATEMENT_MS: Final = 60_000
"""The longest that loading the books for a simulation may take."""
LOST_SECONDS: Final = 600
"""After so long a claimed simulation counts as lost with its worker, and is taken again."""

CLAIM: Final = """
UPDATE cascade_runs SET status = 'running', started_at = extract(epoch FROM now())::bigint
WHERE (chain_id, run_id) = (
    SELECT chain_id, run_id FROM cascade_runs
    WHERE status = 'queued' OR (status = 'running' AND started_at < extract(epoch FROM now()) - %s)
    ORDER BY queued_at, run_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING chain_id, run_id, block_number, block_hash, body
"""

DONE: Final = """
UPDATE cascade_runs r SET status = %(status)s, error = %(error)s, result = %(result)s,
    finished_at = extract(epoch FROM now())::bigint
FROM block b
WHERE r.chain_id = %(chain)s AND r.run_id = %(run)s AND b.chain_id = r.chain_id AND b.block_number = r.block_number
  AND b.block_hash = r.block_hash
"""


def work_one(connection: psycopg.Connection[Any]) -> bool:
    """Compute the simulation that waits longest; return False when none does."""
    with connection.transaction():
        row = connection.execute(CLAIM, (LOST_SECONDS,)).fetchone()
    if row is None:
        return False
    chain, run, block, _, body = row
    result: Answer | None = None
    error: str | None = None
    try:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(STATEMENT_MS),))
            result = answer(connection, chain, block, question_of(body))
    except (BadRequest, psycopg.errors.QueryCanceled) as problem:
        error = str(problem)
    except psycopg.OperationalError:
        raise
    except (psycopg.Error, ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as problem:
        # a block that is gone, or a bug of ours: neither must stop the queue
        logger.exception("simulation %s", run)
        error = f"internal error: {type(problem).__name__}"
    with connection.transaction():
        told = {"chain": chain, "run": run, "status": "failed" if result is None else "done", "error": error,
                "result": None if result is None else Jsonb(result.result)}  # fmt: skip
        kept = connection.execute(DONE, told).rowcount
        if kept and result is not None:
            _save(connection, chain, run, block, result)
        elif not kept:  # its block was replaced: the rows of a branch that is gone are gone
            connection.execute("DELETE FROM cascade_runs WHERE chain_id = %s AND run_id = %s", (chain, run))
    return True


def _save(connection: psycopg.Connection[Any], chain: int, run: str, block: int, result: Answer) -> None:
    with connection.cursor() as cursor:
        for table in ("cascade_rounds", "propagation_matrix"):  # of a worker that was thought lost
            cursor.execute(f"DELETE FROM {table} WHERE chain_id = %s AND run_id = %s".encode(), (chain, run))
        cursor.executemany(
            "INSERT INTO cascade_rounds (chain_id, run_id, block_number, depth_factor, round, step, n_liquidated, "
            "repaid_usd, bad_debt_usd, detail) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(chain, run, block, *row[:-1], Jsonb(row[-1])) for row in result.rounds],
        )
        cursor.executemany(
            "INSERT INTO propagation_matrix (chain_id, run_id, block_number, source, target, propagation) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            [(chain, run, block, *row) for row in result.matrix],
        )


@contextmanager
def simulating(url: str) -> Iterator[None]:
    """Compute simulations on a thread of their own while inside."""
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(url, stop), name="simulator", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=2)  # one that is computing ends with the process; another worker takes its question


def _run(url: str, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with connect(url) as connection:
                connection.autocommit = True
                while not stop.is_set():
                    if not work_one(connection):
                        stop.wait(IDLE_SECONDS)
        except (psycopg.Error, LeverageError) as error:
            logger.warning("simulator: %s; trying again", " ".join(str(error).split()))
            stop.wait(AWAY_SECONDS)
