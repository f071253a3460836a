"""``FakeNode``: a threaded JSON-RPC node on loopback for tests, honest unless its ``Faults`` say otherwise."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from bench.evm import LogFilter, made_up_hash, quantity
from tests.fakenode.chain import FakeBlock, FakeChain
from tests.fakenode.faults import HTTP_FAULTS, METHOD_FAULTS, Fault, Faults, Injected

CallAnswers = Mapping[tuple[str, str], str] | Callable[[str, str, FakeBlock], str | None]
"""Answers of ``eth_call``: by (to, data) in lower case, or a function of to, data and block; ``None`` reverts."""


class RpcError(Exception):
    """An error answer; a function given as ``eth_call`` may raise it."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


class FakeNode:
    """Serves a ``FakeChain``; use as a context manager, or ``start`` and ``stop``.

    The chain may be changed while the node runs (several nodes may share it); do so under ``lock`` when requests
    are in flight. ``head`` hides blocks above it. ``requests`` lists every JSON-RPC call as (method, params),
    ``injected`` every fault that happened. ``finality_depth`` in blocks; ``block_timestamp`` off strips
    ``blockTimestamp`` from logs, as older nodes do; ``call_by_hash`` off refuses EIP-1898 in ``eth_call``. The node ends by itself after ``lifetime_seconds``.
    """

    def __init__(
        self,
        chain: FakeChain,
        faults: Faults | None = None,
        *,
        eth_call: CallAnswers | None = None,
        finality_depth: int = 64,
        block_timestamp: bool = True,
        head: int | None = None,
        call_by_hash: bool = True,
        lifetime_seconds: float = 120.0,
    ) -> None:
        self.chain, self.faults = chain, faults or Faults()
        self.eth_call: CallAnswers = eth_call if eth_call is not None else {}
        self.finality_depth, self.block_timestamp = finality_depth, block_timestamp
        self.head = head
        self.call_by_hash = call_by_hash
        self.lifetime_seconds = lifetime_seconds
        self.requests: list[tuple[str, list[Any]]] = []
        self.injected: list[Injected] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.url = ""
        self.connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._timer: threading.Timer | None = None

    # life

    def start(self) -> Self:
        """Listen on a free loopback port."""
        handler = type("Handler", (_Handler,), {"node": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self._timer = threading.Timer(self.lifetime_seconds, self.stop)
        self._timer.daemon = True
        self._timer.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut open connections; pending slow answers are dropped."""
        self.stopping.set()
        server, self._server = self._server, None
        if self._timer is not None:
            self._timer.cancel()
        if server is not None:
            server.shutdown()
            server.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # what tests look at

    def counts(self) -> Counter[Fault]:
        """Faults that happened, by kind."""
        return Counter(one.fault for one in self.injected)

    def asked(self, method: str) -> int:
        """How many calls of a method arrived."""
        return sum(1 for name, _ in self.requests if name == method)

    # answers

    def http_fault(self, payload: Any) -> tuple[Fault | None, random.Random]:
        """The fault of a whole request; ids do not count."""
        calls = payload if isinstance(payload, list) else [payload]
        request = json.dumps([(call.get("method"), call.get("params")) for call in calls], sort_keys=True)
        with self.lock:
            fault, rng = self.faults.choose(HTTP_FAULTS, "http " + request)
            if fault:
                methods = ",".join(sorted({str(call.get("method")) for call in calls}))
                self.injected.append(Injected(fault, methods, request))
        return fault, rng

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """The answer to one call."""
        method, params = str(call.get("method")), list(call.get("params") or [])
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": call.get("id")}
        with self.lock:
            self.requests.append((method, params))
            handle = getattr(self, "_do_" + method, None)
            try:
                if handle is None:
                    raise RpcError(-32601, f"the method {method} does not exist/is not available")
                return {**reply, "result": handle(*params)}
            except RpcError as error:
                body = {"code": error.code, "message": error.message}
                return {**reply, "error": body if error.data is None else {**body, "data": error.data}}
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                return {**reply, "error": {"code": -32602, "message": f"invalid params: {error}"}}

    def _fault(self, method: str, request: Any) -> tuple[Fault | None, random.Random]:
        return self.faults.choose(METHOD_FAULTS[method], method + json.dumps(request, sort_keys=True))

    def _note(self, fault: Fault, method: str, request: Any) -> None:
        self.injected.append(Injected(fault, method, json.dumps(request, sort_keys=True)))

    @property
    def _top(self) -> int:
        return self.chain.head if self.head is None else min(self.head, self.chain.head)

    def _number(self, value: str) -> int:
        top, first = self._top, self.chain.first
        tags = {
            "latest": top,
            "pending": top,
            "safe": max(first, top - self.finality_depth // 2),
            "finalized": max(first, top - self.finality_depth),
            "earliest": first,
        }
        return tags[value] if value in tags else quantity(value)

    def _do_eth_chainId(self) -> str:
        if self.faults.wrong_chain_id is not None:
            self._note("wrong_chain_id", "eth_chainId", [])
            return hex(self.faults.wrong_chain_id)
        return hex(self.chain.chain_id)

    def _do_net_version(self) -> str:
        return str(int(self._do_eth_chainId(), 16))

    def _do_web3_clientVersion(self) -> str:
        return "fakenode/1"

    def _do_eth_syncing(self) -> bool:
        return False

    def _do_eth_getCode(self, address: str, block: str = "latest") -> str:
        return "0x600160015500"

    def _do_eth_blockNumber(self) -> str:
        fault, rng = self._fault("eth_blockNumber", [])
        return hex(self._lagging(rng, "eth_blockNumber", []) if fault else self._top)

    def _lagging(self, rng: random.Random, method: str, request: Any) -> int:
        self._note("lagging_head", method, request)
        return max(self.chain.first, self._top - rng.randint(1, self.faults.lag_blocks))

    def _do_eth_getBlockByNumber(self, tag: str, full: bool = False) -> dict[str, Any] | None:
        if full:
            raise RpcError(-32602, "this node keeps no transactions: ask with false")
        method = "eth_getBlockByNumber"
        number = self._number(tag)
        block = self.chain.block(number) if number <= self._top else None
        fault, rng = self._fault(method, [tag])
        if block is None or fault is None:
            return block.header if block else None
        if fault == "lagging_head":
            if tag not in ("latest", "pending"):
                return block.header
            late = self.chain.block(self._lagging(rng, method, [tag]))
            return late.header if late else None
        self._note(fault, method, [tag])
        return None if fault == "null_block" else self._elsewhere([block])[0].header

    def _do_eth_getBlockByHash(self, block_hash: str, full: bool = False) -> dict[str, Any] | None:
        block = self.chain.by_hash(block_hash)
        return block.header if block and not full else None

    def _elsewhere(self, blocks: list[FakeBlock]) -> list[FakeBlock]:
        """The same heights on another branch: replaced blocks where there are any, else made-up block hashes."""
        orphans = [self.chain.orphans_at(block.number) for block in blocks]
        if any(orphans):
            return [gone[-1] if gone else block for gone, block in zip(orphans, blocks, strict=True)]
        made = []
        for block in blocks:
            other = made_up_hash("other branch", block.hash)
            logs = tuple({**log, "blockHash": other} for log in block.logs)
            made.append(FakeBlock({**block.header, "hash": other}, logs))
        return made

    def _do_eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        method = "eth_getLogs"
        if "blockHash" in query:
            found = self.chain.by_hash(query["blockHash"])
            if found is None:
                raise RpcError(-32000, "unknown block")
            blocks = [found]
        else:
            start = self._number(query.get("fromBlock", "latest"))
            end = self._number(query.get("toBlock", "latest"))
            if start > end:
                raise RpcError(-32602, "invalid block range params")
            cap = self.faults.range_cap
            if cap and end - start + 1 > cap:
                self._note("range_cap", method, query)
                raise RpcError(-32602, f"block range too large: the maximum is {cap} blocks")
            first = max(start, self.chain.first) - self.chain.first
            blocks = self.chain.blocks[first : max(first, min(end, self._top) + 1 - self.chain.first)]
        wanted = LogFilter.parse(query)
        logs = self._select(blocks, wanted)
        if self.faults.logs_cap and len(logs) > self.faults.logs_cap:
            self._note("logs_cap", method, query)
            raise RpcError(-32005, f"query returned more than {self.faults.logs_cap} results")
        fault, rng = self._fault(method, query)
        if fault and logs:
            lied = self._lie(fault, rng, logs, blocks, wanted)
            if lied != logs:
                self._note(fault, method, query)
                logs = lied
        if not self.block_timestamp:
            logs = [{key: value for key, value in log.items() if key != "blockTimestamp"} for log in logs]
        return logs

    def _lie(
        self, fault: Fault, rng: random.Random, logs: list[dict[str, Any]], blocks: list[FakeBlock], wanted: LogFilter
    ) -> list[dict[str, Any]]:
        if fault == "empty_result":
            return []
        if fault == "drop_logs":
            gone = set(rng.sample(range(len(logs)), rng.randint(1, max(1, len(logs) // 2))))
            return [log for n, log in enumerate(logs) if n not in gone]
        return self._select(self._elsewhere(blocks), wanted)

    def _select(self, blocks: list[FakeBlock], wanted: LogFilter) -> list[dict[str, Any]]:
        return [log for block in blocks for log in block.logs if wanted.matches(log)]

    def _do_eth_call(self, call: dict[str, Any], block: Any = "latest", *_: Any) -> str:
        if isinstance(block, dict) and not self.call_by_hash:
            raise RpcError(-32602, "invalid argument 1: json: cannot unmarshal object into Go value of type string")
        if isinstance(block, dict):
            at = self.chain.by_hash(block["blockHash"]) if "blockHash" in block else self._at(block["blockNumber"])
        else:
            at = self._at(block)
        if at is None:
            raise RpcError(-32000, "header not found")
        to, data = str(call["to"]).lower(), str(call.get("input") or call.get("data") or "0x").lower()
        answers = self.eth_call
        result = answers(to, data, at) if callable(answers) else answers.get((to, data))
        if result is None:
            raise RpcError(3, "execution reverted", "0x")
        return result

    def _at(self, tag: str) -> FakeBlock | None:
        number = self._number(tag)
        return self.chain.block(number) if number <= self._top else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of a lying node hang up at any time."""


class _Handler(BaseHTTPRequestHandler):
    """HTTP around the node's answers; one write a response, so that keep-alive does not wait for delayed ACKs."""

    node: FakeNode
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def setup(self) -> None:
        """Let the node cut this connection when it stops."""
        super().setup()
        self.node.connections.add(self.connection)

    def finish(self) -> None:
        """Forget the connection."""
        self.node.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        """Answer one request."""
        node = self.node
        try:
            payload = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        except ValueError:
            return self._send(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}')
        fault, rng = node.http_fault(payload)
        if fault == "timeout":
            node.stopping.wait(node.faults.timeout_seconds)
            self.close_connection = True
            return None
        if fault == "rate_limit":
            extra = {"Retry-After": str(node.faults.retry_after_seconds)} if rng.random() < 0.5 else {}
            return self._send(b'{"error":"too many requests"}', 429, extra)
        if fault == "server_error":
            return self._send(b"<html>upstream is unwell</html>", rng.choice((502, 503)))
        if fault == "garbage":
            return self._send(b"<html><title>Just a moment...</title></html>")
        if fault == "slow":
            node.stopping.wait(node.faults.slow_seconds)
        calls = payload if isinstance(payload, list) else [payload]
        answers = [node.answer(call) for call in calls]
        body = json.dumps(answers if isinstance(payload, list) else answers[0]).encode()
        if fault == "truncated":
            self.close_connection = True
            return self._send(body[: rng.randrange(len(body))], length=len(body))
        return self._send(body)

    def _send(
        self, body: bytes, status: int = 200, extra: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body) if length is None else length}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in (extra or {}).items())
        if self.close_connection:
            head += "Connection: close\r\n"
        self.wfile.write(head.encode() + b"\r\n" + body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""
