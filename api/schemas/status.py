"""Where the index stands, and what it covers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.schemas.common import Hash, Meta, Model, Time

# --------------------------------------------------------------------------------------------- status, registry


class ProtocolStatus(Model):
    """How far one protocol is on one chain."""

    protocol: str = Field(description="Protocol slug.")
    status: Literal["backfill", "following", "stopped"] = Field(description="What the indexer does with it.")
    start_block: int = Field(description="First block covered.")
    block_number: int | None = Field(description="Last block that is complete; null before the first.")
    block_hash: Hash | None = Field(description="Hash of that block.")
    error: dict[str, Any] | None = Field(
        description="Why it stopped: error, message, hint, block_number, event, argument, tx_hash, log_index, word."
    )


class ChainStatus(Model):
    """How far one chain is."""

    chain_id: int = Field(description="EIP-155 chain id.")
    chain: str = Field(description="Name in leverage.toml.")
    head_block: int | None = Field(description="Newest block the node has spoken of.")
    safe_block: int | None = Field(description="Newest block tagged safe.")
    finalized_block: int | None = Field(description="No block up to this one can change.")
    indexed_block: int | None = Field(description="Newest block that every running protocol has reached.")
    block_hash: Hash | None = Field(description="Hash of the indexed block.")
    block_time: Time | None = Field(description="Timestamp of the indexed block.")
    node_seen_time: Time | None = Field(description="When the node last answered.")
    lag_blocks: int | None = Field(description="head_block - indexed_block.")
    lag_seconds: int | None = Field(description="Seconds between the indexed block's timestamp and now.")
    reorgs_24h: int = Field(description="Reorgs seen in the last 24 hours.")
    reconciliation_error: float | None = Field(
        description="Worst |indexed - contract| / contract of the newest comparison of balances with the contracts, "
        "fraction; null before the first, or when the contracts answered none but zero."
    )
    reconciliation_differences: int | None = Field(description="Answers of contracts that differed in it.")
    reconciliation_compared: int | None = Field(description="Answers compared in it.")
    reconciliation_block: int | None = Field(description="Block it was made at.")
    reconciliation_time: Time | None = Field(description="When it was made.")
    protocols: list[ProtocolStatus]


class Status(Model):
    """The state of the index."""

    state: Literal["empty", "backfill", "following", "stopped"] = Field(
        description="stopped when any protocol is; else backfill when any is; empty before the first block."
    )
    chains: list[ChainStatus]


class StatusEnvelope(Model):
    """As every envelope; `meta` is null when several chains are shown, or nothing is indexed."""

    data: Status
    page: None = None
    meta: Meta | None


class Healthz(Model):
    """The API and its database answer."""

    status: Literal["ok"]


class Deployment(Model):
    """One deployment of a protocol."""

    deployment: str = Field(description="Deployment name.")
    project: str = Field(description="Dune's project.")
    version: str = Field(description="Dune's version.")
    kind: str = Field(description="lending, perp, oracle or link.")
    start_block: int = Field(description="First block indexed.")
    contracts: dict[str, Any] = Field(description="Listed contracts: ABI file name to address.")
    proven: str | None = Field(description="How its accounting was proven against the contracts; null: unproven.")


class ProtocolRow(Model):
    """A protocol on a chain."""

    protocol: str = Field(description="Protocol slug.")
    status: Literal["backfill", "following", "stopped"] | None = Field(description="Null before the indexer first ran.")
    start_block: int | None = Field(description="First block covered.")
    block_number: int | None = Field(description="Last block that is complete.")
    markets: int = Field(description="Markets listed by the block of the answer.")
    deployments: list[Deployment]


class Readyz(Model):
    """Whether to send requests here."""

    status: Literal["ready", "not ready"] = Field(description="`ready` goes with 200, `not ready` with 503.")
    reasons: list[str] = Field(description="Why it is not ready, for people.")
