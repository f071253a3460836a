"""Hourly bins of markets and prices, and perp markets by interval.

Data     the tables begin empty; `leverage rebuild` fills them for what is indexed already

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "market_hour",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column(
            "market_key",
            sa.BigInteger(),
            nullable=False,
            comment="market: of a lending protocol, or of a perp venue with open interest",
        ),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the hour, unix seconds"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="last block in the hour that moved the market's books",
        ),
        sa.Column(
            "exposure_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=False,
            comment="lending: all debt with interest to that block's second, base units; perps: long + short, the venue's base unit",
        ),
        sa.Column(
            "long_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=True,
            comment="perps: open interest of longs, the venue's base unit; NULL for lending",
        ),
        sa.Column(
            "short_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=True,
            comment="perps: open interest of shorts, the venue's base unit; NULL for lending",
        ),
        sa.Column(
            "liquidated_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=False,
            comment="lending: debt repaid by liquidators in the hour; perps: size closed by force; unit of exposure_raw",
        ),
        sa.Column(
            "liquidated_long_raw",
            sa.Numeric(precision=78, scale=0),
            nullable=True,
            comment="the part of it that was long; NULL for lending, or where the side is not told",
        ),
        sa.Column(
            "mark",
            sa.Numeric(),
            nullable=True,
            comment="USD of one whole base unit where the market's own books tell it, else NULL",
        ),
        sa.PrimaryKeyConstraint("chain_id", "market_key", "bucket", name="pk_market_hour"),
        comment="Hourly bins of each market, only of hours in which it moved: until the next row exposure is as it was and nothing was liquidated",
    )
    op.create_table(
        "asset_hour",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("asset", sa.LargeBinary(), nullable=False, comment="token priced, 20 bytes"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the hour, unix seconds"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block of that price"),
        sa.Column(
            "price_usd", sa.Numeric(), nullable=False, comment="last USD oracle price of the hour, of one whole token"
        ),
        sa.PrimaryKeyConstraint("chain_id", "asset", "bucket", name="pk_asset_hour"),
        comment="Hourly closes of each asset, only of hours with a new price; the last one holds until the next",
    )
    op.create_table(
        "perp_market_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("market_key", sa.BigInteger(), nullable=False, comment="market"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("oi_convention", sa.Text(), nullable=False, comment="matched | pool | one_sided"),
        sa.Column("long_base", sa.Numeric(), nullable=True, comment="open interest of longs, whole base units"),
        sa.Column("short_base", sa.Numeric(), nullable=True, comment="open interest of shorts, whole base units"),
        sa.Column("mark", sa.Numeric(), nullable=True, comment="USD of one base unit that positions are valued at"),
        sa.Column(
            "index_price",
            sa.Numeric(),
            nullable=True,
            comment="USD of one base unit outside the venue; NULL where the venue has one price only",
        ),
        sa.Column(
            "funding_rate",
            sa.Numeric(),
            nullable=True,
            comment="fraction an interval, + where longs pay; NULL where the venue tells none",
        ),
        sa.Column("funding_interval_s", sa.Integer(), nullable=True, comment="seconds that funding_rate is for"),
        sa.Column(
            "funding_at_cap",
            sa.Boolean(),
            nullable=True,
            comment="whether it stands at the venue's cap; NULL where there is none, or none was told",
        ),
        sa.Column("margin_long", sa.Numeric(), nullable=True, comment="margin posted for longs, USD"),
        sa.Column("margin_short", sa.Numeric(), nullable=True, comment="margin posted for shorts, USD"),
        sa.Column(
            "margin_basis",
            sa.Text(),
            nullable=False,
            comment="isolated | cross_pro_rata (an account's margin split over its positions by notional)",
        ),
        sa.Column("n_long", sa.BigInteger(), nullable=False, comment="accounts that are long"),
        sa.Column("n_short", sa.BigInteger(), nullable=False, comment="accounts that are short"),
        sa.PrimaryKeyConstraint("chain_id", "market_key", "bucket", name="pk_perp_market_snapshot"),
        comment="M3, M8 at the end of each snapshot interval; the views perp_market_state and imbalance add what follows from it",
    )
    op.create_index("ix_perp_market_snapshot_chain_id_bucket", "perp_market_snapshot", ["chain_id", "bucket"])


def downgrade() -> None:
    op.drop_table("perp_market_snapshot")
    op.drop_table("asset_hour")
    op.drop_table("market_hour")
