"""Everything of an owner: what they hold by themselves and through smart wallets (`owner=true`)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Serve, TestClient
from tests.api.test_api_answers import rows
from tests.api.world import ALICE, BOB, DAI, E18, NOBODY, WETH, World, raw

PROXY = "0x" + "e5" * 20


def owns(world: World, owner: str, wallet: str, block: int, **state: object) -> None:
    """Say that a smart wallet is somebody's from a block on."""
    row = {
        "chain_id": 1,
        "wallet": raw(wallet),
        "from_block": block,
        "block_number": block,
        "log_index": 0,
        "deployment_key": 1,
    }
    world.insert("wallet_state", **row, **state)
    world.insert("wallet_owner", **row, owner=raw(owner), leg=0, is_owner=1)


@pytest.fixture
def proxied(world: World, serve: Serve) -> TestClient:
    """Alice also borrows through a DSProxy from block 103 on: 2 WETH (4000 USD) against 1000 shares, 1200 DAI."""
    owns(world, ALICE, PROXY, 103, kind="ds_proxy")
    world.hold(PROXY, WETH, "supply", 2 * E18, 103)
    world.hold(PROXY, DAI, "debt", 1000 * E18, 103)
    return serve(world)


@pytest.mark.parametrize("who", [ALICE, PROXY])
def test_everything_of_an_owner(proxied: TestClient, who: str) -> None:
    debts = {
        row["account"]: row["amount"]
        for row in rows(proxied, f"/v1/accounts/{who}/positions", owner=True)
        if row["side"] == "debt"
    }
    assert debts == {ALICE: "12000", PROXY: "1200"}
    health = rows(proxied, f"/v1/accounts/{who}/health", owner=True)
    # (20000 x 0.80 + 5000 x 0.75) / 12000, and 4000 x 0.80 / 1200
    assert [(row["account"], row["health_factor"]) for row in health] == [
        (ALICE, pytest.approx(79 / 48)),
        (PROXY, pytest.approx(8 / 3)),
    ]
    leverage = rows(proxied, f"/v1/accounts/{who}/leverage", owner=True)
    assert [(row["account"], row["equity_usd"]) for row in leverage] == [(ALICE, "13000"), (PROXY, "2800")]
    exposure = proxied.get(f"/v1/accounts/{who}/exposure", params={"owner": True}).json()["data"]
    assert (exposure["owner_id"], exposure["accounts"]) == (ALICE, [ALICE, PROXY])
    assert proxied.get(f"/v1/accounts/{who}/loops", params={"owner": True}).status_code == 200


def test_an_account_by_itself(proxied: TestClient) -> None:
    alone = rows(proxied, f"/v1/accounts/{PROXY}/positions")
    assert {row["account"] for row in alone} == {PROXY} and {row["owner"] for row in alone} == {ALICE}
    assert [row["account"] for row in rows(proxied, f"/v1/accounts/{ALICE}/health")] == [ALICE]
    assert proxied.get(f"/v1/accounts/{PROXY}/exposure").json()["data"]["accounts"] == [PROXY]
    # at block 102 the proxy was nobody's yet
    before = rows(proxied, f"/v1/accounts/{ALICE}/positions", owner=True, as_of_block=102)
    assert {row["account"] for row in before} == {ALICE}


def test_an_owner_pages_through_all_accounts(proxied: TestClient) -> None:
    whole = rows(proxied, f"/v1/accounts/{ALICE}/positions", owner=True)
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = proxied.get(
            f"/v1/accounts/{ALICE}/positions",
            params={"owner": True, "limit": 1} | ({"cursor": cursor} if cursor else {}),
        ).json()
        found += page["data"]
        cursor = page["page"]["next_cursor"]
        if cursor is None:
            break
    assert found == whole and len(whole) == 5


def test_an_owner_who_holds_only_through_a_proxy(world: World, serve: Serve) -> None:
    owns(world, NOBODY, BOB, 101, kind="safe", threshold=1)
    client = serve(world)
    assert client.get(f"/v1/accounts/{NOBODY}/positions").status_code == 404
    assert {row["account"] for row in rows(client, f"/v1/accounts/{NOBODY}/positions", owner=True)} == {BOB}
