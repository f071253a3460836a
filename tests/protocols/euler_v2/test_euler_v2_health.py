"""Health of Euler accounts against what the contract did: a liquidation's discount is the violator's health.

The recording has no account views. But `Liquidate` tells repaid debt and seized shares, and the contract sets repaid
value / seized value = health, not below 1 - the vault's maximal discount (calculateMaxLiquidation). Prices are given to
the replay as reads.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.decode.abi import call
from tests.protocols.euler_v2.test_euler_v2 import HERE, index
from tests.replay.answers import meta_of

LIQUIDATE = "0x8246cc71ab01533b5bebc672a636df812f10637ad720797319d5741d5ebb3962"
VAULT_STATUS = "0x80b61abbfc5f73cfe5cf93cec97a69ed20643dc6c6f1833b05a1560aa164e24c"
OWNER_REGISTERED = "0x67cb2734834e775d6db886bf16ac03d7273b290223ee5363354b385ec5b643b0"
CONTROLLER_STATUS = "0x9919d437ee612d4ec7bba88a7d9bc4fc36a0a23608ad6259252711a46b708af9"
PRICE_SET = "0xf9a09e2869a1f88523f00504328d7965866201bafe501573db2e114e3375a086"
UNIT = "0x" + f"{1:040x}"


def logs(folder: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / "chain.jsonl.gz", "rt") as lines:
        next(lines)
        for line in lines:
            yield from json.loads(line)["logs"]


def words(log: dict[str, Any]) -> list[int]:
    return [int(log["data"][n : n + 64], 16) for n in range(2, len(log["data"]), 64)]


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory, migrated_database: Callable[[], str]) -> tuple[str, list[Any]]:
    """The recording with the oracle's answers one block before each liquidation, and the liquidations with their discounts."""
    folder = tmp_path_factory.mktemp("euler")
    shutil.copy(HERE / "chain.jsonl.gz", folder)
    meta = meta_of(HERE)
    vaults = {entry["vault"]: entry["asset"] for entry in meta["notes"]["vaults"].values()}
    totals = {vault: (0, 0) for vault in vaults}
    prices: dict[str, int] = {}
    told: list[tuple[int, dict[str, int], dict[str, tuple[int, int]], dict[str, Any]]] = []
    for log in logs(HERE):
        if log["topics"][0] == PRICE_SET:
            prices["0x" + log["topics"][1][-40:]] = words(log)[0]
        elif log["topics"][0] == VAULT_STATUS:
            shares, borrows, _, cash, *_ = words(log)
            totals[log["address"]] = cash + borrows, shares
        elif log["topics"][0] == LIQUIDATE:
            told.append((int(log["blockNumber"], 16), dict(prices), dict(totals), log))
    found = []
    with gzip.open(folder / "reads.jsonl.gz", "wt") as out:
        for block, at, of_vault, log in told:
            quotes = {}
            for vault, asset in vaults.items():
                one = 10 ** meta["tokens"][asset]["decimals"]
                assets, shares = of_vault[vault]
                whole = one * (assets + 10**6) // (shares + 10**6)
                quotes[asset], quotes[vault] = one * at[asset] // 10**18, whole * at[asset] // 10**18
            for token, quote in quotes.items():
                data = call("getQuote(uint256,address,address)", 10 ** meta["tokens"][token]["decimals"], token, UNIT)
                line = {"block": block - 1, "label": {"reason": "price"}, "to": meta["contracts"]["EventOracle"], "data": data,
                        "result": "0x" + f"{quote:064x}"}  # fmt: skip
                out.write(json.dumps(line) + "\n")
            collateral, repaid, seized = words(log)
            taken, asset = "0x" + f"{collateral:040x}", vaults[log["address"]]
            value = repaid * quotes[asset] / 10 ** meta["tokens"][asset]["decimals"]
            of_seized = seized * quotes[taken] / 10 ** meta["tokens"][taken]["decimals"]
            found.append((block, "0x" + log["topics"][2][-40:], log["address"], value / of_seized))
    url = migrated_database()
    index(folder, url)
    return url, found


def health(connection: psycopg.Connection[Any], block: int, account: str) -> Any:
    return connection.execute(
        "SELECT health_factor, is_liquidatable, market_id FROM account_health(%s, %s) WHERE account = %s",
        (meta_of(HERE)["chain_id"], block, account),
    ).fetchone()


def discount(connection: psycopg.Connection[Any], vault: str) -> float:
    """The vault's GovSetMaxLiquidationDiscount, which the scenario sets once."""
    row = connection.execute(
        "SELECT p.value_raw FROM param p JOIN market m ON m.market_key = p.subject"
        " WHERE p.name = 'max_liquidation_discount_bps' AND hex(m.supply_token) = %s",
        (vault,),
    ).fetchone()
    assert row is not None
    return int(row[0]) / 10_000


def test_the_discount_of_every_liquidation_is_the_health(priced: tuple[str, list[Any]]) -> None:
    url, liquidations = priced
    exact = 0
    with psycopg.connect(url) as connection:
        for block, violator, vault, ratio in liquidations:
            factor, liquidatable, market = health(connection, block - 1, violator)
            assert liquidatable, (block, violator, factor)
            assert market.endswith(vault)
            least = 1 - discount(connection, vault)
            assert max(float(factor), least) == pytest.approx(ratio, rel=1e-4), block
            exact += factor > least
    assert len(liquidations) >= 10
    assert exact >= 3


def test_a_lender_owes_nothing_and_has_no_market(priced: tuple[str, list[Any]]) -> None:
    with psycopg.connect(priced[0]) as connection:
        rows = connection.execute(
            "SELECT h.status, h.market_id, h.is_liquidatable, h.max_borrow_raw FROM account_health(%s, 600) h"
            " WHERE NOT EXISTS (SELECT FROM positions_at(%s, 600) p WHERE p.account = h.account AND p.side = 'debt')",
            (meta_of(HERE)["chain_id"],) * 2,
        ).fetchall()
    assert rows
    # the unit of account of the recording is not the dollar: no USD price, so unpriced
    assert set(rows) == {("unpriced", None, False, None)}


def test_owners_and_switches(priced: tuple[str, list[Any]]) -> None:
    owners = {
        (log["topics"][1][:40], "0x" + log["topics"][2][-40:])
        for log in logs(HERE)
        if log["topics"][0] == OWNER_REGISTERED
    }
    last = {
        ("0x" + log["topics"][1][-40:], f"controller:0x{log['topics'][2][-40:]}"): words(log)[0]
        for log in logs(HERE)
        if log["topics"][0] == CONTROLLER_STATUS
    }
    with psycopg.connect(priced[0]) as connection:
        found = connection.execute("SELECT account_prefix, owner FROM euler_v2_owners(NULL, NULL)").fetchall()
        switches = connection.execute(
            "SELECT DISTINCT ON (account, name) hex(account), name, value_raw FROM account_setting"
            " WHERE name LIKE 'controller:%' ORDER BY account, name, block_number DESC, log_index DESC"
        ).fetchall()
    assert set(found) == owners
    assert {(account, name): int(value) for account, name, value in switches} == last


def test_the_legs_of_a_borrower_add_up_to_the_health(priced: tuple[str, list[Any]]) -> None:
    url, liquidations = priced
    checked = 0
    with psycopg.connect(url) as connection:
        for block in {block - 1 for block, *_ in liquidations}:
            checked += len(
                rows := connection.execute(
                    "SELECT h.account, h.health_factor_raw, div(l.backing * 1e18, nullif(l.owed, 0)), l.best"
                    " FROM account_health(%(chain)s, %(block)s) h"
                    " JOIN (SELECT account, market_key, sum(decides_raw) FILTER (WHERE side = 'collateral') AS backing,"
                    "       sum(decides_raw) FILTER (WHERE side = 'debt') AS owed,"
                    "       max(liquidation_threshold) FILTER (WHERE side = 'collateral' AND counts) AS best"
                    "       FROM risk_legs_at(%(chain)s, %(block)s) GROUP BY 1, 2) l USING (account, market_key)"
                    " WHERE cardinality(h.debt_assets) > 0 AND cardinality(h.collateral_assets) > 0",
                    {"chain": meta_of(HERE)["chain_id"], "block": block},
                ).fetchall()
            )
            for account, said, summed, best in rows:
                assert said == summed, (block, account)
                assert 0 < best < 1
    assert checked >= 100
