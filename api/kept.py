"""Answers that many ask for at once: the rows of one question at one block are looked up and written out once.

Bots poll the same list. What they get differs in `meta` alone, which says how far the index is behind by now, so rows and
page are kept as bytes under the path, the parameters and the ETag, which is of the block and of what is covered there; `meta`
is written anew for everybody. While one request makes an answer, others that want it wait for it.

`api.front` gives kept answers out again without a thread or a connection; here is what it may know of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from api import etag
from api.answers import Answer, listed, meta
from api.lanes import PLACED
from api.paging import Page
from api.schemas import Envelope, Meta
from indexer.store.queries import Slice
from indexer.store.queries.coverage import BlockAt

KEPT: Final = 64
"""Answers kept in a process, those asked for last."""

WAIT_SECONDS: Final = 5.0
"""Longer than the first takes, which a statement's timeout ends. For slow questions nobody waits here: `Pool.lend_slow`."""

Question = tuple[str, str]
"""Path and query as they were sent."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a question about the newest block that was answered well: the form of it need not be checked again.

    `of_head` says that its rows also depend on whether the risk table of the head is of that block.
    """

    route: object
    chain: str | None
    of_head: bool


class Kept:
    """Bytes by question. Of one process; threads may ask at the same time."""

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._found: OrderedDict[object, Future[bytes]] = OrderedDict()
        self._asked: OrderedDict[Question, Asked] = OrderedDict()

    def get(self, key: object, make: Callable[[], bytes]) -> bytes:
        """Return what is kept, or make it. What failed to be made is not kept, and whoever waited makes its own."""
        with self._lock:
            found = self._found.get(key)
            mine = found is None
            if found is None:
                found = self._found[key] = Future()
                while len(self._found) > self._size:
                    self._found.popitem(last=False)
            else:
                self._found.move_to_end(key)
        if not mine:
            try:
                return found.result(WAIT_SECONDS)
            except (CancelledError, TimeoutError):
                return make()
        try:
            found.set_result(make())
        finally:
            if not found.done():
                with self._lock:
                    if self._found.get(key) is found:
                        del self._found[key]
                found.cancel()
        return found.result()

    def peek(self, key: object) -> bytes | None:
        """Return what is kept and made, or None."""
        with self._lock:
            found = self._found.get(key)
            if found is None or not found.done() or found.cancelled():
                return None
            self._found.move_to_end(key)
        return found.result()

    def remember(self, question: Question, asked: Asked) -> None:
        """Note a question whose answer is kept."""
        with self._lock:
            self._asked[question] = asked
            self._asked.move_to_end(question)
            while len(self._asked) > self._size:
                self._asked.popitem(last=False)

    def known(self, question: Question) -> Asked | None:
        """Return what is known of a question, if it was asked before."""
        with self._lock:
            return self._asked.get(question)


def key_of(question: Question, tag: str, holds: bool | None) -> object:
    """Return under what an answer is kept. `holds` is None where the risk table of the head does not matter."""
    return (*question, tag, holds)


def question_of(request: Request) -> Question:
    """Return what is asked, as it was sent."""
    return request.url.path, request.url.query


def respond(
    request: Request, at: BlockAt, model: type[Envelope[Any]], make: Callable[[], Answer], holds: bool | None = None
) -> Response:
    """Return an answer whose rows are kept: `make` gives the whole of it, its `meta` is of this request.

    `holds` says whether the risk table of the head is of this block, where rows depend on it.

    Raises  Unchanged if the client holds it already
    """
    headers = etag.headers(request, at)
    kept: Kept = request.app.state.kept

    def written() -> bytes:
        return model.model_validate(make()).model_dump_json(exclude={"meta"}, by_alias=True).encode()

    question = question_of(request)
    rows = kept.get(key_of(question, headers["ETag"], holds), written)
    if not PLACED & request.query_params.keys():
        kept.remember(question, Asked(request.scope["route"], request.query_params.get("chain"), holds is not None))
    return whole(rows, at, headers)


def listing(
    request: Request, at: BlockAt, page: Page, model: type[Envelope[Any]], rows: Callable[[], Slice], holds: bool | None = None
) -> Response:  # fmt: skip
    """Return a page of a list as `respond` does; `rows` gives the slice of it."""
    return respond(request, at, model, lambda: listed(request, rows(), page, at), holds)


def whole(rows: bytes, at: BlockAt, headers: dict[str, str]) -> Response:
    """Return kept rows with the `meta` of now."""
    told = Meta.model_validate(meta(at)).model_dump_json(by_alias=True)
    return Response(rows[:-1] + b',"meta":' + told.encode() + b"}", media_type="application/json", headers=headers)
