"""What the chain tests share: a chain with two watched emitters, and a consumer that keeps what a store would keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.evm import made_up_address, topic0
from indexer.chain import NodePool, RpcNode, follow
from indexer.types import BlockRef, Finalized, Idle, Range, Reorg, Step, Watch
from tests.fakenode import FakeChain, FakeNode

TRANSFER, MINT, NOISE = (
    topic0("Transfer(address,address,uint256)"),
    topic0("Mint(address,uint256)"),
    topic0("Noise(uint256)"),
)
TOKEN, POOL, STRANGER = made_up_address("token"), made_up_address("pool"), made_up_address("stranger")
WATCH = Watch(frozenset({TOKEN, POOL}), frozenset({TRANSFER, MINT}))

Key = tuple[int, int, str, str]


def log(n: int, topic: str = TRANSFER, address: str = TOKEN) -> dict[str, Any]:
    return {"address": address, "topics": [topic, "0x" + f"{n:064x}"], "data": "0x" + f"{n:064x}"}


def contents(n: int) -> list[dict[str, Any]]:
    """Block n: n % 3 transfers, a mint in every second block, and an unwatched log in every fourth."""
    found = [log(n * 10 + k) for k in range(n % 3)]
    if n % 2:
        found.append(log(n, MINT, POOL))
    return [*found, log(n, NOISE, STRANGER)] if n % 4 == 0 else found


def chain(blocks: int) -> FakeChain:
    return FakeChain.build([contents(n) for n in range(blocks)])


def branch(blocks: int, seed: int = 7) -> list[list[dict[str, Any]]]:
    return [contents(seed + 5 * n) for n in range(blocks)]


def keys(made: FakeChain, watch: Watch = WATCH, last: int | None = None, first: int = 0) -> set[Key]:
    """The watched logs of a chain, as `Book.logs` keeps them."""
    return {
        (int(e["blockNumber"], 16), int(e["logIndex"], 16), e["transactionHash"], e["blockHash"])
        for e in made.logs()
        if e["address"] in watch.addresses
        and e["topics"][0] in watch.topics
        and first <= int(e["blockNumber"], 16) <= (made.head if last is None else last)
    }


def pool(*nodes: FakeNode, **options: Any) -> NodePool:
    """A pool that retries without delay."""
    options = {"first_wait": 0.001, "longest_wait": 0.01, "give_up_after": 5.0, "quarantine": 0.2} | options
    return NodePool([RpcNode(node.url, timeout=options.pop("timeout", 2.0)) for node in nodes], **options)


@dataclass
class Book:
    """A consumer: commits each step, undoes on Reorg, and holds every step against what it has."""

    tip: BlockRef | None = None
    blocks: dict[int, BlockRef] = field(default_factory=dict)
    logs: set[Key] = field(default_factory=set)
    final: int = -1
    reorgs: list[tuple[int, int, int]] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    idle: int = 0

    def take(self, step: Step) -> None:
        match step:
            case Range():
                self._append(step)
            case Reorg(ancestor, new):
                assert self.tip is not None
                assert self.final <= ancestor.number
                assert self.blocks.get(ancestor.number, ancestor) == ancestor
                assert new.first == ancestor.number + 1
                self.reorgs.append((ancestor.number, self.tip.number, new.last))
                self.blocks = {n: ref for n, ref in self.blocks.items() if n <= ancestor.number}
                self.logs = {key for key in self.logs if key[0] <= ancestor.number}
                self.tip = ancestor
                self._append(new)
            case Finalized(block):
                assert self.tip is not None
                assert self.final < block.number <= self.tip.number
                assert self.blocks[block.number].hash == block.hash
                self.final = block.number
            case Idle():
                self.idle += 1

    def _append(self, part: Range) -> None:
        assert self.tip is None or part.first == self.tip.number + 1
        numbers = [header.number for header in part.headers]
        assert numbers == sorted(set(numbers)) and numbers[-1] == part.last and numbers[0] >= part.first
        assert set(part.logs.block_number) <= set(numbers)
        final = part.heads.finalized
        assert final is not None
        assert set(range(max(part.first, final + 1), part.last + 1)) <= set(numbers)
        times = {header.number: header.timestamp for header in part.headers}
        assert part.logs.timestamp == [times[n] for n in part.logs.block_number]
        positions = list(zip(part.logs.block_number, part.logs.log_index, strict=True))
        assert positions == sorted(set(positions))
        for header in part.headers:
            self.blocks[header.number] = header.ref
        self.logs |= set(
            zip(part.logs.block_number, part.logs.log_index, part.logs.tx_hash, part.logs.block_hash, strict=True)
        )
        self.tip = part.headers[-1].ref
        self.ranges.append((part.first, part.last))

    def recent(self) -> list[BlockRef]:
        """What a store would give a follower that starts anew."""
        return [self.blocks[n] for n in sorted(self.blocks) if n >= self.final]

    def follow(self, node: Any, **options: Any) -> Iterator[Step]:
        """Follow from where this book stands."""
        defaults: dict[str, Any] = {
            "start": self.tip, "start_block": 0, "recent": self.recent(), "watch": lambda: WATCH,
            "poll_seconds": 0.001, "retry_pause": 0.001,
        }  # fmt: skip
        return follow(node, **(defaults | options))

    def run(self, steps: Iterator[Step], *, idle: int = 1) -> Book:
        """Take steps until `idle` Idle steps in a row have come, or the stream ends."""
        quiet = 0
        for step in steps:
            self.take(step)
            quiet = quiet + 1 if isinstance(step, Idle) else 0
            if quiet >= idle:
                break
        return self


def honest(book: Book, made: FakeChain, watch: Watch = WATCH) -> None:
    """Assert that a book holds exactly the canonical chain."""
    assert book.tip is not None
    assert book.tip.number == made.head
    for number, ref in book.blocks.items():
        block = made.block(number)
        assert block is not None and (ref.hash, ref.timestamp) == (block.hash, block.timestamp)
    assert book.logs == keys(made, watch)


def first_reorg(steps: Sequence[Step]) -> Reorg:
    return next(step for step in steps if isinstance(step, Reorg))
