"""kill -9 at any moment loses and doubles nothing.

The default runs kill a few times; the full ones (`-m slow`) a hundred, half in a backfill and half while following.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from tests.fakenode import Faults
from tests.hardday.crash import Crashes, Worker, torture
from tests.hardday.database import assert_equal
from tests.hardday.drive import index, stands, wait_for
from tests.hardday.story import Story, serve, settings

Database = Callable[[], str]

SIZES = [pytest.param(3, 130, id="few"), pytest.param(60, 1000, id="full", marks=pytest.mark.slow)]


@pytest.mark.parametrize(("kills", "head"), SIZES)
def test_in_a_backfill(
    kills: int, head: int, database: Database, record_property: Callable[[str, object], None]
) -> None:
    chance, told = random.Random(kills), Crashes()
    with serve(Story(head), faults=Faults(slow=1.0, slow_seconds=0.01)) as node:
        options = {"max_block_range": 4, "prefetch": 2}
        wanted = index(settings(node), database())
        while told.kills < kills:
            url = database()
            worker = partial(Worker, url, node.url, "latest", **options)
            if not torture(worker, url, chance, kills - told.kills, 0.4, told):
                error = (last := worker()).end()
                assert last.process.returncode == 0, error
            assert_equal(url, wanted)
    _report("backfill", told, record_property)


@pytest.mark.parametrize(("kills", "head"), SIZES)
def test_while_following(
    kills: int, head: int, database: Database, record_property: Callable[[str, object], None]
) -> None:
    """Blocks come in as it is killed, and now and then the last few are replaced."""
    chance, told, url = random.Random(kills + 1), Crashes(), database()
    story = Story(60)
    done = threading.Event()

    def grow() -> None:
        turn = random.Random(7)
        while not done.wait(0.05):
            with node.lock:
                depth = turn.randint(1, 6)
                if story.head >= head:
                    story.replace(depth, depth)
                elif turn.random() < 0.08:
                    story.replace(depth, depth + 1)
                else:
                    story.go_on(story.head + 1)

    with serve(story) as node:
        growing = threading.Thread(target=grow)
        growing.start()
        try:
            torture(partial(Worker, url, node.url, None), url, chance, kills, 0.5, told)
        finally:
            done.set()
            growing.join()
        last = Worker(url, node.url, None)
        try:
            top = story.blocks[-1]
            wait_for(lambda: stands(url, top.number, top.hash), "the head")
        finally:
            with suppress(ProcessLookupError):
                last.kill()
        assert_equal(url, index(settings(node), database()))
    assert told.kills == kills
    _report("following", told, record_property)


def _report(what: str, told: Crashes, record_property: Callable[[str, object], None]) -> None:
    record_property(what, str(told))
    print(f"{what}: {told}")
