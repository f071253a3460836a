"""What serves the API: the messages of `/v1/stream`, kept so that a client that was away resumes without loss, and keys."""

from __future__ import annotations

from sqlalchemy import Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import BigInteger, Bytes, Integer, block_number, chain_id, col
from indexer.store.metadata import metadata

stream_message = Table(
    "stream_message", metadata,
    chain_id(),
    col("seq", BigInteger, "1, 2, 3, ... within the chain, in the order of commits", key=True),
    block_number("block that the message is about; of a reorg the first one that is no longer valid"),
    col("channel", Text, "block | liquidations | liquidation_risk | loops | purges | params | reorg"),
    col("body", JSONB, "what subscribers get, shaped as the rows of the endpoint of that name"),
    comment="Operation: messages of the stream, the newest of them kept. Never undone: a reorg is a message of its own",
)  # fmt: skip

api_key = Table(
    "api_key", metadata,
    col("name", Text, "whose key it is", key=True),
    col("key_sha256", Bytes, "SHA-256 of the key, 32 bytes; the key itself is not kept"),
    col("requests_per_minute", Integer, "limit of this key; NULL for none", null=True),
    col("created_at", BigInteger, "unix seconds of the wall clock"),
    col("revoked_at", BigInteger, "unix seconds of the wall clock; NULL while it works", null=True),
    Index("uq_api_key_key_sha256", "key_sha256", unique=True),
    comment="Operation: keys of the HTTP API",
)  # fmt: skip

OPERATION = (stream_message, api_key)
