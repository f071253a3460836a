"""The page while the indexer follows a chain: it fills, goes on and says when a reorg replaced what it showed."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from playwright.sync_api import Route
from psycopg.types.json import Jsonb

from api.settings import Settings
from tests.hardday.drive import Following
from tests.hardday.story import Story, only_aave, serve, settings
from tests.page.browser import Visitor, answers, total, usd
from tests.stream.server import Served

HEAD = 60


def test_blocks_and_reorgs_show_by_themselves(
    visit: Callable[..., Visitor], migrated_database: Callable[[], str]
) -> None:
    database = migrated_database()
    with Served(Settings(database)) as url:
        visitor = visit(url)
        page = visitor.open("overview", ready="idle")
        story = Story(HEAD)
        with serve(story) as node, Following(settings(node), database) as indexer:
            indexer.reach(story)
            visitor.ready("overview")  # from nothing, without a reload

            def stands_at(block: int) -> None:
                page.wait_for_function(
                    "n => document.getElementById('head-block')?.innerText === n", arg=f"block {block}"
                )

            stands_at(HEAD)
            before = visitor.tile("debt")
            with node.lock:
                story.go_on(HEAD + 60)
            indexer.reach(story)
            stands_at(HEAD + 60)
            heads = [
                row
                for name in [
                    one["protocol"] for one in answers(url, "/protocols") if one["deployments"][0]["kind"] == "lending"
                ]
                for row in answers(url, f"/protocols/{name}/leverage?population=borrowers")
            ]
            debt = usd(total(heads, "debt_usd"))
            assert debt != before
            page.wait_for_function("debt => document.querySelector('#tile-debt dd').innerText === debt", arg=debt)
            assert page.query_selector(".toast") is None
            with node.lock:
                story.replace(3, 5, only_aave)
            indexer.reach(story)
            page.wait_for_selector(".toast.warn")
            assert f"Reorg: blocks from {HEAD + 58} on were replaced" in visitor.text("#toasts")
            stands_at(story.head)
            visitor.check("reorg")
            page.keyboard.press("Escape")
            assert page.query_selector(".toast") is None
            page.evaluate("location.hash = '#/risk'")  # one stream for all views
            visitor.ready("risk")
            with node.lock:
                story.go_on(story.head + 20)
            indexer.reach(story)
            stands_at(story.head)
        assert visitor.problems == []
        visitor.close()


def test_what_was_missed_is_told(visit: Callable[..., Visitor], copied: Callable[[str], str]) -> None:
    """The stream breaks; when the page comes back, what it has not heard is no longer kept."""
    database = copied("lost")
    with psycopg.connect(database, autocommit=True) as connection, Served(Settings(database)) as url:
        visitor = visit(url)
        heard: list[str | None] = []

        def route(request: Route) -> None:
            last = request.request.headers.get("last-event-id")
            heard.append(last)
            if last is None:  # the server itself ends the first one soon
                return request.continue_(url=f"{request.request.url}&max_seconds=0.3")
            if len(heard) == 2:  # what was told meanwhile is forgotten but for the newest
                newest = int(last.split("-")[1])
                for seq in range(newest + 1, newest + 4):
                    connection.execute(
                        "INSERT INTO stream_message (chain_id, seq, block_number, channel, body) VALUES (31337, %s, 1070, 'block', %s)",
                        (seq, Jsonb({"chain_id": 31337, "block_number": 1070})),
                    )
                connection.execute("DELETE FROM stream_message WHERE seq < %s", (newest + 3,))
            return request.continue_()

        visitor.page.route("**/v1/stream*", route)
        page = visitor.open("overview")
        page.wait_for_selector(".toast.warn")
        began = int((heard[1] or "").split("-")[1])
        assert f"Messages were missed: messages {began + 1} to {began + 2} are no longer kept" in visitor.text(
            "#toasts"
        )
        visitor.check("lost")
        page.click(".toast .close")
        assert page.query_selector(".toast") is None
        assert page.get_attribute("#head", "data-stream") == "open", "it goes on"
        visitor.close()
