"""For liquidation bots: who is at risk, worst first."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.answers import Answer, documented, example_list, listed
from api.deps import AsOfList, Connection, DeploymentFilter, ProtocolFilter, only_known_parameters, page_of
from api.paging import Page
from api.schemas import AtRisk, Envelope
from api.scope import check_scope  # fmt: skip
from indexer.store import queries

router = APIRouter(
    prefix="/v1/liquidation-risk", tags=["liquidation risk"], dependencies=[Depends(only_known_parameters)]
)

WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"

AT_RISK = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core", "market_id": None,
    "account": "0x00000000000000000000000000000000000000a1", "owner": "0x00000000000000000000000000000000000000a1",
    "status": "ok", "health_factor": 1.04, "health_factor_raw": "1040000000000000000", "bucket": "[1,1.05)",
    "is_liquidatable": False, "is_toxic": False, "collateral_usd": "20000", "debt_usd": "15384.615384",
    "collateral_assets": [WETH], "debt_assets": ["0x6b175474e89094c44da98b954eedeac495271d0f"], "emode": 0,
    "pair_class": "directional", "price_usd": "2000", "liquidation_price_usd": "1923.076923076923076923",
    "distance": 0.038461538461538464, "first_eligible_drop": 0.038461538461538464, "loss_boundary_drop": 0.1923076923,
    "liquidation_bonus": 0.05, "as_of_block": 21_525_890,
}  # fmt: skip


@router.get(
    "/positions",
    summary="Borrowers by health factor, worst first",
    response_model=Envelope[list[AtRisk]],
    responses=documented(example_list(AT_RISK), listing=True),
)
def liquidation_risk_positions(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.risk.AT_RISK_KEY))],
    health_factor_lt: Annotated[
        Decimal | None,
        Query(
            gt=0,
            max_digits=38,
            decimal_places=18,
            description="Only below this health factor, a ratio.",
            examples=["1.05"],
        ),
    ] = None,
    min_debt_usd: Annotated[
        Decimal | None,
        Query(
            ge=0, max_digits=38, decimal_places=18, description="Only with at least this debt, USD.", examples=["100"]
        ),
    ] = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
) -> Answer:
    """Liquidatable ones are included and come first. A borrower whose health factor is unknown for want of a price is not listed.

    A list of candidates: re-check on chain in the block you send in.
    """
    check_scope(connection, at, protocol, deployment)
    found = queries.risk.at_risk(
        connection, at, page.limit, page.after,
        health_factor_lt=health_factor_lt, min_debt_usd=min_debt_usd, protocol=protocol, deployment=deployment,
    )  # fmt: skip
    return listed(request, found, page, at)
