"""Tables of the perp metrics: hourly bins that purges and corrections are made of, and perp markets by interval.

Imported by `schema.py`; import that one.
"""

from __future__ import annotations

from sqlalchemy import Index, Table

from indexer.store.columns import (
    U256,
    BigInteger,
    Boolean,
    Bytes,
    Exact,
    Integer,
    Key,
    Text,
    block_number,
    chain_id,
    col,
)  # fmt: skip
from indexer.store.metadata import metadata

HOUR_END = "end of the hour, unix seconds"

market_hour = Table(
    "market_hour", metadata,
    chain_id(),
    col("market_key", Key, "market: of a lending protocol, or of a perp venue with open interest", key=True),
    col("bucket", BigInteger, HOUR_END, key=True),
    block_number("last block in the hour that moved the market's books"),
    col("exposure_raw", U256, "lending: all debt with interest to that block's second, base units; perps: long + short, the venue's base unit"),
    col("long_raw", U256, "perps: open interest of longs, the venue's base unit; NULL for lending", null=True),
    col("short_raw", U256, "perps: open interest of shorts, the venue's base unit; NULL for lending", null=True),
    col("liquidated_raw", U256, "lending: debt repaid by liquidators in the hour; perps: size closed by force; unit of exposure_raw"),
    col("liquidated_long_raw", U256, "the part of it that was long; NULL for lending, or where the side is not told", null=True),
    col("mark", Exact, "USD of one whole base unit where the market's own books tell it, else NULL", null=True),
    comment="Hourly bins of each market, only of hours in which it moved: until the next row exposure is as it was and nothing was liquidated",
)  # fmt: skip

asset_hour = Table(
    "asset_hour", metadata,
    chain_id(),
    col("asset", Bytes, "token priced, 20 bytes", key=True),
    col("bucket", BigInteger, HOUR_END, key=True),
    block_number("block of that price"),
    col("price_usd", Exact, "last USD oracle price of the hour, of one whole token"),
    comment="Hourly closes of each asset, only of hours with a new price; the last one holds until the next",
)  # fmt: skip

perp_market_snapshot = Table(
    "perp_market_snapshot", metadata,
    chain_id(),
    col("market_key", Key, "market", key=True),
    col("bucket", BigInteger, "end of the interval, unix seconds", key=True),
    block_number("block at whose end it holds: the last one with a log of any protocol in the interval"),
    col("deployment_key", Key, "deployment"),
    col("oi_convention", Text, "matched | pool | one_sided"),
    col("long_base", Exact, "open interest of longs, whole base units", null=True),
    col("short_base", Exact, "open interest of shorts, whole base units", null=True),
    col("mark", Exact, "USD of one base unit that positions are valued at", null=True),
    col("index_price", Exact, "USD of one base unit outside the venue; NULL where the venue has one price only", null=True),
    col("funding_rate", Exact, "fraction an interval, + where longs pay; NULL where the venue tells none", null=True),
    col("funding_interval_s", Integer, "seconds that funding_rate is for", null=True),
    col("funding_at_cap", Boolean, "whether it stands at the venue's cap; NULL where there is none, or none was told", null=True),
    col("margin_long", Exact, "margin posted for longs, USD", null=True),
    col("margin_short", Exact, "margin posted for shorts, USD", null=True),
    col("margin_basis", Text, "isolated | cross_pro_rata (an account's margin split over its positions by notional)"),
    col("n_long", BigInteger, "accounts that are long"),
    col("n_short", BigInteger, "accounts that are short"),
    Index("ix_perp_market_snapshot_chain_id_bucket", "chain_id", "bucket"),
    comment="M3, M8 at the end of each snapshot interval; the views perp_market_state and imbalance add what follows from it",
)  # fmt: skip

HOURLY: tuple[Table, ...] = (market_hour, asset_hour)
"""Deleted by block, and by bucket when their hour is open again, whatever the interval of the history is."""
