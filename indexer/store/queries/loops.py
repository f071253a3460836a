"""Recursion: loops, their share of borrowing, and debt-financed collateral."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_slice

LOOPS_KEY: Final[Keyset] = (("size_order", "number"), ("loop_id", "text"))
"""Largest debt first, those without a price last; ties by id. `size_order` is the exact debt, negated."""

LOOPS: Final[LiteralString] = """
SELECT l.loop_id, l.owner_id AS owner, l.method, l.shape, l.kind, l.market_id, l.projects, l.cycle, l.pair_class, l.turns,
       l.depth, l.depth_1d, l.depth_tx, l.n_links, l.is_flash, l.evidence,
       trim_scale(l.collateral_usd)::text AS collateral_usd, trim_scale(l.debt_usd)::text AS debt_usd,
       l.multiplier::float8, l.max_ltv::float8, l.bound::float8, l.bound_utilisation::float8, l.is_above_bound,
       l.liquidation_bound::float8, l.equivalent_depth::float8, trim_scale(l.linked_usd)::text AS linked_usd,
       l.opened_block, l.last_block, l.closed_block, coalesce(-l.debt_usd, 1)::text AS size_order, %(block_number)s::bigint AS as_of_block
FROM loops_at(%(chain_id)s, %(block_number)s, %(owner)s::text) l
WHERE (%(method)s::text IS NULL OR l.method = %(method)s)
  AND (%(kind)s::text IS NULL OR l.kind = %(kind)s)
  AND (%(shape)s::text IS NULL OR l.shape = %(shape)s)
  AND (%(is_open)s::boolean IS NULL OR (l.closed_block IS NULL) = %(is_open)s)
  AND (%(key_0)s::text IS NULL OR (coalesce(-l.debt_usd, 1), l.loop_id) > (%(key_0)s::text::numeric, %(key_1)s::text))
ORDER BY coalesce(-l.debt_usd, 1), l.loop_id LIMIT %(limit)s
"""

SUMMARY_KEY: Final[Keyset] = (("project", "text"), ("version", "text"), ("deployment", "text"))

SUMMARY: Final[LiteralString] = """
SELECT s.project, s.version, s.deployment, s.window_s, s.n_loops, s.n_owners, s.max_turns,
       trim_scale(s.borrow_usd)::text AS borrow_usd, trim_scale(s.matched_usd)::text AS matched_usd,
       s.recursive_borrow_share_volume::float8, s.n_borrows, s.n_matched, s.recursive_borrow_share_count::float8, s.n_unpriced,
       trim_scale(s.looped_debt_usd)::text AS looped_debt_usd, trim_scale(s.debt_usd)::text AS debt_usd,
       s.looped_debt_share::float8, %(from_block)s::bigint AS from_block, s.as_of_block
FROM loops_summary_at(%(chain_id)s, %(block_number)s, %(from_block)s::bigint, %(window_s)s::bigint) s
WHERE (%(key_0)s::text IS NULL OR (s.project, s.version, s.deployment) > (%(key_0)s::text, %(key_1)s::text, %(key_2)s::text))
ORDER BY s.project, s.version, s.deployment LIMIT %(limit)s
"""

DFC_KEY: Final[Keyset] = (*SUMMARY_KEY, ("rule", "text"))

DFC: Final[LiteralString] = """
SELECT f.project, f.version, f.deployment, f.rule, trim_scale(f.tagged_usd)::text AS tagged_usd,
       trim_scale(f.collateral_usd)::text AS collateral_usd, f.share::float8, f.coverage_start_block,
       f.block_number AS as_of_block
FROM dfc_at(%(chain_id)s, %(block_number)s) f
WHERE (%(rule)s::text IS NULL OR f.rule = %(rule)s)
  AND (%(key_0)s::text IS NULL OR (f.project, f.version, f.deployment, f.rule)
       > (%(key_0)s::text, %(key_1)s::text, %(key_2)s::text, %(key_3)s::text))
ORDER BY f.project, f.version, f.deployment, f.rule LIMIT %(limit)s
"""


def loops(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, owner: str | None, method: str | None, kind: str | None, shape: str | None, is_open: bool | None,
) -> Slice:  # fmt: skip
    """Return loops by either method, largest debt first; of one owner or of all."""
    parameters = {
        "chain_id": at.chain_id, "block_number": at.block_number, "owner": owner, "method": method, "kind": kind,
        "shape": shape, "is_open": is_open,
    }  # fmt: skip
    return select_slice(connection, LOOPS, LOOPS_KEY, after, limit, parameters)


def summary(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, *, from_block: int, window_s: int | None
) -> Slice:
    """Return how recursive the borrowing at each deployment is."""
    parameters = {
        "chain_id": at.chain_id, "block_number": at.block_number, "from_block": from_block, "window_s": window_s,
    }  # fmt: skip
    return select_slice(connection, SUMMARY, SUMMARY_KEY, after, limit, parameters)


def dfc(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, *, rule: str | None) -> Slice:
    """Return the debt-financed share of each deployment's collateral by rule."""
    parameters = {"chain_id": at.chain_id, "block_number": at.block_number, "rule": rule}
    return select_slice(connection, DFC, DFC_KEY, after, limit, parameters)


LINKS_BETWEEN: Final[LiteralString] = """
SELECT CASE WHEN l.closed_block IS NULL THEN 'opened' ELSE 'closed' END AS change,
       'event:' || l.loop_id AS loop_id, l.link_id::text, l.owner_id AS owner, l.kind, l.from_project, l.to_project,
       l.from_market_id, l.to_market_id, l.token, l.symbol, l.borrow_token, l.borrow_symbol, l.amount_raw::text,
       trim_scale(l.amount_usd)::text AS amount_usd, l.depth, l.turn, l.is_flash, l.evidence, l.opened_block, l.closed_block,
       d.protocol, coalesce(l.closed_block, l.opened_block) AS block_number
FROM loop_links_at(%(chain_id)s, NULL) l
JOIN market m ON m.chain_id = l.chain_id AND m.market_id = l.to_market_id
JOIN deployment d ON d.chain_id = m.chain_id AND d.deployment_key = m.deployment_key
WHERE (l.opened_block BETWEEN %(first)s AND %(last)s OR l.closed_block BETWEEN %(first)s AND %(last)s) AND NOT l.is_repledge
  AND d.protocol = ANY (%(protocols)s::text[])
ORDER BY block_number, l.supply_ref, l.borrow_ref
"""


def links_between(
    connection: Connection[Any], *, chain_id: int, first: int, last: int, protocols: Sequence[str]
) -> list[Row]:
    """Return the loop links that were opened or closed in blocks `first..last`, oldest first."""
    asked = {"chain_id": chain_id, "first": first, "last": last, "protocols": list(protocols)}
    return select(connection, LINKS_BETWEEN, asked)
