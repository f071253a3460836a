"""Metric history is keyed by the end of its interval.

Data     the history of protocol leverage is emptied; `leverage rebuild` computes it again

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLE = "protocol_leverage_snapshot"
BLOCK = "block at whose end it holds: the last one of a snapshot interval"
BLOCK_NOW = "block at whose end it holds: the last one with a log of any protocol in the interval"


def upgrade() -> None:
    op.execute(f"DELETE FROM {TABLE}")
    op.drop_constraint(f"pk_{TABLE}", TABLE)
    op.add_column(
        TABLE, sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds")
    )
    op.alter_column(TABLE, "block_number", comment=BLOCK_NOW, existing_comment=BLOCK)
    op.create_primary_key(f"pk_{TABLE}", TABLE, ["chain_id", "deployment_key", "population", "bucket"])


def downgrade() -> None:
    op.execute(f"DELETE FROM {TABLE}")
    op.drop_constraint(f"pk_{TABLE}", TABLE)
    op.drop_column(TABLE, "bucket")
    op.alter_column(TABLE, "block_number", comment=BLOCK, existing_comment=BLOCK_NOW)
    op.create_primary_key(f"pk_{TABLE}", TABLE, ["chain_id", "deployment_key", "population", "block_number"])
