"""A loopback JSON-RPC node that serves a generated chain: ``python -m bench.replay_node --chain DIR``.

One asyncio process speaking HTTP/1.1 with keep-alive; it prints one JSON line ``{"port": ..., "pid": ...}`` when
it listens, and ends when its parent does or on SIGTERM. Besides the ``eth_`` methods it answers
``bench_setHead [n]`` (no parameter: one block further; returns the head) and ``bench_stats`` (requests and calls
by method, bytes sent, CPU seconds so far).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import urllib3

from bench.chain_generator import GeneratedChain
from bench.evm import LogFilter
from bench.replay_chain import Contracts, Parts, ReplayChain, RpcError, block_of

ROOT = Path(__file__).resolve().parent.parent


class Call(msgspec.Struct):
    """One JSON-RPC call; the id stays raw JSON."""

    method: str
    params: list[Any] | dict[str, Any] = msgspec.field(default_factory=list)
    id: msgspec.Raw = msgspec.Raw(b"null")


_one = msgspec.json.Decoder(Call)
_many = msgspec.json.Decoder(list[Call])


class Server:
    """Answers request bodies; caps and finality in blocks (0: none)."""

    def __init__(
        self,
        chain: ReplayChain,
        *,
        head: int | None = None,
        finality_depth: int = 64,
        max_block_range: int = 0,
        max_logs: int = 0,
    ) -> None:
        self.chain = chain
        self.contracts = Contracts(chain.meta)
        self.head = chain.blocks - 1 if head is None else min(head, chain.blocks - 1)
        self.finality_depth, self.max_block_range, self.max_logs = finality_depth, max_block_range, max_logs
        self.requests, self.sent = 0, 0
        self.methods: Counter[str] = Counter()
        self.chain_id = int(chain.meta["chain_id"])

    def answer(self, body: bytes) -> Parts:
        """The response body of a request body, single or batch, in pieces."""
        self.requests += 1
        try:
            if body.lstrip()[:1] == b"[":
                answers = [b"".join(self._call(call)) for call in _many.decode(body)]
                result: Parts = [b"[" + b",".join(answers) + b"]"]
            else:
                result = self._call(_one.decode(body))
        except msgspec.MsgspecError:
            result = [b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}']
        self.sent += sum(map(len, result))
        return result

    def _call(self, call: Call) -> Parts:
        self.methods[call.method] += 1
        start = b'{"jsonrpc":"2.0","id":' + bytes(call.id)
        try:
            method = getattr(self, "do_" + call.method, None)
            if method is None:
                raise RpcError(-32601, f"the method {call.method} does not exist/is not available")
            try:
                result: bytes | Parts = method(*call.params)
            except (TypeError, ValueError, AttributeError, KeyError) as error:
                raise RpcError(-32602, f"invalid params: {error}") from error
        except RpcError as error:
            return [start + b',"error":' + error.body() + b"}"]
        start += b',"result":'
        return [start + result + b"}"] if isinstance(result, bytes) else [start + b"[", *result, b"]}"]

    @property
    def tags(self) -> dict[str, int]:
        """Block tags and their numbers."""
        head, depth = self.head, self.finality_depth
        return {
            "latest": head,
            "pending": head,
            "safe": max(0, head - depth // 2),
            "finalized": max(0, head - depth),
            "earliest": 0,
        }

    # methods: parameters as sent; the result as JSON bytes, or the pieces of a JSON list

    def do_eth_getLogs(self, query: dict[str, Any]) -> Parts:
        """By range or by block hash."""
        wanted = LogFilter.parse(query)
        if "blockHash" in query:
            number = self._number_of(query["blockHash"])
            if number is None:
                raise RpcError(-32000, "unknown block")
            return self.chain.log_parts(number, number, wanted, self.max_logs)
        tags = self.tags
        start, end = block_of(query.get("fromBlock", "latest"), tags), block_of(query.get("toBlock", "latest"), tags)
        if start > end:
            raise RpcError(-32602, "invalid block range params")
        if self.max_block_range and end - start + 1 > self.max_block_range:
            raise RpcError(-32602, f"block range too large: the maximum is {self.max_block_range} blocks")
        if start > self.head:
            return []
        return self.chain.log_parts(start, min(end, self.head), wanted, self.max_logs)

    def do_eth_getBlockByNumber(self, block: str, full: bool = False) -> bytes:
        """Header with transaction hashes; full transactions are not kept."""
        if full:
            raise RpcError(-32602, "this node keeps no transactions: ask with false")
        number = block_of(block, self.tags)
        return self.chain.header(number) if number <= self.head else b"null"

    def do_eth_getBlockByHash(self, block_hash: str, full: bool = False) -> bytes:
        """Header with transaction hashes."""
        number = self._number_of(block_hash)
        return b"null" if full or number is None else self.chain.header(number)

    def _number_of(self, block_hash: str) -> int | None:
        number = self.chain.by_hash.get(bytes.fromhex(block_hash[2:]))
        return None if number is None or number > self.head else number

    def do_eth_blockNumber(self) -> bytes:
        """The head."""
        return b'"%#x"' % self.head

    def do_eth_chainId(self) -> bytes:
        """The chain id."""
        return b'"%#x"' % self.chain_id

    def do_net_version(self) -> bytes:
        """The chain id as decimal text."""
        return b'"%d"' % self.chain_id

    def do_web3_clientVersion(self) -> bytes:
        """A name."""
        return b'"bench-replay/1"'

    def do_eth_syncing(self) -> bytes:
        """Never syncing."""
        return b"false"

    def do_eth_getCode(self, address: str, block: str = "latest") -> bytes:
        """Some code at every address."""
        return b'"0x600160015500"'

    def do_eth_call(self, call: dict[str, Any], block: Any = "latest", *_: Any) -> bytes:
        """Token, oracle, pool and provider views; anything else reverts."""
        if isinstance(block, dict):
            found = self._number_of(block["blockHash"]) if "blockHash" in block else None
            number = block_of(block["blockNumber"], self.tags) if found is None and "blockNumber" in block else found
            if number is None:
                raise RpcError(-32000, "header not found")
        else:
            number = block_of(block, self.tags)
        data = call.get("input") or call.get("data") or "0x"
        return b'"' + self.contracts.call(call.get("to") or "", data, number).encode() + b'"'

    def do_bench_setHead(self, head: int | str | None = None) -> bytes:
        """Move the head: to a number, or one block further."""
        wanted = self.head + 1 if head is None else int(head, 0) if isinstance(head, str) else head
        self.head = max(0, min(wanted, self.chain.blocks - 1))
        return b'"%#x"' % self.head

    def do_bench_stats(self) -> bytes:
        """Counters since the start."""
        return msgspec.json.encode(
            {
                "requests": self.requests,
                "calls": dict(self.methods),
                "bytes_sent": self.sent,
                "cpu_seconds": time.process_time(),
                "head": self.head,
            }
        )


async def converse(sock: socket.socket, server: Server, latency: float) -> None:
    """Answer the requests of one keep-alive connection in order; latency in seconds delays each answer."""
    loop = asyncio.get_running_loop()
    buffer = bytearray()
    try:
        while True:
            while (end := buffer.find(b"\r\n\r\n")) < 0 or len(buffer) < (need := end + 4 + _length(buffer[:end])):
                data = await loop.sock_recv(sock, 1 << 16)
                if not data:
                    return
                buffer += data
            body = bytes(buffer[end + 4 : need])
            del buffer[:need]
            parts = server.answer(body)
            if latency:
                await asyncio.sleep(latency)
            size = sum(map(len, parts))
            parts[0] = b"%sContent-Length: %d\r\n\r\n%s" % (_STATUS, size, parts[0])
            for part in [b"".join(parts)] if size < _SMALL else parts:
                await loop.sock_sendall(sock, part)
    except ConnectionError:
        return
    finally:
        sock.close()


_STATUS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_SMALL = 1 << 15


def _length(head: bytes | bytearray) -> int:
    """The Content-Length of a request head."""
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def serve(server: Server, port: int, latency: float, parent: int) -> None:
    """Listen on loopback until SIGTERM, SIGINT or the parent process is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    with socket.create_server(("127.0.0.1", port), backlog=256) as listener:
        listener.setblocking(False)
        print(json.dumps({"port": listener.getsockname()[1], "pid": os.getpid()}), flush=True)
        accepting = loop.create_task(_accept(listener, server, latency))
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                if parent and os.getppid() != parent:
                    break
        accepting.cancel()


async def _accept(listener: socket.socket, server: Server, latency: float) -> None:
    loop = asyncio.get_running_loop()
    conversations: set[asyncio.Task[None]] = set()
    while True:
        sock, _ = await loop.sock_accept(listener)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = loop.create_task(converse(sock, server, latency))
        conversations.add(task)
        task.add_done_callback(conversations.discard)


class ReplayNode:
    """The node as a process of its own: a context manager; ``url`` is valid inside it.

    ``latency_ms`` delays each response; caps and depths are in blocks or logs, 0 is no cap.
    """

    def __init__(
        self,
        chain: GeneratedChain,
        *,
        latency_ms: float = 0,
        max_block_range: int = 0,
        max_logs: int = 0,
        finality_depth: int = 64,
        head: int | None = None,
        port: int = 0,
    ) -> None:
        self.chain = chain
        self.command = [sys.executable, "-m", "bench.replay_node", "--chain", str(chain.directory)]
        self.command += ["--latency-ms", str(latency_ms), "--max-block-range", str(max_block_range)]
        self.command += ["--max-logs", str(max_logs), "--finality-depth", str(finality_depth), "--port", str(port)]
        self.command += ["--parent", str(os.getpid())]
        if head is not None:
            self.command += ["--head", str(head)]
        self.url = ""
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._http = urllib3.PoolManager(maxsize=1)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self.command, stdout=subprocess.PIPE, cwd=ROOT)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the replay node did not start")
        started = json.loads(line)
        self.url, self.pid = f"http://127.0.0.1:{started['port']}", started["pid"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._http.clear()

    def call(self, method: str, *params: object) -> Any:
        """One call to the node; an error answer raises ``RuntimeError``."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        response = self._http.request("POST", self.url, body=msgspec.json.encode(body))
        answer = msgspec.json.decode(response.data)
        if "error" in answer:
            raise RuntimeError(str(answer["error"]))
        return answer["result"]

    def set_head(self, number: int | None = None) -> int:
        """Move the head to a block, or one further; returns it."""
        return int(self.call("bench_setHead", *([] if number is None else [number])), 16)

    def stats(self) -> dict[str, Any]:
        """Counters of the node since its start; ``cpu_seconds`` includes start-up."""
        stats: dict[str, Any] = self.call("bench_stats")
        return stats


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Serve a generated chain over JSON-RPC on loopback.")
    parser.add_argument("--chain", required=True, help="directory of a generated chain")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--max-block-range", type=int, default=0, help="blocks a getLogs call may span; 0: any")
    parser.add_argument("--max-logs", type=int, default=0, help="logs a getLogs call may return; 0: any")
    parser.add_argument("--finality-depth", type=int, default=64)
    parser.add_argument("--head", type=int, default=None, help="first head; default: the whole chain")
    parser.add_argument("--parent", type=int, default=0, help="end when this is no longer the parent process")
    args = parser.parse_args()
    server = Server(
        ReplayChain(args.chain),
        head=args.head,
        finality_depth=args.finality_depth,
        max_block_range=args.max_block_range,
        max_logs=args.max_logs,
    )
    asyncio.run(serve(server, args.port, args.latency_ms / 1000, args.parent))


if __name__ == "__main__":
    main()
