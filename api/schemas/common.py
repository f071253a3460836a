"""What every answer has in common: exact numbers as text, the envelope, and problem documents."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Data = TypeVar("Data")

Whole = Annotated[str, Field(pattern=r"^-?[0-9]+$")]
"""An exact integer as text."""

Exact = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
"""An exact decimal as text."""

Address = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]
Hash = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
Time = Annotated[str, Field(pattern=r"^[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Side = Literal["supply", "collateral", "debt", "long", "short", "margin"]
AccountStatus = Literal["no_debt", "ok", "zero_equity", "insolvent", "unpriced"]
PairClass = Literal["same_asset", "correlated", "directional", "stable"]


class Model(BaseModel):
    """Rows may carry ordering columns that are not shown."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class OfDeployment(Model):
    """A row about one deployment of a protocol, or about something in it."""

    protocol: str = Field(description="Protocol slug.")
    project: str = Field(description="Dune's project.")
    version: str = Field(description="Dune's version.")
    deployment: str = Field(description="Deployment name.")


# --------------------------------------------------------------------------------------------------- envelope


class PageInfo(Model):
    """Where a list goes on."""

    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")
    limit: int = Field(description="Most rows a page may have.")


class Meta(Model):
    """Which block the answer is of, and how far the index is behind the chain."""

    chain_id: int = Field(description="EIP-155 chain id.")
    block_number: int = Field(description="The answer is as of the end of this block.")
    block_hash: Hash = Field(description="Its hash.")
    block_time: Time = Field(description="Its timestamp.")
    finality: Literal["latest", "safe", "finalized"] = Field(description="How final that block is, as the node says.")
    lag_blocks: int | None = Field(
        description="Blocks between the indexed head and the chain's; null before the node has answered."
    )
    lag_seconds: int = Field(description="Seconds between the indexed head's timestamp and now.")
    not_covered: list[str] = Field(
        description="Protocols of the chain whose rows are not complete at this block and therefore left out; see /v1/status."
    )
    prices: Literal["oracle"] = Field("oracle", description="Price family: the protocols' own oracles.")


class Envelope(Model, Generic[Data]):
    """Every answer: data, page of a list, block."""

    data: Data
    page: PageInfo | None = Field(description="Null when the answer is not a list.")
    meta: Meta


class FieldError(Model):
    """One parameter at fault."""

    parameter: str
    in_: str = Field(alias="in", description="query, path or body")
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457. Further members depend on the type."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:leverage:problem:<slug>; stable.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="HTTP status code.")
    detail: str = Field(description="This problem, and what would help.")
    instance: str = Field(description="Path of the request.")
    errors: list[FieldError] | None = Field(None, description="The parameters at fault (422).")
