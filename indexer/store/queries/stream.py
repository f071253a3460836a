"""Messages of the stream: what was told, from a sequence number on."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection

from indexer.store.queries.rows import Row, select, select_one

MESSAGES: Final[LiteralString] = """
SELECT seq, block_number, channel, body
FROM stream_message
WHERE chain_id = %(chain_id)s AND seq > %(after)s
ORDER BY seq LIMIT %(limit)s
"""

WINDOW: Final[LiteralString] = """
SELECT coalesce(min(seq), 0) AS oldest, coalesce(max(seq), 0) AS newest FROM stream_message WHERE chain_id = %(chain_id)s
"""

CHAINS: Final[LiteralString] = """
SELECT c.chain_id, c.name AS chain,
       coalesce((SELECT max(m.seq) FROM stream_message m WHERE m.chain_id = c.chain_id), 0) AS newest
FROM chain c ORDER BY c.chain_id
"""


def messages(connection: Connection[Any], chain_id: int, after: int, limit: int) -> list[Row]:
    """Return the messages of a chain that follow number `after`, in order."""
    return select(connection, MESSAGES, {"chain_id": chain_id, "after": after, "limit": limit})


def window(connection: Connection[Any], chain_id: int) -> tuple[int, int]:
    """Return the numbers of the oldest and the newest message kept; 0 when there is none."""
    row = select_one(connection, WINDOW, {"chain_id": chain_id})
    assert row is not None
    return row["oldest"], row["newest"]


def chains(connection: Connection[Any]) -> list[Row]:
    """Return every chain with the number of its newest message."""
    return select(connection, CHAINS, {})
