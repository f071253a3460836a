"""View calls that the accounting asked for, each pinned to the end of its block, by hash where that can be replaced."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.chain.node import Node
from indexer.types import Answer, Read


def fetch_reads(node: Node, reads: Sequence[Read]) -> list[Answer]:
    """Answer reads in their order; what is asked twice is called once.

    Shape   one Answer for each Read; `result` is None when the call reverted or came back empty
    Raises  MissingFact when the state is pruned and no node has it; NodeUnavailable
    """
    once: dict[tuple[int, str, str], Read] = {}
    for read in reads:
        once.setdefault((read.block_number, read.to, read.data), read)
    # In block order, so that calls of one batch meet the node's state caches.
    asked = sorted(once)
    answers = node.call([once[key] for key in asked])
    results = {key: answer.result for key, answer in zip(asked, answers, strict=True)}
    return [Answer(read, results[read.block_number, read.to, read.data]) for read in reads]
