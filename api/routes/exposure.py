"""Exposure between protocols: the graph, loops through several of them, and one owner's part."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api import kept
from api.answers import Answer, documented, example_list, example_single, single
from api.deps import Account, AsOf, AsOfList, Connection, ProtocolFilter, only_known_parameters, page_of
from api.paging import Page
from api.schemas import Envelope
from api.schemas.exposure import AccountExposure, EdgeKind, ExposureEdge, ExposureSummary, Method, ProtocolCycle
from api.scope import WholeOwner, check_scope, whose
from indexer.store import queries

router = APIRouter(prefix="/v1", tags=["exposure"], dependencies=[Depends(only_known_parameters)])

OWNER = "0x00000000000000000000000000000000000000a1"
BLOCK = 21_525_890

MethodOf = Annotated[
    Method,
    Query(description="How debt edges are found: `events` from open loop links, `state` from balances.", examples=["events"]),
]  # fmt: skip
MinUsd = Annotated[
    Decimal,
    Query(ge=0, max_digits=38, decimal_places=18, description="Only edges of at least this much, USD.", examples=["100"]),
]  # fmt: skip

EDGE = {
    "method": "events", "src": "aave_v3", "dst": "morpho_blue", "edge_kind": "debt", "value_usd": "100", "n_owners": 3,
    "n_unpriced": 0, "as_of_block": BLOCK,
}  # fmt: skip


@router.get(
    "/exposure/graph",
    summary="Which protocols lean on which, and with how much",
    response_model=Envelope[list[ExposureEdge]],
    responses=documented(example_list(EDGE), listing=True),
)
def exposure_graph(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.exposure.GRAPH_KEY))],
    method: MethodOf = "events",
    edge_kind: Annotated[EdgeKind | None, Query(description="Only edges of this kind.", examples=["debt"])] = None,
    min_usd: MinUsd = Decimal(0),
) -> Response:
    """Edges between protocols, all owners summed: never add them up, a dollar is in each edge it runs through."""
    return kept.listing(
        request, at, page, Envelope[list[ExposureEdge]],
        lambda: queries.exposure.graph(
            connection, at, page.limit, page.after, method=method, edge_kind=edge_kind, min_usd=min_usd
        ),
    )  # fmt: skip


CYCLE = {
    "method": "events", "scope": "owner", "owner_id": OWNER, "form": "cycle", "nodes": ["aave_v3", "morpho_blue"],
    "length": 2, "size_usd": "70", "rank": 1, "as_of_block": BLOCK,
}  # fmt: skip


@router.get(
    "/exposure/cycles",
    summary="Leverage that runs through several protocols, largest first",
    response_model=Envelope[list[ProtocolCycle]],
    responses=documented(example_list(CYCLE), listing=True),
)
def exposure_cycles(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.exposure.CYCLES_KEY))],
    method: MethodOf = "events",
    scope: Annotated[
        Literal["owner", "system"],
        Query(description="owner: each owner's own graph; system: all owners together.", examples=["owner"]),
    ] = "owner",
    form: Annotated[
        Literal["cycle", "chain"],
        Query(
            description="cycle: circles; chain: what is left, as paths. Chains are of owners only.", examples=["cycle"]
        ),
    ] = "cycle",
    min_usd: MinUsd = Decimal(0),
    protocol: ProtocolFilter = None,
) -> Response:
    """Canonical decomposition: sizes never exceed an edge and count every dollar once, so those of one scope add up."""
    check_scope(connection, at, protocol, None)
    return kept.listing(
        request, at, page, Envelope[list[ProtocolCycle]],
        lambda: queries.exposure.cycles(
            connection, at, page.limit, page.after,
            method=method, scope=scope, form=form, min_usd=min_usd, protocol=protocol,
        ),
    )  # fmt: skip


SUMMARY = {
    "method": "events", "loop_exposure_usd": "100", "gross_circulation_usd": "230", "system_loop_exposure_usd": "100",
    "chain_depth": 2, "n_cycles": 2, "n_loop_owners": 1, "n_owners": 3,
    "exposure_by_protocol": [
        {"protocol": "aave_v3", "exposure_usd": "100"}, {"protocol": "compound_v3", "exposure_usd": "30"},
        {"protocol": "morpho_blue", "exposure_usd": "100"},
    ],
}  # fmt: skip


@router.get(
    "/exposure/summary",
    summary="How much leverage runs in circles through several protocols",
    response_model=Envelope[ExposureSummary],
    responses=documented(example_single(SUMMARY), known=True),
)
def exposure_summary(
    request: Request, connection: Connection, at: AsOf, method: MethodOf = "events", min_usd: MinUsd = Decimal(0)
) -> Response:
    """The headline is `loop_exposure_usd`; `gross_circulation_usd` counts a dollar as often as it is pledged on."""
    return kept.respond(
        request,
        at,
        Envelope[ExposureSummary],
        lambda: single(queries.exposure.summary(connection, at, method=method, min_usd=min_usd), at),
    )


EXPOSURE = {
    "account": OWNER, "owner_id": OWNER, "accounts": [OWNER],
    "edges": [{
        "method": "events", "src": "aave_v3", "dst": "morpho_blue", "src_market": "aave_v3:ethereum_core",
        "dst_market": "morpho_blue:1:0x64d65c9a2d91c36d56fbc42d69e979335320169b3df63bf92789e2c8883fcc64",
        "edge_kind": "debt", "token": "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "symbol": "USDC", "value_usd": "100",
        "changed_block": 21_525_000,
    }],
    "cycles": [{
        "method": "events", "form": "chain", "rank": 1, "nodes": ["aave_v3", "morpho_blue"], "length": 2, "size_usd": "100",
    }],
    "lookthrough": {
        "status": "ok", "assets_usd": "600", "debt_usd": "500", "gross_assets_usd": "200", "gross_debt_usd": "100",
        "leverage_gross": 2.0, "leverage_netted": 2.0, "leverage_lookthrough": 6.0, "hops": 1, "unresolved_usd": "0",
    },
    "as_of_block": BLOCK,
}  # fmt: skip


@router.get(
    "/accounts/{account}/exposure",
    summary="What an account is exposed to across protocols",
    response_model=Envelope[AccountExposure],
    responses=documented(example_single(EXPOSURE)),
)
def account_exposure(
    account: Account,
    connection: Connection,
    at: AsOf,
    owner: WholeOwner = False,
) -> Answer:
    """Edges, cycles and chains, and leverage seen through the vaults whose shares it holds."""
    accounts = whose(connection, at, account, owner).accounts
    return single(queries.exposure.of_accounts(connection, at, account, accounts), at)
