"""What happened: liquidations, parameter changes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.answers import Answer, documented, example_list, listed
from api.deps import (
    ADDRESS,
    SLUG,
    AsOfList,
    Connection,
    DeploymentFilter,
    FromBlock,
    ProtocolFilter,
    only_known_parameters,
    page_of,
)
from api.paging import Page
from api.schemas import Envelope, Liquidation, ParamChange
from api.scope import check_scope  # fmt: skip
from indexer.store import queries

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(only_known_parameters)])

POOL = "0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2"
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
DAI = "0x6b175474e89094c44da98b954eedeac495271d0f"

LIQUIDATION = {
    "protocol": "aave_v3", "blockchain": "ethereum", "project": "aave", "version": "3", "deployment": "ethereum_core",
    "market_id": f"aave_v3:1:{POOL}:{DAI}", "collateral_market_id": f"aave_v3:1:{POOL}:{WETH}",
    "borrower": "0x00000000000000000000000000000000000000a1", "liquidator": "0x00000000000000000000000000000000000000b0",
    "debt_token": DAI, "debt_symbol": "DAI", "debt_repaid_raw": "1000000000000000000000", "debt_repaid": "1000",
    "debt_repaid_usd": "1000", "collateral_token": WETH, "collateral_symbol": "WETH",
    "collateral_seized_raw": "525000000000000000", "collateral_seized": "0.525", "collateral_seized_usd": "1050",
    "bonus": 0.05, "profit_usd": "50", "bad_debt_usd": "0", "block_number": 21_525_800,
    "block_time": "2024-12-31T23:41:59Z", "tx_hash": "0x" + "cd" * 32, "tx_index": 7, "evt_index": 42,
    "project_contract_address": POOL,
}  # fmt: skip

PARAM_CHANGE = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core",
    "market_id": f"aave_v3:1:{POOL}:{WETH}", "name": "liquidation_threshold_bps", "qualifier": "", "value_raw": "8300",
    "value_text": None, "block_number": 21_525_700, "block_time": "2024-12-31T23:21:59Z", "evt_index": 3,
}  # fmt: skip


@router.get(
    "/liquidations",
    summary="Liquidations, newest first",
    response_model=Envelope[list[Liquidation]],
    responses=documented(example_list(LIQUIDATION), listing=True),
)
def liquidations(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.events.LIQUIDATIONS_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    borrower: Annotated[
        str | None, Query(pattern=ADDRESS, description="Only of this borrower.", examples=[LIQUIDATION["borrower"]])
    ] = None,
    liquidator: Annotated[
        str | None, Query(pattern=ADDRESS, description="Only by this liquidator.", examples=[LIQUIDATION["liquidator"]])
    ] = None,
    from_block: FromBlock = None,
) -> Answer:
    """Every liquidation up to the block of the answer: debt repaid, collateral taken, and what was written off."""
    check_scope(connection, at, protocol, deployment)
    found = queries.events.liquidations(
        connection, at, page.limit, page.after, protocol=protocol, deployment=deployment, from_block=from_block,
        borrower=None if borrower is None else borrower.lower(),
        liquidator=None if liquidator is None else liquidator.lower(),
    )  # fmt: skip
    return listed(request, found, page, at)


@router.get(
    "/params/history",
    summary="Parameter changes, newest first",
    response_model=Envelope[list[ParamChange]],
    responses=documented(example_list(PARAM_CHANGE), listing=True),
)
def params_history(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.params.CHANGES_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    market_id: Annotated[
        str | None,
        Query(max_length=200, description="Only of this market.", examples=[PARAM_CHANGE["market_id"]]),
    ] = None,
    name: Annotated[
        str | None,
        Query(pattern=SLUG, description="Only this parameter.", examples=["liquidation_threshold_bps"]),
    ] = None,
    from_block: FromBlock = None,
) -> Answer:
    """Every change of a parameter of a market or a deployment up to the block of the answer, in the protocol's own units."""
    check_scope(connection, at, protocol, deployment)
    found = queries.params.changes(
        connection, at, page.limit, page.after,
        protocol=protocol, deployment=deployment, market_id=market_id, name=name, from_block=from_block,
    )  # fmt: skip
    return listed(request, found, page, at)
