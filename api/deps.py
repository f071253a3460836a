"""What handlers ask for, read from the request and checked: a connection, the block of the answer, the page, the names.

Order    unknown parameters -> long poll (no connection held) -> connection -> block -> ETag (304) -> handler
Threads  what asks the database runs in a thread; the rest is `async` so that it costs none
Snapshot a request reads one REPEATABLE READ transaction, so that a block and the rows as of it belong together
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from psycopg import Connection as PostgresConnection

from api import etag, forms, paging
from api.lanes import lane
from api.paging import Page, Pin
from api.pool import Pool
from api.problems import (
    NothingNew,
    bad_parameter,
    header_not_kept,
    not_found,
    outside_coverage,
    reorged_away,
)  # fmt: skip
from indexer.store import queries
from indexer.store.queries.coverage import BlockAt, Coverage
from indexer.types import Finality

MAX_WAIT_SECONDS = 25


# ------------------------------------------------------------------------------------------------ what exists


async def only_known_parameters(request: Request) -> None:
    """Refuse parameters that the operation does not have, ones given twice and ones of the wrong form, before anything is done.

    A typo must not widen an answer, nor wait for a block first.
    """
    names: set[str] = request.app.state.parameters()[request.scope["route"].path]
    for name in request.query_params:
        if name not in names:
            close = get_close_matches(name, names, 1)
            hint = f"did you mean {close[0]}?" if close else f"known ones: {', '.join(sorted(names)) or 'none'}"
            raise bad_parameter(name, f"no such parameter; {hint}")
        if len(request.query_params.getlist(name)) > 1:
            raise bad_parameter(name, "given more than once")
    await forms.check(request)


ChainName = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="Chain, by name or EIP-155 id. Needed only when several are indexed.",
        examples=["ethereum", "1"],
    ),
]


def find_chain(chains: Sequence[Coverage], name: str | None) -> Coverage:
    """Return the chain asked for, or the only one.

    Raises  Problem (404, or 422 when there are several and none is named)
    """
    names = ", ".join(f"{chain.chain} ({chain.chain_id})" for chain in chains)
    if name is None:
        if len(chains) > 1:
            raise bad_parameter("chain", f"several chains are indexed; name one of {names}")
        if not chains:
            raise not_found("chain", "No chain is indexed yet")
        return chains[0]
    for chain in chains:
        if name in (chain.chain, str(chain.chain_id)):
            return chain
    raise not_found("chain", f"Chain {name} is not indexed; indexed: {names or 'none yet'}")


# --------------------------------------------------------------------------------------------------- waiting

MinBlock = Annotated[
    int | None,
    Query(
        ge=0,
        le=paging.INT64_MAX,
        description="Answer only when this block is indexed; until then wait as long as `wait` says, then 204.",
        examples=[21_000_000],
    ),
]


async def waited(
    request: Request,
    chain: ChainName = None,
    min_block: MinBlock = None,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for `min_block`.", examples=[25])
    ] = 0,
) -> int | None:
    """Hold the request until `min_block` is indexed.

    Raises  NothingNew (204) when the time is up
    """
    if min_block is None:
        if wait:
            raise bad_parameter("wait", "it needs min_block, the block to wait for")
        return None

    def reached(chains: list[Coverage]) -> bool:
        indexed = find_chain(chains, chain).indexed_block
        return indexed is not None and indexed >= min_block

    if not await request.app.state.heads.until(reached, wait):
        raise NothingNew
    return min_block


Waited = Annotated[int | None, Depends(waited)]


async def connection(request: Request, waited: Waited) -> AsyncIterator[PostgresConnection[Any]]:
    """Lend a pooled connection in a read-only snapshot; its statements time out."""
    pool: Pool = request.app.state.pool
    found = lane(request)
    question = request.url.path, request.url.query
    async with pool.lend_slow(question) if found == "slow" else pool.lend(found == "quick") as lent:
        yield lent


Connection = Annotated[PostgresConnection[Any], Depends(connection, scope="function")]


# ----------------------------------------------------------------------------------------- which block, by rule


@dataclass(frozen=True, slots=True)
class Moment:
    """Which block is asked for. At most one of number and time; both None means the newest."""

    chain: str | None
    block_number: int | None
    timestamp: int | None
    finality: Finality


def unix_seconds(parameter: str, text: str) -> int:
    """Read unix seconds or an ISO 8601 time with its zone.

    Raises  Problem (422) otherwise
    """
    if re.fullmatch(r"[0-9]{1,11}", text):
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_parameter(
            parameter, "write unix seconds or ISO 8601, e.g. 1735689600 or 2025-01-01T00:00:00Z"
        ) from error
    if time.tzinfo is None:
        raise bad_parameter(parameter, f"say which zone: {text}Z or {text}+02:00")
    return int(time.timestamp())


async def moment(
    chain: ChainName = None,
    as_of_block: Annotated[
        int | None,
        Query(
            ge=0,
            le=paging.INT64_MAX,
            description="Answer as of the end of this block. Left out: the newest block that every running protocol has reached.",
            examples=[21_000_000],
        ),
    ] = None,
    as_of_time: Annotated[
        str | None,
        Query(
            max_length=40,
            description="Answer as of the newest kept block at or before this time: unix seconds, or ISO 8601 with a zone.",
            examples=["2025-01-01T00:00:00Z"],
        ),
    ] = None,
    finality: Annotated[
        Finality, Query(description="The least finality that the block must have.", examples=["finalized"])
    ] = "latest",
) -> Moment:
    """Read which block is asked for."""
    if as_of_block is not None and as_of_time is not None:
        raise bad_parameter("as_of_time", "give as_of_block or as_of_time, not both")
    timestamp = None if as_of_time is None else unix_seconds("as_of_time", as_of_time)
    return Moment(chain, as_of_block, timestamp, finality)


def newest_allowed(chain: Coverage, finality: Finality) -> int:
    """Return the newest indexed block of a finality.

    Raises  Problem (404) when there is none
    """
    if chain.indexed_block is None:
        raise outside_coverage(f"Nothing of {chain.chain} is indexed yet", chain_id=chain.chain_id)
    tagged = {"latest": chain.indexed_block, "safe": chain.safe_block, "finalized": chain.finalized_block}[finality]
    if finality == "safe" and chain.finalized_block is not None:
        tagged = max(tagged or 0, chain.finalized_block)
    if tagged is None:
        raise outside_coverage(f"No block of {chain.chain} is known to be {finality}", chain_id=chain.chain_id)
    return min(tagged, chain.indexed_block)


def resolve(connection: PostgresConnection[Any], chain: Coverage, wanted: Moment) -> BlockAt:
    """Return the block an answer is of.

    Raises  Problem (404) when it is outside coverage, or its header is not kept
    """
    last = newest_allowed(chain, wanted.finality)
    first = chain.start_block or 0
    span = {"chain_id": chain.chain_id, "first_block": first, "last_block": last}
    covered = f"{chain.chain} is covered from block {first} to {last}"
    if wanted.block_number is not None:
        if not first <= wanted.block_number <= last:
            raise outside_coverage(f"Block {wanted.block_number}: {covered}", **span)
        found = queries.coverage.block_at(connection, chain.chain_id, wanted.block_number)
        if found is None:
            nearest = queries.coverage.newest_block(connection, chain.chain_id, wanted.block_number)
            raise header_not_kept(
                f"Nothing that is watched happened in block {wanted.block_number} and its header was not kept; "
                f"ask as_of_block={nearest}, the nearest below, or index with all_headers = true",
                nearest_block=nearest,
                **span,
            )
        return found
    if wanted.timestamp is None:
        number = queries.coverage.newest_block(connection, chain.chain_id, last)
    else:
        number = queries.coverage.newest_block_by_time(connection, chain.chain_id, last, wanted.timestamp)
    found = None if number is None else queries.coverage.block_at(connection, chain.chain_id, number)
    if found is None or found.block_number < first:
        raise outside_coverage(f"No kept block at or before that time: {covered}", **span)
    if wanted.timestamp is not None and found.block_number == last and found.block_timestamp < wanted.timestamp:
        raise outside_coverage(f"That time is after the last indexed block ({found.block_time}): {covered}", **span)
    return found


def caught_up(chain: Coverage, min_block: int | None) -> None:
    """Refuse to answer below the block waited for, which a reorg can bring about."""
    if min_block is not None and (chain.indexed_block is None or chain.indexed_block < min_block):
        raise NothingNew


def as_of(
    request: Request,
    response: Response,
    waited: Waited,
    connection: Connection,
    moment: Annotated[Moment, Depends(moment)],
) -> BlockAt:
    """Return the block of an answer that is not a list; sets ETag, or ends with 304."""
    chain = find_chain(queries.coverage.chains(connection), moment.chain)
    caught_up(chain, waited)
    at = resolve(connection, chain, moment)
    response.headers.update(etag.headers(request, at))
    return at


AsOf = Annotated[BlockAt, Depends(as_of)]


# ------------------------------------------------------------------------------------------------------ lists


async def pin(
    request: Request,
    cursor: Annotated[
        str | None,
        Query(
            max_length=paging.MAX_CURSOR_LENGTH,
            description="`page.next_cursor` of the page before. It pins the block, so that pages are consistent; "
            "filters must be repeated as they were.",
        ),
    ] = None,
) -> Pin | None:
    """Return the decoded cursor."""
    return None if cursor is None else paging.decode(paging.question(request), cursor)


Pinned = Annotated[Pin | None, Depends(pin)]


def as_of_list(
    request: Request,
    response: Response,
    waited: Waited,
    connection: Connection,
    moment: Annotated[Moment, Depends(moment)],
    pin: Pinned,
) -> BlockAt:
    """Return the block of a list: the one its cursor pins, else as `as_of`.

    Raises  Problem (409) when the pinned block was replaced
    """
    if pin is None:
        return as_of(request, response, waited, connection, moment)
    chains = queries.coverage.chains(connection)
    pinned = next((chain for chain in chains if chain.chain_id == pin.chain_id), None)
    if pinned is None:
        raise reorged_away(f"Chain {pin.chain_id}, which the cursor pins, is no longer indexed; start again without it")
    if moment.chain is not None and find_chain(chains, moment.chain) != pinned:
        raise bad_parameter("cursor", f"it is of chain {pinned.chain}, not {moment.chain}")
    if moment.block_number not in (None, pin.block_number):
        raise bad_parameter(
            "as_of_block", f"the cursor pins block {pin.block_number}; leave as_of_block out or repeat it"
        )
    caught_up(pinned, waited)
    at = None
    if pinned.indexed_block is not None and pin.block_number <= pinned.indexed_block:
        at = queries.coverage.block_at(connection, pin.chain_id, pin.block_number)
    if at is None or at.block_hash != pin.block_hash:
        raise reorged_away(
            f"Block {pin.block_number} with hash {pin.block_hash}, which the cursor pins, is no longer part of the index; "
            "start the listing again without a cursor"
        )
    response.headers.update(etag.headers(request, at))
    return at


AsOfList = Annotated[BlockAt, Depends(as_of_list)]


def page_of(keyset: queries.Keyset) -> Callable[..., Awaitable[Page]]:
    """Return the dependency that reads the page of a list ordered by `keyset`."""

    async def page(
        pin: Pinned,
        limit: Annotated[
            int, Query(ge=1, le=paging.MAX_LIMIT, description="Rows a page.", examples=[100])
        ] = paging.DEFAULT_LIMIT,
    ) -> Page:
        return Page(limit, None if pin is None else paging.check_key(pin.key, keyset))

    return page


# ------------------------------------------------------------------------------------------------------ names


async def account(
    account: Annotated[
        str,
        Path(
            pattern=r"^0[xX][0-9a-fA-F]{40}$",
            description="Address that the protocol books: 0x and 40 hex digits, any case.",
            examples=["0x00000000000000000000000000000000000000a1"],
        ),
    ],
) -> str:
    """Return the account as it is stored: lower case."""
    return account.lower()


Account = Annotated[str, Depends(account)]

SLUG = r"^[a-z0-9_]{1,64}$"

Protocol = Annotated[str, Path(pattern=SLUG, description="Protocol slug.", examples=["aave_v3"])]
ProtocolFilter = Annotated[
    str | None, Query(pattern=SLUG, description="Only this protocol, by slug.", examples=["aave_v3"])
]
DEPLOYMENT = r"^[A-Za-z0-9_.-]{1,64}$"
ADDRESS = r"^0[xX][0-9a-fA-F]{40}$"

DeploymentFilter = Annotated[
    str | None,
    Query(pattern=DEPLOYMENT, description="Only this deployment, by name.", examples=["ethereum_core"]),
]

FromBlock = Annotated[
    int | None, Query(ge=0, le=paging.INT64_MAX, description="Only from this block on.", examples=[21_000_000])
]
FromTime = Annotated[
    str | None,
    Query(
        max_length=40,
        description="Not before this time: unix seconds, or ISO 8601 with a zone.",
        examples=["1735689600"],
    ),
]
