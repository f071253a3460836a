"""Recorded stories of loopers and of those who only look it, against what the scenario says it did.

`truth.json` was written while the scenario ran, without decoding a log. Its dollars are floats rounded to cents, and its
Morpho debts are of the stored totals, without the interest since the market's last accrual: ours may be that much more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.rebuild import rebuild
from tests.replay.test_recordings import DEMO, settings_of

CENT = 0.011
"""What rounding to cents leaves, USD."""

PROTOCOL = {("aave", "2"): "aave_v2", ("aave", "3"): "aave_v3", ("morpho", "1"): "morpho_blue"}

FOUND = """
SELECT owner_id, turns, depth, shape, is_flash, evidence, closed_block, cycle, multiplier::float8, collateral_usd::float8,
       debt_usd::float8, bound_utilisation::float8, equivalent_depth::float8
FROM loops_at(%s, %s) WHERE method = 'event'
"""


@cache
def truth_of(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return told


@pytest.fixture(scope="module", params=["multi", pytest.param("multi_v36", marks=pytest.mark.slow), "demo"])
def story(request: pytest.FixtureRequest, indexed_database: Callable[[Path], str]) -> tuple[Path, str]:
    folder = DEMO if request.param == "demo" else request.getfixturevalue("recordings") / request.param
    return folder, indexed_database(folder)


def found_at(url: str, chain_id: int, block: int | None) -> dict[str, list[dict[str, Any]]]:
    owners: dict[str, list[dict[str, Any]]] = {}
    with psycopg.connect(url) as connection:
        cursor = connection.execute(FOUND, (chain_id, block))
        names = [column.name for column in cursor.description or ()]
        for row in cursor:
            owners.setdefault(row[0], []).append(dict(zip(names, row, strict=True)))
    return owners


def chain_of(folder: Path) -> int:
    return settings_of(folder).chain_id


def moments(folder: Path) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Every snapshot, and the end."""
    told = truth_of(folder)
    for snapshot in told["snapshots"]:
        yield snapshot["block"], snapshot["accounts"]
    yield None, {account: one["final"] for account, one in told["accounts"].items()}


def test_every_looper_is_found_with_its_turns_and_no_decoy(story: tuple[Path, str]) -> None:
    folder, url = story
    found = found_at(url, chain_of(folder), None)
    told = truth_of(folder)["accounts"]
    loopers = {account: one["turns_done"] for account, one in told.items() if one["is_loop"]}
    assert {account: max(one["turns"] for one in found.get(account, [{"turns": 0}])) for account in loopers} == loopers
    assert [account for account in told if account not in loopers and account in found] == []
    assert all(one["evidence"] == "flows" and one["shape"] == "loop" for account in loopers for one in found[account])
    assert len(loopers) >= 29 and len(told) - len(loopers) >= 14


def test_depth_is_the_turns_times_the_legs_that_borrow(story: tuple[Path, str]) -> None:
    folder, url = story
    found = found_at(url, chain_of(folder), None)
    for account, one in truth_of(folder)["accounts"].items():
        borrowing = sum(leg["debt"] is not None for leg in one["cycle"])
        for loop in found.get(account, ()) if one["is_loop"] else ():
            assert loop["depth"] == one["turns_done"] * borrowing, (account, one["role"])


def test_cycles_have_the_legs_of_the_story(story: tuple[Path, str]) -> None:
    folder, url = story
    told, found = truth_of(folder), found_at(url, chain_of(folder), None)
    with psycopg.connect(url) as connection:
        symbols = dict(connection.execute("SELECT hex(address), symbol FROM token").fetchall())
        pairs = connection.execute("SELECT market_id, collateral_symbol || '/' || symbol FROM markets").fetchall()
    names = dict(pairs)
    for account, one in told["accounts"].items():
        legs = sorted(
            (leg["protocol"], leg["market"] or "", leg["collateral"] or "", leg["debt"] or "") for leg in one["cycle"]
        )
        for loop in found.get(account, ()) if one["is_loop"] else ():
            seen = []
            for leg in loop["cycle"]:
                protocol = PROTOCOL[leg["project"], leg["version"]]
                market = names.get(leg["market_id"]) or ""
                pledged = "".join(symbols[token] for token in leg["collateral"])
                lends_on = leg.get("via") is not None and protocol == "morpho_blue"
                owed = "".join(symbols[token] for token in leg["debt"])
                seen.append((protocol, market, "" if lends_on else pledged, owed))
            assert sorted(seen) == legs, (account, one["role"])


def test_multipliers_at_every_snapshot_are_those_of_the_contracts(story: tuple[Path, str]) -> None:
    folder, url = story
    told, compared = truth_of(folder)["accounts"], 0
    for block, accounts in moments(folder):
        found = found_at(url, chain_of(folder), block)
        for account, figures in accounts.items():
            assert told[account]["is_loop"] or account not in found
            for loop in found.get(account, ()):
                if loop["closed_block"] is not None or figures["multiplier"] is None:
                    continue
                compared += 1
                owed = sum(figures.get(pool, {}).get("debt_usd", 0) for pool in ("aave", "aave_v2"))
                owed += sum(one["debt_usd"] for one in figures["morpho"].values())
                # a receipt that was pledged elsewhere leaves its last digits behind, in a scope without a link
                assert loop["collateral_usd"] == pytest.approx(figures["collateral_usd"], rel=1e-5, abs=0.05)
                interest = loop["debt_usd"] - owed
                at_rest = not any(one["debt_usd"] for one in figures["morpho"].values())
                assert -CENT <= interest <= (CENT if at_rest else 0.01 * owed), (account, block)
                equity = figures["collateral_usd"] - owed - interest
                assert loop["multiplier"] == pytest.approx(figures["collateral_usd"] / equity, rel=1e-4, abs=1e-4)
    assert compared >= 40


def test_open_loops_are_those_that_still_owe(story: tuple[Path, str]) -> None:
    """A loop is closed exactly where the contracts say that nothing is owed or nothing is pledged any more."""
    folder, url = story
    for block, accounts in moments(folder):
        found = found_at(url, chain_of(folder), block)
        for account, figures in accounts.items():
            loops = found.get(account, [])
            if figures["collateral_usd"] == 0 or figures["debt_usd"] == 0:
                assert all(loop["closed_block"] is not None for loop in loops), (account, block)


def test_tags_never_exceed_what_was_supplied(story: tuple[Path, str]) -> None:
    with psycopg.connect(story[1]) as connection:
        wrong = connection.execute(
            # each rule keeps a wallet of its own, so single supplies need not be in order: what is tagged early lacks later
            "SELECT count(*), count(*) FILTER (WHERE greatest(supplied_low_raw, supplied_mid_raw, supplied_high_raw) > supplied_raw) "
            "FROM collateral_tag WHERE supplied_raw > 0"
        ).fetchone()
        shares = connection.execute(
            "SELECT deployment, ts, array_agg(share::float8 ORDER BY rule DESC) FROM dfc WHERE rule <> 'pro_rata' "
            "AND share IS NOT NULL GROUP BY 1, 2, deployment_key HAVING count(*) = 2"
        ).fetchall()
    assert wrong is not None and wrong[0] > 50 and wrong[1] == 0
    assert shares and all(0 <= low <= high <= 1 for _, _, (low, high) in shares)


def test_without_wallet_flows_the_rest_says_that_it_is_assumed(migrated_database: Callable[[], str]) -> None:
    from indexer.run import follow_chain

    url = migrated_database()
    follow_chain(settings_of(DEMO).model_copy(update={"wallet_flows": False}), url, to="latest", replay=DEMO)
    told = truth_of(DEMO)["accounts"]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM token_transfer").fetchone() == (0,)
        evidence = {row[0] for row in connection.execute("SELECT evidence FROM loop_link")}
        sure = {row[0] for row in connection.execute("SELECT hex(owner) FROM loop_link WHERE evidence <> 'assumed'")}
    assert evidence <= {"registry", "assumed"}
    assert [account for account in sure if account in told and not told[account]["is_loop"]] == []


def test_a_rebuild_from_kept_logs_gives_the_same_links(story: tuple[Path, str]) -> None:
    folder, url = story
    if folder != DEMO:
        pytest.skip("one recording is enough")
    everything = "SELECT t::text FROM {} t ORDER BY 1"
    tables = ("token_transfer", "loop_link", "collateral_tag", "dfc_snapshot")
    with psycopg.connect(url, autocommit=True) as connection:
        before = [connection.execute(everything.format(name).encode()).fetchall() for name in tables]
        rebuild(settings_of(folder), url, from_block=500)
        assert [connection.execute(everything.format(name).encode()).fetchall() for name in tables] == before
    assert all(before)
