"""Metrics of deployments and of the whole chain: leverage by owner, distribution, velocity, bad debt, concentration, value locked."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

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
    ProtocolFilter,
    only_known_parameters,
    page_of,
    unix_seconds,
)
from api.paging import Page
from api.schemas import (
    BadDebt,
    Concentration,
    Envelope,
    LeverageByScope,
    LeverageDistribution,
    LeverageVelocity,
    Utilization,
    ValueLocked,
)
from api.scope import check_scope
from indexer.store import queries

router = APIRouter(prefix="/v1", tags=["metrics"], dependencies=[Depends(only_known_parameters)])

OF: dict[str, Any] = {
    "scope": "deployment", "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core",
    "as_of_block": 21_525_890,
}  # fmt: skip

LEVERAGE = {
    **OF, "level": "owner", "population": "borrowers", "pair_class": "any", "assets_usd": "1800", "debt_usd": "500",
    "equity_usd": "1300", "leverage": 1.3846153846153846, "n_ok": 2, "n_zero_equity": 0, "n_insolvent": 1,
    "n_unpriced": 0, "latent_bad_debt_usd": "5",
}  # fmt: skip

DISTRIBUTION = {
    **OF, "weight": "debt", "n": 5, "p10": 1.2, "p50": 1.5, "p90": 4.0, "p99": 10.0, "share_ge_1_5": 0.9,
    "share_ge_2": 0.5, "share_ge_3": 0.2, "share_ge_5": 0.05, "share_ge_10": 0.05, "share_ge_20": 0.0,
    "bins": ["100", "0", "400", "300", "0", "150", "0", "0", "50", "0", "0", "0"], "min_debt_usd": "0",
}  # fmt: skip

VELOCITY = {
    **OF, "window_s": 86_400, "from_block": 21_518_700, "debt_before_usd": "200000", "debt_usd": "260000",
    "velocity_usd": "60000", "price_effect_usd": "51000", "organic_effect_usd": "9000", "forced_effect_usd": "0",
    "interest_effect_usd": "0", "net_of_migrations_usd": "9000", "organic_velocity_usd": "9000",
    "forced_velocity_usd": "0", "carry_velocity_usd": "0", "growth_rate_day": 0.03922071315328133,
    "doubling_days": 17.67298769, "activity_growth_day": 0.01, "excess_growth_day": 0.02922071315328133,
    "leverage_velocity_day": 0.002, "acceleration_usd": None, "beta": None, "beta_doubling_days": None, "r2_log": None,
    "sse_exp": None, "sse_lin": None, "is_exponential": None, "n_unpriced": 0, "n_new_price": 0,
    "as_of_time": "2025-01-01T00:00:11Z",
}  # fmt: skip

BAD_DEBT = {
    **OF, "latent_usd": "5", "latent_ratio": 0.0084, "economic_usd": "0", "cost_usd": "100", "realised_usd": "0",
    "covered_usd": "0", "debt_usd": "595", "n_insolvent": 1, "n_uneconomic": 0, "n_unpriced": 0,
}  # fmt: skip

CONCENTRATION = {
    **OF, "kind": "debt", "n": 3, "total_usd": "100", "hhi": 0.38, "effective_n": 2.6315789473684212, "gini": 0.2,
    "top_1_share": 0.5, "top_10_share": 1.0, "n_unpriced": 0,
    "cluster_asset": "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "cluster_price_usd": "1485.98", "cluster_share": 0.5,
}  # fmt: skip

UTILIZATION = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core",
    "market_id": "aave_v3:1:0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2:0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
    "symbol": "WETH", "utilization": 0.85, "formula": "total debt / total supply", "target_utilization": None,
    "kink_pressure": None, "borrow_apr": 0.025, "supply_apr": 0.018, "debt_usd": "3230000000",
    "supply_usd": "3800000000", "rate_elasticity": None, "rate_elasticity_r2": None, "rate_elasticity_n": None,
    "as_of_block": 21_525_890,
}  # fmt: skip

TVL = {
    **OF, "tvl_usd": "32000", "tvl_including_borrowed_usd": "40000", "tvr_usd": "20000", "double_count_usd": "12000",
    "defi_multiplier": 1.6, "claims_usd": "12000", "unclassified_usd": "0", "borrowed_usd": "8000", "n_unpriced": 0,
}  # fmt: skip

Scope = Annotated[
    Literal["chain", "deployment"] | None,
    Query(description="chain: all deployments together; deployment: each by itself. Left out: both."),
]
WINDOWS = {"1d": 86_400, "7d": 604_800, "30d": 2_592_000}


@router.get(
    "/leverage",
    summary="Leverage of the chain and of each deployment, by account or owner and by pair class",
    response_model=Envelope[list[LeverageByScope]],
    responses=documented(example_list(LEVERAGE), listing=True),
)
def leverage_by_scope(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.history.SCOPES_KEY))],
    scope: Scope = None,
    level: Annotated[
        Literal["account", "owner"] | None,
        Query(description="account: as the protocol books it; owner: one person's accounts added first."),
    ] = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
) -> Response:
    """A 10x stable loop and a 10x directional bet carry different risk: borrowers are split by pair class."""
    check_scope(connection, at, protocol, deployment)
    return kept.listing(
        request, at, page, Envelope[list[LeverageByScope]],
        lambda: queries.history.scopes(
            connection, at, page.limit, page.after, scope=scope, level=level, protocol=protocol, deployment=deployment
        ),
    )  # fmt: skip


@router.get(
    "/protocols/{protocol}/leverage/distribution",
    summary="How leverage is distributed over a protocol's borrowers",
    response_model=Envelope[list[LeverageDistribution]],
    responses=documented(example_list(DISTRIBUTION), listing=True),
)
def leverage_distribution(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.history.DISTRIBUTION_KEY))],
    protocol: Protocol,
    deployment: DeploymentFilter = None,
    weight: Annotated[
        Literal["debt", "equity", "count"] | None, Query(description="What a borrower weighs; left out: all three.")
    ] = None,
    min_debt_usd: Annotated[
        Decimal,
        Query(ge=0, max_digits=38, decimal_places=18, description="Leave out who owes less, USD.", examples=["100"]),
    ] = Decimal(0),
) -> Response:
    """Borrowers with equity and prices; the insolvent are counted in /leverage, not here. Quantiles are not interpolated."""
    check_scope(connection, at, protocol, deployment)
    return kept.listing(
        request, at, page, Envelope[list[LeverageDistribution]],
        lambda: queries.history.distribution(
            connection, at, page.limit, page.after,
            protocol=protocol, deployment=deployment, weight=weight, min_debt_usd=min_debt_usd,
        ),
    )  # fmt: skip


@router.get(
    "/velocity",
    summary="How fast debt grows, and why",
    response_model=Envelope[list[LeverageVelocity]],
    responses=documented(example_list(VELOCITY), listing=True),
)
def velocity(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.history.VELOCITY_KEY))],
    scope: Scope = None,
    window: Annotated[
        Literal["1d", "7d", "30d"] | None, Query(description="Length of the window; left out: all three.")
    ] = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    from_time: FromTime = None,
) -> Answer:
    """At the end of each snapshot interval up to the block of the answer, newest first; each names its own block."""
    check_scope(connection, at, protocol, deployment)
    found = queries.history.velocity(
        connection, at, page.limit, page.after,
        scope=scope, window=None if window is None else WINDOWS[window], protocol=protocol, deployment=deployment,
        from_time=None if from_time is None else unix_seconds("from_time", from_time),
    )  # fmt: skip
    return listed(request, found, page, at)


@router.get(
    "/bad-debt",
    summary="Bad debt: latent, economic, realised",
    response_model=Envelope[list[BadDebt]],
    responses=documented(example_list(BAD_DEBT), listing=True),
)
def bad_debt(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.history.BAD_DEBT_KEY))],
    scope: Scope = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    cost_usd: Annotated[
        Decimal,
        Query(ge=0, max_digits=38, decimal_places=18, description="What one liquidation costs, USD.", examples=["100"]),
    ] = Decimal(100),
) -> Response:
    """Three numbers that are never netted: latent shrinks when prices recover, realised does not."""
    check_scope(connection, at, protocol, deployment)
    return kept.listing(
        request, at, page, Envelope[list[BadDebt]],
        lambda: queries.history.bad_debt(
            connection, at, page.limit, page.after,
            scope=scope, protocol=protocol, deployment=deployment, cost_usd=cost_usd,
        ),
    )  # fmt: skip


@router.get(
    "/concentration",
    summary="How few owners hold debt, collateral, equity and supply",
    response_model=Envelope[list[Concentration]],
    responses=documented(example_list(CONCENTRATION), listing=True),
)
def concentration(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.history.CONCENTRATION_KEY))],
    scope: Scope = None,
    kind: Annotated[
        Literal["debt", "collateral", "equity", "lender_supply", "liquidator_revenue"] | None,
        Query(description="What is held; left out: all."),
    ] = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
) -> Response:
    """By owner, not by address, where a protocol's books know the owner. An omnibus vault is one owner."""
    check_scope(connection, at, protocol, deployment)
    return kept.listing(
        request, at, page, Envelope[list[Concentration]],
        lambda: queries.history.concentration(
            connection, at, page.limit, page.after, scope=scope, kind=kind, protocol=protocol, deployment=deployment
        ),
    )  # fmt: skip


@router.get(
    "/utilization",
    summary="How much of each market is lent out",
    response_model=Envelope[list[Utilization]],
    responses=documented(example_list(UTILIZATION), listing=True),
)
def utilization(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.history.UTILIZATION_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
) -> Answer:
    """By each protocol's own formula, with pressure beyond the kink and the elasticity of debt to the borrow rate."""
    check_scope(connection, at, protocol, deployment)
    found = queries.history.utilization(
        connection, at, page.limit, page.after, protocol=protocol, deployment=deployment
    )
    return listed(request, found, page, at)


@router.get(
    "/tvl",
    summary="Value locked, and how much of it is counted twice",
    response_model=Envelope[list[ValueLocked]],
    responses=documented(example_list(TVL), listing=True),
)
def tvl(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.history.TVL_KEY))],
    scope: Scope = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
) -> Response:
    """Any token but a plain one is a claim on something locked elsewhere; what nobody classified is never plain."""
    check_scope(connection, at, protocol, deployment)
    return kept.listing(
        request, at, page, Envelope[list[ValueLocked]],
        lambda: queries.history.tvl(
            connection, at, page.limit, page.after, scope=scope, protocol=protocol, deployment=deployment
        ),
    )  # fmt: skip
