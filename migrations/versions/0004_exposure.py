"""M9 and M10 over time: exposure graph, cycles, look-through, rehypothecation.

Data     the tables begin empty; `leverage rebuild` fills them

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

USD = sa.Numeric(38, 18)


def upgrade() -> None:
    op.create_table(
        "exposure_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "method",
            sa.Text(),
            nullable=False,
            comment="how debt edges are found: events (open loop links) | state (balances)",
        ),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column(
            "loop_exposure_usd",
            USD,
            nullable=False,
            comment="sum of the sizes of all owners' cycles, USD: every dollar once",
        ),
        sa.Column(
            "gross_circulation_usd",
            USD,
            nullable=False,
            comment="sum of size times length of the same cycles, USD; never a headline",
        ),
        sa.Column(
            "system_loop_exposure_usd",
            USD,
            nullable=False,
            comment="sum of the sizes of the cycles of all owners' graph together, USD",
        ),
        sa.Column(
            "chain_depth",
            sa.Integer(),
            nullable=False,
            comment="most protocols that a dollar is pledged through without coming back; 0: no edge",
        ),
        sa.Column("n_owners", sa.BigInteger(), nullable=False, comment="owners with an edge between two protocols"),
        sa.Column("n_unpriced", sa.BigInteger(), nullable=False, comment="edges without a price, in no sum"),
        sa.PrimaryKeyConstraint("chain_id", "bucket", "method", name="pk_exposure_snapshot"),
        comment="M9: totals of the exposure graph at the end of each snapshot interval",
    )
    op.create_table(
        "exposure_edge_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "method",
            sa.Text(),
            nullable=False,
            comment="how debt edges are found: events (open loop links) | state (balances)",
        ),
        sa.Column(
            "src",
            sa.Text(),
            nullable=False,
            comment="protocol borrowed from, or that issued the claim, or where the vault's assets are",
        ),
        sa.Column("dst", sa.Text(), nullable=False, comment="protocol at which it is posted"),
        sa.Column("edge_kind", sa.Text(), nullable=False, comment="debt | claim | vault"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column("value_usd", USD, nullable=False, comment="sum over owners, USD"),
        sa.Column("n_owners", sa.BigInteger(), nullable=False, comment="owners with such an edge"),
        sa.Column(
            "n_unpriced", sa.BigInteger(), nullable=False, comment="owners' edges without a price, not in value_usd"
        ),
        sa.PrimaryKeyConstraint(
            "chain_id", "bucket", "method", "src", "dst", "edge_kind", name="pk_exposure_edge_snapshot"
        ),
        comment="M9: edges between protocols at the end of each snapshot interval, all owners summed",
    )
    op.create_table(
        "protocol_cycle_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "method",
            sa.Text(),
            nullable=False,
            comment="how debt edges are found: events (open loop links) | state (balances)",
        ),
        sa.Column(
            "scope",
            sa.Text(),
            nullable=False,
            comment="owners (of each owner's own graph, those through the same nodes summed) | system (of all together)",
        ),
        sa.Column("form", sa.Text(), nullable=False, comment="cycle | chain"),
        sa.Column(
            "rank", sa.Integer(), nullable=False, comment="1 for the first: cycles largest first, chains longest first"
        ),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column(
            "nodes",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="protocols in the order of the edges; a cycle from its smallest name on",
        ),
        sa.Column(
            "length", sa.Integer(), nullable=False, comment="number of nodes; edges of a cycle, protocols of a chain"
        ),
        sa.Column("size_usd", USD, nullable=False, comment="value that runs through all of it, USD"),
        sa.Column("n_owners", sa.BigInteger(), nullable=True, comment="owners it is of; NULL for the system"),
        sa.PrimaryKeyConstraint(
            "chain_id", "bucket", "method", "scope", "form", "rank", name="pk_protocol_cycle_snapshot"
        ),
        comment="M9: cycles and chains between protocols at the end of each snapshot interval",
    )
    op.create_table(
        "lookthrough_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column("owner", sa.Text(), nullable=False, comment="owner, 0x hex"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="no_debt | ok | zero_equity | insolvent | unpriced | unresolved",
        ),
        sa.Column("assets_usd", USD, nullable=True, comment="assets seen through vaults, USD, 6 decimals"),
        sa.Column("debt_usd", USD, nullable=True, comment="debts seen through vaults, USD, 6 decimals"),
        sa.Column("gross_assets_usd", USD, nullable=True, comment="assets as booked, USD"),
        sa.Column("gross_debt_usd", USD, nullable=True, comment="debts as booked, USD"),
        sa.Column("leverage_gross", USD, nullable=True, comment="A / E as booked; NULL unless E > 0"),
        sa.Column(
            "leverage_netted", USD, nullable=True, comment="A / E with identical underlyings set off; NULL unless E > 0"
        ),
        sa.Column("leverage_lookthrough", USD, nullable=True, comment="A / E seen through vaults; NULL unless E > 0"),
        sa.Column("hops", sa.Integer(), nullable=True, comment="longest way through vaults; NULL in a circle"),
        sa.Column("unresolved_usd", USD, nullable=False, comment="held in vaults that cannot be seen through, USD"),
        sa.PrimaryKeyConstraint("chain_id", "bucket", "owner", name="pk_lookthrough_snapshot"),
        comment="M10: owners that hold vault shares, seen through them, at the end of each snapshot interval",
    )
    op.create_table(
        "rehypothecation_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column("asset", sa.Text(), nullable=False, comment="token, 0x hex"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column(
            "claims_usd", USD, nullable=True, comment="claims on it across all layers, USD; NULL without a price"
        ),
        sa.Column(
            "held_usd", USD, nullable=True, comment="of it really held by lending contracts, USD; NULL without a price"
        ),
        sa.PrimaryKeyConstraint("chain_id", "bucket", "asset", name="pk_rehypothecation_snapshot"),
        comment="M10: claims on each asset against what is there, at the end of each snapshot interval",
    )


def downgrade() -> None:
    op.drop_table("rehypothecation_snapshot")
    op.drop_table("lookthrough_snapshot")
    op.drop_table("protocol_cycle_snapshot")
    op.drop_table("exposure_edge_snapshot")
    op.drop_table("exposure_snapshot")
