"""The listed deployments are complete, checksummed and unambiguous."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import is_checksum_address

from indexer.protocols import discover

ROOT = Path(__file__).resolve().parents[2]
LISTS = {path.parent.name: path for path in sorted((ROOT / "indexer" / "protocols").glob("*/deployments.toml"))}
CHAINS = {
    "ethereum": 1, "arbitrum": 42161, "base": 8453, "optimism": 10, "polygon": 137, "avalanche_c": 43114, "bnb": 56,
    "celo": 42220, "fantom": 250, "gnosis": 100, "ink": 57073, "linea": 59144, "mantle": 5000, "metis_andromeda": 1088,
    "scroll": 534352, "sonic": 146, "zksync": 324,
    "harmony": 1666600000, "megaeth": 4326, "plasma": 9745, "soneium": 1868,
}  # fmt: skip
"""Dune's names (duneanalytics/spellbook evms_info.sql); the last line's chains are not in that list."""

MARCH_2022 = {"arbitrum", "optimism", "polygon", "avalanche", "fantom", "harmony"}
REQUIRED = {
    "aave_v2": {"LendingPoolAddressesProvider", "LendingPool", "LendingPoolConfigurator"},
    "aave_v3": {"PoolAddressesProvider", "Pool", "PoolConfigurator", "AaveOracle"},
    "morpho_blue": {"Morpho", "AdaptiveCurveIrm"},
    "spark": {"PoolAddressesProvider", "Pool", "PoolConfigurator", "AaveOracle"},
}
KEYS = {"name", "chain", "chain_id", "source", "contracts"}
MAY_BE = {"start_block", "first_version", "discounted_debt"}


def load(slug: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(LISTS[slug].read_text()).get("deployment", [])
    return found


def every() -> list[tuple[str, dict[str, Any]]]:
    return [(slug, entry) for slug in LISTS for entry in load(slug)]


EVERY = every()
IDS = [f"{slug}-{entry.get('name')}" for slug, entry in EVERY]


def test_the_required_protocols_have_lists() -> None:
    assert set(REQUIRED) <= set(LISTS)


@pytest.mark.parametrize(("slug", "entry"), EVERY, ids=IDS)
def test_deployment_is_complete(slug: str, entry: dict[str, Any]) -> None:
    assert KEYS <= set(entry) <= KEYS | MAY_BE
    assert entry["name"].strip()
    assert entry["source"].strip()
    assert entry["chain_id"] == CHAINS[entry["chain"]]
    if "start_block" in entry:
        assert type(entry["start_block"]) is int
        assert entry["start_block"] > 0
    else:
        assert "start block not known" in entry["source"], "say why it is missing; whoever runs it has to set it"
    assert REQUIRED.get(slug, set()) <= set(entry["contracts"])


@pytest.mark.parametrize(("slug", "entry"), EVERY, ids=IDS)
def test_contracts_are_checksummed_and_have_an_interface(slug: str, entry: dict[str, Any]) -> None:
    assert entry["contracts"]
    for contract, address in entry["contracts"].items():
        assert is_checksum_address(address), f"{contract} {address}"
        folder = discover()[slug].abi_folder
        assert (ROOT / "abis" / folder / f"{contract}.json").exists(), f"abis/{folder}/{contract}.json"


def test_no_address_is_listed_twice_on_a_chain() -> None:
    """Whatever its case: the emitter decides what a log is, so it must be of one protocol and of one kind."""
    owners: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for slug, entry in EVERY:
        for contract, address in entry["contracts"].items():
            owners[entry["chain_id"], address.lower()].append(f"{slug} {entry['name']} {contract}")
    assert {key: names for key, names in owners.items() if len(names) > 1} == {}


def test_names_are_unique_within_a_protocol() -> None:
    seen = Counter((slug, entry["name"]) for slug, entry in EVERY)
    assert [key for key, times in seen.items() if times > 1] == []


def test_sources_can_be_looked_up_by_a_reader_of_the_repository() -> None:
    assert [entry["name"] for _, entry in EVERY if ".md" in entry["source"]] == []


def test_the_markets_of_march_2022_began_with_the_unscaled_version() -> None:
    """POOL_REVISION 1 is 3.0.0 there and 3.0.1 elsewhere; only the list can tell them apart."""
    first = {entry["name"]: entry["first_version"] for entry in load("aave_v3") if "first_version" in entry}
    assert first == dict.fromkeys(MARCH_2022, "3.0.0")


def test_discounted_debt_is_lower_case_as_events_give_it() -> None:
    found = {(entry["name"], asset) for _, entry in EVERY for asset in entry.get("discounted_debt", ())}
    assert found == {("ethereum_core", "0x40d16fc0246ad3160ccc09b8d0d3a2cd28ae6c2f")}
