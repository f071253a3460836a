"""What comparing with the contracts found (M23), kept: table `reconciliation`."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import psycopg

from indexer.types import Address, Hash


class Found(NamedTuple):
    """One comparison; see the table's columns."""

    block_number: int
    n_compared: int
    n_differences: int
    worst_error: float | None


def keep(connection: psycopg.Connection[Any], chain_id: int, source: Literal["run", "verify"], found: Found) -> None:
    """Write a comparison that ended now."""
    connection.execute(
        "INSERT INTO reconciliation (chain_id, seen_at, block_number, source, n_compared, n_differences, worst_error) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (chain_id, seen_at) DO UPDATE SET "
        "block_number = excluded.block_number, source = excluded.source, n_compared = excluded.n_compared, "
        "n_differences = excluded.n_differences, worst_error = excluded.worst_error",
        (chain_id, int(time.time()), found.block_number, source, *found[1:]),
    )


def seconds_since_last(connection: psycopg.Connection[Any], chain_id: int) -> float | None:
    """Return how long ago `leverage run` last compared; None when it never did."""
    row = connection.execute(
        "SELECT extract(epoch FROM now())::float8 - max(seen_at) FROM reconciliation WHERE chain_id = %s AND source = 'run'",
        (chain_id,),
    ).fetchone()
    return None if row is None else row[0]


HEAD = """
SELECT k.protocol, k.block_number, '0x' || encode(b.block_hash, 'hex')
FROM cursor k
JOIN block b ON b.chain_id = k.chain_id AND b.block_number = k.block_number AND b.block_hash = k.block_hash
WHERE k.chain_id = %s AND k.status = 'following'
"""


def following(connection: psycopg.Connection[Any], chain_id: int) -> tuple[int, Hash, tuple[str, ...]] | None:
    """Return the block that most of the protocols at the head stand at, with its hash and their slugs; None for none."""
    blocks: dict[tuple[int, Hash], list[str]] = {}
    for slug, number, block_hash in connection.execute(HEAD, (chain_id,)):
        blocks.setdefault((number, block_hash), []).append(slug)
    if not blocks:
        return None
    (number, block_hash), slugs = max(blocks.items(), key=lambda found: (len(found[1]), found[0]))
    return number, block_hash, tuple(sorted(slugs))


SAMPLE = """
SELECT m.deployment_key, '0x' || encode(p.account, 'hex')
FROM position p JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.market_key
WHERE p.chain_id = %s AND m.deployment_key = ANY (%s) AND p.shares_raw <> 0
ORDER BY random() LIMIT %s
"""


def some_accounts(
    connection: psycopg.Connection[Any], chain_id: int, deployments: Collection[int], most: int
) -> Mapping[int, Sequence[Address]]:
    """Return the accounts of `most` open balances drawn at random, by deployment."""
    found: dict[int, dict[Address, None]] = {}
    for key, account in connection.execute(SAMPLE, (chain_id, list(deployments), most)):
        found.setdefault(key, {})[account] = None
    return {key: tuple(accounts) for key, accounts in found.items()}
