"""M9: leverage that runs through several protocols: edges, cycles without double counting, chains.

    edge p -> q   `debt` borrowed at p and posted at q; `claim` issued by p and posted at q; `vault` a share of a vault whose
                  assets are at p, posted at q; `bridge` the same protocol on two chains
    w(p, q)       sum of the edges from p to q
    loop          a directed cycle of two protocols or more

Cycles   canonical greedy decomposition: of all simple cycles of the residual graph with at most `max_length` edges, each at
         least `min_usd`, take the one with the largest bottleneck (ties: fewer edges, then the order of nodes from the
         smallest), subtract it, repeat. The sizes depend on no order of the input and never exceed an edge.
Units    USD as Decimal, exact
Source   docs/methodology.md M9
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Literal, NamedTuple

import networkx

from indexer.aggregation.cycles import MAX_LENGTH, Cycle, decompose

EdgeKind = Literal["debt", "claim", "vault", "bridge"]

ZERO = Decimal(0)
INFINITE = Decimal("Infinity")


class Edge(NamedTuple):
    """One owner's exposure that runs from one node to another. Nodes are protocols, or markets where these are isolated."""

    owner: str
    source: str
    target: str
    kind: EdgeKind
    value_usd: Decimal


Weights = Mapping[tuple[str, str], Decimal]
"""Value of all edges from one node to another, USD."""


def collapse(edges: Iterable[Edge]) -> dict[tuple[str, str], Decimal]:
    """Return w(p, q), the sum of the edges from p to q, without those from a node to itself (they are M6's).

    Holds   exact; independent of the order of the edges and of how an owner's value is split over accounts
    """
    found: dict[tuple[str, str], Decimal] = {}
    for edge in edges:
        if edge.value_usd < 0:
            raise ValueError(f"edge {edge.source} -> {edge.target} of {edge.owner}: value_usd {edge.value_usd} < 0")
        if edge.source != edge.target and edge.value_usd:
            found[edge.source, edge.target] = found.get((edge.source, edge.target), ZERO) + edge.value_usd
    return found


def by_owner(edges: Iterable[Edge]) -> dict[str, list[Edge]]:
    """Return the edges of each owner."""
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.owner, []).append(edge)
    return found


def roll_up(edges: Iterable[Edge], protocol_of: Callable[[str], str]) -> list[Edge]:
    """Return the edges between protocols, of edges between markets.

    An edge within a protocol is dropped: a loop through two isolated markets of one protocol is M6's, counted there.
    """
    renamed = (edge._replace(source=protocol_of(edge.source), target=protocol_of(edge.target)) for edge in edges)
    return [edge for edge in renamed if edge.source != edge.target]


def on_chain(chain: int, protocol: str) -> str:
    """Return the node of a protocol on a chain: one protocol on two chains is two nodes."""
    return f"{chain}/{protocol}"


def bridge(owner: str, protocol: str, from_chain: int, to_chain: int, value_usd: Decimal) -> Edge:
    """Return the edge of value that an owner moved from a protocol on one chain to the same protocol on another."""
    if from_chain == to_chain:
        raise ValueError(f"a bridge joins two chains, not {from_chain} with itself")
    return Edge(owner, on_chain(from_chain, protocol), on_chain(to_chain, protocol), "bridge", value_usd)


@dataclass(frozen=True, slots=True)
class Loops:
    """The cycles of a graph and what is left of it."""

    cycles: tuple[Cycle, ...]
    """Largest first, in the order in which they were taken."""
    residual: dict[tuple[str, str], Decimal]
    """What no cycle took, USD."""

    @property
    def loop_exposure_usd(self) -> Decimal:
        """Return the sum of sizes: every dollar once."""
        return sum((cycle.size_usd for cycle in self.cycles), ZERO)

    @property
    def gross_circulation_usd(self) -> Decimal:
        """Return the sum of size times length: a dollar as often as it is pledged on. Never a headline."""
        return sum((cycle.size_usd * cycle.length for cycle in self.cycles), ZERO)

    @property
    def exposure_by_protocol(self) -> dict[str, Decimal]:
        """Return for each protocol the sizes of the cycles it is in. These sum to the gross circulation, not the total."""
        found: dict[str, Decimal] = {}
        for cycle in self.cycles:
            for node in cycle.nodes:
                found[node] = found.get(node, ZERO) + cycle.size_usd
        return dict(sorted(found.items()))


def loops(weights: Weights, *, min_usd: Decimal = ZERO, max_length: int = MAX_LENGTH) -> Loops:
    """Return the canonical decomposition of a graph into cycles.

    Edge    w <= 0 and self edges are none. Cycles longer than `max_length` stay in the residual
    Example Aave->Morpho 100, Morpho->Aave 70, Morpho->Comp 40, Comp->Aave 30: Aave-Morpho 70, then Aave-Morpho-Comp 30;
            exposure 100, gross 230, residual Morpho->Comp 10
    """
    cycles, residual = decompose(weights, min_usd=min_usd, max_length=max_length)
    return Loops(tuple(cycles), residual)


def owner_loops(
    edges: Iterable[Edge], *, min_usd: Decimal = ZERO, max_length: int = MAX_LENGTH
) -> dict[str, Loops]:  # fmt: skip
    """Return the decomposition of each owner's own graph, of owners with edges: a loop is of one owner.

    One who lends at q what was borrowed at p and another who does the reverse are not a loop; summed graphs would say so.
    """
    return {
        owner: loops(collapse(own), min_usd=min_usd, max_length=max_length)
        for owner, own in sorted(by_owner(edges).items())
    }


def total(parts: Iterable[Loops]) -> Loops:
    """Return cycles of several graphs as one: those through the same nodes added up, largest first; residuals added."""
    sizes: dict[tuple[str, ...], Decimal] = {}
    residual: dict[tuple[str, str], Decimal] = {}
    for part in parts:
        for cycle in part.cycles:
            sizes[cycle.nodes] = sizes.get(cycle.nodes, ZERO) + cycle.size_usd
        for pair, value in part.residual.items():
            residual[pair] = residual.get(pair, ZERO) + value
    order = sorted(sizes, key=lambda nodes: (-sizes[nodes], len(nodes), nodes))
    return Loops(tuple(Cycle(nodes, sizes[nodes]) for nodes in order), residual)


class Chain(NamedTuple):
    """Value pledged on through protocols, in a row, that does not come back."""

    nodes: tuple[str, ...]
    size_usd: Decimal

    @property
    def depth(self) -> int:
        """Return the number of protocols that a dollar of terminal collateral is pledged through."""
        return len(self.nodes)


def chains(residual: Weights, *, min_usd: Decimal = ZERO) -> list[Chain]:
    """Return what a graph holds besides cycles, as paths: longest first, then largest; ties by the order of nodes.

    Greedy: repeat {the longest path of the residual, of these the one with the largest bottleneck; subtract}. Sizes of
    all chains through an edge sum to the edge, up to what is below `min_usd`.
    Edge    a cycle that `loops` left for its length is cut at its smallest edge, which is then a chain of its own
    """
    left = {pair: value for pair, value in residual.items() if value > 0 and value >= min_usd and pair[0] != pair[1]}
    cut: dict[tuple[str, str], Decimal] = {}
    try:
        order = _from_the_end(left)
    except CycleError:
        cut = _cut_cycles(left)
        order = _from_the_end(left)
    following: dict[str, set[str]] = {node: set() for node in order}
    for source, target in left:
        following[source].add(target)
    found: list[Chain] = []
    while left:
        path, size = _longest(left, order, following)
        found.append(Chain(path, size))
        for pair in pairwise(path):
            left[pair] -= size
            if left[pair] <= 0 or left[pair] < min_usd:
                del left[pair]
                following[pair[0]].discard(pair[1])
    found += [Chain(pair, value) for pair, value in cut.items()]
    return sorted(found, key=lambda chain: (-chain.depth, -chain.size_usd, chain.nodes))


def chain_depth(found: Sequence[Chain]) -> int:
    """Return the depth of the deepest chain; 0 without any."""
    return max((chain.depth for chain in found), default=0)


def _from_the_end(left: Weights) -> list[str]:
    """Return the nodes so that each comes after all it leads to. Raises CycleError in a circle."""
    leads_to: dict[str, list[str]] = {}
    for source, target in left:
        leads_to.setdefault(source, []).append(target)
    return list(TopologicalSorter(leads_to).static_order())


def _cut_cycles(left: dict[tuple[str, str], Decimal]) -> dict[tuple[str, str], Decimal]:
    """Take the smallest edge out of every cycle that is still there; return what was taken."""
    cut: dict[tuple[str, str], Decimal] = {}
    while True:
        graph = networkx.DiGraph(sorted(left))
        cyclic = [part for part in networkx.strongly_connected_components(graph) if len(part) > 1]
        if not cyclic:
            return cut
        for part in cyclic:
            inside = (pair for pair in left if pair[0] in part and pair[1] in part)
            pair = min(inside, key=lambda pair: (left[pair], pair))
            cut[pair] = left.pop(pair)


def _longest(left: Weights, order: Sequence[str], following: Mapping[str, set[str]]) -> tuple[tuple[str, ...], Decimal]:
    """Return the longest path of an acyclic graph and its bottleneck; ties: the largest, then the order of nodes."""
    best: dict[str, tuple[int, Decimal, tuple[str, ...]]] = {}
    for node in order:
        chosen: tuple[int, Decimal, tuple[str, ...]] = (1, INFINITE, (node,))
        for onward in following[node]:
            length, size, nodes = best[onward]
            offered = (length + 1, min(size, left[node, onward]), (node, *nodes))
            if _better(offered, chosen):
                chosen = offered
        best[node] = chosen
    first = best[order[0]]
    for entry in best.values():
        if _better(entry, first):
            first = entry
    return first[2], first[1]


def _better(one: tuple[int, Decimal, tuple[str, ...]], other: tuple[int, Decimal, tuple[str, ...]]) -> bool:
    return (-one[0], -one[1], one[2]) < (-other[0], -other[1], other[2])
