"""Simulations of liquidation cascades (M13) and how protocols hang together (M15)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Exact, Hash, Model

Status = Literal["queued", "running", "done", "failed"]
AssetName = Annotated[str, Field(min_length=1, max_length=64)]
Shock = Annotated[float, Field(gt=-1, lt=10, allow_inf_nan=False)]
Depth = Annotated[float, Field(gt=0, lt=1e15, allow_inf_nan=False)]
Factor = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class CascadeRequest(BaseModel):
    """A question about what a fall of prices would set off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shocks: dict[AssetName, Shock] = Field(
        min_length=1, max_length=200, description="Change of price by asset (address or symbol), a ratio above -1 and below 10.",
        examples=[{"WETH": -0.3}],
    )  # fmt: skip
    path: str = Field(
        "jump", pattern=r"^(jump|steps:([1-9]|[1-4][0-9]|50))$", description="`jump`, or `steps:N` for a fall in N parts, up to 50."
    )  # fmt: skip
    impact: Literal["cpmm", "linear", "exponential"] = Field("cpmm", description="What selling does to a price.")
    depth: dict[AssetName, Depth] = Field(
        default_factory=dict, max_length=200,
        description="By asset. cpmm: dollars on the quote side of its pool; linear, exponential: the share of the price that selling one "
        "token takes. Assets left out have no impact; without any, depth is relative to what backs debt.",
    )  # fmt: skip
    depth_factors: list[Factor] = Field(
        default_factory=list, max_length=5, description="Multiples of the depth to run, at least three different ones; default 0.5, 1, 2 (relative: 0.05, 0.2, 1)."
    )  # fmt: skip
    pass_through: float = Field(
        1.0, ge=0, le=1, description="Share of the gap to the market that oracles close each round."
    )
    sold_share: float = Field(1.0, ge=0, le=1, description="Share of seized collateral that liquidators sell.")
    max_rounds: int = Field(100, ge=1, le=100, description="Rounds at most.")
    protocols: list[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]] | None = Field(
        None, min_length=1, max_length=50, description="Only borrowers of these protocols, by slug; null for all."
    )  # fmt: skip
    correlated: bool = Field(
        True, description="Whether assets that the books call correlated (one e-mode, claims on one token) take the shock too."
    )  # fmt: skip


class Simulation(Model):
    """A simulation and, when it is done, its outcome."""

    id: str = Field(description="The same question about the same block has the same id.")
    status: Status = Field(description="`queued` and `running` become `done` or `failed`; ask again.")
    chain_id: int = Field(description="EIP-155 chain id.")
    block_number: int = Field(description="Positions and prices are as of the end of this block.")
    block_hash: Hash = Field(description="Its hash. When a reorg replaces it, the simulation is gone (404).")
    error: str | None = Field(description="Why it failed.")
    request: dict[str, Any] = Field(description="The question, with assets as addresses and defaults filled in.")
    result: dict[str, Any] | None = Field(
        description="Outcome: `range` over the depth settings, `settings` each with protocols, `assets`, `markets`, `propagation`; "
        "USD as text, prices and ratios as numbers. See docs/methodology.md M13."
    )
    rounds: list[dict[str, Any]] | None = Field(description="Every round of every depth setting.")


class PropagationRow(Model):
    """How one protocol hangs together with another."""

    source: str = Field(description="Protocol slug that a shock comes over from.")
    target: str = Field(description="Protocol slug that it reaches.")
    collateral_overlap: float | None = Field(
        description="Sum of the smaller shares of collateral by asset, a ratio; symmetric."
    )
    collateral_overlap_without_stables: float | None = Field(
        description="The same without assets priced within 5 % of a dollar, a ratio; null when a protocol has no other."
    )
    shared_owner_debt_usd: Exact = Field(description="Sum over owners of the smaller of their two debts, USD.")
    target_debt_usd: Exact = Field(description="All priced debt at the target, USD.")
    propagation: float | None = Field(
        description="More debt repaid at the target because the source liquidates too, as a share of the target's debt; null until a "
        "simulation has run."
    )
    simulation: str | None = Field(
        description="Simulation that `propagation` is of; its shock is in /v1/simulations/{id}."
    )
    simulated_block: int | None = Field(description="Block of that simulation.")


__all__ = ["CascadeRequest", "PropagationRow", "Simulation"]
