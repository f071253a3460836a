"""The page while the indexer follows a chain: it fills, goes on and says when a reorg replaced what it showed."""

from __future__ import annotations

from collections.abc import Callable

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
