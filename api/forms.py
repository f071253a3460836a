"""Everything a request says is checked before anything is done for it.

FastAPI collects what is wrong with parameters while it runs dependencies, and refuses after the last of them. One that ends
the request early, because a block did not come in time (204) or nothing changed (304), would hide that a filter is misspelt,
and a poller would wait for ever. So the form is checked first, with FastAPI's own fields.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

Fields = tuple[list[Any], list[Any], list[Any]]
"""Of the path, the query and the body."""


async def check(request: Request) -> None:
    """Refuse a request whose path, query or body does not have the form that its operation states.

    Raises  RequestValidationError, which becomes a 422
    """
    route: APIRoute = request.scope["route"]
    known: dict[str, Fields] = request.app.state.fields
    if route.unique_id not in known:
        known[route.unique_id] = fields(route)
    path, query, body = known[route.unique_id]
    errors: list[Any] = request_params_to_args(path, request.path_params)[1]
    errors += request_params_to_args(query, request.query_params)[1]
    if body:
        received: Any = await request.body() or None
        if received and "json" in request.headers.get("content-type", ""):
            received = await request.json()
        errors += (await request_body_to_args(body_fields=body, received_body=received, embed_body_fields=False))[1]
    if errors:
        raise RequestValidationError(errors)


def fields(route: APIRoute) -> Fields:
    """Return the path, query and body fields of an operation and of all that it depends on, each once."""
    path: dict[str, Any] = {}
    query: dict[str, Any] = {}
    body: dict[str, Any] = {}

    def collect(part: Dependant) -> None:
        for found, into in ((part.path_params, path), (part.query_params, query), (part.body_params, body)):
            into.update({field.alias: field for field in found})
        for dependency in part.dependencies:
            collect(dependency)

    collect(route.dependant)
    return list(path.values()), list(query.values()), list(body.values())
