"""Whose a smart wallet is: chains to their end, wallets of several, circles, and as of a block."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20
SAFE, SHARED, PROXY, DSA, URN = ("0x" + f"{n:02x}" * 20 for n in range(0xC1, 0xC6))
RING = ["0x" + f"{n:02x}" * 20 for n in range(0xD1, 0xD4)]


@pytest.fixture
def wallets(db: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """An urn of a proxy of a Safe of one, which becomes Bob's at block 15; a Safe of two; a DSA; a ring of three proxies."""
    db.execute("INSERT INTO block SELECT 7, n, '\\x01', NULL, n FROM generate_series(1, 20) n")
    for key, slug in ((1, "aave_v3"), (2, "maker")):
        db.execute("INSERT INTO cursor VALUES (7, %s, 1, 20, '\\x01', 'following', NULL)", (slug,))
        db.execute("INSERT INTO deployment VALUES (7, %s, %s, %s, '1', 'main', 'lending', 1, '{}')", (key, slug, slug))
        db.execute(
            "INSERT INTO market (chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset)"
            " VALUES (7, %s, 1, 0, %s, %s, %s, '\\xaa')",
            (key * 10, f"{slug}:7:x", key, slug),
        )
    for market, account in ((10, SAFE), (10, SHARED), (10, PROXY), (10, DSA), (10, ALICE), (10, RING[0]), (20, URN)):
        for table in ("position", "position_change"):
            db.execute(
                f"INSERT INTO {table} (chain_id, market_key, account, side, block_number, log_index, leg, shares_raw,"
                f" is_collateral) VALUES (7, %s, unhex(%s), 'debt', 2, 0, 0, 5, false)",
                (market, account),
            )
    db.execute("INSERT INTO account_setting VALUES (7, 2, unhex(%s), 'owner', 3, 0, %s)", (URN, int(PROXY, 16)))
    for wallet, kind, threshold in (
        (SAFE, "safe", 1), (SHARED, "safe", 2), (PROXY, "ds_proxy", 1), (DSA, "instadapp_dsa", 1),
        *((one, "ds_proxy", 1) for one in RING),
    ):  # fmt: skip
        db.execute("INSERT INTO wallet_state VALUES (7, unhex(%s), 3, 0, 1, %s, %s, 3)", (wallet, kind, threshold))
        db.execute("INSERT INTO wallet_state VALUES (7, unhex(%s), 3, 9, 1, %s, NULL, 3)", (wallet, kind))
    for wallet, owner, block, log, told in (
        (SAFE, ALICE, 4, 0, 1), (SAFE, BOB, 15, 0, 1), (SAFE, ALICE, 15, 1, 0),
        (SHARED, ALICE, 4, 0, 1), (SHARED, BOB, 4, 1, 1),
        (PROXY, BOB, 3, 0, 1), (PROXY, SAFE, 4, 0, 1),
        (DSA, ALICE, 4, 0, 1),
        *((one, RING[n - 2], 4, 0, 1) for n, one in enumerate(RING)),
    ):  # fmt: skip
        db.execute(
            "INSERT INTO wallet_owner VALUES (7, unhex(%s), unhex(%s), %s, %s, 0, 1, %s, %s)",
            (wallet, owner, block, log, told, block),
        )
    return db


def owners(db: psycopg.Connection[Any], block: int | None) -> dict[str, tuple[str, str]]:
    return {row[0]: row[1:] for row in db.execute("SELECT address, owner_id, evidence FROM owners_at(7, %s)", (block,))}


def test_chains_end_with_who_acts_alone(wallets: psycopg.Connection[Any]) -> None:
    found = owners(wallets, None)
    assert found[SAFE] == (BOB, "safe: its owner")
    assert found[PROXY] == (BOB, "ds_proxy: its owner; safe: its owner")
    assert found[URN] == (BOB, "maker: owner of the cdp; ds_proxy: its owner; safe: its owner")
    assert found[DSA] == (ALICE, "instadapp_dsa: its owner")
    assert found[SHARED] == (SHARED, "safe: 2 of 2, its own owner")
    assert {found[one][0] for one in RING} == set(RING) and "circle" in found[RING[0]][1]
    assert len(found) == 8
    rows = wallets.execute("SELECT count(*), count(DISTINCT address), min(confidence) FROM owners").fetchone()
    assert rows == (8, 8, 1)


@pytest.mark.parametrize(("block", "person"), [(14, ALICE), (15, BOB), (None, BOB)])
def test_positions_say_the_owner_in_the_end(wallets: psycopg.Connection[Any], block: int | None, person: str) -> None:
    expected = {SAFE: person, PROXY: person, URN: person, DSA: ALICE, SHARED: SHARED, ALICE: ALICE, RING[0]: RING[0]}
    rows = wallets.execute("SELECT account, owner FROM positions_at(7, %s)", (block,)).fetchall()
    assert dict(rows) == expected and len(rows) == len(expected)
    for account, owner in expected.items():
        rows = wallets.execute("SELECT owner FROM positions_of(7, %s, unhex(%s))", (block, account)).fetchall()
        assert rows == [(owner,)]


def test_before_anything_is_known_every_account_is_itself(wallets: psycopg.Connection[Any]) -> None:
    assert owners(wallets, 2) == {}
    assert all(row[0] == row[1] for row in wallets.execute("SELECT account, owner FROM positions_at(7, 2)"))
    # at block 3 the proxy was still Bob's, and the Safe had no owners yet
    assert owners(wallets, 3) == {
        PROXY: (BOB, "ds_proxy: its owner"), URN: (BOB, "maker: owner of the cdp; ds_proxy: its owner"),
    }  # fmt: skip


def test_health_says_the_owner_in_the_end(wallets: psycopg.Connection[Any]) -> None:
    wallets.execute(
        "INSERT INTO market_state (chain_id, market_key, block_number, regime, accrued_at, debt_index_raw, supply_shares_raw,"
        " debt_shares_raw, extra) VALUES (7, 20, 1, 'maker', 0, 1e27, 0, 5, '{\"spot\": 1}')"
    )
    rows = wallets.execute("SELECT account, owner FROM v_account_leverage WHERE deployment_key = 2").fetchall()
    assert rows == [(URN, BOB)]
