"""Valid cursors, ids and ETags, bent in every way: an answer that the document promises, never a bug.

The seed is fixed. Cursors are also forged with a right checksum, for the checksum is no secret.
"""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from api.main import create_app
from api.paging import CHECKSUM_BYTES, checksum
from api.settings import Settings
from tests.stream.server import Served

SEED = 20_240_117
BENT = 30
"""Cursors bent, a list."""
DOCUMENT = create_app(Settings("postgresql://nowhere")).openapi()
GETS = {path: methods["get"] for path, methods in DOCUMENT["paths"].items() if "get" in methods}
PAGED = sorted(path for path, get in GETS.items() if "cursor" in {each["name"] for each in get.get("parameters", ())})

ODD = [
    "", " ", "0", "-1", "null", "NaN", "1e999", "9" * 400, "'", '"', "';--", "%00", "\x00", "\u202e", "é", "😀", "..", "../..", "/", "a" * 5000,
    "0x", "0x" + "0" * 40, "0X" + "F" * 40, "{}", "[]", "\ud7ff", "%", "_", "\\", "$1", "%(limit)s",
]  # fmt: skip
"""What breaks careless readers."""


@pytest.fixture(scope="module")
def client(served: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def names(demo: str) -> dict[str, list[str]]:
    """What exists, by path parameter."""
    with psycopg.connect(demo) as connection:

        def column(statement: str) -> list[str]:
            return [row[0] for row in connection.execute(statement.encode())]

        return {
            "account": column("SELECT DISTINCT account FROM positions ORDER BY 1 LIMIT 20"),
            "market_id": column("SELECT DISTINCT market_id FROM market ORDER BY 1"),
            "protocol": column("SELECT DISTINCT protocol FROM cursor ORDER BY 1"),
            "venue": column("SELECT DISTINCT venue FROM perp_market_state ORDER BY 1"),
            "market": column("SELECT DISTINCT market FROM perp_market_state ORDER BY 1"),
            "simulation_id": ["0" * 32],
        }


def filled(path: str, names: dict[str, list[str]], choice: random.Random) -> str:
    """Return the path with names that exist."""
    for name, values in names.items():
        path = path.replace("{" + name + "}", quote(choice.choice(values), safe=""))
    assert "{" not in path
    return path


def promised(path: str, answer: httpx.Response) -> None:
    """Check that the document has this status for the operation, and that a refusal is a problem document."""
    shown = f"{answer.request.url} -> {answer.status_code} {answer.text[:300]}"
    assert str(answer.status_code) in GETS[path]["responses"] and answer.status_code < 500, shown
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", shown
        assert answer.json()["type"].startswith("urn:leverage:problem:"), shown


def bend(text: str, choice: random.Random) -> str:
    """Change one thing about a text."""
    at = choice.randrange(len(text) + 1)
    return choice.choice(
        [
            text[:at] + choice.choice("Aa0-_=.~é \x00") + text[at + 1 :], text[:at], text[at:], text[:at] + choice.choice(ODD) + text[at:],
            text[::-1], text + text, text.swapcase(), choice.choice(ODD),
        ]
    )  # fmt: skip


def forged(cursor: str, choice: random.Random) -> str:
    """Return a cursor with one part changed and the right checksum."""
    parts = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[CHECKSUM_BYTES:])
    values: list[Any] = [
        *ODD, 0, 1, -1, 2**31, 2**63 - 1, 2**63, 1.5, None, True, [], {}, "0.1", "1e308", "-5", "1e-320", "a\tb", "0x" + "ab" * 32,
    ]  # fmt: skip
    key = parts[5]
    if key and choice.random() < 0.7:
        key[choice.randrange(len(key))] = choice.choice(values)
    else:
        parts[choice.choice((0, 2, 3, 4, 5))] = choice.choice(values)
    body = json.dumps(parts).encode()
    return urlsafe_b64encode(checksum(body) + body).rstrip(b"=").decode()


@pytest.mark.parametrize("path", PAGED)
def test_cursors(client: httpx.Client, names: dict[str, list[str]], path: str) -> None:
    choice = random.Random(f"{SEED} {path}")
    url, cursor = "", None
    for _ in range(12):
        url = filled(path, names, choice)
        answer = client.get(url, params={"limit": 1})
        promised(path, answer)
        cursor = answer.json()["page"]["next_cursor"] if answer.status_code == 200 else None
        if cursor:
            break
    if cursor is None:
        pytest.skip("the demo has no second row here")
    assert client.get(url, params={"limit": 1, "cursor": cursor}).status_code == 200
    seen: Counter[int] = Counter()
    for _ in range(BENT):
        bent = choice.choice((bend, forged))(cursor, choice)
        answer = client.get(url, params={"limit": 2, "cursor": bent})
        promised(path, answer)
        seen[answer.status_code] += 1
    assert seen[422] > BENT // 4
    for other in PAGED:  # a cursor of another list
        if other != path and "{" not in other:
            answer = client.get(other, params={"cursor": cursor})
            promised(other, answer)
            assert answer.status_code == 422


@pytest.mark.parametrize("path", [path for path in GETS if "{" in path])
def test_ids(client: httpx.Client, names: dict[str, list[str]], path: str) -> None:
    choice = random.Random(f"{SEED} {path}")
    parameters = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    for _ in range(40):
        bent = dict(names)
        name = choice.choice(parameters)
        text = bend(choice.choice(names[name]), choice)
        if text in ("", ".", ".."):  # a client resolves these before it sends
            continue
        bent[name] = [text]
        answer = client.get(filled(path, bent, choice))
        if "/" in text and answer.status_code in (404, 405):  # it may be another route, or none
            continue
        promised(path, answer)


def test_etags(client: httpx.Client) -> None:
    choice = random.Random(SEED)
    for path in ("/v1/markets", "/v1/liquidation-risk/positions", "/v1/loops", "/v1/status"):
        first = client.get(path, params={"limit": 3} if path != "/v1/status" else {})
        assert first.status_code == 200
        tag = first.headers.get("etag")
        if tag is None:
            continue
        for good in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
            again = client.get(first.request.url, headers={"If-None-Match": good})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        for _ in range(20):
            bent = "".join(
                letter for letter in bend(tag, choice)[:4000] if letter.isprintable() and letter not in "\r\n"
            )
            bent = bent.encode("latin-1", "replace").strip()
            answer = client.get(first.request.url, headers=[(b"If-None-Match", bent)])
            assert answer.status_code in (200, 304)
            if answer.status_code == 304:
                assert tag.removeprefix("W/").encode() in bent or bent == b"*"


@pytest.mark.parametrize("path", PAGED)
def test_a_page_has_a_bound(client: httpx.Client, names: dict[str, list[str]], path: str) -> None:
    url = filled(path, names, random.Random(SEED))
    for limit in ("0", "1001", "-1", "1e2", "9" * 30, "ten"):
        answer = client.get(url, params={"limit": limit})
        assert answer.status_code == 422 and answer.json()["errors"][0]["parameter"] == "limit"
    whole = client.get(url, params={"limit": 1000})
    promised(path, whole)
    assert whole.status_code == 404 or len(whole.json()["data"]) <= 1000


def test_every_query_has_a_time_limit(demo: str, names: dict[str, list[str]]) -> None:
    """With a statement timeout of a millisecond each operation answers or says that it was too slow; nothing else."""
    choice = random.Random(SEED)
    seen: Counter[int] = Counter()
    with Served(Settings(demo, statement_timeout_ms=1)) as url, httpx.Client(base_url=url, timeout=30) as client:
        for path in GETS:
            if path not in ("/v1/stream", "/metrics", "/healthz", "/readyz"):
                needed = {"asset": names["account"][0], "bin_width": "10"} if path == "/v1/liquidation-levels" else {}
                answer = client.get(filled(path, names, choice), params=needed)
                seen[answer.status_code] += 1
                assert answer.status_code in (200, 404, 503), answer.text
                if answer.status_code == 503:
                    assert answer.json()["type"] == "urn:leverage:problem:too-slow"
                    assert answer.headers["retry-after"] == "5"
    assert seen[503] > 5


def test_bodies_have_a_bound(client: httpx.Client) -> None:
    path = "/v1/simulations/cascade"
    large = {"shocks": {"WETH": -0.3}, "protocols": ["a" * 60] * 30_000}
    answer = client.post(path, json=large)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:leverage:problem:body-too-large")
    answer = client.post(path, content=(b"x" * 65_536 for _ in range(40)), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "413" in DOCUMENT["paths"][path]["post"]["responses"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 5_000, b'{"shocks":{}}', b'{"shocks":{"WETH":NaN}}',
        b'{"shocks":{"WETH":-1}}', b'{"shocks":{"WETH":1e400}}', b'{"shocks":{"WETH":-0.3},"what":1}', b'{"shocks":{"NOSUCH":-0.3}}',
        b'{"shocks":{"WETH":"-0.3","weth":-0.2}}', b'{"shocks":{"WETH":-0.3},"depth_factors":[1,1,1]}',
        b'{"shocks":{"WETH":-0.3},"path":"steps:51"}', b'{"shocks":{"\\u0000":-0.3}}', b'{"shocks":{"WETH":-0.3},"protocols":["x"]}',
    ],
)  # fmt: skip
def test_bodies_that_say_nothing_are_refused(client: httpx.Client, body: bytes) -> None:
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        answer = client.post("/v1/simulations/cascade", content=body, headers={"Content-Type": kind})
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
