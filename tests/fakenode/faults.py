"""Seeded misbehaviour of a node: which request is answered wrongly, and how.

A decision depends on the seed, the kind of fault, the request and how often it was asked before, not on the order
in which threads arrive. Unless ``sticky``, at most ``in_a_row`` faulty answers to the same request follow each
other, so a client that asks again gets the honest answer.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Fault = Literal[
    "timeout",
    "rate_limit",
    "server_error",
    "garbage",
    "truncated",
    "slow",
    "drop_logs",
    "other_branch",
    "empty_result",
    "lagging_head",
    "null_block",
    "range_cap",
    "logs_cap",
    "wrong_chain_id",
]

HTTP_FAULTS: tuple[Fault, ...] = ("timeout", "rate_limit", "server_error", "garbage", "truncated", "slow")
"""Faults of a whole HTTP request; the rest concern one JSON-RPC call."""

METHOD_FAULTS: dict[str, tuple[Fault, ...]] = {
    "eth_getLogs": ("empty_result", "drop_logs", "other_branch"),
    "eth_getBlockByNumber": ("null_block", "other_branch", "lagging_head"),
    "eth_blockNumber": ("lagging_head",),
}


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault that happened: its kind, the method or methods asked, and the request as text."""

    fault: Fault
    method: str
    request: str


@dataclass(slots=True)
class Faults:
    """Probabilities (0 to 1) of each fault for one request, and caps in blocks and logs (0: none).

    ``rate_limit`` is a 429, every other one with ``Retry-After`` of ``retry_after_seconds``; ``server_error`` is a
    502 or 503; ``garbage`` is a 200 that is not JSON; ``truncated`` cuts the body below its Content-Length;
    ``timeout`` says nothing for ``timeout_seconds`` and hangs up; ``slow`` waits ``slow_seconds`` and is honest.
    ``drop_logs`` leaves out some logs; ``other_branch`` answers from a replaced branch where there is one, else
    with made-up block hashes; ``lagging_head`` answers a head up to ``lag_blocks`` lower.
    """

    seed: int = 0
    drop_logs: float = 0.0
    other_branch: float = 0.0
    timeout: float = 0.0
    rate_limit: float = 0.0
    server_error: float = 0.0
    garbage: float = 0.0
    truncated: float = 0.0
    empty_result: float = 0.0
    lagging_head: float = 0.0
    null_block: float = 0.0
    slow: float = 0.0
    range_cap: int = 0
    logs_cap: int = 0
    wrong_chain_id: int | None = None
    sticky: bool = False
    in_a_row: int = 2
    timeout_seconds: float = 1.0
    slow_seconds: float = 0.05
    retry_after_seconds: int = 1
    lag_blocks: int = 5
    _asked: Counter[str] = field(default_factory=Counter)
    _row: Counter[str] = field(default_factory=Counter)

    def rng(self, kind: str, request: str, turn: int) -> random.Random:
        """A generator that depends on the seed, a word, the request and its turn alone."""
        text = f"{self.seed}|{kind}|{request}|{0 if self.sticky else turn}"
        return random.Random(hashlib.sha256(text.encode()).digest())

    def choose(self, kinds: tuple[Fault, ...], request: str) -> tuple[Fault | None, random.Random]:
        """The fault for this request, if any, and a generator for its details; counts the request."""
        turn = self._asked[request]
        self._asked[request] += 1
        for kind in kinds:
            rng = self.rng(kind, request, turn)
            if rng.random() < float(getattr(self, kind)):
                if kind == "slow":
                    return kind, rng
                if self.sticky or self._row[request] < self.in_a_row:
                    self._row[request] += 1
                    return kind, rng
                break
        self._row[request] = 0
        return None, self.rng("none", request, turn)
