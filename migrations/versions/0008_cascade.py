"""Simulations of liquidation cascades: questions, rounds, propagation.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

CHAIN = "EIP-155 chain id"
BLOCK = "block whose positions and prices the simulation begins with"


def column(name: str, kind: object, comment: str, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=null, comment=comment)  # type: ignore[arg-type]


def upgrade() -> None:
    op.create_table(
        "cascade_runs",
        column("chain_id", sa.BigInteger(), CHAIN),
        column("run_id", sa.Text(), "first 32 hex digits of SHA-256 over chain id, block hash and body: the same question has the same id"),
        column("block_number", sa.BigInteger(), BLOCK),
        column("block_hash", sa.LargeBinary(), "hash of that block"),
        column("body", JSONB(), "the question: shocks by asset, depth, path and so on; keys sorted, assets as addresses"),
        column("status", sa.Text(), "queued | running | done | failed"),
        column("error", sa.Text(), "why it failed", True),
        column("queued_at", sa.BigInteger(), "unix seconds of the wall clock"),
        column("started_at", sa.BigInteger(), "unix seconds of the wall clock when a worker took it", True),
        column("finished_at", sa.BigInteger(), "unix seconds of the wall clock", True),
        column("result", JSONB(), "outcome of every depth setting and their range; NULL until done", True),
        sa.PrimaryKeyConstraint("chain_id", "run_id", name="pk_cascade_runs"),
        comment="Operation: M13 simulations that were asked for over HTTP; the only table that the API writes to, and only new rows",
    )  # fmt: skip
    op.create_index("ix_cascade_runs_waiting", "cascade_runs", ["queued_at"], postgresql_where=sa.text("status <> 'done' AND status <> 'failed'"))  # fmt: skip
    op.create_index("ix_cascade_runs_done", "cascade_runs", ["chain_id", "block_number"], postgresql_where=sa.text("status = 'done'"))  # fmt: skip
    op.create_table(
        "cascade_rounds",
        column("chain_id", sa.BigInteger(), CHAIN),
        column("run_id", sa.Text(), "simulation, see cascade_runs"),
        column("depth_factor", sa.Float(), "depth setting: how many times as deep as asked"),
        column("round", sa.Integer(), "round, from 1"),
        column("block_number", sa.BigInteger(), BLOCK),
        column("step", sa.Integer(), "part of the shock that had come, from 1; always 1 for a jump"),
        column("n_liquidated", sa.BigInteger(), "borrowers liquidated"),
        column("repaid_usd", sa.Numeric(38, 18), "debt repaid, at the round's oracle prices"),
        column("bad_debt_usd", sa.Numeric(38, 18), "debt left without collateral"),
        column("detail", JSONB(), "oracle and market prices, tokens sold, figures by protocol"),
        sa.PrimaryKeyConstraint("chain_id", "run_id", "depth_factor", "round", name="pk_cascade_rounds"),
        comment="M13: rounds of simulations",
    )
    op.create_table(
        "propagation_matrix",
        column("chain_id", sa.BigInteger(), CHAIN),
        column("run_id", sa.Text(), "simulation, see cascade_runs; its middle depth setting"),
        column("source", sa.Text(), "protocol slug that a shock comes over from"),
        column("target", sa.Text(), "protocol slug that it reaches"),
        column("block_number", sa.BigInteger(), BLOCK),
        column("propagation", sa.Float(), "more debt repaid at the target because the source liquidates, as a share of the target's debt; NULL without debt there", True),
        sa.PrimaryKeyConstraint("chain_id", "run_id", "source", "target", name="pk_propagation_matrix"),
        comment="M15: propagation of a simulated shock from protocol to protocol",
    )  # fmt: skip


def downgrade() -> None:
    for table in ("propagation_matrix", "cascade_rounds", "cascade_runs"):
        op.drop_table(table)
