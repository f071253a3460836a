"""One node: what is sent, what is understood, and every way an answer can be bad."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from indexer.chain import RpcNode, open_node
from indexer.chain.limits import TokenBucket
from indexer.chain.node import EVERYTHING, NoAnswer
from indexer.errors import BadConfig, BlockNotYetKnown, MissingFact, NodeUnavailable, RangeTooLarge, RateLimited
from indexer.types import Heads, Read, Watch
from tests.chain.book import MINT, POOL, TOKEN, WATCH, chain, keys
from tests.fakenode import FakeNode, Faults

Script = Callable[[Any], tuple[int, dict[str, str], bytes]]


@contextmanager
def scripted(script: Script) -> Iterator[tuple[str, list[tuple[dict[str, str], Any]]]]:
    """A server that answers each body by a function; yields its URL and what it got (headers, body)."""
    seen: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append(({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}, payload))
            status, headers, body = script(payload)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if "content-length" in headers:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()


def answer(status: int, body: bytes, **headers: str) -> Script:
    return lambda payload: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_the_questions() -> None:
    made = chain(200)
    with FakeNode(made, finality_depth=64, eth_call={("0xaa", "0x01"): "0x07", ("0xaa", "0x02"): "0x"}) as fake:
        node = RpcNode(fake.url)
        assert node.chain_id() == 31_337
        assert node.heads() == Heads(199, 167, 135)
        headers = node.headers([5, 199, 0])
        assert [h.number for h in headers] == [5, 199, 0]
        assert headers[0].hash == made.blocks[5].hash and len(headers[0].logs_bloom) == 514
        assert node.header_by_hash(made.blocks[7].hash) == node.headers([7])[0]
        assert node.header_by_hash("0x" + "77" * 32) is None
        logs = node.logs(0, 199, WATCH)
        assert set(zip(logs.block_number, logs.log_index, logs.tx_hash, logs.block_hash, strict=True)) == keys(made)
        one = node.logs_of_block(made.blocks[5].hash, WATCH)
        assert one == node.logs(5, 5, WATCH)
        assert len(node.logs(0, 199, EVERYTHING)) > len(logs)
        assert node.logs_twice(0, 199, WATCH) == logs
        reads = [Read(9, "0xaa", "0x01", ""), Read(9, "0xaa", "0x02", ""), Read(9, "0xbb", "0x01", "")]
        assert [found.result for found in node.call(reads)] == ["0x07", None, None]
        with pytest.raises(BlockNotYetKnown, match="block 200"):
            node.headers([199, 200])
        with pytest.raises(BlockNotYetKnown):
            node.logs_of_block("0x" + "77" * 32, WATCH)
        before = len(fake.requests)
        assert len(node.headers(range(200))) == 200
        assert len(fake.requests) == before + 200


def test_a_read_is_pinned_to_the_block_of_its_hash() -> None:
    """Also when that block is not canonical any more. Two nodes of one chain, one of which knows numbers only."""
    made, told = chain(20), lambda to, data, block: "0x" + block.hash[2:]
    old = made.blocks[15]
    made.reorg(6, [[] for _ in range(7)])
    new = made.blocks[15]
    reads = [
        Read(15, "0xaa", "0x01", "", old.hash),
        Read(15, "0xaa", "0x02", "", new.hash),
        Read(15, "0xaa", "0x03", ""),
    ]
    with FakeNode(made, eth_call=told) as fake, FakeNode(made, eth_call=told, call_by_hash=False) as plain:
        assert [found.result for found in RpcNode(fake.url).call(reads)] == [old.hash, new.hash, new.hash]
        with pytest.raises(BlockNotYetKnown):
            RpcNode(fake.url).call([Read(15, "0xaa", "0x01", "", "0x" + "77" * 32)])
        node = RpcNode(plain.url)
        for asked in (6, 9):  # refused once and asked again by number; from then on by number at once
            assert [found.result for found in node.call(reads)] == [new.hash] * 3
            assert plain.asked("eth_call") == asked


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":null,"error":{"code":-32602,"message":"invalid params"}}',
        b'[{"id":1,"error":{"code":-32602,"message":"Invalid params: invalid type: map, expected a string"}}]',
    ],
)
def test_one_refusal_is_not_taken_for_what_a_node_can_do(body: bytes) -> None:
    """A node that refuses the call by number too has other troubles: it is asked by hash again."""
    with scripted(answer(200, body)) as (url, seen):
        node = RpcNode(url)
        for _ in range(2):
            with pytest.raises(NodeUnavailable):
                node.call([Read(1, "0xaa", "0x01", "", "0x" + "11" * 32)])
        places = [call["params"][1] for _, batch in seen for call in batch]
        assert places == [{"blockHash": "0x" + "11" * 32}, "0x1"] * 2


def test_many_addresses_are_asked_in_parts_and_very_many_not_at_all() -> None:
    made = chain(40)
    many = frozenset({TOKEN, POOL} | {f"0x{n:040x}" for n in range(2_500)})
    too_many = many | {f"0x{n:040x}" for n in range(10_000)}
    with FakeNode(made) as fake:
        node = RpcNode(fake.url)
        expected = node.logs(0, 39, WATCH)
        assert node.logs(0, 39, WATCH._replace(addresses=many)) == expected
        assert fake.asked("eth_getLogs") == 4
        assert node.logs(0, 39, WATCH._replace(addresses=frozenset(too_many))) == expected
        assert "address" not in fake.requests[-1][1][0]
        assert node.logs(0, 39, Watch(frozenset({POOL}), frozenset({MINT}))) == expected.take(
            [row for row, address in enumerate(expected.address) if address == POOL]
        )


def test_checksummed_addresses_become_lower_case() -> None:
    made = chain(3)
    entry = dict(next(made.logs()), address=TOKEN.upper().replace("0X", "0x"))
    with scripted(lambda p: (200, {}, json.dumps({"id": 1, "result": [entry]}).encode())) as (url, _):
        assert RpcNode(url).logs(0, 2, WATCH).address == [TOKEN]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (answer(429, b"slow down", retry_after="7"), RateLimited),
        (answer(500, b"oops"), NodeUnavailable),
        (answer(502, b"<html>bad gateway</html>"), NodeUnavailable),
        (answer(504, b"timeout"), NoAnswer),
        (answer(401, b'{"error":"bad key"}'), NodeUnavailable),
        (answer(302, b"", location="http://elsewhere.example/"), NodeUnavailable),
        (answer(413, b"too big"), RangeTooLarge),
        (answer(400, b'{"id":1,"error":{"code":-32600,"message":"block range is too wide"}}'), RangeTooLarge),
        (answer(200, b"<html>just a moment</html>"), NodeUnavailable),
        (answer(200, b""), NodeUnavailable),
        (answer(200, b"[]"), NodeUnavailable),
        (answer(200, b'{"id":1,"result":null}'), NodeUnavailable),
        (answer(200, b'{"id":1,"result":[{"address":"0x"}]}'), NodeUnavailable),
        (answer(200, b'{"id":1,"result":[', content_length="400"), NodeUnavailable),
        (answer(200, b'{"id":1,"result":["\xff\xfe"]}'), NodeUnavailable),
        (answer(200, b'{"id":1,"error":"too many requests"}'), RateLimited),
        (answer(200, b'{"id":1,"error":{"code":-32603,"message":"internal"}}'), NodeUnavailable),
        (answer(200, b'{"id":1,"error":{"code":"-32005","message":"rate limit"}}'), RateLimited),
    ],
)
def test_bad_answers(script: Script, error: type[Exception]) -> None:
    with scripted(script) as (url, _):
        with pytest.raises(error) as caught:
            RpcNode(url, timeout=2).logs(0, 100, WATCH)
        assert type(caught.value) is error
        if isinstance(caught.value, RateLimited) and "429" in str(caught.value).removeprefix(url):
            assert caught.value.wait_seconds == 7.0


@pytest.mark.parametrize(
    "change", [{"removed": True}, {"blockNumber": None}, {"blockNumber": "zz"}, {"logIndex": "0x"}]
)
def test_malformed_logs_are_refused(change: dict[str, Any]) -> None:
    entry = dict(next(chain(3).logs()), **change)
    with (
        scripted(lambda p: (200, {}, json.dumps({"id": 1, "result": [entry]}).encode())) as (url, _),
        pytest.raises(NodeUnavailable),
    ):
        RpcNode(url).logs(0, 2, WATCH)


def test_nobody_there_and_nobody_answering() -> None:
    with pytest.raises(NodeUnavailable):
        RpcNode("http://127.0.0.1:9", timeout=0.5).chain_id()
    with FakeNode(chain(3), Faults(timeout=1.0, timeout_seconds=0.5, sticky=True)) as fake, pytest.raises(NoAnswer):
        RpcNode(fake.url, timeout=0.05).logs(0, 2, WATCH)


def test_gzip_basic_auth_and_own_headers() -> None:
    body = gzip.compress(b'[{"id":1,"result":"0x2a"}]')
    with scripted(answer(200, body, content_encoding="gzip")) as (url, seen):
        node = RpcNode(url.replace("//", "//me:p%40ss@") + "/v2/key?x=1", headers={"x-team": "blue"})
        assert node.chain_id() == 42
    headers, _ = seen[0]
    assert (headers["path"], headers["authorization"]) == ("/v2/key?x=1", "Basic bWU6cEBzcw==")
    assert (headers["accept-encoding"], headers["x-team"]) == ("gzip", "blue")


def test_no_message_shows_the_key() -> None:
    key = "s3cr3t-k3y-123"
    echo = json.dumps({"id": 1, "error": {"code": -32000, "message": f"no plan for {key}"}}).encode()
    for url, script in [
        ("http://me:hunter22@127.0.0.1:9/v2/" + key, None),
        ("", answer(200, echo)),
        ("", answer(500, echo)),
    ]:
        with scripted(script or answer(200, b"")) as (base, _):
            node = RpcNode(url or f"{base}/v2/{key}", timeout=0.5)
            with pytest.raises(NodeUnavailable) as caught:
                node.logs(0, 1, WATCH)
            shown = f"{caught.value} {caught.value!r} {node!r} {node.name} {caught.value.__cause__}"
            assert key not in shown and "hunter22" not in shown
            assert caught.value.__suppress_context__ or caught.value.__context__ is None
    with pytest.raises(BadConfig) as bad:
        RpcNode(f"ftp://x/{key}")
    assert key not in str(bad.value)


def test_a_smaller_batch_is_learned_and_one_call_each_works() -> None:
    made = chain(30)

    def script(payload: Any) -> tuple[int, dict[str, str], bytes]:
        if isinstance(payload, list) and len(payload) > 4:
            return 200, {}, b'{"id":null,"error":{"code":-32600,"message":"batch limit 4 exceeded"}}'
        replies = [{"id": c["id"], "result": made.blocks[int(c["params"][0], 16)].header} for c in payload]
        return 200, {}, json.dumps(replies[::-1]).encode()  # answers may come in any order

    with scripted(script) as (url, seen):
        node = RpcNode(url)
        assert [h.number for h in node.headers(range(30))] == list(range(30))
        first = len(seen)
        node.headers(range(30))
        assert len(seen) - first <= 10 < first


def test_a_batch_with_an_answer_missing_or_limited() -> None:
    with (
        scripted(answer(200, b'[{"id":1,"result":"0x1"}]')) as (url, _),
        pytest.raises(NodeUnavailable, match="missing"),
    ):
        RpcNode(url).call([Read(1, "0xaa", "0x01", ""), Read(1, "0xaa", "0x02", "")])
    limited = b'[{"id":1,"result":"0x1"},{"id":2,"error":{"code":429,"message":"too many requests"}}]'
    with scripted(answer(200, limited)) as (url, _), pytest.raises(RateLimited):
        RpcNode(url).call([Read(1, "0xaa", "0x01", ""), Read(1, "0xaa", "0x02", "")])


def test_a_pruned_state_is_a_missing_fact() -> None:
    pruned = b'[{"id":1,"error":{"code":-32000,"message":"missing trie node abc"}}]'
    with scripted(answer(200, pruned)) as (url, _), pytest.raises(MissingFact, match="archive"):
        RpcNode(url).call([Read(1, "0xaa", "0x01", "")])


def test_a_finalized_tag_that_was_there_is_not_given_up() -> None:
    bodies = [
        b'[{"id":1,"result":"0x64"},{"id":2,"result":null},{"id":3,"error":{"code":-32602,"message":"invalid tag"}}]',
        None,
        b'[{"id":1,"result":"0x64"},{"id":2,"result":null},{"id":3,"error":{"code":-32603,"message":"internal"}}]',
    ]
    header = chain(2).blocks[1].header
    bodies[1] = json.dumps(
        [{"id": 1, "result": "0x64"}, {"id": 2, "result": header}, {"id": 3, "result": header}]
    ).encode()
    queue = iter(bodies)
    with scripted(lambda p: (200, {}, next(queue) or b"")) as (url, _):
        node = RpcNode(url)
        assert node.heads() == Heads(100, None, None)
        assert node.heads() == Heads(100, 1, 1)
        with pytest.raises(NodeUnavailable, match="finalized"):
            node.heads()


def test_token_bucket_books_ahead() -> None:
    now, slept = [0.0], []
    bucket = TokenBucket(10, clock=lambda: now[0], sleep=slept.append)
    bucket.take(10)
    assert slept == []
    bucket.take(5)
    bucket.take(20)
    assert slept == pytest.approx([0.5, 2.5])
    now[0] = 10.0
    bucket.take(10)
    assert len(slept) == 2


def test_open_node_wants_an_http_url() -> None:
    for urls in ([], ["ws://localhost:8546"], ["localhost:8545"]):
        with pytest.raises(BadConfig):
            open_node(urls)
