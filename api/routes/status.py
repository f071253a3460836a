"""What is indexed, how far, and what stopped."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.answers import META_EXAMPLE, Answer, documented, example_list, listed, meta
from api.deps import AsOfList, ChainName, Connection, Waited, find_chain, only_known_parameters, page_of
from api.paging import Page
from api.schemas import Envelope, ProtocolRow, StatusEnvelope
from indexer.store import queries

router = APIRouter(prefix="/v1", tags=["status"], dependencies=[Depends(only_known_parameters)])

PROTOCOL_STATUS = {
    "protocol": "aave_v3", "status": "following", "start_block": 16_291_127, "block_number": 21_525_890,
    "block_hash": "0x" + "ab" * 32, "error": None,
}  # fmt: skip

STATUS = {
    "data": {
        "state": "following",
        "chains": [{
            "chain_id": 1, "chain": "ethereum", "head_block": 21_525_890, "safe_block": 21_525_850,
            "finalized_block": 21_525_818, "indexed_block": 21_525_890, "block_hash": "0x" + "ab" * 32,
            "block_time": "2025-01-01T00:00:11Z", "node_seen_time": "2025-01-01T00:00:20Z", "lag_blocks": 0,
            "lag_seconds": 9, "reorgs_24h": 0, "reconciliation_error": 0.0, "reconciliation_differences": 0,
            "reconciliation_compared": 40, "reconciliation_block": 21_525_701,
            "reconciliation_time": "2024-12-31T23:22:20Z", "protocols": [PROTOCOL_STATUS],
        }],
    },
    "page": None,
    "meta": META_EXAMPLE,
}  # fmt: skip


@router.get(
    "/status",
    summary="How far each chain and protocol is, and why one is stopped",
    response_model=StatusEnvelope,
    responses=documented(STATUS, pinned=False),
)
def status(response: Response, connection: Connection, waited: Waited, chain: ChainName = None) -> Answer:
    """All chains unless one is named. Answers before anything is indexed, too; `meta` is then null."""
    response.headers["Cache-Control"] = "no-store"
    covered = queries.coverage.chains(connection)
    wanted = covered if chain is None else [find_chain(covered, chain)]
    rows = queries.coverage.status(connection, None if chain is None else wanted[0].chain_id)
    at = None
    if len(wanted) == 1 and wanted[0].indexed_block is not None:
        at = queries.coverage.block_at(connection, wanted[0].chain_id, wanted[0].indexed_block)
    data = {"state": queries.coverage.worst_state(rows), "chains": rows}
    return {"data": data, "page": None, "meta": None if at is None else meta(at)}


PROTOCOL = {
    "protocol": "aave_v3", "status": "following", "start_block": 16_291_127, "block_number": 21_525_890, "markets": 42,
    "deployments": [{
        "deployment": "ethereum_core", "project": "aave", "version": "3", "kind": "lending", "start_block": 16_291_127,
        "contracts": {"Pool": "0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2"}, "proven": "3.0.2 and 3.6.0 on local chains and recordings, to the wei"
    }],
}  # fmt: skip


@router.get(
    "/protocols",
    summary="The protocols of a chain with their deployments",
    response_model=Envelope[list[ProtocolRow]],
    responses=documented(example_list(PROTOCOL), listing=True),
)
def protocols(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.coverage.PROTOCOLS_KEY))],
) -> Answer:
    """Ordered by slug."""
    return listed(request, queries.coverage.protocols(connection, at, page.limit, page.after), page, at)
