"""The thread that commits: steps in order, a few behind, errors shown to the one who books."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable

from indexer.store.writer import StepRows

SWITCH_SECONDS = 0.0005
"""How long a busy thread may keep the others from Python. The commit thread mostly waits for PostgreSQL and needs Python
for a moment between two waits; at the default of 5 ms the fold kept it waiting for a third of a backfill's time."""


class Pump:
    """Commits steps on its own thread, in order, at most two behind. An error shows at the next call."""

    def __init__(self, write: Callable[[StepRows], None]) -> None:
        self._queue: queue.Queue[StepRows | None] = queue.Queue(maxsize=2)
        self._write = write
        self._error: BaseException | None = None
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread = threading.Thread(target=self._work, name="commit", daemon=True)
        self._thread.start()

    def put(self, step: StepRows) -> None:
        """Hand over a step. Raises what an earlier one failed with."""
        self._check()
        self._queue.put(step)

    def drain(self) -> None:
        """Wait until everything handed over is committed."""
        self._queue.join()
        self._check()

    def close(self) -> None:
        """End the thread after what is queued; errors have been shown or are of no more use."""
        self._queue.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while True:
            step = self._queue.get()
            try:
                if step is None:
                    return
                if self._error is None:  # after a failure nothing later may be committed
                    self._write(step)
            except BaseException as error:
                self._error = error
            finally:
                self._queue.task_done()
