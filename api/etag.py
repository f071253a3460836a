"""ETag by block: the same question about the same block has the same answer.

A tag is weak, because `meta.lag_*` moves while nothing else does. It covers whatever can change an answer: version of the
API, chain, block hash, finality of that block, protocols that are not complete there, path and query.
"""

from __future__ import annotations

from hashlib import blake2b

from fastapi import Request

from api.problems import Unchanged
from indexer.store.queries.coverage import BlockAt

VERSION = "1"
"""Raise it when the shape of an answer changes."""

WAITING = {"min_block", "wait"}


def tag(request: Request, at: BlockAt) -> str:
    """Return the entity tag of a request answered as of a block."""
    query = sorted(item for item in request.query_params.multi_items() if item[0] not in WAITING)
    parts = (VERSION, at.chain_id, at.block_hash, at.finality, at.not_covered, request.url.path, query)
    return f'W/"{blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Compare weakly, as If-None-Match does: any tag of the list, or `*`."""
    offered = {candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")}
    return "*" in offered or etag.removeprefix("W/") in offered


def headers(request: Request, at: BlockAt) -> dict[str, str]:
    """Return the caching headers of an answer; what a body asks for (POST) is not kept.

    Raises  Unchanged if the client holds it already
    """
    if request.method not in ("GET", "HEAD"):
        return {"Cache-Control": "no-store"}
    found = {"ETag": tag(request, at), "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match", ""), found["ETag"]):
        raise Unchanged(found)
    return found
