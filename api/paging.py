"""Opaque keyset cursors that pin a block.

A cursor says: which question (path and filters), as of which block (chain, number, hash), after which row (key). Pages of
one listing are all computed as of that block, so no row is met twice or missed while new blocks come in; when a reorg
replaces the block the listing ends with 409.

Form    base64url of `checksum (8 bytes) || JSON [version, question, chain_id, block_number, block_hash, key]`
Trust   a cursor carries nothing secret and is bound as query parameters only. The checksum catches damage; a forged cursor is
        no more than a question that the client could have asked, and its shape is checked before use.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple

from fastapi import Request

from api.problems import Problem, bad_parameter
from indexer.store.queries import Key, Keyset
from indexer.types import Hash

VERSION = 1
MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
MAX_CURSOR_LENGTH = 1_024
MAX_KEY_TEXT = 300
CHECKSUM_BYTES = 8
INT64_MAX = 2**63 - 1

NOT_THE_QUESTION = {"cursor", "limit", "chain", "as_of_block", "as_of_time", "finality", "min_block", "wait"}
"""Parameters that may differ between pages: the cursor itself, the page size, and what the cursor pins."""

HASH = re.compile(r"0x[0-9a-f]{64}")
KEY = re.compile(r"-?[0-9]{1,19}", re.ASCII)
ADDRESS = re.compile(r"0x[0-9a-f]{40}")
NUMBER = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?(e[+-]?[0-9]{1,3})?", re.IGNORECASE)


class Pin(NamedTuple):
    """A decoded cursor."""

    chain_id: int
    block_number: int
    block_hash: Hash
    key: Key


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that is asked for."""

    limit: int
    after: Key | None


def question(request: Request) -> str:
    """Return a short hash of path and filters."""
    filters = sorted(item for item in request.query_params.multi_items() if item[0] not in NOT_THE_QUESTION)
    return blake2b(repr((request.url.path, filters)).encode(), digest_size=8).hexdigest()


def checksum(body: bytes) -> bytes:
    """Return the bytes that precede a cursor's body."""
    return blake2b(body, digest_size=CHECKSUM_BYTES, person=b"leverage-cursor").digest()


def encode(asked: str, pin: Pin) -> str:
    """Return the cursor of the page after `pin.key`."""
    parts = [VERSION, asked, pin.chain_id, pin.block_number, pin.block_hash, list(pin.key)]
    body = json.dumps(parts, separators=(",", ":")).encode()
    return urlsafe_b64encode(checksum(body) + body).rstrip(b"=").decode()


def decode(asked: str, cursor: str) -> Pin:
    """Return what a cursor says, every part checked.

    Raises  Problem (422) if it is malformed or belongs to another question
    """
    if len(cursor) > MAX_CURSOR_LENGTH or not re.fullmatch(r"[A-Za-z0-9_-]+", cursor):
        raise malformed()
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        body = raw[CHECKSUM_BYTES:]
        if raw[:CHECKSUM_BYTES] != checksum(body):
            raise malformed()
        parts = json.loads(body)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise malformed() from error
    if not isinstance(parts, list) or len(parts) != 6 or parts[0] != VERSION:
        raise malformed()
    _, of, chain_id, block_number, block_hash, key = parts
    if not (
        is_count(chain_id) and is_count(block_number) and isinstance(block_hash, str) and HASH.fullmatch(block_hash)
    ):
        raise malformed()
    if not isinstance(key, list) or not all(is_int64(part) or isinstance(part, str) for part in key):
        raise malformed()
    if of != asked:
        raise bad_parameter(
            "cursor", "it was issued for another path or other filters; repeat the filters, or start again"
        )
    return Pin(chain_id, block_number, block_hash, tuple(key))


def check_key(key: Key, keyset: Keyset) -> Key:
    """Return the key if it has the kinds that the list is ordered by.

    Raises  Problem (422) otherwise
    """
    if len(key) != len(keyset) or not all(fits(part, kind) for part, (_, kind) in zip(key, keyset, strict=True)):
        raise malformed()
    return key


def fits(part: str | int, kind: str) -> bool:
    """Return whether one part of a key is of its kind and safe to bind."""
    if kind == "integer":
        return isinstance(part, int)
    if not isinstance(part, str) or len(part) > MAX_KEY_TEXT:
        return False
    if kind == "key":
        return KEY.fullmatch(part) is not None and -INT64_MAX - 1 <= int(part) <= INT64_MAX
    if kind == "address":
        return ADDRESS.fullmatch(part) is not None
    if kind == "number":
        return NUMBER.fullmatch(part) is not None and Decimal(part).is_finite()
    return part.isprintable()


def is_int64(part: object) -> bool:
    """Return whether a JSON value is an integer that PostgreSQL's bigint holds. A log index of -1 is a read's."""
    return isinstance(part, int) and not isinstance(part, bool) and -INT64_MAX - 1 <= part <= INT64_MAX


def is_count(part: object) -> bool:
    """Return whether a JSON value is such an integer and not negative."""
    return is_int64(part) and part >= 0  # type: ignore[operator]


def malformed() -> Problem:
    """Return the 422 of a cursor that this API did not issue."""
    return bad_parameter("cursor", "it is malformed; use `page.next_cursor` of the page before, unchanged")
