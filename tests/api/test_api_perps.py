"""Perp endpoints over the recorded venue: names, units, paging, as-of, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from api.main import create_app
from api.settings import Settings
from tests.api.conftest import TestClient
from tests.databases import Databases
from tests.protocols.perp_v2.test_perp_v2 import RECORDING, index
from tests.replay.answers import meta_of

META = meta_of(RECORDING)
ETH = f"perp_v2:{META['chain_id']}:{META['contracts']['vETH']}"
ROOT = f"/v1/perps/perpetual/{ETH}"


@pytest.fixture(scope="module")
def url(databases: Databases) -> str:
    return databases.filled("perp_v2_here", lambda url: index(RECORDING, url))


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with TestClient(create_app(Settings(database=url))) as client:
        yield client


def ok(client: Any, path: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("leaf", "view", "condition"),
    [
        ("open-interest", "perp_market_state", "market = %s"),
        ("imbalance", "imbalance", "market = %s"),
        ("purges", "purge_events", "market = %s"),
        ("corrections", "market_corrections", "market = %s"),
    ],
)
def test_rows_are_those_of_the_view_page_by_page(client: Any, url: str, leaf: str, view: str, condition: str) -> None:
    with psycopg.connect(url) as connection:
        expected = connection.execute(f"SELECT count(*) FROM {view} WHERE {condition}".encode(), (ETH,)).fetchone()
    everything = ok(client, f"{ROOT}/{leaf}", limit=1000)["data"]
    assert expected == (len(everything),) and everything
    rows, cursor = [], None
    while True:
        answer = ok(client, f"{ROOT}/{leaf}", limit=3, **({"cursor": cursor} if cursor else {}))
        rows += answer["data"]
        cursor = answer["page"]["next_cursor"]
        if cursor is None:
            break
    assert rows == everything


def test_units(client: Any) -> None:
    now = ok(client, f"{ROOT}/open-interest")["data"][0]
    assert now["is_kept"] is False and now["oi_convention"] == "pool" and now["variant"] == "oi_to_margin"
    assert isinstance(now["oi_usd"], str) and isinstance(now["funding_rate"], float)
    assert now["index"] is None and now["funding_at_cap"] is None  # no node was asked; no event told the cap
    skews = ok(client, f"{ROOT}/imbalance")["data"][0]
    assert -1 <= skews["oi_skew"] <= 1 and skews["basis"] is None and skews["ratio_basis"] == "accounts"
    assert skews["as_of_block"] == now["as_of_block"] and skews["notional_to_oi"] == now["notional_to_oi"]
    purge = ok(client, f"{ROOT}/purges", kind="purge")["data"][-1]
    assert purge["side"] == "long" and purge["peak_raw"].isdigit() and 0 < purge["contraction"] < 1


def test_as_of_an_earlier_block(client: Any) -> None:
    block = next(number for number, _ in META["checkpoints"] if number > 500)
    rows = ok(client, f"{ROOT}/open-interest", as_of_block=block)["data"]
    assert rows[0]["as_of_block"] == block and all(row["as_of_block"] < block for row in rows[1:])
    assert ok(client, f"{ROOT}/purges", as_of_block=block)["data"] == []
    assert ok(client, f"{ROOT}/corrections", as_of_block=block)["data"] == []


def test_all_markets_together(client: Any) -> None:
    both = ok(client, "/v1/purges")["data"]
    assert {row["market"] for row in both} > {ETH}
    assert ok(client, "/v1/purges", protocol="perp_v2", kind="purge")["data"] == [
        row for row in both if row["kind"] == "purge"
    ]
    assert ok(client, "/v1/corrections")["data"] == []  # no asset was priced by an oracle here


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        (f"/v1/perps/nobody/{ETH}/open-interest", 404, "unknown-venue"),
        ("/v1/perps/perpetual/perp_v2:1:0x00/imbalance", 404, "unknown-market"),
        (f"/v1/perps/perpetual/perp_v2:31337:{META['contracts']['Vault']}:{META['contracts']['USDC']}/purges", 404, "unknown-market"),
        ("/v1/perps/perpetual/-/corrections", 404, "unknown-market"),
        (f"{ROOT}/purges?kind=forced", 422, "bad-parameter"),
        (f"{ROOT}/purges?limits=3", 422, "bad-parameter"),
        ("/v1/purges?protocol=aave_v3", 404, "unknown-protocol"),
        ("/v1/corrections?asset=0x" + "12" * 20, 404, "unknown-asset"),
        (f"{ROOT}/open-interest?as_of_block=99999999", 404, "outside-coverage"),
    ],
)  # fmt: skip
def test_what_is_not_there(client: Any, path: str, status: int, slug: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:leverage:problem:{slug}"), answer.text
