"""For operators: is it alive, and what are its numbers. Outside /v1 and without an envelope."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.answers import documented
from api.schemas import Healthz

router = APIRouter(tags=["operation"])


@router.get(
    "/healthz",
    summary="Whether the API and its database answer",
    response_model=Healthz,
    responses={k: v for k, v in documented({"status": "ok"}, pinned=False, known=False).items() if k in (200, 503)},
)
def healthz(request: Request) -> dict[str, str]:
    """200 when the database answers, else 503. It says nothing about lag: that is `/v1/status`."""
    with request.app.state.pool.connections.connection(timeout=2) as connection:
        connection.execute("SELECT 1")
    return {"status": "ok"}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": 'leverage_lag_blocks{chain="ethereum"} 0.0\n'}}}},
)
def metrics(request: Request) -> Response:
    """Lag, blocks, stopped protocols, requests; the names are documented in `api/metrics.py`."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
