"""The clients of `bench.load` in a process of their own: ``python -m bench.load_client '{"address": "127.0.0.1:8000", ...}'``.

Prints `ready` when every listener is connected; polls for the seconds asked; reads the number of the last block from stdin, waits until
every listener has it (ten seconds at most), and prints one JSON line. Sockets and a few lines of HTTP/1.1, so that the
clients take little of the machine that they measure.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from typing import Any

from bench.load import quantiles

PATH = "/v1/liquidation-risk/positions?health_factor_lt=1.05"
PERIOD = 0.5
"""Seconds between two requests of a poller."""
BLOCK = re.compile(rb'event: block\r?\ndata: [^\n]*?"block_number": ?(\d+)')


class Poller:
    """One bot on one connection."""

    def __init__(self, conditional: bool) -> None:
        self.conditional, self.etag = conditional, ""
        self.took: list[float] = []
        self.unchanged = self.errors = self.size = 0

    async def run(self, host: str, port: int, seconds: float, draw: random.Random) -> None:
        """Ask every PERIOD, at moments of its own."""
        await asyncio.sleep(draw.uniform(0, PERIOD))
        reader, writer = await asyncio.open_connection(host, port)
        end = time.monotonic() + seconds
        while (due := time.monotonic() + PERIOD) < end:
            begun = time.perf_counter()
            try:
                status, body = await self._ask(reader, writer, host)
            except (OSError, asyncio.IncompleteReadError):
                self.errors += 1
                return
            self.took.append((time.perf_counter() - begun) * 1e3)
            self.unchanged += status == 304
            self.errors += status not in (200, 304)
            self.size = max(self.size, len(body))
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> tuple[int, bytes]:
        tag = f"If-None-Match: {self.etag}\r\n" if self.conditional and self.etag else ""
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\n{tag}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
        headers = {name.lower(): value for name, value in headers.items()}
        self.etag = headers.get("etag", self.etag)
        size = int(headers.get("content-length", 0))
        return status, await reader.readexactly(size) if size and status != 304 else b""


async def listen(host: str, port: int, heard: list[int], connected: asyncio.Event) -> None:
    """One listener: note the number of every block told."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET /v1/stream?channels=block HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    text = await reader.readuntil(b"retry: 1000")
    if b" 200 " not in text.split(b"\r\n", 1)[0]:
        raise RuntimeError(text.decode(errors="replace")[:200])
    connected.set()
    rest = b""
    try:
        while chunk := await reader.read(1 << 16):
            rest += chunk
            at = 0
            for found in BLOCK.finditer(rest):
                heard.append(int(found[1]))
                at = found.end()
            rest = rest[at:][-4_096:]
    finally:
        writer.close()


async def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Connect, poll, wait for the last block."""
    host, port = asked["address"].split(":")
    heard: list[list[int]] = [[] for _ in range(asked["listeners"])]
    connected = [asyncio.Event() for _ in heard]
    tasks = [
        asyncio.create_task(listen(host, int(port), one, event)) for one, event in zip(heard, connected, strict=True)
    ]
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in connected)), 30)
    print("ready", flush=True)
    draw = random.Random(1)
    pollers = [Poller(n % 2 == 0) for n in range(asked["pollers"])]
    await asyncio.gather(*(one.run(host, int(port), asked["seconds"], draw) for one in pollers))
    last = int(await asyncio.to_thread(sys.stdin.readline))
    until = time.monotonic() + 10
    while time.monotonic() < until and any(not one or one[-1] < last for one in heard):
        await asyncio.sleep(0.1)
    broken = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    took = [one for poller in pollers for one in poller.took]
    return {
        "requests": len(took), "requests_per_second": round(len(took) / asked["seconds"], 1), "poll_ms": quantiles(took),
        "unchanged": sum(poller.unchanged for poller in pollers), "bytes": max(poller.size for poller in pollers),
        "errors": sum(poller.errors for poller in pollers), "broken_streams": broken, "heard": heard,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
