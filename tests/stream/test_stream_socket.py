"""The WebSocket tells what the stream of events tells: the same messages, ids, filters, gaps and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.settings import Settings
from indexer.store import keys
from tests.api.world import ALICE, BOB, World, coverage
from tests.stream.server import Served

TOLD = [
    (101, "block", {"block_number": 101}),
    (102, "liquidation_risk", {"account": ALICE, "protocol": "aave_v3", "health_factor": 1.02, "debt_usd": "500", "gone": False}),
    (102, "liquidation_risk", {"account": BOB, "protocol": "aave_v3", "health_factor": 1.08, "debt_usd": "5", "gone": False}),
    (102, "liquidations", {"borrower": BOB, "protocol": "aave_v3"}),
    (102, "loops", {"owner": ALICE, "protocol": "aave_v3", "change": "opened"}),
    (102, "block", {"block_number": 102}),
    (102, "reorg", {"first_invalid_block": 102}),
    (102, "params", {"protocol": "morpho_blue", "name": "lltv"}),
    (102, "purges", {"protocol": "perp_v2", "kind": "purge"}),
    (102, "block", {"block_number": 102}),
]  # fmt: skip
Event = tuple[str, str, Any]


def made(url: str) -> World:
    """A chain with messages numbered from 11 on: the older ones are no longer kept."""
    world = World(url)
    coverage(world)
    for seq, (block, channel, body) in enumerate(TOLD, 11):
        tell(world, seq, block, channel, body)
    return world


@pytest.fixture
def world(migrated_database: Callable[[], str]) -> Iterator[World]:
    """One that a test may add to."""
    world = made(migrated_database())
    yield world
    world.close()


@pytest.fixture(scope="module")
def site(migrated_database: Callable[[], str]) -> Iterator[str]:
    """The API on one that no test changes."""
    world = made(migrated_database())
    with Served(Settings(world.url)) as url:
        yield url
    world.close()


def tell(world: World, seq: int, block: int, channel: str, body: dict[str, Any]) -> None:
    """Write a message as the indexer does, and announce it."""
    with world.connection.transaction():
        world.insert("stream_message", chain_id=1, seq=seq, block_number=block, channel=channel, body=Jsonb(body))
        world.run("SELECT pg_notify('leverage_stream', %s)", f"1 {seq}")


def events(url: str, seconds: float, **query: str) -> list[Event]:
    """Return what server-sent events tell until the server ends them."""
    answer = httpx.get(f"{url}/v1/stream", params={**query, "max_seconds": str(seconds)}, timeout=20)
    assert answer.status_code == 200, answer.text
    found: list[Event] = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


@contextmanager
def opened(url: str, **query: str) -> Iterator[ClientConnection]:
    with connect(f"{url.replace('http', 'ws', 1)}/v1/ws?{httpx.QueryParams(query)}") as socket:
        yield socket


def begun(socket: ClientConnection) -> str:
    """Return the id with which a socket opens."""
    first = json.loads(socket.recv(timeout=10))
    assert first["channel"] == "open" and first["data"] == {}
    return str(first["id"])


def messages(url: str, count: int, **query: str) -> list[Event]:
    """Return the first messages of a socket."""
    with opened(url, **query) as socket:
        begun(socket)
        told = [json.loads(socket.recv(timeout=10)) for _ in range(count)]
    return [(one["id"], one["channel"], one["data"]) for one in told]


@pytest.mark.parametrize(
    "query",
    [
        {"last_event_id": "1-10"},
        {"last_event_id": "1-16"},
        {"last_event_id": "1-10", "channels": "liquidations"},
        {"last_event_id": "1-10", "channels": "liquidation_risk,block", "health_factor_lt": "1.05"},
        {"last_event_id": "1-10", "channels": "liquidation_risk", "min_debt_usd": "100"},
        {"last_event_id": "1-10", "account": ALICE},
        {"last_event_id": "1-10", "protocol": "morpho_blue", "chain": "ethereum"},
        {"last_event_id": "1-3"},
        {"last_event_id": "1-99"},
        {"last_event_id": "not-an-id"},
    ],
)
def test_both_tell_the_same(site: str, query: dict[str, str]) -> None:
    told = events(site, 0.5, **query)
    assert told and messages(site, len(told), **query) == told
    if query["last_event_id"] == "1-10" and len(query) == 1:
        assert [(channel, body) for _, channel, body in told] == [(channel, body) for _, channel, body in TOLD]
        assert [identity for identity, _, _ in told] == [f"1-{seq}" for seq in range(11, 21)]
    assert ("lost" in {channel for _, channel, _ in told}) is (query["last_event_id"] in ("1-3", "1-99", "not-an-id"))


def test_what_comes_is_told_as_it_comes(world: World) -> None:
    with Served(Settings(world.url)) as url, opened(url, channels="liquidations") as socket:
        assert begun(socket) == "1-20", "who is cut before the first message goes on from here"
        tell(world, 21, 103, "liquidations", {"borrower": BOB})
        assert json.loads(socket.recv(timeout=10)) == {
            "id": "1-21",
            "channel": "liquidations",
            "data": {"borrower": BOB},
        }
        tell(world, 22, 103, "block", {"block_number": 103})
        assert json.loads(socket.recv(timeout=10)) == {
            "id": "1-22",
            "channel": "heartbeat",
            "data": {"block_number": 103},
        }


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"channel": "block"}, "channel"), ({"channels": "blocks"}, "channels"), ({"channels": ","}, "channels"),
        ({"health_factor_lt": "low"}, "health_factor_lt"), ({"min_debt_usd": "-1"}, "min_debt_usd"),
        ({"account": "0x12"}, "account"), ({"protocol": "Aave;"}, "protocol"), ({"chain": "solana"}, "solana"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_refused(site: str, query: dict[str, str], named: str) -> None:
    with opened(site, **query) as socket:
        told = json.loads(socket.recv(timeout=10))
        assert told["channel"] == "error" and named in told["data"]["detail"]
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    assert httpx.get(f"{site}/v1/stream", params=query, timeout=10).status_code in (404, 422)


def test_a_parameter_given_twice(site: str) -> None:
    with connect(f"{site.replace('http', 'ws', 1)}/v1/ws?chain=1&chain=2") as socket:
        assert "given more than once" in json.loads(socket.recv(timeout=10))["data"]["detail"]


def test_no_more_than_are_allowed(world: World) -> None:
    with Served(Settings(world.url, max_streams=1)) as url, opened(url) as first:
        begun(first)
        tell(world, 21, 103, "block", {"block_number": 103})
        first.recv(timeout=10)
        with opened(url) as second:
            assert "streams are open already" in json.loads(second.recv(timeout=10))["data"]["detail"]


def test_a_key_opens_it(world: World) -> None:
    with psycopg.connect(world.url) as connection:
        key = keys.create(connection, "a listener", None)
    with Served(Settings(world.url, require_key=True)) as url:
        with pytest.raises(Exception, match="403"), opened(url):
            pass
        address = f"{url.replace('http', 'ws', 1)}/v1/ws?last_event_id=1-19"
        with connect(address, additional_headers={"Authorization": f"Bearer {key}"}) as socket:
            assert begun(socket) == "1-19"
            assert json.loads(socket.recv(timeout=10))["id"] == "1-20"


def test_it_ends_with_the_server(world: World) -> None:
    server = Served(Settings(world.url))
    with server as url, opened(url, last_event_id="1-19") as socket:
        begun(socket)
        assert json.loads(socket.recv(timeout=10))["id"] == "1-20"
        server.stop()
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
