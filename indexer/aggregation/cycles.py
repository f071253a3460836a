"""The canonical greedy decomposition of a weighted directed graph into cycles.

Rule     of all simple cycles of the residual graph with at most `max_length` edges, every edge at least `min_usd`, take the
         one with the largest bottleneck; ties: fewer edges, then the order of nodes from the smallest; subtract; repeat
How      nothing is enumerated (a dense graph of 20 nodes has millions of cycles). Edges enter in descending order. Before an
         edge of weight t enters there is no cycle among the heavier ones, so one that it closes has bottleneck t, the
         largest there is; the shortest path back, found level by level on bit sets, is the cycle with the fewest edges
Cost     each round ends with an edge used up, so there are at most as many rounds as edges
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import NamedTuple

MAX_LENGTH = 6
"""Longest cycle looked for, in edges."""

ZERO = Decimal(0)


class Cycle(NamedTuple):
    """Value that runs in a circle: from each node to the next, and from the last to the first."""

    nodes: tuple[str, ...]
    """From the smallest name on."""
    size_usd: Decimal

    @property
    def length(self) -> int:
        """Return the number of edges, which is the number of nodes."""
        return len(self.nodes)


def decompose(
    weights: Mapping[tuple[str, str], Decimal], *, min_usd: Decimal = ZERO, max_length: int = MAX_LENGTH
) -> tuple[list[Cycle], dict[tuple[str, str], Decimal]]:
    """Return the cycles in the order in which they are taken, and what is left of every edge.

    Units   USD; `max_length` in edges, at least 2
    """
    names = sorted({name for pair in weights for name in pair})
    number = {name: n for n, name in enumerate(names)}
    residual = {
        (number[source], number[target]): value
        for (source, target), value in weights.items()
        if source != target and value > 0
    }
    graph = _Heavy(len(names), max_length)
    waiting = [(-value, edge) for edge, value in residual.items() if value >= min_usd]
    heapify(waiting)
    found: list[Cycle] = []
    while waiting:
        level = -waiting[0][0]
        ties: set[tuple[int, int]] = set()
        while waiting and -waiting[0][0] == level:
            edge = heappop(waiting)[1]
            graph.add(edge)
            ties.add(edge)
        while (path := graph.best_cycle(ties)) is not None:
            found.append(Cycle(tuple(names[n] for n in path), level))
            for edge in zip(path, path[1:] + path[:1], strict=True):
                residual[edge] -= level
                left = residual[edge]
                if left < level:
                    graph.remove(edge)
                    ties.discard(edge)
                    if left > 0 and left >= min_usd:
                        heappush(waiting, (-left, edge))
                elif left == level:
                    ties.add(edge)
    return found, {(names[s], names[t]): value for (s, t), value in residual.items() if value > 0}


class _Heavy:
    """The edges that are at least as heavy as the present level, as bit sets of node numbers."""

    def __init__(self, size: int, max_length: int) -> None:
        self.after = [0] * size
        self.before = [0] * size
        self.max_length = max_length

    def add(self, edge: tuple[int, int]) -> None:
        self.after[edge[0]] |= 1 << edge[1]
        self.before[edge[1]] |= 1 << edge[0]

    def remove(self, edge: tuple[int, int]) -> None:
        self.after[edge[0]] &= ~(1 << edge[1])
        self.before[edge[1]] &= ~(1 << edge[0])

    def best_cycle(self, edges: set[tuple[int, int]]) -> list[int] | None:
        """Return the shortest cycle through any of the edges, the first in order of nodes, from its smallest node on."""
        best: list[int] | None = None
        for edge in edges:
            limit = self.max_length if best is None else len(best)
            path = self._cycle_through(edge, limit)
            if path is not None and (best is None or (len(path), path) < (len(best), best)):
                best = path
        return best

    def _cycle_through(self, edge: tuple[int, int], limit: int) -> list[int] | None:
        """Return the first of the shortest cycles through an edge, of at most `limit` edges."""
        source, target = edge
        levels = [1 << target]
        seen = levels[0]
        while not levels[-1] >> source & 1:
            if len(levels) >= limit:
                return None
            reached = _union(self.after, levels[-1]) & ~seen
            if not reached:
                return None
            seen |= reached
            levels.append(reached)
        levels[-1] = 1 << source
        for n in range(len(levels) - 2, -1, -1):  # keep what is on a shortest path back to the edge's source
            levels[n] &= _union(self.before, levels[n + 1])
        first, at = min((_lowest(level), n) for n, level in enumerate(levels))
        length = len(levels)
        tail = [first]
        for n in range(at + 1, length):
            tail.append(_lowest(levels[n] & self.after[tail[-1]]))
        head_levels = levels[:at]
        if head_levels:  # only what leads to the chosen node
            wanted = 1 << first
            for n in range(at - 1, -1, -1):
                wanted = head_levels[n] & _union(self.before, wanted)
                head_levels[n] = wanted
        for level in head_levels:
            allowed = level & self.after[tail[-1]]
            tail.append(_lowest(allowed))
        return tail


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _union(rows: list[int], members: int) -> int:
    """Return the union of the rows of all members."""
    found = 0
    while members:
        bit = members & -members
        found |= rows[bit.bit_length() - 1]
        members ^= bit
    return found
