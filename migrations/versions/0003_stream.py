"""Messages of the stream, and keys of the HTTP API.

Data     none

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stream_message",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column(
            "seq", sa.BigInteger(), nullable=False, comment="1, 2, 3, ... within the chain, in the order of commits"
        ),
        sa.Column(
            "block_number", sa.BigInteger(), nullable=False,
            comment="block that the message is about; of a reorg the first one that is no longer valid",
        ),
        sa.Column(
            "channel", sa.Text(), nullable=False,
            comment="block | liquidations | liquidation_risk | loops | purges | params | reorg",
        ),
        sa.Column(
            "body", postgresql.JSONB(), nullable=False,
            comment="what subscribers get, shaped as the rows of the endpoint of that name",
        ),
        sa.PrimaryKeyConstraint("chain_id", "seq", name="pk_stream_message"),
        comment="Operation: messages of the stream, the newest of them kept. Never undone: a reorg is a message of its own",
    )  # fmt: skip
    op.create_table(
        "api_key",
        sa.Column("name", sa.Text(), nullable=False, comment="whose key it is"),
        sa.Column(
            "key_sha256", sa.LargeBinary(), nullable=False,
            comment="SHA-256 of the key, 32 bytes; the key itself is not kept",
        ),
        sa.Column("requests_per_minute", sa.Integer(), comment="limit of this key; NULL for none"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, comment="unix seconds of the wall clock"),
        sa.Column("revoked_at", sa.BigInteger(), comment="unix seconds of the wall clock; NULL while it works"),
        sa.PrimaryKeyConstraint("name", name="pk_api_key"),
        comment="Operation: keys of the HTTP API",
    )  # fmt: skip
    op.create_index("uq_api_key_key_sha256", "api_key", ["key_sha256"], unique=True)


def downgrade() -> None:
    op.drop_table("api_key")
    op.drop_table("stream_message")
