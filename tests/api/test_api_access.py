"""Keys, limits, pages of other origins, readiness, and roles for people who read SQL."""

from __future__ import annotations

import psycopg
import pytest

from indexer.errors import BadConfig
from indexer.store import keys, readers
from tests.api.conftest import Serve
from tests.api.world import World

STATUS = "/v1/status"


def test_a_key_opens_what_is_closed(world: World, serve: Serve) -> None:
    key = keys.create(world.connection, "dashboard", None)
    client = serve(world, require_key=True)
    refused = client.get(STATUS)
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["type"] == "urn:leverage:problem:unauthorised"
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}, {"authorization": f"bearer {key}"}):
        assert client.get(STATUS, headers=headers).status_code == 200
    for wrong in (key[:-1], key + "x", "", "lvg_"):
        assert client.get(STATUS, headers={"X-API-Key": wrong}).status_code == 401
    for open_path in ("/healthz", "/metrics", "/v1/openapi.json"):
        assert client.get(open_path).status_code == 200


def test_a_wrong_key_is_refused_where_none_is_needed(world: World, serve: Serve) -> None:
    client = serve(world)
    assert client.get(STATUS).status_code == 200
    assert client.get(STATUS, headers={"X-API-Key": "lvg_made_up"}).status_code == 401


def test_what_is_kept_is_not_the_key(world: World) -> None:
    key = keys.create(world.connection, "one", 5)
    kept = world.connection.execute("SELECT name, encode(key_sha256, 'escape') FROM api_key").fetchall()
    assert key not in repr(kept)
    with pytest.raises(BadConfig, match="exists"):
        keys.create(world.connection, "one", None)


def test_a_revoked_key_is_refused(world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.access.KEYS_SECONDS", -1.0)
    key = keys.create(world.connection, "one", None)
    client = serve(world)
    assert client.get(STATUS, headers={"X-API-Key": key}).status_code == 200
    keys.revoke(world.connection, "one")
    assert client.get(STATUS, headers={"X-API-Key": key}).status_code == 401
    assert [row.revoked_at is None for row in keys.keys(world.connection)] == [False]
    with pytest.raises(BadConfig, match="in use"):
        keys.revoke(world.connection, "one")


def test_limits_are_told_and_kept(world: World, serve: Serve) -> None:
    key = keys.create(world.connection, "slow", 3)
    client = serve(world, requests_per_minute=2)
    answers = [client.get(STATUS, headers={"X-API-Key": key}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"3"}
    assert 1 <= int(answers[3].headers["retry-after"]) <= 120
    assert answers[3].json()["type"] == "urn:leverage:problem:too-many-requests"
    # callers without a key have a count of their own
    assert [client.get(STATUS).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/healthz").status_code == 200, "probes are not counted"


def test_without_a_limit_no_header_says_so(world: World, serve: Serve) -> None:
    assert "ratelimit-limit" not in serve(world).get(STATUS).headers


def test_pages_of_other_origins(world: World, serve: Serve) -> None:
    ask = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    closed = serve(world)
    assert "access-control-allow-origin" not in closed.get(STATUS, headers={"Origin": "https://example.org"}).headers
    opened = serve(world, cors_origins="https://example.org, https://other.example", require_key=True)
    allowed = opened.options(STATUS, headers=ask)
    assert allowed.status_code == 200, "a preflight carries no key"
    assert allowed.headers["access-control-allow-origin"] == "https://example.org"
    refused = opened.options(STATUS, headers={**ask, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers


def test_readiness(world: World, serve: Serve, empty: World) -> None:
    assert serve(world).get("/readyz").json() == {"status": "ready", "reasons": []}
    late = serve(world, ready_lag_seconds=60).get("/readyz")
    assert late.status_code == 503 and "more than 60" in late.json()["reasons"][0]
    world.run("UPDATE cursor SET status = 'stopped' WHERE protocol = 'aave_v3'")
    stopped = serve(world).get("/readyz")
    assert stopped.status_code == 503 and "aave_v3 stopped" in stopped.text
    assert serve(empty).get("/readyz").json()["reasons"] == ["no chain is indexed yet"]


def test_a_reader_reads_and_nothing_else(world: World) -> None:
    name = f"reader_{abs(hash(world.url)) % 10**9}"
    readers.create(world.connection, name, 1)
    try:
        with psycopg.connect(world.url, autocommit=True) as connection:
            connection.execute(f"SET ROLE {name}".encode())
            connection.execute("SET default_transaction_read_only = on")
            assert connection.execute("SELECT count(*) FROM positions").fetchone()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM api_key")
            for change in ("DELETE FROM price", "CREATE TABLE mine (x int)"):
                with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)):
                    connection.execute(change.encode())
        settings = world.connection.execute("SELECT rolconfig FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
        assert settings is not None and "statement_timeout=1s" in settings[0]
        assert "default_transaction_read_only=on" in settings[0]
        first = readers.create(world.connection, name, 1)
        assert first and readers.address("postgresql://me:x@host:5/db", name, "p/w").startswith(
            f"postgresql://{name}:p%2Fw@host:5/db"
        )
    finally:
        world.run(f"DROP OWNED BY {name}")
        world.run(f"DROP ROLE {name}")
    with pytest.raises(BadConfig, match="lower-case"):
        readers.create(world.connection, 'x"; DROP', 1)
    with pytest.raises(BadConfig, match="more than read"):
        readers.create(world.connection, "postgres", 1)
