"""Compare the listed deployments with published address books and print every difference.

Usage   npm pack @bgd-labs/aave-address-book @morpho-org/morpho-ts   (each unpacked into a folder of its own under DIR)
        python tools/check_deployments.py DIR
Source  `AaveV3<Chain><Market>.sol` of any package named `.../aave-address-book`
        `addresses.js` of `@morpho-org/morpho-ts`, which `@morpho-org/blue-sdk` re-exports
Omits   Aave start blocks: the address book has none. Test networks. Morpho on chains that no deployment names

Exit codes: 0 the same, 1 something differs, 2 no known package in DIR.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROTOCOLS = ROOT / "indexer" / "protocols"

AAVE_CONSTANTS = {
    "PoolAddressesProvider": "POOL_ADDRESSES_PROVIDER",
    "Pool": "POOL",
    "PoolConfigurator": "POOL_CONFIGURATOR",
    "AaveOracle": "ORACLE",
}
MORPHO_KEYS = {"Morpho": "morpho", "AdaptiveCurveIrm": "adaptiveCurveIrm"}
TESTNETS = ("Sepolia", "Fuji", "Mumbai", "Testnet")
UNNUMBERED = {"AaveV3Fantom": 250}
"""Chain ids of markets that the address book keeps without its generated `dist` file."""


@dataclass(frozen=True)
class Listed:
    """A deployment as a package lists it; `start_block` is None where the package has none."""

    label: str
    chain: int
    contracts: dict[str, str]
    start_block: int | None = None


def deployments(slug: str) -> list[dict[str, Any]]:
    """Read the repository's own list."""
    found: list[dict[str, Any]] = tomllib.loads((PROTOCOLS / slug / "deployments.toml").read_text())["deployment"]
    return found


def packages(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield name, version and root of every npm package directly under `folder`."""
    for manifest in sorted(folder.glob("*/package.json")):
        described = json.loads(manifest.read_text())
        if "name" in described and "version" in described:
            yield described["name"], described["version"], manifest.parent


def aave_markets(root: Path) -> list[Listed]:
    """Read every Aave v3 market of the address book, test networks left out."""
    markets = []
    for path in sorted((root / "src").glob("AaveV3?*.sol")):
        if any(word in path.stem for word in TESTNETS):
            continue
        text = path.read_text()
        contracts = {}
        for name, constant in AAVE_CONSTANTS.items():
            if found := re.search(rf"constant {constant}\s*=\s*(?:\w+\(\s*)?(0x[0-9a-fA-F]{{40}})", text):
                contracts[name] = found[1]
        markets.append(Listed(path.stem, _chain_id(root, path.stem), contracts))
    return markets


def _chain_id(root: Path, market: str) -> int:
    generated = root / "dist" / f"{market}.mjs"
    if not generated.exists():
        return UNNUMBERED[market]
    found = re.search(r"CHAIN_ID = ([\de]+);", generated.read_text())
    if found is None:
        raise ValueError(f"{generated} names no chain id")
    return int(float(found[1]))


def _chain_blocks(text: str, variable: str) -> dict[str, str]:
    """Cut a `const variable = { [ChainId.X]: {...}, ... }` literal into one text a chain."""
    body = text.split(f"const {variable} = {{", 1)[1].split("\n};", 1)[0]
    parts = re.split(r"^    \[ChainId\.(\w+)\]: \{", body, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def morpho_singletons(root: Path) -> list[Listed]:
    """Read every chain's Morpho, its rate model and the block of the older of the two."""
    text = (root / "lib" / "esm" / "addresses.js").read_text()
    ids = dict(re.findall(r"ChainId\[\"(\w+)\"\] = (\d+)", (root / "lib" / "esm" / "chain.js").read_text()))
    blocks = _chain_blocks(text, "_deployments")
    listed = []
    for name, body in _chain_blocks(text, "_addressesRegistry").items():
        contracts, births = {}, []
        for contract, key in MORPHO_KEYS.items():
            if found := re.search(rf"\b{key}: \"(0x[0-9a-fA-F]{{40}})\"", body):
                contracts[contract] = found[1]
            if born := re.search(rf"\b{key}: (\d+)n", blocks.get(name, "")):
                births.append(int(born[1]))
        listed.append(Listed(name, int(ids[name]), contracts, min(births, default=None)))
    return listed


def differences(ours: list[dict[str, Any]], theirs: list[Listed], anchor: str) -> Iterator[str]:
    """Yield one line for each difference, matching deployments by chain and the address of `anchor`."""
    known = {(entry["chain_id"], entry["contracts"][anchor]): entry for entry in ours}
    for market in theirs:
        entry = known.pop((market.chain, market.contracts.get(anchor, "")), None)
        if entry is None:
            yield f"{market.label}: not listed here ({market.contracts})"
            continue
        pairs: list[tuple[str, Any, Any]] = [
            (name, address, market.contracts.get(name)) for name, address in entry["contracts"].items()
        ]
        if market.start_block is not None:
            pairs.append(("start_block", entry.get("start_block"), market.start_block))
        for name, here, there in pairs:
            if here != there:
                yield f"{entry['name']}: {name} is {here} here, {there} in {market.label}"
    for entry in known.values():
        yield f"{entry['name']}: listed here only"


def main() -> int:
    """Check every package found; return the exit code."""
    parser = argparse.ArgumentParser(description="Compare deployments.toml with unpacked npm address packages.")
    parser.add_argument("folder", type=Path, help="folder that holds the unpacked packages")
    folder: Path = parser.parse_args().folder
    checked, differ = 0, False
    for name, version, root in packages(folder):
        if name.endswith("/aave-address-book"):
            ours = deployments("aave_v3")
            lines = list(differences(ours, aave_markets(root), "PoolAddressesProvider"))
        elif name == "@morpho-org/morpho-ts":
            ours = deployments("morpho_blue")
            chains = {entry["chain_id"] for entry in ours}
            theirs = [listed for listed in morpho_singletons(root) if listed.chain in chains]
            lines = list(differences(ours, theirs, "Morpho"))
        else:
            continue
        checked, differ = checked + 1, differ or bool(lines)
        print(f"{name} {version}: {len(ours)} deployments compared, differences: {len(lines)}")
        print(*(f"  {line}\n" for line in lines), sep="", end="")
    if not checked:
        print(f"no known package under {folder}", file=sys.stderr)
        return 2
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
