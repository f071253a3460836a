"""Word of a new block by WebSocket, so that the next poll comes at once. Polling goes on without it as well.

It only wakes: what is true is always read over HTTP, so a dead, lagging or lying socket costs time and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from indexer.chain.faults import masked, secrets, shown_url

logger = logging.getLogger(__name__)

_SUBSCRIBE = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'

_SILENCE = 120.0
"""Seconds without a head after which the connection is made anew; a half-open socket says nothing for ever."""


class HeadWatcher:
    """Listens for newHeads on a thread of its own and wakes whoever waits.

    Units   seconds; `url` is ws:// or wss://, of which only scheme and host are ever shown
    """

    def __init__(
        self,
        url: str,
        *,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
        connector: Callable[[str], ClientConnection] | None = None,
    ) -> None:
        self._url = url
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._connect = connector or (lambda address: connect(address, open_timeout=10, max_size=1 << 22))
        self._news = threading.Event()
        self._closed = threading.Event()
        self._connection: ClientConnection | None = None
        self._thread = threading.Thread(target=self._listen, name="heads", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for a new head, at most `seconds`. Fits `follow(wake=...)`."""
        self._news.wait(seconds)
        self._news.clear()

    def close(self) -> None:
        """End the thread and the connection."""
        self._closed.set()
        self._news.set()
        if self._connection is not None:
            self._connection.close()
        self._thread.join(timeout=5)

    def _listen(self) -> None:
        pause = self._first_wait
        while not self._closed.is_set():
            try:
                with self._connect(self._url) as connection:
                    self._connection = connection
                    connection.send(_SUBSCRIBE)
                    while not self._closed.is_set():
                        message = connection.recv(timeout=_SILENCE)
                        pause = self._first_wait
                        if "eth_subscription" in (message if isinstance(message, str) else message.decode()):
                            self._news.set()
            except (OSError, TimeoutError, WebSocketException, UnicodeDecodeError) as error:
                if self._closed.is_set():
                    return
                text = masked(str(error), secrets(self._url))
                logger.info("no news from %s for %.1f s (polling goes on): %s", shown_url(self._url), pause, text)
            finally:
                self._connection = None
            self._closed.wait(pause)
            pause = min(pause * 2, self._longest_wait)
