"""The OpenAPI document is whole, its names are stable, its examples are true to its models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from api.main import ROUTERS, create_app
from api.settings import Settings
from tests.api.conftest import TestClient

OPERATIONS = {
    "status": "/v1/status",
    "protocols": "/v1/protocols",
    "markets": "/v1/markets",
    "market": "/v1/markets/{market_id}",
    "protocol_leverage": "/v1/protocols/{protocol}/leverage",
    "protocol_leverage_history": "/v1/protocols/{protocol}/leverage/history",
    "leverage_distribution": "/v1/protocols/{protocol}/leverage/distribution",
    "leverage_by_scope": "/v1/leverage",
    "velocity": "/v1/velocity",
    "bad_debt": "/v1/bad-debt",
    "concentration": "/v1/concentration",
    "utilization": "/v1/utilization",
    "tvl": "/v1/tvl",
    "account_positions": "/v1/accounts/{account}/positions",
    "account_health": "/v1/accounts/{account}/health",
    "account_leverage": "/v1/accounts/{account}/leverage",
    "loops": "/v1/loops",
    "account_loops": "/v1/accounts/{account}/loops",
    "loops_summary": "/v1/loops/summary",
    "debt_financed_collateral": "/v1/dfc",
    "leverage_limits": "/v1/limits",
    "liquidatable_positions": "/v1/liquidation-risk/liquidatable",
    "liquidation_levels": "/v1/liquidation-levels",
    "liquidation_risk_buckets": "/v1/liquidation-risk/buckets",
    "liquidation_risk_drops": "/v1/liquidation-risk/drops",
    "liquidation_risk_positions": "/v1/liquidation-risk/positions",
    "exposure_graph": "/v1/exposure/graph",
    "exposure_cycles": "/v1/exposure/cycles",
    "exposure_summary": "/v1/exposure/summary",
    "account_exposure": "/v1/accounts/{account}/exposure",
    "liquidations": "/v1/liquidations",
    "open_interest": "/v1/perps/{venue}/{market}/open-interest",
    "imbalance": "/v1/perps/{venue}/{market}/imbalance",
    "market_purges": "/v1/perps/{venue}/{market}/purges",
    "market_corrections": "/v1/perps/{venue}/{market}/corrections",
    "purges": "/v1/purges",
    "corrections": "/v1/corrections",
    "simulate_cascade": "/v1/simulations/cascade",
    "simulation": "/v1/simulations/{simulation_id}",
    "exposure_propagation": "/v1/exposure/propagation",
    "params_history": "/v1/params/history",
    "stream": "/v1/stream",
    "healthz": "/healthz",
    "readyz": "/readyz",
    "metrics": "/metrics",
}
"""Public: clients are generated from these names. Add, never rename."""

APP = create_app(Settings("postgresql://nowhere"))
DOCUMENT: dict[str, Any] = APP.openapi()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            yield path, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_it_is_openapi_3_1_and_whole(client: TestClient) -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["title"] and DOCUMENT["info"]["version"]
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
    assert client.get("/v1/openapi.json").json() == json.loads(json.dumps(DOCUMENT))


def test_operation_ids_are_stable() -> None:
    assert {operation["operationId"]: path for path, operation in operations()} == OPERATIONS


def success(operation: dict[str, Any]) -> dict[str, Any]:
    """The response of an operation that was done, or accepted."""
    return operation["responses"].get("200") or operation["responses"]["202"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_explained(name: str) -> None:
    path, operation = next((path, found) for path, found in operations() if found["operationId"] == name)
    assert operation["summary"] and operation["description"]
    declared = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
    assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
    content = success(operation)["content"]
    assert all("example" in media for media in content.values())
    if path.startswith("/v1"):
        for status in ("422", "503") if name == "stream" else ("204", "422", "503"):
            assert status in operation["responses"]
        assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("metrics", "stream")])
def test_each_example_is_true_to_its_model(name: str) -> None:
    operation = next(found for _, found in operations() if found["operationId"] == name)
    example = success(operation)["content"]["application/json"]["example"]
    model = MODELS[name]
    assert model.model_validate(example, strict=True).model_dump(mode="json") == example


MODELS = {
    route.name: route.response_model
    for module in ROUTERS
    for route in module.router.routes
    if isinstance(route, APIRoute)
}


def test_every_field_says_what_it_is() -> None:
    bare = {
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, part in schema.get("properties", {}).items()
        if not part.get("description") and "$ref" not in part
    }
    containers = ("Envelope", "Status")
    assert {field for field in bare if not field.startswith(containers)} <= {
        "ChainStatus.protocols", "ProtocolRow.deployments", "Position.side", "Healthz.status", "FieldError.parameter",
        "FieldError.detail",
    }  # fmt: skip


def test_numbers_that_floats_cannot_hold_are_strings() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            if field.endswith(("_raw", "_usd")) or field == "amount":
                kinds = {kind.get("type") for kind in part.get("anyOf", [part])}
                assert kinds <= {"string", "null"}, f"{name}.{field}"
