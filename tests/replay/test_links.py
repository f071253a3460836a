"""Claims of the recorded chains: registry, chains of claims, groups, and rates equal to the contracts' own answers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.config import DeploymentSettings
from indexer.run import follow_chain
from tests.protocols.results import record
from tests.replay.answers import answers_of, meta_of
from tests.replay.test_recordings import settings_of


@pytest.fixture(scope="module", params=["multi", pytest.param("multi_v36", marks=pytest.mark.slow)])
def chain(request: Any, recordings: Path, migrated_database: Callable[[], str]) -> tuple[dict[str, Any], Path, str]:
    """A recorded chain, indexed with its rate token, its wrapped coin and its dollar listed."""
    folder, url = recordings / request.param, migrated_database()
    meta = meta_of(folder)
    at = meta["contracts"]
    listed = (
        DeploymentSettings(protocol="rate_token", name="wst", start_block=0,
                           contracts={"RateToken": at["wstETH"], "Underlying": at["WETH"]}),
        DeploymentSettings(protocol="token_list", name="plain", start_block=0,
                           contracts={"WrappedNative": at["WETH"], "FiatUsd": at["USDC"]}),
    )  # fmt: skip
    settings = settings_of(folder)
    settings = settings.model_copy(update={"deployment": (*settings.deployment, *listed)})
    follow_chain(settings, url, to="latest", replay=folder)
    return meta, folder, url


def test_registry(chain: tuple[dict[str, Any], Path, str]) -> None:
    """Kind, underlying and group of every token that the recording's meta describes."""
    meta, _, url = chain
    at = meta["contracts"]
    with psycopg.connect(url) as db:
        assert db.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        rows = db.execute(
            "SELECT token_address, kind, underlying, asset_group, is_plain, backed_in FROM token_registry"
        ).fetchall()
    found = {row[0]: row[1:] for row in rows}
    coin = "0x" + "ee" * 20
    kinds = {"plain": "unclassified", "rate wrapper": "lst", "ERC-4626": "vault_share", "ERC-4626 over Morpho supply": "vault_share",
             "aToken": "lending_receipt", "variableDebtToken": "debt_token", "ERC-4626 over aToken": "static_wrapper"}  # fmt: skip
    listed = {at["WETH"]: ("plain", coin), at["USDC"]: ("plain", None)}
    for token, said in meta["tokens"].items():
        expected = listed.get(token) or (kinds[said["kind"]], said.get("asset") or said.get("underlying"))
        assert found[token][:2] == expected, said
        assert found[token][3] is (expected[0] == "plain"), said
    groups = {name: found[at[name]][2] for name in ("WETH", "wstETH", "USDC", "DAI", "sDAI", "mvUSDC", "waWETH")}
    assert groups == {"WETH": coin, "wstETH": coin, "waWETH": coin, "USDC": "usd", "mvUSDC": "usd",
                      "DAI": at["DAI"], "sDAI": at["DAI"]}  # fmt: skip
    assert found[at["aToken_wstETH"]][2] == coin and found[at["aToken_mvUSDC"]][2] == "usd"
    assert "morpho" in found[at["mvUSDC"]][4] and found[at["waWETH"]][4] == ["aave"]


def test_rates_equal_the_answers(chain: tuple[dict[str, Any], Path, str]) -> None:
    """At every checkpoint: rate() of the rate token, from its events alone, and convertToAssets of every vault."""
    meta, folder, url = chain
    compared, wrong = {"rate": 0, "convertToAssets": 0}, []
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM token_rate WHERE log_index < 0").fetchone() == (
            0,
        )  # rate() is not in the reads
        for answer in answers_of(folder):
            what, token = answer["label"]["what"], answer["label"].get("token")
            if what not in compared:
                continue
            rows = db.execute(
                "SELECT numerator_raw, denominator_raw, rate_block FROM token_rate_at(%s, unhex(%s), %s)",
                (meta["chain_id"], token, answer["block"]),
            ).fetchall()
            said, one = int(answer["result"], 16), int(answer["data"][10:] or "0", 16) or 10**18
            compared[what] += 1
            if len(rows) != 1 or int(rows[0][0]) * one // int(rows[0][1]) != said:
                wrong.append((answer["block"], token, said, rows))
    assert wrong == []
    checkpoints = len(meta["checkpoints"])
    assert compared == {"rate": checkpoints, "convertToAssets": 3 * checkpoints}
    record("rate_token", "1", checkpoints, compared["rate"], 0, f"recording {folder.name}")


def test_prices_through_the_chain(chain: tuple[dict[str, Any], Path, str]) -> None:
    """waWETH -> aWETH -> WETH -> oracle: by hand from the recorded answers of the last checkpoint."""
    meta, folder, url = chain
    at, block = meta["contracts"], meta["checkpoints"][-1][0]
    said = {
        (answer["label"]["what"], answer["label"].get("token") or answer["label"].get("market")): answer
        for answer in answers_of(folder)
        if answer["block"] == block and answer["label"]["what"] in ("rate", "convertToAssets", "getAssetPrice")
    }
    weth = int(said["getAssetPrice", "WETH"]["result"], 16)
    share = said["convertToAssets", at["waWETH"]]
    with psycopg.connect(url) as db:
        query = "SELECT price_usd FROM claim_price_at(%s, unhex(%s), %s)"
        wa = db.execute(query, (meta["chain_id"], at["waWETH"], block)).fetchone()
        wst = db.execute(query, (meta["chain_id"], at["wstETH"], block)).fetchone()
        coin = db.execute(query, (meta["chain_id"], "0x" + "ee" * 20, block)).fetchone()
    assert wa is not None and wst is not None and coin is not None
    # USD = answer / 1e18 * price / 1e8; both integers exact, so the products are too
    assert Fraction(wa[0]) * 10**26 == int(share["result"], 16) * weth * 10**18 // int(share["data"][10:], 16)
    assert Fraction(wst[0]) * 10**26 == int(said["rate", at["wstETH"]]["result"], 16) * weth
    assert Fraction(coin[0]) * 10**8 == weth
