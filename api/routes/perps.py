"""Perp markets: open interest, imbalance; purges and corrections, of lending too."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from psycopg import Connection as PostgresConnection

from api.answers import Answer, documented, example_list, listed
from api.deps import (
    ADDRESS,
    SLUG,
    AsOfList,
    Connection,
    DeploymentFilter,
    ProtocolFilter,
    only_known_parameters,
    page_of,
)  # fmt: skip
from api.paging import Page
from api.problems import not_found
from api.schemas import Envelope
from api.schemas.perps import Correction, Imbalance, OpenInterest, Purge
from api.scope import check_protocol, check_scope
from indexer.store import queries
from indexer.store.queries.coverage import BlockAt

router = APIRouter(prefix="/v1", tags=["perps"], dependencies=[Depends(only_known_parameters)])

BASE = "0x8c835dfaa34e2ae61775e80ee29e2c724c6ae2bb"
MARKET_ID = f"perp_v2:10:{BASE}"
NAMES = {
    "protocol": "perp_v2", "project": "perpetual", "version": "2", "deployment": "optimism", "venue": "perpetual",
    "market": MARKET_ID, "symbol": "vETH",
}  # fmt: skip
AT = {"is_kept": False, "as_of_block": 21_525_890, "as_of_time": "2025-01-01T00:00:11Z"}

OPEN_INTEREST = {
    **NAMES, "oi_convention": "pool", "oi_base": "50", "oi_usd": "100500", "long_oi_base": "30", "short_oi_base": "20",
    "long_oi_usd": "60300", "short_oi_usd": "40200", "mark": "2010", "index": "2000", "funding_rate": 0.0003,
    "funding_interval_s": 86_400, "funding_at_cap": None, "margin_long": "12060", "margin_short": "20100",
    "margin_basis": "cross_pro_rata", "n_long": 3, "n_short": 1, "gross_to_oi": 1.0, "notional_to_oi": 3.125,
    "variant": "oi_to_margin", **AT,
}  # fmt: skip
IMBALANCE = {
    **NAMES, "oi_skew": 0.2, "account_skew": 0.5, "leverage_skew": 0.42857142857142855, "leverage_long": 5.0,
    "leverage_short": 2.0, "long_short_ratio": 3.0, "ratio_basis": "accounts", "funding_annualised": 0.1095,
    "funding_apy": 0.1157, "funding_at_cap": None, "basis": 0.005, "notional_to_oi": 3.125, "variant": "oi_to_margin", **AT,
}  # fmt: skip
PURGE = {
    "id": f"{MARKET_ID}@1735682400", **NAMES, "exposure_kind": "open_interest", "kind": "purge",
    "start_time": "2024-12-31T21:00:00Z", "trough_time": "2024-12-31T23:00:00Z", "end_time": "2025-01-01T00:00:00Z",
    "peak_raw": "1000000000000000000000", "trough_raw": "850000000000000000000", "contraction": 0.15,
    "liquidated_raw": "90000000000000000000", "liq_intensity": 0.09, "burst": 40.0, "forced_share": 0.6, "side": "long",
    "price_move": -0.08, "as_of_block": 21_525_800,
}  # fmt: skip
CORRECTION = {
    "id": f"{MARKET_ID}:correction@1735682400", "venue": "perpetual", "market": MARKET_ID, "asset": BASE, "symbol": "vETH",
    "kind": "correction", "opened_time": "2024-12-31T22:00:00Z", "closed_time": None, "peak": "4000",
    "peak_time": "2024-12-30T09:00:00Z", "trough": "3500", "trough_time": "2024-12-31T23:00:00Z", "depth": 0.125,
    "leverage_reset": 0.12, "leverage_change": -0.4, "liquidated_share": 0.09, "purge_ids": [PURGE["id"]],
}  # fmt: skip

Venue = Annotated[str, Path(pattern=SLUG, description="Venue: the project of a perp protocol.", examples=["perpetual"])]
Market = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,200}$", description="Readable market id.", examples=[MARKET_ID])
]
PurgeKind = Annotated[
    Literal["purge", "voluntary_deleveraging"] | None, Query(description="Only this kind: forced, or by its owners.")
]


def market_key(connection: PostgresConnection[Any], at: BlockAt, venue: str, market: str) -> int:
    """Return the key of a perp market that is covered at the block.

    Raises  Problem (404)
    """
    found = queries.perps.market(connection, at.chain_id, venue, market)
    if not found["venue_known"]:
        raise not_found("venue", f"There is no perp venue {venue} on {at.chain}; see `project` in /v1/protocols")
    if found["market_key"] is None:
        raise not_found("market", f"{venue} has no perp market {market} on {at.chain}; see /v1/markets")
    check_protocol(connection, at, found["protocol"])
    return int(found["market_key"])


@router.get(
    "/perps/{venue}/{market}/open-interest",
    summary="Open interest of a perp market, now and over time",
    response_model=Envelope[list[OpenInterest]],
    responses=documented(example_list(OPEN_INTEREST), listing=True),
)
def open_interest(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.perps.STATE_KEY))],
    venue: Venue,
    market: Market,
) -> Answer:
    """The first row is as of the block of the answer, the others are kept at interval ends before it, newest first."""
    key = market_key(connection, at, venue, market)
    return listed(request, queries.perps.open_interest(connection, at, key, page.limit, page.after), page, at)


@router.get(
    "/perps/{venue}/{market}/imbalance",
    summary="Skews, funding and basis of a perp market, now and over time",
    response_model=Envelope[list[Imbalance]],
    responses=documented(example_list(IMBALANCE), listing=True),
)
def imbalance(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.perps.STATE_KEY))],
    venue: Venue,
    market: Market,
) -> Answer:
    """Of the same rows as the open interest. Null is not zero: it says that the venue does not tell, or that it means nothing."""
    key = market_key(connection, at, venue, market)
    return listed(request, queries.perps.imbalance(connection, at, key, page.limit, page.after), page, at)


@router.get(
    "/perps/{venue}/{market}/purges",
    summary="Purges of a perp market",
    response_model=Envelope[list[Purge]],
    responses=documented(example_list(PURGE), listing=True),
)
def market_purges(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.perps.PURGES_KEY))],
    venue: Venue,
    market: Market,
    kind: PurgeKind = None,
) -> Answer:
    """Newest first; one that reaches the newest whole hour may go on."""
    key = market_key(connection, at, venue, market)
    found = queries.perps.purges(connection, at, page.limit, page.after, market_key=key, kind=kind)
    return listed(request, found, page, at)


@router.get(
    "/perps/{venue}/{market}/corrections",
    summary="Corrections of a perp market's price",
    response_model=Envelope[list[Correction]],
    responses=documented(example_list(CORRECTION), listing=True),
)
def market_corrections(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.perps.CORRECTIONS_KEY))],
    venue: Venue,
    market: Market,
) -> Answer:
    """By its mark where the venue's books tell one, else by the base asset's oracle closes. Newest first."""
    key = market_key(connection, at, venue, market)
    found = queries.perps.corrections(connection, at, page.limit, page.after, market_key=key)
    return listed(request, found, page, at)


@router.get(
    "/purges",
    summary="Purges of all markets, lending and perps",
    response_model=Envelope[list[Purge]],
    responses=documented(example_list(PURGE), listing=True),
)
def purges(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.perps.PURGES_KEY))],
    protocol: ProtocolFilter = None,
    deployment: DeploymentFilter = None,
    kind: PurgeKind = None,
) -> Answer:
    """Of lending: debt that collapses in one market, in base units. Newest first."""
    check_scope(connection, at, protocol, deployment)
    found = queries.perps.purges(
        connection, at, page.limit, page.after, kind=kind, protocol=protocol, deployment=deployment
    )
    return listed(request, found, page, at)


@router.get(
    "/corrections",
    summary="Corrections and depegs of priced assets",
    response_model=Envelope[list[Correction]],
    responses=documented(
        example_list({**CORRECTION, "id": f"{BASE}:correction@1735682400", "venue": None, "market": None}), listing=True
    ),
)
def corrections(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.perps.CORRECTIONS_KEY))],
    asset: Annotated[str | None, Query(pattern=ADDRESS, description="Only of this token.", examples=[BASE])] = None,
) -> Answer:
    """By hourly closes of the protocols' oracles, with what happened to the chain's lending debt. Newest first."""
    if asset is not None and not queries.perps.asset_known(connection, at.chain_id, asset.lower()):
        raise not_found("asset", f"{asset} was never priced on {at.chain}; see /v1/markets")
    found = queries.perps.corrections(
        connection, at, page.limit, page.after, asset=None if asset is None else asset.lower()
    )
    return listed(request, found, page, at)
