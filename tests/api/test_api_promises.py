"""The surface that was promised before it was built is there under the names that were promised, with their parameters."""

from __future__ import annotations

import pytest

from api.main import ROUTERS
from api.routes.stream import PARAMETERS
from tests.api.test_api_schema import DOCUMENT

MOMENT = {"chain", "as_of_block", "as_of_time", "finality", "min_block", "wait"}
PAGED = {"cursor", "limit"}

PROMISED: dict[str, set[str]] = {
    "/protocols": set(),
    "/markets": PAGED,
    "/markets/{market_id}": set(),
    "/params/history": PAGED,
    "/protocols/{protocol}/leverage": PAGED,
    "/protocols/{protocol}/leverage/history": PAGED,
    "/protocols/{protocol}/leverage/distribution": {"weight", "min_debt_usd"},
    "/velocity": {"scope", "window"},
    "/accounts/{account}/positions": {"owner"} | PAGED,
    "/accounts/{account}/leverage": {"owner"} | PAGED,
    "/accounts/{account}/health": {"owner"} | PAGED,
    "/accounts/{account}/loops": {"owner"} | PAGED,
    "/accounts/{account}/exposure": {"owner"},
    "/liquidation-risk/positions": {"health_factor_lt", "drop", "asset", "min_debt_usd", "sort"} | PAGED,
    "/liquidation-risk/liquidatable": PAGED,
    "/liquidation-risk/buckets": set(),
    "/liquidation-levels": {"asset", "bin_width"},
    "/liquidations": PAGED,
    "/bad-debt": PAGED,
    "/loops": PAGED,
    "/loops/summary": PAGED,
    "/dfc": PAGED,
    "/exposure/graph": PAGED,
    "/exposure/cycles": PAGED,
    "/exposure/propagation": set(),
    "/perps/{venue}/{market}/open-interest": PAGED,
    "/perps/{venue}/{market}/imbalance": PAGED,
    "/perps/{venue}/{market}/purges": PAGED,
    "/perps/{venue}/{market}/corrections": PAGED,
    "/concentration": PAGED,
    "/utilization": PAGED,
    "/limits": set(),
    "/tvl": PAGED,
}
"""Below /v1, GET, as of a block; with the parameters that are theirs alone."""


def parameters(path: str, method: str = "get") -> set[str]:
    operation = DOCUMENT["paths"]["/v1" + path][method]
    return {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}


@pytest.mark.parametrize("path", PROMISED)
def test_each_endpoint_with_its_parameters(path: str) -> None:
    assert PROMISED[path] | MOMENT <= parameters(path)


def test_those_of_another_kind() -> None:
    assert {"chain", "min_block", "wait"} <= parameters("/status")
    assert {"as_of_block", "as_of_time", "finality", "chain"} <= parameters("/simulations/cascade", "post")
    assert "202" in DOCUMENT["paths"]["/v1/simulations/cascade"]["post"]["responses"]
    assert {"chain", "min_block", "wait"} == parameters("/simulations/{simulation_id}")
    # a socket has no place in the document: it takes what the stream takes, but for a time to live
    assert parameters("/stream") - {"max_seconds"} == PARAMETERS
    assert "/v1/ws" in {route.path for module in ROUTERS for route in module.router.routes}  # type: ignore[attr-defined]


def test_a_row_for_bots_has_what_was_promised() -> None:
    at_risk = set(DOCUMENT["components"]["schemas"]["AtRisk"]["properties"])
    assert {
        "owner", "account", "protocol", "version", "market_id", "health_factor", "collateral_assets", "debt_assets",
        "best_debt_asset", "best_collateral_asset", "max_repay_raw", "seize_raw", "liquidation_bonus", "est_profit_usd",
        "liquidation_price_usd", "distance", "emode", "oracle_block", "is_toxic", "blocked_reason",
    } <= at_risk  # fmt: skip


def test_every_answer_says_of_which_block_it_is() -> None:
    meta = set(DOCUMENT["components"]["schemas"]["Meta"]["properties"])
    assert {
        "chain_id", "block_number", "block_hash", "block_time", "finality", "lag_blocks", "lag_seconds", "prices",
    } <= meta  # fmt: skip
