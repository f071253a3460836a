"""Liquidation risk: everybody after a price change, a block at the head, and the list that bots poll.

* screen: `aggregation.screen` over 200,000 borrowers of three legs, against numpy's multiply-add over the same arrays;
* head: `measures.risk` on a made-up Aave pool of N borrowers: building the table, then blocks in which some accounts changed and
  every price moved a little, with two sizes of N and the same number of changed accounts;
* poll: the statement of `/v1/liquidation-risk/positions` at the head of the larger pool.

Units    milliseconds of wall clock; the median unless it says p99
"""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

import numpy as np
import psycopg

from bench.measure import Postgres
from indexer.aggregation.screen import Screen
from indexer.measures import Committed, risk
from indexer.store import queries
from indexer.types import key64

CHAIN, SECONDS = 1, 12
ASSETS = 30
BASE = 1_000
RAY = 10**27
NEAR = 400
"""Borrowers below 1.05 in either pool."""


def run(
    server: Postgres, sizes: tuple[int, ...] = (20_000, 200_000), changed: tuple[int, ...] = (0, 100, 1_000)
) -> dict[str, Any]:
    """Measure all three."""
    found: dict[str, Any] = {"screen": screen(), "head": []}
    for size in sizes:
        found["head"].append(head(server, size, changed))
    return found


def screen(borrowers: int = 200_000, legs: int = 3, runs: int = 7) -> dict[str, Any]:
    """Everybody at new prices."""
    draw = np.random.default_rng(1)
    borrower = np.repeat(np.arange(borrowers), legs)
    asset = draw.integers(0, ASSETS, borrowers * legs)
    amounts = draw.integers(10**3, 10**6, borrowers * legs)
    weights = [int(a) * (-8_000 if n % legs == legs - 1 else 8_000) * 10**12 for n, a in enumerate(amounts)]
    table = Screen(borrower, asset, weights, borrowers)
    prices = [int(price) for price in draw.integers(10**8, 10**12, ASSETS)]
    weight = np.array(weights, np.float64)
    vector = np.array(prices, np.float64)
    margin = np.zeros(borrowers)
    took, floor = [], []
    for _ in range(runs):
        begin = time.perf_counter()
        flagged = table.liquidatable(prices)
        took.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        margin[:] = np.add.reduceat(weight * vector[asset], np.arange(0, borrowers * legs, legs))
        floor.append(time.perf_counter() - begin)
    return {
        "borrowers": borrowers, "legs": borrowers * legs, "liquidatable": int(flagged.sum()),
        "ms": min(took) * 1e3, "floor_ms": min(floor) * 1e3, "ratio": min(took) / min(floor),
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------- head


def head(server: Postgres, size: int, changed: tuple[int, ...], blocks: int = 5) -> dict[str, Any]:
    """Build the table for `size` borrowers, then follow blocks; poll at the end."""
    draw = random.Random(size)
    with server.database() as url, psycopg.connect(url, autocommit=True) as connection:
        pool = Pool(connection, size, draw)
        built = _milliseconds(lambda: pool.step())
        connection.execute("VACUUM ANALYZE")
        rows: list[dict[str, Any]] = []
        for count in changed:
            took, looked = [], []
            for _ in range(blocks):
                pool.next_block(count)
                took.append(_milliseconds(pool.step))
                looked.append(pool.looked_at())
            rows.append({"changed": count, "ms": statistics.median(took), "looked_at": int(statistics.median(looked))})
        return {
            "borrowers": size,
            "build_ms": built,
            "blocks": rows,
            "below_edge": pool.below_edge(),
            "poll": poll(connection, pool),
        }


def poll(connection: psycopg.Connection[Any], pool: Pool, runs: int = 200) -> dict[str, Any]:
    """The first page at the head, below 1.05 and without a bound."""
    found = {}
    at = queries.coverage.block_at(connection, CHAIN, pool.block)
    assert at is not None
    for name, bound in (("below_1_05", risk.Decimal("1.05")), ("all", None)):
        took = []
        for _ in range(runs):
            begin = time.perf_counter()
            with connection.transaction():
                page = queries.at_risk.at_risk(
                    connection, at, 100, None, health_factor_lt=bound, drop=None, asset=None, min_debt_usd=None,
                    protocol=None, deployment=None,
                )  # fmt: skip
            took.append((time.perf_counter() - begin) * 1e3)
        found[name] = {
            "rows": len(page.rows),
            "p50_ms": statistics.median(took),
            "p99_ms": sorted(took)[int(runs * 0.99) - 1],
        }
    return found


class Pool:
    """A made-up Aave v3.6 pool: borrowers with two collaterals and a debt, health factors from 1 to 4."""

    def __init__(self, connection: psycopg.Connection[Any], size: int, draw: random.Random) -> None:
        self.connection, self.size, self.draw, self.block = connection, size, draw, BASE
        self.key = key64("aave_v3:1:bench")
        self.oracle = bytes([9] * 20)
        self.assets = [n.to_bytes(20, "big") for n in range(1, ASSETS + 1)]
        self.markets = [key64(f"bench:{n}") for n in range(ASSETS)]
        self.prices = [10**8 * draw.randint(1, 3_000) for _ in range(ASSETS)]
        self.accounts = [n.to_bytes(20, "big") for n in range(10**6, 10**6 + size)]
        with connection.transaction():
            self._ground()
            self._borrowers()
            self._prices()
        connection.execute("VACUUM ANALYZE")

    def _copy(self, table: str, columns: str, rows: Any) -> None:
        with self.connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as into:
            for row in rows:
                into.write_row(row)

    def _ground(self) -> None:
        run = self.connection.execute
        run("INSERT INTO chain VALUES (%s, 'bench', %s, NULL, NULL, NULL)", (CHAIN, self.block))
        run(
            "INSERT INTO deployment VALUES (%s, %s, 'aave_v3', 'aave', '3', 'bench', 'lending', 0, '{}', NULL)",
            (CHAIN, self.key),
        )
        run("INSERT INTO cursor VALUES (%s, 'aave_v3', 0, %s, %s, 'following', NULL)", (CHAIN, self.block, bytes(32)))
        self._header()
        self._copy("token", "chain_id, address, block_number, symbol, decimals, kind",
                   ((CHAIN, a, 0, f"T{n}", 18, "plain") for n, a in enumerate(self.assets)))  # fmt: skip
        self._copy("market", "chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset",
                   ((CHAIN, m, 0, 0, f"bench:{n}", self.key, "aave", self.assets[n]) for n, m in enumerate(self.markets)))  # fmt: skip
        self._copy(
            "market_state",
            "chain_id, market_key, block_number, regime, accrued_at, supply_index_raw, debt_index_raw, supply_rate_raw, "
            "debt_rate_raw, supply_shares_raw, debt_shares_raw",
            (
                (CHAIN, m, 1, "directed_b", SECONDS, RAY, RAY, RAY // 50, RAY // 25, 10**30, 10**29)
                for m in self.markets
            ),
        )
        params = {"ltv_bps": 7_500, "liquidation_threshold_bps": 8_000, "liquidation_bonus_bps": 10_500}
        self._copy("param", "chain_id, subject, name, qualifier, block_number, log_index, value_raw, value_text", [
            *((CHAIN, m, name, "", 1, 0, value, None) for m in self.markets for name, value in params.items()),
            (CHAIN, self.key, "price_oracle", "", 1, 0, None, "0x" + self.oracle.hex()),
            (CHAIN, self.key, "base_currency_unit", "", 1, 0, 10**8, None),
        ])  # fmt: skip

    def _borrowers(self) -> None:
        rows = []
        for account in self.accounts:
            one, two, three = self.draw.sample(range(ASSETS), 3)
            worth = 10 ** self.draw.uniform(2, 6)
            # as many near liquidation however large the pool is: only what is quiet grows with it
            near = len(rows) < 3 * NEAR
            factor = self.draw.uniform(1, 1.05) if near else self.draw.uniform(1.06, 4)
            for at, usd, side in (
                (one, worth * 0.7, "supply"),
                (two, worth * 0.3, "supply"),
                (three, worth * 0.8 / factor, "debt"),
            ):
                rows.append(
                    (
                        CHAIN,
                        self.markets[at],
                        account,
                        side,
                        10,
                        0,
                        0,
                        int(usd * 10**8 / self.prices[at] * 10**18),
                        side == "supply",
                    )
                )
        columns = "chain_id, market_key, account, side, block_number, log_index, leg, shares_raw, is_collateral"
        self._copy("position", columns, rows)
        self._copy("position_change", columns, rows)

    def _header(self) -> None:
        self.connection.execute(
            "INSERT INTO block VALUES (%s, %s, %s, %s, %s)",
            (
                CHAIN,
                self.block,
                self.block.to_bytes(32, "big"),
                (self.block - 1).to_bytes(32, "big"),
                self.block * SECONDS,
            ),
        )

    def _prices(self) -> None:
        self._copy("price", "chain_id, feed, asset, block_number, log_index, price_raw, unit_raw, quote, source",
                   ((CHAIN, self.oracle, a, self.block, -1, p, 10**8, "usd", "oracle")
                    for a, p in zip(self.assets, self.prices, strict=True)))  # fmt: skip

    def next_block(self, changed: int) -> None:
        """Append a block: three prices move by up to 0.1 %, `changed` accounts get a new balance."""
        self.block += 1
        for n in self.draw.sample(range(ASSETS), 3):
            self.prices[n] = int(self.prices[n] * (1 + self.draw.uniform(-0.001, 0.001)))
        some = self.draw.sample(self.accounts, changed)
        with self.connection.transaction():
            self._header()
            self._prices()
            self.connection.execute("UPDATE cursor SET block_number = %s", (self.block,))
            self.connection.execute("UPDATE chain SET head_block = %s", (self.block,))
            self.connection.execute(
                "WITH moved AS (UPDATE position SET block_number = %s, shares_raw = shares_raw + 1 "
                "WHERE account = ANY(%s) AND side = 'debt' RETURNING *) INSERT INTO position_change SELECT * FROM moved",
                (self.block, some),
            )

    def step(self) -> None:
        """What the commit of the block adds for risk."""
        with self.connection.transaction():
            risk.at_step(self.connection, Committed(CHAIN, self.block, self.block, ("aave_v3",), at_head=True))

    def looked_at(self) -> int:
        """Rows computed anew in this block."""
        return self._count("as_of_block = %s", self.block)

    def below_edge(self) -> int:
        """Rows that every block computes anew."""
        return self._count("health_factor < %s", risk.EDGE)

    def _count(self, condition: str, value: Any) -> int:
        row = self.connection.execute(
            f"SELECT count(*) FROM risk_head WHERE is_open AND {condition}".encode(), (value,)
        ).fetchone()
        assert row is not None
        return int(row[0])


def _milliseconds(work: Any) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3
