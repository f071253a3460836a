"""What is indexed: chains, protocols and how far each one is, and which block an answer is of."""

from __future__ import annotations

from typing import Any, Final, LiteralString, NamedTuple

from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row

from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_one, select_slice
from indexer.types import Finality, Hash


class Coverage(NamedTuple):
    """A chain and the blocks answers may be of.

    `indexed_block` is the lowest cursor among protocols that are not stopped: everything they say is complete there.
    When all are stopped it is the lowest of all; None before the first block.
    """

    chain_id: int
    chain: str
    start_block: int | None
    indexed_block: int | None
    safe_block: int | None
    finalized_block: int | None


class BlockAt(NamedTuple):
    """The block an answer is of. `not_covered` names protocols whose rows are not complete there."""

    chain_id: int
    chain: str
    block_number: int
    block_hash: Hash
    block_timestamp: int
    block_time: str
    finality: Finality
    lag_blocks: int | None
    lag_seconds: int
    not_covered: list[str]


COVERAGE: Final[LiteralString] = """
SELECT c.chain_id, c.name AS chain, min(k.start_block) AS start_block,
       coalesce(min(k.block_number) FILTER (WHERE k.status <> 'stopped'), min(k.block_number)) AS indexed_block,
       c.safe_block, c.finalized_block
FROM chain c
LEFT JOIN cursor k ON k.chain_id = c.chain_id AND k.block_hash IS NOT NULL
GROUP BY c.chain_id
ORDER BY c.chain_id
"""


def chains(connection: Connection[Any]) -> list[Coverage]:
    """Return every chain with the range of blocks that answers may be of."""
    return [Coverage(**row) for row in select(connection, COVERAGE, {})]


OF_BLOCK: Final[LiteralString] = """
SELECT h.chain_id, h.chain, b.block_number, '0x' || encode(b.block_hash, 'hex') AS block_hash, b.block_timestamp,
       to_char(to_timestamp(b.block_timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS block_time,
       CASE WHEN b.block_number <= h.finalized_block THEN 'finalized'
            WHEN b.block_number <= h.safe_block THEN 'safe'
            ELSE 'latest' END AS finality,
       CASE WHEN h.head_block IS NOT NULL THEN greatest(h.head_block - h.indexed_block, 0) END AS lag_blocks,
"""
"""What is said of block `b` of chain `h`, as both statements below begin."""

BLOCK_AT: Final[LiteralString] = (
    """
WITH head AS (
    SELECT c.chain_id, c.name AS chain, c.head_block, c.safe_block, c.finalized_block,
           coalesce(min(k.block_number) FILTER (WHERE k.status <> 'stopped' AND k.block_hash IS NOT NULL),
                    min(k.block_number) FILTER (WHERE k.block_hash IS NOT NULL)) AS indexed_block,
           coalesce(array_agg(k.protocol ORDER BY k.protocol)
                    FILTER (WHERE %(block_number)s::bigint NOT BETWEEN k.start_block AND k.block_number),
                    '{}') AS not_covered
    FROM chain c
    JOIN cursor k ON k.chain_id = c.chain_id
    WHERE c.chain_id = %(chain_id)s
    GROUP BY c.chain_id
)
"""
    + OF_BLOCK
    + """
       (SELECT greatest(extract(epoch FROM now())::bigint - i.block_timestamp, 0)
        FROM block i
        WHERE i.chain_id = h.chain_id AND i.block_number <= h.indexed_block
        ORDER BY i.block_number DESC LIMIT 1) AS lag_seconds,
       h.not_covered
FROM head h
JOIN block b ON b.chain_id = h.chain_id AND b.block_number = %(block_number)s
"""
)


def block_at(connection: Connection[Any], chain_id: int, block_number: int) -> BlockAt | None:
    """Return the block with its finality and the lag of the index, or None when its header is not kept."""
    row = select_one(connection, BLOCK_AT, {"chain_id": chain_id, "block_number": block_number})
    return None if row is None else BlockAt(**row)


NEWEST: Final[LiteralString] = (
    """
WITH head AS (
    SELECT c.chain_id, c.name AS chain, c.head_block, c.safe_block, c.finalized_block,
           coalesce(min(k.block_number) FILTER (WHERE k.status <> 'stopped'), min(k.block_number)) AS indexed_block
    FROM chain c
    LEFT JOIN cursor k ON k.chain_id = c.chain_id AND k.block_hash IS NOT NULL
    GROUP BY c.chain_id
)
"""
    + OF_BLOCK
    + """
       greatest(extract(epoch FROM now())::bigint - b.block_timestamp, 0) AS lag_seconds,
       ARRAY(SELECT k.protocol FROM cursor k
             WHERE k.chain_id = h.chain_id AND b.block_number NOT BETWEEN k.start_block AND k.block_number
             ORDER BY k.protocol) AS not_covered,
       risk_head_holds(h.chain_id, b.block_number) AS holds
FROM head h
LEFT JOIN LATERAL (
    SELECT * FROM block
    WHERE block.chain_id = h.chain_id AND block.block_number <= h.indexed_block
    ORDER BY block.block_number DESC LIMIT 1
) b ON true
ORDER BY h.chain_id
"""
)


class Head(NamedTuple):
    """The newest block of a chain, None before the first, and whether the risk table of the head is of that block."""

    chain_id: int
    chain: str
    at: BlockAt | None
    holds: bool


async def newest(connection: AsyncConnection[Any]) -> list[Head]:
    """Return every chain with what `chains`, `newest_block`, `block_at` and `at_risk.holds` say of its newest block, in one question."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(NEWEST, {}, prepare=True)
        rows = await cursor.fetchall()
    found = []
    for row in rows:
        holds = bool(row.pop("holds"))
        at = None if row["block_number"] is None else BlockAt(**row)
        found.append(Head(row["chain_id"], row["chain"], at, holds))
    return found


NEWEST_BLOCK: Final[LiteralString] = """
SELECT block_number
FROM block
WHERE chain_id = %(chain_id)s AND block_number <= %(up_to)s
ORDER BY block_number DESC LIMIT 1
"""

NEWEST_BLOCK_BY_TIME: Final[LiteralString] = """
SELECT block_number
FROM block
WHERE chain_id = %(chain_id)s AND block_timestamp <= %(timestamp)s AND block_number <= %(up_to)s
ORDER BY block_timestamp DESC, block_number DESC LIMIT 1
"""


def newest_block(connection: Connection[Any], chain_id: int, up_to: int) -> int | None:
    """Return the newest block not above `up_to` whose header is kept."""
    row = select_one(connection, NEWEST_BLOCK, {"chain_id": chain_id, "up_to": up_to})
    return None if row is None else row["block_number"]


def newest_block_by_time(connection: Connection[Any], chain_id: int, up_to: int, timestamp: int) -> int | None:
    """Return the newest block not above `up_to` and not later than `timestamp` whose header is kept."""
    parameters = {"chain_id": chain_id, "up_to": up_to, "timestamp": timestamp}
    row = select_one(connection, NEWEST_BLOCK_BY_TIME, parameters)
    return None if row is None else row["block_number"]


STATUS: Final[LiteralString] = """
SELECT c.chain_id, c.name AS chain, c.head_block, c.safe_block, c.finalized_block, k.indexed_block,
       CASE WHEN b.block_number = k.indexed_block THEN '0x' || encode(b.block_hash, 'hex') END AS block_hash,
       CASE WHEN b.block_number = k.indexed_block
            THEN to_char(to_timestamp(b.block_timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
       END AS block_time,
       to_char(to_timestamp(c.seen_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS node_seen_time,
       CASE WHEN c.head_block IS NOT NULL AND k.indexed_block IS NOT NULL
            THEN greatest(c.head_block - k.indexed_block, 0) END AS lag_blocks,
       CASE WHEN b.block_timestamp IS NOT NULL
            THEN greatest(extract(epoch FROM now())::bigint - b.block_timestamp, 0) END AS lag_seconds,
       (SELECT count(*) FROM reorg r
        WHERE r.chain_id = c.chain_id AND r.seen_at > extract(epoch FROM now())::bigint - 86400) AS reorgs_24h,
       r.worst_error AS reconciliation_error, r.n_differences AS reconciliation_differences,
       r.n_compared AS reconciliation_compared, r.block_number AS reconciliation_block,
       to_char(to_timestamp(r.seen_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS reconciliation_time,
       coalesce(k.protocols, '[]') AS protocols
FROM chain c
LEFT JOIN LATERAL (
    SELECT * FROM reconciliation n WHERE n.chain_id = c.chain_id ORDER BY n.seen_at DESC LIMIT 1
) r ON true
LEFT JOIN (
    SELECT chain_id,
           coalesce(min(block_number) FILTER (WHERE status <> 'stopped' AND block_hash IS NOT NULL),
                    min(block_number) FILTER (WHERE block_hash IS NOT NULL)) AS indexed_block,
           json_agg(json_build_object(
               'protocol', protocol, 'status', status, 'start_block', start_block,
               'block_number', CASE WHEN block_hash IS NOT NULL THEN block_number END,
               'block_hash', '0x' || encode(block_hash, 'hex'), 'error', error) ORDER BY protocol) AS protocols
    FROM cursor
    GROUP BY chain_id
) k ON k.chain_id = c.chain_id
LEFT JOIN LATERAL (
    SELECT * FROM block
    WHERE block.chain_id = c.chain_id AND block.block_number <= k.indexed_block
    ORDER BY block.block_number DESC LIMIT 1
) b ON true
WHERE %(chain_id)s::bigint IS NULL OR c.chain_id = %(chain_id)s
ORDER BY c.chain_id
"""


def status(connection: Connection[Any], chain_id: int | None) -> list[Row]:
    """Return each chain with its protocols: how far, how late, and why one is stopped. All chains when None."""
    return select(connection, STATUS, {"chain_id": chain_id})


PROTOCOLS_KEY: Final[Keyset] = (("protocol", "text"),)

PROTOCOLS: Final[LiteralString] = """
SELECT n.protocol, k.status, k.start_block, CASE WHEN k.block_hash IS NOT NULL THEN k.block_number END AS block_number,
       coalesce(d.deployments, '[]') AS deployments, coalesce(d.markets, 0) AS markets
FROM (SELECT protocol FROM cursor WHERE chain_id = %(chain_id)s
      UNION SELECT protocol FROM deployment WHERE chain_id = %(chain_id)s) n
LEFT JOIN cursor k ON k.chain_id = %(chain_id)s AND k.protocol = n.protocol
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('deployment', e.name, 'project', e.project, 'version', e.version, 'kind', e.kind,
                                      'start_block', e.start_block, 'contracts', e.contracts,
                                      'proven', e.proven) ORDER BY e.name) AS deployments,
           sum((SELECT count(*) FROM market m
                WHERE m.chain_id = e.chain_id AND m.deployment_key = e.deployment_key
                  AND m.block_number <= %(block_number)s))::bigint AS markets
    FROM deployment e
    WHERE e.chain_id = %(chain_id)s AND e.protocol = n.protocol
) d ON true
WHERE %(key_0)s::text IS NULL OR n.protocol > %(key_0)s::text
ORDER BY n.protocol LIMIT %(limit)s
"""


def protocols(connection: Connection[Any], at: BlockAt, limit: int, after: Key | None) -> Slice:
    """Return the protocols of a chain with their deployments and the markets listed by the block."""
    parameters = {"chain_id": at.chain_id, "block_number": at.block_number}
    return select_slice(connection, PROTOCOLS, PROTOCOLS_KEY, after, limit, parameters)


PROTOCOL_RANGE: Final[LiteralString] = """
SELECT start_block, CASE WHEN block_hash IS NOT NULL THEN block_number END AS block_number, status
FROM cursor
WHERE chain_id = %(chain_id)s AND protocol = %(protocol)s
"""


def protocol_range(connection: Connection[Any], chain_id: int, protocol: str) -> Row | None:
    """Return the first and last block a protocol is complete for, or None when it is not indexed on the chain."""
    return select_one(connection, PROTOCOL_RANGE, {"chain_id": chain_id, "protocol": protocol})


DEPLOYMENT_KNOWN: Final[LiteralString] = """
SELECT 1 AS known
FROM deployment
WHERE chain_id = %(chain_id)s AND name = %(deployment)s AND (%(protocol)s::text IS NULL OR protocol = %(protocol)s)
LIMIT 1
"""


def deployment_known(connection: Connection[Any], chain_id: int, deployment: str, protocol: str | None) -> bool:
    """Return whether a deployment of that name, of any protocol or of one, is configured on the chain."""
    parameters = {"chain_id": chain_id, "deployment": deployment, "protocol": protocol}
    return select_one(connection, DEPLOYMENT_KNOWN, parameters) is not None


ACCOUNT_KNOWN: Final[LiteralString] = """
SELECT 1 AS known FROM position WHERE chain_id = %(chain_id)s AND account = %(account)s LIMIT 1
"""


def account_known(connection: Connection[Any], chain_id: int, account: str) -> bool:
    """Return whether an account has or ever had a position on the chain."""
    parameters = {"chain_id": chain_id, "account": bytes.fromhex(account[2:])}
    return select_one(connection, ACCOUNT_KNOWN, parameters) is not None


def worst_state(chains: list[Row]) -> str:
    """Return the state of the whole index: stopped when any protocol is, else backfill when any is, else following."""
    states = {protocol["status"] for chain in chains for protocol in chain["protocols"]}
    return next((state for state in ("stopped", "backfill", "following") if state in states), "empty")
