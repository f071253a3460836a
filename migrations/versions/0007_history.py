"""Metric history: leverage by scope, distribution, velocity, concentration, value locked, bad debt.

Data     the new tables are empty; `leverage rebuild` fills them for the past

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

U256 = sa.Numeric(78, 0)
USD = sa.Numeric(38, 18)
EXACT = sa.Numeric()

TABLES = (
    "leverage_scope_snapshot",
    "leverage_distribution_snapshot",
    "market_snapshot",
    "leverage_velocity_snapshot",
    "concentration_snapshot",
    "liquidator_revenue",
    "tvl_snapshot",
    "bad_debt_snapshot",
)


def upgrade() -> None:
    op.create_table(
        "leverage_scope_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment; 0 is the whole chain"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "level",
            sa.Text(),
            nullable=False,
            comment="account (as the protocol books it) | owner (one person's accounts added first)",
        ),
        sa.Column("population", sa.Text(), nullable=False, comment="borrowers (D > 0 and E > 0) | all"),
        sa.Column(
            "pair_class",
            sa.Text(),
            nullable=False,
            comment="any, or same_asset | correlated | directional | stable of borrowers",
        ),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("assets_usd", USD, nullable=False, comment="sum of assets, USD"),
        sa.Column("debt_usd", USD, nullable=False, comment="sum of debts, USD"),
        sa.Column("n_ok", sa.BigInteger(), nullable=False, comment="accounts or owners in the sums"),
        sa.Column("n_zero_equity", sa.BigInteger(), nullable=False, comment="those with E = 0 and D > 0"),
        sa.Column("n_insolvent", sa.BigInteger(), nullable=False, comment="those with E < 0"),
        sa.Column("n_unpriced", sa.BigInteger(), nullable=False, comment="those with a leg that has no price"),
        sa.Column("latent_bad_debt_usd", USD, nullable=False, comment="sum of max(0, D - A), USD"),
        sa.PrimaryKeyConstraint(
            "chain_id",
            "deployment_key",
            "bucket",
            "level",
            "population",
            "pair_class",
            name="pk_leverage_scope_snapshot",
        ),
        comment="M1 by scope, level and pair class at the end of each interval; view: leverage_by_scope",
    )
    op.create_table(
        "leverage_distribution_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment; 0 is the whole chain"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column("weight", sa.Text(), nullable=False, comment="debt | equity | count"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="borrowers with equity and prices"),
        sa.Column(
            "p10",
            EXACT,
            nullable=True,
            comment="A / E: smallest whose cumulative weight reaches 10 %; NULL without borrowers",
        ),
        sa.Column(
            "p50",
            EXACT,
            nullable=True,
            comment="A / E: smallest whose cumulative weight reaches 50 %; NULL without borrowers",
        ),
        sa.Column(
            "p90",
            EXACT,
            nullable=True,
            comment="A / E: smallest whose cumulative weight reaches 90 %; NULL without borrowers",
        ),
        sa.Column(
            "p99",
            EXACT,
            nullable=True,
            comment="A / E: smallest whose cumulative weight reaches 99 %; NULL without borrowers",
        ),
        sa.Column("share_ge_1_5", EXACT, nullable=True, comment="share of the weight at leverage >= 1.5, fraction"),
        sa.Column("share_ge_2", EXACT, nullable=True, comment="share of the weight at leverage >= 2, fraction"),
        sa.Column("share_ge_3", EXACT, nullable=True, comment="share of the weight at leverage >= 3, fraction"),
        sa.Column("share_ge_5", EXACT, nullable=True, comment="share of the weight at leverage >= 5, fraction"),
        sa.Column("share_ge_10", EXACT, nullable=True, comment="share of the weight at leverage >= 10, fraction"),
        sa.Column("share_ge_20", EXACT, nullable=True, comment="share of the weight at leverage >= 20, fraction"),
        sa.Column(
            "bins",
            sa.ARRAY(EXACT),
            nullable=False,
            comment="weight in each bin of leverage [1, 1.25, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 50, inf)",
        ),
        sa.PrimaryKeyConstraint(
            "chain_id", "deployment_key", "bucket", "weight", name="pk_leverage_distribution_snapshot"
        ),
        comment="M2 at the end of each interval; view: leverage_distribution",
    )
    op.create_table(
        "market_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("market_key", sa.BigInteger(), nullable=False, comment="market"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment of the market"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column(
            "flows_from_block",
            sa.BigInteger(),
            nullable=False,
            comment="flows are of the blocks after this one, up to block_number; -1 from the start",
        ),
        sa.Column(
            "debt_raw",
            U256,
            nullable=True,
            comment="all owed with interest, base units of the asset; NULL where unknown",
        ),
        sa.Column(
            "supply_raw",
            U256,
            nullable=True,
            comment="all supplied with interest, base units of the asset; NULL where unknown",
        ),
        sa.Column(
            "collateral_raw", U256, nullable=True, comment="collateral that earns nothing, base units of the collateral"
        ),
        sa.Column("price_usd", EXACT, nullable=True, comment="price of the asset, USD; NULL for none"),
        sa.Column("collateral_price_usd", EXACT, nullable=True, comment="price of the collateral, USD; NULL for none"),
        sa.Column("debt_apr", EXACT, nullable=True, comment="borrow rate, yearly fraction"),
        sa.Column("supply_apr", EXACT, nullable=True, comment="supply rate, yearly fraction"),
        sa.Column(
            "target_utilization",
            EXACT,
            nullable=True,
            comment="where the rate curve bends, fraction; NULL where it is not known",
        ),
        sa.Column("borrowed_raw", U256, nullable=False, comment="borrowed since flows_from_block, base units"),
        sa.Column(
            "repaid_raw", U256, nullable=False, comment="repaid since, base units; not what a liquidation repaid"
        ),
        sa.Column("liquidated_raw", U256, nullable=False, comment="repaid by liquidations since, base units"),
        sa.Column("written_off_raw", U256, nullable=False, comment="written off since, base units"),
        sa.Column("covered_raw", U256, nullable=False, comment="deficit paid in since, base units"),
        sa.Column(
            "migrated_raw",
            U256,
            nullable=False,
            comment="of borrowed (positive) or repaid (negative): moved between deployments by one owner in one transaction",
        ),
        sa.PrimaryKeyConstraint("chain_id", "market_key", "bucket", name="pk_market_snapshot"),
        comment="Quantities, prices and flows of each market that is not empty at the end of each interval: what velocity is made of",
    )
    op.create_index(
        "ix_market_snapshot_chain_id_deployment_key_bucket", "market_snapshot", ["chain_id", "deployment_key", "bucket"]
    )
    op.create_table(
        "leverage_velocity_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment; 0 is the whole chain"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column("window_s", sa.Integer(), nullable=False, comment="length of the window, seconds: 1, 7 or 30 days"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column(
            "from_block",
            sa.BigInteger(),
            nullable=True,
            comment="block at whose end the window begins: the last snapshot at or before its start; NULL: nothing was owed yet",
        ),
        sa.Column("debt_before_usd", EXACT, nullable=False, comment="debt at the start of the window, USD"),
        sa.Column("debt_usd", EXACT, nullable=False, comment="debt at its end, USD"),
        sa.Column("price_effect", EXACT, nullable=False, comment="change of debt by prices, USD"),
        sa.Column("organic_effect", EXACT, nullable=False, comment="change by borrowing less repaying, USD"),
        sa.Column(
            "forced_effect", EXACT, nullable=False, comment="change by liquidations and write-offs, USD; not positive"
        ),
        sa.Column("interest_effect", EXACT, nullable=False, comment="change by interest, USD"),
        sa.Column(
            "migrated_effect",
            EXACT,
            nullable=False,
            comment="part of organic_effect that only moved between deployments, USD",
        ),
        sa.Column("n_unpriced", sa.Integer(), nullable=False, comment="markets left out for want of a price"),
        sa.Column(
            "n_new_price",
            sa.Integer(),
            nullable=False,
            comment="markets whose first price in the window stands for the missing one at its start",
        ),
        sa.Column(
            "growth_rate_day",
            EXACT,
            nullable=True,
            comment="growth of debt at constant prices, a day; NULL from nothing",
        ),
        sa.Column("activity_growth_day", EXACT, nullable=True, comment="growth of equity at constant prices, a day"),
        sa.Column("leverage_velocity_day", EXACT, nullable=True, comment="change of the borrowers' A / E, a day"),
        sa.Column(
            "acceleration", EXACT, nullable=True, comment="change of velocity since a window earlier, USD a day squared"
        ),
        sa.Column(
            "beta",
            EXACT,
            nullable=True,
            comment="slope of ln y, a day, over points one window apart at constant prices; NULL below 5 points",
        ),
        sa.Column("r2_log", EXACT, nullable=True, comment="R2 of that line; NULL for a constant"),
        sa.Column("sse_exp", EXACT, nullable=True, comment="squared error of the exponential in levels, USD squared"),
        sa.Column("sse_lin", EXACT, nullable=True, comment="squared error of the straight line in levels, USD squared"),
        sa.Column(
            "is_exponential", sa.Boolean(), nullable=True, comment="M5: exponential growth; NULL when it cannot be said"
        ),
        sa.PrimaryKeyConstraint(
            "chain_id", "deployment_key", "bucket", "window_s", name="pk_leverage_velocity_snapshot"
        ),
        comment="M4 and M5 at the end of each interval; view: leverage_velocity",
    )
    op.create_table(
        "concentration_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment; 0 is the whole chain"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="debt | collateral | equity | lender_supply | liquidator_revenue (of 30 days)",
        ),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="owners with more than nothing"),
        sa.Column("total_usd", EXACT, nullable=False, comment="their sum, USD"),
        sa.Column("hhi", EXACT, nullable=False, comment="sum of squared shares, 0 to 1"),
        sa.Column("effective_n", EXACT, nullable=False, comment="1 / hhi"),
        sa.Column("gini", EXACT, nullable=False, comment="0 (equal) to 1"),
        sa.Column("top_1_share", EXACT, nullable=False, comment="share of the largest owner, fraction"),
        sa.Column("top_10_share", EXACT, nullable=False, comment="share of the ten largest, fraction"),
        sa.Column("n_unpriced", sa.BigInteger(), nullable=False, comment="owners left out for want of a price"),
        sa.Column(
            "cluster_asset",
            sa.Text(),
            nullable=True,
            comment="debt: collateral of the largest liquidation price cluster, 0x hex",
        ),
        sa.Column("cluster_price_usd", EXACT, nullable=True, comment="debt: lower end of that 2 % band of prices, USD"),
        sa.Column(
            "cluster_share",
            EXACT,
            nullable=True,
            comment="debt: share of all debt that would be liquidated within it, fraction",
        ),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", "bucket", "kind", name="pk_concentration_snapshot"),
        comment="M18 at the end of each interval; view: concentration",
    )
    op.create_table(
        "liquidator_revenue",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("liquidator", sa.LargeBinary(), nullable=False, comment="who liquidated, 20 bytes"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="liquidations in the interval"),
        sa.Column(
            "revenue_usd",
            EXACT,
            nullable=True,
            comment="collateral seized less debt repaid, USD at the time; NULL without a price",
        ),
        sa.PrimaryKeyConstraint("chain_id", "bucket", "deployment_key", "liquidator", name="pk_liquidator_revenue"),
        comment="What liquidators took in each interval: the basis of its concentration",
    )
    op.create_table(
        "tvl_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment; 0 is the whole chain"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("plain_usd", USD, nullable=False, comment="plain tokens held, USD: tvr"),
        sa.Column(
            "claims_usd", USD, nullable=False, comment="tokens that are claims on something locked elsewhere, USD"
        ),
        sa.Column("unclassified_usd", USD, nullable=False, comment="tokens that nobody classified, USD"),
        sa.Column("borrowed_usd", USD, nullable=False, comment="lent out, USD"),
        sa.Column("n_unpriced", sa.BigInteger(), nullable=False, comment="tokens held that have no price"),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", "bucket", name="pk_tvl_snapshot"),
        comment="M17 at the end of each interval; view: tvl_adjusted",
    )
    op.create_table(
        "bad_debt_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment; 0 is the whole chain"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("latent_usd", USD, nullable=False, comment="sum of max(0, D - A), USD"),
        sa.Column(
            "economic_usd", USD, nullable=False, comment="debt of solvent accounts whose excess is below cost_usd, USD"
        ),
        sa.Column("cost_usd", USD, nullable=False, comment="what one liquidation is taken to cost, USD"),
        sa.Column("debt_usd", USD, nullable=False, comment="debt of all priced accounts, USD"),
        sa.Column(
            "realised_usd",
            EXACT,
            nullable=True,
            comment="written off in this interval, USD at the time; NULL without a price",
        ),
        sa.Column(
            "covered_usd",
            EXACT,
            nullable=True,
            comment="paid in in this interval, USD at the time; NULL without a price",
        ),
        sa.Column("n_insolvent", sa.BigInteger(), nullable=False, comment="accounts with E < 0"),
        sa.Column("n_uneconomic", sa.BigInteger(), nullable=False, comment="accounts that economic_usd counts"),
        sa.Column("n_unpriced", sa.BigInteger(), nullable=False, comment="accounts with a leg that has no price"),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", "bucket", name="pk_bad_debt_snapshot"),
        comment="M14 at the end of each interval, three numbers that are never netted; view: bad_debt_history",
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
