"""Polling at the door: kept answers are given out without the pool, and never an older one than was committed when asked."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from api.front import Newest
from indexer.store import keys, queries
from tests.api.conftest import Serve, TestClient
from tests.api.test_api_as_of import problem
from tests.api.world import BOB, HEAD, M1, WETH, World, block_hash

PATH = "/v1/liquidation-risk/positions?health_factor_lt=1.05"


def heads(world: World) -> list[queries.coverage.Head]:
    async def look() -> list[queries.coverage.Head]:
        newest = Newest(world.url)
        try:
            return await newest.look()
        finally:
            await newest.close()

    return asyncio.run(look())


def as_others_ask(world: World) -> list[tuple[object, ...]]:
    """What the questions of every other request say of the newest blocks."""
    found: list[tuple[object, ...]] = []
    with psycopg.connect(world.url) as connection:
        for chain in queries.coverage.chains(connection):
            number = None
            if chain.indexed_block is not None:
                number = queries.coverage.newest_block(connection, chain.chain_id, chain.indexed_block)
            at = None if number is None else queries.coverage.block_at(connection, chain.chain_id, number)
            holds = at is not None and queries.at_risk.holds(connection, at)
            found.append((chain.chain_id, chain.chain, at, holds))
    return found


def comparable(found: list[tuple[object, ...]]) -> list[object]:
    """Lag in seconds runs on between two questions."""
    return [(i, name, at and at._replace(lag_seconds=0), holds) for i, name, at, holds in found]  # type: ignore[attr-defined]


def test_one_look_says_what_the_questions_of_others_say(world: World) -> None:
    assert heads(world)[0].at is not None

    def same() -> None:
        assert comparable([tuple(head) for head in heads(world)]) == comparable(as_others_ask(world))

    same()
    world.run("UPDATE chain SET head_block = 117, finalized_block = 110")  # behind, and final
    same()
    world.stop("morpho_blue", 103)
    same()
    world.stop("aave_v3", 107)  # all stopped; and 107 has no header
    same()
    world.chain(10, "optimism")  # nothing of it is indexed
    same()
    world.run("UPDATE cursor SET block_hash = NULL")
    same()
    world.run("DELETE FROM cursor")
    same()
    keep_head(world)
    same()


def keep_head(world: World, number: int = HEAD) -> None:
    """Say that the table of the head is of a block, with nobody in it."""
    world.run("DELETE FROM risk_head_state")
    world.run(
        "INSERT INTO risk_head_state (chain_id, deployment_key, block_number, block_timestamp, is_current) "
        "SELECT chain_id, deployment_key, %s, 0, true FROM deployment",
        number,
    )


def test_the_table_of_the_head_is_part_of_the_look(world: World) -> None:
    assert not heads(world)[0].holds
    keep_head(world)
    assert heads(world)[0].holds
    assert comparable([tuple(head) for head in heads(world)]) == comparable(as_others_ask(world))


def test_a_kept_answer_needs_neither_the_pool_nor_the_books(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=1, statement_timeout_ms=3_000)
    first = client.get(PATH)
    with psycopg.connect(world.url) as other:
        other.execute("LOCK TABLE position, risk_head, market IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        again = [client.get(PATH) for _ in range(20)]
        unchanged = client.get(PATH, headers={"If-None-Match": first.headers["etag"]})
        assert time.monotonic() - begun < 30
        problem(client.get(PATH + "&limit=7"), 503, "too-slow")  # the lock is there: another question is not kept
    rows = first.json()["data"]
    assert [row["account"] for row in rows] == [M1[3], BOB]
    for answer in again:
        assert answer.status_code == 200
        assert answer.json()["data"] == rows
        assert answer.headers["etag"] == first.headers["etag"]
        assert answer.headers["cache-control"] == first.headers["cache-control"]
        assert answer.json()["meta"].keys() == first.json()["meta"].keys()
    assert unchanged.status_code == 304
    assert unchanged.content == b""
    assert unchanged.headers["etag"] == first.headers["etag"]
    assert 'leverage_api_requests_total{method="GET",route="/v1/liquidation-risk/positions",status="304"} 1.0' in (
        client.get("/metrics").text
    )


def test_what_is_committed_is_told_to_who_asks_after_it(world: World, serve: Serve) -> None:
    client = serve(world)
    before = client.get(PATH)
    for number in range(HEAD + 1, HEAD + 6):
        # BOB's debt goes, and comes again
        world.run("UPDATE position SET shares_raw = %s WHERE side = 'debt' AND account = %s",
                  0 if number % 2 else 1400 * 10**18, bytes.fromhex(BOB[2:]))  # fmt: skip
        world.run("UPDATE position_change SET shares_raw = %s WHERE side = 'debt' AND account = %s",
                  0 if number % 2 else 1400 * 10**18, bytes.fromhex(BOB[2:]))  # fmt: skip
        world.advance(number)
        body = client.get(PATH, headers={"If-None-Match": before.headers["etag"]}).json()
        assert body["meta"]["block_number"] == number
        assert [row["account"] for row in body["data"]] == ([M1[3]] if number % 2 else [M1[3], BOB])


def test_a_replaced_block_is_another_answer(world: World, serve: Serve) -> None:
    client = serve(world)
    old = client.get(PATH)
    assert client.get(PATH).json()["data"]
    world.run("UPDATE position SET shares_raw = 0 WHERE side = 'debt'")
    world.run("UPDATE position_change SET shares_raw = 0 WHERE side = 'debt'")
    world.replace(HEAD, 2)
    new = client.get(PATH, headers={"If-None-Match": old.headers["etag"]})
    assert new.status_code == 200
    assert new.json()["data"] == []
    assert new.json()["meta"]["block_hash"] == "0x" + block_hash(HEAD, 2).hex()


def test_rows_follow_the_table_of_the_head_within_one_block(world: World, serve: Serve) -> None:
    client = serve(world)
    assert [row["account"] for row in client.get(PATH).json()["data"]] == [M1[3], BOB]  # computed
    keep_head(world)  # says that there is nobody
    assert client.get(PATH).json()["data"] == []
    world.run("UPDATE risk_head_state SET is_current = false")
    assert [row["account"] for row in client.get(PATH).json()["data"]] == [M1[3], BOB]


def test_a_finality_that_comes_is_told(world: World, serve: Serve) -> None:
    client = serve(world)
    assert client.get(PATH).json()["meta"]["finality"] == "latest"
    world.run("UPDATE chain SET finalized_block = %s", HEAD)
    assert client.get(PATH).json()["meta"]["finality"] == "finalized"


def test_what_is_wrong_is_still_refused(world: World, serve: Serve) -> None:
    client = serve(world)
    assert client.get(PATH).status_code == 200
    problem(client.get(PATH + "&helth_factor_lt=1"), 422, "bad-parameter")
    problem(client.get(PATH + "&chain=base"), 404, "unknown-chain")
    problem(client.get(PATH + "&wait=1"), 422, "bad-parameter")
    world.chain(10, "optimism")
    problem(client.get(PATH), 422, "bad-parameter")  # which of the two?
    assert client.get(PATH + "&chain=ethereum").status_code == 200
    assert client.get(PATH + "&chain=1").json()["meta"]["chain_id"] == 1
    assert client.get(PATH + "&chain=1").status_code == 200


def test_a_kept_answer_is_for_who_may_ask(world: World, serve: Serve) -> None:
    key = keys.create(world.connection, "bot", 3)
    client = serve(world, require_key=True)
    mine = {"X-API-Key": key}
    assert client.get(PATH, headers=mine).status_code == 200
    problem(client.get(PATH), 401, "unauthorised")
    problem(client.get(PATH, headers={"X-API-Key": "wrong"}), 401, "unauthorised")
    assert [client.get(PATH, headers=mine).headers["ratelimit-remaining"] for _ in range(2)] == ["1", "0"]
    problem(client.get(PATH, headers=mine), 429, "too-many-requests")


@pytest.mark.parametrize(
    "also", [f"&as_of_block={HEAD - 1}", "&finality=finalized", f"&asset={WETH}&as_of_block={HEAD}"]
)
def test_a_block_that_is_named_is_not_the_newest(world: World, serve: Serve, also: str) -> None:
    client = serve(world)
    wanted = client.get(PATH + also).json()["meta"]["block_number"]
    world.advance(HEAD + 1)
    for _ in range(2):
        assert client.get(PATH + also).json()["meta"]["block_number"] == wanted


def test_of_a_crowd_at_a_new_block_one_asks_the_books(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=2)
    assert client.get(PATH).status_code == 200
    world.advance(HEAD + 1)
    lent = count_loans(client)
    with psycopg.connect(world.url) as other, ThreadPoolExecutor(20) as crowd:
        other.execute("LOCK TABLE position, risk_head IN ACCESS EXCLUSIVE MODE")
        answers = [crowd.submit(client.get, PATH) for _ in range(20)]
        time.sleep(0.5)
        other.rollback()
        assert {answer.result().json()["meta"]["block_number"] for answer in answers} == {HEAD + 1}
    assert len(lent) == 1


def count_loans(client: TestClient) -> list[int]:
    """Note each connection that the pool lends to a request from here on."""
    pool, lent = client.app.state.pool, []  # type: ignore[attr-defined]
    lend = pool.lend

    def noted(quick: bool = False) -> object:
        lent.append(1)
        return lend(quick)

    pool.lend = noted
    return lent


def test_a_look_begins_after_who_asks(world: World) -> None:
    """Twenty ask while blocks arrive: each is told at least what was committed before it asked, over few looks."""

    async def ask() -> None:
        newest = Newest(world.url)
        try:
            for number in range(HEAD + 1, HEAD + 21):
                early = asyncio.create_task(newest.look())
                await asyncio.sleep(0)
                world.advance(number)
                for one in await asyncio.gather(*(newest.look() for _ in range(20)), early):
                    assert one[0].at is not None
                    assert one[0].at.block_number >= number - 1
                late = await asyncio.gather(*(newest.look() for _ in range(20)))
                assert {one[0].at.block_number for one in late if one[0].at} == {number}
        finally:
            await newest.close()

    asyncio.run(ask())


def test_a_connection_that_broke_is_made_anew(world: World, serve: Serve) -> None:
    client = serve(world, pool_size=1)
    for _ in range(3):
        assert client.get(PATH).status_code == 200
        world.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE application_name = 'leverage api front' AND datname = current_database()")  # fmt: skip
    assert client.get(PATH).status_code == 200
