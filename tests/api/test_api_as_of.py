"""Which block an answer is of. `/v1/protocols` stands for every list: the rule is in one place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Serve, TestClient
from tests.api.world import FIRST, GENESIS, HEAD, World, hash_text, timestamp

URL = "/v1/protocols"


def problem(answer: Any, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:leverage:problem:{slug}"
    assert body["status"] == status
    assert body["title"] and body["detail"]
    assert body["instance"].startswith("/")
    return body


def test_left_out_it_is_the_indexed_head(client: TestClient) -> None:
    meta = client.get(URL).json()["meta"]
    assert meta.pop("lag_seconds") > 10**7  # the world is of November 2023
    assert meta == {
        "chain_id": 1,
        "block_number": 110,
        "block_hash": hash_text(110),
        "block_time": "2023-11-14T22:35:20Z",
        "finality": "latest",
        "lag_blocks": 0,
        "not_covered": [],
        "prices": "oracle",
    }


def test_the_head_is_the_lowest_cursor_of_those_that_run(bare: World, serve: Serve) -> None:
    client = serve(bare)
    bare.run("UPDATE cursor SET block_number = 106 WHERE protocol = 'morpho_blue'")
    meta = client.get(URL).json()["meta"]
    assert (meta["block_number"], meta["lag_blocks"], meta["not_covered"]) == (106, 4, [])
    bare.run("UPDATE cursor SET status = 'stopped' WHERE protocol = 'morpho_blue'")
    meta = client.get(URL).json()["meta"]
    assert (meta["block_number"], meta["lag_blocks"], meta["not_covered"]) == (110, 0, ["morpho_blue"])
    bare.run("UPDATE cursor SET status = 'stopped'")
    meta = client.get(URL).json()["meta"]
    assert (meta["block_number"], meta["lag_blocks"], meta["not_covered"]) == (106, 4, [])


def test_a_protocol_that_has_not_begun_does_not_hold_the_others_back(bare: World, serve: Serve) -> None:
    bare.cursor("chainlink", FIRST - 1)
    meta = serve(bare).get(URL).json()["meta"]
    assert (meta["block_number"], meta["not_covered"]) == (110, ["chainlink"])


@pytest.mark.parametrize(
    ("number", "finality"), [(100, "finalized"), (105, "finalized"), (106, "safe"), (108, "safe"), (109, "latest")]
)
def test_by_number(client: TestClient, number: int, finality: str) -> None:
    meta = client.get(URL, params={"as_of_block": number}).json()["meta"]
    assert (meta["block_number"], meta["block_hash"], meta["finality"]) == (number, hash_text(number), finality)
    assert meta["lag_blocks"] == 0  # of the index, not of the block asked for


@pytest.mark.parametrize("number", [0, 99, 111, 2**63 - 1])
def test_outside_coverage(client: TestClient, number: int) -> None:
    body = problem(client.get(URL, params={"as_of_block": number}), 404, "outside-coverage")
    assert (body["chain_id"], body["first_block"], body["last_block"]) == (1, 100, 110)
    assert "from block 100 to 110" in body["detail"]


def test_a_block_without_kept_header_is_named_with_its_neighbour(client: TestClient) -> None:
    body = problem(client.get(URL, params={"as_of_block": 107}), 404, "header-not-kept")
    assert body["nearest_block"] == 106


@pytest.mark.parametrize(
    ("time", "number"),
    [
        (str(timestamp(105)), 105),
        (str(timestamp(105) + 11), 105),
        (str(timestamp(106) - 1), 105),
        (str(timestamp(107)), 106),
        (str(timestamp(110)), 110),
        ("2023-11-14T22:34:20Z", 105),
        ("2023-11-14T23:34:25+01:00", 105),
    ],
)
def test_by_time(client: TestClient, time: str, number: int) -> None:
    assert client.get(URL, params={"as_of_time": time}).json()["meta"]["block_number"] == number


@pytest.mark.parametrize("time", [str(timestamp(100) - 1), str(timestamp(110) + 1), str(GENESIS * 2), "0"])
def test_time_outside_coverage(client: TestClient, time: str) -> None:
    problem(client.get(URL, params={"as_of_time": time}), 404, "outside-coverage")


@pytest.mark.parametrize(
    ("parameters", "at_fault"),
    [
        ({"as_of_block": "110", "as_of_time": "1700001200"}, "as_of_time"),
        ({"as_of_block": "head"}, "as_of_block"),
        ({"as_of_block": "-1"}, "as_of_block"),
        ({"as_of_block": "1.5"}, "as_of_block"),
        ({"as_of_block": str(2**63)}, "as_of_block"),
        ({"as_of_time": "yesterday"}, "as_of_time"),
        ({"as_of_time": "2023-11-14T22:34:20"}, "as_of_time"),
        ({"as_of_time": "-5"}, "as_of_time"),
        ({"as_of_time": "1" * 12}, "as_of_time"),
        ({"as_of_time": "1" * 50}, "as_of_time"),
        ({"finality": "certain"}, "finality"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "A" * 2000}, "cursor"),
        ({"wait": "5"}, "wait"),
        ({"wait": "26", "min_block": "1"}, "wait"),
        ({"wait": "-1", "min_block": "1"}, "wait"),
        ({"wait": "nan", "min_block": "1"}, "wait"),
        ({"min_block": "x"}, "min_block"),
        ({"chain": "a b"}, "chain"),
        ({"chain": "\0"}, "chain"),
        ({"as_of_blok": "100"}, "as_of_blok"),
        ({"health_factor_lt": "1"}, "health_factor_lt"),
    ],
)
def test_a_bad_parameter_is_named(client: TestClient, parameters: dict[str, str], at_fault: str) -> None:
    body = problem(client.get(URL, params=parameters), 422, "bad-parameter")
    assert [error["parameter"] for error in body["errors"]] == [at_fault]
    assert body["errors"][0]["in"] == "query"


def test_a_misspelt_or_repeated_parameter_is_refused_with_advice(client: TestClient) -> None:
    assert "did you mean as_of_block?" in client.get(URL, params={"as_of_blok": 100}).json()["detail"]
    assert "more than once" in client.get(URL + "?limit=1&limit=2").json()["detail"]


@pytest.mark.parametrize(("finality", "number"), [("latest", 110), ("safe", 108), ("finalized", 105)])
def test_least_finality(client: TestClient, finality: str, number: int) -> None:
    meta = client.get(URL, params={"finality": finality}).json()["meta"]
    assert (meta["block_number"], meta["finality"]) == (number, finality)
    if number < HEAD:
        parameters = {"finality": finality, "as_of_block": number + 1}
        problem(client.get(URL, params=parameters), 404, "outside-coverage")


def test_no_final_block_is_known(bare: World, serve: Serve) -> None:
    bare.run("UPDATE chain SET safe_block = NULL, finalized_block = NULL, head_block = NULL")
    client = serve(bare)
    problem(client.get(URL, params={"finality": "finalized"}), 404, "outside-coverage")
    meta = client.get(URL).json()["meta"]
    assert (meta["finality"], meta["lag_blocks"]) == ("latest", None)


def test_one_of_several_chains_must_be_named(bare: World, serve: Serve) -> None:
    bare.chain(10, "optimism")
    bare.block(100, branch=9, chain_id=10)
    bare.cursor("aave_v3", 100, chain_id=10)
    bare.run("UPDATE cursor SET block_hash = (SELECT block_hash FROM block WHERE chain_id = 10) WHERE chain_id = 10")
    client = serve(bare)
    body = problem(client.get(URL), 422, "bad-parameter")
    assert body["errors"][0]["parameter"] == "chain"
    assert "ethereum (1), optimism (10)" in body["detail"]
    for name, chain_id in (("ethereum", 1), ("1", 1), ("optimism", 10), ("10", 10)):
        assert client.get(URL, params={"chain": name}).json()["meta"]["chain_id"] == chain_id
    assert client.get("/v1/status").json()["meta"] is None
    assert [c["chain"] for c in client.get("/v1/status").json()["data"]["chains"]] == ["ethereum", "optimism"]
    only = client.get("/v1/status", params={"chain": "optimism"}).json()
    assert [c["chain"] for c in only["data"]["chains"]] == ["optimism"]
    assert only["meta"]["chain_id"] == 10


def test_an_unknown_chain(client: TestClient) -> None:
    problem(client.get(URL, params={"chain": "base"}), 404, "unknown-chain")


def test_before_anything_is_indexed(empty: World, serve: Serve) -> None:
    client = serve(empty)
    problem(client.get(URL), 404, "unknown-chain")
    assert client.get("/v1/status").json() == {"data": {"state": "empty", "chains": []}, "page": None, "meta": None}
    empty.chain()
    empty.cursor("aave_v3", FIRST - 1, status="backfill")
    problem(client.get(URL), 404, "outside-coverage")
    body = client.get("/v1/status").json()
    assert body["meta"] is None
    assert body["data"]["state"] == "backfill"
    chain = body["data"]["chains"][0]
    assert [chain[name] for name in ("indexed_block", "block_hash", "block_time", "lag_blocks", "lag_seconds")] == [
        None
    ] * 5
    assert chain["protocols"][0]["block_number"] is None


def test_status_shows_why_a_protocol_stopped(bare: World, serve: Serve) -> None:
    bare.stop("morpho_blue", 105)
    bare.insert("reorg", chain_id=1, block_number=104, old_hash=b"\1" * 32, depth=2, seen_at=1_700_000_000)
    body = serve(bare).get("/v1/status").json()
    assert body["data"]["state"] == "stopped"
    chain = body["data"]["chains"][0]
    assert (chain["head_block"], chain["safe_block"], chain["finalized_block"]) == (110, 108, 105)
    assert (chain["indexed_block"], chain["lag_blocks"], chain["reorgs_24h"]) == (110, 0, 0)
    aave, morpho = chain["protocols"]
    assert (aave["protocol"], aave["status"], aave["block_number"], aave["error"]) == (
        "aave_v3",
        "following",
        110,
        None,
    )
    assert (morpho["protocol"], morpho["status"], morpho["block_number"]) == ("morpho_blue", "stopped", 105)
    assert morpho["error"]["error"] == "DecodeError"
    assert morpho["error"]["block_number"] == 106
    assert body["meta"]["not_covered"] == ["morpho_blue"]


def test_an_answer_known_already_is_304(bare: World, serve: Serve) -> None:
    client = serve(bare)
    first = client.get(URL)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(URL, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(URL, params={"limit": 5}, headers={"If-None-Match": tag}).status_code == 200
    assert client.get(URL, params={"min_block": 110}, headers={"If-None-Match": tag}).status_code == 304
    bare.advance(111)
    assert client.get(URL, headers={"If-None-Match": tag}).status_code == 200
    assert client.get(URL, params={"as_of_block": 110}).headers["etag"] != tag


def test_a_tag_ends_with_its_hash_its_finality_and_its_coverage(bare: World, serve: Serve) -> None:
    client = serve(bare)

    def tag() -> str:
        return str(client.get(URL, params={"as_of_block": 109}).headers["etag"])

    tags = [tag()]
    bare.replace(109, branch=1)
    tags.append(tag())
    bare.run("UPDATE chain SET safe_block = 109")
    tags.append(tag())
    bare.stop("morpho_blue", 108)
    tags.append(tag())
    assert len(set(tags)) == 4
    assert tag() == tags[-1]
