"""Refuse what is not there: a protocol, deployment or account that is not covered is a 404 with the reason."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from psycopg import Connection as PostgresConnection

from api import paging
from api.problems import (
    not_found,
    outside_coverage,
)  # fmt: skip
from indexer.store import queries
from indexer.store.queries.coverage import BlockAt

MAX_WAIT_SECONDS = 25

BlockNumber = Annotated[int, Query(ge=0, le=paging.INT64_MAX)]


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


def check_account(connection: PostgresConnection[Any], at: BlockAt, account: str) -> None:
    """Refuse an account that never had a position on the chain.

    Raises  Problem (404)
    """
    if not queries.coverage.account_known(connection, at.chain_id, account):
        raise not_found("account", f"{account} never had a position in a protocol that is indexed on {at.chain}")
