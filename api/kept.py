"""Answers that many ask for at once: the rows of one question at one block are looked up and written out once.

Bots poll the same list. What they get differs in `meta` alone, which says how far the index is behind by now, so rows and
page are kept as bytes under the path, the parameters and the ETag, which is of the block and of what is covered there; `meta`
is written anew for everybody. While one request makes an answer, others that want it wait for it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from api import etag
from api.answers import Answer
from api.schemas import Envelope
from indexer.store.queries.coverage import BlockAt

KEPT: Final = 64
"""Answers kept in a process, those asked for last."""

WAIT_SECONDS: Final = 5.0
"""Longer than the first takes, which a statement's timeout ends."""


class Kept:
    """Bytes by question. Of one process; threads may ask at the same time."""

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._found: OrderedDict[object, Future[bytes]] = OrderedDict()

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


def respond(
    request: Request, at: BlockAt, model: type[Envelope[Any]], meta: dict[str, Any], make: Callable[[], Answer],
    *also: object,
) -> Response:  # fmt: skip
    """Return an answer whose rows are kept: `make` gives the whole of it, `meta` is of this request.

    `also` is what the rows depend on besides the question and the block.
    """
    headers = etag.headers(request, at)
    kept: Kept = request.app.state.kept

    def written() -> bytes:
        return model.model_validate(make()).model_dump_json(exclude={"meta"}, by_alias=True).encode()

    key = (request.url.path, request.url.query, headers["ETag"], *also)
    told = model.model_fields["meta"].annotation.model_validate(meta).model_dump_json(by_alias=True)  # type: ignore[union-attr]
    body = kept.get(key, written)[:-1] + b',"meta":' + told.encode() + b"}"
    return Response(body, media_type="application/json", headers=headers)
