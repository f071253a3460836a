"""Tables of links and owners: what one unit of a token is a claim on, at what rate, and who is behind an account.

Rule     rows are append-only and keyed by block, so undoing a block is deleting its rows
Views    token_registry, token_rates, owners; functions token_rate_at, claim_price_at, owners_at
"""

from __future__ import annotations

from sqlalchemy import Table

from indexer.store.columns import (
    U256,
    BigInteger,
    Bytes,
    Key,
    SmallInteger,
    Text,
    block_number,
    chain_id,
    col,
    log_index,
)
from indexer.store.metadata import metadata

token_link = Table(
    "token_link", metadata,
    chain_id(),
    col("token", Bytes, "the claim, 20 bytes", key=True),
    col("deployment_key", Key, "deployment of the link that says so", key=True),
    col("place", SmallInteger, "0; 1 for the second of two things that a claim is on (LP)", key=True),
    block_number("block from which it holds"),
    log_index(),
    col("kind", Text, "plain | lending_receipt | ctoken | lst | lrt | lp | pt | yt | vault_share | static_wrapper | cdp_stable"),
    col("issuer_project", Text, "project that issued the token, NULL when nobody in particular", null=True),
    col("underlying", Bytes, "what it is a claim on, 20 bytes (0xee.. is the chain's coin); NULL for what is no claim", null=True),
    col("rate_rule", Text, "told | par | market | receipt_index | implied_rate: how token_rate_at finds the rate; NULL: unknown", null=True),
    col("rate_source", Text, "function or event that the rate comes from", null=True),
    col("expiry", BigInteger, "unix seconds at which a principal token pays one for one, else NULL", null=True),
    col("asset_group", Text, "group that a list puts a root token into, e.g. usd; NULL: the token's own", null=True),
    comment="What a token is a claim on, as a link adapter learned it; tokens without a row are described by `token`",
)  # fmt: skip

token_rate = Table(
    "token_rate", metadata,
    chain_id(),
    col("token", Bytes, "the claim, 20 bytes", key=True),
    col("underlying", Bytes, "what it is a claim on, 20 bytes", key=True),
    block_number("block from which it holds, until a later row", key=True),
    log_index(key=True),
    col("numerator_raw", U256, "numerator / denominator base units of the underlying for one base unit of the token"),
    col("denominator_raw", U256, "see numerator_raw; exactly the contract's own totals where an event tells them"),
    comment="Rates that events told (log_index of the event) or functions answered (-1)",
)  # fmt: skip

wallet_owner = Table(
    "wallet_owner", metadata,
    chain_id(),
    col("wallet", Bytes, "smart wallet, 20 bytes", key=True),
    col("owner", Bytes, "one of its owners, 20 bytes", key=True),
    col("from_block", BigInteger, "block from which it holds, until a later row of the same wallet and owner", key=True),
    log_index(key=True),
    col("leg", SmallInteger, "which of several owners of one log", key=True),
    col("deployment_key", Key, "deployment of the link that says so"),
    col("is_owner", SmallInteger, "1 from here on it is an owner, 0 no longer"),
    block_number("block in which the row came to be: from_block, or where the wallet first had a position after it"),
    comment="Who may act for a smart wallet, every change",
)  # fmt: skip

wallet_state = Table(
    "wallet_state", metadata,
    chain_id(),
    col("wallet", Bytes, "smart wallet, 20 bytes", key=True),
    col("from_block", BigInteger, "block from which it holds, until a later row", key=True),
    log_index(key=True),
    col("deployment_key", Key, "deployment of the link that says so"),
    col("kind", Text, "safe | ds_proxy | instadapp_dsa"),
    col("threshold", SmallInteger, "how many owners have to sign; NULL where the row does not tell", null=True),
    block_number("block in which the row came to be: from_block, or where the wallet first had a position after it"),
    comment="What kind of wallet an address is and how many of its owners have to sign, every change",
)  # fmt: skip

BY_BLOCK: tuple[Table, ...] = (token_link, token_rate, wallet_owner, wallet_state)
"""Their rows above a block are deleted when that block is undone."""
