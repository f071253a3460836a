"""What a claim is worth when no oracle prices it: a receipt its underlying, a share its rate times that."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

WETH, A_WETH, SHARE, WRAPPED, LONELY = (bytes([n]) * 20 for n in range(1, 6))
ORACLE = b"\x09" * 20


@pytest.fixture
def prices(db: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """WETH at 2000 since block 10; a receipt of it; a share of it at 1.1; a share of the receipt at 1.05 since block 20."""
    tokens = [(WETH, "unclassified", None), (A_WETH, "lending_receipt", WETH), (SHARE, "erc4626", WETH),
              (WRAPPED, "erc4626", A_WETH), (LONELY, "erc4626", b"\x07" * 20)]  # fmt: skip
    for address, kind, underlying in tokens:
        db.execute("INSERT INTO token VALUES (1, %s, 1, 'T', 18, %s, NULL, %s)", (address, kind, underlying))
    rows = [(ORACLE, WETH, 10, 2000 * 10**8, 10**8, "usd"), (SHARE, SHARE, 10, 11 * 10**17, 10**18, "0x" + WETH.hex()),
            (WRAPPED, WRAPPED, 20, 105 * 10**16, 10**18, "0x" + A_WETH.hex()),
            (LONELY, LONELY, 10, 10**18, 10**18, "0x" + "07" * 20)]  # fmt: skip
    for feed, asset, block, price, unit, quote in rows:
        db.execute(
            "INSERT INTO price VALUES (1, %s, %s, %s, -1, %s, %s, %s, 'oracle')",
            (feed, asset, block, price, unit, quote),
        )
    return db


@pytest.mark.parametrize(
    ("asset", "block", "expected"),
    [(WETH, 10, 2000), (A_WETH, 10, 2000), (SHARE, 10, 2200), (WRAPPED, 25, 2100), (WRAPPED, 15, None), (A_WETH, 9, None),
     (LONELY, 25, None)],
)  # fmt: skip
def test_price_of_a_claim(prices: psycopg.Connection[Any], asset: bytes, block: int, expected: int | None) -> None:
    row = prices.execute("SELECT price_usd FROM usd_price_at(1, %s, %s)", (asset, block)).fetchone()
    assert (row[0] if row else None) == expected


def test_an_oracle_of_the_claim_itself_comes_first(prices: psycopg.Connection[Any]) -> None:
    prices.execute(
        "INSERT INTO price VALUES (1, %s, %s, 12, -1, 219000000000, 100000000, 'usd', 'oracle')", (ORACLE, SHARE)
    )
    assert prices.execute("SELECT price_usd FROM usd_price_at(1, %s, 12)", (SHARE,)).fetchone() == (2190,)
