"""Answers that are made once for all who ask: one maker at a time, failures not kept, oldest let go."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.kept import Kept


def test_one_makes_it_and_the_others_wait_for_it() -> None:
    kept, made, begun, go = Kept(), [], threading.Event(), threading.Event()

    def make() -> bytes:
        made.append(1)
        begun.set()
        assert go.wait(5)
        return b"rows"

    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(kept.get, "question", make)
        assert begun.wait(5)
        others = [threads.submit(kept.get, "question", make) for _ in range(7)]
        go.set()
        assert {one.result(5) for one in (first, *others)} == {b"rows"}
    assert len(made) == 1


def test_what_failed_is_asked_again() -> None:
    kept = Kept()

    def fail() -> bytes:
        raise ValueError("the database went away")

    with pytest.raises(ValueError, match="went away"):
        kept.get("question", fail)
    assert kept.get("question", lambda: b"rows") == b"rows"
    assert kept.get("question", fail) == b"rows"


def test_the_one_asked_for_longest_ago_is_let_go() -> None:
    kept = Kept(size=2)
    for name in (b"a", b"b"):
        kept.get(name, lambda name=name: name)  # type: ignore[misc]
    assert kept.get(b"a", lambda: b"new") == b"a"
    kept.get(b"c", lambda: b"c")
    assert kept.get(b"a", lambda: b"new") == b"a"
    assert kept.get(b"b", lambda: b"new") == b"new"
