"""Bad days: the database away, slow or old, bodies too large, bugs. Each is a problem document, none leaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from api.main import create_app
from api.problems import from_database
from api.settings import Settings
from indexer.errors import BadConfig
from tests.api.conftest import Serve, TestClient, client_of
from tests.api.test_api_as_of import problem
from tests.api.world import HEAD, World


def test_healthz_and_metrics(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    client.get("/v1/markets", params={"limit": 0})
    text = client.get("/metrics").text
    for line in (
        "leverage_database_up 1.0",
        'leverage_head_block{chain="ethereum"} 110.0',
        'leverage_indexed_block{chain="ethereum"} 110.0',
        'leverage_finalized_block{chain="ethereum"} 105.0',
        'leverage_lag_blocks{chain="ethereum"} 0.0',
        'leverage_reorgs_24h{chain="ethereum"} 0.0',
        'leverage_protocol_block{chain="ethereum",protocol="aave_v3"} 110.0',
        'leverage_protocol_stopped{chain="ethereum",protocol="morpho_blue"} 0.0',
        'leverage_api_requests_total{method="GET",route="/healthz",status="200"}',
        'leverage_api_requests_total{method="GET",route="/v1/markets",status="422"}',
        'leverage_api_request_seconds_count{method="GET",route="/v1/markets"}',
        "leverage_api_waiting_requests 0.0",
    ):
        assert line in text, line


def test_the_database_is_away(tmp_path: Path) -> None:
    url = f"postgresql://postgres@/postgres?host={tmp_path}"
    with client_of(url, pool_wait_seconds=0.3) as client:
        for path in ("/healthz", "/v1/status", "/v1/markets", "/v1/markets?min_block=5&wait=1"):
            answer = client.get(path)
            problem(answer, 503, "database-unavailable")
            assert answer.headers["retry-after"] == "2"
        assert "leverage_database_up 0.0" in client.get("/metrics").text


def test_the_database_has_no_tables(new_database: Callable[[], str]) -> None:
    with client_of(new_database()) as client:
        body = problem(client.get("/v1/status"), 503, "not-migrated")
        assert "leverage run" in body["detail"]


def test_a_query_takes_too_long(world: World, serve: Serve) -> None:
    client = serve(world, statement_timeout_ms=200)
    with psycopg.connect(world.url) as other:
        other.execute("LOCK TABLE position IN ACCESS EXCLUSIVE MODE")
        answer = client.get("/v1/liquidation-risk/positions")
    problem(answer, 503, "too-slow")
    assert answer.headers["retry-after"] == "5"
    assert (
        client.get("/v1/protocols").status_code == 200
    )  # a short one: planning the other can take 200 ms on a busy machine


def test_requests_cannot_write(world: World, serve: Serve) -> None:
    client = serve(world)
    with client.app.state.pool.connections.connection() as connection:  # type: ignore[attr-defined]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM position")


def test_a_connection_that_broke_is_replaced(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=1)
    assert client.get("/v1/markets").status_code == 200
    world.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    assert client.get("/v1/markets").status_code == 200


def test_a_crowd_is_served_over_two_connections(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=2, pool_wait_seconds=30.0)
    with ThreadPoolExecutor(100) as crowd:
        answers = list(crowd.map(lambda _: client.get("/v1/markets").status_code, range(200)))
    assert answers == [200] * 200


def test_who_waits_too_long_for_a_turn_is_sent_away(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=1, pool_wait_seconds=0.2)
    with psycopg.connect(world.url) as other, ThreadPoolExecutor() as crowd:
        other.execute("LOCK TABLE market IN ACCESS EXCLUSIVE MODE")
        first = crowd.submit(client.get, "/v1/markets")
        deadline = time.monotonic() + 10
        while not waiting_for_lock(world) and time.monotonic() < deadline:
            time.sleep(0.01)
        problem(client.get("/v1/liquidations"), 503, "too-busy")
        assert client.get("/healthz").status_code == 200
        other.rollback()
        assert first.result().status_code == 200


def test_slow_questions_do_not_starve_what_bots_poll(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=2, pool_wait_seconds=20.0, statement_timeout_ms=20_000)
    with psycopg.connect(world.url) as other, ThreadPoolExecutor(20) as crowd:
        other.execute("LOCK TABLE action IN ACCESS EXCLUSIVE MODE")  # as if each took ages
        slow = [crowd.submit(client.get, "/v1/liquidations") for _ in range(12)]
        deadline = time.monotonic() + 10
        while not waiting_for_lock(world) and time.monotonic() < deadline:
            time.sleep(0.01)
        begun = time.monotonic()
        for number in range(HEAD + 1, HEAD + 4):  # nothing is kept of a new block
            world.advance(number)
            answer = client.get("/v1/liquidation-risk/positions?health_factor_lt=1.05")
            assert answer.json()["meta"]["block_number"] == number
        assert time.monotonic() - begun < 10
        assert not any(one.done() for one in slow)
        other.rollback()
        assert {one.result().status_code for one in slow} == {200}


def waiting_for_lock(world: World) -> bool:
    found = world.connection.execute(
        "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database WHERE NOT granted AND datname = current_database()"
    ).fetchone()
    return found is not None


def test_a_body_too_large_is_refused(world: World, serve: Serve) -> None:
    app = create_app(Settings(world.url, max_body_bytes=100))

    @app.post("/echo")
    async def echo(numbers: list[int]) -> int:
        return len(numbers)

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.post("/echo", json=[1, 2, 3]).json() == 3
        problem(client.post("/echo", json=[1] * 100), 413, "body-too-large")


def test_a_bug_is_a_problem_document_that_tells_nothing(world: World, serve: Serve) -> None:
    client = serve(world)
    world.run("ALTER TABLE deployment ALTER COLUMN name DROP NOT NULL")
    world.run("UPDATE deployment SET name = NULL")
    body = problem(client.get("/v1/markets"), 500, "internal-error")
    assert "deployment" not in body["detail"]


@pytest.mark.parametrize(("block", "slug"), [(999, "outside-coverage"), (107, "header-not-kept")])
def test_what_the_sql_refuses_is_404(world: World, block: int, slug: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        world.run("SELECT * FROM positions_at(1, %s)", block)
    found = from_database(caught.value)
    assert found is not None
    assert (found.status, found.slug) == (404, slug)


def test_a_method_that_is_not_there(client: TestClient) -> None:
    answer = client.post("/v1/markets")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


def test_settings_survive_the_environment() -> None:
    settings = Settings("postgresql://here", pool_size=3, poll_seconds=0.5)
    assert Settings.from_environment(settings.environment()) == settings
    assert Settings.from_environment({"LEVERAGE_API_DATABASE": "postgresql://here"}) == Settings("postgresql://here")
    with pytest.raises(BadConfig, match="LEVERAGE_API_DATABASE is not set"):
        Settings.from_environment({})
    with pytest.raises(BadConfig, match="LEVERAGE_API_POOL_SIZE='many'"):
        Settings.from_environment({"LEVERAGE_API_DATABASE": "x", "LEVERAGE_API_POOL_SIZE": "many"})


def test_uvicorn_finds_the_factory(monkeypatch: pytest.MonkeyPatch) -> None:
    from uvicorn.importer import import_from_string

    monkeypatch.setenv("LEVERAGE_API_DATABASE", "postgresql://nowhere")
    assert import_from_string("api.main:from_environment")().title == "Leverage indexer"
