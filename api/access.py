"""Who may ask, and how often.

Keys     random, shown once when made (`leverage key create`); the database keeps their SHA-256 only. Sent as
         `Authorization: Bearer KEY` or `X-API-Key: KEY`. A wrong key is refused also where none is needed
Limits   requests a minute, of the key, or of the client's address where no key is sent; counted by the `limits` library in
         this process. `RateLimit-*` headers go with every answer to which a limit applies; 429 with Retry-After beyond it
"""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, document, from_database, unavailable
from indexer.store.queries import Row

KEYS_SECONDS = 5.0
"""How old the list of keys may be: a revoked key works that much longer."""

OPEN_PATHS = ("/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/docs")
"""What answers without a key and is not counted: probes, scrapes and the description."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `limit` None: as often as they like."""

    name: str
    limit: int | None


def digest(key: str) -> bytes:
    """Return what the database keeps of a key. Keys are 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(key.encode()).digest()


class Access:
    """ASGI middleware: refuses unknown keys and too many requests, and says how many are left."""

    def __init__(
        self, app: ASGIApp, read_keys: Callable[[], list[Row]], require_key: bool, requests_per_minute: int | None
    ) -> None:
        self.app = app
        self._read_keys = read_keys
        self._require_key = require_key
        self._anonymous = requests_per_minute
        self._keys: list[Row] = []
        self._read_at = -math.inf
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not self._counts(scope["path"]):
            return await self.app(scope, receive, send)
        try:
            caller = await self._caller(scope)
            headers = self._count(caller)
        except Problem as problem:
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008, "reason": problem.slug})
            answer = document(Request(scope), problem)
            answer.headers.update(problem.headers)
            return await answer(scope, receive, send)

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self.app(scope, receive, marked if headers else send)

    @staticmethod
    def _counts(path: str) -> bool:
        return path.startswith("/v1/") and path not in OPEN_PATHS

    async def _caller(self, scope: Scope) -> Caller:
        """Return who asks.

        Raises  Problem (401) for a key that is wrong, or missing where one is needed
        """
        key = _key_of(dict(scope["headers"]))
        if key is None:
            if self._require_key:
                raise _unauthorised("send your key as `Authorization: Bearer KEY` or `X-API-Key: KEY`")
            client = scope.get("client")
            return Caller(client[0] if client else "unknown", self._anonymous)
        if time.monotonic() - self._read_at > KEYS_SECONDS:
            try:
                self._keys = await run_in_threadpool(self._read_keys)
            except psycopg.Error as error:
                raise from_database(error) or unavailable(
                    "database-unavailable", "The keys cannot be read", 2
                ) from error
            self._read_at = time.monotonic()
        offered, found = digest(key), None
        for row in self._keys:  # every key is compared, so that time tells nothing of which came close
            if hmac.compare_digest(offered, bytes(row["key_sha256"])):
                found = row
        if found is None:
            raise _unauthorised("the key is not known, or was revoked")
        return Caller(f"key:{found['name']}", found["requests_per_minute"])

    def _count(self, caller: Caller) -> list[tuple[bytes, bytes]]:
        """Count a request and return the headers that say what is left.

        Raises  Problem (429) when nothing is
        """
        if caller.limit is None:
            return []
        item = RateLimitItemPerMinute(caller.limit)
        allowed = self._limiter.hit(item, caller.name)
        stats = self._limiter.get_window_stats(item, caller.name)
        reset = max(1, math.ceil(stats.reset_time - time.time()))
        told = {
            "RateLimit-Limit": caller.limit,
            "RateLimit-Remaining": max(stats.remaining, 0),
            "RateLimit-Reset": reset,
        }
        if not allowed:
            problem = unavailable("too-many-requests", f"More than {caller.limit} requests a minute", reset)
            problem.status, problem.title = 429, "Too many requests"
            problem.headers = {name: str(value) for name, value in told.items()}
            raise problem
        return [(name.lower().encode(), str(value).encode()) for name, value in told.items()]


def _key_of(headers: dict[bytes, bytes]) -> str | None:
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers[b"x-api-key"].decode("latin-1").strip() if b"x-api-key" in headers else None


def _unauthorised(detail: str) -> Problem:
    problem = Problem(401, "unauthorised", "A valid key is needed", detail)
    problem.headers = {"WWW-Authenticate": "Bearer"}
    return problem


def origins(text: str) -> list[str]:
    """Return the origins of a comma-separated list."""
    return [origin.strip() for origin in text.split(",") if origin.strip()]
