"""Aave in SQL against the contracts' own views: v3.0.2 and v3.6.0, every checkpoint, every account, to the wei."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from books import CHAIN, load_aave

UNLIMITED = 2**256 - 1
AT_HEAD_ONLY = 10
"""Columns at the end of liquidation_risk that are NULL where it is computed: liquidation prices, the best pair, the oracle's block."""
SLOW = pytest.mark.slow
CASES = [
    pytest.param(("aave_v3", "half_up_a"), id="aave_v3"),
    pytest.param(("aave_v36", "directed_b"), id="aave_v36"),
    # tests/replay compares `multi`, indexed, with the same answers by default
    pytest.param(("multi", "half_up_a"), id="multi", marks=SLOW),
    pytest.param(("multi_v36", "directed_b"), id="multi_v36", marks=SLOW),
]


@pytest.fixture(scope="module", params=CASES)
def booked(
    request: pytest.FixtureRequest, migrated: str, recording: Callable[[str], Any]
) -> Iterator[tuple[psycopg.Connection[Any], Any, dict[str, int]]]:
    """A connection that sees one recording booked at every checkpoint."""
    name, regime = request.param
    found = recording(name)
    with psycopg.connect(migrated) as db:
        keys = load_aave(db, found, regime)
        yield db, found, keys
        db.rollback()


def checkpoints(found: Any) -> list[int]:
    return [block for block, _ in found.meta["checkpoints"]]


def test_indexes_and_totals(booked: Any) -> None:
    """getReserveNormalizedIncome, getReserveNormalizedVariableDebt and totalSupply of both tokens."""
    db, found, keys = booked
    compared = 0
    for block in checkpoints(found):
        rows = db.execute(
            "SELECT asset, supply_index_raw, debt_index_raw, total_supply_raw, total_debt_raw, supply_token, debt_token"
            " FROM markets_at(%s, %s)", (CHAIN, block),
        ).fetchall()  # fmt: skip
        income = {label["asset"]: v for label, (v,) in found.at(block, "getReserveNormalizedIncome")}
        debt = {label["asset"]: v for label, (v,) in found.at(block, "getReserveNormalizedVariableDebt")}
        total = {label["token"]: v for label, (v,) in found.at(block, "totalSupply")}
        assert len(rows) == len(income) == len(keys)
        for asset, supply_index, debt_index, supplied, borrowed, a_token, v_token in rows:
            assert (supply_index, debt_index) == (income[asset], debt[asset]), (block, asset)
            assert (supplied, borrowed) == (total[a_token], total[v_token]), (block, asset)
            compared += 4
    assert compared == 4 * len(keys) * len(checkpoints(found))


def test_balances(booked: Any) -> None:
    """balanceOf of every aToken and debt token; no row means zero."""
    db, found, _ = booked
    for block in checkpoints(found):
        rows = db.execute(
            "SELECT p.account, CASE p.side WHEN 'supply' THEN m.supply_token ELSE m.debt_token END, p.amount_raw"
            " FROM positions_at(%s, %s) p JOIN markets_at(%s, %s) m USING (market_key)",
            (CHAIN, block, CHAIN, block),
        ).fetchall()
        ours = {(account, token): amount for account, token, amount in rows}
        theirs = {(label["account"], label["token"]): v for label, (v,) in found.at(block, "balanceOf")}
        assert len(ours) == len(rows)
        assert ours == {key: value for key, value in theirs.items() if value or key in ours}, block


def test_account_data(booked: Any) -> None:
    """getUserAccountData: all six numbers of every account."""
    db, found, _ = booked
    with_debt = 0
    for block in checkpoints(found):
        rows = db.execute(
            "SELECT account, total_collateral_base_raw, total_debt_base_raw, available_borrows_base_raw,"
            " current_liquidation_threshold_bps, ltv_bps, health_factor_raw, is_liquidatable, collateral_usd, status"
            " FROM account_health(%s, %s)", (CHAIN, block),
        ).fetchall()  # fmt: skip
        ours = {row[0]: row[1:] for row in rows}
        for label, answer in found.at(block, "getUserAccountData"):
            data = ours.pop(label["account"], (0, 0, 0, 0, 0, None, False, 0, "no_debt"))
            health = UNLIMITED if data[5] is None else data[5]
            assert (*data[:5], health) == answer, (block, label["account"])
            assert data[6] == (answer[5] < 10**18)
            assert data[7] * 10**8 == answer[0]
            with_debt += answer[1] > 0
        assert not ours, "accounts the recording does not know"
    assert with_debt > 500


def test_one_account_is_the_same_as_all(booked: Any) -> None:
    """positions_of and account_health_of give the rows that positions_at and account_health give."""
    db, found, _ = booked
    block = checkpoints(found)[-20]
    for whole, single in (("positions_at", "positions_of"), ("account_health", "account_health_of")):
        rows = db.execute(f"SELECT * FROM {whole}(%s, %s) ORDER BY account, market_id", (CHAIN, block)).fetchall()
        accounts = sorted({row[5] if whole == "positions_at" else row[0] for row in rows})
        again = []
        for account in accounts:
            again += db.execute(
                f"SELECT * FROM {single}(%s, %s, unhex(%s)) ORDER BY account, market_id", (CHAIN, block, account)
            ).fetchall()
        assert len(accounts) > 10
        key = str
        assert sorted(again, key=key) == sorted(rows, key=key)


def test_protocol_leverage_is_a_ratio_of_sums(booked: Any) -> None:
    """Both populations add up to the accounts they are made of."""
    db, found, _ = booked
    block = checkpoints(found)[-1]
    health = db.execute("SELECT status, assets_usd, debt_usd FROM account_health(%s, %s)", (CHAIN, block)).fetchall()
    rows = db.execute(
        "SELECT population, assets_usd, debt_usd, n_ok, n_insolvent, latent_bad_debt_usd, leverage"
        " FROM protocol_leverage_at(%s, %s)", (CHAIN, block),
    ).fetchall()  # fmt: skip
    assert {row[0] for row in rows} == {"borrowers", "all"}
    for population, assets, debt, count, insolvent, shortfall, leverage in rows:
        inside = [row for row in health if row[0] in (("ok",) if population == "borrowers" else ("ok", "no_debt"))]
        assert assets == sum(row[1] for row in inside)
        assert debt == sum(row[2] for row in inside)
        assert count == len(inside)
        assert leverage == pytest.approx(assets / (assets - debt))
        assert insolvent == sum(row[0] == "insolvent" for row in health)
        assert shortfall == sum(row[2] - row[1] for row in health if row[0] == "insolvent")


def test_head_views_equal_the_functions_at_the_head(booked: Any) -> None:
    """With no block given, each protocol is looked at where its cursor stands."""
    db, found, _ = booked
    head = found.meta["head"]
    for view, function in (
        ("positions", "positions_at"), ("markets", "markets_at"), ("v_account_leverage", "account_health"),
        ("liquidation_risk", "liquidation_risk_at"),
    ):  # fmt: skip
        rows = db.execute(f"SELECT * FROM {view}").fetchall()
        assert rows
        if view == "v_account_leverage":  # the view says the owner too; nobody's account here belongs to another
            assert all(row[-1] == row[0] for row in rows)
            rows = [row[:-1] for row in rows]
        if (
            view == "liquidation_risk"
        ):  # the view also says what only the table of the head knows; nothing is followed here
            assert all(row[-AT_HEAD_ONLY:] == (None,) * AT_HEAD_ONLY for row in rows)
            rows = [row[:-AT_HEAD_ONLY] for row in rows]
        assert sorted(map(str, rows)) == sorted(
            map(str, db.execute(f"SELECT * FROM {function}(%s, %s)", (CHAIN, head)).fetchall())
        )


def test_a_missing_price_is_not_zero(booked: Any) -> None:
    """Without a price the account is unpriced and every number that needs it is NULL."""
    db, found, _ = booked
    block = checkpoints(found)[-1]
    with db.transaction(force_rollback=True):
        asset = db.execute(
            "SELECT asset FROM positions_at(%s, %s) WHERE side = 'debt' LIMIT 1", (CHAIN, block)
        ).fetchone()[0]
        db.execute("DELETE FROM price WHERE asset = unhex(%s)", (asset,))
        rows = db.execute(
            "SELECT status, health_factor, debt_usd, assets_to_equity, is_liquidatable FROM account_health(%s, %s)"
            " WHERE %s = ANY (debt_assets)", (CHAIN, block, asset),
        ).fetchall()  # fmt: skip
        assert rows and all(row == ("unpriced", None, None, None, None) for row in rows)
        priced = db.execute(
            "SELECT count(*), count(amount_usd), count(amount_raw) FROM positions_at(%s, %s) WHERE asset = %s",
            (CHAIN, block, asset),
        ).fetchone()
        assert priced[0] == priced[2] > 0 == priced[1]
