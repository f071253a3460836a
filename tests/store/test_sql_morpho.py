"""Morpho Blue in SQL against the contracts: the rate model, accrual, balances, health."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from books import CHAIN, events, load_morpho
from eth_abi import decode

WAD = 10**18


@pytest.fixture(scope="module")
def booked(
    migrated: str, recording: Callable[[str], Any]
) -> Iterator[tuple[psycopg.Connection[Any], Any, dict[str, int]]]:
    """A connection that sees the recording booked at every checkpoint."""
    found = recording("morpho_blue")
    with psycopg.connect(migrated) as db:
        keys = load_morpho(db, found)
        yield db, found, keys
        db.rollback()


@pytest.mark.parametrize("name", ["morpho_blue", "multi", "multi_v36"])
def test_rate_model(db: psycopg.Connection[Any], recording: Callable[[str], Any], name: str) -> None:
    """borrowRateView from market() and rateAtTarget() of the same block."""
    found = recording(name)
    compared = 0
    for block, _ in found.meta["checkpoints"]:
        markets = {label["id"]: v for label, v in found.at(block, "market")}
        targets = {label["id"]: v for label, (v,) in found.at(block, "rateAtTarget")}
        for label, (rate,) in found.at(block, "borrowRateView"):
            supply, _, debt, _, updated, _ = markets[label["id"]]
            row = db.execute(
                "SELECT morpho_adaptive_rate(%s::numeric, %s::numeric, %s::numeric, %s::numeric)",
                tuple(map(Decimal, (debt, supply, targets[label["id"]], found.times[block] - updated))),
            ).fetchone()
            assert row == (rate,), (block, label["market"])
            compared += 1
    assert compared > 200


def test_accrual(booked: Any) -> None:
    """The first AccrueInterest after a checkpoint that nothing of the market came between: rate, interest, fee shares."""
    db, found, keys = booked
    touched: dict[bytes, list[int]] = {}
    for block, log in found.logs:
        if log["address"] == found.meta["contracts"]["Morpho"] and len(log["topics"]) > 1:
            touched.setdefault(bytes.fromhex(log["topics"][1][2:]), []).append(block)
    checkpoints = [block for block, _ in found.meta["checkpoints"]]
    compared = with_fee = 0
    for block, topics, data, _ in events(found.logs, "AccrueInterest(bytes32,uint256,uint256,uint256)"):
        checkpoint = max((c for c in checkpoints if c < block), default=None)
        native = topics[1]
        if checkpoint is None or any(checkpoint < other < block for other in touched[native]):
            continue
        rate, interest, fee_shares = decode(["uint256"] * 3, data)
        row = db.execute(
            "SELECT (q).debt_rate_raw, (q).debt_assets_raw - (s).debt_assets_raw,"
            " (q).supply_assets_raw - (s).supply_assets_raw, (q).supply_shares_raw - (s).supply_shares_raw"
            " FROM (SELECT s, morpho_quote(s, %s) AS q FROM market_state s WHERE market_key = %s AND block_number = %s) x",
            (found.times[block], keys["0x" + native.hex()], checkpoint),
        ).fetchone()
        assert row == (rate, interest, interest, fee_shares), (block, native.hex())
        compared += 1
        with_fee += fee_shares > 0
    assert compared > 20
    assert with_fee > 5


def expected(found: Any, db: psycopg.Connection[Any], block: int) -> dict[str, tuple[int, int, int, int]]:
    """Market totals after accrual by Python's integers and the contract's own borrowRateView."""
    rates = {label["id"]: v for label, (v,) in found.at(block, "borrowRateView")}
    totals = {}
    for label, (supply, supply_shares, debt, debt_shares, updated, fee) in found.at(block, "market"):
        seconds, rate = found.times[block] - updated, rates.get(label["id"], 0)
        x = rate * seconds
        squared = x * x // (2 * WAD)
        interest = debt * (x + squared + squared * x // (3 * WAD)) // WAD
        amount = interest * fee // WAD
        shares = amount * (supply_shares + 10**6) // (supply + interest - amount + 1)
        totals[label["id"]] = (supply + interest, supply_shares + shares, debt + interest, debt_shares)
    return totals


def test_totals_balances_and_health(booked: Any) -> None:
    """Totals after accrual, every balance, and _isHealthy of every borrower."""
    db, found, _ = booked
    markets = {market["id"]: market for market in found.meta["notes"]["markets"].values()}
    compared = unhealthy = 0
    for block, _ in found.meta["checkpoints"]:
        totals = expected(found, db, block)
        prices = {label["oracle"]: v for label, (v,) in found.at(block, "price")}
        rows = db.execute(
            "SELECT split_part(market_id, ':', 3), total_supply_raw, supply_shares_raw, total_debt_raw, debt_shares_raw"
            " FROM markets_at(%s, %s)", (CHAIN, block),
        ).fetchall()  # fmt: skip
        assert {row[0]: row[1:] for row in rows} == totals
        amounts = {
            tuple(row[:3]): row[3] for row in db.execute(
                "SELECT split_part(market_id, ':', 3), account, side, amount_raw FROM positions_at(%s, %s)",
                (CHAIN, block),
            ).fetchall()
        }  # fmt: skip
        health = {
            tuple(row[:2]): row[2:] for row in db.execute(
                "SELECT split_part(market_id, ':', 3), account, max_borrow_raw, debt_raw, is_liquidatable,"
                " health_factor_raw, status FROM account_health(%s, %s)", (CHAIN, block),
            ).fetchall()
        }  # fmt: skip
        for label, (supply_shares, debt_shares, collateral) in found.at(block, "position"):
            native, account = label["id"], label["account"]
            supplied, total_supply_shares, borrowed, total_debt_shares = totals[native]
            supply = supply_shares * (supplied + 1) // (total_supply_shares + 10**6)
            debt = -(-debt_shares * (borrowed + 1) // (total_debt_shares + 10**6))
            for side, shares, amount in (
                ("supply", supply_shares, supply), ("debt", debt_shares, debt), ("collateral", collateral, collateral),
            ):  # fmt: skip
                assert amounts.pop((native, account, side), None) == (amount if shares else None)
                compared += 1
            row = health.pop((native, account), None)
            if debt_shares:
                market = markets[native]
                limit = collateral * prices[market["oracle"]] // 10**36 * int(market["lltv"]) // WAD
                assert row is not None
                assert row[:4] == (limit, debt, limit < debt, limit * WAD // debt)
                assert row[4] == "unpriced", "no USD price here, yet a health factor"
                unhealthy += limit < debt
            elif supply_shares or collateral:
                assert row is not None
                assert row[1:4] == (0, False, None)
        assert not amounts
        assert not health
    assert compared > 10_000
    assert unhealthy > 5


def test_usd_through_the_market_oracle(booked: Any) -> None:
    """Collateral without a USD price of its own: oracle price times the loan token's USD price."""
    db, found, keys = booked
    block = found.meta["checkpoints"][-1][0]
    native, market = next((n, m) for n, m in ((m["id"], m) for m in found.meta["notes"]["markets"].values())
                          if n in keys and int(m["lltv"]) == 860000000000000000)  # fmt: skip
    with db.transaction(force_rollback=True):
        db.execute(
            "INSERT INTO price VALUES (%s, '\\x01', unhex(%s), 1, -1, 100000000, 100000000, 'usd', 'oracle')",
            (CHAIN, market["loanToken"]),
        )
        row = db.execute(
            "SELECT price_usd, collateral_price_usd, oracle_price_raw FROM markets_at(%s, %s) WHERE market_key = %s",
            (CHAIN, block, keys[native]),
        ).fetchone()
        assert row is not None
        loan = found.meta["tokens"][market["loanToken"]]["decimals"]
        collateral = found.meta["tokens"][market["collateralToken"]]["decimals"]
        assert row[0] == 1
        assert row[1] * 10 ** (36 + loan - collateral) == row[2]
        priced = db.execute(
            "SELECT status, health_factor, collateral_usd, debt_usd, max_borrow_raw, debt_raw FROM account_health(%s, %s)"
            " WHERE market_key = %s AND debt_raw > 0", (CHAIN, block, keys[native]),
        ).fetchall()  # fmt: skip
        assert priced
        for status, factor, collateral_usd, debt_usd, _, debt_raw in priced:
            assert status in ("ok", "insolvent", "zero_equity")
            assert debt_usd * 10**loan == debt_raw
            assert float(collateral_usd / debt_usd * Decimal("0.86")) == pytest.approx(float(factor), rel=1e-5)


def test_unknown_rate_model_is_null_not_stale(booked: Any) -> None:
    """Without a rule for the IRM amounts are known only at the second of the accrual, or with nothing borrowed."""
    db, found, _ = booked
    block = found.meta["checkpoints"][-1][0]
    with db.transaction(force_rollback=True):
        db.execute("UPDATE market_state SET regime = 'unknown', debt_rate_raw = 1")
        rows = db.execute(
            "SELECT total_debt_raw, stored_debt_assets_raw, accrued_at = as_of_time FROM markets_at(%s, %s)",
            (CHAIN, block),
        ).fetchall()
        assert any(row[0] is None for row in rows)
        for debt, stored, fresh in rows:
            assert debt == (stored if fresh or stored == 0 else None)
        assert db.execute(
            "SELECT count(*) FROM account_health(%s, %s) WHERE debt_raw IS NULL AND health_factor IS NULL"
            " AND status = 'unpriced'", (CHAIN, block),
        ).fetchone() != (0,)  # fmt: skip


def test_fixed_rate(db: psycopg.Connection[Any]) -> None:
    """FixedRateIrm: the stored rate over the whole time."""
    row = db.execute(
        "SELECT (morpho_quote(ROW(1, 1, 1, 'fixed', 1000, NULL, NULL, NULL, 317097919, 5e24, 4e24, 5e18, 4e18, NULL, 0, NULL)"
        "::market_state, 2000)).debt_assets_raw"
    ).fetchone()
    x = 317097919 * 1000
    squared = x * x // (2 * WAD)
    assert row == (4 * WAD + 4 * WAD * (x + squared + squared * x // (3 * WAD)) // WAD,)
