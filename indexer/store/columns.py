"""Column types of the house: 256-bit integers, 20- and 32-byte values, and how COPY text spells them."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Numeric, SmallInteger, Text
from sqlalchemy.types import TypeEngine

U256: TypeEngine[Any] = Numeric(78, 0)
"""An exact on-chain integer. 78 digits hold any uint256 and int256."""

Usd: TypeEngine[Any] = Numeric(38, 18)
"""USD as an exact decimal."""

Exact: TypeEngine[Any] = Numeric()
"""An exact decimal of any scale: prices, rates, whole tokens."""

Bytes = LargeBinary
Key = BigInteger
"""64-bit key derived from a readable id (`indexer.types.key64`): the same on every machine and after every reorg."""


def col(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], comment: str, *, null: bool = False, key: bool = False
) -> Column[Any]:
    """Return a column with its comment; NOT NULL unless `null`."""
    return Column(name, kind, nullable=null, primary_key=key, comment=comment)


def chain_id(*, key: bool = True) -> Column[Any]:
    """Return the chain_id column that begins every key."""
    return col("chain_id", BigInteger, "EIP-155 chain id", key=key)


def block_number(comment: str = "block in which this row came to be", *, key: bool = False) -> Column[Any]:
    """Return the block_number column that every row carries."""
    return col("block_number", BigInteger, comment, key=key)


def log_index(*, key: bool = False) -> Column[Any]:
    """Return the block-wide log index column."""
    return col("log_index", Integer, "log index within the block; -1 for a node read", key=key)


__all__ = [
    "U256", "BigInteger", "Boolean", "Bytes", "Exact", "Integer", "Key", "SmallInteger", "Text", "Usd",
    "block_number", "chain_id", "col", "log_index",
]  # fmt: skip
