"""Tables of metric history: one row a scope and interval. `indexer/measures/` fills them, `store/sql/8*_history*.sql` shows them.

Scope    deployment_key, and 0 for the whole chain
Keys     `bucket` is the interval's end; `block_number` the block at whose end the row holds: the last one in the interval
         with a log of any protocol, of deployments and the chain alike: rows of an interval can be added and compared
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, Column, Index, Numeric, Table
from sqlalchemy.types import TypeEngine

from indexer.store.columns import (
    U256,
    BigInteger,
    Boolean,
    Bytes,
    Integer,
    Key,
    Text,
    Usd,
    block_number,
    chain_id,
    col,
)
from indexer.store.metadata import metadata

Exact: TypeEngine[Any] = Numeric()
"""A decimal of any length: parts of a sum that must hold to the last digit."""


def scope() -> Column[Any]:
    """Return the column that says what the row is of."""
    return col("deployment_key", Key, "deployment; 0 is the whole chain", key=True)


def bucket() -> Column[Any]:
    """Return the column that says its interval."""
    return col("bucket", BigInteger, "end of the interval, unix seconds", key=True)


def block() -> Column[Any]:
    """Return the column that says its block."""
    return block_number("block at whose end it holds: the last one with a log of any protocol in the interval")


leverage_scope_snapshot = Table(
    "leverage_scope_snapshot", metadata,
    chain_id(), scope(), bucket(),
    col("level", Text, "account (as the protocol books it) | owner (one person's accounts added first)", key=True),
    col("population", Text, "borrowers (D > 0 and E > 0) | all", key=True),
    col("pair_class", Text, "any, or same_asset | correlated | directional | stable of borrowers", key=True),
    block(),
    col("assets_usd", Usd, "sum of assets, USD"),
    col("debt_usd", Usd, "sum of debts, USD"),
    col("n_ok", BigInteger, "accounts or owners in the sums"),
    col("n_zero_equity", BigInteger, "those with E = 0 and D > 0"),
    col("n_insolvent", BigInteger, "those with E < 0"),
    col("n_unpriced", BigInteger, "those with a leg that has no price"),
    col("latent_bad_debt_usd", Usd, "sum of max(0, D - A), USD"),
    comment="M1 by scope, level and pair class at the end of each interval; view: leverage_by_scope",
)  # fmt: skip

leverage_distribution_snapshot = Table(
    "leverage_distribution_snapshot", metadata,
    chain_id(), scope(), bucket(),
    col("weight", Text, "debt | equity | count", key=True),
    block(),
    col("n", BigInteger, "borrowers with equity and prices"),
    *(col(f"p{p}", Exact, f"A / E: smallest whose cumulative weight reaches {p} %; NULL without borrowers", null=True)
      for p in (10, 50, 90, 99)),
    *(col(f"share_ge_{k}", Exact, f"share of the weight at leverage >= {k.replace('_', '.')}, fraction", null=True)
      for k in ("1_5", "2", "3", "5", "10", "20")),
    col("bins", ARRAY(Numeric()), "weight in each bin of leverage [1, 1.25, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 50, inf)"),
    comment="M2 at the end of each interval; view: leverage_distribution",
)  # fmt: skip

market_snapshot = Table(
    "market_snapshot", metadata,
    chain_id(),
    col("market_key", Key, "market", key=True),
    bucket(),
    col("deployment_key", Key, "deployment of the market"),
    block(),
    col("flows_from_block", BigInteger, "flows are of the blocks after this one, up to block_number; -1 from the start"),
    col("debt_raw", U256, "all owed with interest, base units of the asset; NULL where unknown", null=True),
    col("supply_raw", U256, "all supplied with interest, base units of the asset; NULL where unknown", null=True),
    col("collateral_raw", U256, "collateral that earns nothing, base units of the collateral", null=True),
    col("price_usd", Exact, "price of the asset, USD; NULL for none", null=True),
    col("collateral_price_usd", Exact, "price of the collateral, USD; NULL for none", null=True),
    col("debt_apr", Exact, "borrow rate, yearly fraction", null=True),
    col("supply_apr", Exact, "supply rate, yearly fraction", null=True),
    col("target_utilization", Exact, "where the rate curve bends, fraction; NULL where it is not known", null=True),
    col("borrowed_raw", U256, "borrowed since flows_from_block, base units"),
    col("repaid_raw", U256, "repaid since, base units; not what a liquidation repaid"),
    col("liquidated_raw", U256, "repaid by liquidations since, base units"),
    col("written_off_raw", U256, "written off since, base units"),
    col("covered_raw", U256, "deficit paid in since, base units"),
    col("migrated_raw", U256, "of borrowed (positive) or repaid (negative): moved between deployments by one owner in one transaction"),
    Index("ix_market_snapshot_chain_id_deployment_key_bucket", "chain_id", "deployment_key", "bucket"),
    comment="Quantities, prices and flows of each market that is not empty at the end of each interval: what velocity is made of",
)  # fmt: skip

leverage_velocity_snapshot = Table(
    "leverage_velocity_snapshot", metadata,
    chain_id(), scope(), bucket(),
    col("window_s", Integer, "length of the window, seconds: 1, 7 or 30 days", key=True),
    block(),
    col("from_block", BigInteger, "block at whose end the window begins: the last snapshot at or before its start; NULL: nothing was owed yet", null=True),
    col("debt_before_usd", Exact, "debt at the start of the window, USD"),
    col("debt_usd", Exact, "debt at its end, USD"),
    col("price_effect", Exact, "change of debt by prices, USD"),
    col("organic_effect", Exact, "change by borrowing less repaying, USD"),
    col("forced_effect", Exact, "change by liquidations and write-offs, USD; not positive"),
    col("interest_effect", Exact, "change by interest, USD"),
    col("migrated_effect", Exact, "part of organic_effect that only moved between deployments, USD"),
    col("n_unpriced", Integer, "markets left out for want of a price"),
    col("n_new_price", Integer, "markets whose first price in the window stands for the missing one at its start"),
    col("growth_rate_day", Exact, "growth of debt at constant prices, a day; NULL from nothing", null=True),
    col("activity_growth_day", Exact, "growth of equity at constant prices, a day", null=True),
    col("leverage_velocity_day", Exact, "change of the borrowers' A / E, a day", null=True),
    col("acceleration", Exact, "change of velocity since a window earlier, USD a day squared", null=True),
    col("beta", Exact, "slope of ln y, a day, over points one window apart at constant prices; NULL below 5 points", null=True),
    col("r2_log", Exact, "R2 of that line; NULL for a constant", null=True),
    col("sse_exp", Exact, "squared error of the exponential in levels, USD squared", null=True),
    col("sse_lin", Exact, "squared error of the straight line in levels, USD squared", null=True),
    col("is_exponential", Boolean, "M5: exponential growth; NULL when it cannot be said", null=True),
    comment="M4 and M5 at the end of each interval; view: leverage_velocity",
)  # fmt: skip

concentration_snapshot = Table(
    "concentration_snapshot", metadata,
    chain_id(), scope(), bucket(),
    col("kind", Text, "debt | collateral | equity | lender_supply | liquidator_revenue (of 30 days)", key=True),
    block(),
    col("n", BigInteger, "owners with more than nothing"),
    col("total_usd", Exact, "their sum, USD"),
    col("hhi", Exact, "sum of squared shares, 0 to 1"),
    col("effective_n", Exact, "1 / hhi"),
    col("gini", Exact, "0 (equal) to 1"),
    col("top_1_share", Exact, "share of the largest owner, fraction"),
    col("top_10_share", Exact, "share of the ten largest, fraction"),
    col("n_unpriced", BigInteger, "owners left out for want of a price"),
    col("cluster_asset", Text, "debt: collateral of the largest liquidation price cluster, 0x hex", null=True),
    col("cluster_price_usd", Exact, "debt: lower end of that 2 % band of prices, USD", null=True),
    col("cluster_share", Exact, "debt: share of all debt that would be liquidated within it, fraction", null=True),
    comment="M18 at the end of each interval; view: concentration",
)  # fmt: skip

liquidator_revenue = Table(
    "liquidator_revenue", metadata,
    chain_id(), bucket(),
    col("deployment_key", Key, "deployment", key=True),
    col("liquidator", Bytes, "who liquidated, 20 bytes", key=True),
    block(),
    col("n", BigInteger, "liquidations in the interval"),
    col("revenue_usd", Exact, "collateral seized less debt repaid, USD at the time; NULL without a price", null=True),
    comment="What liquidators took in each interval: the basis of its concentration",
)  # fmt: skip

tvl_snapshot = Table(
    "tvl_snapshot", metadata,
    chain_id(), scope(), bucket(), block(),
    col("plain_usd", Usd, "plain tokens held, USD: tvr"),
    col("claims_usd", Usd, "tokens that are claims on something locked elsewhere, USD"),
    col("unclassified_usd", Usd, "tokens that nobody classified, USD"),
    col("borrowed_usd", Usd, "lent out, USD"),
    col("n_unpriced", BigInteger, "tokens held that have no price"),
    comment="M17 at the end of each interval; view: tvl_adjusted",
)  # fmt: skip

bad_debt_snapshot = Table(
    "bad_debt_snapshot", metadata,
    chain_id(), scope(), bucket(), block(),
    col("latent_usd", Usd, "sum of max(0, D - A), USD"),
    col("economic_usd", Usd, "debt of solvent accounts whose excess is below cost_usd, USD"),
    col("cost_usd", Usd, "what one liquidation is taken to cost, USD"),
    col("debt_usd", Usd, "debt of all priced accounts, USD"),
    col("realised_usd", Exact, "written off in this interval, USD at the time; NULL without a price", null=True),
    col("covered_usd", Exact, "paid in in this interval, USD at the time; NULL without a price", null=True),
    col("n_insolvent", BigInteger, "accounts with E < 0"),
    col("n_uneconomic", BigInteger, "accounts that economic_usd counts"),
    col("n_unpriced", BigInteger, "accounts with a leg that has no price"),
    comment="M14 at the end of each interval, three numbers that are never netted; view: bad_debt_history",
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    leverage_scope_snapshot, leverage_distribution_snapshot, market_snapshot, leverage_velocity_snapshot,
    concentration_snapshot, liquidator_revenue, tvl_snapshot, bad_debt_snapshot,
)  # fmt: skip
"""All are history by interval and belong to a deployment: see BY_BUCKET."""
