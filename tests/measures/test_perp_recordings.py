"""Open interest, hourly bins and purges of recorded chains against the contracts' own answers and logs.

Expected values are recorded `eth_call` results and raw log words, and the scenario's own record; nothing of the indexer
computes them.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.aggregation import imbalance, open_interest
from indexer.config import ChainSettings, DeploymentSettings
from indexer.protocols.perp_v2 import PROTOCOL
from indexer.run import follow_chain
from tests.replay.answers import answers_of, meta_of

PERP = Path(__file__).resolve().parents[1] / "protocols" / "perp_v2" / "recording"
HOUR = 3_600
KEPT = ("market_hour", "asset_hour", "perp_market_snapshot")


def perp_settings(folder: Path, **changes: Any) -> ChainSettings:
    meta = meta_of(folder)
    kinds = {contract.kind for contract in PROTOCOL.contracts} | set(PROTOCOL.required)
    deployment = DeploymentSettings(
        protocol="perp_v2", name="recorded", start_block=0,
        contracts={name: address for name, address in meta["contracts"].items() if name in kinds},
    )  # fmt: skip
    return ChainSettings(
        name="recorded", chain_id=meta["chain_id"], protocols=("perp_v2",), deployment=(deployment,), **changes
    )


@pytest.fixture(scope="module")
def perp(migrated_database: Callable[[], str]) -> str:
    url = migrated_database()
    follow_chain(perp_settings(PERP), url, to="latest", replay=PERP)
    return url


@pytest.fixture(scope="module")
def lending(indexed_database: Callable[[Path], str], recordings: Path) -> str:
    return indexed_database(recordings / "multi")


def select(url: str, query: str, *values: Any) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), values).fetchall()


def signed(word: str) -> int:
    value = int(word, 16)
    return value - 2**256 if value >= 2**255 else value


def words(data: str) -> list[str]:
    return [data[n : n + 64] for n in range(2, len(data), 64)]


def blocks(folder: Path) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    with gzip.open(folder / "chain.jsonl.gz", "rt") as lines:
        next(lines)
        for line in lines:
            row = json.loads(line)
            yield int(row["block"]["number"], 16), int(row["block"]["timestamp"], 16), row["logs"]


def test_open_interest_is_the_sum_of_what_the_contract_says_of_each_taker(perp: str) -> None:
    meta = meta_of(PERP)
    answers: dict[int, dict[str, dict[tuple[str, str], int]]] = defaultdict(lambda: defaultdict(dict))
    for answer in answers_of(PERP):
        label, value = answer["label"], signed(answer["result"][2:66])
        answers[answer["block"]][label["what"]][
            label.get("account", ""), label.get("base", label.get("market", ""))
        ] = value
    compared = 0
    for block, said in sorted(answers.items()):
        rows = select(perp, "SELECT * FROM perp_market_state_at(%s, %s) WHERE NOT is_kept", meta["chain_id"], block)
        sizes, margins = said["getTakerPositionSize"], Decimal(0)
        for row in rows:
            base = row["market"].rsplit(":", 1)[1]
            longs = [size for (_, of), size in sizes.items() if of == base and size > 0]
            shorts = [-size for (_, of), size in sizes.items() if of == base and size < 0]
            assert (row["long_oi_base"] * 10**18, row["short_oi_base"] * 10**18) == (sum(longs), sum(shorts)), block
            assert (row["n_long"], row["n_short"]) == (len(longs), len(shorts)), block
            name = next(name for name, market in meta["notes"]["markets"].items() if market["base"] == base)
            if row["mark"] is not None:
                root = said["slot0"]["", name]
                assert abs(row["mark"] / (Decimal(root) ** 2 / Decimal(2) ** 192) - 1) < Decimal("1e-15")
                assert row["oi_usd"] == pytest.approx(row["mark"] * (sum(longs) + sum(shorts)) / 10**18)
            margins += (row["margin_long"] or 0) + (row["margin_short"] or 0)
            compared += len(longs) + len(shorts)
        held = {account for (account, _), size in sizes.items() if size}
        posted = sum(
            Decimal(said["getBalance"][account, ""]) / 10**6
            + Decimal(said["getPnlAndPendingFee"][account, ""]) / 10**18
            for account in held
        )
        if all(row["mark"] is not None for row in rows):
            # split over an account's positions, and nothing lost by it
            assert margins == pytest.approx(posted, rel=Decimal("1e-15"))
    assert compared > 30


def test_what_was_liquidated_is_what_the_logs_say(perp: str) -> None:
    from indexer.decode import abi

    topic = {
        name: next(iter(abi.events("perp_v2", "ClearingHouse")[name])).topic0
        for name in ("PositionLiquidated", "PositionChanged")
    }
    told: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    count = 0
    for _, time, logs in blocks(PERP):
        for log in logs:
            if log["topics"][0] != topic["PositionLiquidated"]:
                continue
            trader, base = log["topics"][1], "0x" + log["topics"][2][-40:]
            size = abs(signed(words(log["data"])[1]))  # positionNotional, positionSize, liquidationFee, liquidator
            trades = [
                signed(words(other["data"])[0])  # exchangedPositionSize
                for other in logs
                if other["transactionHash"] == log["transactionHash"] and other["topics"][0] == topic["PositionChanged"]
                and other["topics"][1] == trader
            ]  # fmt: skip
            assert [abs(trade) for trade in trades] == [size]
            sums = told[base, (time // HOUR + 1) * HOUR]
            sums[0] += size
            sums[1] += size if trades[0] < 0 else 0
            count += 1
    assert count == meta_of(PERP)["notes"]["liquidations"] == 11
    rows = select(
        perp,
        "SELECT m.market_id, h.* FROM market_hour h JOIN market m USING (chain_id, market_key) WHERE liquidated_raw > 0",
    )
    assert {
        (row["market_id"].rsplit(":", 1)[1], row["bucket"]): [row["liquidated_raw"], row["liquidated_long_raw"]]
        for row in rows
    } == told
    events = select(perp, "SELECT * FROM purge_events WHERE kind = 'purge'")
    assert events and all(event["liquidated_raw"] > 0 and event["side"] == "long" for event in events)


def test_sql_is_the_pure_functions(perp: str) -> None:
    rows = select(
        perp,
        "SELECT s.*, i.oi_skew, i.account_skew, i.leverage_skew, i.long_short_ratio, i.funding_annualised, i.funding_apy, "
        "i.basis, i.notional_to_oi, i.variant FROM perp_market_state s "
        "JOIN imbalance i USING (chain_id, market, block_number, is_kept)",
    )
    assert len(rows) > 20 and sum(row["is_kept"] for row in rows) == len(rows) - 2

    def near(one: Any, other: Any) -> None:
        assert one == (
            None if other is None else pytest.approx(Decimal(other), rel=Decimal("1e-12"), abs=Decimal("1e-15"))
        )

    for row in rows:
        long, short = row["long_oi_base"], row["short_oi_base"]
        made = open_interest.open_interest(long, short, row["mark"], row["oi_convention"])
        assert row["oi_base"] == made.oi_base
        for name in ("oi_usd", "long_oi_usd", "short_oi_usd"):
            near(row[name], getattr(made, name))
        near(row["gross_to_oi"], open_interest.gross_to_oi(long, short, made.oi_base).value)
        near(row["oi_skew"], imbalance.oi_skew(long, short, row["oi_convention"]))
        near(row["account_skew"], imbalance.skew(Decimal(row["n_long"]), Decimal(row["n_short"])))
        near(row["basis"], imbalance.basis(row["mark"], row["index"]))
        near(
            row["long_short_ratio"],
            imbalance.long_short_ratio(Decimal(row["n_long"]), Decimal(row["n_short"]), "accounts").value,
        )
        if made.long_oi_usd is not None and made.short_oi_usd is not None:
            margins = (row["margin_long"], row["margin_short"])
            near(
                row["leverage_skew"],
                imbalance.leverage_skew(made.long_oi_usd, margins[0], made.short_oi_usd, margins[1]),
            )
            near(row["notional_to_oi"], open_interest.oi_to_margin(made.oi_usd, sum(margins)).value)
        assert row["variant"] == "oi_to_margin"
        if row["funding_rate"] is not None:
            near(
                row["funding_annualised"],
                imbalance.funding_rate_annualised(row["funding_rate"], row["funding_interval_s"]),
            )
            assert row["funding_apy"] == pytest.approx(
                imbalance.funding_apy(row["funding_rate"], row["funding_interval_s"])
            )


def kept(url: str) -> dict[str, list[str]]:
    with psycopg.connect(url) as connection:
        return {table: sorted(map(str, connection.execute(f"SELECT * FROM {table}".encode()))) for table in KEPT}


@pytest.mark.parametrize("interval", ["1d", pytest.param("1h", marks=pytest.mark.slow)])
def test_in_pieces_and_after_a_reorg_as_at_once(interval: Any, migrated_database: Callable[[], str]) -> None:
    from indexer.rebuild import rebuild

    once, pieces, settings = migrated_database(), migrated_database(), perp_settings(PERP, snapshot_interval=interval)
    follow_chain(settings, once, to="latest", replay=PERP)
    for stop in [*range(100, 1000, 83), 991, 992, 993, "latest"]:
        follow_chain(settings, pieces, to=stop, replay=PERP)
    whole = kept(once)
    assert kept(pieces) == whole
    assert all(len(whole[table]) > 10 for table in ("market_hour", "perp_market_snapshot"))
    # what a reorg does: everything above a block is taken back, in the middle of an hour and of a day, and made anew
    rebuild(settings, once, from_block=843)
    assert kept(once) == whole


def test_debt_of_lending_is_the_contracts_total(lending: str, recordings: Path) -> None:
    """Bins that end with a block that was asked: Aave's debt token total, Morpho's total borrow assets, to the last digit."""
    meta = meta_of(recordings / "multi")
    said: dict[tuple[str, int], int] = {}
    for answer in answers_of(recordings / "multi"):
        label = answer["label"]
        if label["what"] == "totalSupply" and label["kind"] != "aToken":
            said[meta["contracts"][label["market"]], answer["block"]] = int(answer["result"], 16)
        elif label["what"] == "market":
            said[label["id"], answer["block"]] = int(words(answer["result"])[2], 16)
    rows = select(lending, "SELECT m.market_id, h.* FROM market_hour h JOIN market m USING (chain_id, market_key)")
    compared = 0
    for row in rows:
        asked = (row["market_id"].rsplit(":", 1)[1], row["block_number"])
        if asked in said:
            assert row["exposure_raw"] == said[asked], asked
            compared += 1
    assert compared >= 10
    # at every other block that was asked the last bin is the contract's total less the interest since
    for (market, block), total in said.items():
        before = [row for row in rows if row["market_id"].endswith(market) and row["block_number"] <= block]
        if before and block in (1099, 1169, 1226):  # before the crash, after it, the end
            last = max(before, key=lambda row: row["block_number"])
            assert last["exposure_raw"] <= total <= last["exposure_raw"] * Decimal("1.01") + 1, (market, block)


def test_a_crash_is_told_as_purges_of_debt(lending: str, recordings: Path) -> None:
    truth = json.loads((recordings / "multi" / "truth.json").read_text())
    meta = meta_of(recordings / "multi")
    ids = {name: market["id"] for name, market in meta["notes"]["markets"].items()}
    repaid: dict[str, int] = defaultdict(int)
    struck = set()
    for one in truth["liquidations"]:
        if one["protocol"] == "morpho_blue":
            repaid[ids[one["market"]]] += int(one["debt_before"]) - int(one["debt_after"])
            struck.add(ids[one["market"]])
    rows = select(
        lending,
        "SELECT m.market_id, sum(h.liquidated_raw) AS liquidated FROM market_hour h JOIN market m USING (chain_id, market_key) "
        "WHERE h.liquidated_raw > 0 GROUP BY 1",
    )
    found = {row["market_id"].rsplit(":", 1)[1]: row["liquidated"] for row in rows}
    for market, debt in repaid.items():
        # the scenario looked at debts before and after: interest of that block, and bad debt written off with the last part
        assert found[market] == pytest.approx(debt, rel=0.02)
    events = select(lending, "SELECT * FROM purge_events")
    purged = {event["market"].rsplit(":", 1)[1] for event in events if event["kind"] == "purge"}
    assert purged & struck and all(event["exposure_kind"] == "debt" and event["side"] is None for event in events)
    first = min(one["block"] for one in truth["liquidations"])
    for event in events:
        if event["kind"] == "purge":
            assert event["block_number"] >= first and event["forced_share"] > Decimal("0.9")
    wide = [event for event in events if event["kind"] == "voluntary_deleveraging" and event["start_time"].day == 29]
    assert wide and all(event["liquidated_raw"] == 0 for event in wide)  # its owners unwound after the crash
    fall = select(lending, "SELECT * FROM market_corrections WHERE symbol = 'WETH'")
    assert [one["kind"] for one in fall] == ["correction"] and fall[0]["purge_ids"]
    lowest = min(
        int(answer["result"], 16)
        for answer in answers_of(recordings / "multi")
        if answer["label"]["what"] == "getAssetPrice" and answer["label"]["market"] == "WETH"
    )
    assert fall[0]["trough"] <= Decimal(lowest) / 10**8
