"""Wallet flows, loop links and tags of debt-financed collateral.

Data     new and empty; `leverage rebuild` fills links from kept logs, `--reindex` fetches wallet flows

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "token_transfer",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block in which this row came to be"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("tx_index", sa.Integer(), nullable=False, comment="transaction index within the block"),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False, comment="32 bytes"),
        sa.Column("token", sa.LargeBinary(), nullable=False, comment="ERC-20 token, 20 bytes"),
        sa.Column("from_address", sa.LargeBinary(), nullable=False, comment="sender, 20 bytes; zero for a mint"),
        sa.Column("to_address", sa.LargeBinary(), nullable=False, comment="receiver, 20 bytes; zero for a burn"),
        sa.Column("amount_raw", sa.Numeric(78, 0), nullable=False, comment="base units of the token"),
        sa.PrimaryKeyConstraint("chain_id", "block_number", "log_index", name="pk_token_transfer"),
        comment="Wallet flows: ERC-20 transfers of the tokens that lending markets name, where wallet_flows is on",
        postgresql_partition_by="LIST (chain_id)",
    )
    op.create_index(
        "ix_token_transfer_chain_id_from_address", "token_transfer", ["chain_id", "from_address"], unique=False
    )
    op.create_index("ix_token_transfer_chain_id_to_address", "token_transfer", ["chain_id", "to_address"], unique=False)
    op.create_table(
        "loop_link",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column(
            "link_id",
            sa.BigInteger(),
            nullable=False,
            comment="key64 of `link:<chain id>:<owner>:<borrow block>:<borrow log>:<supply block>:<supply log>`",
        ),
        sa.Column(
            "loop_id",
            sa.BigInteger(),
            nullable=False,
            comment="key64 of `loop:<chain id>:<owner>:<block>:<log>` of the loop's first link",
        ),
        sa.Column("owner", sa.LargeBinary(), nullable=False, comment="owner of the position, 20 bytes"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block of the supply: from here on the link is open",
        ),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("supply_market_key", sa.BigInteger(), nullable=False, comment="market in which the supply is"),
        sa.Column(
            "supply_scope_key",
            sa.BigInteger(),
            nullable=False,
            comment="where it backs debt: deployment_key where collateral is pooled, else market_key",
        ),
        sa.Column("borrow_block", sa.BigInteger(), nullable=False, comment="block of the borrow"),
        sa.Column("borrow_log_index", sa.Integer(), nullable=False, comment="log index of the borrow within its block"),
        sa.Column("borrow_market_key", sa.BigInteger(), nullable=False, comment="market of the borrow"),
        sa.Column(
            "borrow_scope_key",
            sa.BigInteger(),
            nullable=False,
            comment="where it is debt: deployment_key where collateral is pooled, else market_key",
        ),
        sa.Column("token", sa.LargeBinary(), nullable=False, comment="token supplied, 20 bytes"),
        sa.Column("borrow_token", sa.LargeBinary(), nullable=False, comment="token borrowed, 20 bytes"),
        sa.Column(
            "amount_raw",
            sa.Numeric(78, 0),
            nullable=False,
            comment="linked part of the supply, base units of the token supplied",
        ),
        sa.Column(
            "borrowed_raw",
            sa.Numeric(78, 0),
            nullable=False,
            comment="the part of the borrow that paid for it, base units of the token borrowed",
        ),
        sa.Column(
            "amount_usd",
            sa.Numeric(38, 18),
            nullable=True,
            comment="linked part of the supply, USD at the supply's block; NULL without a price",
        ),
        sa.Column("age_s", sa.BigInteger(), nullable=False, comment="seconds from the borrow to the supply"),
        sa.Column("is_same_tx", sa.Boolean(), nullable=False, comment="whether one transaction did both"),
        sa.Column("depth", sa.Integer(), nullable=False, comment="1 + depth of the borrow, links of any age"),
        sa.Column(
            "depth_1d",
            sa.Integer(),
            nullable=True,
            comment="the same counting only links no older than a day; NULL for an older one",
        ),
        sa.Column(
            "depth_tx",
            sa.Integer(),
            nullable=True,
            comment="the same counting only links within one transaction; NULL for another",
        ),
        sa.Column(
            "turn",
            sa.Integer(),
            nullable=False,
            comment="passes through a full cycle of scopes so far; 0 in a chain that has not come back",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="intra (one protocol) | inter (two)"),
        sa.Column(
            "is_flash",
            sa.Boolean(),
            nullable=False,
            comment="whether flash-loan principal paid for the supply until the borrow repaid it",
        ),
        sa.Column(
            "is_repledge",
            sa.Boolean(),
            nullable=False,
            comment="whether this money was collateral before and only its receipt was pledged again",
        ),
        sa.Column(
            "evidence",
            sa.Text(),
            nullable=False,
            comment="flows (through wallet flows) | registry (same or claim token) | assumed",
        ),
        sa.Column(
            "closed_block",
            sa.BigInteger(),
            nullable=True,
            comment="block in which the linked collateral or the borrow reached zero; NULL while open",
        ),
        sa.PrimaryKeyConstraint("chain_id", "link_id", name="pk_loop_link"),
        comment="M6: supplies that consumed borrowed money, one row a (borrow, supply), debt first, any age",
    )
    op.create_index("ix_loop_link_chain_id_owner", "loop_link", ["chain_id", "owner"], unique=False)
    op.create_index("ix_loop_link_chain_id_block_number", "loop_link", ["chain_id", "block_number"])
    op.create_index(
        "ix_loop_link_chain_id_closed_block", "loop_link", ["chain_id", "closed_block"],
        postgresql_where=sa.text("closed_block IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "collateral_tag",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("owner", sa.LargeBinary(), nullable=False, comment="owner of the position, 20 bytes"),
        sa.Column("market_key", sa.BigInteger(), nullable=False, comment="market of the collateral"),
        sa.Column(
            "block_number", sa.BigInteger(), nullable=False, comment="block from whose end it holds, until a later row"
        ),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column(
            "low_raw",
            sa.Numeric(78, 0),
            nullable=True,
            comment="tagged collateral, own money first; base units of the token without interest; NULL where the wallet's other money is unknown",
        ),
        sa.Column("mid_raw", sa.Numeric(78, 0), nullable=True, comment="the same, pro rata"),
        sa.Column("high_raw", sa.Numeric(78, 0), nullable=False, comment="the same, borrowed money first"),
        sa.Column(
            "supplied_raw",
            sa.Numeric(78, 0),
            nullable=False,
            comment="collateral supplied by this log, base units; 0 for other changes",
        ),
        sa.Column("supplied_low_raw", sa.Numeric(78, 0), nullable=True, comment="tagged part of it, own money first"),
        sa.Column("supplied_mid_raw", sa.Numeric(78, 0), nullable=True, comment="tagged part of it, pro rata"),
        sa.Column(
            "supplied_high_raw", sa.Numeric(78, 0), nullable=False, comment="tagged part of it, borrowed money first"
        ),
        sa.PrimaryKeyConstraint(
            "chain_id", "owner", "market_key", "block_number", "log_index", name="pk_collateral_tag"
        ),
        comment="M7: how much of an owner's collateral borrowed money paid for, after every change, by three rules",
    )
    op.create_table(
        "dfc_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("rule", sa.Text(), nullable=False, comment="free_first (low) | pro_rata (mid) | debt_first (high)"),
        sa.Column("bucket", sa.BigInteger(), nullable=False, comment="end of the interval, unix seconds"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one with a log of any protocol in the interval",
        ),
        sa.Column(
            "tagged_usd",
            sa.Numeric(38, 18),
            nullable=True,
            comment="debt-financed collateral, USD; NULL where the rule has no answer for some account",
        ),
        sa.Column("collateral_usd", sa.Numeric(38, 18), nullable=False, comment="collateral of every account, USD"),
        sa.Column(
            "coverage_start_block",
            sa.BigInteger(),
            nullable=False,
            comment="first block indexed: what was borrowed before is not tagged",
        ),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", "rule", "bucket", name="pk_dfc_snapshot"),
        comment="M7 stock at the end of each snapshot interval; the view dfc adds shares and the head",
    )
    op.execute("CREATE TABLE token_transfer_default PARTITION OF token_transfer DEFAULT")


def downgrade() -> None:
    op.drop_table("dfc_snapshot")
    op.drop_table("collateral_tag")
    op.drop_table("loop_link")
    op.drop_table("token_transfer")
