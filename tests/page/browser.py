"""A page in Chromium that notes what a visitor should never meet: console errors, failed requests, other hosts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, Response

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
PATIENCE_MS = 20_000


def chromium() -> str | None:
    """Return a Chromium of this machine: LEVERAGE_CHROMIUM, or one on the path."""
    named = os.environ.get("LEVERAGE_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return named or next((found for name in names if (found := shutil.which(name))), None)


class Visitor:
    """One visitor with a window of one size and one theme."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        shots: Path,
        size: str = "desktop",
        theme: str = "light",
        motion: str = "reduce",
    ) -> None:
        width, height = SIZES[size]
        self.url, self.shots, self.name = url, shots, f"{size}-{theme}"
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion=motion,  # type: ignore[arg-type]
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        self.page.on(
            "console", lambda m: self._note(f"console {m.type}: {m.text}") if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        self.page.on("dialog", lambda dialog: (self._note(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("response", self._answered)

    def _note(self, problem: str) -> None:
        self.problems.append(problem)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.status} {response.url}")

    def open(self, place: str, ready: str | None = None) -> Page:
        """Go to a view and wait until it shows `ready`: the view's own name unless something else is expected."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/#/{place}")
        self.ready(ready or place.split("/")[0])
        return self.page

    def ready(self, what: str) -> None:
        self.page.wait_for_selector(f'main[data-ready="{what}"]', state="attached")

    def shot(self, name: str) -> None:
        """Take a picture of the whole page, after a frame in which charts were drawn."""
        self.page.wait_for_timeout(80)
        self.page.screenshot(path=self.shots / f"{name}-{self.name}.png", full_page=True)

    def check(self, name: str, allowed: Callable[[str], bool] = lambda problem: False) -> None:
        """Take a picture and require that nothing went wrong, nobody else was asked and nothing sticks out."""
        self.shot(name)
        assert [problem for problem in self.problems if not allowed(problem)] == []
        assert self.hosts <= {urlsplit(self.url).netloc, ""}
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name}: the page scrolls sideways by {wide} px"

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector).strip()

    def tile(self, name: str) -> str:
        return self.text(f"#tile-{name} dd:first-of-type")

    def rows(self, caption: str) -> list[list[str]]:
        """Return the cells of the table with a caption, as shown."""
        found = self.page.evaluate(
            """caption => { const table = [...document.querySelectorAll('main table')].find((one) => one.caption?.textContent === caption);
               return table && [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim())); }""",
            caption,
        )
        assert found is not None, f"no table {caption!r}"
        return [list(row) for row in found]

    def chart(self, label: str) -> list[dict[str, Any]]:
        """Return name and data of the series that a chart shows."""
        found = self.page.evaluate(
            """label => { const chart = echarts.getInstanceByDom(document.querySelector(`main [data-label="${label}"]`));
               return chart.getOption().series.map(({ name, data }) => ({ name, data })); }""",
            label,
        )
        return list(found)

    def close(self) -> None:
        """Go away; a server that is stopped next need not wait for this one's stream. Twice is once."""
        if not self.page.is_closed():
            self.context.close()


def answers(url: str, path: str) -> Any:
    """Return the data of an answer of the API, all pages of it."""
    rows: list[Any] = []
    cursor = ""
    while True:
        with urlopen(f"{url}/v1{path}{cursor and ('&' if '?' in path else '?')}{cursor}", timeout=20) as response:
            body = json.load(response)
        if not isinstance(body["data"], list):
            return body["data"]
        rows += body["data"]
        if not (body["page"] and body["page"]["next_cursor"]):
            return rows
        cursor = f"cursor={body['page']['next_cursor']}"


# What the page is to show for a figure, by another hand than the page's own.


def rounded(value: Any, digits: int) -> str:
    return f"{Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):f}"


def usd(value: Any) -> str:
    """$28.65M, −$3.1K, $0; – for null."""
    if value is None:
        return "–"
    number = Decimal(str(value))
    size, letter = abs(number), ""
    for letter in ("", "K", "M", "B", "T"):
        if size.quantize(Decimal("0.01"), ROUND_HALF_UP) < 1000 or letter == "T":
            break
        size /= 1000
    text = f"{size.quantize(Decimal('0.01'), ROUND_HALF_UP):f}".rstrip("0").rstrip(".")
    return f"{'−' if number < 0 else ''}${text}{letter}"


def times(value: Any) -> str:
    return "–" if value is None else f"{value:.2f}×"


def percent(value: Any, digits: int = 1) -> str:
    if value is None:
        return "–"
    text = f"{abs(value * 100):.{digits}f}"
    return f"{'−' if value < 0 and float(text) else ''}{text}%"


def total(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(row[name] or 0) for row in rows), Decimal(0))
