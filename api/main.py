"""The HTTP application.

    uvicorn.run("api.main:from_environment", factory=True, host="127.0.0.1", port=8000)

with the variables of `Settings.environment()` set; or `create_app(Settings(database=...))` in a process of one's own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from api import problems, web
from api.access import Access, origins
from api.front import Front, Newest
from api.heads import Heads
from api.kept import Kept
from api.limits import BodyLimit
from api.metrics import Requests, registry_of
from api.pool import Pool
from api.routes import (
    accounts,
    events,
    exposure,
    history,
    leverage,
    loops,
    markets,
    operation,
    perps,
    risk,
    simulations,
    status,
    stream,
)
from api.schemas import ProblemDocument
from api.settings import Settings
from api.stream import Hub, Reads, closing_on_signals
from indexer.store import queries
from indexer.store.queries import Row
from indexer.store.queries.coverage import Coverage

DESCRIPTION = """
Leverage in on-chain lending and perpetuals, rebuilt from events to the wei.

**Answers** come as `{data, page, meta}`. `meta` names the block an answer is of, its hash and finality, and how far the index
is behind. **Exact integers and USD are strings**, ratios are numbers, what is absent is null.

**Which block**: `as_of_block` or `as_of_time`; left out, the newest block that every running protocol has reached.
**Polling**: send the last `ETag` as `If-None-Match` and get 304 while nothing changed, or wait with `min_block=N&wait=25`.
**Lists**: follow `page.next_cursor`. It pins the block, so pages are consistent; 409 when a reorg replaced it.
**Errors** are RFC 9457 problem documents.
"""

ROUTERS = (
    status, markets, leverage, accounts, loops, risk, exposure, events, perps, history, simulations, stream, operation,
)  # fmt: skip


def create_app(settings: Settings) -> FastAPI:
    """Return the application. It opens its connection pool when it starts and closes it when it stops."""

    pool = Pool(settings)

    def read_heads() -> list[Coverage]:
        with pool.connections.connection() as connection:
            return queries.coverage.chains(connection)

    def read_status() -> list[Row]:
        with pool.connections.connection() as connection:
            return queries.coverage.status(connection, None)

    def read_messages(chain_id: int, after: int, limit: int) -> list[Row]:
        with pool.connections.connection() as connection:
            return queries.stream.messages(connection, chain_id, after, limit)

    def read_window(chain_id: int) -> tuple[int, int]:
        with pool.connections.connection() as connection:
            return queries.stream.window(connection, chain_id)

    def read_streams() -> list[Row]:
        with pool.connections.connection() as connection:
            return queries.stream.chains(connection)

    def read_keys() -> list[Row]:
        with pool.connections.connection() as connection:
            return queries.keys.in_use(connection)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.parameters()
        pool.connections.open(wait=False)
        hub.start()
        try:
            with closing_on_signals(hub):
                yield
        finally:
            await hub.stop()
            await newest.close()
            pool.connections.close()

    app = FastAPI(
        title="Leverage indexer",
        summary="Exact positions and leverage of DeFi accounts, as of any indexed block",
        description=DESCRIPTION,
        version=package_version(),
        openapi_url="/v1/openapi.json",
        docs_url="/v1/docs",
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    heads = Heads(read_heads, settings.poll_seconds, settings.max_waiting_requests)
    hub = Hub(settings.database, Reads(read_streams, read_messages, read_window), settings.max_streams)
    kept = Kept()
    newest = Newest(settings.database)
    registry = registry_of(read_status, lambda: heads.waiting, lambda: hub.listeners)
    app.state.pool = pool
    app.state.heads = heads
    app.state.kept = kept
    app.state.hub = hub
    app.state.ready_lag_seconds = settings.ready_lag_seconds
    app.state.read_heads = read_heads
    app.state.registry = registry
    app.state.fields = {}
    app.state.parameters = cache(lambda: parameters_of(app))
    app.openapi = cache(partial(openapi, app))  # type: ignore[method-assign]
    app.add_middleware(Front, kept=kept, newest=newest)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(
        Access,
        read_keys=read_keys,
        require_key=settings.require_key,
        requests_per_minute=settings.requests_per_minute or None,
    )
    if allowed := origins(settings.cors_origins):
        app.add_middleware(
            CORSMiddleware, allow_origins=allowed, allow_methods=["GET", "POST"], allow_headers=["*"],
            expose_headers=["ETag", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "Location"],
        )  # fmt: skip
    app.add_middleware(GZipMiddleware, minimum_size=2_048, compresslevel=1)
    app.add_middleware(Requests, registry=registry)
    problems.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    web.install(app)
    return app


def from_environment() -> FastAPI:
    """Return the application as `leverage serve` has described it in the environment."""
    return create_app(Settings.from_environment(os.environ))


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the schema: FastAPI's, with the nulls of our examples, which it drops, and the model of problems."""
    found = FastAPI.openapi(app)
    for module in ROUTERS:
        for route in module.router.routes:
            if not isinstance(route, APIRoute):  # a WebSocket has no place in the schema
                continue
            for method in route.methods or ():
                documented = found["paths"][route.path][method.lower()]["responses"]
                for code, response in route.responses.items():
                    for media_type, content in response.get("content", {}).items():
                        documented[str(code)]["content"][media_type]["example"] = content["example"]
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    found["components"]["schemas"] |= {**problem.pop("$defs"), "ProblemDocument": problem}
    return found


def operation_id(route: APIRoute) -> str:
    """Return the name of the handler: clients generated from the schema call it that, so handlers keep their names."""
    return route.name


def parameters_of(app: FastAPI) -> dict[str, set[str]]:
    """Return the query parameters of each path, as the schema states them."""
    return {
        path: {
            parameter["name"]
            for operation in methods.values()
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        for path, methods in app.openapi()["paths"].items()
    }


def package_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("leverage-indexer")
    except PackageNotFoundError:
        return "0.0.0"
