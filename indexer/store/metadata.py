"""The catalogue that every table is in, and how constraints are named. Tables: `schema.py`, one subject each `schema_*.py`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BY_CHAIN: dict[str, Any] = {"postgresql_partition_by": "LIST (chain_id)"}
"""The big tables are partitioned by chain; a default partition takes every chain until one is split off."""
