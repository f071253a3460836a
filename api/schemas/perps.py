"""Perp markets, purges and corrections: one row each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import Address, Exact, Model, OfDeployment, Time, Whole

Variant = Literal["oi_to_margin"]


class PerpMarket(OfDeployment):
    """What every row of a perp market names."""

    venue: str = Field(description="Venue: the project.")
    market: str = Field(description="Readable market id: slug, chain id, native id.")
    symbol: str | None = Field(description="Symbol of the base token.")
    is_kept: bool = Field(
        description="false: computed for the block of the answer; true: kept at the end of an interval."
    )
    as_of_block: int = Field(description="Block at whose end this holds.")
    as_of_time: Time = Field(description="Its timestamp.")


class OpenInterest(PerpMarket):
    """Open interest of a market (M3), each side at mark. Null where the venue does not tell."""

    oi_convention: Literal["matched", "pool", "one_sided"] = Field(
        description="matched: OI is one side; pool: long + short; one_sided: a book that has one side by construction."
    )
    oi_base: Exact | None = Field(description="Open interest, whole base units.")
    oi_usd: Exact | None = Field(description="The same at mark, USD.")
    long_oi_base: Exact | None = Field(description="Longs, whole base units.")
    short_oi_base: Exact | None = Field(description="Shorts, whole base units.")
    long_oi_usd: Exact | None = Field(description="Longs at mark, USD.")
    short_oi_usd: Exact | None = Field(description="Shorts at mark, USD.")
    mark: Exact | None = Field(description="USD of one base unit that positions are valued at.")
    index: Exact | None = Field(description="USD of one base unit outside the venue; null where it has one price only.")
    funding_rate: float | None = Field(description="Fraction an interval as the venue tells it, + where longs pay.")
    funding_interval_s: int | None = Field(description="Seconds that funding_rate is for.")
    funding_at_cap: bool | None = Field(description="Whether it stands at the venue's cap; null where none is known.")
    margin_long: Exact | None = Field(description="Margin posted for longs, without haircut, USD.")
    margin_short: Exact | None = Field(description="Margin posted for shorts, without haircut, USD.")
    margin_basis: Literal["isolated", "cross_pro_rata"] = Field(
        description="cross_pro_rata: an account's margin split over its positions by notional."
    )
    n_long: int = Field(description="Accounts that are long.")
    n_short: int = Field(description="Accounts that are short.")
    gross_to_oi: float | None = Field(description="(long + short) / OI: 2 on a matched book, else 1; checks the data.")
    notional_to_oi: float | None = Field(description="Notional-to-open-interest, of the variant named beside it.")
    variant: Variant = Field(description="oi_to_margin: OI at mark / posted margin, the venue's average leverage.")


class Imbalance(PerpMarket):
    """Skews, funding and basis of a market (M8)."""

    oi_skew: float | None = Field(description="(long - short) / both; null where sides cannot differ.")
    account_skew: float | None = Field(description="The same of accounts.")
    leverage_skew: float | None = Field(
        description="The same of the sides' leverage; null where a margin is unknown or 0."
    )
    leverage_long: float | None = Field(description="Longs at mark / their margin.")
    leverage_short: float | None = Field(description="Shorts at mark / their margin.")
    long_short_ratio: float | None = Field(description="Long / short by ratio_basis; null when there is no short.")
    ratio_basis: Literal["accounts"] = Field(description="What long_short_ratio counts.")
    funding_annualised: float | None = Field(description="Simple yearly rate, fraction, + where longs pay.")
    funding_apy: float | None = Field(description="The same compounded, a fraction a year.")
    funding_at_cap: bool | None = Field(description="Whether funding stands at its cap; null where none is known.")
    basis: float | None = Field(description="(mark - index) / index, fraction.")
    notional_to_oi: float | None = Field(description="Notional-to-open-interest, of the variant named beside it.")
    variant: Variant = Field(description="oi_to_margin: OI at mark / posted margin.")


class Purge(Model):
    """Open interest or debt that collapsed within six hours (M11). Raw figures are base units, so that no price moves them."""

    id: str = Field(description="Market and the hour in which it was first seen.")
    protocol: str = Field(description="Protocol slug.")
    project: str = Field(description="Dune's project.")
    version: str = Field(description="Dune's version.")
    deployment: str = Field(description="Deployment name.")
    venue: str = Field(description="Venue: the project.")
    market: str = Field(description="Readable market id.")
    symbol: str | None = Field(description="Symbol of the base token, of lending the asset owed.")
    exposure_kind: Literal["open_interest", "debt"] = Field(description="What collapsed.")
    kind: Literal["purge", "voluntary_deleveraging"] = Field(description="purge: by liquidations; else by its owners.")
    start_time: Time = Field(description="End of the hour of its peak.")
    trough_time: Time = Field(description="End of the hour of its trough.")
    end_time: Time = Field(description="End of its last hour.")
    peak_raw: Whole = Field(description="Open interest or debt at the peak, base units.")
    trough_raw: Whole = Field(description="The same at the trough, base units.")
    contraction: float = Field(description="1 - trough / peak, fraction.")
    liquidated_raw: Whole = Field(description="Liquidated in the event, base units.")
    liq_intensity: float = Field(description="Liquidated / peak, fraction.")
    burst: float | None = Field(description="Most liquidated in one hour over the usual, a ratio.")
    forced_share: float | None = Field(description="Liquidated until the trough / (peak - trough), fraction.")
    side: Literal["long", "short", "mixed"] | None = Field(
        description="Side of 70 % of what was liquidated; null for debt."
    )
    price_move: float | None = Field(description="Price at the trough / at the start - 1.")
    as_of_block: int = Field(description="Last block in it that moved the market.")


class Correction(Model):
    """A fall of 10 % from the peak of 90 days until less than 5 % remain, or a stable's depeg (M21)."""

    id: str = Field(description="What it is about, its kind and when it opened.")
    venue: str | None = Field(description="Venue; null for an asset.")
    market: str | None = Field(description="Readable market id; null for an asset.")
    asset: Address = Field(description="Token whose price it is.")
    symbol: str | None = Field(description="Its symbol.")
    kind: Literal["correction", "depeg"] = Field(description="Stables have depegs.")
    opened_time: Time = Field(description="End of the hour in which it opened.")
    closed_time: Time | None = Field(description="End of the hour in which it closed; null while it lasts.")
    peak: Exact = Field(description="Highest hourly close of 90 days, USD; of a depeg the peg.")
    peak_time: Time = Field(description="End of the hour of the peak.")
    trough: Exact = Field(description="Lowest hourly close while open, USD.")
    trough_time: Time = Field(description="End of the hour of the trough.")
    depth: float = Field(description="Greatest distance from the peak, fraction.")
    leverage_reset: float | None = Field(
        description="1 - debt (or open interest) at the trough / at the peak, at constant prices; negative when it grew."
    )
    leverage_change: float | None = Field(
        description="Leverage at the trough less at the peak, a difference of ratios; null without history."
    )
    liquidated_share: float | None = Field(description="Liquidated between them / debt at the peak, fraction.")
    purge_ids: list[str] = Field(description="Purges between peak and end.")
