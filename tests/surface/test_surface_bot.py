"""docs/examples/bot.py on the fourth step of the demo's crash: the API says who, recorded contracts say whether.

The node answers what the contracts of the demo answered at that block; nothing of the indexer computes it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from api.settings import Settings
from indexer.commands.demo import RECORDING
from indexer.config import ROOT
from indexer.types import Read
from tests.fakenode import FakeBlock, FakeNode
from tests.hardday.drive import Following
from tests.hardday.story import Story, settings
from tests.hardday.story import recorded as recorded_chain
from tests.replay.answers import answers_of, meta_of
from tests.stream.server import Served

CRASH = 834
BOT = ROOT / "docs" / "examples" / "bot.py"


@pytest.fixture(scope="module")
def bot() -> Any:
    spec = importlib.util.spec_from_file_location("example_bot", BOT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def word(value: int | str) -> str:
    return f"{int(value, 16) if isinstance(value, str) else value:064x}"


@pytest.fixture(scope="module")
def recorded() -> dict[tuple[str, str], str]:
    return {(each["to"], each["data"]): each["result"] for each in answers_of(RECORDING) if each["block"] == CRASH}


def health_recorded() -> dict[tuple[str | None, str], int]:
    """What `getUserAccountData` said, by protocol and account: its last word."""
    return {
        (each["label"].get("protocol"), each["label"]["account"]): int(each["result"][-64:], 16)
        for each in answers_of(RECORDING)
        if each["block"] == CRASH and each["label"]["what"] == "getUserAccountData"
    }


@pytest.fixture(scope="module")
def node(recorded: dict[tuple[str, str], str]) -> Iterator[FakeNode]:
    """The chain up to the crash: prices as they were recorded for the indexer, views as they were recorded for comparison."""
    story = Story(CRASH)
    meta = meta_of(RECORDING)
    answers = dict(recorded)
    contracts = {name: address.lower() for name, address in meta["contracts"].items() if isinstance(address, str)}
    # which pool a provider names is part of the recording's description
    answers[contracts["PoolAddressesProvider"], "0x026b1d5f"] = "0x" + word(contracts["Pool"])

    # and so is what Morpho was told when a market was made
    asked = Web3.keccak(text="idToMarketParams(bytes32)")[:4].hex()
    created = "0x" + Web3.keccak(text="CreateMarket(bytes32,(address,address,address,address,uint256))").hex()
    for log in (log for block in story.blocks for log in block.logs):
        if log["address"] == contracts["Morpho"] and log["topics"][0] == created:
            answers[contracts["Morpho"], f"0x{asked}{log['topics'][1][2:]}"] = log["data"]

    def answer(to: str, data: str, block: FakeBlock) -> str | None:
        if block.number == CRASH and (to, data) in answers:
            return answers[to, data]
        kept = recorded_chain()
        if (to, data) not in kept.prices:
            return kept.node.call([Read(min(block.number, kept.node.last), to, data, "")])[0].result
        numbers, results = kept.prices[to, data]
        at = bisect_right(numbers, block.number)
        return results[at - 1] if at else None

    with FakeNode(story, eth_call=answer, finality_depth=64, lifetime_seconds=600.0) as running:
        yield running


@pytest.fixture(scope="module")
def crash(migrated_database: Callable[[], str], node: FakeNode) -> Iterator[str]:
    """The API over an index that stands on the head of that chain."""
    url = migrated_database()
    with Following(settings(node, max_block_range=CRASH), url) as indexer:
        indexer.reach(node.chain)
    node.requests.clear()
    with Served(Settings(url)) as served:
        yield served


def test_the_bot_prints_what_it_would_send(
    bot: Any, crash: str, node: FakeNode, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bot.py", "--api", crash, "--rpc", node.url, "--once"])
    assert bot.main() == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = {
        account for (protocol, account), health in health_recorded().items() if protocol is None and health < 10**18
    }
    assert len(expected) == 7
    aave = [line for line in told if line["protocol"] == "aave_v3"]
    sent = {line["account"] for line in aave if line["verdict"] == "would send"}
    assert sent == expected
    for line in aave:
        health = health_recorded()[None, line["account"]]
        assert line["health_factor_on_chain"] == health / 10**18
        assert line["call"]["arguments"][2] == line["account"]
        assert int(line["call"]["arguments"][3]) > 0
    morpho = [line for line in told if line["protocol"] == "morpho_blue"]
    assert morpho and all(line["health_factor_on_chain"] < 1 or line["verdict"] != "would send" for line in morpho)
    assert {method for method, _ in node.requests} <= {"eth_chainId", "eth_blockNumber", "eth_call"}, "it never sends"


def test_what_somebody_else_was_faster_at_is_not_sent(bot: Any) -> None:
    row = {
        "protocol": "aave_v3", "deployment": "d", "market_id": None, "account": "0x" + "a1" * 20, "health_factor": 0.99,
        "est_profit_usd": "5", "as_of_block": 7, "blocked_reason": None,
    }  # fmt: skip
    bot.CHECKS["aave_v3"], check = (lambda *_: (1.0, {})), bot.CHECKS["aave_v3"]
    try:
        (told,) = bot.judge(None, {("aave_v3", "d"): {}}, [row], 8)
    finally:
        bot.CHECKS["aave_v3"] = check
    assert told["verdict"] == "no longer liquidatable" and "call" not in told and told["checked_block"] == 8
    (told,) = bot.judge(None, {}, [row | {"protocol": "maker"}], 8)
    assert told["verdict"] == "unchecked"
    (told,) = bot.judge(None, {}, [row | {"blocked_reason": "paused"}], 8)
    assert told["verdict"] == "blocked"


def test_it_is_documented() -> None:
    text = Path(ROOT / "docs" / "bots.md").read_text(encoding="utf-8")
    assert "examples/bot.py" in text and "never sends" in text
