"""Metrics of scopes: of a deployment, or of the whole chain."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import Address, Exact, Model, OfDeployment, Time


class Scoped(Model):
    """What a row is of."""

    scope: Literal["chain", "deployment"] = Field(description="Whole chain, or one deployment.")
    protocol: str | None = Field(description="Protocol slug; null for the chain.")
    project: str | None = Field(description="Dune's project; null for the chain.")
    version: str | None = Field(description="Dune's version; null for the chain.")
    deployment: str | None = Field(description="Deployment name; null for the chain.")
    as_of_block: int = Field(description="Block at whose end this holds.")


class LeverageByScope(Scoped):
    """Leverage of a scope by account or by owner: a ratio of sums."""

    level: Literal["account", "owner"] = Field(
        description="account: as the protocol books it; owner: one person's accounts added first."
    )
    population: Literal["borrowers", "all"] = Field(
        description="borrowers: debt and positive equity; all: with pure suppliers."
    )
    pair_class: Literal["any", "same_asset", "correlated", "directional", "stable"] = Field(
        description="any, or borrowers whose collateral and debt are related so."
    )
    assets_usd: Exact = Field(description="Sum of assets, USD.")
    debt_usd: Exact = Field(description="Sum of debts, USD.")
    equity_usd: Exact = Field(description="Sum of equities, USD.")
    leverage: float | None = Field(description="Assets over equity, a ratio; null without equity.")
    n_ok: int = Field(description="Accounts or owners in the sums.")
    n_zero_equity: int = Field(description="Those with debt and no equity; not in the sums.")
    n_insolvent: int = Field(description="Those that owe more than they have; not in the sums.")
    n_unpriced: int = Field(description="Those with a leg that has no price; not in the sums.")
    latent_bad_debt_usd: Exact = Field(description="What the insolvent owe beyond their assets, USD.")


class LeverageDistribution(Scoped):
    """How leverage is distributed over borrowers with equity and prices. Quantiles are not interpolated."""

    weight: Literal["debt", "equity", "count"] = Field(description="What a borrower weighs.")
    n: int = Field(description="Borrowers.")
    p10: float | None = Field(description="Smallest leverage (A / E) whose cumulative weight reaches 10 %.")
    p50: float | None = Field(description="Smallest leverage (A / E) whose cumulative weight reaches 50 %.")
    p90: float | None = Field(description="Smallest leverage (A / E) whose cumulative weight reaches 90 %.")
    p99: float | None = Field(description="Smallest leverage (A / E) whose cumulative weight reaches 99 %.")
    share_ge_1_5: float | None = Field(description="Share of the weight at leverage >= 1.5.")
    share_ge_2: float | None = Field(description="Share of the weight at leverage >= 2.")
    share_ge_3: float | None = Field(description="Share of the weight at leverage >= 3.")
    share_ge_5: float | None = Field(description="Share of the weight at leverage >= 5.")
    share_ge_10: float | None = Field(description="Share of the weight at leverage >= 10.")
    share_ge_20: float | None = Field(description="Share of the weight at leverage >= 20.")
    bins: list[Exact] = Field(description="Weight in [1, 1.25, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 50, inf).")
    min_debt_usd: Exact = Field(description="Borrowers that owe less are left out, USD.")


class LeverageVelocity(Scoped):
    """How fast debt grew over a window and why. The four effects sum to debt_usd - debt_before_usd exactly."""

    window_s: int = Field(description="Length of the window, seconds.")
    from_block: int | None = Field(description="Block at whose end the window begins; null: nothing was owed yet.")
    debt_before_usd: Exact = Field(description="Debt at the start, USD.")
    debt_usd: Exact = Field(description="Debt at the end, USD.")
    velocity_usd: Exact = Field(description="Change of debt, USD a day.")
    price_effect_usd: Exact = Field(description="Change by prices, USD.")
    organic_effect_usd: Exact = Field(description="Change by borrowing less repaying, USD.")
    forced_effect_usd: Exact = Field(description="Change by liquidations and write-offs, USD; not positive.")
    interest_effect_usd: Exact = Field(description="Change by interest, USD.")
    net_of_migrations_usd: Exact = Field(
        description="Organic effect without debts that only moved between deployments, USD."
    )
    organic_velocity_usd: Exact = Field(description="Organic effect a day, USD.")
    forced_velocity_usd: Exact = Field(description="Forced effect a day, USD.")
    carry_velocity_usd: Exact = Field(description="Interest a day, USD.")
    growth_rate_day: float | None = Field(description="Growth of debt at constant prices, a day; null from nothing.")
    doubling_days: float | None = Field(description="ln 2 over it, days; null unless it grows.")
    activity_growth_day: float | None = Field(description="Growth of equity at constant prices, a day.")
    excess_growth_day: float | None = Field(description="Growth of debt beyond it, a day.")
    leverage_velocity_day: float | None = Field(description="Change of the borrowers' A / E, a day.")
    acceleration_usd: Exact | None = Field(description="Change of velocity since a window earlier, USD a day squared.")
    beta: float | None = Field(
        description="Slope of ln debt at constant prices over five points, a day; null with fewer."
    )
    beta_doubling_days: float | None = Field(description="ln 2 / beta, days.")
    r2_log: float | None = Field(description="R2 of that line; null for a constant.")
    sse_exp: float | None = Field(description="Squared error of the exponential in levels.")
    sse_lin: float | None = Field(description="Squared error of the straight line.")
    is_exponential: bool | None = Field(
        description="beta > 0, r2_log >= 0.95, sse_exp < sse_lin, doubling within 30 days; null with fewer than five points."
    )
    n_unpriced: int = Field(description="Markets left out for want of a price.")
    n_new_price: int = Field(
        description="Markets whose first price in the window stands for the missing one at its start."
    )
    as_of_time: Time = Field(description="Timestamp of the block.")


class BadDebt(Scoped):
    """Losses, never netted against each other or against anybody's surplus."""

    latent_usd: Exact = Field(description="What insolvent accounts owe beyond their assets now, USD.")
    latent_ratio: float | None = Field(description="Its share of all debt.")
    economic_usd: Exact = Field(description="Debt of solvent accounts whose excess collateral is below cost_usd, USD.")
    cost_usd: Exact = Field(description="What one liquidation is taken to cost, USD.")
    realised_usd: Exact | None = Field(
        description="Written off so far, USD at the time; null when a part has no price."
    )
    covered_usd: Exact | None = Field(description="Paid in since, USD at the time; null when a part has no price.")
    debt_usd: Exact = Field(description="All priced debt, USD.")
    n_insolvent: int = Field(description="Accounts that owe more than they have.")
    n_uneconomic: int = Field(description="Accounts in economic_usd.")
    n_unpriced: int = Field(description="Accounts with a leg that has no price.")


class Concentration(Scoped):
    """How few owners hold it. Zero balances are left out."""

    kind: Literal["debt", "collateral", "equity", "lender_supply", "liquidator_revenue"] = Field(
        description="What is held; liquidator_revenue is of 30 days, from the newest snapshot."
    )
    n: int = Field(description="Owners with more than nothing.")
    total_usd: Exact = Field(description="Their sum, USD.")
    hhi: float = Field(description="Sum of squared shares, 0 to 1.")
    effective_n: float = Field(description="1 / hhi.")
    gini: float = Field(description="Gini coefficient, 0 (all hold the same) to 1.")
    top_1_share: float = Field(description="Share of the largest.")
    top_10_share: float = Field(description="Share of the ten largest.")
    n_unpriced: int = Field(description="Owners left out for want of a price.")
    cluster_asset: Address | None = Field(description="Debt: collateral of the largest liquidation price cluster.")
    cluster_price_usd: Exact | None = Field(description="Lower end of that 2 % band of prices, USD.")
    cluster_share: float | None = Field(description="Share of all debt that would be liquidated within it.")


class ValueLocked(Scoped):
    """Value held, and how much of it is a claim on what is locked elsewhere."""

    tvl_usd: Exact = Field(description="Held, what is lent out not counted, USD.")
    tvl_including_borrowed_usd: Exact = Field(description="With what is lent out, USD.")
    tvr_usd: Exact = Field(description="Plain tokens only, USD.")
    double_count_usd: Exact = Field(description="tvl - tvr, USD.")
    defi_multiplier: float | None = Field(description="tvl / tvr; null without plain tokens.")
    claims_usd: Exact = Field(description="Claims held, USD.")
    unclassified_usd: Exact = Field(description="Tokens that nobody classified, never counted as plain, USD.")
    borrowed_usd: Exact = Field(description="Lent out, USD.")
    n_unpriced: int = Field(description="Tokens held that have no price.")


class Utilization(OfDeployment):
    """How much of a market is lent out, and what that costs."""

    market_id: str = Field(description="Readable id: slug, chain id, native id.")
    symbol: str | None = Field(description="ERC-20 symbol of the asset.")
    utilization: float | None = Field(description="Debt over supply by `formula`, a fraction; may exceed 1.")
    formula: str = Field(description="The protocol's own definition.")
    target_utilization: float | None = Field(
        description="Where the rate curve bends, a fraction; null where it is not known."
    )
    kink_pressure: float | None = Field(description="(U - U*) / (1 - U*) above the target, 0 below.")
    borrow_apr: float | None = Field(description="Borrow rate, yearly fraction, no compounding.")
    supply_apr: float | None = Field(description="Supply rate, yearly fraction, no compounding, no rewards.")
    debt_usd: Exact | None = Field(description="Total debt, USD.")
    supply_usd: Exact | None = Field(description="Total supply, USD.")
    rate_elasticity: float | None = Field(
        description="Change of ln debt per 1.00 of borrow rate, over all kept snapshots."
    )
    rate_elasticity_r2: float | None = Field(description="R2 of that line.")
    rate_elasticity_n: int | None = Field(description="Pairs of snapshots it was fitted to.")
    as_of_block: int = Field(description="Block at whose end this holds.")
