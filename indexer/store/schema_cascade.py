"""Tables of simulations: what was asked (M13), its rounds, and what it carried from protocol to protocol (M15)."""

from __future__ import annotations

from sqlalchemy import Float, Index, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store.columns import BigInteger, Bytes, Integer, Text, Usd, block_number, chain_id, col
from indexer.store.metadata import metadata

cascade_runs = Table(
    "cascade_runs", metadata,
    chain_id(),
    col("run_id", Text, "first 32 hex digits of SHA-256 over chain id, block hash and body: the same question has the same id", key=True),
    block_number("block whose positions and prices the simulation begins with"),
    col("block_hash", Bytes, "hash of that block"),
    col("body", JSONB, "the question: shocks by asset, depth, path and so on; keys sorted, assets as addresses"),
    col("status", Text, "queued | running | done | failed"),
    col("error", Text, "why it failed", null=True),
    col("queued_at", BigInteger, "unix seconds of the wall clock"),
    col("started_at", BigInteger, "unix seconds of the wall clock when a worker took it", null=True),
    col("finished_at", BigInteger, "unix seconds of the wall clock", null=True),
    col("result", JSONB, "outcome of every depth setting and their range; NULL until done", null=True),
    Index("ix_cascade_runs_waiting", "queued_at", postgresql_where=text("status <> 'done' AND status <> 'failed'")),
    Index("ix_cascade_runs_done", "chain_id", "block_number", postgresql_where=text("status = 'done'")),
    comment="Operation: M13 simulations that were asked for over HTTP; the only table that the API writes to, and only new rows",
)  # fmt: skip

cascade_rounds = Table(
    "cascade_rounds", metadata,
    chain_id(),
    col("run_id", Text, "simulation, see cascade_runs", key=True),
    col("depth_factor", Float, "depth setting: how many times as deep as asked", key=True),
    col("round", Integer, "round, from 1", key=True),
    block_number("block whose positions and prices the simulation begins with"),
    col("step", Integer, "part of the shock that had come, from 1; always 1 for a jump"),
    col("n_liquidated", BigInteger, "borrowers liquidated"),
    col("repaid_usd", Usd, "debt repaid, at the round's oracle prices"),
    col("bad_debt_usd", Usd, "debt left without collateral"),
    col("detail", JSONB, "oracle and market prices, tokens sold, figures by protocol"),
    comment="M13: rounds of simulations",
)  # fmt: skip

propagation_matrix = Table(
    "propagation_matrix", metadata,
    chain_id(),
    col("run_id", Text, "simulation, see cascade_runs; its middle depth setting", key=True),
    col("source", Text, "protocol slug that a shock comes over from", key=True),
    col("target", Text, "protocol slug that it reaches", key=True),
    block_number("block whose positions and prices the simulation begins with"),
    col("propagation", Float, "more debt repaid at the target because the source liquidates, as a share of the target's debt; NULL without debt there", null=True),
    comment="M15: propagation of a simulated shock from protocol to protocol",
)  # fmt: skip

CASCADES = (cascade_runs, cascade_rounds, propagation_matrix)
"""Keyed by block: a simulation of a block that was replaced is gone with it."""
