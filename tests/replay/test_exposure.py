"""M9 and M10 on recorded chains: edges, cycles and chains equal what the scenario says it did and the contracts answered.

`truth.json` was written without decoding a log. The state method cannot see borrowed money that was swapped into another
asset; what it must find of each role is worked out here from collateral and debt in the contracts' own dollars.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.main import create_app
from api.settings import Settings
from indexer.aggregation.graph import Edge, chains, collapse, loops, owner_loops
from indexer.aggregation.lookthrough import Entity, Holding, look_through
from indexer.run import follow_chain
from indexer.store import schema  # noqa: F401  before its parts
from indexer.store.schema_exposure import EXPOSURE_HISTORY
from tests.replay.answers import meta_of
from tests.replay.exposure import (
    CHAIN,
    Pairs,
    expected,
    moments,
    moved,
    protocol_edges,
    significant,
)
from tests.replay.test_recordings import DEMO, settings_of

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore"
    )  # Starlette prefers httpx2 now; httpx, a development dependency here, works as before
    from fastapi.testclient import TestClient

Recorded = tuple[str, Path, dict[str, Any]]


@pytest.fixture(scope="module", params=["multi", pytest.param("multi_v36", marks=pytest.mark.slow), "demo"])
def recorded(request: pytest.FixtureRequest, indexed_database: Callable[[Path], str]) -> Recorded:
    """A recorded chain, indexed: database, folder, what the scenario wrote down."""
    folder = DEMO if request.param == "demo" else request.getfixturevalue("recordings") / request.param
    return indexed_database(folder), folder, json.loads((folder / "truth.json").read_text())


@pytest.fixture
def db(recorded: Recorded) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(recorded[0]) as connection:
        yield connection


def test_edges_are_those_of_the_roles(recorded: Recorded, db: psycopg.Connection[Any]) -> None:
    truth = recorded[2]
    seen = set()
    for block, accounts in moments(truth):
        found = protocol_edges(db, block)
        for address, now in accounts.items():
            who = truth["accounts"][address]
            wanted = significant(expected(who, now))
            assert significant(found.get(address, {})) == pytest.approx(wanted, rel=2e-3), (block, address, who["role"])
            seen |= {(who["role"], kind) for _, _, kind in wanted}
        # the account that provides the liquidity lends and borrows everywhere; it is in no role
        providers = set(meta_of(recorded[1])["accounts"]) - set(truth["accounts"])
        others = {owner for owner, pairs in found.items() if significant(pairs)} - set(truth["accounts"])
        assert others <= providers
    assert seen >= {
        ("carry_lender", "debt"),
        ("receipt_loop", "claim"),
        ("vault_share_loop", "vault"),
        ("cross_loop", "debt"),
    }


def test_cycles_and_chains(recorded: Recorded, db: psycopg.Connection[Any]) -> None:
    """A vault share loop is a circle of the size of its debt; a carry trade is a chain; no decoy is a circle."""
    truth = recorded[2]
    for block, accounts in moments(truth):
        cycles: dict[str, float] = {}
        chained: set[str] = set()
        for owner, form, nodes, size in db.execute(
            "SELECT owner_id, form, nodes, size_usd FROM protocol_cycles_at(%s, %s, 1)"
            " WHERE scope = 'owner' AND method = 'state'",
            (CHAIN, block),
        ):
            if form == "cycle":
                assert nodes == ["aave_v3", "morpho_blue"]
                cycles[owner] = cycles.get(owner, 0) + float(size)
            elif nodes == ["aave_v3", "morpho_blue"]:
                chained.add(owner)
        decoys = {address for address, who in truth["accounts"].items() if not who["is_loop"]}
        assert not decoys & cycles.keys()
        for address, now in accounts.items():
            who = truth["accounts"][address]
            if who["role"] == "vault_share_loop" and now["aave"]["debt_usd"] > 1:
                assert cycles[address] == pytest.approx(
                    min(now["aave"]["debt_usd"], now["aave"]["collateral_usd"]), rel=2e-3
                )
            if who["role"] == "carry_lender" and min(now["aave"]["debt_usd"], now["lent_usd"]) > 1:
                assert address in chained


UNDOING = {"withdraw", "withdraw_collateral", "repay", "flash_close", "callback_close"}


def test_links_find_every_loop_through_two_protocols(recorded: Recorded, db: psycopg.Connection[Any]) -> None:
    """By open links: who crosses protocols, in which direction, with how much, equals what each account did."""
    _, folder, truth = recorded
    block = moments(truth)[0][0]
    tokens = {token["symbol"]: token["decimals"] for token in meta_of(folder)["tokens"].values()}
    prices = dict(
        db.execute(
            "SELECT DISTINCT ON (symbol) symbol, price_usd FROM positions_at(%s, %s) WHERE price_usd IS NOT NULL ORDER BY symbol",
            (CHAIN, block),
        ).fetchall()
    )

    def usd_of(symbol: str, amount: str) -> float:
        return int(amount) / 10 ** tokens[symbol] * float(prices[symbol])

    found: dict[str, Pairs] = {}
    for owner, source, target, value in db.execute(
        "SELECT owner_id, src, dst, sum(value_usd) FROM exposure_edges_at(%s, %s)"
        " WHERE method = 'events' AND edge_kind = 'debt' AND src <> dst GROUP BY 1, 2, 3",
        (CHAIN, block),
    ):
        found.setdefault(owner, {})[source, target, "debt"] = float(value)
    cycles = {
        row[0]
        for row in db.execute(
            "SELECT owner_id FROM protocol_cycles_at(%s, %s, 1)"
            " WHERE scope = 'owner' AND form = 'cycle' AND method = 'events'",
            (CHAIN, block),
        )
    }
    compared = 0
    for address, who in truth["accounts"].items():
        if not who["is_loop"] or len(who["protocols"]) < 2:
            assert address not in found, who["role"]
            assert address not in cycles, who["role"]
            continue
        seized = [truth["liquidations"][n]["block"] for n in who["liquidations"]] if who["liquidations"] else []
        if who["opened_block"] >= block or any(number <= block for number in seized):
            continue
        if any(step["op"] in UNDOING and step["block"] <= block for step in who["steps"]):
            continue
        wanted = moved(who, block, usd_of)
        assert found.get(address, {}) == pytest.approx(wanted, rel=5e-3), (address, who["role"])
        assert (address in cycles) == bool(wanted)
        compared += 1
    assert compared >= 8


def test_sql_and_python_agree(recorded: Recorded, db: psycopg.Connection[Any]) -> None:
    """Two implementations of the decomposition, by enumeration and without, give the same cycles and chains."""
    for block, _ in moments(recorded[2]):
        rows = db.execute(
            "SELECT method, owner_id, src, dst, edge_kind, value_usd FROM exposure_edges_at(%s, %s)"
            " WHERE src <> dst AND value_usd > 0",
            (CHAIN, block),
        ).fetchall()
        for method in sorted({row[0] for row in rows}):
            edges = [Edge(*row[1:]) for row in rows if row[0] == method]
            wanted = [
                (owner, "cycle", list(cycle.nodes), cycle.size_usd)
                for owner, part in owner_loops(edges).items()
                for cycle in part.cycles
            ] + [
                (owner, "chain", list(chain.nodes), chain.size_usd)
                for owner, part in owner_loops(edges).items()
                for chain in chains(part.residual)
            ] + [("system", "cycle", list(cycle.nodes), cycle.size_usd) for cycle in loops(collapse(edges)).cycles]  # fmt: skip
            found = db.execute(
                "SELECT coalesce(owner_id, scope), form, nodes, size_usd FROM protocol_cycles_at(%s, %s) WHERE method = %s",
                (CHAIN, block, method),
            ).fetchall()
            assert sorted(found) == sorted(wanted)


def test_look_through_equals_the_contracts_and_the_exact_solution(
    recorded: Recorded, db: psycopg.Connection[Any]
) -> None:
    truth = recorded[2]
    for block, accounts in moments(truth):
        found = {
            row[0]: row[1:]
            for row in db.execute(
                "SELECT owner_id, leverage_gross, leverage_lookthrough, hops, assets_usd, debt_usd FROM lookthrough_at(%s, %s)",
                (CHAIN, block),
            )
        }
        books = db.execute(
            "SELECT owner_id, plain_usd, debt_usd, shares FROM lookthrough_books(%s, %s) ORDER BY 1", (CHAIN, block)
        ).fetchall()
        solved = look_through(
            [Entity(row[0], row[1], row[2]) for row in books],
            [
                Holding(row[0], share["vault"], float(Decimal(share["value_usd"]) / Decimal(share["equity_usd"])))
                for row in books
                for share in row[3]
            ],
        )
        for owner, (_, _, _, assets, debt) in found.items():
            assert float(assets) == pytest.approx(solved[owner].assets_usd, rel=1e-9)
            assert float(debt) == pytest.approx(solved[owner].debt_usd, rel=1e-9, abs=1e-9)
        for address, now in accounts.items():
            if truth["accounts"][address]["role"] == "vault_share_loop" and now["multiplier"] is not None:
                gross, through, hops, _, _ = found[address]
                assert float(gross) == pytest.approx(now["multiplier"], rel=2e-3)
                # the vault owes nothing: looking through it moves no dollar
                assert float(through) == pytest.approx(float(gross), rel=1e-9)
                assert hops == 1


def test_a_receipt_is_counted_once(recorded: Recorded, db: psycopg.Connection[Any]) -> None:
    """An aToken in Morpho is booked to Morpho at Aave: its owner has it once, where it is collateral."""
    head = moments(recorded[2])[0][0]
    rows = db.execute(
        "SELECT owner_id, sum(value_usd) FROM exposure_edges_at(%s, %s)"
        " WHERE edge_kind = 'claim' AND method = 'state' GROUP BY 1",
        (CHAIN, head),
    ).fetchall()
    assert rows
    for owner, posted in rows:
        books = db.execute(
            "SELECT assets_usd FROM lookthrough_books(%s, %s, ARRAY[decode(substr(%s, 3), 'hex')]) WHERE owner_id = %s",
            (CHAIN, head, owner, owner),
        ).fetchone()
        assert books is not None
        assert float(books[0]) == pytest.approx(float(posted), rel=1e-4), "no second leg at Aave"
    claims, held = db.execute(
        "SELECT claims_usd, held_usd FROM rehypothecation_at(%s, %s) WHERE symbol = 'WETH'", (CHAIN, head)
    ).fetchone()  # type: ignore[misc]
    borrowed, supplied, again = db.execute(
        """
        SELECT sum(amount_usd) FILTER (WHERE side = 'debt' AND symbol = 'WETH'),
               sum(amount_usd) FILTER (WHERE side <> 'debt' AND symbol = 'WETH'),
               sum(amount_usd) FILTER (WHERE side <> 'debt' AND symbol IN ('aWETH', 'waWETH'))
        FROM positions_at(%s, %s)
        """,
        (CHAIN, head),
    ).fetchone()  # type: ignore[misc]
    assert (claims, held) == (supplied + again, supplied - borrowed)


def test_history_is_the_function_at_its_blocks(recorded: Recorded, db: psycopg.Connection[Any]) -> None:
    last = db.execute("SELECT max(bucket) FROM exposure_snapshot").fetchone()
    assert last is not None and last[0]
    rows = db.execute(
        "SELECT block_number, method, src, dst, edge_kind, value_usd, n_owners FROM exposure_edge_snapshot"
        " WHERE bucket = %s ORDER BY 2, 3, 4, 5",
        last,
    ).fetchall()
    assert rows
    live = db.execute(
        "SELECT %s::bigint, method, src, dst, edge_kind, value_usd, n_owners FROM exposure_graph_at(%s, %s) ORDER BY 2, 3, 4, 5",
        (rows[0][0], CHAIN, rows[0][0]),
    ).fetchall()
    assert rows == live
    totals = db.execute("SELECT method, loop_exposure_usd FROM exposure_snapshot WHERE bucket = %s", last).fetchall()
    for method, exposure in totals:
        summed = db.execute(
            "SELECT coalesce(sum(size_usd), 0) FROM protocol_cycles_at(%s, %s)"
            " WHERE scope = 'owner' AND form = 'cycle' AND method = %s",
            (CHAIN, rows[0][0], method),
        ).fetchone()
        assert (exposure,) == summed


def test_the_api_gives_the_same(recorded: Recorded, db: psycopg.Connection[Any]) -> None:
    url, _, truth = recorded
    block = moments(truth)[0][0]
    looper = next(address for address, who in truth["accounts"].items() if who["role"] == "vault_share_loop")
    with TestClient(create_app(Settings(database=url))) as client:
        at = {"as_of_block": block, "method": "state"}
        graph = client.get("/v1/exposure/graph", params=at).json()["data"]
        assert [(row["src"], row["dst"], row["edge_kind"]) for row in graph] == db.execute(
            "SELECT src, dst, edge_kind FROM exposure_graph_at(%s, %s) WHERE method = 'state'"
            ' ORDER BY src COLLATE "C", dst COLLATE "C", edge_kind',
            (CHAIN, block),
        ).fetchall()
        own = client.get(f"/v1/accounts/{looper}/exposure", params={"as_of_block": block, "owner": True}).json()["data"]
        assert own["accounts"] == [looper] and own["owner_id"] == looper
        [cycle] = [row for row in own["cycles"] if row["form"] == "cycle" and row["method"] == "state"]
        assert cycle["nodes"] == ["aave_v3", "morpho_blue"]
        assert own["lookthrough"]["hops"] == 1
        pages, cursor = [], None
        while True:
            page = client.get(
                "/v1/exposure/cycles", params={**at, "limit": 1, **({"cursor": cursor} if cursor else {})}
            ).json()
            pages += page["data"]
            if (cursor := page["page"]["next_cursor"]) is None:
                break
        assert len(pages) == len({row["owner_id"] for row in pages}) > 0
        assert [Decimal(row["size_usd"]) for row in pages] == sorted(
            (Decimal(row["size_usd"]) for row in pages), reverse=True
        )
        assert looper in {row["owner_id"] for row in pages}
        total = client.get("/v1/exposure/summary", params=at).json()["data"]
        assert Decimal(total["loop_exposure_usd"]) == sum(Decimal(row["size_usd"]) for row in pages)
        assert sum(Decimal(row["exposure_usd"]) for row in total["exposure_by_protocol"]) == Decimal(
            total["gross_circulation_usd"]
        )
        assert client.get("/v1/exposure/cycles", params={"method": "guess"}).status_code == 422
        assert client.get("/v1/accounts/0x" + "99" * 20 + "/exposure").status_code == 404


def test_history_is_the_same_in_chunks(recordings: Path, migrated_database: Callable[[], str]) -> None:
    """Indexed at once, or stopped in the middle of an interval and gone on: the same rows."""
    folder = recordings / "multi"
    found = []
    for stops in ((640,), (307, 611, 640)):
        url = migrated_database()
        for stop in stops:
            follow_chain(settings_of(folder), url, to=stop, replay=folder)
        with psycopg.connect(url) as connection:
            found.append({
                table.name: sorted(map(str, connection.execute(f"SELECT * FROM {table.name}".encode())))
                for table in EXPOSURE_HISTORY
            })  # fmt: skip
    assert all(found[0].values())
    assert found[0] == found[1]
