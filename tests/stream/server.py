"""The API as a real server on loopback, in a thread that is stopped with the test."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

import uvicorn

from api.main import create_app
from api.settings import Settings


class Served:
    """`with Served(Settings(...)) as url`."""

    def __init__(self, settings: Settings) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(settings), log_level="error", timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listening]}, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline and self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def stop(self) -> None:
        """Tell the server to stop; leaving the context waits for it."""
        self._server.should_exit = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(20)
        self._listening.close()
        assert not self._thread.is_alive(), "the server did not stop"
