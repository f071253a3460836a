"""Risk endpoints on the demo chain, at its head (from the table) and as of older blocks (computed): one order, the same numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.main import create_app
from api.settings import Settings
from tests.replay.test_recordings import DEMO

with warnings.catch_warnings():  # Starlette prefers httpx2 now; httpx, a development dependency here, works as before
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

ROOT = "/v1/liquidation-risk"
CHAIN = 31337


@pytest.fixture(scope="module")
def demo(indexed_database: Callable[[Path], str]) -> str:
    """The demo chain, indexed to its head."""
    return indexed_database(DEMO)


@pytest.fixture(scope="module")
def client(demo: str) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(database=demo))) as client:
        yield client


def data(client: TestClient, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def query(url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement, parameters).fetchall()  # type: ignore[arg-type]


KEPT_AT_HEAD = {
    "liquidation_prices", "best_debt_asset", "best_collateral_asset", "max_repay_raw", "seize_raw", "max_repay_usd",
    "est_profit_usd", "health_factor_after", "blocked_reason", "oracle_block",
}  # fmt: skip


def test_the_table_and_the_computed_list_agree(client: TestClient, demo: str) -> None:
    head = data(client, f"{ROOT}/positions")
    assert len(head) > 5
    query(demo, "SELECT 1")
    with psycopg.connect(demo) as connection:
        connection.execute("UPDATE risk_head_state SET is_current = false")
        connection.commit()
        computed = data(client, f"{ROOT}/positions")
        connection.execute("UPDATE risk_head_state SET is_current = true")
        connection.commit()
    assert [{k: v for k, v in row.items() if k not in KEPT_AT_HEAD} for row in head] == [
        {k: v for k, v in row.items() if k not in KEPT_AT_HEAD} for row in computed
    ]
    assert all(row["liquidation_prices"] is None for row in computed)
    assert any(row["liquidation_prices"] for row in head)


def test_pages_and_filters(client: TestClient) -> None:
    whole = data(client, f"{ROOT}/positions")
    rows, cursor = [], None
    while True:
        answer = client.get(f"{ROOT}/positions", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        rows += answer["data"]
        cursor = answer["page"]["next_cursor"]
        if cursor is None:
            break
    assert rows == whole
    factors = sorted({row["health_factor"] for row in whole})
    # between two: what is shown is rounded, what is compared is not
    edge = sum(factors[len(factors) // 2 - 1 : len(factors) // 2 + 1]) / 2
    assert data(client, f"{ROOT}/positions", health_factor_lt=edge) == [r for r in whole if r["health_factor"] < edge]
    drop = sorted(r["first_eligible_drop"] for r in whole if r["first_eligible_drop"] is not None)[3]
    found = data(client, f"{ROOT}/positions", drop=round(drop + 1e-9, 12))
    assert found == [r for r in whole if r["first_eligible_drop"] is not None and r["first_eligible_drop"] <= drop]
    asset = whole[0]["debt_assets"][0]
    found = data(client, f"{ROOT}/positions", asset=asset.upper().replace("0X", "0x"))
    assert found == [r for r in whole if asset in r["debt_assets"] + r["collateral_assets"]]


def test_buckets_add_up(client: TestClient) -> None:
    whole = data(client, f"{ROOT}/positions")
    buckets = data(client, f"{ROOT}/buckets")
    for row in buckets:
        members = [
            r
            for r in whole
            if (r["deployment"], r["protocol"], r["bucket"]) == (row["deployment"], row["protocol"], row["bucket"])
        ]
        assert row["n_accounts"] == len(members)
        assert Fraction(row["debt_usd"]) == sum(Fraction(r["debt_usd"]) for r in members)
    assert sum(row["n_accounts"] for row in buckets if row["bucket"]) == len(whole)


def test_liquidation_price_is_where_the_health_factor_is_one(client: TestClient, demo: str) -> None:
    """Recomputed from the legs, by the formula written out again."""
    checked = 0
    for row in data(client, f"{ROOT}/positions"):
        if row["protocol"] != "aave_v3":
            continue
        legs = query(
            demo,
            "SELECT asset, side, units, price_usd, counts, liquidation_threshold FROM risk_legs_at(%s, NULL, ARRAY[unhex(%s)]) "
            "WHERE protocol = 'aave_v3'", CHAIN, row["account"],
        )  # fmt: skip
        for asset, entry in row["liquidation_prices"].items():
            at = {leg[0]: leg[3] for leg in legs} | {asset: Decimal(entry["price_usd"])}
            backed = sum(u * at[a] * lt for a, side, u, _, counts, lt in legs if side != "debt" and counts)
            owed = sum(u * at[a] for a, side, u, *_ in legs if side == "debt")
            assert float(backed / owed) == pytest.approx(1, abs=1e-3)  # the contract rounds its average threshold
            checked += 1
    assert checked > 3


def test_drops_grow_and_count_each_position_once(client: TestClient) -> None:
    rows = data(client, f"{ROOT}/drops")
    by_scope: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        by_scope.setdefault((row["protocol"], row["deployment"]), []).append(row)
    whole = data(client, f"{ROOT}/positions")
    for (protocol, _), curve in by_scope.items():
        assert [row["drop"] for row in curve] == [0, 0.01, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
        debts = [Decimal(row["debt_usd"]) for row in curve]
        assert debts == sorted(debts)
        mine = [r for r in whole if r["protocol"] == protocol]
        assert curve[0]["n_positions"] == sum(r["is_liquidatable"] for r in mine)
        assert curve[-1]["n_positions"] <= len(mine)
    assert sum(row["n_positions"] for row in rows) > 0
    one = data(client, f"{ROOT}/drops", assets="0x" + "11" * 20)
    assert all(
        row["n_positions"] == next(r for r in one if r["drop"] == 0 and r["protocol"] == row["protocol"])["n_positions"]
        for row in one
    )


def test_levels_hold_every_unit_once(client: TestClient, demo: str) -> None:
    (asset, units), *_ = query(
        demo,
        "SELECT asset, sum(collateral_units) FROM risk_assets_at(%s, NULL) "
        "WHERE own > 0 AND collateral_units > 0 AND liquidation_price(price_usd, own, total) IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC",
        CHAIN,
    )  # fmt: skip
    for width in ("1", "50", "1000000"):
        rows = data(client, "/v1/liquidation-levels", asset=asset, bin_width=width)
        assert sum(Decimal(row["collateral_amount"]) for row in rows) == units.normalize()
        assert all(Decimal(row["price_high"]) - Decimal(row["price_low"]) == Decimal(width) for row in rows)


def test_limits(client: TestClient) -> None:
    rows = data(client, "/v1/limits")
    assert len(rows) > 1
    for row in rows:
        assert row["n_over_limit"] <= row["n_borrowers"]
        if row["available_usd"] is not None:
            assert Decimal(row["borrow_headroom_usd"]) <= Decimal(row["available_usd"])


def test_liquidatable_is_of_the_newest_block(client: TestClient, demo: str) -> None:
    rows = data(client, f"{ROOT}/liquidatable")
    assert [r["account"] for r in rows if not r["is_liquidatable"]] == []
    whole = [r for r in data(client, f"{ROOT}/positions") if r["is_liquidatable"]]
    assert sorted(r["account"] for r in rows) == sorted(r["account"] for r in whole)
    head = client.get(f"{ROOT}/liquidatable").json()["meta"]["block_number"]
    answer = client.get(f"{ROOT}/liquidatable", params={"as_of_block": head - 1})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:leverage:problem:outside-coverage")


def test_the_view_reads_the_table_and_falls_back(demo: str) -> None:
    rows = "SELECT account, deployment_key, market_id, health_factor_raw FROM liquidation_risk ORDER BY 1, 2, 3 NULLS FIRST"
    kept = query(demo, rows)
    plan = "\n".join(row[0] for row in query(demo, f"EXPLAIN (ANALYZE) {rows}"))
    assert "never executed" in plan
    with psycopg.connect(demo) as connection:
        connection.execute("UPDATE risk_head_state SET is_current = false")
        assert connection.execute(rows).fetchall() == kept  # type: ignore[call-overload]
        connection.rollback()
    assert len(kept) > 5
