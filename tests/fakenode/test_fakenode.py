"""The lying node lies as asked, remembers its lies, and is honest again when asked again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from bench.evm import bloom_may_contain, made_up_address, topic0
from tests.fakenode import FakeChain, FakeNode, Faults

TRANSFER = topic0("Transfer(address,address,uint256)")
MINT = topic0("Mint(address,address,uint256,uint256,uint256)")
TOKEN, OTHER = made_up_address("token"), made_up_address("other")


def log(n: int, first: str = TRANSFER, address: str = TOKEN) -> dict[str, Any]:
    return {"address": address, "topics": [first, "0x" + f"{n:064x}"], "data": "0x" + f"{n:064x}"}


def chain(blocks: int = 10) -> FakeChain:
    """Block n holds n % 3 transfers and one mint of another token."""
    return FakeChain.build([[*[log(n) for _ in range(n % 3)], log(n, MINT, OTHER)] for n in range(blocks)])


class Client:
    """The thinnest JSON-RPC client."""

    def __init__(self, node: FakeNode, timeout: float = 2.0) -> None:
        self.http = urllib3.PoolManager(retries=False, timeout=timeout)
        self.url = node.url

    def post(self, payload: object) -> urllib3.BaseHTTPResponse:
        return self.http.request("POST", self.url, body=json.dumps(payload))

    def call(self, method: str, *params: object) -> Any:
        answer = self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).json()
        assert answer["id"] == 7
        return answer["result"] if "result" in answer else answer["error"]


Ask = Callable[[Client], Any]
ALL_LOGS = {"fromBlock": "0x0", "toBlock": "latest"}
LOGS: Ask = lambda client: client.call("eth_getLogs", ALL_LOGS)  # noqa: E731


def test_blocks_are_linked_and_blooms_contain_their_logs() -> None:
    made = chain()
    for parent, block in zip(made.blocks, made.blocks[1:], strict=False):
        assert block.header["parentHash"] == parent.hash
        assert block.timestamp == parent.timestamp + 12
        assert all(entry["blockHash"] == block.hash for entry in block.logs)
        assert bloom_may_contain(block.header["logsBloom"], OTHER)
    assert not bloom_may_contain(made.blocks[0].header["logsBloom"], TOKEN)


def test_honest_answers() -> None:
    made = chain()
    with FakeNode(made, finality_depth=4, eth_call={(TOKEN, "0x313ce567"): "0x12"}) as node:
        client = Client(node)
        assert client.call("eth_blockNumber") == "0x9"
        assert client.call("eth_getBlockByNumber", "finalized", False) == made.blocks[5].header
        assert client.call("eth_getBlockByHash", made.blocks[3].hash, False)["number"] == "0x3"
        assert client.call("eth_getBlockByNumber", "0xa", False) is None
        assert LOGS(client) == list(made.logs())
        assert client.call("eth_getLogs", {"blockHash": made.blocks[2].hash}) == list(made.blocks[2].logs)
        only = client.call("eth_getLogs", {**ALL_LOGS, "address": [TOKEN, OTHER], "topics": [[MINT]]})
        assert {entry["address"] for entry in only} == {OTHER}
        third = client.call("eth_getLogs", {**ALL_LOGS, "topics": [None, "0x" + f"{3:064x}"]})
        assert {entry["blockNumber"] for entry in third} == {"0x3"}
        assert client.call("eth_call", {"to": TOKEN, "data": "0x313ce567"}, "latest") == "0x12"
        assert client.call("eth_call", {"to": OTHER, "data": "0x"}, "0x2")["message"] == "execution reverted"
        batch = client.post([{"id": n, "method": "eth_chainId"} for n in range(3)]).json()
        assert [answer["id"] for answer in batch] == [0, 1, 2]
        assert not node.injected and node.asked("eth_getLogs") == 4


def test_a_reorg_keeps_the_old_branch_by_hash_only() -> None:
    made = chain()
    before = made.snapshot()
    made.reorg(3, [[log(70)], [], [log(72)], [log(73)]])
    assert made.head == 10 and made.blocks[:7] == before[:7]
    assert made.blocks[7].header["parentHash"] == before[6].hash
    assert {block.hash for block in made.blocks[7:]}.isdisjoint(block.hash for block in before[7:])
    with FakeNode(made) as node:
        client = Client(node)
        assert client.call("eth_getBlockByHash", before[8].hash, False) == before[8].header
        assert client.call("eth_getBlockByNumber", "0x8", False) == made.blocks[8].header
        assert LOGS(client) == list(made.logs())


def test_equal_content_after_a_reorg_still_has_another_hash() -> None:
    made = chain()
    old = made.blocks[-1]
    made.reorg(1, [list(old.logs)])
    assert made.blocks[-1].hash != old.hash
    assert made.blocks[-1].logs[0]["transactionHash"] == old.logs[0]["transactionHash"]


@pytest.mark.parametrize("fault", ["empty_result", "drop_logs", "other_branch"])
def test_log_faults_pass_and_are_written_down(fault: str) -> None:
    made = chain()
    faults = Faults(seed=1, in_a_row=2)
    setattr(faults, fault, 1.0)
    with FakeNode(made, faults) as node:
        client = Client(node)
        lies, honest = [LOGS(client), LOGS(client)], LOGS(client)
    truth = list(made.logs())
    assert honest == truth and all(lie != truth for lie in lies)
    assert node.counts() == {fault: 2}


def test_other_branch_tells_the_replaced_blocks() -> None:
    made = chain()
    old = made.snapshot()
    made.reorg(2, [[], []])
    with FakeNode(made, Faults(other_branch=1.0)) as node:
        client = Client(node)
        assert client.call("eth_getBlockByNumber", "0x9", False) == old[9].header
        assert LOGS(client) == [entry for block in old for entry in block.logs]


def test_sticky_faults_stay() -> None:
    with FakeNode(chain(), Faults(empty_result=1.0, sticky=True)) as node:
        client = Client(node)
        assert [LOGS(client) for _ in range(5)] == [[]] * 5


@pytest.mark.parametrize("block_timestamp", [True, False])
def test_block_timestamps_can_be_missing(block_timestamp: bool) -> None:
    with FakeNode(chain(), block_timestamp=block_timestamp) as node:
        assert all(("blockTimestamp" in entry) == block_timestamp for entry in LOGS(Client(node)))


def test_head_and_block_faults() -> None:
    with FakeNode(chain(), Faults(lagging_head=1.0, null_block=1.0, in_a_row=1)) as node:
        client = Client(node)
        assert int(client.call("eth_blockNumber"), 16) < 9 == int(client.call("eth_blockNumber"), 16)
        assert client.call("eth_getBlockByNumber", "0x4", False) is None
        assert client.call("eth_getBlockByNumber", "0x4", False)["number"] == "0x4"
        node.head = 6
        assert client.call("eth_getBlockByNumber", "0x7", False) is None
    assert node.counts() == {"lagging_head": 1, "null_block": 1}


def test_caps_and_wrong_chain_id() -> None:
    with FakeNode(chain(), Faults(range_cap=5, logs_cap=6, wrong_chain_id=1)) as node:
        client = Client(node)
        assert client.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x5"})["code"] == -32602
        assert client.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x4"})["code"] == -32005
        assert len(client.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x2"})) == 6
        assert client.call("eth_chainId") == "0x1"
    assert node.counts() == {"range_cap": 1, "logs_cap": 1, "wrong_chain_id": 1}


def test_http_faults() -> None:
    payload = {"id": 1, "method": "eth_getLogs", "params": [ALL_LOGS]}
    with FakeNode(chain(), Faults(rate_limit=1.0, in_a_row=20)) as node:
        answers = [Client(node).post(payload) for _ in range(12)]
        assert {answer.status for answer in answers} == {429}
        assert {answer.headers.get("Retry-After") for answer in answers} == {None, "1"}
    with FakeNode(chain(), Faults(server_error=1.0, in_a_row=20)) as node:
        assert {Client(node).post(payload).status for _ in range(12)} == {502, 503}
    with FakeNode(chain(), Faults(garbage=1.0, in_a_row=1)) as node:
        client = Client(node)
        with pytest.raises(json.JSONDecodeError):
            client.post(payload).json()
        assert client.post(payload).json()["result"]
    with FakeNode(chain(), Faults(truncated=1.0, in_a_row=1)) as node:
        with pytest.raises(urllib3.exceptions.HTTPError):
            Client(node).post(payload)
        assert Client(node).post(payload).json()["result"]
    with FakeNode(chain(), Faults(timeout=1.0, timeout_seconds=0.3)) as node:
        with pytest.raises(urllib3.exceptions.HTTPError):
            Client(node, timeout=0.1).post(payload)
        assert node.counts() == {"timeout": 1}
    with FakeNode(chain(), Faults(slow=1.0, slow_seconds=0.01)) as node:
        assert Client(node).post(payload).json()["result"]
        assert node.counts() == {"slow": 1}


def _story(seed: int) -> tuple[list[tuple[str, str]], list[Any]]:
    faults = Faults(seed=seed, drop_logs=0.3, empty_result=0.2, lagging_head=0.3, null_block=0.2, server_error=0.1)
    with FakeNode(chain(), faults) as node:
        client, answers = Client(node), []
        for n in range(60):
            block = hex(n % 10)
            call = (
                {"id": 1, "method": "eth_getLogs", "params": [{"fromBlock": block, "toBlock": block}]},
                {"id": 1, "method": "eth_getBlockByNumber", "params": [block, False]},
                {"id": 1, "method": "eth_blockNumber", "params": []},
            )[n % 3]
            answers.append(client.post(call).data)
    return [(one.fault, one.request) for one in node.injected], answers


def test_a_seed_tells_the_same_story() -> None:
    assert _story(5) == _story(5)
    assert _story(5) != _story(6)
    assert len({fault for fault, _ in _story(5)[0]}) >= 4


def test_a_stopped_node_hangs_up() -> None:
    node = FakeNode(chain()).start()
    client = Client(node)
    assert client.call("eth_blockNumber") == "0x9"
    node.stop()
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.call("eth_blockNumber")


def test_a_recording_is_served_as_recorded(tmp_path: Path) -> None:
    source = chain(6)
    with gzip.open(tmp_path / "chain.jsonl.gz", "wt") as file:
        file.write(json.dumps({"meta": {"chain_id": 31337, "slug": "made"}}) + "\n")
        for block in source.blocks:
            file.write(json.dumps({"block": block.header, "logs": block.logs}) + "\n")
    loaded = FakeChain.from_recording(tmp_path, blocks=4)
    assert loaded.meta["slug"] == "made" and loaded.head == 3
    assert loaded.blocks == source.blocks[:4]
    loaded.append(FakeChain.from_recording(tmp_path).blocks[4:])
    assert loaded.blocks == source.blocks
    with pytest.raises(ValueError, match="does not follow"):
        loaded.append(source.blocks[:1])
