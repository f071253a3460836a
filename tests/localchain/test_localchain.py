"""The tool itself: it deploys, runs the same for the same seed, writes what it saw, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from .anvil import Anvil, RpcError
from .build import BuildUnavailable, anvil_binary, artifacts
from .chain import LocalChain
from .record import record
from .scenario import Scenario
from .views import collect_reads, collect_views

TURNS = 70
WHAT = {
    "getUserAccountData", "getUserEMode", "scaledBalanceOf", "balanceOf", "getReserveNormalizedIncome",
    "getReserveNormalizedVariableDebt", "scaledTotalSupply", "totalSupply", "getReserveData", "getAssetPrice",
    "position", "market", "price", "rateAtTarget", "borrowRateView", "convertToAssets",
}  # fmt: skip
OF_NEWCOMERS = {
    "aave_v2": {
        "getUserAccountData", "scaledBalanceOf", "balanceOf", "principalBalanceOf", "getReserveNormalizedIncome",
        "getReserveNormalizedVariableDebt", "scaledTotalSupply", "totalSupply", "getTotalSupplyAndAvgRate",
        "getReserveData", "getAssetPrice",
    },
    "perp_v2": {
        "getTakerPositionSize", "getTakerOpenNotional", "getBalance", "getPnlAndPendingFee", "slot0", "getIndexPrice",
    },
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def packages_there() -> None:
    """Skips the module where the contracts cannot be had."""
    try:
        anvil_binary()
        for group in ("helpers", "morpho", "aave-3.6", "aave-3.0.2", "aave-2", "perp-2", "uniswap-3"):
            artifacts(group)
    except BuildUnavailable as missing:
        pytest.skip(f"local chain not available: {missing}")


@pytest.fixture(scope="module", params=["3.0.2", "3.6"])
def ran(request: pytest.FixtureRequest, packages_there: None) -> Iterator[Scenario]:
    """A short run on each Aave version."""
    with LocalChain(aave=request.param, seed=11, aave_v2=True, perp=True) as chain:
        scenario = Scenario(chain, 11)
        scenario.setup()
        scenario.steps(TURNS)
        scenario.checkpoint("final")
        yield scenario


def block_hash(chain: LocalChain, number: int) -> str:
    """A block's hash."""
    return str(chain.rpc.call("eth_getBlockByNumber", hex(number), False)["hash"])


def test_names_that_indexers_need(ran: Scenario) -> None:
    named = {"PoolAddressesProvider", "Pool", "PoolConfigurator", "AavePriceOracle", "Morpho", "AdaptiveCurveIrm"}
    assert named <= ran.chain.contracts.keys()
    for reserve in ran.chain.reserves.values():
        assert ran.chain.tokens[reserve.a_token]["underlying"] == reserve.asset
        assert ran.chain.tokens[reserve.debt_token]["kind"] == "variableDebtToken"


def test_same_seed_same_blocks(ran: Scenario) -> None:
    with LocalChain(aave=ran.chain.aave_version, seed=11, aave_v2=True, perp=True) as again:
        scenario = Scenario(again, 11)
        scenario.setup()
        scenario.steps(TURNS)
        assert block_hash(again, ran.chain.clock.head) == block_hash(ran.chain, ran.chain.clock.head)
        assert scenario.checkpoints == ran.checkpoints or scenario.checkpoints == ran.checkpoints[:-1]


def test_other_seed_other_blocks(ran: Scenario) -> None:
    with LocalChain(aave=ran.chain.aave_version, seed=12) as other:
        assert other.accounts != ran.chain.accounts
        assert block_hash(other, 5) != block_hash(ran.chain, 5)


def test_views_are_answered_everywhere(ran: Scenario) -> None:
    blocks = [ran.checkpoints[0][0], ran.checkpoints[-1][0]]
    answers = collect_views(ran.chain, blocks, ran.accounts, newcomers=ran.newcomers)
    of = {name: [one for one in answers if one["label"].get("protocol") == name] for name in (None, *OF_NEWCOMERS)}
    assert {one["label"]["what"] for one in of[None]} >= WHAT
    for name, wanted in OF_NEWCOMERS.items():
        assert {one["label"]["what"] for one in of[name]} == wanted
    assert not [one for one in answers if "error" in one]
    held = Counter(one["label"]["what"] for one in answers if int(one["result"], 16))
    assert held["scaledBalanceOf"] > 20 and held["position"] > 10
    assert held["getTakerPositionSize"] > 4
    assert len([one for one in of["aave_v2"] if "account" in one["label"] and int(one["result"], 16)]) > 20
    reads = collect_reads(ran.chain, blocks)
    assert {one["label"]["what"] for one in reads} == {"getAssetPrice", "price", "convertToAssets", "getIndexPrice"}
    assert all(one["label"]["reason"] == "price at a checkpoint" for one in reads)


def test_recording_holds_every_block_and_log(ran: Scenario, tmp_path: Path) -> None:
    record(ran, tmp_path, view_blocks=[ran.checkpoints[0][0]])
    with gzip.open(tmp_path / "chain.jsonl.gz", "rt") as file:
        meta = json.loads(file.readline())["meta"]
        rows = [json.loads(line) for line in file]
    assert meta["head"] == ran.chain.clock.head and meta["contracts"] == ran.chain.contracts
    assert [int(row["block"]["number"], 16) for row in rows] == list(range(meta["head"] + 1))
    for before, row in pairwise(rows):
        assert row["block"]["parentHash"] == before["block"]["hash"]
        assert [int(log["logIndex"], 16) for log in row["logs"]] == list(range(len(row["logs"])))
    everything = ran.chain.rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    assert [log for row in rows for log in row["logs"]] == everything
    told = json.loads((tmp_path / "truth.json").read_text())
    assert set(told["accounts"]) <= set(meta["accounts"])
    assert {"role", "is_loop", "cycle", "steps", "turns_done", "final"} <= next(iter(told["accounts"].values())).keys()
    assert any(one["is_loop"] for one in told["accounts"].values())


def test_another_branch_after_a_revert(ran: Scenario) -> None:
    chain = ran.chain
    point, head = chain.snapshot(), chain.clock.head
    ran.idle(3600)
    first = block_hash(chain, head + 1)
    chain.revert(point)
    ran.checkpoints.pop()
    assert chain.clock.head == head
    chain.do(chain.accounts[2], "WETH", "mint", chain.accounts[2], 1)
    chain.mine(3600)
    assert block_hash(chain, head + 1) != first


def test_a_reorg_and_a_borrowed_identity() -> None:
    with LocalChain(aave=None, morpho=False, seed=5) as chain:
        user = chain.accounts[9]
        for _ in range(4):
            chain.do(user, "WETH", "mint", user, 100)
            chain.mine()
        head, before = chain.clock.head, [block_hash(chain, number) for number in range(chain.clock.head + 1)]
        chain.reorg(2)
        assert chain.clock.head == head
        assert [block_hash(chain, n) == before[n] for n in (head - 2, head - 1, head)] == [True, False, False]
        assert chain.view("WETH", "balanceOf", user) == 200
        chain.impersonate(chain.contracts["Dex"])
        sent = [chain.do(chain.contracts["Dex"], "WETH", "mint", user, 7), chain.do(user, "WETH", "mint", user, 1)]
        chain.mine()
        assert chain.statuses(sent) == [True, True]
        assert chain.view("WETH", "balanceOf", user) == 208


def test_one_protocol_alone() -> None:
    nothing = {"aave": None, "morpho": False}
    for there in ({"aave": "3.6"}, {"morpho": True}, {"aave": "3.6", "aave_v2": True}, {"morpho": True, "perp": True}):
        with LocalChain(**{**nothing, **there}, seed=3) as chain:  # type: ignore[arg-type]
            scenario = Scenario(chain, 3)
            scenario.setup()
            scenario.steps(40)
            answers = collect_views(chain, [chain.clock.head], scenario.people[:3], newcomers=scenario.newcomers)
            assert answers and not [one for one in answers if "error" in one]


def test_anvil_ends_with_its_block() -> None:
    with Anvil(seed=1) as node:
        pid = node.process.pid
        assert node.rpc.call("eth_blockNumber") == "0x0"
        with pytest.raises(RpcError):
            node.rpc.call("no_such_method")
    assert node.process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


def test_anvil_ends_when_the_run_fails() -> None:
    with pytest.raises(ZeroDivisionError), Anvil(seed=1) as node:
        raise ZeroDivisionError
    assert node.process.returncode is not None


def test_the_repository_holds_no_address_to_download_from() -> None:
    lock = (Path(__file__).parent / "package-lock.json").read_text()
    assert "resolved" not in lock and "http" not in lock
