"""What comparing with the contracts found.

Data     none

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reconciliation",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="unix seconds of the wall clock at its end"),
        sa.Column(
            "block_number", sa.BigInteger(), nullable=False, comment="block at whose end both sides were asked"
        ),
        sa.Column(
            "source", sa.Text(), nullable=False,
            comment="run: a random sample beside `leverage run` | verify: `leverage verify`",
        ),
        sa.Column("n_compared", sa.BigInteger(), nullable=False, comment="answers of contracts compared"),
        sa.Column(
            "n_differences", sa.BigInteger(), nullable=False,
            comment="answers that differ in a base unit or more, or that reverted",
        ),
        sa.Column(
            "worst_error", sa.Float(),
            comment="worst |indexed - contract| / contract over the balances compared, fraction; NULL when the "
            "contracts answered no balance but zero",
        ),
        sa.PrimaryKeyConstraint("chain_id", "seen_at", name="pk_reconciliation"),
        comment="Operation: comparisons of indexed balances with the contracts' own views",
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("reconciliation")
