"""Every list, page by page, while the indexer follows a chain that reorganises.

A listing ends in one of two ways. Either it was whole: each row once, and the rows are those that one large page gave of the
same block when the first page came. Or a reorg replaced the block: 409, and nothing that was read before is of another branch.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest

from api.main import create_app
from api.settings import Settings
from tests.hardday.drive import Following, index
from tests.hardday.story import Story, everything, only_aave, serve, settings
from tests.stream.server import Served

DOCUMENT = create_app(Settings("postgresql://nowhere")).openapi()
LISTS = sorted(
    path
    for path, methods in DOCUMENT["paths"].items()
    if "cursor" in {each["name"] for each in methods.get("get", {}).get("parameters", ())}
)
START, END = 420, 500
LIMIT = 1_000
OF_THE_HEAD = {"/v1/liquidation-risk/positions", "/v1/liquidation-risk/liquidatable"}
"""Kept for the head alone: a page of it after the head moved on is a 409."""
NAMES = {
    "protocol": "aave_v3",
    "venue": "perpetual",
    "market": "perp_v2:31337:0x7698583145ba4a11d9fd5709f592c2114012e720",
}


PROGRESS = {"/v1/protocols": {"block_number", "status"}}
"""Columns that say how far the indexer is now, not how something was as of the block."""


def rows_of(path: str, answer: httpx.Response) -> list[str]:
    hidden = PROGRESS.get(path, set())
    return [
        json.dumps({name: value for name, value in row.items() if name not in hidden}, sort_keys=True)
        for row in answer.json()["data"]
    ]


class Reader:
    """Reads all lists again and again, a few rows a page, and keeps what came of it."""

    def __init__(self, url: str, paths: list[str], stop: threading.Event, seed: int) -> None:
        self.url, self.paths, self.stop = url, paths, stop
        self.whole: Counter[str] = Counter()
        self.replaced: Counter[str] = Counter()
        self.pages = 0
        self.error: BaseException | None = None
        self._random = random.Random(seed)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Reader:
        self._thread.start()
        return self

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with httpx.Client(base_url=self.url, timeout=30) as client:
                while not self.stop.is_set():
                    self._read(client, self._random.choice(self.paths))
        except BaseException as error:  # shown to the test
            self.error = error

    def _read(self, client: httpx.Client, path: str) -> None:
        first = client.get(path, params={"limit": LIMIT})
        if first.status_code == 404:  # what the path names is not there yet, or no longer
            return
        assert first.status_code == 200, first.text
        pinned = first.json()["meta"]
        expected = rows_of(path, first)
        if first.json()["page"]["next_cursor"] is not None or not expected:
            return
        size = max(1, len(expected) // self._random.randint(2, 9))
        answer = client.get(path, params={"limit": size, "as_of_block": pinned["block_number"]})
        found: list[str] = []
        while True:
            if answer.status_code in (404, 409):
                assert answer.json()["type"].split(":")[-1] in (
                    "reorged-away",
                    "outside-coverage",
                    "header-not-kept",
                    "moved-on",
                ), answer.text
                assert answer.status_code == 409 or not found, "a listing that began ends with 409"
                self.replaced[path] += 1
                return
            assert answer.status_code == 200, answer.text
            body = answer.json()
            if body["meta"]["block_hash"] != pinned["block_hash"]:
                assert not found, "pages of two branches in one listing"
                return
            if not found and path in OF_THE_HEAD and rows_of(path, answer) != expected[: len(body["data"])]:
                return  # the head moved on before the first page: what is kept of it says more than what is computed
            assert body["meta"]["block_number"] == pinned["block_number"]
            found += rows_of(path, answer)
            self.pages += 1
            cursor = body["page"]["next_cursor"]
            if cursor is None:
                break
            time.sleep(self._random.choice((0, 0, 0.02)))
            answer = client.get(path, params={"limit": size, "cursor": cursor})
        assert found == expected, f"{path}: pages of {size} differ from one page as of block {pinned['block_number']}"
        assert len(set(found)) == len(found), f"{path}: a row came twice"
        self.whole[path] += 1


@pytest.fixture
def database(migrated_database: Callable[[], str]) -> Iterator[str]:
    yield migrated_database()


def test_pages_fit_together_while_blocks_come_and_go(database: str) -> None:
    paths = [path for path in (p.format_map(Known()) for p in LISTS) if "?" not in path]
    story = Story(START)
    stop = threading.Event()
    with serve(story) as node:
        index(settings(node, max_block_range=START), database)
    with serve(story) as node, Following(settings(node), database) as indexer, Served(Settings(database)) as url:
        indexer.reach(story)
        readers = [Reader(url, paths, stop, seed).start() for seed in (1, 2)]
        for turn, head in enumerate(range(START + 4, END, 4)):
            with node.lock:
                story.go_on(head)
            indexer.pass_by(min(head, story.head))
            if turn % 3 == 2:
                indexer.reach(story)
                with node.lock:
                    story.replace(3, 4, only_aave if turn % 2 else everything)
        indexer.reach(story)
        stop.set()
        for reader in readers:
            reader.join()
        # once more at rest, so that each list was met
        last = Reader(url, paths, stop, 3)
        with httpx.Client(base_url=url, timeout=30) as client:
            for path in paths:
                last._read(client, path)
    whole = sum((reader.whole for reader in (*readers, last)), Counter())
    replaced = sum((reader.replaced for reader in readers), Counter())
    print({"whole": whole.total(), "replaced": replaced.total(), "pages": sum(reader.pages for reader in readers)})
    assert whole.total() > 20 and replaced.total() > 0
    assert len(whole) > len(paths) // 2, f"only {sorted(whole)} had rows"


class Known(dict[str, str]):
    """Path parameters: what the story has."""

    def __missing__(self, name: str) -> str:
        return {**NAMES, "account": ACCOUNT}[name]


ACCOUNT = "0x582c3bf65aeefc14a64bfd3311e10776ec4a47f8"
"""The most leveraged account of the demo."""
