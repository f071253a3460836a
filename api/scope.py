"""Refuse what is not there: a protocol, deployment or account that is not covered is a 404 with the reason."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from psycopg import Connection as PostgresConnection

from api.problems import not_found, outside_coverage
from indexer.store import queries
from indexer.store.queries.coverage import BlockAt
from indexer.store.queries.owners import Cluster

WholeOwner = Annotated[
    bool,
    Query(
        description="Everything of the account's owner, where the books of a protocol or a smart wallet name one.",
        examples=[True],
    ),
]


def check_protocol(connection: PostgresConnection[Any], at: BlockAt, protocol: str) -> None:
    """Refuse a protocol that is not indexed on the chain, or not complete at the block.

    Raises  Problem (404)
    """
    found = queries.coverage.protocol_range(connection, at.chain_id, protocol)
    if found is None:
        raise not_found("protocol", f"{protocol} is not indexed on {at.chain}; see /v1/protocols")
    if protocol in at.not_covered:
        first, last = found["start_block"], found["block_number"]
        span = "it has no block yet" if last is None else f"it is covered from block {first} to {last}"
        stopped = " and stopped there, see /v1/status" if found["status"] == "stopped" else ""
        raise outside_coverage(
            f"{protocol} is not complete at block {at.block_number}: {span}{stopped}",
            chain_id=at.chain_id, first_block=first, last_block=last,
        )  # fmt: skip


def check_scope(connection: PostgresConnection[Any], at: BlockAt, protocol: str | None, deployment: str | None) -> None:
    """Refuse filters that name what is not indexed, so that an empty list means that there is nothing.

    Raises  Problem (404)
    """
    if protocol is not None:
        check_protocol(connection, at, protocol)
    if deployment is not None and not queries.coverage.deployment_known(connection, at.chain_id, deployment, protocol):
        of = "" if protocol is None else f" of {protocol}"
        raise not_found("deployment", f"There is no deployment {deployment}{of} on {at.chain}; see /v1/protocols")


def whose(connection: PostgresConnection[Any], at: BlockAt, account: str, owner: bool) -> Cluster:
    """Return the account by itself, or with `owner` its owner and all of their accounts.

    Raises  Problem (404) when none of them ever had a position on the chain
    """
    asked = queries.owners.cluster(connection, at, account) if owner else Cluster(account, [account])
    if not any(queries.coverage.account_known(connection, at.chain_id, one) for one in asked.accounts):
        raise not_found("account", f"{account} never had a position in a protocol that is indexed on {at.chain}")
    return asked
