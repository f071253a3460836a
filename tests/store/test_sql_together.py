"""Which assets fall together in a cascade: whatever the links say is a claim on the same thing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from indexer.store.queries.shocks import correlated

NAMES = ("WETH", "stETH", "wstETH", "rETH", "WBTC", "USDC", "sUSDC", "USDT", "LP")
TOKENS = {name: bytes([n + 1]) * 20 for n, name in enumerate(NAMES)}
CLAIMS = {"stETH": ["WETH"], "wstETH": ["stETH"], "rETH": ["WETH"], "sUSDC": ["USDC"], "LP": ["WETH", "USDC"]}


@pytest.fixture
def chain(db: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    for n, (name, address) in enumerate(TOKENS.items()):
        db.execute("INSERT INTO token VALUES (1, %s, 1, %s, 18, 'plain', NULL, NULL)", (address, name))
        db.execute(
            "INSERT INTO market (chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset) "
            "VALUES (1, %s, 5, 0, %s, 1, 'aave', %s)",
            (n, name, address),
        )
    for name, below in CLAIMS.items():
        for place, underlying in enumerate(below):
            link(db, name, place, underlying=TOKENS[underlying])
    for name in ("USDC", "USDT"):
        link(db, name, 0, asset_group="usd")
    return db


def link(db: psycopg.Connection[Any], name: str, place: int, block: int = 1, **values: object) -> None:
    row = {"chain_id": 1, "token": TOKENS[name], "deployment_key": 7, "place": place, "block_number": block, "log_index": 0,
           "kind": "lst", **values}  # fmt: skip
    marks = ", ".join(["%s"] * len(row))
    db.execute(f"INSERT INTO token_link ({', '.join(row)}) VALUES ({marks})".encode(), list(row.values()))


def groups(db: psycopg.Connection[Any], block: int = 10) -> list[list[str]]:
    legs: Any = SimpleNamespace(assets=["0x" + TOKENS[name].hex() for name in NAMES])
    return [[NAMES[n] for n in group] for group in correlated(db, 1, block, legs)]


def test_claims_on_one_thing_fall_together_through_any_number_of_links(chain: psycopg.Connection[Any]) -> None:
    # stables do not: they share a name, not a peg. A claim on one of them falls with it; a pair with neither of its sides
    assert groups(chain) == [["WETH", "stETH", "wstETH", "rETH"], ["USDC", "sUSDC"]]


def test_a_link_counts_from_its_block_on(chain: psycopg.Connection[Any]) -> None:
    chain.execute("UPDATE token_link SET block_number = 20 WHERE token = %s", (TOKENS["rETH"],))
    assert groups(chain, 19)[0] == ["WETH", "stETH", "wstETH"]
    assert groups(chain, 20)[0] == ["WETH", "stETH", "wstETH", "rETH"]


def test_what_is_not_lent_yet_is_in_no_group(chain: psycopg.Connection[Any]) -> None:
    assert groups(chain, 4) == []
