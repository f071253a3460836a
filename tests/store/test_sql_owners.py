"""Who is behind an account: what Euler's and Maker's books say, in `owners` and in the column `owner`."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

ALICE = "0x" + "a1" * 19 + "05"
SUB = "0x" + "a1" * 19 + "ff"
OTHER = "0x" + "a1" * 18 + "a2" + "05"
URN, FREE = "0x" + "c1" * 20, "0x" + "c2" * 20
BOB, CAROL = "0x" + "00" * 4 + "ff" * 16, "0x" + "80" + "12" * 19


@pytest.fixture
def book(db: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Two protocols of one chain, each with one market; blocks 10 and 20."""
    db.execute("INSERT INTO block SELECT 7, n, '\\x01', NULL, n FROM generate_series(1, 20) n")
    for key, slug in ((1, "euler_v2"), (2, "maker")):
        db.execute("INSERT INTO cursor VALUES (7, %s, 1, 20, '\\x01', 'following', NULL)", (slug,))
        db.execute("INSERT INTO deployment VALUES (7, %s, %s, %s, '1', 'main', 'lending', 1, '{}')", (key, slug, slug))
        db.execute(
            "INSERT INTO market (chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset)"
            " VALUES (7, %s, 1, 0, %s, %s, %s, '\\xaa')",
            (key * 10, f"{slug}:7:x", key, slug),
        )
    for market, account in ((10, ALICE), (10, SUB), (10, OTHER), (20, URN), (20, FREE)):
        for table in ("position", "position_change"):
            db.execute(
                f"INSERT INTO {table} (chain_id, market_key, account, side, block_number, log_index, leg, shares_raw,"
                f" is_collateral) VALUES (7, %s, unhex(%s), 'debt', 2, 0, 0, 5, false)",
                (market, account),
            )
    for subject, account, name, block, value in (
        (1, ALICE, "owner_prefix", 3, 0),
        (2, URN, "cdp", 3, 1), (2, URN, "owner", 3, int(BOB, 16)), (2, URN, "owner", 15, int(CAROL, 16)),
    ):  # fmt: skip
        db.execute(
            "INSERT INTO account_setting VALUES (7, %s, unhex(%s), %s, %s, 0, %s)",
            (subject, account, name, block, value),
        )
    return db


def test_owners_holds_only_what_is_known(book: psycopg.Connection[Any]) -> None:
    rows = book.execute("SELECT chain_id, address, owner_id, confidence FROM owners ORDER BY 2").fetchall()
    assert rows == [(7, SUB, ALICE, 1), (7, URN, CAROL, 1)]
    rows = book.execute("SELECT address, owner_id, evidence FROM owners_at(7, 10) ORDER BY 1").fetchall()
    assert rows == [
        (SUB, ALICE, "euler_v2: sub-account of a registered owner"), (URN, BOB, "maker: owner of the cdp"),
    ]  # fmt: skip
    assert book.execute("SELECT * FROM owners_at(7, 2)").fetchall() == []
    assert book.execute("SELECT * FROM owners_at(8, NULL)").fetchall() == []


@pytest.mark.parametrize(
    ("block", "sub", "urn"), [(None, ALICE, CAROL), (20, ALICE, CAROL), (10, ALICE, BOB), (2, SUB, URN)]
)
def test_positions_say_the_owner_as_of_the_block(
    book: psycopg.Connection[Any], block: int | None, sub: str, urn: str
) -> None:
    expected = {ALICE: ALICE, SUB: sub, OTHER: OTHER, URN: urn, FREE: FREE}
    rows = book.execute("SELECT account, owner FROM positions_at(7, %s)", (block,)).fetchall()
    assert dict(rows) == expected
    for account, owner in expected.items():
        rows = book.execute("SELECT owner FROM positions_of(7, %s, unhex(%s))", (block, account)).fetchall()
        assert rows == [(owner,)]


def test_an_address_booked_as_a_number(db: psycopg.Connection[Any]) -> None:
    for address in (BOB, CAROL, ALICE, "0x" + "00" * 20, "0x" + "ff" * 20):
        assert db.execute("SELECT address_of(%s)", (int(address, 16),)).fetchone() == (address,)
