"""Exposure between protocols: edges, cycles and chains, look-through."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import Address, Exact, Model

EdgeKind = Literal["debt", "claim", "vault", "bridge"]
Method = Literal["events", "state"]

METHOD = "How debt edges are found: `events` from open loop links, `state` from balances. Never add them up."
NODES = "Protocol slugs in the order of the edges; a cycle begins with its smallest name. `issuer:...` is not indexed itself."


class ExposureEdge(Model):
    """Exposure that runs from one protocol to another, all owners summed."""

    method: Method = Field(description=METHOD)
    src: str = Field(
        description="Protocol borrowed from (debt), that issued the claim, or where the vault's assets are."
    )
    dst: str = Field(description="Protocol at which it is posted.")
    edge_kind: EdgeKind = Field(description="debt, claim, vault or bridge.")
    value_usd: Exact = Field(description="Sum over owners, USD.")
    n_owners: int = Field(description="Owners with such an edge.")
    n_unpriced: int = Field(description="Edges without a price, not in the sum.")
    as_of_block: int = Field(description="Block at whose end it holds.")


class ProtocolCycle(Model):
    """Value that runs through protocols in a circle, or, as a chain, in a row."""

    method: Method = Field(description=METHOD)
    scope: Literal["owner", "system"] = Field(
        description="`owner`: of one owner's own graph. `system`: of the graph of all owners together."
    )
    owner_id: Address | None = Field(description="The owner; null for the system.")
    form: Literal["cycle", "chain"] = Field(description="A circle, or a path that does not come back.")
    nodes: list[str] = Field(description=NODES)
    length: int = Field(description="Number of nodes: edges of a cycle, protocols of a chain.")
    size_usd: Exact = Field(description="Value that runs through all of it, USD.")
    rank: int = Field(description="1 for the first of its owner: cycles largest first, chains longest first.")
    as_of_block: int = Field(description="Block at whose end it holds.")


class ProtocolExposure(Model):
    """A protocol's part in the cycles."""

    protocol: str = Field(description="Protocol slug.")
    exposure_usd: Exact = Field(
        description="Sum of the sizes of cycles through it, USD. All protocols sum to the gross."
    )


class ExposureSummary(Model):
    """Totals of the exposure graph."""

    method: Method = Field(description=METHOD)
    loop_exposure_usd: Exact = Field(
        description="Sum of the sizes of all owners' cycles, USD: every dollar once. The headline."
    )
    gross_circulation_usd: Exact = Field(description="Sum of size times length, USD. Never a headline.")
    system_loop_exposure_usd: Exact = Field(
        description="Cycles of all owners' graph together, USD: also those that close through different owners."
    )
    chain_depth: int = Field(description="Most protocols that a dollar is pledged through without coming back.")
    n_cycles: int = Field(description="Cycles of owners.")
    n_loop_owners: int = Field(description="Owners with a cycle.")
    n_owners: int = Field(description="Owners with an edge between two protocols.")
    exposure_by_protocol: list[ProtocolExposure] = Field(
        description="Each protocol's cycles; sums to the gross circulation."
    )


class OwnEdge(Model):
    """One edge of an owner."""

    method: Method = Field(description=METHOD)
    src: str = Field(description="Protocol borrowed from, that issued the claim, or where the vault's assets are.")
    dst: str = Field(description="Protocol at which it is posted.")
    src_market: str = Field(description="Market of `src` where markets are isolated, else its deployment.")
    dst_market: str = Field(description="Market of `dst` where markets are isolated, else its deployment.")
    edge_kind: EdgeKind = Field(description="debt, claim, vault or bridge.")
    token: Address = Field(description="Token borrowed (debt) or posted (claim, vault).")
    symbol: str | None = Field(description="Its ERC-20 symbol.")
    value_usd: Exact | None = Field(description="USD; null without a price.")
    changed_block: int = Field(description="Last block that changed a balance it is made of.")


class OwnCycle(Model):
    """A cycle or chain of an owner."""

    method: Method = Field(description=METHOD)
    form: Literal["cycle", "chain"] = Field(description="A circle, or a path that does not come back.")
    rank: int = Field(description="1 for the first.")
    nodes: list[str] = Field(description=NODES)
    length: int = Field(description="Number of nodes.")
    size_usd: Exact = Field(description="Value that runs through all of it, USD.")


class LookThrough(Model):
    """Leverage behind the leverage of an owner."""

    status: Literal["no_debt", "ok", "zero_equity", "insolvent", "unpriced"] = Field(
        description="Status of what is seen through; ratios are null unless it is ok or no_debt."
    )
    assets_usd: Exact | None = Field(description="Assets seen through vaults, USD.")
    debt_usd: Exact | None = Field(description="Debts seen through vaults, USD.")
    gross_assets_usd: Exact | None = Field(description="Assets as booked, USD.")
    gross_debt_usd: Exact | None = Field(description="Debts as booked, USD.")
    leverage_gross: float | None = Field(description="Assets over equity as booked, a ratio.")
    leverage_netted: float | None = Field(
        description="With identical underlyings set off after unwrapping lending receipts only, a ratio."
    )
    leverage_lookthrough: float | None = Field(description="Assets over equity seen through vaults, a ratio.")
    hops: int = Field(description="Longest way through vaults; 0 when none was seen through.")
    unresolved_usd: Exact = Field(description="Held in vaults that cannot be seen through, at their price, USD.")


class AccountExposure(Model):
    """What one account, or everything of its owner, is exposed to."""

    account: Address = Field(description="The account asked for.")
    owner_id: Address = Field(description="Its owner; itself where nobody else is known.")
    accounts: list[Address] = Field(description="Accounts that the answer is of.")
    edges: list[OwnEdge] = Field(description="Its edges, also those between two markets of one protocol.")
    cycles: list[OwnCycle] = Field(description="Its cycles and chains between protocols.")
    lookthrough: LookThrough | None = Field(description="Null when nothing is held or owed.")
    as_of_block: int = Field(description="Block at whose end it holds.")
