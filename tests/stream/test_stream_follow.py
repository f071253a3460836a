"""The stream while the indexer follows a chain that reorganises: nothing lost, nothing doubled, the reorg told first."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from api.settings import Settings
from tests.hardday.drive import Following, index, wait_for
from tests.hardday.story import Story, everything, only_aave, serve, settings
from tests.stream.server import Served

HEAD = 60


class Listener:
    """Reads `/v1/stream` on a thread and cuts its own connection at random; goes on with the last id it has seen."""

    def __init__(self, url: str, cuts: int, seed: int, **parameters: str) -> None:
        self.url, self.cuts, self.parameters = url, cuts, parameters
        self.events: list[tuple[str, str, Any]] = []
        self.last: str | None = None
        self.done = threading.Event()
        self.made = 0
        self.error: BaseException | None = None
        self._random = random.Random(seed)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Listener:
        self._thread.start()
        wait_for(lambda: self.last is not None, "the stream's first line")
        return self

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with httpx.Client(timeout=httpx.Timeout(5, read=20)) as client:
                while not self.done.is_set():
                    self._connect(client)
        except BaseException as error:
            self.error = error

    def _connect(self, client: httpx.Client) -> None:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        with client.stream("GET", self.url, headers=headers, params=self.parameters) as response:
            assert response.status_code == 200
            self.made += 1
            # cut within bytes, not between events: half an event must not count
            left = self._random.randint(100, 900) if self.made <= self.cuts else None
            text = ""
            for piece in response.iter_text():
                text += piece if left is None else piece[: max(left, 0)]
                *whole, text = text.split("\n\n")
                for block in whole:
                    self._take(block)
                if left is not None:
                    left -= len(piece)
                    if left <= 0:
                        return
                if self.done.is_set():
                    return

    def _take(self, block: str) -> None:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            self.events.append((fields["id"], fields["event"], json.loads(fields["data"])))
        if "id" in fields:
            self.last = fields["id"]


def written(url: str) -> list[tuple[str, str, Any]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT chain_id, seq, channel, body FROM stream_message ORDER BY seq").fetchall()
    return [(f"{chain}-{seq}", channel, body) for chain, seq, channel, body in rows]


@pytest.fixture
def database(migrated_database: Callable[[], str]) -> Iterator[str]:
    yield migrated_database()


def test_connections_cut_a_hundred_times(database: str) -> None:
    """Two listeners, a hundred cuts in all, three reorgs: each hears exactly what was written, in order."""
    story = Story(HEAD)
    with serve(story) as node, Following(settings(node), database) as indexer, Served(Settings(database)) as url:
        indexer.reach(story)
        first = written(database)
        assert [event[1] for event in first] == ["block"], "the past is not told"
        listeners = [Listener(f"{url}/v1/stream", 50, seed).start() for seed in (1, 2)]
        for head in range(HEAD + 2, 260, 2):
            with node.lock:
                story.go_on(head)
            if head in (100, 150, 200):
                indexer.reach(story)
                with node.lock:
                    story.replace(3, 5, only_aave if head == 150 else everything)
            indexer.pass_by(min(head, story.head))
        indexer.reach(story)
        last = written(database)[-1][0]
        wait_for(lambda: all(listener.last == last for listener in listeners), "the last event")
        for listener in listeners:
            listener.done.set()
        with node.lock:
            story.idle(1)
        for listener in listeners:
            listener.join()
        expected = written(database)
        upto = [event[0] for event in expected].index(last) + 1
        for listener in listeners:
            assert listener.events[: upto - 1] == expected[1:upto]
        assert sum(listener.made - 1 for listener in listeners) >= 100
        assert {event[1] for event in expected} >= {"block", "reorg", "params", "loops"}
        check_reorgs(expected, 3)


def check_reorgs(events: list[tuple[str, str, Any]], count: int) -> None:
    """After a reorg message nothing is told of the replaced branch: blocks come again from the first invalid one on."""
    assert [event[1] for event in events].count("reorg") == count
    told = -1
    for _, channel, body in events:
        if channel == "reorg":
            assert body["first_invalid_block"] <= told, "it names a block that had been told"
            told = body["first_invalid_block"] - 1
        elif channel == "block":
            assert body["first_block"] == told + 1 or told == -1
            told = body["block_number"]
        elif channel != "purges":  # they name the last block that moved their market
            assert body.get("block_number", body.get("as_of_block")) > told, "before its block's heartbeat"


def test_filters_and_what_is_kept(database: str) -> None:
    story = Story(HEAD)
    with serve(story) as node, Following(settings(node), database) as indexer, Served(Settings(database)) as url:
        indexer.reach(story)
        only = Listener(f"{url}/v1/stream", 0, 1, channels="liquidations").start()
        for head in (HEAD + 1, HEAD + 3, HEAD + 5):
            with node.lock:
                story.go_on(head)
            indexer.reach(story)
        newest = written(database)[-1][0]
        wait_for(lambda: only.last == newest, "the last event")
        assert {event[1] for event in only.events} == {"heartbeat"}
        assert only.events[-1][2] == {"block_number": HEAD + 5}
        only.done.set()
        with psycopg.connect(database) as connection:
            connection.execute("DELETE FROM stream_message WHERE seq < (SELECT max(seq) FROM stream_message)")
        late = Listener(f"{url}/v1/stream", 0, 1)
        late.last = "31337-1"
        late._thread.start()
        wait_for(lambda: len(late.events) >= 2, "the message that says what was lost")
        assert late.events[0][1] == "lost" and "no longer kept" in late.events[0][2]["reason"]
        assert late.events[1][0] == newest
        late.done.set()
        with node.lock:
            story.idle(1)
        only.join()
        late.join()


CRASH = (815, 850)
"""Blocks of the demo's crash, with liquidations in them."""


def at_risk(url: str) -> dict[tuple[str, str, str], str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT '0x' || encode(account, 'hex'), deployment, coalesce(market_id, ''), health_bucket(health_factor) "
            "FROM risk_head WHERE is_open AND health_factor < 1.1"
        ).fetchall()
    return {(account, deployment, market): bucket for account, deployment, market, bucket in rows}


def test_what_a_crash_tells(database: str) -> None:
    """Whoever read the list once and then listens knows it at every block, and has heard of every liquidation."""
    story = Story(CRASH[0])
    with serve(story) as node:
        index(settings(node, max_block_range=CRASH[0]), database)
    with serve(story) as node, Following(settings(node), database) as indexer, Served(Settings(database)) as url:
        indexer.reach(story)
        known = at_risk(database)
        begun = len(written(database))
        for head in range(CRASH[0] + 1, CRASH[1] + 1):
            with node.lock:
                story.go_on(head)
            indexer.reach(story)
        told = written(database)[begun:]
        for _, channel, row in told:
            if channel == "liquidation_risk":
                place = (row["account"], row["deployment"], row["market_id"] or "")
                known.pop(place, None)
                if not row["gone"] and row["health_factor"] < 1.1:
                    known[place] = row["bucket"]
        assert known == at_risk(database)
        assert sum(channel == "liquidation_risk" for _, channel, _ in told) > 10
        listed = httpx.get(f"{url}/v1/liquidations", params={"limit": 1000, "from_block": CRASH[0] + 1}).json()["data"]
        heard = [row for _, channel, row in told if channel == "liquidations"]
        assert len(heard) > 5
        assert sorted(heard, key=lambda row: (row["block_number"], row["evt_index"])) == listed[::-1]
