"""Purges and corrections by SQL are those of the pure functions, on series made by chance with gaps, crashes and depegs.

The bins and closes are written to the tables by hand; neither side of the comparison makes them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from indexer.aggregation.corrections import HOUR, corrections
from indexer.aggregation.purges import Bin, purges, readings

CHAIN = 1
DAY = 24 * HOUR
ASSET = bytes.fromhex("aa" * 20)


class Books:
    """One chain with a perp and a lending market and rows of hours."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("INSERT INTO chain (chain_id, name) VALUES (1, 'test')")
        for key, kind, accounting in ((1, "perp", "perp_v2"), (2, "lending", "aave")):
            self.connection.execute(
                "INSERT INTO deployment (chain_id, deployment_key, protocol, project, version, name, kind, start_block, contracts) "
                "VALUES (1, %s, %s, %s, '1', 'test', %s, 0, %s)",
                (key, accounting, accounting, kind, Jsonb({})),
            )
            self.connection.execute(
                "INSERT INTO market (chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset) "
                "VALUES (1, %s, 0, 0, %s, %s, %s, %s)",
                (key, f"market:{key}", key, accounting, ASSET),
            )
            self.connection.execute(
                "INSERT INTO cursor (chain_id, protocol, start_block, block_number, status) VALUES (1, %s, 0, 1, 'following')",
                (accounting,),
            )
        self.connection.execute(
            "INSERT INTO token (chain_id, address, block_number, symbol, decimals, kind) VALUES (1, %s, 0, 'X', 0, 'plain')",
            (ASSET,),
        )

    def until(self, time: int) -> None:
        """Put the indexed head there."""
        self.connection.execute("DELETE FROM block")
        self.connection.execute(
            "INSERT INTO block (chain_id, block_number, block_hash, block_timestamp) VALUES (1, 1, '\\x01', %s)",
            (time,),
        )

    def hour(self, market: int, bucket: int, one: Bin) -> None:
        self.connection.execute(
            "INSERT INTO market_hour (chain_id, market_key, bucket, block_number, exposure_raw, liquidated_raw, "
            "liquidated_long_raw, mark) VALUES (1, %s, %s, 1, %s, %s, %s, %s)",
            (
                market, bucket, one.exposure, one.liquidated, one.liquidated_long,
                None if one.price is None else Decimal(one.price.numerator) / one.price.denominator,
            ),
        )  # fmt: skip

    def close(self, bucket: int, price: Decimal) -> None:
        self.connection.execute("INSERT INTO asset_hour VALUES (1, %s, %s, 1, %s)", (ASSET, bucket, price))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode()).fetchall()


@pytest.fixture
def books(migrated_database: Callable[[], str]) -> Iterator[Books]:
    made = Books(migrated_database())
    yield made
    made.connection.close()


def story(chance: random.Random, hours: int) -> dict[int, Bin]:
    """Bins of the hours that moved, the first of them hour 0: quiet trade, crashes, slow exits, silences."""
    found, exposure, price = {}, 10_000, 2_000
    for hour in range(hours):
        if hour and chance.random() < 0.35:
            continue
        kind = chance.random()
        liquidated = chance.choice([0, 0, 1, 5])
        if kind < 0.08:
            lost = exposure * chance.randint(5, 40) // 100
            liquidated = lost * chance.randint(0, 120) // 100
            exposure, price = exposure - lost, price * chance.randint(85, 99) // 100
        elif kind < 0.5:
            exposure = max(exposure + chance.randint(-300, 400), 0)
        long = liquidated * chance.choice([0, 50, 70, 100]) // 100
        found[hour] = Bin(exposure, liquidated, None if chance.random() < 0.05 else long, Fraction(price))
    return found


def dense(bins: dict[int, Bin], hours: int) -> list[Bin | None]:
    """What a row means until the next: exposure and price as they were, nothing liquidated."""
    found: list[Bin | None] = []
    for hour in range(hours):
        last = found[-1] if found else None
        found.append(bins.get(hour) or (last and Bin(last.exposure, 0, 0, last.price)))
    return found


def share(value: Fraction | None) -> Decimal | None:
    if value is None:
        return None
    return (Decimal(value.numerator) / value.denominator).quantize(Decimal("1e-15"))


def cut(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal("1e-15"))


@pytest.mark.parametrize("seed", range(4))
def test_purges(seed: int, books: Books) -> None:
    hours = 300
    chance = random.Random(seed)
    first = 472_000 * HOUR
    bins = story(chance, hours)
    for hour, one in bins.items():
        books.hour(1, first + hour * HOUR, one)
    books.until(first + (hours - 1) * HOUR + 7)
    series = dense(bins, hours)
    expected = {
        one.at: (one.peak_at, one.peak, share(one.contraction), share(one.intensity), share(one.burst), share(one.forced_share), one.verdict)
        for one in readings(series)
        if one.contraction >= Fraction(1, 10)
    }  # fmt: skip
    said = {
        (row[0] - first) // HOUR: ((row[1] - first) // HOUR, row[2], *map(cut, row[3:7]), row[7])
        for row in books.rows(
            "SELECT bucket, peak_bucket, peak_raw, contraction, liq_intensity, burst, forced_share, verdict "
            "FROM purge_readings_at(NULL, NULL)"
        )
    }
    assert said == expected and len(expected) > 10
    events = [
        (one.kind, one.start, one.trough, one.end, one.peak, one.low, one.liquidated, share(one.contraction),
         share(one.forced_share), one.side, share(one.price_move))
        for one in purges(series)
    ]  # fmt: skip
    assert [
        (row[0], *((int(row[n].timestamp()) - first) // HOUR for n in (1, 2, 3)), *row[4:7], cut(row[7]), cut(row[8]), row[9], cut(row[10]))
        for row in books.rows(
            "SELECT kind, start_time, trough_time, end_time, peak_raw, trough_raw, liquidated_raw, contraction, forced_share, "
            "side, price_move FROM purge_events ORDER BY end_bucket"
        )
    ] == events  # fmt: skip
    assert {"purge", "voluntary_deleveraging"} == {event[0] for event in events}
    assert len({row[0] for row in books.rows("SELECT id FROM purge_events")}) == len(events)


def test_what_came_later_does_not_rewrite_the_past(books: Books) -> None:
    first, hours = 472_000 * HOUR, 200
    for hour, one in story(random.Random(99), hours).items():
        books.hour(1, first + hour * HOUR, one)
    books.until(first + hours * HOUR)
    query = "SELECT bucket, peak_bucket, verdict FROM purge_readings_at(NULL, NULL) ORDER BY bucket"
    whole = books.rows(query)
    assert len(whole) > 10
    for hour in range(20, hours, 17):
        books.until(first + hour * HOUR + 1)
        assert books.rows(query) == [row for row in whole if row[0] <= first + hour * HOUR]


def prices(chance: random.Random, kind: str, days: int) -> list[tuple[int, Decimal]]:
    found, price, hour = [], Decimal(2000) if kind == "free" else Decimal(1), 11_300 * DAY
    end = hour + days * DAY
    while hour < end:
        found.append((hour, price))
        hour += HOUR * chance.choice([1, 1, 2, 5, 30, 24 * 20 if chance.random() < 0.1 else 3])
        if kind == "free":
            price = (price * Decimal(chance.randint(92, 108)) / 100).quantize(Decimal("0.00000001"))
        else:
            price = Decimal(chance.choice(["1", "1", "0.999", "1.002", "0.996", "0.97", "1.03", "0.85"]))
    return found


@pytest.mark.parametrize(("seed", "kind"), [(1, "free"), (2, "free"), (3, "free"), (4, "stable"), (5, "stable")])
def test_corrections(seed: int, kind: str, books: Books) -> None:
    closes = prices(random.Random(seed), kind, 260)
    for bucket, price in closes:
        books.close(bucket, price)
    until = closes[-1][0] + 100 * DAY
    books.until(until + 59)
    expected = [
        (one.kind, one.opened, one.closed, one.peak, one.peak_at, one.trough, one.trough_at, cut(one.depth))
        for one in corrections(closes, until)
    ]
    said = books.rows(
        "SELECT kind, opened, closed, peak, peak_at, trough, trough_at, depth FROM correction_episodes_at(NULL, NULL) "
        "WHERE market_key IS NULL ORDER BY opened, kind"
    )
    assert [(*row[:7], cut(row[7])) for row in said] == expected
    assert len(expected) >= 2
    assert {one[0] for one in expected} >= ({"correction"} if kind == "free" else {"depeg"})


def test_the_worked_reset_with_its_purge(books: Books) -> None:
    """4000 to 3500 while debt goes from 100 to 88, 9 of it liquidated in one hour."""
    first = 472_000 * HOUR
    books.hour(2, first, Bin(100))
    books.hour(2, first + 31 * HOUR, Bin(88, 9))
    books.close(first, Decimal(4000))
    books.close(first + 31 * HOUR, Decimal(3500))
    books.close(first + 33 * HOUR, Decimal(3700))
    books.until(first + 34 * HOUR)
    rows = books.rows(
        "SELECT kind, depth, leverage_reset, liquidated_share, closed_time, purge_ids, leverage_change, market FROM market_corrections"
    )
    # at 4000 each: the debt in dollars fell by 23 %, of which the price is 12.5
    assert rows == [
        ("correction", Decimal("0.125"), Decimal("0.12"), Decimal("0.09"), None,
         [f"market:2@{first + 31 * HOUR}"], None, None),
    ]  # fmt: skip
    assert books.rows("SELECT kind, exposure_kind, forced_share, side, price_move FROM purge_events") == [
        ("purge", "debt", Decimal("0.75"), None, None)
    ]
