"""Leverage of protocols, now and over time."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api import kept
from api.answers import Answer, documented, example_list, listed
from api.deps import (
    AsOfList,
    Connection,
    DeploymentFilter,
    FromTime,
    Protocol,
    only_known_parameters,
    page_of,
    unix_seconds,
)
from api.paging import Page
from api.schemas import Envelope, ProtocolLeverage
from api.scope import check_scope  # fmt: skip
from indexer.store import queries

router = APIRouter(
    prefix="/v1/protocols/{protocol}/leverage", tags=["leverage"], dependencies=[Depends(only_known_parameters)]
)

LEVERAGE = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core", "population": "borrowers",
    "assets_usd": "1800", "debt_usd": "500", "equity_usd": "1300", "leverage": 1.3846153846153846, "n_ok": 2,
    "n_zero_equity": 0, "n_insolvent": 1, "n_unpriced": 0, "latent_bad_debt_usd": "5", "as_of_block": 21_525_890,
    "as_of_time": "2025-01-01T00:00:11Z",
}  # fmt: skip

Population = Annotated[
    Literal["borrowers", "all"] | None,
    Query(description="borrowers: accounts with debt and positive equity, the headline; all: with pure suppliers."),
]


@router.get(
    "",
    summary="Leverage of each deployment of a protocol",
    response_model=Envelope[list[ProtocolLeverage]],
    responses=documented(example_list(LEVERAGE), listing=True),
)
def protocol_leverage(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.leverage.PROTOCOL_LEVERAGE_KEY))],
    protocol: Protocol,
    deployment: DeploymentFilter = None,
    population: Population = None,
) -> Response:
    """A ratio of sums, never a mean of ratios. Accounts without equity or price are counted beside it, never inside."""
    check_scope(connection, at, protocol, deployment)
    return kept.listing(
        request, at, page, Envelope[list[ProtocolLeverage]],
        lambda: queries.leverage.of_protocol(
            connection, at, protocol, page.limit, page.after, deployment=deployment, population=population
        ),
    )  # fmt: skip


@router.get(
    "/history",
    summary="Leverage of each deployment of a protocol over time",
    response_model=Envelope[list[ProtocolLeverage]],
    responses=documented(example_list(LEVERAGE), listing=True),
)
def protocol_leverage_history(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.leverage.HISTORY_KEY))],
    protocol: Protocol,
    deployment: DeploymentFilter = None,
    population: Population = None,
    from_time: FromTime = None,
) -> Answer:
    """The snapshots up to the block of the answer, newest first; each names the block it was taken at."""
    check_scope(connection, at, protocol, deployment)
    since = None if from_time is None else unix_seconds("from_time", from_time)
    found = queries.leverage.history(
        connection, at, protocol, page.limit, page.after, deployment=deployment, population=population, from_time=since
    )
    return listed(request, found, page, at)
