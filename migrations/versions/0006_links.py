"""What tokens are claims on and at what rate; who is behind smart wallets.

Data     none: the link protocols fill the tables when they are indexed

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

U256 = sa.Numeric(78, 0)
KINDS_BEFORE = "plain | lending_receipt | debt_token | erc4626 | unclassified"
KINDS_NOW = "plain | lending_receipt | ctoken | vault_share | debt_token | erc4626 | cdp_stable | unclassified"


def upgrade() -> None:
    op.create_table(
        "token_link",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("token", sa.LargeBinary(), nullable=False, comment="the claim, 20 bytes"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment of the link that says so"),
        sa.Column(
            "place",
            sa.SmallInteger(),
            nullable=False,
            comment="0; 1 for the second of two things that a claim is on (LP)",
        ),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block from which it holds"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="plain | lending_receipt | ctoken | lst | lrt | lp | pt | yt | vault_share | static_wrapper | cdp_stable",
        ),
        sa.Column("issuer_project", sa.Text(), comment="project that issued the token, NULL when nobody in particular"),
        sa.Column(
            "underlying",
            sa.LargeBinary(),
            comment="what it is a claim on, 20 bytes (0xee.. is the chain's coin); NULL for what is no claim",
        ),
        sa.Column(
            "rate_rule",
            sa.Text(),
            comment="told | par | market | receipt_index | implied_rate: how token_rate_at finds the rate; NULL: unknown",
        ),
        sa.Column("rate_source", sa.Text(), comment="function or event that the rate comes from"),
        sa.Column(
            "expiry", sa.BigInteger(), comment="unix seconds at which a principal token pays one for one, else NULL"
        ),
        sa.Column(
            "asset_group",
            sa.Text(),
            comment="group that a list puts a root token into, e.g. usd; NULL: the token's own",
        ),
        sa.PrimaryKeyConstraint("chain_id", "token", "deployment_key", "place", name="pk_token_link"),
        comment="What a token is a claim on, as a link adapter learned it; tokens without a row are described by `token`",
    )
    op.create_table(
        "token_rate",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("token", sa.LargeBinary(), nullable=False, comment="the claim, 20 bytes"),
        sa.Column("underlying", sa.LargeBinary(), nullable=False, comment="what it is a claim on, 20 bytes"),
        sa.Column(
            "block_number", sa.BigInteger(), nullable=False, comment="block from which it holds, until a later row"
        ),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column(
            "numerator_raw",
            U256,
            nullable=False,
            comment="numerator / denominator base units of the underlying for one base unit of the token",
        ),
        sa.Column(
            "denominator_raw",
            U256,
            nullable=False,
            comment="see numerator_raw; exactly the contract's own totals where an event tells them",
        ),
        sa.PrimaryKeyConstraint("chain_id", "token", "underlying", "block_number", "log_index", name="pk_token_rate"),
        comment="Rates that events told (log_index of the event) or functions answered (-1)",
    )
    op.create_table(
        "wallet_owner",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("wallet", sa.LargeBinary(), nullable=False, comment="smart wallet, 20 bytes"),
        sa.Column("owner", sa.LargeBinary(), nullable=False, comment="one of its owners, 20 bytes"),
        sa.Column(
            "from_block",
            sa.BigInteger(),
            nullable=False,
            comment="block from which it holds, until a later row of the same wallet and owner",
        ),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("leg", sa.SmallInteger(), nullable=False, comment="which of several owners of one log"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment of the link that says so"),
        sa.Column("is_owner", sa.SmallInteger(), nullable=False, comment="1 from here on it is an owner, 0 no longer"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block in which the row came to be: from_block, or where the wallet first had a position after it",
        ),
        sa.PrimaryKeyConstraint(
            "chain_id", "wallet", "owner", "from_block", "log_index", "leg", name="pk_wallet_owner"
        ),
        comment="Who may act for a smart wallet, every change",
    )
    op.create_table(
        "wallet_state",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("wallet", sa.LargeBinary(), nullable=False, comment="smart wallet, 20 bytes"),
        sa.Column(
            "from_block", sa.BigInteger(), nullable=False, comment="block from which it holds, until a later row"
        ),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment of the link that says so"),
        sa.Column("kind", sa.Text(), nullable=False, comment="safe | ds_proxy | instadapp_dsa"),
        sa.Column(
            "threshold", sa.SmallInteger(), comment="how many owners have to sign; NULL where the row does not tell"
        ),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block in which the row came to be: from_block, or where the wallet first had a position after it",
        ),
        sa.PrimaryKeyConstraint("chain_id", "wallet", "from_block", "log_index", name="pk_wallet_state"),
        comment="What kind of wallet an address is and how many of its owners have to sign, every change",
    )
    op.alter_column("token", "kind", comment=KINDS_NOW, existing_comment=KINDS_BEFORE)


def downgrade() -> None:
    op.alter_column("token", "kind", comment=KINDS_BEFORE, existing_comment=KINDS_NOW)
    op.drop_table("wallet_state")
    op.drop_table("wallet_owner")
    op.drop_table("token_rate")
    op.drop_table("token_link")
