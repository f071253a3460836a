"""`risk_head` against `account_health` after every step of recorded chains: exact below the edge, nobody missing, and every
quiet row exact as of its own block. After reorgs too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer import measures
from indexer.measures import Committed, risk
from indexer.run import follow_chain
from indexer.store.queries import at_risk, coverage
from tests.hardday.drive import Following
from tests.hardday.story import Keep, Story, everything, only_aave, only_morpho, serve, settings
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

Truth = dict[tuple[Any, ...], tuple[Any, ...]]


def truth(connection: Connection, block: int) -> Truth:
    """Return every borrower at a block."""
    return {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(HEALTH, (CHAIN, block))}


def check(connection: Connection, block: int, history: dict[int, Truth]) -> tuple[int, int]:
    """Hold the table against the truth at `block`; return how many rows are as of it, and how many are older."""
    history[block] = now = truth(connection, block)
    kept = {tuple(row[1:4]): (row[0], tuple(row[4:])) for row in connection.execute(KEPT, (CHAIN,))}
    for key, values in now.items():
        assert key in kept, (block, key, values)
        if values[0] is not None and values[0] < risk.EDGE:
            assert kept[key][0] == block, (block, key, values, kept[key])
    for key, (as_of, values) in kept.items():
        if as_of not in history:
            history[as_of] = truth(connection, as_of)
        assert values == history[as_of].get(key), (block, as_of, key)
    assert kept.keys() == now.keys()
    return sum(as_of == block for as_of, _ in kept.values()), sum(as_of != block for as_of, _ in kept.values())


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings have a dozen borrowers: leave most of them quiet, and never compute everything anew."""
    monkeypatch.setattr(risk, "LAZY", 1)
    monkeypatch.setattr(risk, "EDGE", Decimal("1.05"))


@pytest.mark.parametrize(
    ("name", "since", "blocks"),
    [
        ("multi", 0.55, 13),
        pytest.param("aave_v36", 0.6, 11, marks=pytest.mark.slow),
        pytest.param("morpho_blue", 0.3, 11, marks=pytest.mark.slow),
    ],
)
def test_after_every_step(
    name: str, since: float, blocks: int, recordings: Path, migrated_database: Callable[[], str], strict: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder, url = recordings / name, migrated_database()
    begin = int(meta_of(folder)["head"] * since)
    history: dict[int, Truth] = {}
    counts: list[tuple[int, int]] = []

    def at_head_since(connection: Connection, step: Committed) -> None:
        """From `begin` on, every step is one at the head."""
        risk.at_step(connection, replace(step, at_head=step.last >= begin))
        if step.last < begin:
            assert connection.execute("SELECT count(*) FROM risk_head").fetchone() == (0,)
        else:
            counts.append(check(connection, step.last, history))

    monkeypatch.setattr(measures, "AT_STEP", (at_head_since,))
    follow_chain(settings_of(folder).model_copy(update={"max_block_range": blocks}), url, to="latest", replay=folder)
    assert len(counts) > 15
    assert sum(fresh for fresh, _ in counts) > 50
    assert sum(quiet for _, quiet in counts) > 50


def test_who_was_at_risk_some_blocks_ago(migrated_database: Callable[[], str], strict: None) -> None:
    """From the table of the head: whoever is left out was not below the bound then. Everybody, where it cannot be told."""
    story, first, last = Story(150), 151, 163
    fewer = 0
    with serve(story) as node, Following(settings(node), migrated_database()) as indexer:
        indexer.reach(story)
        for block in range(first, last + 1):
            with node.lock:
                story.go_on(block)
            indexer.reach(story)
        with psycopg.connect(indexer.url) as connection:
            for block in range(first - 5, last + 1):
                for below in (Decimal("1.02"), Decimal("1.3"), Decimal(2)):
                    told = connection.execute("SELECT risk_suspects(%s, %s, %s)", (CHAIN, block, below)).fetchone()
                    assert told is not None and told[0] is not None
                    rows = connection.execute(
                        "SELECT unhex(account), health_factor < %s FROM liquidation_risk_at(%s, %s)",
                        (below, CHAIN, block),
                    ).fetchall()
                    assert {account for account, is_below in rows if is_below} <= set(told[0]), (block, below)
                    fewer += len({account for account, _ in rows} - set(told[0]))
            at = coverage.block_at(connection, CHAIN, last - 3)
            assert at is not None and not at_risk.holds(connection, at)
            listed = at_risk.at_risk(
                connection, at, 1000, None, health_factor_lt=Decimal("1.3"), drop=None, asset=None, min_debt_usd=None,
                protocol=None, deployment=None,
            )  # fmt: skip
            found = connection.execute(
                "SELECT account, health_factor_raw::text FROM liquidation_risk_at(%s, %s) WHERE health_factor < 1.3 "
                "ORDER BY health_factor, account, deployment_key, coalesce(market_id, '')", (CHAIN, last - 3)
            ).fetchall()  # fmt: skip
            assert [(row["account"], row["health_factor_raw"]) for row in listed.rows] == found != []
            for block, bound in ((last, None), (last - 80, Decimal("1.3"))):  # no bound; a final block
                told = connection.execute("SELECT risk_suspects(%s, %s, %s)", (CHAIN, block, bound)).fetchone()
                assert told == (None,)
    assert fewer > 20


@pytest.mark.parametrize(
    ("depth", "length", "keep"),
    [
        (5, 6, only_morpho),
        pytest.param(1, 2, everything, marks=pytest.mark.slow),
        pytest.param(9, 10, only_aave, marks=pytest.mark.slow),
        pytest.param(30, 31, everything, marks=pytest.mark.slow),
    ],
)
def test_after_a_reorg(depth: int, length: int, keep: Keep, migrated_database: Callable[[], str], strict: None) -> None:
    """The rows of the old branch are looked at again, also those of accounts that it had closed."""
    story, url = Story(150), migrated_database()
    with serve(story) as node, Following(settings(node), url) as indexer:
        indexer.reach(story)
        for to in range(152, 190, 4):
            with node.lock:
                story.go_on(to)
            indexer.reach(story)
        with psycopg.connect(url, autocommit=True) as connection:
            before = check(connection, story.head, {})
        with node.lock:
            story.replace(depth, length, keep)
        indexer.reach(story)
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM reorg").fetchone() == (1,)
            after = check(connection, story.head, {})
            assert connection.execute("SELECT bool_and(is_current) FROM risk_head_state").fetchone() == (True,)
    assert sum(before) and sum(after)
