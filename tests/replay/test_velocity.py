"""Velocity on recorded chains: the parts sum to what the contracts themselves say debt was, and history agrees with it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.aggregation.leverage import consolidate
from indexer.aggregation.velocity import EXACT, Effects, Move, decompose
from indexer.run import follow_chain
from tests.replay.answers import answers_of, meta_of
from tests.replay.test_recordings import DEMO, settings_of

CHAIN = 31337
PARTS = ("price_effect", "organic_effect", "forced_effect", "interest_effect")


def contract_debts(folder: Path) -> dict[int, Fraction]:
    """Return all debt in USD at each checkpoint as the contracts answered: totalSupply of debt tokens x getAssetPrice."""
    tokens = meta_of(folder)["tokens"]
    owed: dict[int, dict[str, int]] = defaultdict(dict)
    prices: dict[int, dict[str, int]] = defaultdict(dict)
    decimals: dict[str, int] = {}
    for answer in answers_of(folder):
        label, block = answer["label"], answer["block"]
        if label["what"] == "totalSupply" and label.get("kind") == "variableDebtToken":
            owed[block][label["market"]] = int(answer["result"], 16)
        elif label["what"] == "getAssetPrice":
            prices[block][label["market"]] = int(answer["result"], 16)
            decimals[label["market"]] = tokens[label["asset"]]["decimals"]
    return {
        block: sum(
            (Fraction(amount * prices[block][name], 10 ** (decimals[name] + 8)) for name, amount in debts.items()),
            Fraction(0),
        )
        for block, debts in sorted(owed.items())
    }


def effects_between(db: psycopg.Connection[Any], first: int, last: int) -> Effects:
    """Decompose what SQL says happened to debts in (first, last]."""
    rows = db.execute("SELECT * FROM debt_moves(%s, %s, %s)", (CHAIN, first, last)).fetchall()
    with_units = [(unit, numbers, prices) for _, _, unit, *numbers, prices in ((*r[:5], *r[7:], r[5:7]) for r in rows)]
    return decompose(
        Move(*(EXACT.multiply(n, unit) for n in numbers[:2]), *prices,
             *(EXACT.multiply(n, unit) for n in numbers[2:6]), None, EXACT.multiply(numbers[6], unit))
        for unit, numbers, prices in with_units
    )  # fmt: skip


@pytest.fixture(scope="module", params=["aave_v3", pytest.param("aave_v36", marks=pytest.mark.slow)])
def indexed(request: Any, recordings: Path, indexed_database: Callable[[Path], str]) -> tuple[Path, str]:
    folder = recordings / request.param
    return folder, indexed_database(folder)


def test_the_parts_sum_to_what_the_contracts_say(indexed: tuple[Path, str]) -> None:
    """Between any two checkpoints in a row, to the last digit; interest is never negative, forced never positive."""
    folder, url = indexed
    debts = contract_debts(folder)
    assert len(debts) > 50 and max(debts.values()) > 10**6
    forced = 0
    with psycopg.connect(url) as db:
        for first, last in pairwise(debts):
            found = effects_between(db, first, last)
            parts = sum(map(Fraction, (found.price, found.organic, found.forced, found.carry)))
            assert parts == debts[last] - debts[first], (first, last)
            assert found.n_unpriced == 0
            assert found.forced <= 0
            forced += found.forced < 0
            # each borrow or repayment may round by one base unit against the market's total
            assert found.carry > -Decimal("0.01"), (first, last, found.carry)
    assert forced > 5


def test_history_is_what_happened_between_its_blocks(indexed: tuple[Path, str]) -> None:
    """Windows are made of stored quantities and flows; the same from the books and actions themselves."""
    _, url = indexed
    with psycopg.connect(url) as db:
        rows = db.execute(
            "SELECT from_block, block_number, debt_before_usd, debt_usd, price_effect, organic_effect, forced_effect, "
            "interest_effect FROM leverage_velocity_snapshot WHERE deployment_key <> 0 AND from_block IS NOT NULL"
        ).fetchall()
        assert len(rows) > 50
        for first, last, *stored in rows:
            found = effects_between(db, first, last)
            assert stored == [found.debt_0, found.debt_1, found.price, found.organic, found.forced, found.carry]


MULTI = ("demo", "multi")


@pytest.fixture(scope="module", params=MULTI)
def two(request: Any, indexed_database: Callable[[Path], str]) -> str:
    return indexed_database(DEMO if request.param == "demo" else request.getfixturevalue("recordings") / request.param)


def test_the_four_effects_sum_exactly(two: str) -> None:
    with psycopg.connect(two) as db:
        total, exact = db.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {' + '.join(PARTS)} = debt_usd - debt_before_usd) "
            "FROM leverage_velocity"
        ).fetchone() or (0, 0)
        assert total == exact > 10
        assert db.execute("SELECT count(*) FROM leverage_velocity WHERE interest_effect < -0.01").fetchone() == (0,)


def test_the_chain_is_the_sum_of_its_deployments(two: str) -> None:
    """At the newest bucket, of which every deployment has a row; what is unpriced is nobody's."""
    columns = ", ".join(f"sum({part})" for part in PARTS)
    with psycopg.connect(two) as db:
        bucket = db.execute(
            "SELECT max(bucket) FROM (SELECT bucket FROM leverage_velocity_snapshot WHERE window_s = 86400 "
            "GROUP BY bucket HAVING count(*) = 1 + (SELECT count(*) FROM deployment)) b"
        ).fetchone()
        for window in (86_400, 604_800, 2_592_000):
            of = "FROM leverage_velocity_snapshot WHERE window_s = %s AND bucket = %s AND deployment_key"
            at = (window, bucket and bucket[0])
            assert (
                db.execute(f"SELECT {columns} {of} = 0", at).fetchone()
                == db.execute(f"SELECT {columns} {of} <> 0", at).fetchone()
            )


def test_snapshots_are_what_the_functions_say_of_their_blocks(two: str) -> None:
    """The history's sums and those computed live as of the same block: two roads, one number."""
    pairs = (
        ("leverage_scope_snapshot", "leverage_by_scope_at(%s, %s)", "level, population, pair_class",
         "assets_usd, debt_usd, n_ok, n_zero_equity, n_insolvent, n_unpriced, latent_bad_debt_usd"),
        ("leverage_distribution_snapshot", "leverage_distribution_at(%s, %s)", "weight", "n, p10, p50, p90, p99, share_ge_2, bins"),
        ("concentration_snapshot", "concentration_at(%s, %s)", "kind",
         "n, total_usd, hhi, effective_n, gini, top_1_share, top_10_share, n_unpriced, cluster_asset, cluster_price_usd, cluster_share"),
        ("tvl_snapshot", "tvl_adjusted_at(%s, %s)", "deployment_key", "plain_usd, claims_usd, unclassified_usd, borrowed_usd, n_unpriced"),
        ("bad_debt_snapshot", "bad_debt_at(%s, %s)", "deployment_key", "latent_usd, economic_usd, debt_usd, n_insolvent, n_uneconomic"),
    )  # fmt: skip
    with psycopg.connect(two) as db:
        chain = db.execute("SELECT chain_id FROM chain").fetchone()
        assert chain is not None
        blocks = db.execute("SELECT DISTINCT block_number FROM leverage_scope_snapshot ORDER BY 1").fetchall()
        compared: Counter[str] = Counter()
        for (block,) in blocks[-1 :: -max(len(blocks) // 4, 1)]:
            for table, function, keys, columns in pairs:
                stored = db.execute(
                    f"SELECT deployment_key, {keys}, {columns} FROM {table} WHERE block_number = %s "
                    + ("AND kind <> 'liquidator_revenue'" if table.startswith("conc") else ""),
                    (block,),
                ).fetchall()
                # live figures in the types of the columns: USD are stored with 18 decimals, Aave v2's have 26
                wanted = f"deployment_key AS scope, {keys}, {columns}"
                db.execute(
                    f"CREATE TEMPORARY TABLE live_{table} ON COMMIT DROP AS SELECT {wanted} FROM {table} LIMIT 0"
                )
                db.execute(f"INSERT INTO live_{table} SELECT {wanted} FROM {function}", (chain[0], block))
                found = db.execute(f"SELECT * FROM live_{table}").fetchall()
                db.execute(f"DROP TABLE live_{table}")
                assert all(row in found for row in stored), (block, table)
                compared[table] += len(stored)
    assert min(compared.values()) >= 3 and len(compared) == len(pairs)


def test_owners_are_judged_after_their_accounts_are_added(two: str) -> None:
    """v_owner_leverage against the pure function over the accounts' own rows."""
    with psycopg.connect(two) as db:
        accounts = db.execute("SELECT account, assets_usd, debt_usd FROM v_account_leverage").fetchall()
        owners = db.execute("SELECT owner, assets_usd, debt_usd FROM v_owner_leverage").fetchall()
    assert {owner: (assets, debt) for owner, assets, debt in owners} == consolidate(accounts)
    assert len(owners) < len(accounts), "somebody is in both protocols"


def test_the_head_answers_in_well_under_a_second(two: str) -> None:
    """Planning included; a bound that only a wrong plan misses."""
    with psycopg.connect(two) as db:
        db.execute("SET jit = off")
        db.execute("SET statement_timeout = '3s'")
        for view in ("protocol_leverage", "leverage_by_scope", "leverage_distribution", "concentration", "utilization",
                     "tvl_adjusted", "bad_debt_history", "data_quality", "v_owner_leverage", "leverage_velocity"):  # fmt: skip
            assert db.execute(f"SELECT count(*) FROM {view}").fetchone() != (0,), view


@pytest.mark.slow
def test_what_is_undone_is_computed_anew(migrated_database: Callable[[], str]) -> None:
    """Odd stops and a rebuild from the middle leave the history of one straight run (tests/hardday has the reorgs)."""
    from indexer.rebuild import rebuild

    tables = ("market_snapshot", "leverage_velocity_snapshot", "leverage_scope_snapshot", "leverage_distribution_snapshot",
              "concentration_snapshot", "liquidator_revenue", "tvl_snapshot", "bad_debt_snapshot")  # fmt: skip

    def rows(url: str) -> str:
        with psycopg.connect(url) as db:
            return json.dumps({t: sorted(map(str, db.execute(f"SELECT * FROM {t}"))) for t in tables})

    chain = settings_of(DEMO)
    straight, odd = migrated_database(), migrated_database()
    follow_chain(chain, straight, to="latest", replay=DEMO)
    for stop in (7, 61, 62, 137, "latest"):
        follow_chain(chain, odd, to=stop, replay=DEMO)  # type: ignore[arg-type]
    assert rows(odd) == rows(straight)
    rebuild(chain, odd, from_block=101)
    assert rows(odd) == rows(straight)
