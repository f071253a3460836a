"""What is told to subscribers: the messages of `/v1/stream`, kept so that a client that was away resumes without loss."""

from __future__ import annotations

from sqlalchemy import Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import BigInteger, block_number, chain_id, col
from indexer.store.schema import metadata

stream_message = Table(
    "stream_message", metadata,
    chain_id(),
    col("seq", BigInteger, "1, 2, 3, ... within the chain, in the order of commits", key=True),
    block_number("block that the message is about; of a reorg the first one that is no longer valid"),
    col("channel", Text, "block | liquidations | liquidation_risk | loops | purges | params | reorg"),
    col("body", JSONB, "what subscribers get, shaped as the rows of the endpoint of that name"),
    comment="Operation: messages of the stream, the newest of them kept. Never undone: a reorg is a message of its own",
)  # fmt: skip
