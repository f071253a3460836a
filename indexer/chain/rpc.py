"""One JSON-RPC node over HTTP: raw bodies, typed parse, batches, and every failure as one of our errors.

No web3 formatters: they cost 90 us a log against under 2 here (docs: lessons 1 and 2 of the peers' page).
URLs carry keys. Only scheme, host and port are ever shown, and messages that quote the rest are masked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from indexer.chain import faults, wire
from indexer.chain.limits import TokenBucket
from indexer.chain.node import NoAnswer, columns, select
from indexer.errors import BadConfig, BlockNotYetKnown, LeverageError, NodeUnavailable, RateLimited
from indexer.types import Answer, Header, Heads, Logs, Read, Watch

logger = logging.getLogger(__name__)

_BATCH = 100
"""Calls of one JSON-RPC batch: 20,000 headers took 0.14 s this way against 2.0 s one by one."""

_BODY_DEADLINE = 4.0
"""A body may take this many timeouts in all; a socket timeout alone never ends a trickling answer."""

_CHUNK = 1 << 20

_logs = msgspec.json.Decoder(wire.Reply[list[wire.LogEntry]])
_raws = msgspec.json.Decoder(wire.Reply[list[dict[str, Any]]])
_headers = msgspec.json.Decoder(list[wire.Reply[wire.HeaderEntry]])
_objects = msgspec.json.Decoder(list[wire.Reply[dict[str, Any]]])
_texts = msgspec.json.Decoder(list[wire.Reply[str]])
_mixed = msgspec.json.Decoder(list[wire.Reply[wire.HeaderEntry | str]])
_single = msgspec.json.Decoder(wire.Reply[msgspec.Raw])

T = TypeVar("T")

Call = tuple[str, list[Any]]
"""A method and its parameters."""


class _BatchRefused(NodeUnavailable):
    """One error in answer to a whole batch."""


def _eth_calls(reads: Sequence[Read], pinned: bool) -> list[Call]:
    def at(read: Read) -> str | dict[str, str]:
        return {"blockHash": read.block_hash} if pinned and read.block_hash else hex(read.block_number)

    return [("eth_call", [{"to": read.to, "data": read.data}, at(read)]) for read in reads]


class RpcNode:
    """A node behind one URL. Keeps its connections open; safe from several threads.

    Units   `timeout` seconds for connecting and between two pieces of an answer; `requests_per_second` JSON-RPC calls
    Raises  BadConfig for a URL that is not http(s)
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30.0,
        requests_per_second: float | None = None,
        headers: Mapping[str, str] | None = None,
        batch: int = _BATCH,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadConfig(f"rpc: {faults.shown_url(url) if parts.scheme else 'a value'} is not an http(s) URL")
        self._secrets = faults.secrets(url)
        self._name = faults.shown_url(url)
        self._timeout = timeout
        host = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
        sent = {"content-type": "application/json", "accept-encoding": "gzip", "user-agent": "leverage-indexer"}
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            sent |= urllib3.make_headers(basic_auth=login)
        self._http = urllib3.PoolManager(maxsize=32, headers=sent | dict(headers or {}), retries=False)
        self._bucket = TokenBucket(requests_per_second) if requests_per_second else None
        self._batch_size = max(1, batch)
        self._has_finalized = False
        self._by_hash = True

    @property
    def name(self) -> str:
        """Scheme, host and port."""
        return self._name

    def __repr__(self) -> str:
        return f"RpcNode({self._name})"

    def close(self) -> None:
        """Close idle connections."""
        self._http.clear()

    # ------------------------------------------------------------------ the questions

    def chain_id(self) -> int:
        """Return eth_chainId."""
        return self._number(self._ask([("eth_chainId", [])], _texts)[0])

    def heads(self) -> Heads:
        """Return the newest numbers by tag, asked in one batch."""
        tags: list[Call] = [("eth_getBlockByNumber", [tag, False]) for tag in ("safe", "finalized")]
        latest, *tagged = self._ask([("eth_blockNumber", []), *tags], _mixed, tolerant=True)
        numbers: list[int | None] = []
        for reply in tagged:
            if isinstance(reply.result, wire.HeaderEntry):
                numbers.append(self._header(reply.result).number)
                continue
            # A chain without the tag answers null or an error. A node that had it a moment ago is in trouble instead:
            # falling back to a depth then would call blocks final that are not.
            error = self._fault(reply, tags[0]) if reply.error is not None else None
            if isinstance(error, RateLimited):
                raise error
            numbers.append(None)
        safe, finalized = numbers
        if finalized is None and self._has_finalized:
            raise NodeUnavailable(f"{self._name}: no answer to the tag `finalized`, which it knew before")
        self._has_finalized = self._has_finalized or finalized is not None
        if latest.error is not None:
            raise self._fault(latest, ("eth_blockNumber", [])) or NodeUnavailable(f"{self._name}: no block number")
        return Heads(self._number(latest), safe, finalized)

    def headers(self, numbers: Sequence[int]) -> list[Header]:
        """Return canonical headers in batches. Raises BlockNotYetKnown for a null block."""
        calls: list[Call] = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        found = []
        for number, reply in zip(numbers, self._ask(calls, _headers), strict=True):
            if reply.result is None:
                raise BlockNotYetKnown(f"{self._name} does not have block {number}")
            header = self._header(reply.result)
            if header.number != number:
                raise NodeUnavailable(f"{self._name} answered block {header.number} when asked for {number}")
            found.append(header)
        return found

    def header_by_hash(self, block_hash: str) -> Header | None:
        """Return the header with this hash, None when the node does not have it."""
        try:
            reply = self._ask([("eth_getBlockByHash", [block_hash, False])], _headers)[0]
        except BlockNotYetKnown:
            return None
        return self._header(reply.result) if reply.result is not None else None

    def logs(self, first: int, last: int, watch: Watch) -> Logs:
        """Return the watched logs of a range. Raises RangeTooLarge with the node's proposal, where it made one."""
        return self._get_logs({"fromBlock": hex(first), "toBlock": hex(last)}, watch, first, last)

    def logs_twice(self, first: int, last: int, watch: Watch) -> Logs | None:
        """Ask for the logs of a range twice; None when the two answers differ in a byte. Parses only one of them."""
        parts, picks = wire.filters(watch)
        if len(parts) > 1 or picks:
            return None
        call: Call = ("eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(last), **parts[0]}])
        body = self._body(call)
        answer = self._post(body, call, 1, first, last)
        return (
            self._log_columns(answer, call, first, last) if self._post(body, call, 1, first, last) == answer else None
        )

    def logs_of_block(self, block_hash: str, watch: Watch) -> Logs:
        """Return the watched logs of the block with this hash."""
        return self._get_logs({"blockHash": block_hash}, watch, None, None)

    def call(self, reads: Sequence[Read]) -> list[Answer]:
        """Answer eth_calls in batches; a revert, and the empty answer of an address without code, is None.

        Reads with a hash are pinned by it (EIP-1898), by number at a node that does not take one.
        """
        pinned = self._by_hash and any(read.block_hash for read in reads)
        try:
            replies = self._ask(_eth_calls(reads, pinned), _texts)
        except NodeUnavailable as error:
            if not pinned or not faults.refuses_hash(str(error)):
                raise
            replies = self._ask(_eth_calls(reads, False), _texts)
            logger.info("%s does not take block hashes in eth_call, so reads go by number: %s", self._name, error)
            self._by_hash = False  # only now that the same reads went through by number
        return [
            Answer(read, reply.result if reply.error is None and reply.result not in (None, "0x") else None)
            for read, reply in zip(reads, replies, strict=True)
        ]

    def raw_headers(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return header objects as the node gives them."""
        calls: list[Call] = [("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        replies = self._ask(calls, _objects)
        found = [reply.result for reply in replies if reply.result is not None]
        if len(found) != len(calls):
            raise BlockNotYetKnown(f"{self._name} does not have all of blocks {numbers[0]}..{numbers[-1]}")
        return found

    def raw_logs(self, first: int, last: int) -> list[dict[str, Any]]:
        """Return every log of the blocks as the node gives it."""
        call: Call = ("eth_getLogs", [{"fromBlock": hex(first), "toBlock": hex(last)}])
        return self._result(self._post(self._body(call), call, 1, first, last), _raws, call, first, last)

    # ------------------------------------------------------------------ how they are asked

    def _get_logs(self, where: dict[str, str], watch: Watch, first: int | None, last: int | None) -> Logs:
        parts, picks = wire.filters(watch)
        answers = []
        for part in parts:
            call: Call = ("eth_getLogs", [{**where, **part}])
            answers.append(self._log_columns(self._post(self._body(call), call, 1, first, last), call, first, last))
        logs = answers[0] if len(answers) == 1 else Logs.concat(answers).in_order()
        return select(logs, watch) if picks else logs

    def _log_columns(self, answer: bytes, call: Call, first: int | None, last: int | None) -> Logs:
        """Parse one eth_getLogs body."""
        entries = self._result(answer, _logs, call, first, last)
        if any([e.removed for e in entries]):
            raise NodeUnavailable(f"{self._name}: a removed log in answer to {call[1]!s:.300}")
        try:
            return columns(entries)
        except ValueError as error:
            raise NodeUnavailable(f"{self._name}: malformed log in answer to {call[1]!s:.300}: {error}") from None

    def _header(self, entry: wire.HeaderEntry) -> Header:
        try:
            return entry.header()
        except ValueError as error:
            raise NodeUnavailable(f"{self._name}: malformed header: {error}") from None

    def _number(self, reply: wire.Reply[Any]) -> int:
        try:
            return int(reply.result, 16)  # type: ignore[arg-type]  # None and objects raise TypeError
        except (TypeError, ValueError):
            raise NodeUnavailable(f"{self._name}: {str(reply.result)[:80]!r} where a number was due") from None

    def _fault(
        self, reply: wire.Reply[Any], call: Call, first: int | None = None, last: int | None = None
    ) -> LeverageError | None:
        assert reply.error is not None
        code, text = wire.error_of(reply.error)
        error = faults.classify(code, faults.masked(text, self._secrets)[:500], method=call[0], first=first, last=last)
        if error is not None:
            error.args = (f"{self._name}: {error.args[0]}", *error.args[1:])
        return error

    @staticmethod
    def _body(call: Call) -> bytes:
        # One id for all: two answers to one request can be compared byte by byte.
        return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": call[0], "params": call[1]})

    def _result(
        self,
        answer: bytes,
        decoder: msgspec.json.Decoder[wire.Reply[T]],
        call: Call,
        first: int | None,
        last: int | None,
    ) -> T:
        reply: wire.Reply[T] = self._decode(answer, decoder, call)
        if reply.error is not None:
            raise self._fault(reply, call, first, last) or NodeUnavailable(f"{self._name}: {call[0]} failed")
        if reply.result is None:
            raise NodeUnavailable(f"{self._name}: {call[0]} answered null")
        return reply.result

    def _ask(self, calls: Sequence[Call], decoder: msgspec.json.Decoder[Any], *, tolerant: bool = False) -> list[Any]:
        """Return one reply for each call, in order, in batches of at most the size the node takes.

        `tolerant` leaves error replies to the caller; a reverted eth_call is always left to the caller.
        """
        replies: list[Any] = []
        size = self._batch_size
        while len(replies) < len(calls):
            part = calls[len(replies) : len(replies) + size]
            try:
                replies += self._batch(part, decoder, tolerant)
            except (NodeUnavailable, RateLimited) as error:
                limited = faults.is_batch_limit(str(error))
                if len(part) == 1 or not (limited or isinstance(error, _BatchRefused)):
                    raise
                # Fewer calls at once, without a pause; remembered only when the node says that this was the reason.
                size = max(1, len(part) // 2)
                self._batch_size = min(self._batch_size, size) if limited else self._batch_size
        return replies

    def _batch(self, calls: Sequence[Call], decoder: msgspec.json.Decoder[Any], tolerant: bool) -> list[Any]:
        ids = range(1, len(calls) + 1)
        body = msgspec.json.encode(
            [
                {"jsonrpc": "2.0", "id": n, "method": method, "params": params}
                for n, (method, params) in zip(ids, calls, strict=True)
            ]
        )
        answer = self._post(body, calls[0], len(calls), None, None)
        if answer.lstrip()[:1] == b"{":  # the whole batch was refused
            refused = self._decode(answer, _single, calls[0])
            fault = self._fault(refused, calls[0]) if refused.error is not None else None
            if fault is None or type(fault) is NodeUnavailable:
                fault = _BatchRefused(str(fault or f"{self._name}: one answer to several calls"))
            raise fault
        replies = {reply.id: reply for reply in self._decode(answer, decoder, calls[0])}
        try:
            ordered = [replies[n] for n in ids]
        except KeyError:
            raise NodeUnavailable(
                f"{self._name}: answers missing, {len(replies)} to {len(calls)} {calls[0][0]}"
            ) from None
        if not tolerant:
            for call, reply in zip(calls, ordered, strict=True):
                if reply.error is not None and (error := self._fault(reply, call)) is not None:
                    raise error
        return ordered

    def _decode(self, body: bytes, decoder: msgspec.json.Decoder[Any], call: Call) -> Any:
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text = faults.masked(str(error), self._secrets)
            raise NodeUnavailable(f"{self._name}: answer to {call[0]} cannot be read: {text}") from None

    def _post(self, body: bytes, call: Call, calls: int, first: int | None, last: int | None) -> bytes:
        """Send one body and return the answer's. Raises what the HTTP status and the connection mean."""
        if self._bucket:
            self._bucket.take(calls)
        deadline = time.monotonic() + self._timeout * _BODY_DEADLINE
        limit = urllib3.Timeout(connect=min(10.0, self._timeout), read=self._timeout)
        try:
            response = self._http.request(
                "POST", self._url, body=body, timeout=limit, preload_content=False, redirect=False
            )
            try:
                pieces = []
                while piece := response.read(_CHUNK):
                    pieces.append(piece)
                    if time.monotonic() > deadline:
                        raise ReadTimeoutError(self._http, "", "the answer did not end in time")  # type: ignore[arg-type]
                response.release_conn()
            except BaseException:
                response.close()  # half an answer is left in it: never reuse this connection
                raise
        except HTTPError as error:
            # `from None`: urllib3's messages quote the path, and with it the key.
            text = faults.masked(str(error), self._secrets)[:300]
            kind = NoAnswer if isinstance(error, ReadTimeoutError) else NodeUnavailable
            raise kind(f"{self._name}: {call[0]}: {type(error).__name__}: {text}") from None
        answer = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if response.status == 200:
            return answer
        raise self._status(response.status, response.headers.get("retry-after"), answer, call, first, last)

    def _status(
        self, status: int, wait: str | None, answer: bytes, call: Call, first: int | None, last: int | None
    ) -> LeverageError:
        """Return the error of an answer that is not HTTP 200."""
        text = faults.masked(answer[:300].decode(errors="replace"), self._secrets)
        if status == 429:
            return RateLimited(f"{self._name}: HTTP 429: {text}", faults.retry_after(wait))
        try:
            reply = _single.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            reply = None
        if reply is not None and reply.error is not None:
            fault = self._fault(reply, call, first, last)
            if fault is not None:
                return fault
        if status == 413 and first is not None:
            fault = faults.classify(None, "entity too large", method=call[0], first=first, last=last)
            if fault is not None:
                return fault
        if status == 413:
            return NodeUnavailable(f"{self._name}: HTTP 413: batch too large")
        return (NoAnswer if status == 504 else NodeUnavailable)(f"{self._name}: HTTP {status}: {text}")
