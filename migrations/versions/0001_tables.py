"""Every table of the first release.

Data     none: the database is new

Frozen: it does not follow later changes of `indexer.store.schema`; those get migrations of their own. A test compares
the result of all migrations with the schema.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

U256 = sa.Numeric(78, 0)
USD = sa.Numeric(38, 18)

PARTITIONED = ("action", "position_change", "raw_log")
"""By chain id; the default partition takes every chain until one is split off."""


def upgrade() -> None:
    op.create_table(
        "account_setting",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("subject", sa.BigInteger(), nullable=False, comment="market_key or deployment_key"),
        sa.Column("account", sa.LargeBinary(), nullable=False, comment="20 bytes"),
        sa.Column("name", sa.Text(), nullable=False, comment="e.g. emode"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block from which it holds"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("value_raw", U256, nullable=False, comment="e.g. the e-mode category"),
        sa.PrimaryKeyConstraint(
            "chain_id", "subject", "account", "name", "block_number", "log_index", name="pk_account_setting"
        ),
        comment="Settings that an account chose, every change; the last row at or below a block holds",
    )
    op.create_table(
        "action",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block in which this row came to be"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("leg", sa.SmallInteger(), nullable=False, comment="which of several actions of one log"),
        sa.Column("tx_index", sa.Integer(), nullable=False, comment="transaction index within the block"),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False, comment="32 bytes"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("market_key", sa.BigInteger(), comment="market, NULL when the action is not about one"),
        sa.Column("transaction_type", sa.Text(), nullable=False, comment="closed enum, see docs/data-model.md"),
        sa.Column("token", sa.LargeBinary(), comment="underlying asset moved, 20 bytes"),
        sa.Column("borrower", sa.LargeBinary(), comment="the debtor"),
        sa.Column(
            "depositor", sa.LargeBinary(), comment="who sent the deposit, or whose supply is withdrawn or seized"
        ),
        sa.Column("on_behalf_of", sa.LargeBinary(), comment="whose position changed"),
        sa.Column("repayer", sa.LargeBinary(), comment="who paid"),
        sa.Column("liquidator", sa.LargeBinary(), comment="who liquidated"),
        sa.Column("recipient", sa.LargeBinary(), comment="who received (withdraw, transfer, flash loan)"),
        sa.Column("amount_raw", U256, comment="amount in base units of the token"),
        sa.Column("fee_raw", U256, comment="flash loan: the premium, in base units of the token"),
        sa.Column("contract", sa.LargeBinary(), nullable=False, comment="emitter, Dune's project_contract_address"),
        sa.PrimaryKeyConstraint("chain_id", "block_number", "log_index", "leg", name="pk_action"),
        comment="What someone did. For people: never summed into balances. Views: lending_events, liquidation_events, flashloan_events",
        postgresql_partition_by="LIST (chain_id)",
    )
    op.create_index("ix_action_chain_id_on_behalf_of", "action", ["chain_id", "on_behalf_of"], unique=False)
    op.create_table(
        "block",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block number"),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False, comment="32 bytes"),
        sa.Column(
            "parent_hash", sa.LargeBinary(), comment="32 bytes; NULL when only the logs' own block data were fetched"
        ),
        sa.Column("block_timestamp", sa.BigInteger(), nullable=False, comment="unix seconds"),
        sa.PrimaryKeyConstraint("chain_id", "block_number", name="pk_block"),
        comment="Truth: headers of the blocks that matter (with logs, range ends, all above finality; all with all_headers)",
    )
    op.create_index("ix_block_chain_id_block_timestamp", "block", ["chain_id", "block_timestamp"], unique=False)
    op.create_table(
        "chain",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="name in leverage.toml, e.g. ethereum; Dune's `blockchain`"
        ),
        sa.Column("head_block", sa.BigInteger(), comment="newest block the node has spoken of"),
        sa.Column(
            "safe_block", sa.BigInteger(), comment="newest block tagged safe, NULL where the chain has no such tag"
        ),
        sa.Column("finalized_block", sa.BigInteger(), comment="no block up to this one can change any more"),
        sa.Column("seen_at", sa.BigInteger(), comment="unix seconds of the wall clock when the node last answered"),
        sa.PrimaryKeyConstraint("chain_id", name="pk_chain"),
        comment="Operation: one row a chain with what its node last said. The only table that holds wall-clock time",
    )
    op.create_table(
        "contract",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("address", sa.LargeBinary(), nullable=False, comment="20 bytes"),
        sa.Column("protocol", sa.Text(), nullable=False, comment="protocol slug"),
        sa.Column("kind", sa.Text(), nullable=False, comment="ABI file name in abis/<protocol>/"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment it belongs to"),
        sa.Column(
            "block_number", sa.BigInteger(), nullable=False, comment="block in which it was found; 0 for listed ones"
        ),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.PrimaryKeyConstraint("chain_id", "address", "protocol", "kind", "deployment_key", name="pk_contract"),
        comment="Contracts watched: listed ones and those found on chain",
    )
    op.create_table(
        "cursor",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("protocol", sa.Text(), nullable=False, comment="protocol slug, e.g. aave_v3"),
        sa.Column(
            "start_block",
            sa.BigInteger(),
            nullable=False,
            comment="first block covered; positions before it are unknown",
        ),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="last block whose rows are committed; start_block - 1 before the first",
        ),
        sa.Column("block_hash", sa.LargeBinary(), comment="hash of that block, NULL before the first"),
        sa.Column("status", sa.Text(), nullable=False, comment="backfill | following | stopped"),
        sa.Column(
            "error", postgresql.JSONB(), comment="why it is stopped: error, message, hint and the fields of the error"
        ),
        sa.PrimaryKeyConstraint("chain_id", "protocol", name="pk_cursor"),
        comment="One row per chain and protocol: how far its rows are complete. Committed with the rows themselves",
    )
    op.create_table(
        "deployment",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="key64 of `<slug>:<chain id>:<name>`"),
        sa.Column("protocol", sa.Text(), nullable=False, comment="protocol slug, e.g. aave_v3"),
        sa.Column("project", sa.Text(), nullable=False, comment="Dune's project, e.g. aave"),
        sa.Column("version", sa.Text(), nullable=False, comment="Dune's version, e.g. 3"),
        sa.Column("name", sa.Text(), nullable=False, comment="deployment name, e.g. ethereum_core"),
        sa.Column("kind", sa.Text(), nullable=False, comment="lending | perp | oracle | link"),
        sa.Column("start_block", sa.BigInteger(), nullable=False, comment="first block indexed"),
        sa.Column(
            "contracts", postgresql.JSONB(), nullable=False, comment="listed contracts, ABI file name to address"
        ),
        sa.Column(
            "proven",
            sa.Text(),
            comment="how the protocol's accounting was proven against its contracts; NULL: unproven",
        ),
        sa.PrimaryKeyConstraint("chain_id", "deployment_key", name="pk_deployment"),
        comment="One row a deployment that is configured",
    )
    op.create_table(
        "market",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("market_key", sa.BigInteger(), nullable=False, comment="key64 of market_id"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block in which it was listed"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column(
            "market_id",
            sa.Text(),
            nullable=False,
            comment="readable id: `<slug>:<chain id>:<native id>`; Aave `<pool>:<asset>`, Morpho the market id",
        ),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment it belongs to"),
        sa.Column(
            "accounting",
            sa.Text(),
            nullable=False,
            comment="family of index mathematics, names the SQL function `<accounting>_quote`",
        ),
        sa.Column(
            "asset",
            sa.LargeBinary(),
            nullable=False,
            comment="asset supplied and borrowed (Morpho: the loan token), 20 bytes",
        ),
        sa.Column(
            "collateral_asset",
            sa.LargeBinary(),
            comment="Morpho: the collateral token; NULL where the asset itself is the collateral",
        ),
        sa.Column("supply_token", sa.LargeBinary(), comment="receipt token (aToken), NULL where there is none"),
        sa.Column("debt_token", sa.LargeBinary(), comment="debt token, NULL where there is none"),
        sa.Column(
            "oracle",
            sa.LargeBinary(),
            comment="price oracle fixed at listing (Morpho); NULL where a parameter names it (Aave)",
        ),
        sa.PrimaryKeyConstraint("chain_id", "market_key", name="pk_market"),
        comment="One row a market: an Aave reserve, a Morpho market",
    )
    op.create_index("uq_market_chain_id_market_id", "market", ["chain_id", "market_id"], unique=True)
    op.create_table(
        "market_state",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("market_key", sa.BigInteger(), nullable=False, comment="market"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end this state holds, until a later row",
        ),
        sa.Column(
            "regime",
            sa.Text(),
            nullable=False,
            comment="rules in force, e.g. aave: half_up_a, half_up_b, directed_b; morpho: adaptive, fixed, none",
        ),
        sa.Column(
            "accrued_at",
            sa.BigInteger(),
            nullable=False,
            comment="unix seconds up to which interest is booked in the indexes or totals",
        ),
        sa.Column("supply_index_raw", U256, comment="Aave liquidity index in ray; NULL where totals take its place"),
        sa.Column(
            "debt_index_raw", U256, comment="Aave variable borrow index in ray; NULL where totals take its place"
        ),
        sa.Column("supply_rate_raw", U256, comment="supply rate in the protocol's unit (Aave ray a year)"),
        sa.Column(
            "debt_rate_raw",
            U256,
            comment="borrow rate in the protocol's unit (Aave ray a year, Morpho WAD a second, average since the last accrual)",
        ),
        sa.Column("supply_shares_raw", U256, nullable=False, comment="sum of all supply shares"),
        sa.Column("debt_shares_raw", U256, nullable=False, comment="sum of all debt shares"),
        sa.Column(
            "supply_assets_raw", U256, comment="Morpho totalSupplyAssets as stored; NULL where indexes take its place"
        ),
        sa.Column(
            "debt_assets_raw", U256, comment="Morpho totalBorrowAssets as stored; NULL where indexes take its place"
        ),
        sa.Column(
            "rate_at_target_raw", U256, comment="Morpho adaptive curve: rate at target utilisation, WAD a second"
        ),
        sa.Column("fee_raw", U256, comment="Morpho fee, WAD"),
        sa.Column("extra", postgresql.JSONB(), comment="further numbers of this accounting, by name; exact integers"),
        sa.PrimaryKeyConstraint("chain_id", "market_key", "block_number", name="pk_market_state"),
        comment="Books of a market after each block that changed them; extrapolate to a later block with <accounting>_quote",
    )
    op.create_table(
        "node_read",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column(
            "block_number", sa.BigInteger(), nullable=False, comment="the read is of the state at the end of this block"
        ),
        sa.Column("address", sa.LargeBinary(), nullable=False, comment="contract called, 20 bytes"),
        sa.Column("calldata", sa.LargeBinary(), nullable=False, comment="selector and arguments"),
        sa.Column(
            "result", sa.LargeBinary(), comment="what eth_call returned; NULL when it reverted or the replay lacks it"
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="what the read is for"),
        sa.PrimaryKeyConstraint("chain_id", "block_number", "address", "calldata", name="pk_node_read"),
        comment="Truth: every view call made",
    )
    op.create_table(
        "param",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("subject", sa.BigInteger(), nullable=False, comment="market_key or deployment_key"),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="parameter name, e.g. liquidation_threshold_bps, price_oracle"
        ),
        sa.Column(
            "qualifier",
            sa.Text(),
            nullable=False,
            comment="what it is for within the subject, e.g. an e-mode category; '' for none",
        ),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block from which it holds"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("value_raw", U256, comment="number in the protocol's own unit"),
        sa.Column("value_text", sa.Text(), comment="address or label"),
        sa.PrimaryKeyConstraint(
            "chain_id", "subject", "name", "qualifier", "block_number", "log_index", name="pk_param"
        ),
        comment="Parameters of markets and deployments, every change; the last row at or below a block holds",
    )
    op.create_table(
        "perp_action",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block in which this row came to be"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("leg", sa.SmallInteger(), nullable=False, comment="which of several actions of one log"),
        sa.Column("tx_index", sa.Integer(), nullable=False, comment="transaction index within the block"),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False, comment="32 bytes"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("market_key", sa.BigInteger(), comment="market, NULL when the action is about the account's margin"),
        sa.Column(
            "action",
            sa.Text(),
            nullable=False,
            comment="increase | decrease | trade | liquidation | deposit | withdraw | funding | settle_pnl | liquidity | bad_debt",
        ),
        sa.Column("trader", sa.LargeBinary(), nullable=False, comment="20 bytes"),
        sa.Column("side", sa.Text(), comment="long | short, NULL where the event does not tell"),
        sa.Column("size_raw", U256, comment="base amount, signed (positive is long), in the venue's unit"),
        sa.Column("price_raw", U256, comment="price of the fill in the venue's unit"),
        sa.Column(
            "margin_delta_raw", U256, comment="margin added (positive) or taken out, in base units of the margin token"
        ),
        sa.Column("fee_raw", U256, comment="fee paid, in the venue's unit"),
        sa.Column("pnl_raw", U256, comment="profit realised, in the venue's unit"),
        sa.Column("funding_raw", U256, comment="funding paid (positive) or received, in the venue's unit"),
        sa.Column("is_liquidation", sa.Boolean(), nullable=False, comment="whether it was forced"),
        sa.Column("contract", sa.LargeBinary(), nullable=False, comment="emitter"),
        sa.PrimaryKeyConstraint("chain_id", "block_number", "log_index", "leg", name="pk_perp_action"),
        comment="What someone did on a perp venue. For people: never summed into balances. View: perp_events",
    )
    op.create_table(
        "position",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("market_key", sa.BigInteger(), nullable=False, comment="market"),
        sa.Column("account", sa.LargeBinary(), nullable=False, comment="who the protocol books, 20 bytes"),
        sa.Column("side", sa.Text(), nullable=False, comment="supply | collateral | debt | long | short | margin"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block of the last change"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("leg", sa.SmallInteger(), nullable=False, comment="leg of the last change"),
        sa.Column(
            "shares_raw",
            U256,
            nullable=False,
            comment="balance in units that do not grow with interest; rows with 0 stay",
        ),
        sa.Column(
            "basis_raw", U256, comment="index at the account's last change where the accounting needs it, else NULL"
        ),
        sa.Column("is_collateral", sa.Boolean(), nullable=False, comment="whether it backs debt"),
        sa.Column("extra", postgresql.JSONB(), comment="further numbers of this accounting, by name; exact integers"),
        sa.PrimaryKeyConstraint("chain_id", "market_key", "account", "side", name="pk_position"),
        comment="The newest row of position_change for each balance",
    )
    op.create_index(
        "ix_position_account_text",
        "position",
        [sa.literal_column("('0x' || encode(account, 'hex'))"), "chain_id"],
        unique=False,
    )
    op.create_index("ix_position_chain_id_account", "position", ["chain_id", "account"], unique=False)
    op.create_table(
        "position_change",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("market_key", sa.BigInteger(), nullable=False, comment="market"),
        sa.Column("account", sa.LargeBinary(), nullable=False, comment="who the protocol books, 20 bytes"),
        sa.Column("side", sa.Text(), nullable=False, comment="supply | collateral | debt | long | short | margin"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block in which this row came to be"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("leg", sa.SmallInteger(), nullable=False, comment="which of several changes of one log"),
        sa.Column(
            "shares_raw",
            U256,
            nullable=False,
            comment="balance after the change, in units that do not grow with interest",
        ),
        sa.Column(
            "basis_raw",
            U256,
            comment="index at the account's last change where the accounting needs it (Aave 3.5+), else NULL",
        ),
        sa.Column("is_collateral", sa.Boolean(), nullable=False, comment="whether it backs debt after the change"),
        sa.Column("extra", postgresql.JSONB(), comment="further numbers of this accounting, by name; exact integers"),
        sa.PrimaryKeyConstraint(
            "chain_id", "market_key", "account", "side", "block_number", "log_index", "leg", name="pk_position_change"
        ),
        comment="Append-only: the state of one balance after every change. Undoing a block is deleting its rows",
        postgresql_partition_by="LIST (chain_id)",
    )
    op.create_index(
        "ix_position_change_block_number", "position_change", ["block_number"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "price",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("feed", sa.LargeBinary(), nullable=False, comment="oracle contract, 20 bytes"),
        sa.Column("asset", sa.LargeBinary(), nullable=False, comment="token priced, 20 bytes"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end (read) or in which (event) it was seen",
        ),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("price_raw", U256, nullable=False, comment="the oracle's own integer"),
        sa.Column(
            "unit_raw",
            U256,
            comment="price_raw / unit_raw is the price of one whole token in `quote`; NULL when decimals are unknown",
        ),
        sa.Column("quote", sa.Text(), nullable=False, comment="usd, or the 0x address of the token it is quoted in"),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="oracle (a lending protocol's own feed) | par (decreed by a protocol for its own books only) | market",
        ),
        sa.PrimaryKeyConstraint("chain_id", "feed", "asset", "block_number", "log_index", name="pk_price"),
        comment="Prices as the protocols see them",
    )
    op.create_index(
        "ix_price_chain_id_asset_block_number", "price", ["chain_id", "asset", "block_number"], unique=False
    )
    op.create_table(
        "protocol_leverage_snapshot",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False, comment="deployment"),
        sa.Column("population", sa.Text(), nullable=False, comment="borrowers (D > 0 and E > 0) | all"),
        sa.Column(
            "block_number",
            sa.BigInteger(),
            nullable=False,
            comment="block at whose end it holds: the last one of a snapshot interval",
        ),
        sa.Column("assets_usd", USD, nullable=False, comment="sum of assets, USD"),
        sa.Column("debt_usd", USD, nullable=False, comment="sum of debts, USD"),
        sa.Column(
            "n_ok",
            sa.BigInteger(),
            nullable=False,
            comment="accounts with D > 0 and E > 0 (population all: with any equity)",
        ),
        sa.Column("n_zero_equity", sa.BigInteger(), nullable=False, comment="accounts with E = 0 and D > 0"),
        sa.Column("n_insolvent", sa.BigInteger(), nullable=False, comment="accounts with E < 0"),
        sa.Column("n_unpriced", sa.BigInteger(), nullable=False, comment="accounts with a leg that has no price"),
        sa.Column("latent_bad_debt_usd", USD, nullable=False, comment="sum of max(0, D - A), USD"),
        sa.PrimaryKeyConstraint(
            "chain_id", "deployment_key", "population", "block_number", name="pk_protocol_leverage_snapshot"
        ),
        comment="M1 at the end of each snapshot interval; the view protocol_leverage adds ratios and the head",
    )
    op.create_table(
        "raw_log",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block in which this row came to be"),
        sa.Column("log_index", sa.Integer(), nullable=False, comment="log index within the block; -1 for a node read"),
        sa.Column("tx_index", sa.Integer(), nullable=False, comment="transaction index within the block"),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False, comment="32 bytes"),
        sa.Column("address", sa.LargeBinary(), nullable=False, comment="emitter, 20 bytes"),
        sa.Column("topics", sa.LargeBinary(), nullable=False, comment="the topics end to end, 32 bytes each"),
        sa.Column("data", sa.LargeBinary(), nullable=False, comment="the log's data"),
        sa.PrimaryKeyConstraint("chain_id", "block_number", "log_index", name="pk_raw_log"),
        comment="Truth: every log of a watched contract with a known topic, as the node sent it",
        postgresql_partition_by="LIST (chain_id)",
    )
    op.create_table(
        "reorg",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="first block that was replaced"),
        sa.Column("old_hash", sa.LargeBinary(), nullable=False, comment="hash that block had"),
        sa.Column("depth", sa.Integer(), nullable=False, comment="blocks replaced"),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="unix seconds of the wall clock"),
        sa.PrimaryKeyConstraint("chain_id", "block_number", "old_hash", name="pk_reorg"),
        comment="Operation: a log of reorgs seen. Not part of the state that a branch determines",
    )
    op.create_table(
        "token",
        sa.Column("chain_id", sa.BigInteger(), nullable=False, comment="EIP-155 chain id"),
        sa.Column("address", sa.LargeBinary(), nullable=False, comment="20 bytes"),
        sa.Column("block_number", sa.BigInteger(), nullable=False, comment="block at which it was first met"),
        sa.Column("symbol", sa.Text(), comment="ERC-20 symbol, NULL when the token does not say"),
        sa.Column(
            "decimals",
            sa.SmallInteger(),
            comment="ERC-20 decimals, NULL when the token does not say: amounts are then NULL, never a guess",
        ),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="plain | lending_receipt | debt_token | erc4626 | unclassified"
        ),
        sa.Column("issuer_project", sa.Text(), comment="project whose claim this token is, NULL for plain ones"),
        sa.Column("underlying", sa.LargeBinary(), comment="token that one share is a claim on, NULL for plain ones"),
        sa.PrimaryKeyConstraint("chain_id", "address", name="pk_token"),
        comment="Tokens met, and what claim tokens stand for; `token_registry` is the view for people",
    )
    for table in PARTITIONED:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")


def downgrade() -> None:
    op.drop_table("token")
    op.drop_table("reorg")
    op.drop_table("raw_log")
    op.drop_table("protocol_leverage_snapshot")
    op.drop_table("price")
    op.drop_table("position_change")
    op.drop_table("perp_action")
    op.drop_table("position")
    op.drop_table("param")
    op.drop_table("node_read")
    op.drop_table("market_state")
    op.drop_table("market")
    op.drop_table("deployment")
    op.drop_table("cursor")
    op.drop_table("contract")
    op.drop_table("chain")
    op.drop_table("block")
    op.drop_table("action")
    op.drop_table("account_setting")
