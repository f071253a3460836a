"""One account, or all of its owner: what it holds, how healthy it is, how leveraged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.answers import Answer, documented, example_list, listed
from api.deps import Account, AsOfList, Connection, DeploymentFilter, ProtocolFilter, only_known_parameters, page_of
from api.paging import Page
from api.schemas import AccountLeverage, Envelope, Health, Position
from api.scope import WholeOwner, check_scope, whose
from indexer.store import queries

router = APIRouter(prefix="/v1/accounts/{account}", tags=["accounts"], dependencies=[Depends(only_known_parameters)])

ACCOUNT = "0x00000000000000000000000000000000000000a1"
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
DAI = "0x6b175474e89094c44da98b954eedeac495271d0f"

SCOPE = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core", "market_id": None,
    "account": ACCOUNT, "status": "ok",
}  # fmt: skip

POSITION = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core",
    "market_id": f"aave_v3:1:0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2:{WETH}", "account": ACCOUNT, "owner": ACCOUNT,
    "side": "supply", "asset": WETH, "symbol": "WETH", "shares_raw": "9700000000000000000",
    "amount_raw": "10000000000000000000", "amount": "10", "price_usd": "2000", "amount_usd": "20000",
    "is_collateral": True, "as_of_block": 21_525_890,
}  # fmt: skip


@router.get(
    "/positions",
    summary="What an account holds and owes, to the wei",
    response_model=Envelope[list[Position]],
    responses=documented(example_list(POSITION), listing=True),
)
def account_positions(
    request: Request,
    account: Account,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.positions.POSITIONS_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    owner: WholeOwner = False,
) -> Answer:
    """Open balances by market, side, asset and account. Empty when all are closed; 404 when there never was one."""
    accounts = whose(connection, at, account, owner).accounts
    check_scope(connection, at, protocol, deployment)
    found = queries.positions.of_accounts(
        connection, at, accounts, page.limit, page.after, protocol=protocol, deployment=deployment
    )
    return listed(request, found, page, at)


HEALTH = {
    **SCOPE, "collateral_usd": "25000", "debt_usd": "12000", "health_factor": 1.645833333333333333,
    "health_factor_raw": "1645833333333333333", "is_liquidatable": False, "total_collateral_base_raw": "2500000000000",
    "total_debt_base_raw": "1200000000000", "available_borrows_base_raw": "675000000000",
    "current_liquidation_threshold_bps": 7900, "ltv_bps": 7500, "max_borrow_raw": None, "debt_raw": None, "emode": 0,
    "collateral_assets": [WETH], "debt_assets": [DAI], "liquidation_bonus_bps": 10500,
}  # fmt: skip


@router.get(
    "/health",
    summary="How far an account is from liquidation",
    response_model=Envelope[list[Health]],
    responses=documented(example_list(HEALTH), listing=True),
)
def account_health(
    request: Request,
    account: Account,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.risk.SCOPE_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    owner: WholeOwner = False,
) -> Answer:
    """One row a risk scope: a deployment where collateral is pooled (Aave), a market where it is not (Morpho)."""
    accounts = whose(connection, at, account, owner).accounts
    check_scope(connection, at, protocol, deployment)
    found = queries.risk.health(
        connection, at, accounts, page.limit, page.after, protocol=protocol, deployment=deployment
    )
    return listed(request, found, page, at)


LEVERAGE = {
    **SCOPE, "collateral_usd": "150", "assets_usd": "150", "debt_usd": "100", "equity_usd": "50", "assets_to_equity": 3.0,
    "debt_to_equity": 2.0, "ltv": 0.6666666666666666, "health_factor": 1.2, "pair_class": "directional",
}  # fmt: skip


@router.get(
    "/leverage",
    summary="How leveraged an account is",
    response_model=Envelope[list[AccountLeverage]],
    responses=documented(example_list(LEVERAGE), listing=True),
)
def account_leverage(
    request: Request,
    account: Account,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.risk.SCOPE_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    owner: WholeOwner = False,
) -> Answer:
    """One row a risk scope, as for `/health`. Ratios are null where equity is not positive or a price is missing."""
    accounts = whose(connection, at, account, owner).accounts
    check_scope(connection, at, protocol, deployment)
    found = queries.risk.leverage(
        connection, at, accounts, page.limit, page.after, protocol=protocol, deployment=deployment
    )
    return listed(request, found, page, at)
