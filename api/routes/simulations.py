"""Liquidation cascades, asked for and fetched, and how protocols hang together.

A question is stored and computed by a worker beside the API (`leverage serve` runs one): the API computes nothing. It is the
only thing the API writes: INSERT and SELECT on `cascade_runs` are enough for its role.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.answers import META_EXAMPLE, Answer, documented, example_list, example_single, listed, meta, refusal
from api.deps import AsOf, AsOfList, Connection, only_known_parameters, page_of
from api.paging import Page
from api.problems import Problem, bad_parameter, not_found, unavailable
from api.schemas import Envelope
from api.schemas.simulations import CascadeRequest, PropagationRow, Simulation
from api.scope import check_protocol
from indexer.store import queries
from indexer.store.queries import Row
from indexer.store.queries.coverage import BlockAt

router = APIRouter(prefix="/v1", tags=["simulations"], dependencies=[Depends(only_known_parameters)])

WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ASKED = {
    "shocks": {WETH: -0.3}, "path": "jump", "impact": "cpmm", "depth": {WETH: 10_000_000.0}, "depth_factors": [],
    "pass_through": 1.0, "sold_share": 1.0, "max_rounds": 100, "protocols": None, "correlated": True,
}  # fmt: skip
QUEUED = {
    "id": ID, "status": "queued", "chain_id": 1, "block_number": 21_525_890, "block_hash": META_EXAMPLE["block_hash"],
    "error": None, "request": ASKED, "result": None, "rounds": None,
}  # fmt: skip
DONE = QUEUED | {
    "status": "done",
    "result": {"range": {"repaid_usd": ["150000.000000", "286000.000000"], "bad_debt_usd": ["0.000000", "0.000000"]}},
    "rounds": [{"depth_factor": 1.0, "round": 1, "step": 1, "n_liquidated": 1, "repaid_usd": "150000", "bad_debt_usd": "0",
                "detail": {"oracle": {WETH: 1740.0}, "market": {WETH: 1682.69307}}}],
}  # fmt: skip
PAIR = {
    "source": "aave_v3", "target": "morpho_blue", "collateral_overlap": 0.4, "collateral_overlap_without_stables": 0.7,
    "shared_owner_debt_usd": "1250000", "target_debt_usd": "90000000", "propagation": 0.02, "simulation": ID,
    "simulated_block": 21_525_890,
}  # fmt: skip

SimulationId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Id of a simulation.", examples=[ID])]
SimulationFilter = Annotated[
    str | None,
    Query(pattern=r"^[0-9a-f]{32}$", description="Take `propagation` from this simulation; the newest one when left out.", examples=[ID]),
]  # fmt: skip


def accepted() -> dict[int | str, dict[str, Any]]:
    """Return the responses of an operation that answers 202."""
    found = documented(example_single(QUEUED), pinned=False) | refusal(413)
    found[202] = found.pop(200) | {"description": "Accepted: fetch it where `Location` says."}
    return found


def body_of(connection: Any, at: BlockAt, asked: CascadeRequest) -> dict[str, Any]:
    """Return the question as it is stored: assets as addresses. Raises Problem (422, 404) for what is not there."""
    if asked.depth_factors and len(set(asked.depth_factors)) < 3:
        raise bad_parameter("depth_factors", "give at least three different ones: one depth is not an answer", "body")
    known = queries.simulations.assets(connection, at.chain_id, at.block_number)
    body = asked.model_dump()
    for part in ("shocks", "depth"):
        found: dict[str, float] = {}
        for name, value in body[part].items():
            try:
                asset = queries.simulations.named(known, name)
            except LookupError as error:
                raise bad_parameter(part, str(error), "body") from None
            if asset in found:
                raise bad_parameter(part, f"{name} is {asset}, which is given more than once", "body")
            found[asset] = float(value)
        body[part] = found
    for protocol in asked.protocols or ():
        check_protocol(connection, at, protocol)
    if asked.protocols is not None:
        body["protocols"] = sorted(set(asked.protocols))
    body["depth_factors"] = sorted(set(asked.depth_factors))
    return body


@router.post(
    "/simulations/cascade",
    status_code=202,
    summary="Ask for a liquidation cascade",
    response_model=Envelope[Simulation],
    responses=accepted(),
)
def simulate_cascade(
    request: Request, response: Response, connection: Connection, at: AsOf, asked: CascadeRequest
) -> Answer:
    """Answers at once with where to fetch it. The same question about the same block is computed once.

    Nothing is predicted: prices are moved as told, liquidations follow each protocol's rules, what is seized is sold into
    markets of at least three depths, and the range is the answer.
    """
    body = body_of(connection, at, asked)
    run = queries.simulations.run_id(at.chain_id, at.block_hash, body)
    row = queries.simulations.find(connection, run)
    if row is None:
        if queries.simulations.is_full(connection):
            raise unavailable("too-busy", f"{queries.simulations.MOST_WAITING} simulations are waiting already", 10)
        request.app.state.pool.write(lambda writable: queries.simulations.enqueue(writable, at, body))
        row = {"id": run, "status": "queued", "chain_id": at.chain_id, "block_number": at.block_number,
               "block_hash": at.block_hash, "error": None, "body": body, "result": None}  # fmt: skip
    response.headers["Location"] = f"/v1/simulations/{run}"
    return {"data": shown(row, None), "page": None, "meta": meta(at)}


@router.get(
    "/simulations/{simulation_id}",
    summary="A simulation and its outcome",
    response_model=Envelope[Simulation],
    responses=documented(example_single(DONE), pinned=False),
)
def simulation(connection: Connection, simulation_id: SimulationId) -> Answer:
    """`meta` names the block that the simulation began with. One whose block a reorg replaced is gone."""
    row = queries.simulations.find(connection, simulation_id)
    if row is None:
        raise gone(simulation_id)
    at = queries.coverage.block_at(connection, row["chain_id"], row["block_number"])
    if at is None or at.block_hash != row["block_hash"]:
        raise gone(simulation_id)
    done = row["status"] == "done"
    rounds = queries.simulations.rounds(connection, row["chain_id"], simulation_id) if done else None
    return {"data": shown(row, rounds), "page": None, "meta": meta(at)}


def gone(run: str) -> Problem:
    """Return the 404 of a simulation."""
    return not_found("simulation", f"There is no simulation {run}; POST /v1/simulations/cascade makes one")


def shown(row: Row, rounds: list[Row] | None) -> Row:
    """Return a stored simulation as it is shown."""
    return {**row, "request": row["body"], "rounds": rounds}


@router.get(
    "/exposure/propagation",
    summary="How protocols hang together",
    response_model=Envelope[list[PropagationRow]],
    responses=documented(example_list(PAIR), listing=True),
)
def exposure_propagation(
    request: Request,
    connection: Connection,
    at: AsOfList,
    page: Annotated[Page, Depends(page_of(queries.simulations.PROPAGATION_KEY))],
    simulation: SimulationFilter = None,
) -> Answer:
    """Every ordered pair of lending protocols with borrowers: common collateral, common owners, and what a simulated shock carried over.

    Overlap is structure, not causality. `propagation` is of one scenario, the simulation's.
    """
    if simulation is not None and queries.simulations.find(connection, simulation) is None:
        raise gone(simulation)
    found = queries.simulations.propagation(connection, at, page.limit, page.after, simulation=simulation)
    return listed(request, found, page, at)
