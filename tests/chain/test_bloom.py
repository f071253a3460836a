"""Blooms agree with the recorded ones of a real client, and with a hand-made one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from indexer.chain import bloom
from indexer.types import Watch

RECORDING = Path(__file__).parents[3] / "shared" / "recordings" / "morpho_blue" / "chain.jsonl.gz"


def test_the_bits_of_one_address() -> None:
    """Address 0x0f572e52..: bits 1323, 431 and 1319, the example of the go-ethereum tests."""
    made = bloom.mask("0x0f572e5295c57f15886f9b263e2f6d2d6c7b5ec6")
    assert {n for n in range(2048) if made >> n & 1} == {1323, 431, 1319}


def test_a_union_has_its_members_and_little_else() -> None:
    items = ["0x" + f"{n:040x}" for n in range(20)]
    made = bloom.union(items)
    assert all(made & bloom.mask(item) == bloom.mask(item) for item in items)
    assert made.bit_count() <= 60
    assert bloom.bits("") is None
    assert bloom.bits(f"0x{made:0512x}") == made
    with pytest.raises(ValueError, match="bloom of 4"):
        bloom.bits("0x00")


def test_may_hide() -> None:
    a, b, topic, other = "0x" + "0a" * 20, "0x" + "0b" * 20, "0x" + "01" * 32, "0x" + "02" * 32
    watch = Watch(frozenset({a, b}), frozenset({topic}))
    filled = bloom.union([a, topic])
    assert bloom.may_hide(filled, watch, frozenset())
    assert not bloom.may_hide(filled, watch, frozenset({a}))
    assert not bloom.may_hide(filled, Watch(frozenset({b}), frozenset({topic})), frozenset())
    assert not bloom.may_hide(filled, Watch(frozenset({a}), frozenset({other})), frozenset())
    assert bloom.may_hide(filled, Watch(frozenset({a}), frozenset()), frozenset())


@pytest.mark.skipif(not RECORDING.exists(), reason=f"{RECORDING} is not there")
def test_recorded_headers_have_the_bloom_of_their_logs() -> None:
    seen = 0
    with gzip.open(RECORDING, "rt") as lines:
        next(lines)
        for line in lines:
            entry = json.loads(line)
            items = [item for made in entry["logs"] for item in (made["address"], *made["topics"])]
            assert bloom.bits(entry["block"]["logsBloom"]) == bloom.union(items)
            seen += bool(items)
            if seen == 100:
                break
    assert seen
