"""What a visitor meets when not all is well, and the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Route

from api.settings import Settings
from indexer.store import keys
from tests.page.browser import Visitor, answers, total, usd
from tests.stream.server import Served

Visit = Callable[..., Visitor]
SHOW_TIPS = """() => { for (const element of document.querySelectorAll('main .chart')) {
    const chart = echarts.getInstanceByDom(element);
    chart.getOption().series.forEach((one, seriesIndex) => {
        for (const dataType of one.type === 'graph' ? ['node', 'edge'] : [undefined])
            for (let dataIndex = 0; dataIndex < Math.min(3, one.data.length); dataIndex += 1)
                chart.dispatchAction({ type: 'showTip', seriesIndex, dataIndex, dataType });
    });
} }"""
"""Opens a tooltip of every series of every chart."""
NOBODY = "0x00000000000000000000000000000000000000aa"


@pytest.mark.parametrize(("size", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_accounts_that_are_not_there(visit: Visit, site: str, size: str, theme: str) -> None:
    visitor = visit(site, size=size, theme=theme)
    page = visitor.open(f"account/{NOBODY}")
    assert "never had a position" in visitor.text("#unknown") and NOBODY in visitor.text("#unknown")
    visitor.check(
        "account-unknown", lambda problem: "404" in problem
    )  # the browser itself notes the answer it was told
    visitor.open("account/0x12", ready="account")
    assert "no account" in visitor.text("main")
    page.fill("#find-account", "0x12")
    page.press("#find-account", "Enter")
    assert page.evaluate("location.hash") == "#/account/0x12", "what is no address is not looked for"
    visitor.open("cascade/ffffffffffffffffffffffffffffffff", ready="cascade")
    assert "gone" in visitor.text("#simulation-state")
    visitor.open("nowhere", ready="overview")
    visitor.check("account-malformed", lambda problem: "404" in problem)


@pytest.mark.parametrize(("size", "theme"), [("desktop", "dark"), ("phone", "light")])
def test_nothing_indexed(visit: Visit, migrated_database: Callable[[], str], size: str, theme: str) -> None:
    with Served(Settings(migrated_database())) as url:
        visitor = visit(url, size=size, theme=theme)
        for place in ("overview", "loops", "risk", "cascade", f"account/{NOBODY}"):
            visitor.open(place, ready="idle")
            assert "Nothing indexed yet" in visitor.text("main")
        assert "nothing indexed" in visitor.text("#head")
        visitor.check("empty")
        visitor.close()


def test_the_api_is_away_and_comes_back(visit: Visit, site: str) -> None:
    visitor = visit(site, size="phone", theme="dark")
    visitor.page.route("**/v1/**", lambda route: route.abort())
    page = visitor.open("overview", ready="error")
    assert "does not answer" in visitor.text("main")
    assert visitor.text("#head") == "no answer"
    visitor.check("away", lambda problem: "ERR_FAILED" in problem)
    page.unroute("**/v1/**")
    visitor.ready("overview")  # by itself
    assert visitor.tile("debt").startswith("$")


def test_the_database_is_away_and_comes_back(visit: Visit, server: Any, copied: Callable[[str], str]) -> None:
    database = copied("moved")
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_away".encode())
    with Served(Settings(database, pool_wait_seconds=1)) as url:
        visitor = visit(url)
        visitor.open("overview", ready="error")
        assert "database" in visitor.text("[role=alert]").lower()
        assert visitor.text("#head") == "no answer"
        visitor.check("database-away", lambda problem: "503" in problem)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name}_away RENAME TO {name}".encode())
        visitor.ready("overview")  # by itself
        assert visitor.tile("debt").startswith("$")
        visitor.close()


@pytest.mark.parametrize(("size", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_while_it_loads(visit: Visit, site: str, size: str, theme: str) -> None:
    visitor = visit(site, size=size, theme=theme)
    held: list[Route] = []
    visitor.page.route("**/v1/status*", lambda route: held.append(route))  # the answer takes its time
    visitor.page.goto(f"{site}/#/overview")
    visitor.page.wait_for_selector('main [aria-busy="true"]')
    assert visitor.page.get_attribute("main", "data-ready") is None
    assert visitor.page.query_selector("main .error") is None
    visitor.check("loading")
    for route in held:
        route.continue_()
    visitor.ready("overview")
    assert visitor.page.query_selector('main [aria-busy="true"]') is None


def test_a_refusal_is_told_in_the_servers_words(visit: Visit, site: str) -> None:
    visitor = visit(site)
    visitor.page.route(
        "**/v1/liquidation-risk/buckets*",
        lambda route: route.fulfill(
            status=500, content_type="application/problem+json",
            body='{"title":"A bug","detail":"The query took <b>longer</b> than the statement timeout"}',
        ),
    )  # fmt: skip
    page = visitor.open("risk", ready="error")
    assert "The query took <b>longer</b> than the statement timeout" in visitor.text("[role=alert]")
    visitor.check("refused", lambda problem: "500" in problem)
    page.unroute("**/v1/liquidation-risk/buckets*")
    page.click("text=Try again")
    visitor.ready("risk")


def test_several_chains(visit: Visit, demo_database: Callable[[], str]) -> None:
    database = demo_database()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO chain (chain_id, name) VALUES (10, 'optimism')")
    with Served(Settings(database)) as url:
        visitor = visit(url)
        page = visitor.open("overview")
        assert page.eval_on_selector_all("#chain option", "all => all.map((one) => one.value).sort()") == [
            "demo",
            "optimism",
        ]
        assert page.input_value("#chain") == "demo", "the one that has something"
        visitor.check("chains")
        page.select_option("#chain", "optimism")
        visitor.ready("idle")
        visitor.check("chains-idle")
        page.reload()
        visitor.ready("idle")
        assert page.input_value("#chain") == "optimism", "it is remembered"
        page.select_option("#chain", "demo")
        visitor.ready("overview")
        visitor.close()


def test_a_server_that_asks_for_a_key(visit: Visit, demo_database: Callable[[], str]) -> None:
    database = demo_database()
    with psycopg.connect(database) as connection:
        key = keys.create(connection, "a visitor", None)
    with Served(Settings(database, require_key=True)) as url:
        visitor = visit(url)
        page = visitor.open("overview", ready="error")
        visitor.check("key", lambda problem: "401" in problem)
        page.fill("#key", key)
        page.press("#key", "Enter")
        visitor.ready("overview")
        page.wait_for_selector('#head[data-stream="open"]')  # the stream has the key too
        assert visitor.tile("debt").startswith("$")
        visitor.close()


def test_names_from_the_chain_are_text(visit: Visit, demo_database: Callable[[], str]) -> None:
    database = demo_database()
    hostile = '<img src=x onerror="alert(1)">'
    with psycopg.connect(database, autocommit=True) as connection:
        assert connection.execute("UPDATE token SET symbol = %s", (hostile,)).rowcount > 5
    with Served(Settings(database)) as url:
        visitor = visit(url)
        account = answers(url, "/liquidation-risk/positions?limit=1000")[0]["account"]
        for place in ("overview", "loops", "risk", "cascade", f"account/{account}"):
            page = visitor.open(place)
            assert page.query_selector("main img") is None
            page.evaluate(SHOW_TIPS)
            page.wait_for_timeout(50)
            if place == "risk":
                assert "of debt" in page.inner_text(".tip"), "a tooltip is open"
            assert page.query_selector("main img") is None
            if place != "loops":
                assert hostile in page.inner_text("main")
        visitor.check("hostile")
        visitor.close()


def test_keyboard(visit: Visit, site: str) -> None:
    visitor = visit(site)
    page = visitor.open("overview")
    focused = "document.activeElement.innerText || document.activeElement.id"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Skip to content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "seen once it has the focus"
    order = []
    for _ in range(7):
        page.keyboard.press("Tab")
        order.append(page.evaluate(focused))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "the focus is seen"
    assert order == ["Leverage", "Overview", "Loops", "Risk", "Cascade", "find-account", "◐"]
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    visitor.ready("overview")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", "it is remembered"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find-account"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") != "find-account"
    page.focus('[data-view="cascade"]')
    page.keyboard.press("Enter")
    visitor.ready("cascade")
    assert page.evaluate("document.activeElement.id") == "main", "reading goes on in what was opened"
    slider = page.query_selector(".slider input")
    assert slider is not None
    slider.focus()
    before = int(slider.input_value())
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert int(slider.input_value()) == before - 2
    assert page.inner_text(".slider output") == f"−{2 - before}%"
    page.keyboard.press("Enter")  # asks, as in any form
    page.wait_for_selector("#tile-repaid")
    visitor.check("keyboard")


def test_the_skip_link_stays_in_the_view(visit: Visit, site: str) -> None:
    visitor = visit(site)
    page = visitor.open("risk")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("[location.hash, document.activeElement.id]") == ["#/risk", "main"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none", (
        "no ring round the whole page"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null && document.activeElement.id !== 'main'")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "what Tab reaches has one"
    page.evaluate("document.activeElement.blur()")
    page.evaluate("location.hash = '#/loops'")  # as the browser's own back and forward do
    visitor.ready("loops")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none"
    visitor.check("skip")


OWNER = "0x00000000000000000000000000000000000000ee"


def test_an_owner_behind_a_wallet(visit: Visit, copied: Callable[[str], str]) -> None:
    """A Safe with one owner, who has nothing in their own name."""
    database = copied("owner")
    with Served(Settings(database)) as url:
        wallet = answers(url, "/liquidation-risk/positions?limit=1000")[0]["account"]
        with psycopg.connect(database, autocommit=True) as connection:
            row = (31337, bytes.fromhex(wallet[2:]), 1, 1, 0, 1)
            connection.execute(
                "INSERT INTO wallet_state (chain_id, wallet, from_block, block_number, log_index, deployment_key, kind, threshold)"
                " VALUES (%s, %s, %s, %s, %s, %s, 'safe', 1)", row,
            )  # fmt: skip
            connection.execute(
                "INSERT INTO wallet_owner (chain_id, wallet, from_block, block_number, log_index, deployment_key, owner, leg, is_owner)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 1)", (*row, bytes.fromhex(OWNER[2:])),
            )  # fmt: skip
        visitor = visit(url)
        page = visitor.open(f"account/{wallet}")
        assert page.get_attribute("#account + button + span a", "href") == f"#/account/{OWNER}"
        held = visitor.rows("Positions")
        page.click("#account + button + span a")
        page.wait_for_function("owner => document.querySelector('#account')?.innerText === owner", arg=OWNER)
        visitor.ready("account")
        assert "with 1 more of its owner" in visitor.text("#members")
        assert [row[1:] for row in visitor.rows("Positions")] == held
        leverage = answers(url, f"/accounts/{OWNER}/leverage?owner=true")
        assert visitor.tile("debt") == usd(total(leverage, "debt_usd")) != "$0"
        assert any(row[9] != "–" for row in visitor.rows("Health by risk scope")), "risk is of its accounts"
        visitor.check("owner", lambda problem: "404" in problem)
        visitor.close()


def test_motion_is_reduced_where_that_is_wished(visit: Visit, site: str) -> None:
    for motion, moves in (("reduce", False), ("no-preference", True)):
        page = visit(site, motion=motion).open("risk")
        drawn = page.evaluate("echarts.getInstanceByDom(document.querySelector('main .chart')).getOption().animation")
        assert drawn is moves
        assert (page.evaluate("getComputedStyle(document.querySelector('main > *')).animationName") != "none") is moves
