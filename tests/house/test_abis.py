"""The ABI files say what the contracts say: topics, indexed counts, shape and provenance.

`topics.json` is the expectation. Its topics were taken from an event sheet of the contract sources, from recorded logs
and from published bytecode, not computed from these files, so a slip in a declaration cannot agree with itself.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

ROOT = Path(__file__).resolve().parents[2]
ABIS = ROOT / "abis"
SHEET = ROOT.parent / "shared" / "events.json"
SLUGS = {"compound_v3", "aave_v2", "aave_v3", "compound_v2", "morpho_blue", "chainlink", "erc1967", "erc20", "erc4626"}
CONTRACTS = sorted(
    path.relative_to(ABIS).with_suffix("").as_posix() for path in ABIS.glob("*/*.json") if path.parent.name in SLUGS
)
TYPE = re.compile(r"tuple|(address|bool|string|bytes\d*|u?int\d+)(\[\d*\])*")
TOPICS: dict[str, dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("topics.json").read_text())

AAVE = "Aave v3 (all versions) and Spark"
FEEDS = "Chainlink feeds and the oracle view of each protocol"
PROXIES = ("Pool", "PoolConfigurator", "AToken", "VariableDebtToken", "StableDebtToken")
EMITTERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Aave v2", "LendingPool"): ("aave_v2/LendingPool",),
    ("Aave v2", "Configurator"): ("aave_v2/LendingPoolConfigurator",),
    ("Aave v2", "aToken"): ("aave_v2/AToken",),
    ("Aave v2", "variable debt"): ("aave_v2/VariableDebtToken",),
    ("Aave v2", "stable debt"): ("aave_v2/StableDebtToken",),
    ("Aave v2", "AaveOracle"): ("aave_v2/AaveOracle",),
    (AAVE, "Pool"): ("aave_v3/Pool",),
    (AAVE, "Configurator"): ("aave_v3/PoolConfigurator",),
    (AAVE, "aToken, vToken"): ("aave_v3/AToken", "aave_v3/VariableDebtToken"),
    (AAVE, "aToken"): ("aave_v3/AToken",),
    (AAVE, "vToken"): ("aave_v3/VariableDebtToken",),
    (AAVE, "stable debt"): ("aave_v3/StableDebtToken",),
    (AAVE, "any proxy"): tuple(f"aave_v3/{name}" for name in PROXIES),
    (AAVE, "AddressesProvider"): ("aave_v3/PoolAddressesProvider",),
    (AAVE, "ProviderRegistry"): ("aave_v3/PoolAddressesProviderRegistry",),
    (AAVE, "rate strategy V2"): ("aave_v3/RateStrategy",),
    (AAVE, "AaveOracle"): ("aave_v3/AaveOracle",),
    ("Compound v2", "Comptroller"): ("compound_v2/Unitroller",),
    ("Compound v2", "cToken"): ("compound_v2/CToken",),
    ("Compound v2", "cToken (pre Nov 2019)"): ("compound_v2/CToken",),
    ("Compound v2", "IRM"): ("compound_v2/InterestRateModel",),
    ("Compound v3 (Comet)", "Comet"): ("compound_v3/Comet",),
    ("Morpho Blue", "Morpho"): ("morpho_blue/Morpho",),
    ("Morpho Blue", "AdaptiveCurveIrm"): ("morpho_blue/AdaptiveCurveIrm",),
    ("Morpho Blue", "FixedRateIrm"): ("morpho_blue/FixedRateIrm",),
    (FEEDS, "aggregator"): ("chainlink/Aggregator",),
    (FEEDS, "proxy (newer)"): ("chainlink/AggregatorProxy",),
    ("Wrapper and LST links (edges between protocols)", "any ERC-4626"): ("erc4626/Vault",),
}
NOT_READ = {(FEEDS, "NewRound")}


def load(contract: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((ABIS / f"{contract}.json").read_text())
    return entries


def kind(parameter: dict[str, Any]) -> str:
    """Canonical type of a parameter, tuples opened."""
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    inner = ",".join(map(kind, parameter["components"]))
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


def signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(map(kind, entry['inputs']))})"


def declaration(event: dict[str, Any]) -> str:
    """The event as the sheet writes it: tuples by their types only."""
    words = (f"{kind(p)}{' indexed' if p['indexed'] else ''} {p['name']}".strip() for p in event["inputs"])
    return f"{event['name']}({', '.join(words)})"


def events(contract: str) -> list[dict[str, Any]]:
    return [entry for entry in load(contract) if entry["type"] == "event"]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_topics_match_the_expectation(contract: str) -> None:
    found = {
        signature(event): {
            "topic0": "0x" + keccak(text=signature(event)).hex(),
            "indexed": sum(parameter["indexed"] for parameter in event["inputs"]),
        }
        for event in events(contract)
    }
    assert found == TOPICS.get(contract, {})


def test_every_expected_contract_has_a_file() -> None:
    assert set(TOPICS) <= set(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_entries_are_well_formed(contract: str) -> None:
    entries = load(contract)
    assert entries, "an empty interface"
    seen = Counter((entry["type"], signature(entry)) for entry in entries)
    assert max(seen.values()) == 1, "an entry is listed twice"
    for entry in entries:
        parameters = [*entry["inputs"], *entry.get("outputs", [])]
        assert all(TYPE.fullmatch(parameter["type"]) for parameter in parameters), entry["name"]
        if entry["type"] == "event":
            assert set(entry) - {"note"} == {"type", "name", "inputs", "anonymous"}
            assert entry["anonymous"] is ("note" in entry)
            assert sum(parameter["indexed"] for parameter in parameters) <= 3
            assert all(parameter["name"] for parameter in parameters), "a handler needs every argument by name"
        else:
            assert set(entry) == {"type", "name", "inputs", "outputs", "stateMutability"}
            assert (entry["type"], entry["stateMutability"]) == ("function", "view")
            assert entry["outputs"]


def test_sources_list_exactly_the_files() -> None:
    listed = tomllib.loads((ABIS / "SOURCES.toml").read_text())["file"]
    paths = [entry["path"] for entry in listed]
    assert sorted(paths) == sorted(path.relative_to(ABIS).as_posix() for path in ABIS.rglob("*.json"))
    assert all(entry["sources"] and all(entry["sources"]) for entry in listed)


def test_files_are_what_the_script_writes() -> None:
    script = ROOT / "tools" / "make_abis.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_matches_the_event_sheet() -> None:
    if not SHEET.exists():
        pytest.skip("the event sheet is not beside the repository; topics.json holds what was taken from it")
    seen: set[tuple[str, str]] = set()
    for row in json.loads(SHEET.read_text()):
        origin = (row["protocol"], row["emitter"])
        if origin not in EMITTERS or (row["protocol"], row["name"]) in NOT_READ:
            continue
        seen.add(origin)
        for contract in EMITTERS[origin]:
            ours = {signature(event): event for event in events(contract)}
            assert row["signature"] in ours, f"{contract} lacks {row['signature']}"
            assert declaration(ours[row["signature"]]) == row["declaration"]
            assert TOPICS[contract][row["signature"]] == {"topic0": row["topic0"], "indexed": row["n_indexed"]}
    assert seen == set(EMITTERS)
