"""How an answer is put together and documented: the envelope, a row's example, the problems an operation may end with."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from api import paging
from api.paging import Page, Pin
from api.problems import MEDIA_TYPE, TYPE
from indexer.store.queries import Row, Slice
from indexer.store.queries.coverage import BlockAt

Answer = dict[str, Any]
"""An envelope before `schemas` has checked it."""

META_EXAMPLE = {
    "chain_id": 1,
    "block_number": 21_525_890,
    "block_hash": "0x" + "ab" * 32,
    "block_time": "2025-01-01T00:00:11Z",
    "finality": "latest",
    "lag_blocks": 0,
    "lag_seconds": 9,
    "not_covered": [],
    "prices": "oracle",
}


def meta(at: BlockAt) -> Row:
    """Return the block part of an envelope."""
    return {
        "chain_id": at.chain_id,
        "block_number": at.block_number,
        "block_hash": at.block_hash,
        "block_time": at.block_time,
        "finality": at.finality,
        "lag_blocks": at.lag_blocks,
        "lag_seconds": at.lag_seconds,
        "not_covered": at.not_covered,
        "prices": "oracle",
    }


def single(row: Row | list[Row], at: BlockAt) -> Answer:
    """Return the envelope of one thing."""
    return {"data": row, "page": None, "meta": meta(at)}


def listed(request: Request, found: Slice, page: Page, at: BlockAt) -> Answer:
    """Return the envelope of a page, with the cursor of the next."""
    cursor = None
    if found.next_key is not None:
        cursor = paging.encode(
            paging.question(request), Pin(at.chain_id, at.block_number, at.block_hash, found.next_key)
        )
    return {"data": found.rows, "page": {"next_cursor": cursor, "limit": page.limit}, "meta": meta(at)}


PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}

PROBLEMS = {
    401: ("unauthorised", "A key is needed (`require_key`), or the one sent is not valid."),
    404: ("outside-coverage", "The thing, or the block, is not indexed."),
    409: (
        "reorged-away",
        "The block that the cursor pins was replaced, or is the head no longer where only that is kept; start the listing again.",
    ),
    413: ("body-too-large", "The body is larger than this server takes."),
    422: ("bad-parameter", "A parameter is not valid; `errors` names it."),
    429: ("too-many-requests", "A limit on requests is in force; `Retry-After` says when to come back."),
    503: ("too-slow", "The database is away, or took too long; `Retry-After` says when to come back."),
}


def documented(
    example: object, *, listing: bool = False, pinned: bool = True, known: bool = True
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation: its example, 204 and 304 where it has them, and its problems."""
    found: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"example": example}}}}
    found[204] = {"description": "`min_block` was not indexed within `wait` seconds."}
    if pinned:
        found[304] = {"description": "The answer has not changed since the one with the ETag in `If-None-Match`."}
    for status in PROBLEMS:
        if (status == 409 and not listing) or (status == 404 and not known) or status == 413:
            continue
        found |= refusal(status)
    return found


def refusal(status: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of one problem."""
    slug, description = PROBLEMS[status]
    example = {"type": TYPE + slug, "title": slug, "status": status, "detail": description, "instance": "/v1/..."}
    return {status: {"description": description, "content": {MEDIA_TYPE: {"schema": PROBLEM, "example": example}}}}


def example_list(row: Row) -> Answer:
    """Return the example of a page with one row."""
    return {"data": [row], "page": {"next_cursor": None, "limit": paging.DEFAULT_LIMIT}, "meta": META_EXAMPLE}


def example_single(row: object) -> Answer:
    """Return the example of one thing."""
    return {"data": row, "page": None, "meta": META_EXAMPLE}


__all__ = ["Answer", "documented", "example_list", "example_single", "listed", "meta", "refusal", "single"]
