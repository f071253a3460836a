"""What comparing with the contracts found (M23): one row a comparison."""

from __future__ import annotations

from sqlalchemy import Float, Table

from indexer.store.columns import BigInteger, Text, block_number, chain_id, col
from indexer.store.metadata import metadata

reconciliation = Table(
    "reconciliation", metadata,
    chain_id(),
    col("seen_at", BigInteger, "unix seconds of the wall clock at its end", key=True),
    block_number("block at whose end both sides were asked"),
    col("source", Text, "run: a random sample beside `leverage run` | verify: `leverage verify`"),
    col("n_compared", BigInteger, "answers of contracts compared"),
    col("n_differences", BigInteger, "answers that differ in a base unit or more, or that reverted"),
    col("worst_error", Float, "worst |indexed - contract| / contract over the balances compared, fraction; NULL when the "
        "contracts answered no balance but zero", null=True),
    comment="Operation: comparisons of indexed balances with the contracts' own views",
)  # fmt: skip

OPERATION = (reconciliation,)
