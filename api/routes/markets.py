"""Markets with their books, parameters and prices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from api.answers import Answer, documented, example_list, example_single, listed, single
from api.deps import (
    ADDRESS,
    AsOf,
    AsOfList,
    Connection,
    DeploymentFilter,
    ProtocolFilter,
    only_known_parameters,
    page_of,
)
from api.paging import Page
from api.problems import not_found
from api.schemas import Envelope, Market
from api.scope import check_protocol, check_scope  # fmt: skip
from indexer.store import queries

router = APIRouter(prefix="/v1/markets", tags=["markets"], dependencies=[Depends(only_known_parameters)])

MARKET_ID = "aave_v3:1:0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2:0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"

MARKET = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core", "market_id": MARKET_ID,
    "accounting": "aave", "regime": "half_up_b", "asset": "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "symbol": "WETH",
    "decimals": 18, "collateral_asset": None, "collateral_symbol": None,
    "supply_token": "0x4d5f47fa6a74757f35c14fd3a6ef8e3c9bc514e8", "debt_token": "0xea51d7853eefb32b6ee06b1c12e6dcca88be0ffe",
    "oracle": "0x54586be62e3c3580375ae3723c145253060ca0c2", "irm": None, "supply_index_raw": "1035000000000000000000000000",
    "debt_index_raw": "1048000000000000000000000000", "total_supply_raw": "1900000000000000000000000",
    "total_debt_raw": "1615000000000000000000000", "supply_shares_raw": "1835748792270531400966184",
    "debt_shares_raw": "1541030534351145038167939", "supply_rate_raw": "18000000000000000000000000",
    "debt_rate_raw": "25000000000000000000000000", "rate_at_target_raw": None, "fee_raw": None, "total_supply": "1900000",
    "total_debt": "1615000", "total_supply_usd": "3800000000", "total_debt_usd": "3230000000", "utilization": 0.85,
    "ltv_max": 0.805, "liquidation_threshold": 0.83, "liquidation_bonus": 0.05, "lltv_raw": None, "reserve_factor": 0.15,
    "supply_cap": "2000000", "borrow_cap": "1800000", "debt_ceiling": "0", "is_active": True, "is_frozen": False,
    "is_paused": False, "borrowing_enabled": True, "flash_loan_enabled": True, "price_usd": "2000",
    "price_block": 21_525_880, "collateral_price_usd": "2000", "oracle_price_raw": "200000000000",
    "oracle_price_block": 21_525_880, "listed_block": 16_496_792, "as_of_block": 21_525_890,
}  # fmt: skip


@router.get(
    "",
    summary="Markets with their books, parameters and prices",
    response_model=Envelope[list[Market]],
    responses=documented(example_list(MARKET), listing=True),
)
def markets(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.markets.MARKETS_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    asset: Annotated[
        str | None,
        Query(pattern=ADDRESS, description="Only markets of this asset or collateral.", examples=[MARKET_ID[-42:]]),
    ] = None,
) -> Answer:
    """Those listed by the block, ordered by market id."""
    check_scope(connection, at, protocol, deployment)
    found = queries.markets.markets(
        connection, at, page.limit, page.after,
        protocol=protocol, deployment=deployment, asset=None if asset is None else asset.lower(),
    )  # fmt: skip
    return listed(request, found, page, at)


@router.get(
    "/{market_id}",
    summary="One market",
    response_model=Envelope[Market],
    responses=documented(example_single(MARKET)),
)
def market(
    connection: Connection,
    at: AsOf,
    market_id: Annotated[
        str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,200}$", description="Readable market id.", examples=[MARKET_ID])
    ],
) -> Answer:
    """404 when it does not exist, or was not listed by the block asked for."""
    known = queries.markets.listing(connection, at.chain_id, market_id)
    if known is None:
        raise not_found("market", f"There is no market {market_id} on {at.chain}; see /v1/markets")
    check_protocol(connection, at, known["protocol"])
    found = queries.markets.market(connection, at, market_id)
    if found is None:
        raise not_found("market", f"{market_id} was listed in block {known['listed_block']}, after {at.block_number}")
    return single(found, at)
