"""M9 and M10 over time: exposure graph, cycles, chains, look-through and rehypothecation at the end of every interval.

The head needs no rows: the same graph is a SQL function of any block (`exposure_edges_at`, `protocol_cycles_at`,
`lookthrough_at`), so that a block costs nothing here and a question about it what its graph has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg

from indexer.aggregation.graph import Edge, Loops, by_owner, chain_depth, chains, collapse, loops, owner_loops, total

if TYPE_CHECKING:
    from indexer.measures import Interval

Connection = psycopg.Connection[Any]
Row = tuple[object, ...]

TABLES: tuple[LiteralString, ...] = (
    "exposure_snapshot",
    "exposure_edge_snapshot",
    "protocol_cycle_snapshot",
    "lookthrough_snapshot",
    "rehypothecation_snapshot",
)
CENT = Decimal("0.000001")


def at_interval(connection: Connection, interval: Interval) -> None:
    """Write the graph as of the last block of the interval with a log of any protocol, in place of what was there."""
    chain, block = interval.chain_id, interval.block_number
    for table in TABLES:
        connection.execute(f"DELETE FROM {table} WHERE chain_id = %s AND bucket = %s", (chain, interval.bucket))
    key = (chain, interval.bucket)
    found = connection.execute(
        "SELECT method, owner_id, src, dst, edge_kind, value_usd FROM exposure_edges_at(%s, %s) WHERE src <> dst",
        (chain, block),
    ).fetchall()
    methods = [row[0] for row in connection.execute("SELECT method FROM exposure_methods() ORDER BY method")]
    for method in methods:
        own = [row[1:] for row in found if row[0] == method]
        priced = [Edge(*row) for row in own if row[4] is not None]
        unpriced = [row for row in own if row[4] is None]
        _insert(connection, "exposure_edge_snapshot", (
            (*key, method, source, target, kind, block, *sums)
            for (source, target, kind), sums in _edge_sums(priced, unpriced).items()
        ))  # fmt: skip
        each, system = owner_loops(priced), loops(collapse(priced))
        parts = {owner: chains(part.residual) for owner, part in each.items()}
        together = total(each.values())
        _insert(connection, "exposure_snapshot", [(
            *key, method, block, together.loop_exposure_usd, together.gross_circulation_usd, system.loop_exposure_usd,
            max(map(chain_depth, parts.values()), default=0), len(by_owner(Edge(*row) for row in own)), len(unpriced),
        )])  # fmt: skip
        _insert(connection, "protocol_cycle_snapshot", (
            (*key, method, scope, form, rank, block, list(nodes), len(nodes), size, owners)
            for scope, form, listed in (
                ("owners", "cycle", _summed({owner: part.cycles for owner, part in each.items()})),
                ("owners", "chain", _summed(parts)),
                ("system", "cycle", _ranked(system)),
            )
            for rank, (nodes, size, owners) in enumerate(listed, 1)
        ))  # fmt: skip
    _look_through(connection, key, block)
    connection.execute(
        "INSERT INTO rehypothecation_snapshot (chain_id, bucket, asset, block_number, claims_usd, held_usd) "
        "SELECT chain_id, %s, asset, %s, claims_usd, held_usd FROM rehypothecation_at(%s, %s)",
        (interval.bucket, block, chain, block),
    )


def _edge_sums(
    priced: Iterable[Edge], unpriced: Iterable[tuple[Any, ...]]
) -> dict[tuple[str, str, str], tuple[Decimal, int, int]]:
    """Return (source, target, kind) -> value, owners, edges without a price."""
    values: dict[tuple[str, str, str], Decimal] = {}
    owners: dict[tuple[str, str, str], set[str]] = {}
    lacking: dict[tuple[str, str, str], int] = {}
    for edge in priced:
        kind = edge.source, edge.target, edge.kind
        values[kind] = values.get(kind, Decimal(0)) + edge.value_usd
        owners.setdefault(kind, set()).add(edge.owner)
    for owner, source, target, edge_kind, _ in unpriced:
        kind = source, target, edge_kind
        owners.setdefault(kind, set()).add(owner)
        lacking[kind] = lacking.get(kind, 0) + 1
    return {
        kind: (values.get(kind, Decimal(0)), len(names), lacking.get(kind, 0)) for kind, names in sorted(owners.items())
    }


Listed = list[tuple[tuple[str, ...], Decimal, int | None]]


def _summed(parts: Mapping[str, Iterable[Any]]) -> Listed:
    """Return paths of several owners, those through the same nodes summed: longest chains first, largest cycles first."""
    sizes: dict[tuple[str, ...], Decimal] = {}
    owners: dict[tuple[str, ...], set[str]] = {}
    deepest_first = False
    for owner, paths in parts.items():
        for path in paths:
            sizes[path.nodes] = sizes.get(path.nodes, Decimal(0)) + path.size_usd
            owners.setdefault(path.nodes, set()).add(owner)
            deepest_first = hasattr(path, "depth")
    order = sorted(sizes, key=lambda nodes: (-len(nodes) if deepest_first else 0, -sizes[nodes], len(nodes), nodes))
    return [(nodes, sizes[nodes], len(owners[nodes])) for nodes in order]


def _ranked(found: Loops) -> Listed:
    return [(cycle.nodes, cycle.size_usd, None) for cycle in found.cycles]


def _look_through(connection: Connection, key: tuple[int, int], block: int) -> None:
    books = connection.execute(
        "SELECT owner_id, is_vault, assets_usd, debt_usd, netted_assets_usd, netted_debt_usd, plain_usd, unseen_usd, "
        "is_priced, shares FROM lookthrough_books(%s, %s) ORDER BY owner_id",
        (key[0], block),
    ).fetchall()
    vaults = {share["vault"] for row in books for share in row[9]}
    seen = [row for row in books if row[1] or row[9] or row[7] or row[0] in vaults]
    if not seen:
        return
    from indexer.aggregation.lookthrough import Entity, Holding, look_through  # SciPy: not where there is no vault

    names = {row[0] for row in seen}
    held = [
        Holding(row[0], share["vault"], min(float(Decimal(share["value_usd"]) / Decimal(share["equity_usd"])), 1.0))
        for row in seen
        for share in row[9]
        if share["vault"] in names and share["value_usd"] and share["equity_usd"] and Decimal(share["equity_usd"]) > 0
    ]
    found = look_through([Entity(row[0], row[6], row[3]) for row in seen], held)
    rows: list[Row] = []
    for owner, is_vault, assets, debt, net_assets, net_debt, _, unseen, is_priced, shares in seen:
        if is_vault:
            continue
        result = found[owner]
        lost = sum((Decimal(share["value_usd"]) for share in shares if share["value_usd"]), Decimal(0))
        leverage = result.leverage
        rows.append((
            *key, owner, block, result.status if is_priced else "unpriced",
            *((_rounded(result.assets_usd), _rounded(result.debt_usd), assets, debt, _ratio(assets, debt),
               _ratio(net_assets, net_debt), None if leverage is None else Decimal(repr(leverage)))
              if is_priced else (None,) * 7),
            result.hops, unseen + (lost if result.status == "unresolved" else 0),
        ))  # fmt: skip
    _insert(connection, "lookthrough_snapshot", rows)


def _rounded(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value)).quantize(CENT)


def _ratio(assets: Decimal, debt: Decimal) -> Decimal | None:
    return assets / (assets - debt) if assets > debt else None


def _insert(connection: Connection, table: LiteralString, rows: Iterable[Row]) -> None:
    """Write rows in the order of the table's columns."""
    listed = list(rows)
    if listed:
        places = ", ".join(["%s"] * len(listed[0]))
        with connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} VALUES ({places})".encode(), listed)
