"""Recursive leverage: loops, how much of the borrowing they are, and debt-financed collateral."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api import kept, paging
from api.answers import Answer, documented, example_list, listed
from api.deps import Account, AsOfList, Connection, only_known_parameters, page_of
from api.paging import Page
from api.schemas import Envelope
from api.schemas.loops import DebtFinanced, Loop, LoopsSummary
from api.scope import WholeOwner, whose
from indexer.store import queries

router = APIRouter(prefix="/v1", tags=["recursion"], dependencies=[Depends(only_known_parameters)])

ACCOUNT = "0x00000000000000000000000000000000000000a1"
WETH, WSTETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "0x7f39c581f595b53c5cb19bd0b3f8da6c935e2ca0"

LOOP = {
    "loop_id": "event:5166041632458370305", "owner": ACCOUNT, "method": "event", "shape": "loop", "kind": "intra",
    "market_id": None, "projects": ["aave"],
    "cycle": [{"project": "aave", "version": "3", "deployment": "ethereum_core", "market_id": None, "collateral": [WSTETH],
               "debt": [WETH], "via": None}],
    "pair_class": "correlated", "turns": 2, "depth": 2, "depth_1d": 2, "depth_tx": None, "n_links": 2, "is_flash": False,
    "evidence": "flows", "collateral_usd": "43800", "debt_usd": "23800", "multiplier": 2.19, "max_ltv": 0.7,
    "bound": 3.3333333333333335, "bound_utilisation": 0.657, "is_above_bound": False, "liquidation_bound": 4.0,
    "equivalent_depth": 2.0, "linked_usd": "23800", "opened_block": 21_500_000, "last_block": 21_500_100,
    "closed_block": None, "as_of_block": 21_525_890,
}  # fmt: skip

Method = Annotated[
    Literal["event", "state"] | None,
    Query(description="event: money followed; state: the books alone. Both unless given."),
]
Kind = Annotated[Literal["intra", "inter"] | None, Query(description="Within one protocol, or across several.")]
Shape = Annotated[Literal["loop", "chain"] | None, Query(description="chain: has not come back to where it borrowed.")]
IsOpen = Annotated[bool | None, Query(description="Only open ones, or only closed ones.", examples=[True])]


@router.get(
    "/loops",
    summary="Recursive positions, largest debt first",
    response_model=Envelope[list[Loop]],
    responses=documented(example_list(LOOP), listing=True),
)
def loops(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.loops.LOOPS_KEY))],
    method: Method = None,
    kind: Kind = None,
    shape: Shape = None,
    is_open: IsOpen = None,
) -> Response:
    """Two methods side by side, never merged: a position may be listed once by each."""
    return kept.listing(
        request, at, page, Envelope[list[Loop]],
        lambda: queries.loops.loops(
            connection, at, page.limit, page.after, owner=None, method=method, kind=kind, shape=shape, is_open=is_open
        ),
    )  # fmt: skip


@router.get(
    "/accounts/{account}/loops",
    summary="Recursive positions of one owner",
    response_model=Envelope[list[Loop]],
    responses=documented(example_list(LOOP), listing=True),
)
def account_loops(
    request: Request,
    account: Account,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.loops.LOOPS_KEY))],
    method: Method = None,
    is_open: IsOpen = None,
    owner: WholeOwner = False,
) -> Answer:
    """Loops are found by owner: ask for a proxy's with `owner=true`. Empty when it has none; 404 when it never had a position."""
    asked = whose(connection, at, account, owner)
    found = queries.loops.loops(
        connection,
        at,
        page.limit,
        page.after,
        owner=asked.owner_id,
        method=method,
        kind=None,
        shape=None,
        is_open=is_open,
    )
    return listed(request, found, page, at)


SUMMARY = {
    "project": "aave", "version": "3", "deployment": "ethereum_core", "window_s": 86_400, "n_loops": 2, "n_owners": 2,
    "max_turns": 6, "borrow_usd": "1000", "matched_usd": "200", "recursive_borrow_share_volume": 0.2, "n_borrows": 50,
    "n_matched": 4, "recursive_borrow_share_count": 0.08, "n_unpriced": 0, "looped_debt_usd": "150", "debt_usd": "600",
    "looped_debt_share": 0.25, "from_block": 0, "as_of_block": 21_525_890,
}  # fmt: skip


@router.get(
    "/loops/summary",
    summary="How recursive the borrowing at each deployment is",
    response_model=Envelope[list[LoopsSummary]],
    responses=documented(example_list(SUMMARY), listing=True),
)
def loops_summary(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.loops.SUMMARY_KEY))],
    from_block: Annotated[
        int, Query(ge=0, le=paging.INT64_MAX, description="First block of the borrows counted.", examples=[0])
    ] = 0,
    window_s: Annotated[
        int | None,
        Query(
            ge=0,
            le=paging.INT64_MAX,
            description="Most seconds from borrow to supply: 0 is one transaction, 86400 compares with the Bank of Canada. "
            "Any age unless given.",
            examples=[86_400],
        ),
    ] = None,
) -> Response:
    """Ratios of sums. A borrow counts with the part of it that came back as collateral."""
    return kept.listing(
        request, at, page, Envelope[list[LoopsSummary]],
        lambda: queries.loops.summary(connection, at, page.limit, page.after, from_block=from_block, window_s=window_s),
    )  # fmt: skip


DFC = {
    "project": "aave", "version": "3", "deployment": "ethereum_core", "rule": "debt_first", "tagged_usd": "119",
    "collateral_usd": "219", "share": 0.5433789954337900, "coverage_start_block": 16_291_127, "as_of_block": 21_525_890,
}  # fmt: skip


@router.get(
    "/dfc",
    summary="Debt-financed share of each deployment's collateral",
    response_model=Envelope[list[DebtFinanced]],
    responses=documented(example_list(DFC), listing=True),
)
def debt_financed_collateral(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.loops.DFC_KEY))],
    rule: Annotated[
        Literal["free_first", "pro_rata", "debt_first"] | None, Query(description="Low, mid, high; all unless given.")
    ] = None,
) -> Response:
    """Three rules, not one number: the truth lies between free_first and debt_first."""
    return kept.listing(
        request, at, page, Envelope[list[DebtFinanced]],
        lambda: queries.loops.dfc(connection, at, page.limit, page.after, rule=rule),
    )  # fmt: skip
