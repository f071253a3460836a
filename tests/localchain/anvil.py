"""A private anvil node on loopback, and the JSON-RPC it is spoken to with.

    with Anvil(seed=7) as node:
        node.rpc.call("eth_blockNumber")

The process belongs to the `with` block and is ended by its own id; a bounded lifetime (`timeout`, where the
machine has it) ends it even when this process dies first.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import urllib3

from .build import anvil_binary

GENESIS_TIME = 1_700_000_000
GAS_LIMIT = 400_000_000
KEPT_STATES = 4_000
CHAIN_ID = 31337
Call = tuple[str, list[Any]]


class RpcError(RuntimeError):
    """The node answered with an error object."""


class Rpc:
    """JSON-RPC over one kept-alive connection, with batches."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = urllib3.PoolManager(maxsize=1, retries=False, timeout=120)

    def post(self, body: str) -> Any:
        """Sends a request body as it is and parses the answer."""
        headers = {"content-type": "application/json"}
        return json.loads(self._http.request("POST", self.url, body=body.encode(), headers=headers).data)

    def _post(self, body: Any) -> Any:
        return self.post(json.dumps(body))

    def call(self, method: str, *params: Any) -> Any:
        """One call; raises `RpcError` when the node refuses it."""
        answer = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        if "error" in answer:
            raise RpcError(f"{method}: {answer['error']}")
        return answer["result"]

    def batch(self, calls: Sequence[Call], size: int = 500, strict: bool = True) -> list[Any]:
        """Answers in the order of `calls`; with `strict=False` a failed one is an `RpcError` in the list."""
        answers: list[Any] = []
        for start in range(0, len(calls), size):
            part = calls[start : start + size]
            body = [
                {"jsonrpc": "2.0", "id": at, "method": method, "params": params}
                for at, (method, params) in enumerate(part)
            ]
            for (method, params), one in zip(part, sorted(self._post(body), key=lambda a: a["id"]), strict=True):
                if "error" not in one:
                    answers.append(one["result"])
                elif strict:
                    raise RpcError(f"{method} {str(params)[:300]}: {one['error']}")
                else:
                    answers.append(RpcError(str(one["error"])))
        return answers

    def close(self) -> None:
        """Lets go of the connection."""
        self._http.clear()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Anvil:
    """One anvil process: no automatic mining, no base fee, accounts derived from `seed`."""

    def __init__(self, seed: int = 0, accounts: int = 80, lifetime: int = 1800) -> None:
        self._home = tempfile.mkdtemp(prefix="localchain-")
        binary = anvil_binary()
        for attempt in range(3):
            port = _free_port()
            self.process = self._start(binary, port, seed, accounts, lifetime)
            self.rpc = Rpc(f"http://127.0.0.1:{port}")
            if self._wait():
                return
            self.stop(keep_home=attempt < 2)
        raise RuntimeError("anvil did not answer")

    def _start(self, binary: str, port: int, seed: int, accounts: int, lifetime: int) -> subprocess.Popen[bytes]:
        options = {
            "host": "127.0.0.1",
            "port": port,
            "accounts": accounts,
            "mnemonic-seed-unsafe": seed,
            "balance": 1_000_000,
            "chain-id": CHAIN_ID,
            "timestamp": GENESIS_TIME,
            "gas-limit": GAS_LIMIT,
            "base-fee": 0,
            "gas-price": 0,
            "order": "fifo",
            "threads": 2,
        }
        arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        # States stay in memory (about 0.5 MB a block): views of old blocks are 50 times faster than from disk.
        flags = ["--no-mining", "--disable-min-priority-fee", "--prune-history", str(KEPT_STATES), "--quiet"]
        bounded = ["timeout", "--signal=TERM", "--foreground", str(lifetime)] if shutil.which("timeout") else []
        return subprocess.Popen(
            [*bounded, binary, *arguments, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self._home, "TMPDIR": self._home},
            cwd=self._home,
            start_new_session=True,
        )

    def _wait(self) -> bool:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                return int(self.rpc.call("eth_chainId"), 16) == CHAIN_ID
            except urllib3.exceptions.HTTPError:
                time.sleep(0.03)
        return False

    def stop(self, keep_home: bool = False) -> None:
        """Ends the process that this object started (with its bound, one group of their own)."""
        self.rpc.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if not keep_home:
            shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Anvil:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
