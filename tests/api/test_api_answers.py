"""Every endpoint's answer over the small world, expected values worked out by hand (docs/methodology.md M1 and M12)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Serve, TestClient
from tests.api.test_api_as_of import problem
from tests.api.world import (
    ALICE,
    BOB,
    CAROL,
    DAI,
    DAVE,
    E6,
    E18,
    FIRST,
    LIQUIDATOR,
    M1,
    NOBODY,
    ORACLE,
    POOL,
    RAY,
    USDC,
    WETH,
    XYZ,
    World,
    hash_text,
    key64,
    market_id,
)

LISTS = [
    "/v1/protocols",
    "/v1/markets",
    "/v1/protocols/aave_v3/leverage",
    "/v1/protocols/aave_v3/leverage/history",
    "/v1/protocols/aave_v3/leverage/distribution",
    "/v1/leverage",
    "/v1/velocity",
    "/v1/bad-debt",
    "/v1/concentration",
    "/v1/utilization",
    "/v1/tvl",
    f"/v1/accounts/{ALICE}/positions",
    f"/v1/accounts/{ALICE}/health",
    f"/v1/accounts/{ALICE}/leverage",
    "/v1/liquidation-risk/positions",
    "/v1/liquidations",
]

SCOPE = {"protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "core", "market_id": None}


def rows(client: TestClient, url: str, **parameters: object) -> list[dict[str, Any]]:
    answer = client.get(url, params=parameters)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@pytest.mark.parametrize("url", LISTS)
def test_a_list_comes_in_its_envelope(client: TestClient, url: str) -> None:
    answer = client.get(url, params={"as_of_block": 105})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert list(body) == ["data", "page", "meta"]
    assert body["page"] == {"next_cursor": None, "limit": 100}
    assert (body["meta"]["block_number"], body["meta"]["block_hash"]) == (105, hash_text(105))
    assert (body["meta"]["finality"], body["meta"]["prices"]) == ("finalized", "oracle")
    tag = answer.headers["etag"]
    assert client.get(url, params={"as_of_block": 105}, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(url, params={"min_block": 111}).status_code == 204


def test_one_thing_comes_in_its_envelope(client: TestClient) -> None:
    url = f"/v1/markets/{market_id('core', WETH)}"
    body = client.get(url).json()
    assert list(body) == ["data", "page", "meta"]
    assert body["page"] is None
    assert client.get(url, headers={"If-None-Match": client.get(url).headers["etag"]}).status_code == 304


def test_protocols(client: TestClient) -> None:
    aave, morpho = rows(client, "/v1/protocols")
    assert (aave["protocol"], aave["status"], aave["start_block"], aave["block_number"]) == (
        "aave_v3",
        "following",
        100,
        110,
    )
    assert aave["markets"] == 6
    assert [d["deployment"] for d in aave["deployments"]] == ["core", "m1"]
    assert aave["deployments"][0] == {
        "deployment": "core", "project": "aave", "version": "3", "kind": "lending", "start_block": 100,
        "contracts": {"Pool": POOL}, "proven": None,
    }  # fmt: skip
    assert (morpho["protocol"], morpho["markets"], morpho["deployments"]) == ("morpho_blue", 0, [])


def test_a_market(client: TestClient) -> None:
    found = client.get(f"/v1/markets/{market_id('core', DAI)}").json()["data"]
    expected = {
        "protocol": "aave_v3", "market_id": market_id("core", DAI), "deployment": "core", "asset": DAI, "symbol": "DAI",
        "decimals": 18, "collateral_asset": None, "accounting": "aave", "regime": "half_up_b", "oracle": ORACLE,
        # 1000 and 250 shares at an index of 1.2
        "supply_index_raw": str(RAY * 12 // 10), "debt_index_raw": str(RAY * 12 // 10),
        "total_supply_raw": str(1200 * E18), "total_debt_raw": str(300 * E18), "total_supply": "1200", "total_debt": "300",
        "total_supply_usd": "1200", "total_debt_usd": "300", "utilization": 0.25,
        "ltv_max": 0.7, "liquidation_threshold": 0.75, "liquidation_bonus": 0.05, "lltv_raw": None, "supply_cap": None,
        "is_paused": None, "price_usd": "1", "price_block": 100, "oracle_price_raw": "100000000", "listed_block": 100,
        "as_of_block": 110,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


def test_unknown_decimals_make_amounts_null_never_a_guess(client: TestClient) -> None:
    found = client.get(f"/v1/markets/{market_id('core', XYZ)}").json()["data"]
    names = ("decimals", "total_supply", "total_debt_usd", "price_usd", "price_block")
    assert [found[name] for name in names] == [None] * 5
    assert found["total_supply_raw"] == str(1000 * E18)


def test_markets_by_filter(client: TestClient) -> None:
    def ids(**parameters: object) -> list[str]:
        return [row["market_id"] for row in rows(client, "/v1/markets", **parameters)]

    core = [market_id("core", asset) for asset in (WETH, USDC, DAI, XYZ)]
    m1 = [market_id("m1", asset) for asset in (USDC, DAI)]
    assert ids() == core + m1
    assert ids(deployment="m1") == m1
    assert ids(asset=DAI.upper().replace("X", "x")) == [core[2], m1[1]]
    assert ids(protocol="morpho_blue") == []


def test_a_market_before_its_listing(world: World, serve: Serve) -> None:
    world.market("m1", WETH, 8000, listed=106)
    client = serve(world)
    url = f"/v1/markets/{market_id('m1', WETH)}"
    assert client.get(url, params={"as_of_block": 106}).status_code == 200
    assert (
        "listed in block 106" in problem(client.get(url, params={"as_of_block": 105}), 404, "unknown-market")["detail"]
    )
    assert len(rows(client, "/v1/markets", as_of_block=105)) == 6


def test_positions_of_an_account(client: TestClient) -> None:
    weth, usdc, dai = rows(client, f"/v1/accounts/{ALICE}/positions")
    assert weth == {
        **SCOPE, "market_id": market_id("core", WETH), "account": ALICE, "owner": ALICE, "side": "supply", "asset": WETH,
        "symbol": "WETH", "shares_raw": str(10 * E18), "amount_raw": str(10 * E18), "amount": "10", "price_usd": "2000",
        "amount_usd": "20000", "is_collateral": True, "as_of_block": 110,
    }  # fmt: skip
    assert (usdc["amount_raw"], usdc["amount"], usdc["amount_usd"]) == (str(5000 * E6), "5000", "5000")
    # 10000 shares at an index of 1.2
    assert (dai["side"], dai["shares_raw"], dai["amount_raw"]) == ("debt", str(10_000 * E18), str(12_000 * E18))
    assert (dai["amount_usd"], dai["is_collateral"]) == ("12000", False)


def test_positions_as_of_a_block(client: TestClient) -> None:
    def debt(block: int) -> list[str]:
        found = rows(client, f"/v1/accounts/{ALICE}/positions", as_of_block=block)
        return [row["amount"] for row in found if row["side"] == "debt"]

    assert debt(100) == []
    assert debt(101) == debt(105) == ["9600"]
    assert debt(106) == debt(110) == ["12000"]
    assert rows(client, f"/v1/accounts/{ALICE}/positions", as_of_block=100) == []


def test_an_account_is_found_however_its_address_is_written(client: TestClient) -> None:
    for spelling in (ALICE.upper(), ALICE.upper().replace("X", "x"), ALICE):
        assert len(rows(client, f"/v1/accounts/{spelling}/positions")) == 3


def test_health_of_an_account(client: TestClient) -> None:
    (found,) = rows(client, f"/v1/accounts/{ALICE}/health")
    assert found == {
        **SCOPE, "account": ALICE, "status": "ok", "collateral_usd": "25000", "debt_usd": "12000",
        # (20000 x 0.80 + 5000 x 0.75) / 12000 = 19750 / 12000 = 79 / 48
        "health_factor": pytest.approx(79 / 48, rel=1e-15), "health_factor_raw": "1645833333333333333",
        "is_liquidatable": False, "total_collateral_base_raw": str(25_000 * 10**8), "total_debt_base_raw": str(12_000 * 10**8),
        # 20000 x 0.75 + 5000 x 0.70 = 18500; 6500 more may be borrowed
        "available_borrows_base_raw": str(6_500 * 10**8), "current_liquidation_threshold_bps": 7900, "ltv_bps": 7400,
        "max_borrow_raw": None, "debt_raw": None, "emode": 0, "collateral_assets": [WETH, USDC], "debt_assets": [DAI],
        "liquidation_bonus_bps": None,
    }  # fmt: skip


def test_no_debt_and_no_price_have_no_health_factor(client: TestClient) -> None:
    (carol,) = rows(client, f"/v1/accounts/{CAROL}/health")
    assert (carol["status"], carol["health_factor"], carol["health_factor_raw"]) == ("no_debt", None, None)
    assert (carol["debt_usd"], carol["is_liquidatable"]) == ("0", False)
    (dave,) = rows(client, f"/v1/accounts/{DAVE}/health")
    assert (dave["status"], dave["health_factor"], dave["debt_usd"]) == ("unpriced", None, None)


def test_leverage_of_an_account(client: TestClient) -> None:
    # (A, D) = (300, 200): E = 100, A/E = 3, D/E = 2, D/A = 2/3, health 300 x 0.96 / 200
    (found,) = rows(client, f"/v1/accounts/{M1[0]}/leverage")
    assert found == {
        **SCOPE, "deployment": "m1", "account": M1[0], "status": "ok", "collateral_usd": "300", "assets_usd": "300",
        "debt_usd": "200", "equity_usd": "100", "assets_to_equity": 3.0, "debt_to_equity": 2.0,
        "ltv": pytest.approx(2 / 3, rel=1e-15), "health_factor": 1.44, "pair_class": "directional",
    }  # fmt: skip
    (insolvent,) = rows(client, f"/v1/accounts/{M1[3]}/leverage")
    assert (insolvent["status"], insolvent["equity_usd"]) == ("insolvent", "-5")
    assert (insolvent["assets_to_equity"], insolvent["debt_to_equity"]) == (None, None)
    (unpriced,) = rows(client, f"/v1/accounts/{DAVE}/leverage")
    names = ("debt_usd", "equity_usd", "assets_to_equity", "debt_to_equity", "ltv", "health_factor")
    assert (unpriced["status"], [unpriced[name] for name in names]) == ("unpriced", [None] * 6)


def test_leverage_of_a_protocol_is_a_ratio_of_sums(client: TestClient) -> None:
    everybody, borrowers = rows(client, "/v1/protocols/aave_v3/leverage", deployment="m1")
    assert borrowers == {
        "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "m1", "population": "borrowers",
        "assets_usd": "1800", "debt_usd": "500", "equity_usd": "1300", "leverage": pytest.approx(18 / 13, rel=1e-15),
        "n_ok": 2, "n_zero_equity": 0, "n_insolvent": 1, "n_unpriced": 0, "latent_bad_debt_usd": "5", "as_of_block": 110,
        "as_of_time": "2023-11-14T22:35:20Z",
    }  # fmt: skip
    assert (everybody["population"], everybody["assets_usd"], everybody["equity_usd"]) == ("all", "2800", "2300")
    assert (everybody["leverage"], everybody["n_ok"]) == (pytest.approx(28 / 23, rel=1e-15), 3)
    (only,) = rows(client, "/v1/protocols/aave_v3/leverage", deployment="core", population="borrowers")
    # Alice 25000 - 12000 and Bob 2000 - 1680; Dave is unpriced
    assert (only["assets_usd"], only["debt_usd"], only["n_ok"], only["n_unpriced"]) == ("27000", "13680", 2, 1)
    before = rows(client, "/v1/protocols/aave_v3/leverage", deployment="m1", population="all", as_of_block=100)
    assert [(row["assets_usd"], row["leverage"], row["n_ok"]) for row in before] == [("0", None, 0)]


def test_history_of_leverage_comes_from_snapshots(world: World, serve: Serve) -> None:
    for number, assets in ((102, 150), (104, 100), (109, 300)):
        world.insert(
            "protocol_leverage_snapshot", chain_id=1, deployment_key=key64("aave_v3:1:core"), population="borrowers",
            bucket=number, block_number=number, assets_usd=assets, debt_usd=100, n_ok=1, n_zero_equity=2, n_insolvent=3, n_unpriced=4,
            latent_bad_debt_usd="0.5",
        )  # fmt: skip
    client = serve(world)
    url = "/v1/protocols/aave_v3/leverage/history"
    found = rows(client, url)
    assert [(row["as_of_block"], row["leverage"]) for row in found] == [(109, 1.5), (104, None), (102, 3.0)]
    assert found[2] == {
        "protocol": "aave_v3", "project": "aave", "version": "3", "deployment": "core", "population": "borrowers",
        "assets_usd": "150", "debt_usd": "100", "equity_usd": "50", "leverage": 3.0, "n_ok": 1, "n_zero_equity": 2,
        "n_insolvent": 3, "n_unpriced": 4, "latent_bad_debt_usd": "0.5", "as_of_block": 102,
        "as_of_time": "2023-11-14T22:33:44Z",
    }  # fmt: skip
    assert [row["as_of_block"] for row in rows(client, url, as_of_block=104)] == [104, 102]
    assert [row["as_of_block"] for row in rows(client, url, from_time="2023-11-14T22:34:00Z")] == [109, 104]
    assert rows(client, url, population="all") == rows(client, url, deployment="m1") == []


def test_at_risk_comes_worst_first(client: TestClient) -> None:
    found = rows(client, "/v1/liquidation-risk/positions")
    # 90 x 0.96 / 95; 2000 x 0.8 / 1680; 300 x 0.96 / 200; 79 / 48; 1500 x 0.96 / 300. Carol and M1[1] owe nothing,
    # Dave's debt has no price.
    assert [row["account"] for row in found] == [M1[3], BOB, M1[0], ALICE, M1[2]]
    factors = [90 * 0.96 / 95, 1600 / 1680, 1.44, 79 / 48, 4.8]
    assert [row["health_factor"] for row in found] == pytest.approx(factors, rel=1e-15)
    assert [row["is_liquidatable"] for row in found] == [True, True, False, False, False]
    assert [row["bucket"] for row in found] == ["[0,1)", "[0,1)", "[1.25,1.5)", "[1.5,2)", "[2,inf)"]
    bob = found[1]
    expected = {
        **SCOPE, "account": BOB, "owner": BOB, "status": "ok", "health_factor_raw": "952380952380952381", "is_toxic": False,
        "collateral_usd": "2000", "debt_usd": "1680", "collateral_assets": [WETH], "debt_assets": [DAI], "emode": 0,
        "pair_class": "directional", "price_usd": "2000", "liquidation_bonus": 0.05, "as_of_block": 110,
    }  # fmt: skip
    assert {name: bob[name] for name in expected} == expected
    # 1680 / 0.8
    assert float(bob["liquidation_price_usd"]) == pytest.approx(2100)
    assert bob["distance"] == pytest.approx(0.05)
    assert (found[3]["liquidation_price_usd"], found[3]["distance"]) == (None, None)  # two collaterals


@pytest.mark.parametrize(
    ("parameters", "accounts"),
    [
        ({"health_factor_lt": "1"}, [M1[3], BOB]),
        ({"health_factor_lt": "1.44"}, [M1[3], BOB]),
        ({"health_factor_lt": "1.440000000000000001"}, [M1[3], BOB, M1[0]]),
        ({"min_debt_usd": "1680"}, [BOB, ALICE]),
        ({"min_debt_usd": "1680.000000000000000001"}, [ALICE]),
        ({"min_debt_usd": "100", "health_factor_lt": "2"}, [BOB, M1[0], ALICE]),
        ({"deployment": "m1"}, [M1[3], M1[0], M1[2]]),
        ({"protocol": "aave_v3", "deployment": "core"}, [BOB, ALICE]),
        ({"protocol": "morpho_blue"}, []),
        ({"as_of_block": "100"}, []),
        ({"limit": "1"}, [M1[3]]),
    ],
)
def test_at_risk_by_filter(client: TestClient, parameters: dict[str, str], accounts: list[str]) -> None:
    found = rows(client, "/v1/liquidation-risk/positions", **parameters)
    assert [row["account"] for row in found] == accounts


def test_liquidations_come_newest_first(client: TestClient) -> None:
    found = rows(client, "/v1/liquidations")
    assert [(row["block_number"], row["evt_index"], row["borrower"]) for row in found] == [
        (109, 5, BOB),
        (109, 3, ALICE),
        (104, 9, ALICE),
    ]
    assert found[2] == {
        "protocol": "aave_v3", "blockchain": "ethereum", "project": "aave", "version": "3", "deployment": "core",
        "market_id": market_id("core", DAI), "collateral_market_id": market_id("core", WETH), "borrower": ALICE,
        "liquidator": LIQUIDATOR, "debt_token": DAI, "debt_symbol": "DAI", "debt_repaid_raw": str(1000 * E18),
        "debt_repaid": "1000", "debt_repaid_usd": "1000", "collateral_token": WETH, "collateral_symbol": "WETH",
        "collateral_seized_raw": str(525 * E18 // 1000), "collateral_seized": "0.525", "collateral_seized_usd": "1050",
        "bonus": 0.05, "profit_usd": "50", "bad_debt_usd": "0", "block_number": 104, "block_time": "2023-11-14T22:34:08Z",
        "tx_hash": "0x77" + hash_text(104)[4:], "tx_index": 7, "evt_index": 9, "project_contract_address": POOL,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "events"),
    [
        ({"borrower": BOB}, [5]),
        ({"borrower": ALICE.upper()}, [3, 9]),
        ({"liquidator": ALICE}, []),
        ({"from_block": "105"}, [5, 3]),
        ({"as_of_block": "108"}, [9]),
        ({"protocol": "aave_v3", "deployment": "core"}, [5, 3, 9]),
        ({"deployment": "m1"}, []),
    ],
)
def test_liquidations_by_filter(client: TestClient, parameters: dict[str, str], events: list[int]) -> None:
    assert [row["evt_index"] for row in rows(client, "/v1/liquidations", **parameters)] == events


@pytest.mark.parametrize(
    ("url", "status", "slug"),
    [
        (f"/v1/accounts/{NOBODY}/positions", 404, "unknown-account"),
        (f"/v1/accounts/{NOBODY}/health", 404, "unknown-account"),
        (f"/v1/accounts/{NOBODY}/leverage", 404, "unknown-account"),
        (f"/v1/accounts/{ALICE}/positions?protocol=compound_v3", 404, "unknown-protocol"),
        (f"/v1/accounts/{ALICE}/positions?deployment=moon", 404, "unknown-deployment"),
        (f"/v1/accounts/{ALICE}/positions?protocol=morpho_blue&deployment=core", 404, "unknown-deployment"),
        (f"/v1/accounts/{ALICE[:-1]}/positions", 422, "bad-parameter"),
        (f"/v1/accounts/{ALICE}0/positions", 422, "bad-parameter"),
        ("/v1/accounts/vitalik.eth/positions", 422, "bad-parameter"),
        ("/v1/accounts/0x%00/positions", 422, "bad-parameter"),
        ("/v1/markets/aave_v3:1:0x00", 404, "unknown-market"),
        ("/v1/markets/a%20b", 422, "bad-parameter"),
        ("/v1/markets?asset=0x12", 422, "bad-parameter"),
        ("/v1/protocols/compound_v3/leverage", 404, "unknown-protocol"),
        ("/v1/protocols/compound_v3/leverage/history", 404, "unknown-protocol"),
        ("/v1/protocols/Aave/leverage", 422, "bad-parameter"),
        ("/v1/protocols/aave_v3/leverage?population=whales", 422, "bad-parameter"),
        ("/v1/protocols/aave_v3/leverage/history?from_time=noon", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?health_factor_lt=0", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?health_factor_lt=nan", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?health_factor_lt=inf", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?health_factor_lt=1e400", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?min_debt_usd=-1", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?min_debt_usd=x", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?protocol=%27--", 422, "bad-parameter"),
        ("/v1/liquidation-risk/positions?protocol=compound_v3", 404, "unknown-protocol"),
        ("/v1/liquidations?borrower=bob", 422, "bad-parameter"),
        ("/v1/liquidations?from_block=-1", 422, "bad-parameter"),
        ("/v1/nothing", 404, "not-found"),
        ("/nothing", 404, "not-found"),
    ],
)
def test_refusals(client: TestClient, url: str, status: int, slug: str) -> None:
    problem(client.get(url), status, slug)


def test_a_closed_account_is_known_and_empty(world: World, serve: Serve) -> None:
    world.hold(CAROL, USDC, "supply", 0, 108)
    client = serve(world)
    assert rows(client, f"/v1/accounts/{CAROL}/positions") == []
    assert rows(client, f"/v1/accounts/{CAROL}/health") == []
    assert len(rows(client, f"/v1/accounts/{CAROL}/positions", as_of_block=106)) == 1


def test_a_stopped_protocol_is_left_out_and_says_so(world: World, serve: Serve) -> None:
    world.stop("aave_v3", 105)
    client = serve(world)
    answer = client.get("/v1/liquidation-risk/positions").json()
    assert (answer["data"], answer["meta"]["not_covered"]) == ([], ["aave_v3"])
    assert rows(client, "/v1/liquidations") == rows(client, "/v1/markets") == []
    for url in (
        "/v1/liquidation-risk/positions?protocol=aave_v3",
        "/v1/protocols/aave_v3/leverage",
        f"/v1/markets/{market_id('core', DAI)}",
    ):
        body = problem(client.get(url), 404, "outside-coverage")
        assert (body["first_block"], body["last_block"]) == (FIRST, 105)
        assert "stopped there" in body["detail"]
    assert len(rows(client, "/v1/liquidation-risk/positions", protocol="aave_v3", as_of_block=105)) == 5
