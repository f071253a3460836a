"""A recording read back is the chain that was recorded."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from eth_abi import decode

from indexer.chain import ReplayNode, fetch_reads, record
from indexer.chain.node import EVERYTHING
from indexer.errors import BadConfig, BlockNotYetKnown, NodeDisagrees
from indexer.types import Answer, Heads, Read, Watch
from tests.chain.book import WATCH, Book, branch, chain, honest, keys, pool
from tests.fakenode import FakeNode, Faults

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"

A, B, C = "0x" + "0a" * 20, "0x" + "0b" * 20, "0x" + "0c" * 20
META = {
    "protocol": "test",
    "tokens": {
        A: {"symbol": "WETH", "decimals": 18, "kind": "plain", "asset": B},
        B: {
            "symbol": "a token with a name of more than 32 bytes",
            "decimals": 6,
            "kind": "ERC-4626 over aToken",
            "asset": A,
        },
    },
}


def test_round_trip(tmp_path: Path) -> None:
    made = chain(250)
    reads = [Answer(Read(120, A, "0x0102", "price"), "0x07"), Answer(Read(121, A, "0x0102", "price"), None)]
    written: list[int] = []
    with FakeNode(made, Faults(range_cap=30)) as fake:
        record(pool(fake), 0, 249, tmp_path, reads, META, written.append)
    assert written == list(range(250))
    node = ReplayNode(tmp_path)
    assert (node.chain_id(), node.heads(), node.meta["protocol"]) == (31_337, Heads(249, 249, 249), "test")
    book = Book()
    book.run(book.follow(node))
    honest(book, made)
    assert book.final == 249
    assert node.recorded_reads(0, 120) == reads[:1]
    assert node.recorded_reads(0, 249) == reads
    assert node.raw_headers([5])[0] == made.blocks[5].header
    assert node.raw_logs(0, 249) == list(made.logs())
    again = tmp_path / "again"
    record(node, 0, 249, again, node.recorded_reads(0, 249), node.meta)
    assert gzip.open(again / "chain.jsonl.gz").read() == gzip.open(tmp_path / "chain.jsonl.gz").read()


def test_a_segment_from_the_middle(tmp_path: Path) -> None:
    made = chain(100)
    with FakeNode(made) as fake:
        record(pool(fake), 40, 79, tmp_path, [], {})
    node = ReplayNode(tmp_path)
    assert (node.first, node.last, len(node.headers(range(40, 80)))) == (40, 79, 40)
    book = Book()
    book.run(book.follow(node, start_block=40, to="latest"))
    assert book.logs == keys(made, first=40, last=79)
    assert node.header_by_hash(made.blocks[50].hash) == node.headers([50])[0]
    assert len(node.logs_of_block(made.blocks[51].hash, EVERYTHING)) == len(made.blocks[51].logs)
    with pytest.raises(BadConfig, match="start_block = 40"):
        node.headers([39])
    with pytest.raises(BlockNotYetKnown):
        node.logs(70, 80, WATCH)


def test_reads_and_token_metadata(tmp_path: Path) -> None:
    symbol = Answer(Read(5, C, "0x95d89b41", "metadata"), "0x1234")
    with FakeNode(chain(10)) as fake:
        record(pool(fake), 0, 9, tmp_path, [Answer(Read(7, A, "0x0102", "p"), "0x07"), symbol], META)
    node = ReplayNode(tmp_path)

    def ask(to: str, data: str, block: int = 9) -> str | None:
        return fetch_reads(node, [Read(block, to, data, "")])[0].result

    assert (ask(A, "0x0102", 7), ask(A, "0x0102", 8)) == ("0x07", None)
    assert int(ask(A, "0x313ce567") or "", 16) == 18
    for selector in ("0x95d89b41", "0x06fdde03"):
        for token in (A, B):
            answer = ask(token, selector)
            assert answer and decode(["string"], bytes.fromhex(answer[2:])) == (META["tokens"][token]["symbol"],)  # type: ignore[index]
    assert ask(B, "0x38d52e0f") == "0x" + A[2:].rjust(64, "0")
    assert ask(A, "0x38d52e0f") is None, "only vaults have an asset"
    assert ask(C, "0x95d89b41") == "0x1234", "metadata that was read holds at every block"
    assert ask(C, "0x313ce567") is None


def test_a_reorg_while_recording_is_an_error(tmp_path: Path) -> None:
    made = chain(150)
    with FakeNode(made) as fake, pytest.raises(NodeDisagrees, match="block 100 does not follow block 99"):
        record(pool(fake), 0, 149, tmp_path, [], {}, lambda n: made.reorg(60, branch(60)) if n == 99 else None)
    assert not (tmp_path / "chain.jsonl.gz").exists()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"not gzip", gzip.compress(b"{}"), gzip.compress(b'{"meta":{}}\n{"x":1}')],
    ids=["absent", "empty", "not gzip", "no meta", "no block"],
)
def test_what_is_not_a_recording(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "chain.jsonl.gz").write_bytes(content)
    with pytest.raises(BadConfig, match=r"chain\.jsonl\.gz"):
        ReplayNode(tmp_path)


def test_a_cut_off_recording_is_refused(tmp_path: Path) -> None:
    with FakeNode(chain(50)) as fake:
        record(pool(fake), 0, 49, tmp_path, [], {})
    whole = (tmp_path / "chain.jsonl.gz").read_bytes()
    (tmp_path / "chain.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadConfig, match="cannot be read"):
        ReplayNode(tmp_path)


@pytest.mark.skipif(not RECORDINGS.exists(), reason=f"{RECORDINGS} is not there")
def test_a_shared_recording_is_followed_to_its_end() -> None:
    node = ReplayNode(RECORDINGS / "multi")
    everything = node.logs(node.first, node.last, EVERYTHING)
    watch = Watch(frozenset(everything.address), frozenset(topics[0] for topics in everything.topics if topics))
    book = Book()
    book.run(book.follow(node, watch=lambda: watch, to="latest"))
    assert book.tip is not None and book.tip.number == node.meta["head"]
    assert len(book.logs) == len(everything) == 4_572
    found = node.recorded_reads(0, node.last)
    assert found and all(answer.result for answer in found)
    assert fetch_reads(node, [answer.read for answer in found]) == found
    vault = next(a for a, token in node.meta["tokens"].items() if token["symbol"] == "sDAI")
    answer = node.call([Read(900, vault, "0x38d52e0f", "")])[0].result
    assert answer is not None and "0x" + answer[-40:] == node.meta["tokens"][vault]["asset"]
