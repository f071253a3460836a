"""M9: cycles, chains and roll-up, against the worked example, the definition by enumeration, and its naive rivals."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.aggregation.cycles import Cycle, decompose
from indexer.aggregation.graph import (
    Edge,
    bridge,
    chain_depth,
    chains,
    collapse,
    loops,
    on_chain,
    owner_loops,
    roll_up,
    total,
)

D = Decimal

EXAMPLE = {
    ("aave", "morpho"): D(100),
    ("morpho", "aave"): D(70),
    ("morpho", "comp"): D(40),
    ("comp", "aave"): D(30),
}


def edge(owner: str, source: str, target: str, value: object, kind: str = "debt") -> Edge:
    return Edge(owner, source, target, kind, D(str(value)))  # type: ignore[arg-type]


def test_worked_example() -> None:
    found = loops(EXAMPLE)
    assert found.cycles == (Cycle(("aave", "morpho"), D(70)), Cycle(("aave", "morpho", "comp"), D(30)))
    assert found.loop_exposure_usd == 100
    assert found.gross_circulation_usd == 70 * 2 + 30 * 3 == 230
    assert found.residual == {("morpho", "comp"): D(10)}
    assert found.exposure_by_protocol == {"aave": D(100), "comp": D(30), "morpho": D(100)}
    assert sum(found.exposure_by_protocol.values()) == found.gross_circulation_usd


def test_naive_sum_of_bottlenecks_counts_a_shared_edge_again() -> None:
    """Two cycles share a -> b, which carries 100: they cannot hold 100 each."""
    weights = {("a", "b"): D(100), ("b", "a"): D(100), ("b", "c"): D(100), ("c", "a"): D(100)}
    graph = networkx.DiGraph(list(weights))
    naive = sum(min(weights[pair] for pair in pairwise([*cycle, cycle[0]])) for cycle in networkx.simple_cycles(graph))
    assert naive == 200
    assert loops(weights).loop_exposure_usd == 100  # the shorter one of the tie
    assert loops(weights).cycles[0].nodes == ("a", "b")
    assert loops(EXAMPLE).loop_exposure_usd != sum(EXAMPLE.values())  # summing edges is no size either


def test_sharing_depositors_is_no_link() -> None:
    """One owner with a debt at both protocols and nothing borrowed at one posted at the other has no edge, so no loop."""
    assert collapse([]) == {}
    assert loops({}).cycles == () and loops({}).loop_exposure_usd == 0


def test_a_loop_is_of_one_owner() -> None:
    """A lends at morpho what was borrowed at aave, B the reverse: two chains. Only the summed graph has a circle."""
    edges = [edge("A", "aave", "morpho", 50), edge("B", "morpho", "aave", 40)]
    assert total(owner_loops(edges).values()).cycles == ()
    assert loops(collapse(edges)).loop_exposure_usd == 40


def test_owners_add_up_by_nodes() -> None:
    edges = [
        edge("A", "aave", "morpho", 50), edge("A", "morpho", "aave", 40),
        edge("B", "morpho", "aave", 7), edge("B", "aave", "morpho", 9, "claim"),
    ]  # fmt: skip
    found = total(owner_loops(edges).values())
    assert found.cycles == (Cycle(("aave", "morpho"), D(47)),)
    assert found.residual == {("aave", "morpho"): D(12)}


def test_isolated_markets_roll_up_and_drop_what_is_within_a_protocol() -> None:
    edges = [
        edge("A", "morpho|x", "morpho|y", 30), edge("A", "morpho|y", "morpho|x", 30),
        edge("A", "aave", "morpho|x", 20), edge("A", "morpho|y", "aave", 25),
    ]  # fmt: skip
    markets = loops(collapse(edges))
    assert markets.loop_exposure_usd == 30  # within morpho: M6 counts it
    protocols = loops(collapse(roll_up(edges, lambda node: node.partition("|")[0])))
    assert protocols.cycles == (Cycle(("aave", "morpho"), D(20)),)
    assert protocols.residual == {("morpho", "aave"): D(5)}


def test_one_protocol_on_two_chains_is_two_nodes_and_a_bridge() -> None:
    one, ten = on_chain(1, "aave_v3"), on_chain(10, "aave_v3")
    edges = [bridge("A", "aave_v3", 1, 10, D(80)), edge("A", ten, one, 60)]
    assert loops(collapse(edges)).cycles == (Cycle((one, ten), D(60)),)
    with pytest.raises(ValueError, match="two chains"):
        bridge("A", "aave_v3", 1, 1, D(1))


def test_min_usd_keeps_dust_out() -> None:
    weights = {**EXAMPLE, ("comp", "aave"): D("29.99")}
    assert [cycle.size_usd for cycle in loops(weights, min_usd=D(30)).cycles] == [D(70)]


def test_negative_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"aave -> morpho of A: value_usd -1"):
        collapse([edge("A", "aave", "morpho", -1)])


def test_depth_of_a_chain() -> None:
    """LST -> lending -> second lending: a dollar of the LST is pledged through three protocols, and nothing comes back."""
    weights = {("lido", "aave"): D(100), ("aave", "morpho"): D(60), ("morpho", "euler"): D(10)}
    found = loops(weights)
    assert found.cycles == ()
    paths = chains(found.residual)
    assert [(path.nodes, path.size_usd) for path in paths] == [
        (("lido", "aave", "morpho", "euler"), D(10)),
        (("lido", "aave", "morpho"), D(50)),
        (("lido", "aave"), D(40)),
    ]
    assert chain_depth(paths) == 4
    assert chain_depth([]) == 0


def test_a_cycle_too_long_is_cut_once_in_the_chains() -> None:
    names = "abcdefg"
    ring = {(a, b): D(10) for a, b in pairwise([*names, "a"])}
    found = loops(ring)
    assert found.cycles == ()
    paths = chains(found.residual)
    assert chain_depth(paths) == 7
    assert sum(path.size_usd * (path.depth - 1) for path in paths) == 70


def by_definition(weights: dict[tuple[str, str], Decimal], min_usd: Decimal) -> list[Cycle]:
    """The definition, word by word: enumerate every simple cycle, take the best, subtract, repeat."""
    left = {pair: value for pair, value in weights.items() if value > 0}
    found = []
    while True:
        graph = networkx.DiGraph([pair for pair, value in left.items() if value > 0 and value >= min_usd])
        best = None
        for nodes in networkx.simple_cycles(graph, length_bound=6):
            start = nodes.index(min(nodes))
            turned = tuple(nodes[start:] + nodes[:start])
            size = min(left[pair] for pair in pairwise([*turned, turned[0]]))
            if best is None or (-size, len(turned), turned) < (-best.size_usd, best.length, best.nodes):
                best = Cycle(turned, size)
        if best is None:
            return found
        found.append(best)
        for pair in pairwise([*best.nodes, best.nodes[0]]):
            left[pair] -= best.size_usd


NODES = st.sampled_from("abcdefg")
PAIRS = st.tuples(NODES, NODES).filter(lambda pair: pair[0] != pair[1])
VALUES = st.integers(1, 12).map(D) | st.decimals("0.01", "1000000", places=2)
GRAPHS = st.dictionaries(PAIRS, VALUES, max_size=24)


@settings(max_examples=150, deadline=None)
@given(GRAPHS, st.sampled_from([D(0), D(3), D(50)]))
def test_equals_the_definition_by_enumeration(weights: dict[tuple[str, str], Decimal], min_usd: Decimal) -> None:
    assert decompose(weights, min_usd=min_usd)[0] == by_definition(weights, min_usd)


@settings(max_examples=150, deadline=None)
@given(GRAPHS, st.sampled_from([D(0), D(5)]), st.randoms())
def test_sizes_residual_and_order(weights: dict[tuple[str, str], Decimal], min_usd: Decimal, random: object) -> None:
    found = loops(weights, min_usd=min_usd)
    used = dict.fromkeys(weights, D(0))
    for cycle in found.cycles:
        for pair in pairwise([*cycle.nodes, cycle.nodes[0]]):
            used[pair] += cycle.size_usd
    for pair, value in weights.items():
        assert used[pair] <= value
        assert used[pair] + found.residual.get(pair, D(0)) == value  # nothing made, nothing lost
    assert found.loop_exposure_usd <= sum(weights.values())
    heavy = networkx.DiGraph([pair for pair, value in found.residual.items() if value >= min_usd])
    assert next(iter(networkx.simple_cycles(heavy, length_bound=6)), None) is None
    shuffled = list(weights.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert loops(dict(shuffled), min_usd=min_usd).cycles == found.cycles


EDGES = st.lists(st.tuples(st.sampled_from("AB"), PAIRS, VALUES), max_size=16)


@settings(max_examples=100, deadline=None)
@given(EDGES, st.integers(1, 9))
def test_merging_or_splitting_accounts_of_an_owner_changes_nothing(
    made: list[tuple[str, tuple[str, str], Decimal]], parts: int
) -> None:
    whole = [edge(owner, *pair, value) for owner, pair, value in made]
    split = [
        edge(item.owner, item.source, item.target, item.value_usd * share / 10)
        for item in whole
        for share in (parts, 10 - parts)
    ]
    one, two = owner_loops(whole), owner_loops(split)
    assert {owner: found.cycles for owner, found in one.items()} == {
        owner: found.cycles for owner, found in two.items()
    }


@settings(max_examples=100, deadline=None)
@given(GRAPHS)
def test_chains_hold_what_cycles_left(weights: dict[tuple[str, str], Decimal]) -> None:
    residual = loops(weights).residual
    left = dict.fromkeys(residual, D(0))
    for chain in chains(residual):
        assert len(set(chain.nodes)) == chain.depth
        for pair in pairwise(chain.nodes):
            left[pair] += chain.size_usd
    assert left == residual
