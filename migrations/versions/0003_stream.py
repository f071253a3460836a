"""Messages of the stream.

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


def downgrade() -> None:
    op.drop_table("stream_message")
