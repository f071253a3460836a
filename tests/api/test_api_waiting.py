"""Long polls: an answer as soon as the block is there, 204 when it is not, and no connection held meanwhile."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.api.conftest import Serve
from tests.api.world import World

URL = "/v1/protocols"


def test_a_block_that_is_there_is_not_waited_for(bare: World, serve: Serve) -> None:
    client = serve(bare)
    answer = client.get(URL, params={"min_block": 110, "wait": 25})
    assert (answer.status_code, answer.json()["meta"]["block_number"]) == (200, 110)


def test_a_block_that_does_not_come_is_204(bare: World, serve: Serve) -> None:
    client = serve(bare)
    assert client.get(URL, params={"min_block": 111}).status_code == 204
    started = time.monotonic()
    answer = client.get(URL, params={"min_block": 111, "wait": 0.5})
    assert (answer.status_code, answer.content) == (204, b"")
    assert time.monotonic() - started >= 0.5


def test_it_returns_when_another_process_commits_the_block(bare: World, serve: Serve) -> None:
    client = serve(bare)
    asked = threading.Event()

    def commit() -> None:
        asked.wait()
        time.sleep(0.3)
        bare.advance(111)

    with ThreadPoolExecutor() as pool:
        committed = pool.submit(commit)
        asked.set()
        started = time.monotonic()
        answer = client.get(URL, params={"min_block": 111, "wait": 20})
        assert time.monotonic() - started < 10
        committed.result()
    assert (answer.status_code, answer.json()["meta"]["block_number"]) == (200, 111)


def test_many_wait_while_others_are_served_over_one_connection(bare: World, serve: Serve) -> None:
    client = serve(bare, pool_size=1, pool_wait_seconds=3.0)
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(client.get, URL, params={"min_block": 111, "wait": 20}) for _ in range(20)]
        deadline = time.monotonic() + 10
        while client.app.state.heads.waiting < 20 and time.monotonic() < deadline:  # type: ignore[attr-defined]
            time.sleep(0.01)
        assert client.get(URL).status_code == 200
        assert "leverage_api_waiting_requests 20.0" in client.get("/metrics").text
        bare.advance(111)
        assert {answer.result().json()["meta"]["block_number"] for answer in waiting} == {111}


def test_more_waiters_than_allowed_are_sent_away(bare: World, serve: Serve) -> None:
    client = serve(bare, max_waiting_requests=0)
    answer = client.get(URL, params={"min_block": 111, "wait": 20})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_the_chain_waited_for_must_exist(bare: World, serve: Serve) -> None:
    assert serve(bare).get(URL, params={"min_block": 111, "wait": 20, "chain": "base"}).status_code == 404


def test_status_can_be_waited_for_too(bare: World, serve: Serve) -> None:
    client = serve(bare)
    assert client.get("/v1/status", params={"min_block": 111}).status_code == 204
    assert client.get("/v1/status", params={"min_block": 110}).status_code == 200
