"""Route a batch of logs: emitter first, then topic0, then topic count. Nothing else decides what a log is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from indexer.decode.layout import Layout
from indexer.errors import DecodeError
from indexer.types import Address, Hash, Logs


@dataclass(frozen=True, slots=True)
class Route:
    """Rows of one event emitted by contracts of one kind."""

    kind: str
    layout: Layout
    rows: list[int]


@dataclass(slots=True)
class Router:
    """Knows which contracts are watched and what each kind of contract emits.

    `kinds` maps a contract kind to its layouts by topic0; `contracts` maps an emitter to its kinds.
    """

    kinds: Mapping[str, Mapping[Hash, tuple[Layout, ...]]]
    contracts: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    _memo: dict[tuple[Address, Hash, int], tuple[str, Layout] | None] = field(default_factory=dict)

    def add(self, address: Address, kind: str) -> bool:
        """Watch one more contract. Returns whether it was new."""
        known = self.contracts.get(address, ())
        if kind in known:
            return False
        self.contracts[address] = (*known, kind)
        self._memo.clear()
        return True

    def topics(self) -> frozenset[Hash]:
        """Return every topic0 that any kind emits."""
        return frozenset(topic for layouts in self.kinds.values() for topic in layouts)

    def route(self, logs: Logs) -> list[Route]:
        """Group the rows of a batch by contract kind and event. Logs of other emitters or topics are left out.

        Raises  DecodeError for a known topic of a watched contract whose topic count fits no form of the event
        """
        alike: defaultdict[tuple[Address, Hash, int], list[int]] = defaultdict(list)
        for row, (address, topics) in enumerate(zip(logs.address, logs.topics, strict=True)):
            if topics:
                alike[address, topics[0], len(topics)].append(row)
        groups: dict[tuple[str, Hash, int], Route] = {}
        memo = self._memo
        for key, rows in alike.items():
            if key not in memo:
                memo[key] = self._find(logs, rows[0])
            found = memo[key]
            if found is not None:
                groups.setdefault((found[0], key[1], key[2]), Route(*found, [])).rows.extend(rows)
        for route in groups.values():
            route.rows.sort()  # runs of several emitters, back into chain order
        return list(groups.values())

    def _find(self, logs: Logs, row: int) -> tuple[str, Layout] | None:
        address, topics = logs.address[row], logs.topics[row]
        candidates = [
            (kind, layout) for kind in self.contracts.get(address, ()) for layout in self.kinds[kind].get(topics[0], ())
        ]
        fitting = [(kind, layout) for kind, layout in candidates if layout.topic_count == len(topics)]
        if candidates and not fitting:
            raise DecodeError(
                event=candidates[0][1].signature,
                argument="topics",
                word=str(len(topics)),
                reason=f"expected {candidates[0][1].topic_count} topics",
                address=address,
                tx_hash=logs.tx_hash[row],
                log_index=logs.log_index[row],
                block_number=logs.block_number[row],
            )
        return fitting[0] if fitting else None


def layouts_by_topic(layouts: Iterable[Layout]) -> dict[Hash, tuple[Layout, ...]]:
    """Index layouts by topic0; several remain where forms differ in what is indexed."""
    found: dict[Hash, tuple[Layout, ...]] = {}
    for layout in layouts:
        found[layout.topic0] = (*found.get(layout.topic0, ()), layout)
    return found
