"""Every table, in SQLAlchemy Core. Researchers read this file; `docs/data-model.md` is generated from it.

Units    `*_raw` exact on-chain integers; `*_ray` 1e27; `*_bps` 1/10000; timestamps unix seconds
Keys     natural and deterministic: the same chain gives the same rows on every machine and after every reorg
Truth    block, raw_log, node_read hold what nodes said; everything else is rebuilt from them
Views    relations for people (text hex, decimals applied, USD) are in `store/sql/`
"""

from __future__ import annotations

from sqlalchemy import Index, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from indexer.store import (
    schema_cascade,
    schema_exposure,
    schema_history,
    schema_links,
    schema_loops,
    schema_perps,
    schema_quality,
    schema_risk,
    schema_stream,
)
from indexer.store.columns import (
    U256,
    BigInteger,
    Boolean,
    Bytes,
    Integer,
    Key,
    SmallInteger,
    Text,
    Usd,
    block_number,
    chain_id,
    col,
    log_index,
)  # fmt: skip
from indexer.store.metadata import BY_CHAIN, metadata

# ------------------------------------------------------------------------------------------------ operation

chain = Table(
    "chain", metadata,
    chain_id(),
    col("name", Text, "name in leverage.toml, e.g. ethereum; Dune's `blockchain`"),
    col("head_block", BigInteger, "newest block the node has spoken of", null=True),
    col("safe_block", BigInteger, "newest block tagged safe, NULL where the chain has no such tag", null=True),
    col("finalized_block", BigInteger, "no block up to this one can change any more", null=True),
    col("seen_at", BigInteger, "unix seconds of the wall clock when the node last answered", null=True),
    comment="Operation: one row a chain with what its node last said. The only table that holds wall-clock time",
)  # fmt: skip

cursor = Table(
    "cursor", metadata,
    chain_id(),
    col("protocol", Text, "protocol slug, e.g. aave_v3", key=True),
    col("start_block", BigInteger, "first block covered; positions before it are unknown"),
    block_number("last block whose rows are committed; start_block - 1 before the first"),
    col("block_hash", Bytes, "hash of that block, NULL before the first", null=True),
    col("status", Text, "backfill | following | stopped"),
    col("error", JSONB, "why it is stopped: error, message, hint and the fields of the error", null=True),
    comment="One row per chain and protocol: how far its rows are complete. Committed with the rows themselves",
)  # fmt: skip

reorg = Table(
    "reorg", metadata,
    chain_id(),
    block_number("first block that was replaced", key=True),
    col("old_hash", Bytes, "hash that block had", key=True),
    col("depth", Integer, "blocks replaced"),
    col("seen_at", BigInteger, "unix seconds of the wall clock"),
    comment="Operation: a log of reorgs seen. Not part of the state that a branch determines",
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------- truth

block = Table(
    "block", metadata,
    chain_id(),
    block_number("block number", key=True),
    col("block_hash", Bytes, "32 bytes"),
    col("parent_hash", Bytes, "32 bytes; NULL when only the logs' own block data were fetched", null=True),
    col("block_timestamp", BigInteger, "unix seconds"),
    Index("ix_block_chain_id_block_timestamp", "chain_id", "block_timestamp"),
    comment="Truth: headers of the blocks that matter (with logs, range ends, all above finality; all with all_headers)",
)  # fmt: skip

raw_log = Table(
    "raw_log", metadata,
    chain_id(),
    block_number(key=True),
    log_index(key=True),
    col("tx_index", Integer, "transaction index within the block"),
    col("tx_hash", Bytes, "32 bytes"),
    col("address", Bytes, "emitter, 20 bytes"),
    col("topics", Bytes, "the topics end to end, 32 bytes each"),
    col("data", Bytes, "the log's data"),
    comment="Truth: every log of a watched contract with a known topic, as the node sent it",
    **BY_CHAIN,
)  # fmt: skip

node_read = Table(
    "node_read", metadata,
    chain_id(),
    block_number("the read is of the state at the end of this block", key=True),
    col("address", Bytes, "contract called, 20 bytes", key=True),
    col("calldata", Bytes, "selector and arguments", key=True),
    col("result", Bytes, "what eth_call returned; NULL when it reverted or the replay lacks it", null=True),
    col("reason", Text, "what the read is for"),
    comment="Truth: every view call made",
)  # fmt: skip

# ------------------------------------------------------------------------------------------------- registry

deployment = Table(
    "deployment", metadata,
    chain_id(),
    col("deployment_key", Key, "key64 of `<slug>:<chain id>:<name>`", key=True),
    col("protocol", Text, "protocol slug, e.g. aave_v3"),
    col("project", Text, "Dune's project, e.g. aave"),
    col("version", Text, "Dune's version, e.g. 3"),
    col("name", Text, "deployment name, e.g. ethereum_core"),
    col("kind", Text, "lending | perp | oracle | link"),
    col("start_block", BigInteger, "first block indexed"),
    col("contracts", JSONB, "listed contracts, ABI file name to address"),
    col("proven", Text, "how the protocol's accounting was proven against its contracts; NULL: unproven", null=True),
    comment="One row a deployment that is configured",
)  # fmt: skip

contract = Table(
    "contract", metadata,
    chain_id(),
    col("address", Bytes, "20 bytes", key=True),
    col("protocol", Text, "protocol slug", key=True),
    col("kind", Text, "ABI file name in abis/<protocol>/", key=True),
    col("deployment_key", Key, "deployment it belongs to", key=True),
    block_number("block in which it was found; 0 for listed ones"),
    log_index(),
    comment="Contracts watched: listed ones and those found on chain",
)  # fmt: skip

token = Table(
    "token", metadata,
    chain_id(),
    col("address", Bytes, "20 bytes", key=True),
    block_number("block at which it was first met"),
    col("symbol", Text, "ERC-20 symbol, NULL when the token does not say", null=True),
    col("decimals", SmallInteger, "ERC-20 decimals, NULL when the token does not say: amounts are then NULL, never a guess", null=True),
    col("kind", Text, "plain | lending_receipt | ctoken | vault_share | debt_token | erc4626 | cdp_stable | unclassified"),
    col("issuer_project", Text, "project whose claim this token is, NULL for plain ones", null=True),
    col("underlying", Bytes, "token that one share is a claim on, NULL for plain ones", null=True),
    comment="Tokens met, and what claim tokens stand for; `token_registry` is the view for people",
)  # fmt: skip

market = Table(
    "market", metadata,
    chain_id(),
    col("market_key", Key, "key64 of market_id", key=True),
    block_number("block in which it was listed"),
    log_index(),
    col("market_id", Text, "readable id: `<slug>:<chain id>:<native id>`; Aave `<pool>:<asset>`, Morpho the market id"),
    col("deployment_key", Key, "deployment it belongs to"),
    col("accounting", Text, "family of index mathematics, names the SQL function `<accounting>_quote`"),
    col("asset", Bytes, "asset supplied and borrowed (Morpho: the loan token), 20 bytes"),
    col("collateral_asset", Bytes, "Morpho: the collateral token; NULL where the asset itself is the collateral", null=True),
    col("supply_token", Bytes, "receipt token (aToken), NULL where there is none", null=True),
    col("debt_token", Bytes, "debt token, NULL where there is none", null=True),
    col("oracle", Bytes, "price oracle fixed at listing (Morpho); NULL where a parameter names it (Aave)", null=True),
    Index("uq_market_chain_id_market_id", "chain_id", "market_id", unique=True),
    comment="One row a market: an Aave reserve, a Morpho market",
)  # fmt: skip

# -------------------------------------------------------------------------------------------- market history

market_state = Table(
    "market_state", metadata,
    chain_id(),
    col("market_key", Key, "market", key=True),
    block_number("block at whose end this state holds, until a later row", key=True),
    col("regime", Text, "rules in force, e.g. aave: half_up_a, half_up_b, directed_b; morpho: adaptive, fixed, none"),
    col("accrued_at", BigInteger, "unix seconds up to which interest is booked in the indexes or totals"),
    col("supply_index_raw", U256, "Aave liquidity index in ray; NULL where totals take its place", null=True),
    col("debt_index_raw", U256, "Aave variable borrow index in ray; NULL where totals take its place", null=True),
    col("supply_rate_raw", U256, "supply rate in the protocol's unit (Aave ray a year)", null=True),
    col("debt_rate_raw", U256, "borrow rate in the protocol's unit (Aave ray a year, Morpho WAD a second, average since the last accrual)", null=True),
    col("supply_shares_raw", U256, "sum of all supply shares"),
    col("debt_shares_raw", U256, "sum of all debt shares"),
    col("supply_assets_raw", U256, "Morpho totalSupplyAssets as stored; NULL where indexes take its place", null=True),
    col("debt_assets_raw", U256, "Morpho totalBorrowAssets as stored; NULL where indexes take its place", null=True),
    col("rate_at_target_raw", U256, "Morpho adaptive curve: rate at target utilisation, WAD a second", null=True),
    col("fee_raw", U256, "Morpho fee, WAD", null=True),
    col("extra", JSONB, "further numbers of this accounting, by name; exact integers", null=True),
    comment="Books of a market after each block that changed them; extrapolate to a later block with <accounting>_quote",
)  # fmt: skip

param = Table(
    "param", metadata,
    chain_id(),
    col("subject", Key, "market_key or deployment_key", key=True),
    col("name", Text, "parameter name, e.g. liquidation_threshold_bps, price_oracle", key=True),
    col("qualifier", Text, "what it is for within the subject, e.g. an e-mode category; '' for none", key=True),
    block_number("block from which it holds", key=True),
    log_index(key=True),
    col("value_raw", U256, "number in the protocol's own unit", null=True),
    col("value_text", Text, "address or label", null=True),
    comment="Parameters of markets and deployments, every change; the last row at or below a block holds",
)  # fmt: skip

price = Table(
    "price", metadata,
    chain_id(),
    col("feed", Bytes, "oracle contract, 20 bytes", key=True),
    col("asset", Bytes, "token priced, 20 bytes", key=True),
    block_number("block at whose end (read) or in which (event) it was seen", key=True),
    log_index(key=True),
    col("price_raw", U256, "the oracle's own integer"),
    col("unit_raw", U256, "price_raw / unit_raw is the price of one whole token in `quote`; NULL when decimals are unknown", null=True),
    col("quote", Text, "usd, or the 0x address of the token it is quoted in"),
    col("source", Text, "oracle (a lending protocol's own feed) | par (decreed by a protocol for its own books only) | market"),
    Index("ix_price_chain_id_asset_block_number", "chain_id", "asset", "block_number"),
    comment="Prices as the protocols see them",
)  # fmt: skip

# ------------------------------------------------------------------------------------------------- positions

position_change = Table(
    "position_change", metadata,
    chain_id(),
    col("market_key", Key, "market", key=True),
    col("account", Bytes, "who the protocol books, 20 bytes", key=True),
    col("side", Text, "supply | collateral | debt | long | short | margin", key=True),
    block_number(key=True),
    log_index(key=True),
    col("leg", SmallInteger, "which of several changes of one log", key=True),
    col("shares_raw", U256, "balance after the change, in units that do not grow with interest"),
    col("basis_raw", U256, "index at the account's last change where the accounting needs it (Aave 3.5+), else NULL", null=True),
    col("is_collateral", Boolean, "whether it backs debt after the change"),
    col("extra", JSONB, "further numbers of this accounting, by name; exact integers", null=True),
    Index("ix_position_change_block_number", "block_number", postgresql_using="brin"),
    comment="Append-only: the state of one balance after every change. Undoing a block is deleting its rows",
    **BY_CHAIN,
)  # fmt: skip

position = Table(
    "position", metadata,
    chain_id(),
    col("market_key", Key, "market", key=True),
    col("account", Bytes, "who the protocol books, 20 bytes", key=True),
    col("side", Text, "supply | collateral | debt | long | short | margin", key=True),
    block_number("block of the last change"),
    log_index(),
    col("leg", SmallInteger, "leg of the last change"),
    col("shares_raw", U256, "balance in units that do not grow with interest; rows with 0 stay"),
    col("basis_raw", U256, "index at the account's last change where the accounting needs it, else NULL", null=True),
    col("is_collateral", Boolean, "whether it backs debt"),
    col("extra", JSONB, "further numbers of this accounting, by name; exact integers", null=True),
    Index("ix_position_chain_id_account", "chain_id", "account"),
    # for `WHERE account = '0x...'` on views, which show hex text: spelled as the SQL function hex() inlines
    Index("ix_position_account_text", text("('0x' || encode(account, 'hex'))"), "chain_id"),
    comment="The newest row of position_change for each balance",
)  # fmt: skip

account_setting = Table(
    "account_setting", metadata,
    chain_id(),
    col("subject", Key, "market_key or deployment_key", key=True),
    col("account", Bytes, "20 bytes", key=True),
    col("name", Text, "e.g. emode", key=True),
    block_number("block from which it holds", key=True),
    log_index(key=True),
    col("value_raw", U256, "e.g. the e-mode category"),
    Index("ix_account_setting_chain_id_account", "chain_id", "account"),
    comment="Settings that an account chose, every change; the last row at or below a block holds",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------- actions

action = Table(
    "action", metadata,
    chain_id(),
    block_number(key=True),
    log_index(key=True),
    col("leg", SmallInteger, "which of several actions of one log", key=True),
    col("tx_index", Integer, "transaction index within the block"),
    col("tx_hash", Bytes, "32 bytes"),
    col("deployment_key", Key, "deployment"),
    col("market_key", Key, "market, NULL when the action is not about one", null=True),
    col("transaction_type", Text, "closed enum, see docs/data-model.md"),
    col("token", Bytes, "underlying asset moved, 20 bytes", null=True),
    col("borrower", Bytes, "the debtor", null=True),
    col("depositor", Bytes, "who sent the deposit, or whose supply is withdrawn or seized", null=True),
    col("on_behalf_of", Bytes, "whose position changed", null=True),
    col("repayer", Bytes, "who paid", null=True),
    col("liquidator", Bytes, "who liquidated", null=True),
    col("recipient", Bytes, "who received (withdraw, transfer, flash loan)", null=True),
    col("amount_raw", U256, "amount in base units of the token", null=True),
    col("fee_raw", U256, "flash loan: the premium, in base units of the token", null=True),
    col("contract", Bytes, "emitter, Dune's project_contract_address"),
    Index("ix_action_chain_id_on_behalf_of", "chain_id", "on_behalf_of"),
    comment="What someone did. For people: never summed into balances. Views: lending_events, liquidation_events, flashloan_events",
    **BY_CHAIN,
)  # fmt: skip

perp_action = Table(
    "perp_action", metadata,
    chain_id(),
    block_number(key=True),
    log_index(key=True),
    col("leg", SmallInteger, "which of several actions of one log", key=True),
    col("tx_index", Integer, "transaction index within the block"),
    col("tx_hash", Bytes, "32 bytes"),
    col("deployment_key", Key, "deployment"),
    col("market_key", Key, "market, NULL when the action is about the account's margin", null=True),
    col("action", Text, "increase | decrease | trade | liquidation | deposit | withdraw | funding | settle_pnl | liquidity | bad_debt"),
    col("trader", Bytes, "20 bytes"),
    col("side", Text, "long | short, NULL where the event does not tell", null=True),
    col("size_raw", U256, "base amount, signed (positive is long), in the venue's unit", null=True),
    col("price_raw", U256, "price of the fill in the venue's unit", null=True),
    col("margin_delta_raw", U256, "margin added (positive) or taken out, in base units of the margin token", null=True),
    col("fee_raw", U256, "fee paid, in the venue's unit", null=True),
    col("pnl_raw", U256, "profit realised, in the venue's unit", null=True),
    col("funding_raw", U256, "funding paid (positive) or received, in the venue's unit", null=True),
    col("is_liquidation", Boolean, "whether it was forced"),
    col("contract", Bytes, "emitter"),
    comment="What someone did on a perp venue. For people: never summed into balances. View: perp_events",
)  # fmt: skip

# --------------------------------------------------------------------------------------------------- metrics

protocol_leverage_snapshot = Table(
    "protocol_leverage_snapshot", metadata,
    chain_id(),
    col("deployment_key", Key, "deployment", key=True),
    col("population", Text, "borrowers (D > 0 and E > 0) | all", key=True),
    col("bucket", BigInteger, "end of the interval, unix seconds", key=True),
    block_number("block at whose end it holds: the last one with a log of any protocol in the interval"),
    col("assets_usd", Usd, "sum of assets, USD"),
    col("debt_usd", Usd, "sum of debts, USD"),
    col("n_ok", BigInteger, "accounts with D > 0 and E > 0 (population all: with any equity)"),
    col("n_zero_equity", BigInteger, "accounts with E = 0 and D > 0"),
    col("n_insolvent", BigInteger, "accounts with E < 0"),
    col("n_unpriced", BigInteger, "accounts with a leg that has no price"),
    col("latent_bad_debt_usd", Usd, "sum of max(0, D - A), USD"),
    comment="M1 at the end of each snapshot interval; the view protocol_leverage adds ratios and the head",
)  # fmt: skip

BY_BUCKET: tuple[Table, ...] = (
    protocol_leverage_snapshot, *schema_exposure.EXPOSURE_HISTORY, *schema_history.TABLES, schema_loops.dfc_snapshot, schema_perps.perp_market_snapshot,
)  # fmt: skip
"""History by interval. Their rows are deleted by block, and by bucket when their interval is open again."""

TRUTH = (block, raw_log, node_read)
"""Never derived: what the nodes said."""

BY_BLOCK = (
    block, raw_log, node_read, contract, token, market, market_state, param, price, position_change,
    account_setting, action, perp_action, *schema_cascade.CASCADES, *schema_links.BY_BLOCK, schema_loops.token_transfer, schema_loops.loop_link, schema_loops.collateral_tag, *schema_perps.HOURLY, *BY_BUCKET,
)  # fmt: skip
"""Tables whose rows above a block are deleted when that block is undone. `position` is re-read from position_change."""

OPERATION = (reorg, *schema_quality.OPERATION, *schema_stream.OPERATION, *schema_risk.AT_HEAD)
"""What happened to this process, who may ask, and what it keeps of the heads it saw: not part of the state that a branch
determines. Risk at the head has tests of its own (tests/measures/test_risk_head.py)."""

__all__ = ["BY_BLOCK", "BY_BUCKET", "OPERATION", "TRUTH", "metadata"]
