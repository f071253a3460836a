"""Lists give exactly the rows of the SQL functions and views that people query: the demo chain, indexed, at its head and before.

Expected rows are a plain SELECT of the documented relation; what is renamed or derived on the way is written out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from api.paging import Pin, encode
from tests.api.conftest import TestClient, client_of

CHAIN, HEAD, EARLIER = 31_337, 1070, 700
Row = dict[str, Any]

SCOPED = "SELECT r.*, d.protocol, d.project, d.version, d.name AS deployment, r.block_number AS as_of_block FROM {} r " \
    "LEFT JOIN deployment d USING (chain_id, deployment_key)"  # fmt: skip
NAMED = "SELECT r.*, d.protocol FROM {} r JOIN deployment d USING (chain_id, deployment_key)"
WHERE = ("project", "version", "deployment")


@dataclass(frozen=True)
class List:
    """An endpoint, the SELECT that it has to agree with (`{b}` is the block), what names a row, and what the list is made of
    besides: `renamed` JSON name to SQL name, `derived` names that have no column there."""

    path: str
    sql: str
    key: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()
    paged: bool = True
    least: int = 1
    at_head_only: bool = False


LISTS = (
    List("/v1/loops", "SELECT l.*, {b} AS as_of_block FROM loops_at(31337, {b}, NULL) l", ("loop_id",), {"owner": "owner_id"},
         least=2),
    List("/v1/loops?method=event&is_open=true", "SELECT l.*, {b} AS as_of_block FROM loops_at(31337, {b}, NULL) l "
         "WHERE method = 'event' AND closed_block IS NULL", ("loop_id",), {"owner": "owner_id"}),
    List("/v1/loops/summary", "SELECT s.*, 0 AS from_block FROM loops_summary_at(31337, {b}, 0, NULL) s", WHERE, least=2),
    List("/v1/loops/summary?from_block=300&window_s=86400",
         "SELECT s.*, 300 AS from_block FROM loops_summary_at(31337, {b}, 300, 86400) s", WHERE, least=2),
    List("/v1/dfc", "SELECT f.*, f.block_number AS as_of_block FROM dfc_at(31337, {b}) f", (*WHERE, "rule"), least=6),
    List("/v1/leverage", SCOPED.format("leverage_by_scope_at(31337, {b})"), ("deployment", "level", "population", "pair_class"),
         derived=frozenset({"scope", "equity_usd", "leverage"}), least=10),
    List("/v1/protocols/aave_v3/leverage/distribution",
         SCOPED.format("leverage_distribution_at(31337, {b}, 0)") + " WHERE d.protocol = 'aave_v3'", ("deployment", "weight"),
         derived=frozenset({"scope", "min_debt_usd"}), least=3),
    List("/v1/bad-debt", SCOPED.format("bad_debt_at(31337, {b}, 100)"), ("deployment",),
         derived=frozenset({"scope", "realised_usd", "covered_usd"}), least=4),
    List("/v1/concentration?kind=debt", SCOPED.format("concentration_at(31337, {b})") + " WHERE r.kind = 'debt'",
         ("deployment", "kind"), derived=frozenset({"scope"}), least=4),
    List("/v1/tvl", SCOPED.format("tvl_adjusted_at(31337, {b})"), ("deployment",), {"tvr_usd": "plain_usd"},
         frozenset({"scope", "tvl_usd", "tvl_including_borrowed_usd", "double_count_usd", "defi_multiplier"}), least=3),
    List("/v1/utilization", "SELECT u.*, split_part(u.market_id, ':', 1) AS protocol, u.block_number AS as_of_block "
         "FROM utilization u WHERE u.is_head", ("market_id",), at_head_only=True, least=10,
         derived=frozenset({"rate_elasticity", "rate_elasticity_r2", "rate_elasticity_n"})),
    List("/v1/exposure/graph?method=state", "SELECT * FROM exposure_graph_at(31337, {b}) WHERE method = 'state'",
         ("src", "dst", "edge_kind"), least=0),
    List("/v1/exposure/graph?method=events", "SELECT * FROM exposure_graph_at(31337, {b}) WHERE method = 'events'",
         ("src", "dst", "edge_kind"), least=0),
    List("/v1/exposure/cycles?form=chain&method=state",
         "SELECT * FROM protocol_cycles_at(31337, {b}, 0) WHERE method = 'state' AND scope = 'owner' AND form = 'chain'",
         ("owner_id", "rank"), least=0),
    List("/v1/exposure/propagation", "SELECT * FROM propagation_at(31337, {b})", ("source", "target"),
         derived=frozenset({"propagation", "simulation", "simulated_block"}), least=2),
    List("/v1/limits", NAMED.format("limits_at(31337, {b})"), ("deployment", "market_id"), paged=False, least=5),
    List("/v1/liquidation-risk/drops", NAMED.format("liquidation_drops_at(31337, {b}, NULL)"), ("deployment", "drop"), paged=False,
         least=10),
    List("/v1/liquidation-risk/positions", NAMED.format("liquidation_risk_at(31337, {b})") + " WHERE health_factor IS NOT NULL",
         ("account", "deployment", "market_id"), least=30, derived=frozenset({
             "bucket", "liquidation_prices", "best_debt_asset", "best_collateral_asset", "max_repay_raw", "seize_raw",
             "max_repay_usd", "est_profit_usd", "health_factor_after", "blocked_reason", "oracle_block"})),
    List("/v1/liquidation-risk/positions?health_factor_lt=1.2&min_debt_usd=1000", NAMED.format("liquidation_risk_at(31337, {b})")
         + " WHERE health_factor < 1.2 AND debt_usd >= 1000", ("account", "deployment", "market_id"), least=1, derived=frozenset({
             "bucket", "liquidation_prices", "best_debt_asset", "best_collateral_asset", "max_repay_raw", "seize_raw",
             "max_repay_usd", "est_profit_usd", "health_factor_after", "blocked_reason", "oracle_block"})),
)  # fmt: skip


def name_of(one: List) -> str:
    return one.path.removeprefix("/v1/")


@pytest.fixture(scope="module")
def client(demo: str) -> Iterator[TestClient]:
    with client_of(demo) as running:
        yield running


@pytest.fixture(scope="module")
def rows(demo: str) -> Iterator[Callable[[str], list[Row]]]:
    """Run a SELECT as a researcher would."""
    with psycopg.connect(demo, row_factory=dict_row, autocommit=True) as connection:
        connection.execute("SET jit = off")
        yield lambda statement: connection.execute(statement.encode()).fetchall()


def get(client: TestClient, path: str, **parameters: Any) -> Row:
    answer = client.get(
        path, params={**dict(pair.split("=") for pair in path.partition("?")[2].split("&") if pair), **parameters}
    )
    assert answer.status_code == 200, answer.text
    body: Row = answer.json()
    return body


def same(told: Any, found: Any) -> bool:
    """Amounts are text and exact, ratios numbers, absent is null."""
    if isinstance(told, list) and isinstance(found, list):
        return len(told) == len(found) and all(map(same, told, found))
    if isinstance(told, dict) and isinstance(found, dict):  # what is absent in SQL is null in an answer
        return found.keys() <= told.keys() and all(same(value, found.get(name)) for name, value in told.items())
    if isinstance(found, Decimal) and isinstance(told, str):
        return Decimal(told) == found
    if isinstance(found, Decimal | float) and isinstance(told, int | float):
        return told == pytest.approx(float(found), rel=1e-12, abs=1e-18)
    if isinstance(told, str) and isinstance(found, int):
        return int(told) == found
    return bool(told == found)


def compare(told: list[Row], found: list[Row], one: List) -> None:
    """Every row of one side is on the other, and equal in every name that both have."""

    def key(row: Row) -> tuple[str, ...]:
        values = (row[name] for name in one.key)
        return tuple(str(float(value)) if isinstance(value, float | Decimal) else str(value) for value in values)

    by_key = {key(row): row for row in found}
    assert len(by_key) == len(found) == len(told) >= one.least
    for row in told:
        other = by_key[key(row)]
        names = {name: one.renamed.get(name, name) for name in row if name not in one.derived}
        lacking = [name for name, column in names.items() if column not in other]
        assert lacking == []
        assert len(names) > len(one.key)
        wrong = {
            name: (row[name], other[column]) for name, column in names.items() if not same(row[name], other[column])
        }
        assert wrong == {}


@pytest.mark.parametrize("block", [HEAD, EARLIER])
@pytest.mark.parametrize("one", LISTS, ids=name_of)
def test_rows_are_those_of_sql(client: TestClient, rows: Callable[[str], list[Row]], one: List, block: int) -> None:
    if one.at_head_only and block != HEAD:
        pytest.skip("the view speaks of the head")
    limit = {"limit": 1000} if one.paged else {}
    body = get(client, one.path, as_of_block=block, **limit)
    assert body["meta"]["block_number"] == block
    compare(body["data"], rows(one.sql.replace("{b}", str(block))), one)


@pytest.mark.parametrize("one", [one for one in LISTS if one.paged], ids=name_of)
def test_pages_put_together_are_the_list(client: TestClient, one: List) -> None:
    whole = get(client, one.path, as_of_block=EARLIER, limit=1000)["data"]
    size = max(1, len(whole) // 3)
    pages, cursor = [], None
    while True:
        body = get(client, one.path, limit=size, **({"cursor": cursor} if cursor else {"as_of_block": EARLIER}))
        assert body["meta"]["block_number"] == EARLIER, "the cursor pins the block"
        pages.append(body["data"])
        cursor = body["page"]["next_cursor"]
        if cursor is None:
            break
    assert [row for page in pages for row in page] == whole
    assert all(len(page) == size for page in pages[:-1])
    assert len(pages) > 1 or len(whole) <= 1


@pytest.mark.parametrize("one", LISTS, ids=name_of)
def test_what_cannot_be_answered(client: TestClient, one: List) -> None:
    path, _, query = one.path.partition("?")
    asked = dict(pair.split("=") for pair in query.split("&") if pair)
    above = client.get(path, params={**asked, "as_of_block": HEAD + 1})
    assert (above.status_code, above.json()["type"]) == (404, "urn:leverage:problem:outside-coverage")
    unknown = client.get(path, params={**asked, "colour": "red"})
    assert unknown.status_code == 422 and unknown.json()["errors"][0]["parameter"] == "colour"
    if one.paged:
        other = client.get(
            path, params={**asked, "cursor": encode("another question", Pin(CHAIN, HEAD, "0x" + "11" * 32, ()))}
        )
        assert other.status_code == 422 and other.json()["errors"][0]["parameter"] == "cursor"


def test_a_block_that_was_replaced_ends_a_listing(client: TestClient, demo: str) -> None:
    """The hash of a kept header is changed under a cursor, as a reorg does, and put back."""
    with psycopg.connect(demo, autocommit=True) as connection:
        for one in LISTS:
            if not one.paged:
                continue
            body = get(client, one.path, as_of_block=EARLIER, limit=1)
            cursor = body["page"]["next_cursor"]
            if cursor is None:
                continue
            flip = "UPDATE block SET block_hash = substring(block_hash FROM 2) || substring(block_hash FOR 1) WHERE block_number = %s"
            back = "UPDATE block SET block_hash = substring(block_hash FROM 32) || substring(block_hash FOR 31) WHERE block_number = %s"
            path, _, query = one.path.partition("?")
            asked = dict(pair.split("=") for pair in query.split("&") if pair)
            connection.execute(flip, (EARLIER,))
            try:
                gone = client.get(path, params={**asked, "cursor": cursor})
            finally:
                connection.execute(back, (EARLIER,))
            assert (gone.status_code, gone.json()["type"]) == (409, "urn:leverage:problem:reorged-away"), one.path


def test_loops_of_an_account(client: TestClient, rows: Callable[[str], list[Row]]) -> None:
    owners = rows(f"SELECT owner_id, count(*) AS n FROM loops_at({CHAIN}, {HEAD}, NULL) GROUP BY 1 ORDER BY 2 DESC, 1")
    assert owners[0]["n"] >= 2
    for owner in (owners[0]["owner_id"], owners[-1]["owner_id"]):
        one = List(f"/v1/accounts/{owner}/loops", f"SELECT l.*, {HEAD} AS as_of_block FROM loops_at({CHAIN}, {HEAD}, NULL) l "
                   f"WHERE owner_id = '{owner}'", ("loop_id",), {"owner": "owner_id"})  # fmt: skip
        compare(get(client, one.path)["data"], rows(one.sql), one)
    nobody = client.get("/v1/accounts/0x00000000000000000000000000000000000000ff/loops")
    assert nobody.status_code == 404


def test_velocity_is_the_view_newest_first(client: TestClient, rows: Callable[[str], list[Row]]) -> None:
    amounts = {f"{n}_usd": n for n in ("price_effect", "organic_effect", "forced_effect", "interest_effect", "net_of_migrations",
                                       "organic_velocity", "forced_velocity", "carry_velocity", "acceleration")}  # fmt: skip
    one = List(
        "/v1/velocity", "SELECT v.*, d.protocol, d.project, d.version, d.name AS deployment, v.block_number AS as_of_block "
        "FROM leverage_velocity v LEFT JOIN deployment d USING (chain_id, deployment_key)",
        ("as_of_block", "deployment", "window_s"), {**amounts, "velocity_usd": "velocity_usd_day"},
        frozenset({"as_of_time"}), least=50,
    )  # fmt: skip
    body = get(client, one.path, limit=1000)
    found = rows(one.sql)
    assert body["page"]["next_cursor"] is None
    compare(body["data"], found, one)
    blocks = [row["as_of_block"] for row in body["data"]]
    assert blocks == sorted(blocks, reverse=True)
    before = get(client, one.path, as_of_block=EARLIER, limit=1000)["data"]
    assert before == [row for row in body["data"] if row["as_of_block"] <= EARLIER] != []


def test_levels_of_an_asset(client: TestClient, rows: Callable[[str], list[Row]]) -> None:
    asset = rows("SELECT hex(address) AS a FROM token WHERE symbol = 'WETH'")[0]["a"]
    for block in (HEAD, EARLIER):
        one = List(
            "/v1/liquidation-levels",
            f"SELECT * FROM liquidation_levels_at({CHAIN}, {block}, '{asset}', 50)",
            ("price_low",),
        )
        told = get(client, one.path, as_of_block=block, asset=asset, bin_width="50")["data"]
        found = rows(one.sql)
        by_low = {row["price_low"]: row for row in found}
        assert len(told) == len(found) > 1
        for row in told:
            other = by_low[Decimal(row["price_low"])]
            assert {name: row[name] for name in row if not same(row[name], other[name])} == {}
    assert client.get(one.path, params={"asset": asset}).status_code == 422
    assert client.get(one.path, params={"asset": "0x12", "bin_width": "50"}).status_code == 422


def test_buckets_count_the_borrowers_of_the_risk_view(client: TestClient, rows: Callable[[str], list[Row]]) -> None:
    edges = [Decimal(1), Decimal("1.05"), Decimal("1.1"), Decimal("1.25"), Decimal("1.5"), Decimal(2)]
    for block in (HEAD, EARLIER):
        told = get(client, "/v1/liquidation-risk/buckets", as_of_block=block)["data"]
        expected: dict[tuple[str, int], list[Row]] = {}
        for row in rows(f"SELECT deployment, health_factor, debt_usd FROM liquidation_risk_at({CHAIN}, {block})"):
            place = -1 if row["health_factor"] is None else sum(row["health_factor"] >= edge for edge in edges)
            expected.setdefault((row["deployment"], place), []).append(row)
        names = {row["bucket"] for row in told}
        assert sum(row["n_accounts"] for row in told) == sum(map(len, expected.values())) >= 30
        low = {(d): len(found) for (d, place), found in expected.items() if place == 0}
        assert {row["deployment"]: row["n_accounts"] for row in told if row["bucket"] == "[0,1)"} == low
        near = {(d): sum(x["debt_usd"] for x in found) for (d, place), found in expected.items() if place == 1}
        assert {r["deployment"]: Decimal(r["debt_usd"]) for r in told if r["bucket"] == "[1,1.05)"} == near
        assert len(names) > 2


def test_what_is_liquidatable_now_is_what_the_risk_view_says(
    client: TestClient, rows: Callable[[str], list[Row]]
) -> None:
    told = get(client, "/v1/liquidation-risk/liquidatable", limit=1000)["data"]
    found = rows(
        f"SELECT account, deployment, market_id, health_factor_raw FROM liquidation_risk_at({CHAIN}, {HEAD}) WHERE is_liquidatable"
    )
    assert sorted(
        (r["account"], r["deployment"], r["market_id"] or "", r["health_factor_raw"]) for r in told
    ) == sorted((r["account"], r["deployment"], r["market_id"] or "", str(r["health_factor_raw"])) for r in found)
    before = client.get("/v1/liquidation-risk/liquidatable", params={"as_of_block": EARLIER})
    assert (before.status_code, before.json()["type"]) == (404, "urn:leverage:problem:outside-coverage")
