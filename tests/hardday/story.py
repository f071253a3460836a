"""The recorded demo chain as one that can be cut, continued on other branches and served by a `FakeNode`.

Other branches are consistent for a strict ledger: the same logs in blocks of other hashes, the logs of one protocol only,
or no logs at all. Oracle prices depend on the block's hash, so that a read of a replaced branch shows.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.evm import bloom_hex, bloom_of_logs, made_up_hash
from indexer.chain import ReplayNode
from indexer.config import ChainSettings, load
from indexer.types import Read
from tests.fakenode import FakeBlock, FakeChain, FakeNode

DEMO = Path(__file__).resolve().parents[2] / "demo"
EMPTY_SECONDS = 12
PROTOCOLS = ("aave_v3", "morpho_blue")

Keep = Callable[[dict[str, Any]], bool]


def everything(_: dict[str, Any]) -> bool:
    return True


def nothing(_: dict[str, Any]) -> bool:
    return False


def only_morpho(log: dict[str, Any]) -> bool:
    return log["address"] in _of_morpho()


def only_aave(log: dict[str, Any]) -> bool:
    return not only_morpho(log)


@dataclass(frozen=True)
class Recorded:
    """A recording: its blocks and what its contracts answered."""

    blocks: tuple[FakeBlock, ...]
    node: ReplayNode
    prices: dict[tuple[str, str], tuple[list[int], list[str]]]

    @property
    def meta(self) -> dict[str, Any]:
        return self.node.meta


@cache
def recorded() -> Recorded:
    """The demo, read once."""
    node = ReplayNode(DEMO)
    prices: dict[tuple[str, str], tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
    for answer in sorted(node.recorded_reads(node.first, node.last), key=lambda a: a.read.block_number):
        if answer.result is not None:
            numbers, results = prices[answer.read.to, answer.read.data]
            numbers.append(answer.read.block_number)
            results.append(answer.result)
    return Recorded(tuple(FakeChain.from_recording(DEMO).blocks), node, dict(prices))


@cache
def _of_morpho() -> frozenset[str]:
    return frozenset(recorded().meta["contracts"][name].lower() for name in ("Morpho", "AdaptiveCurveIrm"))


def answer(to: str, data: str, block: FakeBlock) -> str | None:
    """`eth_call` of the story: metadata as recorded; a price as last recorded and a little off, by the block's hash."""
    kept = recorded()
    if (to, data) not in kept.prices:
        return kept.node.call([Read(min(block.number, kept.node.last), to, data, "")])[0].result
    numbers, results = kept.prices[to, data]
    at = bisect_right(numbers, block.number)
    if at == 0:
        return None
    price = int(results[at - 1], 16)
    return f"0x{price + int(block.hash[-4:], 16) % 997:064x}"


class Story(FakeChain):
    """The demo's blocks up to `head`, and ways to go on."""

    def __init__(self, head: int) -> None:
        blocks = recorded().blocks[: head + 1]
        super().__init__(31_337, blocks)
        self._branch = 0

    def go_on(self, last: int, keep: Keep = everything) -> None:
        """Append the recorded blocks up to `last`, as recorded where they fit, else with hashes of their own."""
        for block in recorded().blocks[self.head + 1 : last + 1]:
            if keep is everything and self.blocks[-1].hash == block.header["parentHash"]:
                self.blocks.append(block)
            else:
                self.blocks.append(self._copy(block, keep))

    def cut(self, depth: int) -> None:
        """Take the last `depth` blocks away, to be replaced."""
        self.orphans += self.blocks[-depth:]
        del self.blocks[-depth:]
        self._branch += 1

    def replace(self, depth: int, length: int, keep: Keep = everything, empty: int = 0) -> None:
        """Replace the last `depth` blocks by `length` that keep some of the recorded logs, then `empty` without logs."""
        self.cut(depth)
        for block in recorded().blocks[self.head + 1 : self.head + 1 + length]:
            self.blocks.append(self._copy(block, keep))
        self.idle(empty)

    def idle(self, blocks: int, seconds: int = EMPTY_SECONDS) -> None:
        """Append blocks without logs, so far apart."""
        for _ in range(blocks):
            top = self.blocks[-1]
            self.blocks.append(self._block({**top.header, "number": hex(top.number + 1)}, (), top.timestamp + seconds))

    def _copy(self, block: FakeBlock, keep: Keep) -> FakeBlock:
        return self._block(block.header, tuple(log for log in block.logs if keep(log)), block.timestamp)

    def _block(self, header: dict[str, Any], logs: Iterable[dict[str, Any]], timestamp: int) -> FakeBlock:
        parent = self.blocks[-1]
        number = int(header["number"], 16)
        block_hash = made_up_hash("story", self._branch, parent.hash, number, timestamp, json.dumps(list(logs)))
        made = tuple({**log, "blockHash": block_hash, "logIndex": hex(n)} for n, log in enumerate(logs))
        changed = {
            "hash": block_hash, "parentHash": parent.hash, "timestamp": hex(timestamp),
            "logsBloom": bloom_hex(bloom_of_logs(made)),
        }  # fmt: skip
        return FakeBlock({**header, **changed}, made)


def serve(chain: FakeChain, **options: Any) -> FakeNode:
    """A node for a story."""
    return FakeNode(chain, eth_call=answer, **{"finality_depth": 64, "lifetime_seconds": 600.0, **options})


def settings(*nodes: FakeNode | str, **changes: Any) -> ChainSettings:
    """How the demo's chain is indexed from nodes: small ranges, quick polls, a price at every block.

    Two of its four protocols: one after the other, and on branches with the logs of one only, is told of these two.
    """
    rpc = tuple(node if isinstance(node, str) else node.url for node in nodes)
    options = {"poll_seconds": 0.01, "max_block_range": 16, "price_interval_blocks": 1, **changes}
    options.setdefault("protocols", PROTOCOLS)
    return load(DEMO / "leverage.toml").chain["demo"].model_copy(update={"rpc": rpc, **options})
