"""For liquidation bots: who is at risk, worst first, what can be liquidated now, and what falls at which price."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api import kept
from api.answers import Answer, documented, example_list, example_single, single
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
from api.problems import Problem, moved_on, outside_coverage
from api.schemas import AtRisk, Bucket, Drop, Envelope, Limit, LiquidationLevel
from api.scope import check_scope  # fmt: skip
from indexer.store import queries
from indexer.store.queries.coverage import BlockAt

router = APIRouter(prefix="/v1", tags=["liquidation risk"], dependencies=[Depends(only_known_parameters)])

WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
DAI = "0x6b175474e89094c44da98b954eedeac495271d0f"

AT_RISK = {
    "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core", "market_id": None,
    "account": "0x00000000000000000000000000000000000000a1", "owner": "0x00000000000000000000000000000000000000a1",
    "status": "ok", "health_factor": 1.04, "health_factor_raw": "1040000000000000000", "bucket": "[1,1.05)",
    "is_liquidatable": False, "is_toxic": False, "collateral_usd": "20000", "debt_usd": "15384.615384",
    "collateral_assets": [WETH], "debt_assets": [DAI], "emode": 0,
    "pair_class": "directional", "price_usd": "2000", "liquidation_price_usd": "1923.076923076923076923",
    "distance": 0.038461538461538464, "first_eligible_drop": 0.038461538461538464, "loss_boundary_drop": 0.1923076923,
    "liquidation_bonus": 0.05, "as_of_block": 21_525_890,
    "liquidation_prices": {WETH: {"price_usd": "1923.076923076923076923", "direction": "down"}},
    "best_debt_asset": None, "best_collateral_asset": None, "max_repay_raw": None, "seize_raw": None, "max_repay_usd": None,
    "est_profit_usd": None, "health_factor_after": None, "blocked_reason": None, "oracle_block": None,
}  # fmt: skip

NOW = {
    **AT_RISK, "health_factor": 0.97, "health_factor_raw": "970000000000000000", "bucket": "[0,1)", "is_liquidatable": True,
    "debt_usd": "10000", "collateral_usd": "12000", "best_debt_asset": DAI, "best_collateral_asset": WETH,
    "max_repay_raw": "5000000000000000000000", "seize_raw": "2625000000000000000", "max_repay_usd": "5000",
    "est_profit_usd": "250", "health_factor_after": 1.05, "oracle_block": 21_525_888,
}  # fmt: skip

SCOPE = {"protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "ethereum_core"}

BUCKET = {
    **SCOPE, "bucket": "[1,1.05)", "n_accounts": 120, "n_unpriced": 0, "debt_usd": "1250000.5",
    "collateral_usd": "1600000", "oldest_block": 21_525_890,
}  # fmt: skip

DROP = {**SCOPE, "drop": 0.05, "debt_usd": "4500000", "collateral_usd": "5600000", "n_positions": 87}

LEVEL = {
    "asset": WETH, "symbol": "WETH", "price_low": "1900", "price_high": "1950", "collateral_amount": "812.5",
    "collateral_usd": "1625000", "debt_usd": "1210000", "n_positions": 31, "price_usd": "2000",
}  # fmt: skip

LIMIT = {
    **SCOPE, "market_id": None, "n_borrowers": 1, "n_over_limit": 0, "collateral_usd": "10000", "debt_usd": "6000",
    "assets_to_equity": 2.5, "ltv_max": 0.8, "max_leverage": 5.0, "liquidation_leverage": 5.714285714285714, "limit_usage": 0.5,
    "headroom_usd": "2000", "available_usd": "150000", "borrow_headroom_usd": "2000", "supply_room_usd": None,
}  # fmt: skip

Asset = Annotated[
    str | None,
    Query(
        pattern=ADDRESS,
        description="Only with this asset as collateral or debt: 0x and 40 hex digits.",
        examples=[WETH],
    ),
]


@router.get(
    "/liquidation-risk/positions",
    summary="Borrowers by health factor, worst first",
    response_model=Envelope[list[AtRisk]],
    responses=documented(example_list(AT_RISK), listing=True),
)
def liquidation_risk_positions(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.at_risk.AT_RISK_KEY))],
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
    drop: Annotated[
        Decimal | None,
        Query(
            gt=0,
            lt=1,
            max_digits=20,
            decimal_places=18,
            description="Only those that a fall of all their collateral by this ratio makes liquidatable.",
            examples=["0.05"],
        ),
    ] = None,
    asset: Asset = None,
    account: Annotated[
        str | None,
        Query(
            pattern=ADDRESS,
            description="Only this debtor: 0x and 40 hex digits.",
            examples=["0x00000000000000000000000000000000000000a1"],
        ),
    ] = None,
    sort: Annotated[Literal["health_factor"], Query(description="The order: worst first.")] = "health_factor",
    min_debt_usd: Annotated[
        Decimal | None,
        Query(
            ge=0, max_digits=38, decimal_places=18, description="Only with at least this debt, USD.", examples=["100"]
        ),
    ] = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
) -> Response:
    """Liquidatable ones are included and come first. A borrower whose health factor is unknown for want of a price is not listed.

    A list of candidates: re-check on chain in the block you send in. Rows with a health factor below 1.05 are exact as of the
    block of the answer; at the head, rows above it may be older and say so in `as_of_block`.
    """
    check_scope(connection, at, protocol, deployment)
    exact = health_factor_lt is not None and health_factor_lt <= queries.at_risk.EXACT_BELOW
    began = page.after is not None and page.after[-1] == queries.at_risk.HEAD
    holds = queries.at_risk.holds(connection, at)  # else computed, without what only the table has
    if began and not exact and not holds:
        raise began_at_head(at)
    return kept.listing(
        request, at, page, Envelope[list[AtRisk]],
        lambda: queries.at_risk.at_risk(
            connection, at, page.limit, page.after,
            health_factor_lt=health_factor_lt, drop=drop, asset=None if asset is None else asset.lower(),
            min_debt_usd=min_debt_usd, protocol=protocol, deployment=deployment,
            account=None if account is None else account.lower(),
        ),
        holds=holds,
    )  # fmt: skip


def began_at_head(at: BlockAt) -> Problem:
    """Return the 409 of a listing that began with what is kept of the head, and whose head is now another block."""
    return moved_on(
        f"The listing began at the head, block {at.block_number}; a newer block came and its rows are no longer kept. Start again "
        "without a cursor, with larger pages, or ask for health factors below 1.05, whose rows are exact and go on"
    )


@router.get(
    "/liquidation-risk/liquidatable",
    summary="What can be liquidated now, most profitable first",
    response_model=Envelope[list[AtRisk]],
    responses=documented(example_list(NOW), listing=True),
)
def liquidatable_positions(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.at_risk.LIQUIDATABLE_KEY))],
    min_profit_usd: Annotated[
        Decimal | None,
        Query(
            max_digits=38, decimal_places=18, description="Only with at least this gross profit, USD.", examples=["50"]
        ),
    ] = None,
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
) -> Response:
    """The contract's own rule decides; pair and sizes follow each protocol's size rule. Kept for the newest block only.

    Where the protocol takes the whole account (absorption, auction), sizes are of its largest debt and collateral.
    """
    check_scope(connection, at, protocol, deployment)
    if not queries.at_risk.holds(connection, at):
        if page.after is not None:
            raise began_at_head(at)
        raise outside_coverage(
            f"What is liquidatable now is kept for the newest block at the chain's head only, which {at.block_number} is not; "
            "leave as_of_block out, or ask /v1/liquidation-risk/positions?health_factor_lt=1 for an older block",
            chain_id=at.chain_id,
        )
    return kept.listing(
        request, at, page, Envelope[list[AtRisk]],
        lambda: queries.at_risk.liquidatable(
            connection, at, page.limit, page.after,
            min_profit_usd=min_profit_usd, protocol=protocol, deployment=deployment,
        ),
        holds=True,
    )  # fmt: skip


@router.get(
    "/liquidation-risk/buckets",
    summary="Borrowers, debt and collateral by health factor",
    response_model=Envelope[list[Bucket]],
    responses=documented(example_single([BUCKET])),
)
def liquidation_risk_buckets(connection: Connection, at: AsOf, protocol: ProtocolFilter = None) -> Answer:
    """Half-open intervals; who is below 1 can be liquidated, who is at 1 cannot. Accounts without debt are in none."""
    check_scope(connection, at, protocol, None)
    return single(queries.at_risk.buckets(connection, at, protocol=protocol), at)


@router.get(
    "/liquidation-risk/drops",
    summary="What becomes liquidatable when assets fall",
    response_model=Envelope[list[Drop]],
    responses=documented(example_single([DROP])),
)
def liquidation_risk_drops(
    request: Request,
    connection: Connection,
    at: AsOf,
    assets: Annotated[
        str | None,
        Query(
            pattern=r"^0[xX][0-9a-fA-F]{40}(,0[xX][0-9a-fA-F]{40}){0,49}$",
            max_length=2_200,
            description="The assets that fall together, separated by commas; left out: for each account all that it does not owe.",
            examples=[WETH],
        ),
    ] = None,
    protocol: ProtocolFilter = None,
) -> Response:
    """A uniform fall by 1, 3, 5, 10, 15, 20, 30 and 50 %, of collateral and of debt in those assets; each position once."""
    check_scope(connection, at, protocol, None)
    group = None if assets is None else assets.lower().split(",")
    return kept.respond(
        request,
        at,
        Envelope[list[Drop]],
        lambda: single(queries.at_risk.drops(connection, at, assets=group, protocol=protocol), at),
    )


@router.get(
    "/liquidation-levels",
    summary="Collateral of one asset by the price that liquidates it",
    response_model=Envelope[list[LiquidationLevel]],
    responses=documented(example_single([LEVEL])),
)
def liquidation_levels(
    request: Request,
    connection: Connection,
    at: AsOf,
    asset: Annotated[str, Query(pattern=ADDRESS, description="The collateral: 0x and 40 hex digits.", examples=[WETH])],
    bin_width: Annotated[
        Decimal, Query(gt=0, max_digits=38, decimal_places=18, description="Width of a bin, USD.", examples=["50"])
    ],
) -> Response:
    """All other prices held; a position is in one bin. At most 1000 bins, the highest prices first."""
    return kept.respond(
        request,
        at,
        Envelope[list[LiquidationLevel]],
        lambda: single(queries.at_risk.levels(connection, at, asset=asset.lower(), bin_width=bin_width), at),
    )


@router.get(
    "/limits",
    summary="Leverage allowed and used",
    response_model=Envelope[list[Limit]],
    responses=documented(example_single([LIMIT])),
)
def leverage_limits(request: Request, connection: Connection, at: AsOf, protocol: ProtocolFilter = None) -> Response:
    """By risk scope, the most debt first. Usage above 1 is legal after prices moved; an LTV of 0 lets debt stay, not grow."""
    check_scope(connection, at, protocol, None)
    return kept.respond(
        request,
        at,
        Envelope[list[Limit]],
        lambda: single(queries.at_risk.limits(connection, at, protocol=protocol), at),
    )
