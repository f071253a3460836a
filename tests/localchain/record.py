"""Writes a run down in the format of the recordings: chain, reads, views, and the scenario's truth."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .build import packages
from .chain import LocalChain
from .scenario import Scenario
from .truth import truth
from .views import AT_CHECKPOINT, AT_REGULAR_BLOCK, collect_reads, collect_views

SLUGS = {("3.0.2", True): "multi", ("3.6", True): "multi_v36", ("3.0.2", False): "aave_v3", ("3.6", False): "aave_v36"}
USED = (
    "@aave/core-v3",
    "@aave-dao/aave-v3-origin",
    "@morpho-org/morpho-blue",
    "@openzeppelin/contracts",
    "@aave/protocol-v2",
    "@perp/curie-contract",
    "@uniswap/v3-core",
)


def slug(chain: LocalChain) -> str:
    """The recordings' name for this cast of protocols."""
    return SLUGS.get((chain.aave_version or "", chain.has_morpho), "morpho_blue")


def _write(path: Path, rows: Iterable[Any]) -> None:
    with open(path, "wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for row in rows:
            packed.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def meta(scenario: Scenario, notes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Line one of `chain.jsonl.gz`."""
    chain = scenario.chain
    versions = {"aave": {"3.6": "3.6.0"}.get(chain.aave_version or "", chain.aave_version)}
    if chain.has_morpho:
        versions["morpho"] = "1.0.0"
    if chain.old_reserves:
        versions["aave_v2"] = "1.0.1"
    if chain.perp_markets:
        versions["perp"] = "2.8.4"
    installed = {name: json.loads((packages() / name / "package.json").read_text())["version"] for name in USED}
    unused = {"@aave/core-v3" if chain.aave_version != "3.0.2" else "@aave-dao/aave-v3-origin"}
    if not chain.old_reserves:
        unused.add("@aave/protocol-v2")
    if not chain.perp_markets:
        unused |= {"@perp/curie-contract", "@uniswap/v3-core"}
    fields = ("loanToken", "collateralToken", "oracle", "irm")
    markets = {
        name: {
            "id": market.id,
            **dict(zip(fields, market.params, strict=False)),
            "lltv": str(market.params[4]),
            "created": market.created,
        }
        for name, market in chain.markets.items()
    }
    present = {
        "Aave v3": chain.reserves,
        "Morpho Blue": chain.markets,
        "Aave v2": chain.old_reserves,
        "Perpetual Protocol v2": chain.perp_markets,
    }
    protocols = [name for name, there in present.items() if there]
    newcomers = scenario.newcomers
    if chain.perp_markets:
        markets |= {
            pair.name: {"base": pair.base, "pool": pair.pool, "feed": pair.feed, "created": pair.created}
            for pair in chain.perp_markets.values()
        }
    return {
        "chain_id": 31337,
        "protocol": " + ".join(protocols),
        "slug": slug(chain),
        "seed": str(scenario.seed),
        "client": "anvil/v"
        + json.loads((packages().parent / "package.json").read_text())["optionalDependencies"][
            "@foundry-rs/anvil-linux-amd64"
        ],
        "contracts": chain.contracts,
        "tokens": chain.tokens,
        "accounts": list(dict.fromkeys([*scenario.accounts, *newcomers.old_users, *newcomers.traders])),
        "checkpoints": scenario.checkpoints,
        "head": chain.clock.head,
        "notes": {
            "contract_versions": versions,
            "packages": [f"{name} {version}" for name, version in installed.items() if name not in unused],
            "markets": markets,
            "liquidators": scenario.liquidators,
            "liquidity_provider": scenario.liquidity,
            "treasury": chain.treasury,
            "fee_recipients": chain.accounts[6:9],
            "payment_sink": scenario.sink,
            "aave_v2_accounts": newcomers.old_users,
            "perp_accounts": newcomers.traders,
            "noise_accounts": scenario.noise.accounts,
            "never_seen_before": scenario.fresh,
            "prices": "AssetPriceUpdated (8 decimals) for Aave, PriceSet per Morpho market, RateUpdated for wstETH, "
            "AssetPriceUpdated (wei of ether) of Aave v2's fallback oracle, PriceSet (18 decimals) per perp index feed",
            "rate_model": "tests/localchain/contracts/CurveIrm.sol: the adaptive curve, written from its formula",
            **(notes or {}),
        },
    }


def chain_rows(chain: LocalChain) -> Iterable[dict[str, Any]]:
    """Every block with its header and all of its logs, from block 0."""
    for start in range(0, chain.clock.head + 1, 200):
        numbers = range(start, min(start + 200, chain.clock.head + 1))
        headers = chain.rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        calls = [("eth_getLogs", [{"fromBlock": hex(number), "toBlock": hex(number)}]) for number in numbers]
        for header, logs in zip(headers, chain.rpc.batch(calls), strict=True):
            yield {"block": header, "logs": logs}


def record(
    scenario: Scenario,
    folder: Path,
    view_blocks: Sequence[int] | None = None,
    read_blocks: Sequence[int] = (),
    wallets: bool = True,
    notes: dict[str, Any] | None = None,
) -> None:
    """Writes the files into `folder`; views and reads at all checkpoints unless told otherwise."""
    chain = scenario.chain
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = [block for block, _ in scenario.checkpoints]
    regular = sorted(set(read_blocks) - set(checkpoints))
    reads = collect_reads(chain, checkpoints, AT_CHECKPOINT) + collect_reads(chain, regular, AT_REGULAR_BLOCK)
    _write(folder / "chain.jsonl.gz", [{"meta": meta(scenario, notes)}, *chain_rows(chain)])
    _write(folder / "reads.jsonl.gz", sorted(reads, key=lambda one: one["block"]))
    asked = checkpoints if view_blocks is None else view_blocks
    _write(folder / "views.jsonl.gz", collect_views(chain, asked, scenario.accounts, wallets, scenario.newcomers))
    told = json.dumps(truth(scenario, slug(chain)), separators=(",", ":"))
    (folder / "truth.json").write_text(told + "\n")
