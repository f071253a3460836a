"""Simulations: what may be asked about, the queue, and the answers. `enqueue` is the one statement of the API that writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_one, select_slice

MOST_WAITING: Final = 100
"""Simulations that may wait or run at a time; more are refused."""

ASSETS: Final[LiteralString] = """
SELECT DISTINCT '0x' || encode(t.address, 'hex') AS asset, t.symbol
FROM market m
JOIN token t ON t.chain_id = m.chain_id AND t.address IN (m.asset, m.collateral_asset)
WHERE m.chain_id = %(chain_id)s AND m.block_number <= %(block_number)s
ORDER BY 1
"""


def assets(connection: Connection[Any], chain_id: int, block_number: int) -> list[Row]:
    """Return the assets that can be shocked: those of any market, with their symbols."""
    return select(connection, ASSETS, {"chain_id": chain_id, "block_number": block_number})


def named(known: list[Row], name: str) -> str:
    """Return the address of an asset that is named by address or symbol. Raises LookupError saying what would do."""
    if name.lower().startswith("0x"):
        if any(row["asset"] == name.lower() for row in known):
            return name.lower()
        raise LookupError(f"{name} is not an asset of any indexed market")
    found = [str(row["asset"]) for row in known if row["symbol"] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise LookupError(f"{name} is the symbol of several assets: {', '.join(found)}; give the address")
    raise LookupError(f"{name} is not an asset of any indexed market; give an address, or a symbol as in /v1/markets")


def run_id(chain_id: int, block_hash: str, body: Mapping[str, Any]) -> str:
    """Return the id of a question: the same body about the same block has the same one."""
    text = json.dumps([chain_id, block_hash, body], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


WAITING: Final[LiteralString] = """
SELECT count(*) AS waiting FROM cascade_runs WHERE status <> 'done' AND status <> 'failed'
"""

ENQUEUE: Final[LiteralString] = """
INSERT INTO cascade_runs (chain_id, run_id, block_number, block_hash, body, status, queued_at)
VALUES (%(chain_id)s, %(run_id)s, %(block_number)s, decode(substr(%(block_hash)s, 3), 'hex'), %(body)s::jsonb, 'queued',
        extract(epoch FROM now())::bigint)
ON CONFLICT (chain_id, run_id) DO NOTHING
"""

RUN: Final[LiteralString] = """
SELECT r.run_id AS id, r.chain_id, r.block_number, '0x' || encode(r.block_hash, 'hex') AS block_hash, r.status, r.error,
       r.body, r.result
FROM cascade_runs r WHERE r.run_id = %(run_id)s
"""

ROUNDS: Final[LiteralString] = """
SELECT r.depth_factor, r.round, r.step, r.n_liquidated, trim_scale(r.repaid_usd)::text AS repaid_usd,
       trim_scale(r.bad_debt_usd)::text AS bad_debt_usd, r.detail
FROM cascade_rounds r WHERE r.run_id = %(run_id)s AND r.chain_id = %(chain_id)s ORDER BY r.depth_factor, r.round
"""


def is_full(connection: Connection[Any]) -> bool:
    """Return whether as many simulations wait as may."""
    row = select_one(connection, WAITING, {})
    return row is not None and int(row["waiting"]) >= MOST_WAITING


def enqueue(connection: Connection[Any], at: BlockAt, body: Mapping[str, Any]) -> str:
    """Ask for a simulation, unless the same was asked before; return its id."""
    found = run_id(at.chain_id, at.block_hash, body)
    connection.execute(
        ENQUEUE,
        {
            "chain_id": at.chain_id, "run_id": found, "block_number": at.block_number, "block_hash": at.block_hash,
            "body": json.dumps(body, sort_keys=True),
        },
    )  # fmt: skip
    return found


def find(connection: Connection[Any], run: str) -> Row | None:
    """Return a simulation with its result, or None."""
    return select_one(connection, RUN, {"run_id": run})


def rounds(connection: Connection[Any], chain_id: int, run: str) -> list[Row]:
    """Return the rounds of a simulation, by depth setting."""
    return select(connection, ROUNDS, {"chain_id": chain_id, "run_id": run})


PROPAGATION: Final[LiteralString] = """
SELECT p.source, p.target, p.collateral_overlap::float8, p.collateral_overlap_without_stables::float8,
       trim_scale(p.shared_owner_debt_usd)::text AS shared_owner_debt_usd, trim_scale(p.target_debt_usd)::text AS target_debt_usd,
       s.propagation, s.run_id AS simulation, s.block_number AS simulated_block
FROM propagation_at(%(chain_id)s, %(block_number)s) p
LEFT JOIN (
    SELECT m.source, m.target, m.propagation, m.run_id, m.block_number FROM propagation_matrix m
    WHERE m.chain_id = %(chain_id)s AND m.run_id = coalesce(%(simulation)s::text, (
        SELECT r.run_id FROM cascade_runs r
        WHERE r.chain_id = %(chain_id)s AND r.status = 'done' AND r.block_number <= %(block_number)s
        ORDER BY r.block_number DESC, r.finished_at DESC, r.run_id LIMIT 1))
) s ON s.source = p.source AND s.target = p.target
WHERE (%(key_0)s::text IS NULL OR (p.source, p.target) > (%(key_0)s::text, %(key_1)s::text))
ORDER BY p.source, p.target LIMIT %(limit)s
"""

PROPAGATION_KEY: Final[Keyset] = (("source", "text"), ("target", "text"))
"""Pairs of protocols by name."""


def propagation(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None, *, simulation: str | None
) -> Slice:
    """Return how pairs of protocols hang together, with what a simulation carried over: the one named, else the newest."""
    return select_slice(
        connection, PROPAGATION, PROPAGATION_KEY, after, limit,
        {"chain_id": at.chain_id, "block_number": at.block_number, "simulation": simulation},
    )  # fmt: skip
