"""Every operation of the OpenAPI document, asked what the document allows and what it forbids (schemathesis), on the demo.

Half of the valid questions get names from the database instead of random ones, for a random address or market is a 404 that
never reaches a row. What schemathesis generates is judged by its own checks: no status, content type, header or body that the
document does not promise, and nothing accepted that the document forbids. The seed is fixed.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from api.main import create_app
from api.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import Case, GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
        unsupported_method,
    )

SEED = 20_240_117
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, negative_data_rejection, unsupported_method,
]  # fmt: skip
"""Not `positive_data_acceptance`: what has the right form may still name what is not there (404, 422)."""

DOCUMENT = create_app(Settings("postgresql://nowhere")).openapi()
OPERATIONS = sorted(
    operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()
)
FEW, MANY = 5, 80
"""Cases an operation and mode: by default, and in the slow test."""

Count = dict[str, int]


@pytest.fixture(scope="module")
def document() -> Any:
    return schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as shared:
        yield shared


class Names:
    """Values that exist in the demo, by the name of the parameter that takes them."""

    def __init__(self, database: str, url: str) -> None:
        with psycopg.connect(database) as connection:

            def column(statement: str) -> list[Any]:
                return [row[0] for row in connection.execute(statement.encode())]

            accounts = column("SELECT DISTINCT account FROM positions ORDER BY 1")
            tokens = column("SELECT DISTINCT asset FROM positions WHERE asset IS NOT NULL ORDER BY 1")
            venues = connection.execute("SELECT DISTINCT venue, market FROM perp_market_state ORDER BY 1").fetchall()
            blocks = column("SELECT block_number FROM block ORDER BY 1")
            self.known: dict[str, list[Any]] = {
                "account": accounts,
                "borrower": accounts,
                "owner": accounts,
                "asset": tokens,
                "token": tokens,
                "protocol": column("SELECT DISTINCT protocol FROM cursor ORDER BY 1"),
                "deployment": column("SELECT name FROM deployment ORDER BY 1"),
                "market_id": column("SELECT DISTINCT market_id FROM market ORDER BY 1"),
                "venue": [venue for venue, _ in venues],
                "market": [market for _, market in venues],
                "chain": ["demo", "31337"],
                "as_of_block": blocks,
                "min_block": blocks,
                "from_block": blocks,
            }
        self.cursors = cursors(url, self)

    def put_into(self, case: Case, choice: random.Random) -> None:
        """Replace what a parameter of a valid case says by what exists."""
        for place in (case.path_parameters, case.query):
            for name in list(place or ()):
                values = self.cursors.get(case.operation.path) if name == "cursor" else self.known.get(name)
                if values:
                    place[name] = choice.choice(values)
        # both would be refused, and a cursor is of no other filters
        if case.query and "as_of_block" in case.query:
            case.query.pop("as_of_time", None)
        if case.query and "cursor" in case.query and choice.random() < 0.7:
            for name in [name for name in case.query if name not in ("cursor", "limit")]:
                case.query.pop(name)


def cursors(url: str, names: Names) -> dict[str, list[str]]:
    """Return real cursors by path: of its first pages without filters."""
    found: dict[str, list[str]] = {}
    with httpx.Client(base_url=url) as client:
        for path, methods in DOCUMENT["paths"].items():
            declared = {parameter["name"] for parameter in methods.get("get", {}).get("parameters", ())}
            if "cursor" in declared and "{" not in path:
                answer = client.get(path, params={"limit": 1})
                for _ in range(3):
                    cursor = answer.json()["page"]["next_cursor"]
                    if cursor is None:
                        break
                    found.setdefault(path, []).append(cursor)
                    answer = client.get(path, params={"limit": 1, "cursor": cursor})
    return found


@pytest.fixture(scope="module")
def names(demo: str, served: str) -> Names:
    return Names(demo, served)


Ask = Callable[[str, int], Count]


@pytest.fixture
def ask(document: Any, session: requests.Session, names: Names, served: str, demo: str) -> Ask:
    """Return a function that asks an operation that many valid and that many forbidden questions."""

    def run(name: str, cases: int) -> Count:
        operation = next(
            found.ok() for found in document.get_all_operations() if found.ok().definition.raw["operationId"] == name
        )
        count: Count = {}
        ask_in(operation, GenerationMode.POSITIVE, cases, count)
        if operation.query or operation.path_parameters or operation.body:
            ask_in(operation, GenerationMode.NEGATIVE, cases, count)
        return count

    def ask_in(operation: Any, mode: GenerationMode, cases: int, count: Count) -> None:
        name = operation.definition.raw["operationId"]
        # of one event in a stream OpenAPI 3.1 cannot speak; tests/stream reads them
        checks = [check for check in CHECKS if name != "stream" or check is not response_schema_conformance]

        @seed(SEED)
        @settings(
            max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(mode), choice=st.randoms(use_true_random=False))
        def one(case: Case, choice: random.Random) -> None:
            if mode.is_positive and choice.random() < 0.6:
                names.put_into(case, choice)
            if isinstance(case.query, dict):
                shorten(case)
            if name == "simulate_cascade":  # nothing works the queue off here, and a full one is a 503
                with psycopg.connect(demo, autocommit=True) as connection:
                    connection.execute("DELETE FROM cascade_runs")
            answer = case.call(base_url=served, session=session, timeout=40)
            case.validate_response(answer, checks=checks)
            key = str(answer.status_code)
            count[key] = count.get(key, 0) + 1

        one()

    return run


def shorten(case: Case) -> None:
    """Do not wait long for a block that never comes, nor read a stream without an end."""
    if isinstance(wait := case.query.get("wait"), int | float) and wait > 0.01:
        case.query["wait"] = 0.01
    if case.operation.path == "/v1/stream":
        asked = case.query.get("max_seconds")
        if asked is None or (isinstance(asked, int | float) and asked > 0.05):
            case.query["max_seconds"] = 0.05


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_answers_as_documented(ask: Ask, name: str) -> None:
    assert sum(ask(name, FEW).values()) >= 1


@pytest.mark.slow
def test_five_thousand_questions(ask: Ask) -> None:
    total: Count = {}
    for name in OPERATIONS:
        for status, number in ask(name, MANY).items():
            total[status] = total.get(status, 0) + number
    print(total)
    assert sum(total.values()) >= 5_000
    assert total["200"] > 1_000, "most questions never came to a row"
    assert not [status for status in total if status.startswith("5")]
