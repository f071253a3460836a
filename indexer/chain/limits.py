"""A token bucket: how many calls a second one node may get."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Lets `rate` calls a second through, up to one second's worth at once. Safe from several threads.

    Calls are booked ahead, so a batch larger than the bucket waits its share instead of never.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._level = max(1.0, rate)
        self._filled = clock()

    def take(self, calls: int = 1) -> None:
        """Wait until `calls` calls may be made."""
        with self._lock:
            now = self._clock()
            self._level = min(max(1.0, self._rate), self._level + (now - self._filled) * self._rate)
            self._filled = now
            self._level -= calls
            wait = -self._level / self._rate
        if wait > 0:
            self._sleep(wait)
