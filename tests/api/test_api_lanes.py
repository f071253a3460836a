"""Questions about everybody: few at a time, equal ones once, longer than others, and nobody else waits for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from api.lanes import QUICK, SLOW
from api.pool import SLOW as SLOW_TURNS
from indexer.store import queries
from tests.api.conftest import Serve, TestClient
from tests.api.test_api_as_of import problem
from tests.api.test_api_schema import DOCUMENT
from tests.api.world import DAI, HEAD, World

DROPS, LIMITS = "/v1/liquidation-risk/drops", "/v1/limits"


def backends(world: World, condition: str) -> int:
    row = world.connection.execute(
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'leverage api' AND {condition}".encode()
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def ages(world: World) -> Iterator[psycopg.Connection]:
    """Everything about positions takes ages, until this ends or is rolled back."""
    with psycopg.connect(world.url) as other:
        other.execute("LOCK TABLE position IN ACCESS EXCLUSIVE MODE")
        yield other
        other.rollback()


def wait_until(found: object) -> None:
    deadline = time.monotonic() + 20
    while not found():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lanes_name_operations() -> None:
    assert set(DOCUMENT["paths"]) >= SLOW | QUICK and not SLOW & QUICK


def test_few_at_a_time_and_others_go_on(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=2, pool_wait_seconds=20.0)
    questions = [
        f"{DROPS}?assets={DAI}",
        DROPS,
        LIMITS,
        "/v1/tvl",
        "/v1/bad-debt",
        "/v1/exposure/graph",
        "/v1/leverage",
    ]
    with ThreadPoolExecutor(20) as crowd, ages(world) as other:
        slow = [crowd.submit(client.get, question) for question in questions]
        wait_until(lambda: backends(world, "wait_event_type = 'Lock'") == SLOW_TURNS)
        for usual in ("/v1/liquidations", "/v1/params/history", "/v1/status"):  # they do not read positions
            assert client.get(usual).status_code == 200
        assert backends(world, "wait_event_type = 'Lock'") == SLOW_TURNS, "no more than those at a time"
        other.rollback()
        assert [answer.result().status_code for answer in slow] == [200] * len(questions)


def test_equal_ones_are_computed_once(world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(world)
    made = []
    limits = queries.at_risk.limits
    monkeypatch.setattr(queries.at_risk, "limits", lambda *given, **named: made.append(1) or limits(*given, **named))
    with ThreadPoolExecutor(20) as crowd, ages(world) as other:
        asked = [crowd.submit(client.get, LIMITS) for _ in range(20)]
        wait_until(lambda: backends(world, "wait_event_type = 'Lock'") == 1)
        time.sleep(0.3)
        assert backends(world, "wait_event_type = 'Lock'") == 1, "the others wait without a connection"
        other.rollback()
        answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {200} and len(
        {str(answer.json()["data"]) for answer in answers}
    ) == 1
    assert len(made) == 1
    assert client.get(LIMITS).json()["data"] == answers[0].json()["data"] and len(made) == 1, "kept"
    world.advance(HEAD + 1)
    assert client.get(LIMITS).json()["meta"]["block_number"] == HEAD + 1 and len(made) == 2, "of its block alone"


def test_they_may_take_longer_but_not_for_ever(world: World, serve: Serve) -> None:
    client = serve(world, statement_timeout_ms=300, pool_wait_seconds=0.1)
    with ages(world) as other, ThreadPoolExecutor() as crowd:
        began = time.monotonic()
        asked = crowd.submit(client.get, LIMITS)
        time.sleep(0.8)  # longer than others may take
        other.rollback()
        assert asked.result().status_code == 200 and time.monotonic() - began > 0.8
    world.advance(HEAD + 1)
    with ages(world):
        problem(client.get(LIMITS), 503, "too-slow")
        problem(client.get("/v1/liquidation-risk/positions"), 503, "too-slow")  # the timeout of others is as it was


def test_whoever_waits_too_long_is_sent_away(world: World, serve: Serve) -> None:
    client: TestClient = serve(world, statement_timeout_ms=400, pool_wait_seconds=0.1)
    with ages(world), ThreadPoolExecutor(20) as crowd:
        asked = [crowd.submit(client.get, f"/v1/liquidation-levels?asset={DAI}&bin_width={n}") for n in range(1, 13)]
        slugs = [answer.result().json()["type"].rsplit(":", 1)[1] for answer in asked]
    assert set(slugs) == {"too-slow", "too-busy"}
