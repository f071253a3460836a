"""A static aToken over a reserve whose index is known: its rate is the index of that second."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from indexer.protocols.aave_static import A_TOKEN
from tests.protocols.linked import addr, index, price, rates, registered, who, words, worth

OLD, NEW, STATIC, A_USDC, USDC = (addr(n) for n in range(0x91, 0x96))
RAY = 10**27


@pytest.fixture
def aave(linkdb: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """A reserve of USDC: index 1.05 at second 20, supply rate 36.5 % a year; the token rows as its adapter notes them."""
    run = linkdb.execute
    run("INSERT INTO deployment VALUES (1, 7, 'aave_v3', 'aave', '3', 'main', 'lending', 1, '{}')")
    run(
        "INSERT INTO market (chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset,"
        " supply_token) VALUES (1, 70, 5, 0, 'aave_v3:1:x', 7, 'aave', unhex(%s), unhex(%s))", (USDC, A_USDC),
    )  # fmt: skip
    run(
        "INSERT INTO market_state (chain_id, market_key, block_number, regime, accrued_at, supply_index_raw, debt_index_raw,"
        " supply_rate_raw, debt_rate_raw, supply_shares_raw, debt_shares_raw)"
        f" VALUES (1, 70, 20, 'half_up_a', 20, {105 * RAY // 100}, {RAY}, {365 * RAY // 1000}, 0, 0, 0)"
    )
    run(
        "INSERT INTO token VALUES (1, unhex(%s), 5, 'aUSDC', 6, 'lending_receipt', 'aave_v3', unhex(%s))",
        (A_USDC, USDC),
    )
    run("INSERT INTO token VALUES (1, unhex(%s), 5, 'USDC', 6, 'unclassified', NULL, NULL)", (USDC,))
    return linkdb


@pytest.mark.parametrize(
    ("kind", "factory", "event"),
    [("StataTokenFactory", NEW, "StataTokenCreated(address,address)"),
     ("StaticATokenFactory", OLD, "StaticTokenCreated(address,address)")],
)  # fmt: skip
def test_the_index_is_the_rate(aave: psycopg.Connection[Any], kind: str, factory: str, event: str) -> None:
    """A day after second 20 at 36.5 % a year: 1.05 * (1 + 0.365 * 86400 / 31536000) = 1.05 * 1.001 = 1.05105."""
    made: list[Any] = [(10, factory, event, who(STATIC, USDC), "0x")]
    read = {(10, STATIC, A_TOKEN): words(A_USDC)}
    index(aave, "aave_static", {kind: factory}, made, reads=read, decimals={STATIC: 6}, times={100: 86420})
    assert rates(aave, STATIC, 15) == [(A_USDC, None, None)]  # the reserve has no books yet
    assert rates(aave, STATIC, 20) == [(A_USDC, Decimal("1.05"), 20)]
    assert rates(aave, STATIC, 100) == [(A_USDC, Decimal("1.05105"), 20)]
    assert registered(aave, STATIC) == ("static_wrapper", "aave", A_USDC, USDC)
    price(aave, USDC, 1)
    assert worth(aave, STATIC, 100) == Decimal("1.05105")  # static -> aUSDC, one for one -> USDC -> oracle


def test_without_an_answer_it_is_a_share_of_the_asset(aave: psycopg.Connection[Any]) -> None:
    made: list[Any] = [(10, NEW, "StataTokenCreated(address,address)", who(STATIC, USDC), "0x")]
    index(aave, "aave_static", {"StataTokenFactory": NEW}, made, decimals={STATIC: 6})
    aave.execute(
        "INSERT INTO price VALUES (1, unhex(%s), unhex(%s), 30, -1, 1060000, 1000000, %s, 'oracle')",
        (STATIC, STATIC, USDC),
    )  # what a lending protocol read: convertToAssets(1e6)
    assert rates(aave, STATIC, 30) == [(USDC, Decimal("1.06"), 30)]
