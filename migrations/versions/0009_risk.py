"""Liquidation risk at the head: the table that bots poll and what keeps it.

Data     nothing to do; the next block at the head builds it

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_account_setting_chain_id_account", "account_setting", ["chain_id", "account"], unique=False)
    op.create_table(
        "risk_head",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column(
            "scope",
            sa.BigInteger(),
            nullable=False,
            comment="market_key of the risk scope; 0 where collateral is pooled over the deployment",
        ),
        sa.Column("account", sa.LargeBinary(), nullable=False, comment="borrower, 20 bytes"),
        sa.Column(
            "is_open",
            sa.Boolean(),
            nullable=False,
            comment="false: it has no debt any more; kept until its block is final, so that a reorg finds it",
        ),
        sa.Column("as_of_block", sa.BigInteger(), nullable=False, comment="block at whose end the row is exact"),
        sa.Column("as_of_time", sa.DateTime(timezone=True), nullable=False, comment="that block's own time"),
        sa.Column(
            "safe_until",
            sa.Float(),
            nullable=True,
            comment="ln(health factor) at as_of_block, less rounding, plus the scope's pressure then: while it is above ln(edge) + the pressure now, the health factor is above the edge; NULL without a health factor",
        ),
        sa.Column("project", sa.Text(), nullable=False, comment="Dune's project"),
        sa.Column("version", sa.Text(), nullable=False, comment="Dune's version"),
        sa.Column("deployment", sa.Text(), nullable=False, comment="deployment name"),
        sa.Column(
            "market_id", sa.Text(), nullable=True, comment="market where risk is isolated, NULL where it is pooled"
        ),
        sa.Column(
            "owner",
            sa.Text(),
            nullable=False,
            comment="who is behind the account, 0x hex; the account itself where nobody else is known",
        ),
        sa.Column("health_factor", sa.Numeric(), nullable=True, comment="as of as_of_block; NULL for want of a price"),
        sa.Column(
            "health_factor_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=True,
            comment="the same scaled 1e18, floored as the contract floors it",
        ),
        sa.Column("is_liquidatable", sa.Boolean(), nullable=True, comment="by the contract's own integers"),
        sa.Column("collateral_usd", sa.Numeric(), nullable=True, comment="collateral that counts, USD"),
        sa.Column("debt_usd", sa.Numeric(), nullable=True, comment="debt, USD"),
        sa.Column(
            "collateral_assets", postgresql.ARRAY(sa.Text()), nullable=False, comment="collateral that counts, 0x hex"
        ),
        sa.Column("debt_assets", postgresql.ARRAY(sa.Text()), nullable=False, comment="assets owed, 0x hex"),
        sa.Column(
            "emode", sa.Integer(), nullable=True, comment="Aave e-mode category, NULL where there is no such thing"
        ),
        sa.Column("pair_class", sa.Text(), nullable=True, comment="same_asset | stable | correlated | directional"),
        sa.Column("status", sa.Text(), nullable=False, comment="ok | zero_equity | insolvent | unpriced"),
        sa.Column(
            "price_usd",
            sa.Numeric(),
            nullable=True,
            comment="price of the one collateral, where a closed form holds, USD",
        ),
        sa.Column(
            "liquidation_price_usd",
            sa.Numeric(),
            nullable=True,
            comment="its price at which the health factor is 1, USD",
        ),
        sa.Column("distance", sa.Numeric(), nullable=True, comment="|1 - liquidation price / price|"),
        sa.Column(
            "first_eligible_drop",
            sa.Numeric(),
            nullable=True,
            comment="fall of all collateral against all debt that makes it liquidatable",
        ),
        sa.Column(
            "loss_boundary_drop",
            sa.Numeric(),
            nullable=True,
            comment="fall from which liquidating does not cover the debt; one collateral only",
        ),
        sa.Column(
            "liquidation_bonus", sa.Numeric(), nullable=True, comment="b: a liquidator gets (1 + b) of what it repays"
        ),
        sa.Column(
            "is_toxic", sa.Boolean(), nullable=True, comment="LTV > 1 / (1 + b): liquidating makes the position worse"
        ),
        sa.Column(
            "liquidation_prices",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="by asset: price and direction at which the health factor is 1, all others held",
        ),
        sa.Column(
            "best_debt_asset",
            sa.Text(),
            nullable=True,
            comment="liquidatable: the debt whose repayment pays most, 0x hex",
        ),
        sa.Column(
            "best_collateral_asset",
            sa.Text(),
            nullable=True,
            comment="liquidatable: the collateral to take for it, 0x hex",
        ),
        sa.Column(
            "max_repay_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=True,
            comment="liquidatable: most of that debt that may be repaid now, base units",
        ),
        sa.Column(
            "seize_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=True,
            comment="liquidatable: collateral received for it, base units",
        ),
        sa.Column("max_repay_usd", sa.Numeric(), nullable=True, comment="the same in USD"),
        sa.Column(
            "est_profit_usd",
            sa.Numeric(),
            nullable=True,
            comment="USD of what is seized less what is repaid, before gas, fees and slippage",
        ),
        sa.Column(
            "health_factor_after",
            sa.Numeric(),
            nullable=True,
            comment="health factor after repaying max_repay, NULL when no debt is left",
        ),
        sa.Column(
            "blocked_reason",
            sa.Text(),
            nullable=True,
            comment="why the contract would refuse: reserve_paused, reserve_inactive, grace_period; NULL: nothing known",
        ),
        sa.Column(
            "oracle_block",
            sa.BigInteger(),
            nullable=True,
            comment="block of the oldest price that a liquidatable row uses",
        ),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", "scope", "account", name=("pk_risk_head")),
        comment="Every borrower at the head: rows below the edge are exact as of the head, quiet ones as of their own block",
    )
    op.create_index("ix_risk_head_account", "risk_head", ["chain_id", "account"], unique=False)
    op.create_index(
        "ix_risk_head_closed",
        "risk_head",
        ["chain_id", "as_of_block"],
        unique=False,
        postgresql_where=sa.text("NOT is_open"),
    )
    op.create_index(
        "ix_risk_head_liquidatable",
        "risk_head",
        ["chain_id", "est_profit_usd"],
        unique=False,
        postgresql_where=sa.text("is_open AND is_liquidatable"),
    )
    op.create_index(
        "ix_risk_head_oldest",
        "risk_head",
        ["chain_id", "as_of_block"],
        unique=False,
        postgresql_where=sa.text("is_open"),
    )
    op.create_index(
        "ix_risk_head_safe_until",
        "risk_head",
        ["chain_id", "deployment_key", "scope", "safe_until"],
        unique=False,
        postgresql_where=sa.text("is_open"),
    )
    op.create_index(
        "ix_risk_head_worst",
        "risk_head",
        ["chain_id", "health_factor", "account", "deployment_key", sa.literal_column("coalesce(market_id, '')")],
        unique=False,
        postgresql_where=sa.text("is_open AND health_factor IS NOT NULL"),
    )
    op.create_table(
        "risk_head_state",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="head of which the rows of risk_head hold"),
        sa.Column("block_timestamp", sa.BigInteger(), nullable=False, comment="that block's second"),
        sa.Column(
            "is_current",
            sa.Boolean(),
            nullable=False,
            comment="false between an undone block and the next head: not to be read",
        ),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", name=("pk_risk_head_state")),
        comment="Up to which head risk_head was kept, one row a deployment; none: not built yet",
    )
    op.create_table(
        "risk_pressure",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("scope", sa.BigInteger(), nullable=False, comment="market_key, 0 for the whole deployment"),
        sa.Column(
            "pressure",
            sa.Float(),
            nullable=False,
            comment="sum over steps of ln of the worst that prices and interest can have done to any health factor",
        ),
        sa.Column(
            "unit_value",
            sa.Numeric(),
            nullable=True,
            comment="the most that one base unit of any asset is worth, in the unit of the scope's debt",
        ),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", "scope", name=("pk_risk_pressure")),
        comment="How much any health factor of a scope can have fallen since the table was built; never falls",
    )
    op.create_table(
        "risk_level",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("scope", sa.BigInteger(), nullable=False, comment="market_key, 0 for the whole deployment"),
        sa.Column("item", sa.Text(), nullable=False, comment="what it is of: a market, a feed, a pair"),
        sa.Column(
            "collateral_level",
            sa.Numeric(),
            nullable=True,
            comment="price as collateral: its fall lowers health factors",
        ),
        sa.Column("debt_level", sa.Numeric(), nullable=True, comment="price as debt: its rise lowers health factors"),
        sa.Column(
            "growth_level", sa.Numeric(), nullable=True, comment="debt index as stored: its rise lowers health factors"
        ),
        sa.Column(
            "debt_rate", sa.Numeric(), nullable=True, comment="yearly rate at which debt grows beyond that, fraction"
        ),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", "scope", "item", name=("pk_risk_level")),
        comment="Levels at the last head from which the next step's pressure is measured",
    )


def downgrade() -> None:
    op.drop_table("risk_level")
    op.drop_table("risk_pressure")
    op.drop_table("risk_head_state")
    op.drop_table("risk_head")
    op.drop_index("ix_account_setting_chain_id_account", table_name="account_setting")
