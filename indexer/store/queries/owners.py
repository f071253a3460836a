"""Whose an account is, and which other accounts are theirs."""

from __future__ import annotations

from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection

from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.rows import select

CLUSTER: Final[LiteralString] = """
WITH known AS MATERIALIZED (SELECT o.address, o.owner_id FROM owners_at(%(chain_id)s, %(block_number)s) o),
whose AS (SELECT coalesce((SELECT k.owner_id FROM known k WHERE k.address = %(account)s LIMIT 1), %(account)s) AS owner_id)
SELECT w.owner_id, k.address FROM whose w LEFT JOIN known k ON k.owner_id = w.owner_id
"""


class Cluster(NamedTuple):
    """An owner and the accounts that answer for them, as far as the books of protocols and wallets tell."""

    owner_id: str
    accounts: list[str]


def cluster(connection: Connection[Any], at: BlockAt, account: str) -> Cluster:
    """Return the owner of an account, itself where nobody else is known, with all of their accounts as of a block."""
    parameters = {"chain_id": at.chain_id, "block_number": at.block_number, "account": account}
    found = select(connection, CLUSTER, parameters)
    owner_id = found[0]["owner_id"]
    return Cluster(owner_id, sorted({account, owner_id, *(row["address"] for row in found if row["address"])}))
