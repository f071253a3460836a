"""Tables of liquidation risk at the head: what bots poll, and what keeps it cheap to keep. See docs/adr/0012-risk-at-the-head.md.

They describe the head alone and are not part of the state that a branch determines: quiet rows may be of older blocks.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Index, Table, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import DateTime, Numeric, TypeEngine

from indexer.store.columns import U256, BigInteger, Boolean, Bytes, Integer, Key, Text, block_number, chain_id, col
from indexer.store.metadata import metadata

Exact: TypeEngine[Any] = Numeric()
Texts: TypeEngine[Any] = ARRAY(Text)

risk_head = Table(
    "risk_head", metadata,
    chain_id(),
    col("deployment_key", Key, "deployment", key=True),
    col("scope", Key, "market_key of the risk scope; 0 where collateral is pooled over the deployment", key=True),
    col("account", Bytes, "borrower, 20 bytes", key=True),
    col("is_open", Boolean, "false: it has no debt any more; kept until its block is final, so that a reorg finds it"),
    col("as_of_block", BigInteger, "block at whose end the row is exact"),
    col("as_of_time", DateTime(timezone=True), "that block's own time"),
    col("safe_until", Float, "ln(health factor) at as_of_block, less rounding, plus the scope's pressure then: while it is "
        "above ln(edge) + the pressure now, the health factor is above the edge; NULL without a health factor", null=True),
    col("project", Text, "Dune's project"),
    col("version", Text, "Dune's version"),
    col("deployment", Text, "deployment name"),
    col("market_id", Text, "market where risk is isolated, NULL where it is pooled", null=True),
    col("owner", Text, "who is behind the account, 0x hex; the account itself where nobody else is known"),
    col("health_factor", Exact, "as of as_of_block; NULL for want of a price", null=True),
    col("health_factor_raw", U256, "the same scaled 1e18, floored as the contract floors it", null=True),
    col("is_liquidatable", Boolean, "by the contract's own integers", null=True),
    col("collateral_usd", Exact, "collateral that counts, USD", null=True),
    col("debt_usd", Exact, "debt, USD", null=True),
    col("collateral_assets", Texts, "collateral that counts, 0x hex"),
    col("debt_assets", Texts, "assets owed, 0x hex"),
    col("emode", Integer, "Aave e-mode category, NULL where there is no such thing", null=True),
    col("pair_class", Text, "same_asset | stable | correlated | directional", null=True),
    col("status", Text, "ok | zero_equity | insolvent | unpriced"),
    col("price_usd", Exact, "price of the one collateral, where a closed form holds, USD", null=True),
    col("liquidation_price_usd", Exact, "its price at which the health factor is 1, USD", null=True),
    col("distance", Exact, "|1 - liquidation price / price|", null=True),
    col("first_eligible_drop", Exact, "fall of all collateral against all debt that makes it liquidatable", null=True),
    col("loss_boundary_drop", Exact, "fall from which liquidating does not cover the debt; one collateral only", null=True),
    col("liquidation_bonus", Exact, "b: a liquidator gets (1 + b) of what it repays", null=True),
    col("is_toxic", Boolean, "LTV > 1 / (1 + b): liquidating makes the position worse", null=True),
    col("liquidation_prices", JSONB, "by asset: price and direction at which the health factor is 1, all others held", null=True),
    col("best_debt_asset", Text, "liquidatable: the debt whose repayment pays most, 0x hex", null=True),
    col("best_collateral_asset", Text, "liquidatable: the collateral to take for it, 0x hex", null=True),
    col("max_repay_raw", U256, "liquidatable: most of that debt that may be repaid now, base units", null=True),
    col("seize_raw", U256, "liquidatable: collateral received for it, base units", null=True),
    col("max_repay_usd", Exact, "the same in USD", null=True),
    col("est_profit_usd", Exact, "USD of what is seized less what is repaid, before gas, fees and slippage", null=True),
    col("health_factor_after", Exact, "health factor after repaying max_repay, NULL when no debt is left", null=True),
    col("blocked_reason", Text, "why the contract would refuse: reserve_paused, reserve_inactive, grace_period; NULL: nothing known", null=True),
    col("oracle_block", BigInteger, "block of the oldest price that a liquidatable row uses", null=True),
    Index("ix_risk_head_worst", "chain_id", "health_factor", "account", "deployment_key", text("coalesce(market_id, '')"),
          postgresql_where=text("is_open AND health_factor IS NOT NULL")),
    Index("ix_risk_head_safe_until", "chain_id", "deployment_key", "scope", "safe_until", postgresql_where=text("is_open")),
    Index("ix_risk_head_oldest", "chain_id", "as_of_block", postgresql_where=text("is_open")),
    Index("ix_risk_head_closed", "chain_id", "as_of_block", postgresql_where=text("NOT is_open")),
    Index("ix_risk_head_account", "chain_id", "account"),
    Index("ix_risk_head_liquidatable", "chain_id", "est_profit_usd", postgresql_where=text("is_open AND is_liquidatable")),
    comment="Every borrower at the head: rows below the edge are exact as of the head, quiet ones as of their own block",
)  # fmt: skip

risk_head_state = Table(
    "risk_head_state", metadata,
    chain_id(),
    col("deployment_key", Key, "deployment", key=True),
    block_number("head of which the rows of risk_head hold"),
    col("block_timestamp", BigInteger, "that block's second"),
    col("is_current", Boolean, "false between an undone block and the next head: not to be read"),
    comment="Up to which head risk_head was kept, one row a deployment; none: not built yet",
)  # fmt: skip

risk_pressure = Table(
    "risk_pressure", metadata,
    chain_id(),
    col("deployment_key", Key, "deployment", key=True),
    col("scope", Key, "market_key, 0 for the whole deployment", key=True),
    col("pressure", Float, "sum over steps of ln of the worst that prices and interest can have done to any health factor"),
    col("unit_value", Exact, "the most that one base unit of any asset is worth, in the unit of the scope's debt", null=True),
    comment="How much any health factor of a scope can have fallen since the table was built; never falls",
)  # fmt: skip

risk_level = Table(
    "risk_level", metadata,
    chain_id(),
    col("deployment_key", Key, "deployment", key=True),
    col("scope", Key, "market_key, 0 for the whole deployment", key=True),
    col("item", Text, "what it is of: a market, a feed, a pair", key=True),
    col("collateral_level", Exact, "price as collateral: its fall lowers health factors", null=True),
    col("debt_level", Exact, "price as debt: its rise lowers health factors", null=True),
    col("growth_level", Exact, "debt index as stored: its rise lowers health factors", null=True),
    col("debt_rate", Exact, "yearly rate at which debt grows beyond that, fraction", null=True),
    comment="Levels at the last head from which the next step's pressure is measured",
)  # fmt: skip

AT_HEAD = (risk_head, risk_head_state, risk_pressure, risk_level)
"""Kept up with the head and built from nothing at any time; what they hold depends on which heads were seen."""
