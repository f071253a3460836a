"""The set functions of history by worked numbers, and against the pure functions of `indexer.aggregation`."""

from __future__ import annotations

import random
from decimal import Decimal as D
from fractions import Fraction
from typing import Any

import psycopg
import pytest

from indexer.aggregation.concentration import concentration, largest_cluster
from indexer.aggregation.distribution import Borrower, distribution
from indexer.aggregation.utilization import breakeven_rate, kink_pressure, loop_carry

Db = psycopg.Connection[Any]


def one(db: Db, query: str, *parameters: Any) -> Any:
    row = db.execute(query, parameters).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row


def test_distribution_by_its_worked_numbers(db: Db) -> None:
    row = one(db, "SELECT n, p50, p90, p99, share_ge_3, share_ge_10, bins FROM distribution_of(ARRAY[10, 1.2, 1.5, 4, 2], "
                  "ARRAY[50, 100, 400, 150, 300])")  # fmt: skip
    assert row[:6] == (5, D("1.5"), 4, 10, D("0.2"), D("0.05"))
    assert row[6] == [100, 0, 400, 300, 0, 150, 0, 0, 50, 0, 0, 0]
    assert one(db, "SELECT p50 FROM distribution_of(ARRAY[1.2, 1.5, 2, 4, 10], ARRAY[1, 1, 1, 1, 1])") == (2,)


def test_concentration_by_its_worked_numbers(db: Db) -> None:
    query = "SELECT n, hhi, round(effective_n, 6), gini, top_1_share FROM concentration_of(%s::numeric[])"
    assert one(db, query, [D(50), D(30), D(20), D(0), None]) == (3, D("0.38"), D("2.631579"), D("0.2"), D("0.5"))
    assert one(db, query, [D(7)]) == (1, 1, 1, 0, 1)
    assert one(db, "SELECT (concentration_of(ARRAY[0, -3]::numeric[])).n") == (None,)


def test_cluster_by_hand(db: Db) -> None:
    query = "SELECT asset, price_usd, debt_usd FROM largest_cluster_of(%s::text[], %s::numeric[], %s::numeric[])"
    levels = (
        ["weth", "weth", "weth", "wbtc", None],
        [D(1000), D(1020), D("1020.01"), D(1000), D(1)],
        [D(5), D(7), D(4), D(11), D(99)],
    )
    assert one(db, query, *levels) == ("weth", 1000, 12)


@pytest.mark.parametrize("seed", range(6))
def test_sql_and_python_agree(db: Db, seed: int) -> None:
    dice = random.Random(seed)
    n = dice.randint(1, 60)
    leverages = [D(dice.randint(100, 3000)) / 100 for _ in range(n)]
    weights = [D(dice.randint(0, 10**9)) / 1000 for _ in range(n)]
    found = distribution([Borrower(x, w) for x, w in zip(leverages, weights, strict=True)])
    row = one(db, "SELECT * FROM distribution_of(%s::numeric[], %s::numeric[])", leverages, weights)
    assert row[0] == n and tuple(row[1:5]) == found.quantiles and row[11] == found.bins
    assert [float(share) for share in row[5:11]] == pytest.approx(
        [float(share or 0) for share in found.shares], abs=1e-15
    )

    held = concentration(weights)
    row = one(db, "SELECT * FROM concentration_of(%s::numeric[])", weights)
    assert held is not None and row[:2] == (held.n, held.total)
    assert [float(x) for x in row[2:]] == pytest.approx([float(x) for x in held[2:]], abs=1e-15)

    assets = [dice.choice("ab") for _ in range(n)]
    prices = [D(dice.randint(900, 1100)) for _ in range(n)]
    row = one(db, "SELECT * FROM largest_cluster_of(%s::text[], %s::numeric[], %s::numeric[])", assets, prices, weights)
    assert row == tuple(largest_cluster(zip(assets, prices, weights, strict=True)) or ())


def test_loops_and_kinks(db: Db) -> None:
    assert one(db, "SELECT loop_carry(10, 0.03, 0.027), loop_carry(10, 0.03, 0.427), kink_pressure(0.95, 0.9)") == (
        D("0.057"), D("-3.543"), D("0.5"),
    )  # fmt: skip
    assert loop_carry(10, D("0.03"), D("0.027")) == Fraction(57, 1000)
    assert one(db, "SELECT breakeven_rate(10, 0.03), breakeven_rate(1, 0.03)") == (D("0.033333333333333333"), None)
    assert breakeven_rate(10, D("0.03")) == Fraction(1, 30)
    assert one(db, "SELECT kink_pressure(0.5, NULL), kink_pressure(0.9, 0.9), kink_pressure(1.1, 0.9)") == (None, 0, 2)
    assert kink_pressure(D("1.1"), D("0.9")) == 2


def act(
    db: Db, log: int, kind: str, market: int, amount: int, borrower: str = "aa", tx: int = 1, deployment: int = 7
) -> None:
    db.execute(
        "INSERT INTO action (chain_id, block_number, log_index, leg, tx_index, tx_hash, deployment_key, market_key, "
        "transaction_type, token, borrower, amount_raw, contract) "
        "VALUES (1, 10, %s, 0, %s, '\\x01', %s, %s, %s, '\\x77', %s, %s, '\\xee')",
        (log, tx, deployment, market, kind, bytes.fromhex(borrower * 20), amount),
    )


def flows(db: Db) -> dict[int, tuple[int, ...]]:
    """Return market -> borrowed, repaid, liquidated, written off, migrated."""
    return {
        market: tuple(map(int, rest))
        for market, *rest in db.execute(
            "SELECT market_key, sum(borrowed), sum(repaid), sum(liquidated), sum(written_off), sum(migrated) "
            "FROM debt_flows(1, 9, 10) GROUP BY market_key"
        )
    }


def test_the_repayment_of_a_liquidation_is_forced_not_organic(db: Db) -> None:
    """Compound tells a liquidation of 40 as a repayment too; the borrower's own 40 in the next transaction is organic."""
    act(db, 1, "repay", 71, 40)
    act(db, 2, "liquidation", 71, 40)
    act(db, 3, "repay", 71, 40, tx=2)
    act(db, 4, "bad_debt", 71, 5)
    assert flows(db) == {71: (0, 40, 40, 5, 0)}


def test_flash_loans_are_never_debt(db: Db) -> None:
    act(db, 1, "flashloan", 71, 10**9)
    assert flows(db) == {}


def test_migrations_cancel_between_deployments(db: Db) -> None:
    """Repay 40 in one deployment, borrow 45 in another in one transaction: 40 moved. Others' and other transactions' do not."""
    act(db, 1, "repay", 71, 40)
    act(db, 2, "borrow", 81, 45, deployment=8)
    act(db, 3, "borrow", 82, 9, borrower="bb", deployment=8)
    act(db, 4, "borrow", 81, 3, tx=2, deployment=8)
    assert flows(db) == {71: (0, 40, 0, 0, -40), 81: (48, 0, 0, 0, 40), 82: (9, 0, 0, 0, 0)}
