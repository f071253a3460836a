"""The rows that the ledger hands to the store: one list of tuples a table, in booking order.

Column order is fixed here and read by `indexer.store.writer`, which adds `chain_id`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

COLUMNS: Final = {
    "contract": ("address", "protocol", "kind", "deployment_key", "block_number", "log_index"),
    "token": ("address", "block_number", "symbol", "decimals", "kind", "issuer_project", "underlying"),
    "market": (
        "market_key", "block_number", "log_index", "market_id", "deployment_key", "accounting", "asset",
        "collateral_asset", "supply_token", "debt_token", "oracle",
    ),
    "market_state": (
        "market_key", "block_number", "regime", "accrued_at", "supply_index_raw", "debt_index_raw", "supply_rate_raw",
        "debt_rate_raw", "supply_shares_raw", "debt_shares_raw", "supply_assets_raw", "debt_assets_raw",
        "rate_at_target_raw", "fee_raw", "extra",
    ),
    "param": ("subject", "name", "qualifier", "block_number", "log_index", "value_raw", "value_text"),
    "price": ("feed", "asset", "block_number", "log_index", "price_raw", "unit_raw", "quote", "source"),
    "position_change": (
        "market_key", "account", "side", "block_number", "log_index", "leg", "shares_raw", "basis_raw",
        "is_collateral", "extra",
    ),
    "account_setting": ("subject", "account", "name", "block_number", "log_index", "value_raw"),
    "action": (
        "block_number", "log_index", "leg", "tx_index", "tx_hash", "deployment_key", "market_key", "transaction_type",
        "token", "borrower", "depositor", "on_behalf_of", "repayer", "liquidator", "recipient", "amount_raw",
        "fee_raw", "contract",
    ),
    "perp_action": (
        "block_number", "log_index", "leg", "tx_index", "tx_hash", "deployment_key", "market_key", "action", "trader",
        "side", "size_raw", "price_raw", "margin_delta_raw", "fee_raw", "pnl_raw", "funding_raw", "is_liquidation",
        "contract",
    ),
    "token_link": (
        "token", "deployment_key", "place", "block_number", "log_index", "kind", "issuer_project", "underlying",
        "rate_rule", "rate_source", "expiry", "asset_group",
    ),
    "token_rate": ("token", "underlying", "block_number", "log_index", "numerator_raw", "denominator_raw"),
    "wallet_owner": ("wallet", "owner", "from_block", "log_index", "leg", "deployment_key", "is_owner", "block_number"),
    "wallet_state": ("wallet", "from_block", "log_index", "deployment_key", "kind", "threshold", "block_number"),
    "token_transfer": (
        "block_number", "log_index", "tx_index", "tx_hash", "token", "from_address", "to_address", "amount_raw",
    ),
    "node_read": ("block_number", "address", "calldata", "result", "reason"),
}  # fmt: skip
"""Columns of each derived table, less chain_id, in the order of the tuples."""


@dataclass(slots=True)
class Rows:
    """What one step of one protocol adds to each table."""

    tables: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def __getitem__(self, table: str) -> list[tuple[Any, ...]]:
        return self.tables[table]

    def extend(self, other: Rows) -> None:
        """Append the rows of another protocol or step."""
        for name, rows in other.tables.items():
            self.tables[name].extend(rows)
