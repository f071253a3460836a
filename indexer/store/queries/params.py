"""Parameters: every change of every market and deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import Key, Keyset, Row, Slice, select, select_slice

CHANGES_KEY: Final[Keyset] = (
    ("block_number", "integer"), ("evt_index", "integer"), ("subject", "key"), ("name", "text"), ("qualifier", "text"),
)  # fmt: skip

CHANGES: Final[LiteralString] = """
SELECT d.protocol, d.project, d.version, d.name AS deployment, m.market_id, p.name, p.qualifier,
       p.value_raw::text, p.value_text, p.block_number,
       to_char(to_timestamp(b.block_timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS block_time,
       p.log_index AS evt_index, p.subject::text
FROM param p
LEFT JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.subject
JOIN deployment d ON d.chain_id = p.chain_id AND d.deployment_key = coalesce(m.deployment_key, p.subject)
LEFT JOIN block b ON b.chain_id = p.chain_id AND b.block_number = p.block_number
WHERE p.chain_id = %(chain_id)s AND p.block_number <= %(block_number)s
  AND d.protocol <> ALL (%(not_covered)s::text[])
  AND (%(protocol)s::text IS NULL OR d.protocol = %(protocol)s)
  AND (%(deployment)s::text IS NULL OR d.name = %(deployment)s)
  AND (%(market_id)s::text IS NULL OR m.market_id = %(market_id)s)
  AND (%(name)s::text IS NULL OR p.name = %(name)s)
  AND (%(from_block)s::bigint IS NULL OR p.block_number >= %(from_block)s)
  AND (%(key_0)s::bigint IS NULL OR (p.block_number, p.log_index, p.subject, p.name, p.qualifier)
       < (%(key_0)s::bigint, %(key_1)s::bigint, %(key_2)s::text::bigint, %(key_3)s::text, %(key_4)s::text))
ORDER BY p.block_number DESC, p.log_index DESC, p.subject DESC, p.name DESC, p.qualifier DESC LIMIT %(limit)s
"""


def changes(
    connection: Connection[Any], at: BlockAt, limit: int, after: Key | None,
    *, protocol: str | None, deployment: str | None, market_id: str | None, name: str | None, from_block: int | None,
) -> Slice:  # fmt: skip
    """Return the changes up to a block, newest first."""
    parameters = {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "not_covered": at.not_covered,
        "protocol": protocol,
        "deployment": deployment,
        "market_id": market_id,
        "name": name,
        "from_block": from_block,
    }
    return select_slice(connection, CHANGES, CHANGES_KEY, after, limit, parameters)


CHANGES_BETWEEN: Final[LiteralString] = """
SELECT d.protocol, d.project, d.version, d.name AS deployment, m.market_id, p.name, p.qualifier,
       p.value_raw::text, p.value_text, p.block_number,
       to_char(to_timestamp(b.block_timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS block_time,
       p.log_index AS evt_index
FROM param p
LEFT JOIN market m ON m.chain_id = p.chain_id AND m.market_key = p.subject
JOIN deployment d ON d.chain_id = p.chain_id AND d.deployment_key = coalesce(m.deployment_key, p.subject)
LEFT JOIN block b ON b.chain_id = p.chain_id AND b.block_number = p.block_number
WHERE p.chain_id = %(chain_id)s AND p.block_number BETWEEN %(first)s AND %(last)s
  AND d.protocol = ANY (%(protocols)s::text[])
ORDER BY p.block_number, p.log_index, p.subject, p.name, p.qualifier
"""


def changes_between(
    connection: Connection[Any], *, chain_id: int, first: int, last: int, protocols: Sequence[str]
) -> list[Row]:
    """Return the changes of some protocols in blocks `first..last`, oldest first."""
    asked = {"chain_id": chain_id, "first": first, "last": last, "protocols": list(protocols)}
    return select(connection, CHANGES_BETWEEN, asked)
