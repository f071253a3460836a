"""Pages of one listing visit each row once, whatever is committed in between, and end when their block is replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Serve, TestClient
from tests.api.test_api_answers import LISTS
from tests.api.test_api_as_of import problem
from tests.api.world import ALICE, BOB, DAI, E18, WETH, World, key64

RISK = "/v1/liquidation-risk/positions"


def pages(
    client: TestClient, url: str, limit: int, between: Callable[[], None] = lambda: None, **filters: Any
) -> list[dict[str, Any]]:
    """Follow a listing to its end."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    blocks = set()
    while True:
        answer = client.get(url, params={**filters, **cursor, "limit": limit})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["data"]) <= limit
        found += body["data"]
        blocks.add((body["meta"]["block_number"], body["meta"]["block_hash"]))
        if body["page"]["next_cursor"] is None:
            assert len(blocks) == 1
            return found
        assert len(body["data"]) == limit
        cursor = {"cursor": body["page"]["next_cursor"]}
        between()


@pytest.fixture
def snapshots(world: World) -> World:
    for number in range(100, 107):
        for population in ("borrowers", "all"):
            world.insert(
                "protocol_leverage_snapshot", chain_id=1, deployment_key=key64("aave_v3:1:core"), population=population,
                bucket=number, block_number=number, assets_usd=number, debt_usd=1, n_ok=1, n_zero_equity=0, n_insolvent=0, n_unpriced=0,
                latent_bad_debt_usd=0,
            )  # fmt: skip
    return world


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_each_row_once_in_order(snapshots: World, serve: Serve, limit: int) -> None:
    client = serve(snapshots)
    for url in LISTS:
        whole = client.get(url).json()["data"]
        assert pages(client, url, limit) == whole, url
    assert len(client.get("/v1/protocols/aave_v3/leverage/history").json()["data"]) == 14


def test_each_row_once_while_blocks_are_committed(world: World, serve: Serve) -> None:
    client = serve(world)
    number = 110

    def commit() -> None:
        """Turn the order around: Bob repays all but dust, somebody new is worst, and there is a new liquidation."""
        nonlocal number
        number += 1
        world.hold(BOB, DAI, "debt", number, number)
        newcomer = "0x" + f"{number:040x}"
        world.hold(newcomer, WETH, "supply", 1, number)
        world.hold(newcomer, DAI, "debt", 10 * E18, number)
        world.liquidation(number, 0)
        world.advance(number)

    for url in (RISK, "/v1/liquidations", f"/v1/accounts/{ALICE}/positions"):
        whole = client.get(url).json()["data"]
        assert pages(client, url, 1, commit) == whole, url
    # Bob's last wei are worth nothing, so the contract gives him no health factor
    assert len(pages(client, RISK, 2)) == 4 + number - 110
    assert client.get("/v1/liquidations").json()["data"][0]["block_number"] == number


def test_a_tie_is_broken_and_paged_through(world: World, serve: Serve) -> None:
    for n in range(5):
        account = "0x" + f"{n + 1:040x}"
        world.hold(account, WETH, "supply", E18)
        world.hold(account, DAI, "debt", 1400 * E18)  # as Bob
    client = serve(world)
    found = pages(client, RISK, 1, health_factor_lt="1")
    assert len(found) == len({row["account"] for row in found}) == 7
    assert [row["account"] for row in found[1:]] == sorted(row["account"] for row in found[1:])


def test_a_cursor_carries_its_block_alone_or_with_what_pinned_it(client: TestClient) -> None:
    first = client.get(RISK, params={"limit": 1, "as_of_block": 105}).json()
    cursor = first["page"]["next_cursor"]
    for again in ({}, {"as_of_block": 105}, {"chain": "1"}, {"finality": "finalized"}, {"as_of_time": "1700001260"}):
        body = client.get(RISK, params={"limit": 1, "cursor": cursor, **again}).json()
        assert (body["meta"]["block_number"], body["data"][0]["account"]) == (105, BOB)
    bad = problem(client.get(RISK, params={"cursor": cursor, "as_of_block": 104}), 422, "bad-parameter")
    assert bad["errors"][0]["parameter"] == "as_of_block"


def test_a_cursor_belongs_to_its_path_and_filters(client: TestClient) -> None:
    cursor = client.get(RISK, params={"limit": 1, "health_factor_lt": "2"}).json()["page"]["next_cursor"]
    assert client.get(RISK, params={"cursor": cursor, "health_factor_lt": "2"}).status_code == 200
    for url, filters in ((RISK, {}), (RISK, {"health_factor_lt": "3"}), ("/v1/markets", {"health_factor_lt": "2"})):
        answer = client.get(url, params={"cursor": cursor, **filters})
        assert answer.status_code == 422
    problem(client.get("/v1/markets", params={"cursor": cursor}), 422, "bad-parameter")
    problem(client.get(RISK, params={"cursor": cursor[:-4] + "AAAA", "health_factor_lt": "2"}), 422, "bad-parameter")


def test_a_replaced_block_ends_the_listing(world: World, serve: Serve) -> None:
    client = serve(world)
    cursor = client.get(RISK, params={"limit": 1}).json()["page"]["next_cursor"]
    assert client.get(RISK, params={"cursor": cursor}).status_code == 200
    world.replace(110, branch=1)
    assert (
        "start the listing again" in problem(client.get(RISK, params={"cursor": cursor}), 409, "reorged-away")["detail"]
    )
    assert client.get(RISK).status_code == 200


def test_a_block_undone_and_not_replaced_yet_ends_the_listing_too(world: World, serve: Serve) -> None:
    client = serve(world)
    cursor = client.get(RISK, params={"limit": 1}).json()["page"]["next_cursor"]
    world.run("DELETE FROM block WHERE block_number > 108")
    world.run(
        "UPDATE cursor SET block_number = 108, block_hash = (SELECT block_hash FROM block WHERE block_number = 108)"
    )
    problem(client.get(RISK, params={"cursor": cursor}), 409, "reorged-away")
    assert client.get(RISK).json()["meta"]["block_number"] == 108


def test_a_cursor_of_a_chain_no_longer_indexed(world: World, serve: Serve) -> None:
    client = serve(world)
    cursor = client.get(RISK, params={"limit": 1}).json()["page"]["next_cursor"]
    world.run("UPDATE chain SET chain_id = 5")
    world.run("UPDATE cursor SET chain_id = 5")
    problem(client.get(RISK, params={"cursor": cursor}), 409, "reorged-away")


def test_the_page_size_is_bounded_and_told(client: TestClient) -> None:
    assert client.get(RISK).json()["page"]["limit"] == 100
    assert client.get(RISK, params={"limit": 1000}).json()["page"] == {"next_cursor": None, "limit": 1000}
    problem(client.get(RISK, params={"limit": 1001}), 422, "bad-parameter")


def test_long_answers_are_packed_for_who_takes_them(client: TestClient) -> None:
    plain = client.get("/v1/markets", headers={"Accept-Encoding": "identity"})
    packed = client.get("/v1/markets", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert packed.json()["data"] == plain.json()["data"]
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.headers["vary"] == "Accept-Encoding" and packed.headers["etag"] == plain.headers["etag"]
    short = client.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers
