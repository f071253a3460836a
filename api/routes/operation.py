"""For operators: is it alive, and what are its numbers. Outside /v1 and without an envelope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.answers import documented
from api.schemas import Healthz, Readyz
from indexer.store import queries

router = APIRouter(tags=["operation"])


@router.get(
    "/healthz",
    summary="Whether the API and its database answer",
    response_model=Healthz,
    responses={k: v for k, v in documented({"status": "ok"}, pinned=False, known=False).items() if k in (200, 503)},
)
def healthz(request: Request) -> dict[str, str]:
    """200 when the database answers, else 503. It says nothing about lag: that is `/readyz`."""
    with request.app.state.pool.connections.connection(timeout=2) as connection:
        connection.execute("SELECT 1")
    return {"status": "ok"}


READY = {"status": "ready", "reasons": []}


@router.get(
    "/readyz",
    summary="Whether answers are fresh enough to be used",
    response_model=Readyz,
    responses={
        **{k: v for k, v in documented(READY, pinned=False, known=False).items() if k == 200},
        503: {
            "description": "Not ready; `reasons` says why.",
            "model": Readyz,
            "content": {
                "application/json": {
                    "example": {"status": "not ready", "reasons": ["ethereum: no block is indexed yet"]}
                }
            },
        },
    },
)
def readyz(request: Request, response: Response) -> dict[str, Any]:
    """200 when every chain has an indexed block that is not older than `ready_lag_seconds`, and no protocol stopped; else 503."""
    with request.app.state.pool.connections.connection(timeout=2) as connection:
        chains = queries.coverage.status(connection, None)
    reasons = list(not_ready(chains, request.app.state.ready_lag_seconds))
    response.status_code = 503 if reasons else 200
    return {"status": "not ready" if reasons else "ready", "reasons": reasons}


def not_ready(chains: list[queries.Row], oldest_seconds: int) -> Iterator[str]:
    """Yield why a load balancer should not send requests here."""
    if not chains:
        yield "no chain is indexed yet"
    for chain in chains:
        if chain["indexed_block"] is None:
            yield f"{chain['chain']}: no block is indexed yet"
        elif oldest_seconds and (chain["lag_seconds"] is None or chain["lag_seconds"] > oldest_seconds):
            yield f"{chain['chain']}: the indexed block is {chain['lag_seconds']} s old, more than {oldest_seconds}"
        for protocol in chain["protocols"]:
            if protocol["status"] == "stopped":
                yield f"{chain['chain']}: {protocol['protocol']} stopped; /v1/status says why"


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": 'leverage_lag_blocks{chain="ethereum"} 0.0\n'}}}},
)
def metrics(request: Request) -> Response:
    """Lag, blocks, stopped protocols, requests; the names are documented in `api/metrics.py`."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
