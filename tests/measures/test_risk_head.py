"""`risk_head` against `account_health` after every step of recorded chains: exact below the edge, nobody missing, and every
quiet row exact as of its own block."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.measures import Committed, risk
from indexer.run import follow_chain
from tests.replay.answers import meta_of
from tests.replay.test_recordings import settings_of

Connection = psycopg.Connection[Any]

CHAIN = 31337

HEALTH = """
SELECT deployment_key, coalesce(market_key, 0), unhex(account), health_factor, health_factor_raw, is_liquidatable, debt_usd,
       collateral_usd, status
FROM account_health(%s, %s) WHERE cardinality(debt_assets) > 0
"""
KEPT = """
SELECT as_of_block, deployment_key, scope, account, health_factor, health_factor_raw, is_liquidatable, debt_usd, collateral_usd,
       status
FROM risk_head WHERE chain_id = %s AND is_open
"""


def truth(connection: Connection, block: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return every borrower at a block."""
    return {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(HEALTH, (CHAIN, block))}


def check(connection: Connection, block: int, history: dict[int, dict[Any, Any]]) -> tuple[int, int]:
    """Hold the table against the truth at `block`; return how many rows are as of it, and how many are older."""
    history[block] = now = truth(connection, block)
    kept = {tuple(row[1:4]): (row[0], tuple(row[4:])) for row in connection.execute(KEPT, (CHAIN,))}
    for key, values in now.items():
        assert key in kept, (block, key, values)
        if values[0] is not None and values[0] < risk.EDGE:
            assert kept[key][0] == block, (block, key, values, kept[key])
    for key, (as_of, values) in kept.items():
        assert key in history[as_of], (block, as_of, key)
        assert values == history[as_of][key], (block, as_of, key)
    assert kept.keys() == now.keys()
    return sum(as_of == block for as_of, _ in kept.values()), sum(as_of != block for as_of, _ in kept.values())


def protocols(connection: Connection) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute("SELECT protocol FROM cursor WHERE chain_id = %s", (CHAIN,)))


def step(connection: Connection, first: int, last: int) -> None:
    """What the commit of a block range at the head does."""
    with connection.transaction():
        risk.at_step(connection, Committed(CHAIN, first, last, protocols(connection), at_head=True))


@pytest.mark.parametrize("name", ["multi", "aave_v36", "morpho_blue"])
def test_after_every_step(
    name: str, recordings: Path, migrated_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk, "LAZY", 1)  # the recordings have a dozen borrowers: leave some quiet
    monkeypatch.setattr(risk, "EDGE", Decimal("1.05"))
    folder, url = recordings / name, migrated_database()
    head = meta_of(folder)["head"]
    follow_chain(settings_of(folder), url, to=head // 2, replay=folder)
    history: dict[int, dict[Any, Any]] = {}
    fresh = quiet = 0
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM risk_head").fetchone() == (0,)  # a backfill does not keep it
        first = head // 2
        for last in range(head // 2, head, max(1, head // 60)):
            follow_chain(settings_of(folder), url, to=last, replay=folder)
            step(connection, first, last)
            counts = check(connection, last, history)
            fresh, quiet, first = fresh + counts[0], quiet + counts[1], last + 1
    assert fresh > 50
    assert quiet > 50
