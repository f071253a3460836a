"""Simulations over HTTP: asked for, computed by the worker, fetched; refused when they make no sense; gone after a reorg."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from indexer.simulator import work_one
from indexer.store.queries import simulations
from tests.api.conftest import Serve, TestClient
from tests.api.world import DAI, HEAD, USDC, WETH, XYZ, World

BODY: dict[str, Any] = {"shocks": {"WETH": -0.5}, "depth": {"WETH": 1_000_000}}


def ask(client: Any, **changes: Any) -> Any:
    return client.post("/v1/simulations/cascade", json=BODY | changes)


def work(world: World) -> bool:
    with psycopg.connect(world.url, autocommit=True) as connection:
        return work_one(connection)


def test_asked_computed_fetched(world: World, serve: Serve) -> None:
    client = serve(world)
    asked = ask(client)
    assert asked.status_code == 202, asked.text
    data = asked.json()["data"]
    assert data["status"] == "queued" and data["result"] is None
    assert data["request"]["shocks"] == {WETH: -0.5} and data["request"]["depth"] == {WETH: 1_000_000}
    assert data["request"]["max_rounds"] == 100
    place = asked.headers["Location"]
    assert place == f"/v1/simulations/{data['id']}"
    assert client.get(place).json()["data"]["status"] == "queued"
    assert work(world) and not work(world)
    found = client.get(place).json()
    assert found["meta"]["block_number"] == HEAD
    done = found["data"]
    assert done["status"] == "done", done["error"]
    assert [each["depth_factor"] for each in done["result"]["settings"]] == [0.5, 1, 2]
    low, high = (float(text) for text in done["result"]["range"]["repaid_usd"])
    assert 0 < low <= high
    first = next(each for each in done["rounds"] if each["depth_factor"] == 1)
    assert first["round"] == 1 and first["detail"]["oracle"][WETH] == 1000
    by_round = sum(float(each["repaid_usd"]) for each in done["rounds"] if each["depth_factor"] == 1)
    assert by_round == pytest.approx(float(done["result"]["settings"][1]["repaid_usd"]))


def test_the_same_question_is_computed_once(world: World, serve: Serve) -> None:
    client = serve(world)
    first = ask(client).json()["data"]["id"]
    assert work(world)
    again = client.post("/v1/simulations/cascade", json={"depth": {WETH: 1e6}, "shocks": {WETH: -0.5}, "path": "jump"})
    assert again.status_code == 202
    assert again.json()["data"]["id"] == first and again.json()["data"]["status"] == "done"
    assert not work(world)
    assert ask(client, path="steps:3").json()["data"]["id"] != first
    older = client.post("/v1/simulations/cascade", params={"as_of_block": HEAD - 1}, json=BODY).json()["data"]
    assert older["id"] != first and older["block_number"] == HEAD - 1


@pytest.mark.parametrize(
    ("changes", "parameter", "told"),
    [
        ({"shocks": {"NOPE": -0.3}}, "shocks", "NOPE is not an asset"),
        ({"shocks": {"0x" + "77" * 20: -0.3}}, "shocks", "not an asset"),
        ({"depth": {"NOPE": 1}}, "depth", "NOPE is not an asset"),
        ({"shocks": {"WETH": -0.3, WETH: -0.2}}, "shocks", "more than once"),
        ({"shocks": {}}, "shocks", "at least 1"),
        ({"shocks": {"WETH": -1}}, "shocks", "greater than -1"),
        ({"shocks": {"WETH": 10}}, "shocks", "less than 10"),
        ({"depth": {"WETH": 0}}, "depth", "greater than 0"),
        ({"max_rounds": 101}, "max_rounds", "less than or equal to 100"),
        ({"path": "steps:0"}, "path", "pattern"),
        ({"path": "steps:51"}, "path", "pattern"),
        ({"pass_through": 1.5}, "pass_through", "less than or equal to 1"),
        ({"impact": "magic"}, "impact", "cpmm"),
        ({"depth_factors": [1, 2]}, "depth_factors", "three"),
        ({"typo": 1}, "typo", "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(client: TestClient, changes: dict[str, Any], parameter: str, told: str) -> None:
    refused = ask(client, **changes)
    assert refused.status_code == 422, refused.text
    assert refused.headers["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert problem["type"] == "urn:leverage:problem:bad-parameter"
    assert problem["errors"][0]["in"] == "body" and problem["errors"][0]["parameter"] == parameter
    assert told in problem["detail"]


def test_unknown_protocols_and_simulations(world: World, serve: Serve) -> None:
    client = serve(world)
    assert ask(client, protocols=["nobody_v9"]).json()["type"].endswith("unknown-protocol")
    missing = client.get("/v1/simulations/" + "0" * 32)
    assert missing.status_code == 404 and missing.json()["type"].endswith("unknown-simulation")
    assert client.get("/v1/simulations/nothing").status_code == 422
    assert client.get("/v1/exposure/propagation", params={"simulation": "0" * 32}).status_code == 404
    assert client.post("/v1/simulations/cascade", params={"as_of_block": 1}, json=BODY).status_code == 404


def test_what_only_the_books_can_tell_fails_with_a_reason(world: World, serve: Serve) -> None:
    """XYZ is in a market, and owed, but has no price."""
    client = serve(world)
    place = ask(client, shocks={"XYZ": -0.2}, depth={}).headers["Location"]
    assert work(world)
    done = client.get(place).json()["data"]
    assert done["status"] == "failed" and done["result"] is None
    assert done["error"] == f"assets: {XYZ} has no price at block {HEAD}"


def test_a_reorg_takes_its_simulations(world: World, serve: Serve) -> None:
    client = serve(world)
    place = ask(client).headers["Location"]
    world.replace(HEAD, 1)
    assert client.get(place).status_code == 404
    assert work(world)
    assert world.connection.execute("SELECT count(*) FROM cascade_runs").fetchone() == (0,)


def test_the_queue_is_bounded(world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulations, "MOST_WAITING", 1)
    client = serve(world)
    assert ask(client).status_code == 202
    assert ask(client).status_code == 202  # the same again is no more
    full = ask(client, path="steps:2")
    assert full.status_code == 503 and full.headers["Retry-After"] == "10"
    assert work(world)
    assert ask(client, path="steps:2").status_code == 202


def test_a_role_that_may_not_store_questions(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise psycopg.errors.InsufficientPrivilege("permission denied for table cascade_runs")

    monkeypatch.setattr(simulations, "enqueue", refuse)
    refused = ask(client)
    assert refused.status_code == 503 and refused.json()["type"] == "urn:leverage:problem:read-only"


def test_a_lost_worker_is_replaced(world: World, serve: Serve) -> None:
    client = serve(world)
    place = ask(client).headers["Location"]
    world.run("UPDATE cascade_runs SET status = 'running', started_at = extract(epoch FROM now())::bigint")
    assert not work(world)
    world.run("UPDATE cascade_runs SET started_at = 1")
    assert work(world)
    assert client.get(place).json()["data"]["status"] == "done"


def test_the_api_needs_no_more_than_select_and_one_insert(world: World, serve: Serve) -> None:
    role = "reader_" + world.url.partition("?")[0].rsplit("/", 1)[1]
    world.run(f"CREATE ROLE {role} LOGIN")
    world.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    world.run(f"GRANT INSERT ON cascade_runs TO {role}")
    with psycopg.connect(world.url) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        at = simulations_block(connection)
        assert len(simulations.enqueue(connection, at, BODY)) == 32
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE cascade_runs SET status = 'done'")
        connection.rollback()


def simulations_block(connection: psycopg.Connection[Any]) -> Any:
    from indexer.store.queries import coverage

    found = coverage.block_at(connection, 1, HEAD)
    assert found is not None
    return found


def test_propagation_takes_the_newest_simulation_or_the_one_named(world: World, serve: Serve) -> None:
    """The world has one protocol with borrowers; half of them are made another's."""
    world.run("UPDATE deployment SET protocol = 'morpho_blue' WHERE name = 'm1'")
    client = serve(world)
    pairs = client.get("/v1/exposure/propagation").json()["data"]
    assert [(pair["source"], pair["target"]) for pair in pairs] == [
        ("aave_v3", "morpho_blue"),
        ("morpho_blue", "aave_v3"),
    ]
    assert all(pair["propagation"] is None and pair["simulation"] is None for pair in pairs)
    # core: 10 + 1 + 1 WETH at 2000 and 5000 USDC of borrowers (the lender Carol's 700 back nothing); m1: USDC alone
    assert pairs[0]["collateral_overlap"] == pytest.approx(5000 / 29_000)
    assert pairs[0]["collateral_overlap_without_stables"] is None  # m1 has no other collateral
    assert (pairs[0]["shared_owner_debt_usd"], pairs[0]["target_debt_usd"]) == ("0", "595")
    ids = []
    for shock in (-0.2, -0.5):
        ids.append(ask(client, shocks={"WETH": shock}).json()["data"]["id"])
        assert work(world)
        world.run("UPDATE cascade_runs SET finished_at = %s WHERE run_id = %s", len(ids), ids[-1])
    newest = client.get("/v1/exposure/propagation").json()["data"]
    assert {pair["simulation"] for pair in newest} == {ids[1]}
    assert [pair["propagation"] for pair in newest] == [0, 0]  # no common asset is shocked
    first = client.get("/v1/exposure/propagation", params={"simulation": ids[0]}).json()["data"]
    assert {pair["simulation"] for pair in first} == {ids[0]}


def test_a_question_in_symbols_of_two_tokens(world: World, serve: Serve) -> None:
    world.run("UPDATE token SET symbol = 'USDC' WHERE address = decode(%s, 'hex')", DAI[2:])
    refused = ask(serve(world), shocks={"USDC": -0.1})
    assert refused.status_code == 422
    assert DAI in refused.json()["detail"] and USDC in refused.json()["detail"]
