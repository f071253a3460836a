"""Recursion: loops, shares of borrowing, debt-financed collateral."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import Address, Exact, Model, PairClass


class Leg(Model):
    """One leg of a cycle."""

    project: str = Field(description="Dune's project.")
    version: str = Field(description="Dune's version.")
    deployment: str = Field(description="Deployment name.")
    market_id: str | None = Field(description="Isolated market; null for a pool.")
    collateral: list[Address] = Field(description="Tokens pledged there (lent, where `via` is set).")
    debt: list[Address] = Field(description="Tokens owed there.")
    via: Address | None = Field(default=None, description="Receipt or vault share that stands for this leg elsewhere.")


class Loop(Model):
    """A recursive position. By `state` only what is on the books is known; other fields are null."""

    loop_id: str = Field(description="Id: `event:<key>` or `state:<account>:<scope key>`.")
    owner: Address = Field(description="Owner of the position.")
    method: Literal["event", "state"] = Field(description="event: links of money followed; state: the books alone.")
    shape: Literal["loop", "chain"] = Field(description="chain: it has not come back to where it borrowed.")
    kind: Literal["intra", "inter"] = Field(description="One protocol, or two and more.")
    market_id: str | None = Field(description="The one isolated market; null for a pool or for several.")
    projects: list[str] | None = Field(description="Projects in it.")
    cycle: list[Leg] | None = Field(description="Its legs.")
    pair_class: PairClass | None = Field(description="How collateral and debt move together; null where legs differ.")
    turns: int | None = Field(description="Passes through the full cycle.")
    depth: int | None = Field(description="1 + depth of the borrow, links of any age.")
    depth_1d: int | None = Field(description="Only links no older than a day.")
    depth_tx: int | None = Field(description="Only links within one transaction.")
    n_links: int | None = Field(description="Links, closed ones too.")
    is_flash: bool | None = Field(description="Whether flash-loan principal bridged a supply.")
    evidence: Literal["flows", "registry", "assumed"] | None = Field(description="How money was followed, the weakest.")
    collateral_usd: Exact | None = Field(description="Collateral of its scopes, USD.")
    debt_usd: Exact | None = Field(description="Debt of its scopes with interest, USD.")
    multiplier: float | None = Field(description="A / E, a ratio; null without equity or price.")
    max_ltv: float | None = Field(description="LTV up to which more can be borrowed, a ratio.")
    bound: float | None = Field(description="1 / (1 - max_ltv), a ratio.")
    bound_utilisation: float | None = Field(description="multiplier x (1 - max_ltv), a ratio; may exceed 1.")
    is_above_bound: bool | None = Field(description="bound_utilisation > 1.")
    liquidation_bound: float | None = Field(description="1 / (1 - liquidation threshold), a ratio.")
    equivalent_depth: float | None = Field(description="Turns of a constant-LTV loop; null at or above the bound.")
    linked_usd: Exact | None = Field(description="Open links at their supplies' blocks, USD.")
    opened_block: int | None = Field(description="Block of the first linked supply.")
    last_block: int | None = Field(description="Block of the last link opened or closed.")
    closed_block: int | None = Field(description="Block in which it ended; null while open.")
    as_of_block: int = Field(description="Block at whose end this holds.")


class LoopsSummary(Model):
    """How recursive the borrowing at one deployment is."""

    project: str = Field(description="Dune's project.")
    version: str = Field(description="Dune's version.")
    deployment: str = Field(description="Deployment name.")
    window_s: int | None = Field(description="Age of a borrow up to which its money links, seconds; null for any.")
    n_loops: int = Field(description="Open loops and chains with a leg here.")
    n_owners: int = Field(description="Their owners.")
    max_turns: int | None = Field(description="Most turns among them.")
    borrow_usd: Exact = Field(description="Borrowed from from_block on, USD.")
    matched_usd: Exact = Field(description="The part of it that came back as collateral, USD.")
    recursive_borrow_share_volume: float | None = Field(description="matched_usd / borrow_usd, a ratio.")
    n_borrows: int = Field(description="Borrows from from_block on.")
    n_matched: int = Field(description="Those with a matched part.")
    recursive_borrow_share_count: float | None = Field(description="n_matched / n_borrows, a ratio.")
    n_unpriced: int = Field(description="Borrows without a price, in the count and not in the volume.")
    looped_debt_usd: Exact = Field(description="Debt of scopes with an open loop, USD.")
    debt_usd: Exact = Field(description="All debt, USD.")
    looped_debt_share: float | None = Field(description="looped_debt_usd / debt_usd, a ratio.")
    from_block: int = Field(description="First block of the borrows counted.")
    as_of_block: int = Field(description="Block at whose end this holds.")


class DebtFinanced(Model):
    """Debt-financed collateral of one deployment by one rule."""

    project: str = Field(description="Dune's project.")
    version: str = Field(description="Dune's version.")
    deployment: str = Field(description="Deployment name.")
    rule: Literal["free_first", "pro_rata", "debt_first"] = Field(description="Low, mid, high.")
    tagged_usd: Exact | None = Field(description="Collateral paid for with borrowed money, USD; null where unknown.")
    collateral_usd: Exact | None = Field(description="All collateral, USD.")
    share: float | None = Field(description="tagged_usd / collateral_usd, a ratio.")
    coverage_start_block: int = Field(description="First block indexed: what was borrowed before is not tagged.")
    as_of_block: int = Field(description="Block at whose end this holds.")
