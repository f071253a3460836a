"""Tables of recursion: wallet flows (M6's input), loop links, tags of debt-financed collateral (M7) and their history."""

from __future__ import annotations

from sqlalchemy import Index, Table, text

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
    log_index,
)
from indexer.store.metadata import BY_CHAIN, metadata

token_transfer: Table = Table(
    "token_transfer", metadata,
    chain_id(),
    block_number(key=True),
    log_index(key=True),
    col("tx_index", Integer, "transaction index within the block"),
    col("tx_hash", Bytes, "32 bytes"),
    col("token", Bytes, "ERC-20 token, 20 bytes"),
    col("from_address", Bytes, "sender, 20 bytes; zero for a mint"),
    col("to_address", Bytes, "receiver, 20 bytes; zero for a burn"),
    col("amount_raw", U256, "base units of the token"),
    Index("ix_token_transfer_chain_id_from_address", "chain_id", "from_address"),
    Index("ix_token_transfer_chain_id_to_address", "chain_id", "to_address"),
    comment="Wallet flows: ERC-20 transfers of the tokens that lending markets name, where wallet_flows is on",
    **BY_CHAIN,
)  # fmt: skip

loop_link: Table = Table(
    "loop_link", metadata,
    chain_id(),
    col("link_id", Key, "key64 of `link:<chain id>:<owner>:<borrow block>:<borrow log>:<supply block>:<supply log>`", key=True),
    col("loop_id", Key, "key64 of `loop:<chain id>:<owner>:<block>:<log>` of the loop's first link"),
    col("owner", Bytes, "owner of the position, 20 bytes"),
    block_number("block of the supply: from here on the link is open"),
    log_index(),
    col("supply_market_key", Key, "market in which the supply is"),
    col("supply_scope_key", Key, "where it backs debt: deployment_key where collateral is pooled, else market_key"),
    col("borrow_block", BigInteger, "block of the borrow"),
    col("borrow_log_index", Integer, "log index of the borrow within its block"),
    col("borrow_market_key", Key, "market of the borrow"),
    col("borrow_scope_key", Key, "where it is debt: deployment_key where collateral is pooled, else market_key"),
    col("token", Bytes, "token supplied, 20 bytes"),
    col("borrow_token", Bytes, "token borrowed, 20 bytes"),
    col("amount_raw", U256, "linked part of the supply, base units of the token supplied"),
    col("borrowed_raw", U256, "the part of the borrow that paid for it, base units of the token borrowed"),
    col("amount_usd", Usd, "linked part of the supply, USD at the supply's block; NULL without a price", null=True),
    col("age_s", BigInteger, "seconds from the borrow to the supply"),
    col("is_same_tx", Boolean, "whether one transaction did both"),
    col("depth", Integer, "1 + depth of the borrow, links of any age"),
    col("depth_1d", Integer, "the same counting only links no older than a day; NULL for an older one", null=True),
    col("depth_tx", Integer, "the same counting only links within one transaction; NULL for another", null=True),
    col("turn", Integer, "passes through a full cycle of scopes so far; 0 in a chain that has not come back"),
    col("kind", Text, "intra (one protocol) | inter (two)"),
    col("is_flash", Boolean, "whether flash-loan principal paid for the supply until the borrow repaid it"),
    col("is_repledge", Boolean, "whether this money was collateral before and only its receipt was pledged again"),
    col("evidence", Text, "flows (through wallet flows) | registry (same or claim token) | assumed"),
    col("closed_block", BigInteger, "block in which the linked collateral or the borrow reached zero; NULL while open", null=True),
    Index("ix_loop_link_chain_id_owner", "chain_id", "owner"),
    Index("ix_loop_link_chain_id_block_number", "chain_id", "block_number"),
    Index("ix_loop_link_chain_id_closed_block", "chain_id", "closed_block", postgresql_where=text("closed_block IS NOT NULL")),
    comment="M6: supplies that consumed borrowed money, one row a (borrow, supply), debt first, any age",
)  # fmt: skip

collateral_tag: Table = Table(
    "collateral_tag", metadata,
    chain_id(),
    col("owner", Bytes, "owner of the position, 20 bytes", key=True),
    col("market_key", Key, "market of the collateral", key=True),
    block_number("block from whose end it holds, until a later row", key=True),
    log_index(key=True),
    col("low_raw", U256, "tagged collateral, own money first; base units of the token without interest; NULL where the wallet's other money is unknown", null=True),
    col("mid_raw", U256, "the same, pro rata", null=True),
    col("high_raw", U256, "the same, borrowed money first"),
    col("supplied_raw", U256, "collateral supplied by this log, base units; 0 for other changes"),
    col("supplied_low_raw", U256, "tagged part of it, own money first", null=True),
    col("supplied_mid_raw", U256, "tagged part of it, pro rata", null=True),
    col("supplied_high_raw", U256, "tagged part of it, borrowed money first"),
    comment="M7: how much of an owner's collateral borrowed money paid for, after every change, by three rules",
)  # fmt: skip

dfc_snapshot: Table = Table(
    "dfc_snapshot", metadata,
    chain_id(),
    col("deployment_key", Key, "deployment", key=True),
    col("rule", Text, "free_first (low) | pro_rata (mid) | debt_first (high)", key=True),
    col("bucket", BigInteger, "end of the interval, unix seconds", key=True),
    block_number("block at whose end it holds: the last one with a log of any protocol in the interval"),
    col("tagged_usd", Usd, "debt-financed collateral, USD; NULL where the rule has no answer for some account", null=True),
    col("collateral_usd", Usd, "collateral of every account, USD"),
    col("coverage_start_block", BigInteger, "first block indexed: what was borrowed before is not tagged"),
    comment="M7 stock at the end of each snapshot interval; the view dfc adds shares and the head",
)  # fmt: skip
