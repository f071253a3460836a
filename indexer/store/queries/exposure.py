"""The exposure graph between protocols: its edges, its cycles and chains, and one owner's part in it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.owners import cluster
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_one, select_slice

GRAPH_KEY: Final[Keyset] = (("src", "text"), ("dst", "text"), ("edge_kind", "text"))

GRAPH: Final[LiteralString] = """
SELECT g.method, g.src, g.dst, g.edge_kind, trim_scale(g.value_usd)::text AS value_usd, g.n_owners, g.n_unpriced, g.as_of_block
FROM exposure_graph_at(%(chain_id)s, %(block_number)s) g
WHERE g.method = %(method)s
  AND (%(edge_kind)s::text IS NULL OR g.edge_kind = %(edge_kind)s)
  AND (%(min_usd)s::numeric IS NULL OR g.value_usd >= %(min_usd)s::numeric)
  AND (%(key_0)s::text IS NULL OR (g.src, g.dst, g.edge_kind) > (%(key_0)s::text, %(key_1)s::text, %(key_2)s::text))
ORDER BY g.src, g.dst, g.edge_kind LIMIT %(limit)s
"""


def graph(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, method: str, edge_kind: str | None, min_usd: Decimal | None,
) -> Slice:  # fmt: skip
    """Return the edges between protocols, all owners summed."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "method": method,
        "edge_kind": edge_kind,
        "min_usd": min_usd,
    }
    return select_slice(connection, GRAPH, GRAPH_KEY, after, limit, parameters)


CYCLES_KEY: Final[Keyset] = (("size_usd", "number"), ("cycle_id", "text"))
"""Largest first."""

CYCLES: Final[LiteralString] = """
SELECT p.method, p.scope, p.owner_id, p.form, p.nodes, p.length, p.size_usd::text AS size_usd, p.rank, p.as_of_block, p.cycle_id
FROM (
    SELECT c.*, left(md5(concat_ws('|', c.chain_id, c.method, c.scope, c.owner_id, c.form, c.nodes)), 16) AS cycle_id
    FROM (
        SELECT d.chain_id, d.method, d.scope, d.owner_id, d.form, d.rank, d.nodes, d.length, trim_scale(d.size_usd) AS size_usd,
               d.as_of_block
        FROM protocol_cycles_at(%(chain_id)s, %(block_number)s, %(min_usd)s::numeric) d
    ) c
    WHERE c.method = %(method)s AND c.scope = %(scope)s AND c.form = %(form)s
      AND (%(protocol)s::text IS NULL OR %(protocol)s = ANY (c.nodes))
) p
WHERE %(key_0)s::text IS NULL OR (p.size_usd, p.cycle_id) < (%(key_0)s::numeric, %(key_1)s::text)
ORDER BY p.size_usd DESC, p.cycle_id DESC LIMIT %(limit)s
"""


def cycles(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, method: str, scope: str, form: str, min_usd: Decimal, protocol: str | None,
) -> Slice:  # fmt: skip
    """Return cycles, or chains, of each owner's graph or of the system's."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "method": method,
        "scope": scope,
        "form": form,
        "min_usd": min_usd,
        "protocol": protocol,
    }
    return select_slice(connection, CYCLES, CYCLES_KEY, after, limit, parameters)


SUMMARY: Final[LiteralString] = """
WITH found AS MATERIALIZED (
    SELECT * FROM protocol_cycles_at(%(chain_id)s, %(block_number)s, %(min_usd)s::numeric) d WHERE d.method = %(method)s
), cycle AS (
    SELECT * FROM found WHERE form = 'cycle' AND scope = 'owner'
)
SELECT %(method)s::text AS method,
       coalesce(trim_scale(sum(c.size_usd)), 0)::text AS loop_exposure_usd,
       coalesce(trim_scale(sum(c.size_usd * c.length)), 0)::text AS gross_circulation_usd,
       (SELECT coalesce(trim_scale(sum(s.size_usd)), 0)::text FROM found s WHERE s.scope = 'system') AS system_loop_exposure_usd,
       (SELECT coalesce(max(h.length), 0) FROM found h WHERE h.form = 'chain') AS chain_depth,
       count(*) AS n_cycles, count(DISTINCT c.owner_id) AS n_loop_owners,
       (SELECT count(DISTINCT f.owner_id) FROM found f) AS n_owners,
       coalesce((
           SELECT json_agg(json_build_object('protocol', x.node, 'exposure_usd', trim_scale(x.usd)::text) ORDER BY x.node)
           FROM (SELECT n.node, sum(y.size_usd) AS usd FROM cycle y CROSS JOIN LATERAL unnest(y.nodes) n (node) GROUP BY n.node) x
       ), '[]') AS exposure_by_protocol
FROM cycle c
"""


def summary(connection: Connection[Any], at: BlockAt, *, method: str, min_usd: Decimal) -> Row:
    """Return the totals of the graph."""
    parameters = {"chain_id": at.chain_id, "block_number": at.block_number, "method": method, "min_usd": min_usd}
    found = select_one(connection, SUMMARY, parameters)
    assert found is not None  # an aggregate without GROUP BY is one row
    return found


EDGES_OF: Final[LiteralString] = """
SELECT e.method, e.src, e.dst, e.src_market, e.dst_market, e.edge_kind, e.token, e.symbol,
       trim_scale(e.value_usd)::text AS value_usd, e.changed_block
FROM exposure_edges_at(%(chain_id)s, %(block_number)s, %(accounts)s) e
ORDER BY e.method, e.src_market, e.dst_market, e.edge_kind, e.token
"""

CYCLES_OF: Final[LiteralString] = """
SELECT c.method, c.form, c.rank, c.nodes, c.length, trim_scale(c.size_usd)::text AS size_usd
FROM protocol_cycles_at(%(chain_id)s, %(block_number)s, 0, %(accounts)s) c
WHERE c.scope = 'owner'
ORDER BY c.method, c.form, c.rank
"""

LOOK_THROUGH_OF: Final[LiteralString] = """
SELECT l.status, trim_scale(l.assets_usd)::text AS assets_usd, trim_scale(l.debt_usd)::text AS debt_usd,
       trim_scale(l.gross_assets_usd)::text AS gross_assets_usd, trim_scale(l.gross_debt_usd)::text AS gross_debt_usd,
       l.leverage_gross::float8, l.leverage_netted::float8, l.leverage_lookthrough::float8, l.hops,
       trim_scale(l.unresolved_usd)::text AS unresolved_usd
FROM lookthrough_at(%(chain_id)s, %(block_number)s, %(accounts)s) l
WHERE l.owner_id = ANY (%(names)s)
ORDER BY l.owner_id LIMIT 1
"""


def of_accounts(connection: Connection[Any], at: BlockAt, account: str, accounts: list[str]) -> Row:
    """Return what an account, with all of its owner or by itself, is exposed to: edges, cycles and chains, look-through."""
    owner_id = cluster(connection, at, account).owner_id
    of = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "accounts": [bytes.fromhex(name[2:]) for name in accounts],
    }
    return {
        "account": account,
        "owner_id": owner_id,
        "accounts": accounts,
        "edges": select(connection, EDGES_OF, of),
        "cycles": select(connection, CYCLES_OF, of),
        "lookthrough": select_one(connection, LOOK_THROUGH_OF, {**of, "names": [owner_id, *accounts]}),
        "as_of_block": at.block_number,
    }
