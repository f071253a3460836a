"""Views over small books drawn by hand; the sums are in the docstrings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import psycopg
import pytest

ALICE, BOB, LIQ = ("0x" + digit * 40 for digit in "abc")
WETH, USDC = ("0x" + digit * 40 for digit in "12")
ORACLE, POOL, SOURCE = ("0x" + digit * 40 for digit in "def")
RAY = 10**27


@pytest.fixture
def book(db: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """One Aave pool at block 10 (time 1000) and 20 (time 2000): WETH at 2000 then 1800 USD, USDC at 1."""
    run = db.execute
    run("INSERT INTO chain VALUES (1, 'ethereum', 25, 22, 20, 2100)")
    for number in (10, 20):
        run("INSERT INTO block VALUES (1, %s, %s, NULL, %s)", (number, number.to_bytes(32, "big"), number * 100))
    run("INSERT INTO cursor VALUES (1, 'aave_v3', 5, 20, '\\x14', 'following', NULL)")
    run("INSERT INTO deployment VALUES (1, 7, 'aave_v3', 'aave', '3', 'core', 'lending', 5, '{}')")
    for key, asset, symbol, decimals in ((71, WETH, "WETH", 18), (72, USDC, "USDC", 6)):
        run("INSERT INTO token VALUES (1, unhex(%s), 5, %s, %s, 'plain', NULL, NULL)", (asset, symbol, decimals))
        run(
            "INSERT INTO market (chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting,"
            " asset) VALUES (1, %s, 5, 0, %s, 7, 'aave', unhex(%s))", (key, f"aave_v3:1:{POOL}:{asset}", asset),
        )  # fmt: skip
        run(
            "INSERT INTO market_state (chain_id, market_key, block_number, regime, accrued_at, supply_index_raw,"
            " debt_index_raw, supply_rate_raw, debt_rate_raw, supply_shares_raw, debt_shares_raw)"
            f" VALUES (1, %s, 5, 'half_up_a', 0, {RAY}, {RAY}, 0, 0, 100, 50)", (key,),
        )  # fmt: skip
        for name, value in (("ltv_bps", 8000), ("liquidation_threshold_bps", 8250), ("liquidation_bonus_bps", 10500)):
            run("INSERT INTO param VALUES (1, %s, %s, '', 5, 0, %s, NULL)", (key, name, value))
    run("INSERT INTO param VALUES (1, 7, 'price_oracle', '', 5, 0, NULL, %s)", (ORACLE,))
    for asset, number, price in ((WETH, 5, 2000), (WETH, 15, 1800), (USDC, 5, 1)):
        run(
            "INSERT INTO price VALUES (1, unhex(%s), unhex(%s), %s, -1, %s, 100000000, 'usd', 'oracle')",
            (ORACLE, asset, number, price * 10**8),
        )
    yield db


def hold(db: psycopg.Connection[Any], account: str, market: int, side: str, block: int, shares: int) -> None:
    """Note a balance from a block on; supply backs debt."""
    row = (market, account, side, block, shares, side == "supply")
    db.execute("INSERT INTO position_change VALUES (1, %s, unhex(%s), %s, %s, 0, 0, %s, NULL, %s)", row)
    db.execute(
        "INSERT INTO position VALUES (1, %s, unhex(%s), %s, %s, 0, 0, %s, NULL, %s) ON CONFLICT (chain_id, market_key,"
        " account, side) DO UPDATE SET block_number = excluded.block_number, shares_raw = excluded.shares_raw", row,
    )  # fmt: skip


def act(db: psycopg.Connection[Any], kind: str, log: int, leg: int = 0, **fields: Any) -> None:
    """Insert one action at block 10; addresses as 0x text."""
    values = {k: bytes.fromhex(v[2:]) if isinstance(v, str) else v for k, v in fields.items()}
    names = "".join(f", {name}" for name in values)
    marks = ", %s" * len(values)
    db.execute(
        "INSERT INTO action (chain_id, block_number, log_index, leg, tx_index, tx_hash, deployment_key, transaction_type,"
        f" contract{names}) VALUES (1, 10, %s, %s, 3, '\\xff', 7, %s, '\\xee'{marks})",
        (log, leg, kind, *values.values()),
    )


def test_positions_now_and_then(book: Any) -> None:
    """2 WETH at block 10 worth 4000; half withdrawn at 20, worth 1800; nothing before block 10."""
    hold(book, ALICE, 71, "supply", 10, 2 * 10**18)
    hold(book, ALICE, 71, "supply", 20, 10**18)
    hold(book, BOB, 71, "supply", 10, 5)
    hold(book, BOB, 71, "supply", 20, 0)
    query = "SELECT account, amount, amount_usd, price_block, as_of_block FROM positions_at(1, %s) ORDER BY account"
    assert book.execute(query, (10,)).fetchall()[0] == (ALICE, 2, 4000, 5, 10)
    assert len(book.execute(query, (10,)).fetchall()) == 2
    assert book.execute(query, (20,)).fetchall() == [(ALICE, 1, 1800, 15, 20)]
    assert book.execute("SELECT amount_usd FROM positions").fetchall() == [(1800,)]


def test_blocks_that_cannot_be_answered(book: Any) -> None:
    """No header: what to run. Outside coverage: what is covered."""
    hold(book, ALICE, 71, "supply", 10, 5)
    for block, state, words in (
        (15, "LV001", "verify --block 15"),
        (21, "LV002", "aave_v3 5 to 20"),
        (4, "LV002", "5 to"),
    ):
        for function in ("positions_at", "account_health", "markets_at", "protocol_leverage_at"):
            with pytest.raises(psycopg.Error) as caught, book.transaction():
                book.execute(f"SELECT * FROM {function}(1, %s)", (block,))
            assert caught.value.sqlstate == state
            assert words in (caught.value.diag.message_hint or "")
            assert f"block {block} of chain 1" in str(caught.value)


def test_a_head_without_header_is_an_error(book: Any) -> None:
    """The views do not fall silent when the header of a cursor's block is missing."""
    hold(book, ALICE, 71, "supply", 10, 5)
    book.execute("DELETE FROM block WHERE block_number = 20")
    with pytest.raises(psycopg.Error) as caught:
        book.execute("SELECT * FROM positions")
    assert caught.value.sqlstate == "LV001"


def test_four_accounts(book: Any) -> None:
    """docs/methodology.md M1 in units of USDC against WETH: (A, D) = (300, 200), (1000, 0), (1500, 300), (90, 95).

    borrowers 1800 / 1300, all 2800 / 2300, one insolvent, 5 of latent bad debt. WETH is made worth 1 USD.
    """
    book.execute("UPDATE price SET price_raw = 100000000")
    for n, (assets, debt) in enumerate(((300, 200), (1000, 0), (1500, 300), (90, 95))):
        account = f"0x{n + 1:040x}"
        hold(book, account, 72, "supply", 10, assets * 10**6)
        if debt:
            hold(book, account, 71, "debt", 10, debt * 10**18)
    rows = book.execute(
        "SELECT population, leverage, n_ok, n_insolvent, n_zero_equity, latent_bad_debt_usd FROM protocol_leverage"
        " ORDER BY population DESC"
    ).fetchall()
    ratio = [round(D(a) / D(b), 18) for a, b in ((1800, 1300), (2800, 2300))]
    assert rows == [("borrowers", ratio[0], 2, 1, 0, 5), ("all", ratio[1], 3, 1, 0, 5)]
    rows = book.execute(
        "SELECT status, assets_to_equity, debt_to_equity, ltv, pair_class FROM v_account_leverage ORDER BY account"
    ).fetchall()
    assert rows[0] == ("ok", 3, 2, round(D(2) / 3, 18), "directional")
    assert rows[1] == ("no_debt", 1, 0, 0, None)
    assert rows[3][:3] == ("insolvent", None, None)
    assert book.execute("SELECT kind, amount_usd, n FROM bad_debt").fetchall() == [("latent", 5, 1)]


def test_liquidation_risk(book: Any) -> None:
    """2 WETH at 1800 with threshold .8250 against 2000 USDC: HF 2970/2000 = 1.485, P* = 1800/1.485."""
    hold(book, ALICE, 71, "supply", 10, 2 * 10**18)
    hold(book, ALICE, 72, "debt", 10, 2000 * 10**6)
    row = book.execute(
        "SELECT health_factor, bucket, is_liquidatable, liquidation_price_usd, distance, first_eligible_drop,"
        " loss_boundary_drop, is_toxic FROM liquidation_risk"
    ).fetchone()
    factor = D("1.485")
    assert row[:3] == (factor, "[1.25,1.5)", False)
    assert row[3] == round(1800 / factor, 18)
    assert row[4] == row[5] == 1 - round(1 / factor, 18)
    assert row[6] == 1 - round(D("1.05") * 2000 / 3600, 18)
    assert row[7] is False


def test_emode_of_the_first_versions(book: Any) -> None:
    """Up to 3.1: one category a reserve; its price source replaces the price; own LTV 0 stays 0 inside e-mode."""
    hold(book, ALICE, 71, "supply", 10, 10**18)
    hold(book, ALICE, 72, "debt", 10, 900 * 10**6)
    query = (
        "SELECT total_collateral_base_raw, ltv_bps, current_liquidation_threshold_bps, pair_class, emode"
        " FROM account_health(1, 20)"
    )
    assert book.execute(query).fetchone() == (1800 * 10**8, 8000, 8250, "directional", 0)
    for market in (71, 72):
        book.execute("INSERT INTO param VALUES (1, %s, 'emode_category', '', 6, 0, 1, NULL)", (market,))
    for name, value, text in (
        ("emode_ltv_bps", 9300, None), ("emode_liquidation_threshold_bps", 9500, None),
        ("emode_liquidation_bonus_bps", 10100, None), ("emode_label", None, "Stablecoins"),
    ):  # fmt: skip
        book.execute("INSERT INTO param VALUES (1, 7, %s, '1', 6, 0, %s, %s)", (name, value, text))
    book.execute("INSERT INTO account_setting VALUES (1, 7, unhex(%s), 'emode', 12, 0, 1)", (ALICE,))
    assert book.execute(query.replace("20", "10")).fetchone()[4] == 0, "chosen at block 12"
    assert book.execute(query).fetchone() == (1800 * 10**8, 9300, 9500, "stable", 1)
    book.execute("INSERT INTO param VALUES (1, 7, 'emode_price_source', '1', 6, 0, NULL, %s)", (SOURCE,))
    assert book.execute(query).fetchone()[0] is None, "the category's own price is not known"
    book.execute(
        "INSERT INTO price VALUES (1, unhex(%s), unhex(%s), 6, -1, 150000000000, 100000000, 'usd', 'oracle')",
        (ORACLE, SOURCE),
    )
    assert book.execute(query).fetchone()[0] == 1500 * 10**8
    book.execute("INSERT INTO param VALUES (1, 71, 'emode_collateral', '1', 8, 0, 0, NULL)")
    assert book.execute(query).fetchone() == (1800 * 10**8, 8000, 8250, "directional", 1), "3.2: not a member"
    book.execute("INSERT INTO param VALUES (1, 71, 'emode_collateral', '1', 9, 0, 1, NULL)")
    assert book.execute(query).fetchone()[:3] == (1800 * 10**8, 9300, 9500), "3.2: a member, no price source"
    book.execute("INSERT INTO param VALUES (1, 71, 'ltv_bps', '', 9, 0, 0, NULL)")
    assert book.execute(query).fetchone()[1:3] == (0, 9500)
    book.execute("UPDATE market_state SET regime = 'directed_b'")
    assert book.execute(query).fetchone()[1] == 9300, "3.6: the reserve's own LTV does not matter"
    book.execute("INSERT INTO param VALUES (1, 7, 'contract_version', '', 5, 0, NULL, '3.5')")
    assert book.execute(query).fetchone()[1] == 0, "3.5: it does"
    book.execute("UPDATE param SET value_text = '3.6' WHERE name = 'contract_version'")
    book.execute("INSERT INTO param VALUES (1, 71, 'emode_ltvzero', '1', 9, 0, 1, NULL)")
    assert book.execute(query).fetchone()[1] == 0, "3.6: the flag does"


def test_same_asset_and_unknown_regime(book: Any) -> None:
    hold(book, ALICE, 71, "supply", 10, 10**18)
    hold(book, ALICE, 71, "debt", 10, 10**17)
    assert book.execute("SELECT pair_class FROM v_account_leverage").fetchall() == [("same_asset",)]
    assert book.execute("SELECT liquidation_price_usd, first_eligible_drop FROM liquidation_risk").fetchall() == [
        (None, None)
    ]
    book.execute("UPDATE market_state SET regime = 'half_up_z'")
    assert book.execute("SELECT DISTINCT amount_raw, amount_usd FROM positions").fetchall() == [(None, None)]
    assert book.execute("SELECT status FROM v_account_leverage").fetchall() == [("unpriced",)]


def test_liquidations_join_their_legs(book: Any) -> None:
    """Bob: 1000 USDC repaid for 0.525 WETH (1050 USD at block 10): bonus 5 %; then 500 more, with 40 USDC written off."""
    who = {"borrower": BOB, "on_behalf_of": BOB, "liquidator": LIQ}
    act(book, "liquidation", 4, market_key=72, token=USDC, amount_raw=1000 * 10**6, repayer=LIQ, **who)
    act(book, "seize", 4, 1, market_key=71, token=WETH, amount_raw=525 * 10**15, depositor=BOB, **who)
    act(book, "bad_debt", 6, market_key=72, token=USDC, amount_raw=40 * 10**6, borrower=BOB)
    act(book, "liquidation", 7, market_key=72, token=USDC, amount_raw=500 * 10**6, repayer=LIQ, **who)
    act(book, "seize", 7, 1, market_key=71, token=WETH, amount_raw=25 * 10**16, depositor=BOB, **who)
    act(book, "cover_deficit", 9, market_key=72, token=USDC, amount_raw=10 * 10**6)
    rows = book.execute(
        "SELECT borrower, liquidator, debt_symbol, debt_repaid_usd, collateral_symbol, collateral_seized,"
        " collateral_seized_usd, bonus, profit_usd, bad_debt_usd FROM liquidation_events ORDER BY evt_index"
    ).fetchall()
    assert rows == [
        (BOB, LIQ, "USDC", 1000, "WETH", D("0.525"), 1050, D("0.05"), 50, 0),
        (BOB, LIQ, "USDC", 500, "WETH", D("0.25"), 500, 0, 0, 40),
    ]
    assert book.execute("SELECT kind, amount, amount_usd FROM bad_debt WHERE kind <> 'latent' ORDER BY 1").fetchall() == [
        ("covered", 10, 10), ("realised", 40, 40),
    ]  # fmt: skip
    row = book.execute(
        "SELECT blockchain, project, version, deployment, transaction_type, token_address, symbol, amount, usd_amount,"
        " extract(epoch FROM block_time), tx_hash, tx_index, evt_index, market_id FROM lending_events ORDER BY evt_index, leg"
    ).fetchone()
    assert row == (
        "ethereum", "aave", "3", "core", "liquidation", USDC, "USDC", 1000, 1000, 1000, "0xff", 3, 4,
        f"aave_v3:1:{POOL}:{USDC}",
    )  # fmt: skip


def test_flash_loans_transfers_and_unknown_tokens(book: Any) -> None:
    """A token without decimals or price has an amount_raw and nothing else."""
    act(book, "flashloan", 1, token=WETH, amount_raw=10**18, fee_raw=5 * 10**14, on_behalf_of=ALICE, recipient=BOB)
    act(book, "transfer", 2, market_key=71, token=WETH, amount_raw=10**18, depositor=ALICE, recipient=BOB)
    act(book, "flashloan", 3, token=SOURCE, amount_raw=7, fee_raw=1)
    rows = book.execute(
        "SELECT initiator, receiver, symbol, amount, usd_amount, fee, amount_raw FROM flashloan_events ORDER BY evt_index"
    ).fetchall()
    assert rows == [(ALICE, BOB, "WETH", 1, 2000, D("0.0005"), 10**18), (None, None, None, None, None, None, 7)]
    assert book.execute('SELECT "from", "to", amount FROM receipt_transfers').fetchall() == [(ALICE, BOB, 1)]


def test_histories(book: Any) -> None:
    """Parameters side by side from block 5 and from block 12 on; indexes as booked."""
    book.execute("INSERT INTO param VALUES (1, 71, 'ltv_bps', '', 12, 3, 0, NULL)")
    rows = book.execute(
        "SELECT from_block, to_block, ltv_max, liquidation_threshold, liquidation_bonus FROM market_params_history"
        " WHERE symbol = 'WETH' ORDER BY 1"
    ).fetchall()
    assert rows == [(5, 12, D("0.8"), D("0.825"), D("0.05")), (12, None, 0, D("0.825"), D("0.05"))]
    rows = book.execute(
        "SELECT from_block, to_block, value_raw FROM param_history WHERE subject = 71 AND name = 'ltv_bps' ORDER BY 1"
    ).fetchall()
    assert rows == [(5, 12, 8000), (12, None, 0)]
    rows = book.execute(
        "SELECT DISTINCT supply_index, borrow_rate, supply_assets_raw FROM interest_index_history"
    ).fetchall()
    assert rows == [(1, 0, 100)]
    rows = book.execute("SELECT block_number, price_usd FROM prices WHERE symbol = 'WETH' ORDER BY 1").fetchall()
    assert rows == [(5, 2000), (15, 1800)]


def test_snapshots_follow_the_head(book: Any) -> None:
    """A stored snapshot is shown with its ratio; one at the head gives way to the live row."""
    for block in (10, 20):
        book.execute(
            "INSERT INTO protocol_leverage_snapshot (chain_id, deployment_key, population, bucket, block_number, assets_usd, "
            "debt_usd, n_ok, n_zero_equity, n_insolvent, n_unpriced, latent_bad_debt_usd) "
            "VALUES (1, 7, 'borrowers', %(block)s, %(block)s, 150, 100, 1, 0, 0, 0, 0)",
            {"block": block},
        )
    rows = book.execute(
        "SELECT block_number, is_head, leverage, equity_usd FROM protocol_leverage WHERE population = 'borrowers' ORDER BY 1"
    ).fetchall()
    assert rows == [(10, False, 3, 50), (20, True, None, 0)]


def test_ingest_status(book: Any) -> None:
    """Head 25, indexed 20 at time 2000: the lag is up to now, so that a node that fell silent shows as well."""
    row = book.execute(
        "SELECT blockchain, protocol, status, indexed_block, lag_blocks, finalized_block, reorgs_24h FROM ingest_status"
    ).fetchone()
    assert row == ("ethereum", "aave_v3", "following", 20, 5, 20, 0)
    lag = book.execute("SELECT lag_s FROM ingest_status").fetchone()[0]
    assert abs(lag - (time.time() - 2000)) < 60
