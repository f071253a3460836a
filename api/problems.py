"""Errors as RFC 9457 problem documents (`application/problem+json`).

    status  type                     when
    401     unauthorised             a key is needed, or the one sent is not valid
    404     unknown-chain, unknown-protocol, unknown-deployment, unknown-market, unknown-account, unknown-asset, unknown-venue,
            unknown-simulation, outside-coverage, header-not-kept, not-found
    409     reorged-away             the block a cursor pins was replaced: start the listing again
    409     moved-on                 a listing of the head's table whose head is now another block: start it again
    413     body-too-large
    422     bad-parameter            `errors` names each parameter at fault
    429     too-many-requests        with Retry-After and RateLimit-* headers
    500     internal-error           a bug; the server's log has it
    503     database-unavailable, too-slow, too-busy, not-migrated, read-only     with Retry-After

`type` is `urn:leverage:problem:<slug>`; slugs are stable, texts are for people.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from indexer.errors import BadRequest, DatabaseUnavailable

log = logging.getLogger("api")

TYPE = "urn:leverage:problem:"
MEDIA_TYPE = "application/problem+json"


class Problem(BadRequest):
    """A refusal. `extra` holds further members of the document, e.g. the blocks that are covered."""

    def __init__(self, status: int, slug: str, title: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status, self.slug, self.title, self.detail, self.extra = status, slug, title, detail, extra
        self.headers: dict[str, str] = {}


class Unchanged(Exception):
    """The client has this answer already: 304."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__()
        self.headers = headers


class NothingNew(Exception):
    """The block waited for did not come in time: 204."""


def bad_parameter(parameter: str, detail: str, location: str = "query") -> Problem:
    """Return a 422 that names one parameter."""
    errors = [{"parameter": parameter, "in": location, "detail": detail}]
    return Problem(422, "bad-parameter", "A parameter is not valid", f"{parameter}: {detail}", errors=errors)


def not_found(what: str, detail: str, **extra: Any) -> Problem:
    """Return a 404 for an unknown chain, protocol, market or account."""
    return Problem(404, f"unknown-{what}", f"Unknown {what}", detail, **extra)


def outside_coverage(detail: str, **extra: Any) -> Problem:
    """Return a 404 for a block that is not indexed."""
    return Problem(404, "outside-coverage", "The block is outside the indexed range", detail, **extra)


def header_not_kept(detail: str, **extra: Any) -> Problem:
    """Return a 404 for a block in which nothing happened and whose header was not kept."""
    return Problem(404, "header-not-kept", "The header of the block is not kept", detail, **extra)


def reorged_away(detail: str) -> Problem:
    """Return a 409 for a pinned block that was replaced."""
    return Problem(409, "reorged-away", "The pinned block was replaced", detail)


def moved_on(detail: str) -> Problem:
    """Return a 409 for a listing of the head that is the head no longer."""
    return Problem(409, "moved-on", "The head moved on", detail)


def unavailable(slug: str, detail: str, retry_after: int = 1) -> Problem:
    """Return a 503 that says when to come back, in seconds."""
    return Problem(503, slug, "The service cannot answer now", detail, retry_after=retry_after)


def document(request: Request, problem: Problem) -> JSONResponse:
    """Return the problem as a response."""
    body = {
        "type": TYPE + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path,
        **problem.extra,
    }
    headers = {"Cache-Control": "no-store"}
    if "retry_after" in problem.extra:
        headers["Retry-After"] = str(problem.extra["retry_after"])
    return JSONResponse(body, problem.status, headers, MEDIA_TYPE)


def from_validation(errors: Sequence[Any]) -> Problem:
    """Turn FastAPI's list of validation errors into one 422. A parameter that two dependencies read is named once."""
    found: list[dict[str, str]] = []
    for error in errors:
        where, *names = (str(part) for part in error["loc"])
        entry = {"parameter": names[0] if names else where, "in": where, "detail": str(error["msg"])}
        if entry not in found:
            found.append(entry)
    detail = "; ".join(f"{entry['parameter']}: {entry['detail']}" for entry in found)
    return Problem(422, "bad-parameter", "A parameter is not valid", detail, errors=found)


def from_database(error: Exception) -> Problem | None:
    """Turn an error of the database into the problem that it means, or None when it is a bug of ours."""
    match error:
        case psycopg.Error(sqlstate="LV001"):
            return header_not_kept(error.diag.message_primary or "", hint=error.diag.message_hint)
        case psycopg.Error(sqlstate="LV002"):
            return outside_coverage(error.diag.message_primary or "", hint=error.diag.message_hint)
        case psycopg.errors.QueryCanceled():
            return unavailable(
                "too-slow", "The query took longer than the statement timeout; ask for less, or later", 5
            )
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedFunction() | psycopg.errors.UndefinedColumn():
            return unavailable(
                "not-migrated", "The database lacks a table or view of this version; run `leverage run`", 30
            )
        case psycopg.errors.InsufficientPrivilege() | psycopg.errors.ReadOnlySqlTransaction():
            return unavailable(
                "read-only", "This API's database role may not store questions; it needs INSERT on cascade_runs", 60
            )
        case psycopg.OperationalError() | psycopg.InterfaceError() | DatabaseUnavailable():
            return unavailable("database-unavailable", "The database cannot be reached, or has no connection free", 2)
    return None


SLUGS = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}


def install(app: FastAPI) -> None:
    """Register the handlers that turn every error into a problem document."""

    @app.exception_handler(Problem)
    async def refuse(request: Request, error: Problem) -> Response:
        return document(request, error)

    @app.exception_handler(RequestValidationError)
    async def refuse_parameters(request: Request, error: RequestValidationError) -> Response:
        return document(request, from_validation(error.errors()))

    @app.exception_handler(HTTPException)
    async def refuse_route(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI's word for a body that it cannot read at all
            return document(request, bad_parameter("body", "it cannot be read", "body"))
        slug = SLUGS.get(error.status_code, f"http-{error.status_code}")
        answer = document(request, Problem(error.status_code, slug, str(error.detail), str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Unchanged)
    async def not_modified(request: Request, error: Unchanged) -> Response:
        return Response(status_code=304, headers=error.headers)

    @app.exception_handler(NothingNew)
    async def no_content(request: Request, error: NothingNew) -> Response:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

    @app.exception_handler(psycopg.Error)
    @app.exception_handler(DatabaseUnavailable)
    async def database(request: Request, error: Exception) -> Response:
        problem = from_database(error)
        if problem is None:
            raise error
        log.warning("%s %s: %s", request.method, request.url.path, error)
        return document(request, problem)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        detail = "The server failed on this request; its log says why"
        return document(request, Problem(500, "internal-error", "Internal error", detail))
