"""Every view at two widths and in two themes: nothing goes wrong, and what it shows is what the API says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.page.browser import Visitor, answers, percent, rounded, times, total, usd

Visit = Callable[..., Visitor]
LOOKS = [
    ("desktop", "light"), ("phone", "dark"),
    pytest.param("desktop", "dark", marks=pytest.mark.slow), pytest.param("phone", "light", marks=pytest.mark.slow),
]  # fmt: skip
PROTOCOLS = ("aave_v2", "aave_v3", "morpho_blue")


@pytest.fixture(scope="session")
def account(site: str) -> str:
    """The demo's borrower with the lowest health factor."""
    return str(answers(site, "/liquidation-risk/positions?limit=1000")[0]["account"])


@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_every_view(visit: Visit, site: str, account: str, size: str, theme: str) -> None:
    visitor = visit(site, size=size, theme=theme)
    for place in ("overview", "loops", "risk", "cascade", f"account/{account}"):
        page = visitor.open(place)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        for chart in page.query_selector_all("main .chart"):
            assert chart.query_selector("canvas"), f"{place}: {chart.get_attribute('aria-label')} is not drawn"
        visitor.check(place.split("/")[0])


def test_figures_of_the_overview(visit: Visit, site: str) -> None:
    visitor = visit(site)
    visitor.open("overview")
    heads = [row for name in PROTOCOLS for row in answers(site, f"/protocols/{name}/leverage?population=borrowers")]
    assets, debt = total(heads, "assets_usd"), total(heads, "debt_usd")
    newest = answers(site, "/velocity?window=1d&scope=chain")[0]
    recursion = answers(site, "/loops/summary")
    assert visitor.tile("debt") == usd(debt) != "$0"
    assert visitor.tile("leverage") == times(assets / (assets - debt))
    assert visitor.tile("velocity") == f"{usd(newest['velocity_usd'])}/d"
    assert visitor.tile("loops") == percent(total(recursion, "looped_debt_usd") / total(recursion, "debt_usd"))
    assert visitor.tile("tvl") == usd(answers(site, "/tvl?scope=chain")[0]["tvl_usd"])
    assert visitor.tile("insolvent") == usd(answers(site, "/bad-debt?scope=chain")[0]["latent_usd"])
    assert visitor.tile("purges") == str(len(answers(site, "/purges?kind=purge")))

    shown = visitor.rows("Deployments")
    assert {row[0]: row[1:4] for row in shown} == {
        f"{row['protocol']} {row['deployment']}": [str(row["n_ok"]), usd(row["debt_usd"]), times(row["leverage"])]
        for row in heads
    }
    latest = answers(site, "/liquidations?limit=10")[:10]
    assert [(row[2], row[3], row[4]) for row in visitor.rows("Latest liquidations")] == [
        (f"{usd(row['debt_repaid_usd'])} {row['debt_symbol']}", f"{usd(row['collateral_seized_usd'])} {row['collateral_symbol']}", percent(row["bonus"]))
        for row in latest
    ]  # fmt: skip
    held = {row["kind"].replace("_", " "): row for row in answers(site, "/concentration?scope=chain")}
    for row in visitor.rows("Concentration by owner"):
        of = held[row[0]]
        assert row[1:] == [usd(of["total_usd"]), str(of["n"]), rounded(of["effective_n"], 1), percent(of["top_1_share"]), percent(of["top_10_share"]), rounded(of["gini"], 2)]  # fmt: skip
    assert {row[0].split()[0] for row in visitor.rows("Corrections, newest first")} == {
        row["symbol"] for row in answers(site, "/corrections")[:10]
    }

    perps = {}
    for market in answers(site, "/markets?protocol=perp_v2"):
        if market["accounting"] == "perp_v2":
            path = f"/perps/perpetual/{market['market_id']}"
            perps[market["symbol"]] = answers(site, f"{path}/open-interest")[0] | answers(site, f"{path}/imbalance")[0]
    assert len(perps) == 2
    for row in visitor.rows("Perp markets by open interest"):
        of = perps[row[0].split()[0]]
        assert row[1:5] == [usd(of["oi_usd"]), usd(of["long_oi_usd"]), usd(of["short_oi_usd"]), percent(of["oi_skew"])]

    series = {line["name"]: line["data"] for line in visitor.chart("Leverage of borrowers by deployment over time")}
    for name in PROTOCOLS:
        past = answers(site, f"/protocols/{name}/leverage/history?population=borrowers&limit=1000")
        of = series[f"{name} {past[0]['deployment']}"]
        assert of == [[row["as_of_time"], row["leverage"]] for row in reversed(past)] and len(of) > 30
    causes = {line["name"]: line["data"] for line in visitor.chart("Change of debt a day by cause, USD")}
    moves = [
        row for row in answers(site, "/velocity?window=1d&scope=chain&limit=1000") if row["from_block"] is not None
    ]
    for label, field in (
        ("borrowed − repaid", "organic"),
        ("prices", "price"),
        ("interest", "interest"),
        ("forced", "forced"),
    ):
        assert causes[label] == [
            [row["as_of_time"], pytest.approx(float(row[f"{field}_effect_usd"]))] for row in reversed(moves)
        ]
    assert min(value for _, value in causes["forced"]) < 0, "the demo's crash shows"


def test_figures_of_loops(visit: Visit, site: str) -> None:
    visitor = visit(site)
    page = visitor.open("loops")
    total_of = answers(site, "/exposure/summary")
    assert visitor.tile("exposure") == usd(total_of["loop_exposure_usd"])
    assert visitor.tile("chain") == str(total_of["chain_depth"])
    assert visitor.tile("loops") == str(len(answers(site, "/loops?is_open=true&shape=loop&method=event&limit=1000")))
    (graph,) = page.evaluate(
        """() => echarts.getInstanceByDom(document.querySelector('main [data-label="Exposure between protocols"]')).getOption().series
              .map(({ links, data }) => ({ links: links.map((one) => [one.source, one.target, one.kind, one.amount]), nodes: data.map((one) => one.name) }))"""
    )
    edges = answers(site, "/exposure/graph")
    assert graph["links"] == [[edge["src"], edge["dst"], edge["edge_kind"], edge["value_usd"]] for edge in edges]
    assert set(graph["nodes"]) == {edge[end] for edge in edges for end in ("src", "dst")}
    top = answers(site, "/loops?is_open=true&shape=loop&limit=1000")[:50]
    assert [row[6:9] for row in visitor.rows("Open loops, most debt first")] == [
        [usd(row["debt_usd"]), times(row["multiplier"]), times(row["bound"])] for row in top
    ]
    by_path: dict[str, Any] = {}
    for form in ("cycle", "chain"):
        for row in answers(site, f"/exposure/cycles?form={form}&limit=1000"):
            key = (form, *row["nodes"])
            by_path[key] = by_path.get(key, 0) + total([row], "size_usd")
    assert sorted(row[2] for row in visitor.rows("Cycles and chains")) == sorted(usd(size) for size in by_path.values())
    page.select_option("#method", "state")
    page.wait_for_function(
        "size => !document.querySelector('main .third table')?.innerText.includes(size)",
        arg=visitor.rows("Cycles and chains")[0][2],
    )
    page.select_option("#form", "chain")
    page.wait_for_function(
        "() => [...document.querySelectorAll('main .tag')].filter((tag) => tag.innerText === 'chain').length > 3"
    )
    shares = {f"{row['project']} {row['deployment']}": row for row in answers(site, "/loops/summary?window_s=86400")}
    for row in visitor.rows("Recursive borrowing by deployment"):
        assert row[1] == percent(shares[row[0]]["recursive_borrow_share_volume"])
    visitor.check("loops-state")


def test_figures_of_risk(visit: Visit, site: str) -> None:
    visitor = visit(site)
    page = visitor.open("risk")
    buckets = answers(site, "/liquidation-risk/buckets")
    (bars,) = visitor.chart("Debt by health factor")
    names = ["[0,1)", "[1,1.05)", "[1.05,1.1)", "[1.1,1.25)", "[1.25,1.5)", "[1.5,2)", "[2,inf)"]
    assert [bar["value"] for bar in bars["data"]] == [
        pytest.approx(float(total([row for row in buckets if row["bucket"] == name], "debt_usd"))) for name in names
    ]
    assert visitor.tile("borrowers") == str(sum(row["n_accounts"] for row in buckets))

    def expected(path: str) -> list[list[str]]:
        return [
            [rounded(row["health_factor"], 4), usd(row["collateral_usd"]), usd(row["debt_usd"]), percent(row["first_eligible_drop"], 2)]
            for row in answers(site, path)[:200]
        ]  # fmt: skip

    def shown() -> list[list[str]]:
        return [[row[2], row[3], row[5], row[7]] for row in visitor.rows("Borrowers by health factor, worst first")]

    assert shown() == expected("/liquidation-risk/positions?health_factor_lt=1.5")
    page.fill("#hf", "1.2")
    page.select_option("#protocol", "morpho_blue")
    narrowed = expected("/liquidation-risk/positions?health_factor_lt=1.2&protocol=morpho_blue")
    page.wait_for_function("n => document.querySelectorAll('#positions tbody tr').length === n", arg=len(narrowed))
    assert shown() == narrowed and 0 < len(narrowed)
    drops = answers(site, "/liquidation-risk/drops")
    for line in visitor.chart("Debt that becomes liquidatable when prices fall"):
        of = [row for row in drops if f"{row['protocol']} {row['deployment']}" == line["name"]]
        assert line["data"] == [
            pytest.approx(float(row["debt_usd"])) for row in sorted(of, key=lambda row: row["drop"])
        ]
    token = page.eval_on_selector(
        "#asset", "select => [select.value, (select.selectedOptions[0].dataset.price / 40).toPrecision(6)]"
    )
    levels = answers(site, f"/liquidation-levels?asset={token[0]}&bin_width={token[1]}")
    (levelled,) = visitor.chart("Collateral by liquidation price")
    found = sorted(value for _, value in levelled["data"])
    assert found == [pytest.approx(value) for value in sorted(float(row["collateral_usd"]) for row in levels)]
    limits = answers(site, "/limits")
    assert [row[3:5] for row in visitor.rows("Leverage allowed and used")] == [
        [times(row["assets_to_equity"]), times(row["max_leverage"])] for row in limits[:40]
    ]
    visitor.check("risk-filtered")


@pytest.mark.parametrize(("size", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_a_cascade_is_asked_for_and_shown(visit: Visit, site: str, size: str, theme: str) -> None:
    visitor = visit(site, size=size, theme=theme)
    page = visitor.open("cascade")
    page.click("text=All −30 %")
    page.select_option("#path", "steps:5")
    page.click("#run")
    page.wait_for_selector("#tile-repaid")
    identity = page.evaluate("location.hash.split('/')[2]")
    done = answers(site, f"/simulations/{identity}")
    assert done["request"]["path"] == "steps:5" and set(done["request"]["shocks"].values()) == {-0.3}
    for tile, name in (("repaid", "repaid_usd"), ("bad-debt", "bad_debt_usd")):
        low, high = (usd(value) for value in done["result"]["range"][name])
        assert visitor.tile(tile) == (low if low == high else f"{low} – {high}")
    settings = done["result"]["settings"]
    repaid = visitor.chart("Debt repaid by round, USD")
    assert len(repaid) == len(settings) >= 3
    for line, setting in zip(repaid, settings, strict=True):
        rounds = [row for row in done["rounds"] if row["depth_factor"] == setting["depth_factor"]]
        assert line["data"][: len(rounds)] == [pytest.approx(float(row["repaid_usd"])) for row in rounds]
        assert sum(line["data"]) == pytest.approx(float(setting["repaid_usd"]), rel=1e-6)
    asset = page.input_value("#price-of")
    start = next(row["price"] for row in done["result"]["assets"] if row["asset"] == asset)
    oracle = visitor.chart("Price by round")[0]["data"]
    assert oracle[1:] == [
        [row["round"], pytest.approx(row["detail"]["oracle"][asset] / start)]
        for row in done["rounds"] if row["depth_factor"] == settings[0]["depth_factor"]
    ]  # fmt: skip
    for row in visitor.rows("Result by protocol"):
        of = [one for setting in settings for one in setting["protocols"] if one["protocol"] == row[0]]
        for cell, name in ((row[2], "repaid_usd"), (row[3], "contagion_usd"), (row[4], "bad_debt_usd")):
            low, high = (usd(pick((one[name] for one in of), key=float)) for pick in (min, max))
            assert cell == (low if low == high else f"{low} – {high}")
    page.wait_for_function(
        """() => [...document.querySelectorAll('main table')].some((one) => one.caption?.textContent === 'How protocols hang together'
              && [...one.tBodies[0].rows].some((row) => row.cells[5].innerText.trim() !== '–'))"""
    )  # they are asked for after the result is shown
    pairs = {
        (row["source"], row["target"]): row for row in answers(site, f"/exposure/propagation?simulation={identity}")
    }
    for row in visitor.rows("How protocols hang together"):
        assert row[5] == percent(pairs[row[0], row[1]]["propagation"], 2)
    visitor.check("cascade-result")

    visitor.open(f"cascade/{identity}")  # the address of a result shows it again, with its question
    page.wait_for_selector("#tile-repaid")
    assert page.input_value("#path") == "steps:5"
    visitor.check("cascade-link")


def test_figures_of_an_account(visit: Visit, site: str, account: str) -> None:
    visitor = visit(site)
    visitor.open(f"account/{account.upper().replace('X', 'x')}")
    leverage = answers(site, f"/accounts/{account}/leverage")
    assets, debt = total(leverage, "assets_usd"), total(leverage, "debt_usd")
    assert visitor.tile("assets") == usd(assets)
    assert visitor.tile("debt") == usd(debt)
    assert visitor.tile("leverage") == times(assets / (assets - debt))
    health = answers(site, f"/accounts/{account}/health")
    assert visitor.tile("health") == rounded(
        min(row["health_factor"] for row in health if row["health_factor"] is not None), 3
    )
    held = sorted(answers(site, f"/accounts/{account}/positions"), key=lambda row: -float(row["amount_usd"] or 0))
    assert [[row[2], row[4]] for row in visitor.rows("Positions")] == [
        [row["symbol"], usd(row["amount_usd"])] for row in held
    ]
    everybody = answers(site, "/liquidation-risk/positions?limit=1000")
    asked = answers(site, f"/liquidation-risk/positions?account={account}")
    assert asked == [row for row in everybody if row["account"] == account] and asked
    at_risk = {row["market_id"]: row for row in answers(site, f"/liquidation-risk/positions?account={account}")}
    shown = visitor.rows("Health by risk scope")
    assert len(shown) == len(health)
    for row, of in zip(shown, health, strict=True):
        assert row[2] == ("–" if of["health_factor"] is None else rounded(of["health_factor"], 4))
        assert (row[9] != "–") == bool(at_risk.get(of["market_id"], {}).get("liquidation_prices"))
    seen = answers(site, f"/accounts/{account}/exposure")
    assert visitor.tile("through") == times(seen["lookthrough"]["leverage_lookthrough"])
    assert len(visitor.rows("Exposure")) == len(seen["edges"])
    past = {line["name"]: line["data"] for line in visitor.chart("Assets, debt and equity over time, USD")}
    assert len(past["debt"]) == 12
    for at, owed in past["debt"]:
        then = answers(site, f"/accounts/{account}/positions?as_of_time={at}")
        assert owed == pytest.approx(float(total([row for row in then if row["side"] == "debt"], "amount_usd")))
    assert past["debt"][0][1] > past["debt"][-1][1] > 0, "it was liquidated in between"
    assert visitor.rows("Liquidations of this account")
