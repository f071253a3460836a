"""A node that drops logs, answers from other branches, breaks off, refuses and lags leaves the rows of an honest one."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bench.evm import bloom_hex, bloom_of_logs, topic0
from indexer.chain import NodePool, RpcNode
from indexer.errors import BadConfig, LeverageError
from tests.fakenode import FakeBlock, Faults
from tests.hardday.database import assert_equal, count, cursors, differences, dump
from tests.hardday.drive import Following, index, wait_for
from tests.hardday.story import Keep, Story, everything, serve, settings

Database = Callable[[], str]
HEAD = 100
MORE = 400
"""How far the story goes on at most until a lie was told: on a busy machine few questions are asked up to `HEAD`."""
FINALITY = 20
PRICE = topic0("AssetPriceUpdated(address,uint256,uint256)")
LOGS = "SELECT count(*) FROM raw_log WHERE block_number = %s AND log_index = %s"
MINT = topic0("Mint(address,address,uint256,uint256,uint256)")

LIES: dict[str, dict[str, float]] = {
    "breaks off": {"garbage": 0.15, "truncated": 0.15, "server_error": 0.15},
    "refuses": {"rate_limit": 0.2, "range_cap": 7, "logs_cap": 60},
    "silent": {"timeout": 0.02, "slow": 0.1},
    "lags": {"lagging_head": 0.3, "null_block": 0.05},
    "drops logs": {"drop_logs": 0.3, "empty_result": 0.2},
    "elsewhere": {"other_branch": 0.15},
    "everything": {
        "garbage": 0.05, "truncated": 0.05, "server_error": 0.05, "rate_limit": 0.03, "lagging_head": 0.1,
        "null_block": 0.02, "drop_logs": 0.12, "empty_result": 0.1, "other_branch": 0.08, "range_cap": 20, "logs_cap": 150,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that are asked again without delay, and do not wait long for an answer."""

    def open_node(rpc: object, *, chain_id: int, **_: object) -> NodePool:
        nodes = [RpcNode(url, timeout=0.5) for url in rpc]  # type: ignore[attr-defined]
        return NodePool(
            nodes, chain_id=chain_id, first_wait=0.002, longest_wait=0.02, give_up_after=20.0, quarantine=0.1
        )

    monkeypatch.setattr("indexer.run.open_node", open_node)


def lies(name: str, seed: int) -> Faults:
    return Faults(seed=seed, retry_after_seconds=0, timeout_seconds=0.6, slow_seconds=0.02, **LIES[name])  # type: ignore[arg-type]


CASES = [
    ("everything", 1),
    *(
        pytest.param(name, seed, marks=pytest.mark.slow)
        for seed in range(1, 6)
        for name in LIES
        if (name, seed) != ("everything", 1)
    ),
]


@pytest.mark.parametrize(("lie", "seed"), CASES)
def test_backfill(lie: str, seed: int, database: Database) -> None:
    story, faults = Story(HEAD), lies(lie, seed)
    with serve(story, faults=faults, finality_depth=FINALITY) as node:
        url = database()
        index(settings(node, max_block_range=8), url, to=HEAD - FINALITY)
        told = node.counts()
        node.faults = Faults()
        assert {row["status"] for row in cursors(url).values()} == {"backfill"}
        honest = dump(index(settings(node), database(), to=HEAD - FINALITY))
        # where the head was seen last is no row of the chain's
        assert differences({**dump(url), "chain": []}, {**honest, "chain": []}) == []
    assert told, "no lie was told"


@pytest.mark.parametrize(("lie", "seed"), CASES)
def test_following(lie: str, seed: int, database: Database) -> None:
    """It lies while blocks come and are replaced. Once it is honest and the blocks are final, nothing of it is left.

    A protocol may have stopped meanwhile, and says why; a restart then takes it up.
    """
    turn = random.Random(seed)
    story = Story(70)
    with serve(story, finality_depth=FINALITY) as node:
        chain, url = settings(node), database()
        with Following(chain, url) as indexer:
            indexer.reach(story)
            node.faults = lies(lie, seed)
            while story.head < HEAD or (not node.counts() and story.head < MORE):
                with node.lock:
                    if turn.random() < 0.15:
                        depth = turn.randint(1, 6)
                        keep: Keep = everything
                        story.replace(depth, depth + 1, keep)
                    else:
                        story.go_on(story.head + 1)
                indexer.stop.wait(0.04)
            told, node.faults = node.counts(), Faults()
            indexer.reach(story)
            with node.lock:
                story.idle(FINALITY + 5)
            indexer.reach(story)
        for row in cursors(url).values():
            assert row["status"] == "following" or (row["status"] == "stopped" and row["error"]["message"])
        index(chain, url)
        assert_equal(url, index(chain, database()))
    assert told, "no lie was told"


def test_an_honest_node_beside_a_liar(database: Database) -> None:
    story = Story(HEAD)
    with serve(story) as honest, serve(story, faults=lies("everything", 9)) as liar:
        url = index(settings(liar, honest), database(), to=HEAD)
        liar.faults = Faults()
        found = differences({**dump(url), "chain": []}, {**dump(index(settings(honest), database())), "chain": []})
        assert found == []


def test_a_node_of_another_chain_is_refused(database: Database) -> None:
    with serve(Story(10), faults=Faults(wrong_chain_id=5)) as node, pytest.raises(BadConfig, match="chain id 5"):
        index(settings(node), database())


def test_a_node_that_never_gives_a_range_is_named(database: Database) -> None:
    """Sticky lies cannot be healed: it stops and says why, and nothing wrong is committed."""
    story = Story(HEAD)
    with serve(story, faults=Faults(seed=3, other_branch=1.0, sticky=True)) as node:
        url = database()
        with pytest.raises(LeverageError) as told:
            index(settings(node), url)
        assert str(told.value)
        assert count(url, "SELECT count(*) FROM position_change") == 0


@pytest.mark.parametrize("away", [0, 40])
def test_a_log_left_out_at_the_head_is_found_by_the_next_process(away: int, database: Database) -> None:
    """One of several like it is missing, which no bloom tells, and the process ends before its block is final."""
    story = Story(HEAD)
    whole = next(b for b in story.blocks[HEAD - 8 :] if sum(log["topics"][0] == PRICE for log in b.logs) > 2)
    place, url = whole.number, database()
    gone = next(n for n, log in enumerate(whole.logs) if log["topics"][0] == PRICE)
    with serve(story, finality_depth=FINALITY) as node:
        story.blocks[place] = FakeBlock(whole.header, whole.logs[:gone] + whole.logs[gone + 1 :])
        index(settings(node), url)
        story.blocks[place] = whole
        assert count(url, LOGS, place, gone) == 0
        story.idle(away)
        with Following(settings(node), url) as indexer:
            indexer.reach(story)
            with node.lock:
                story.idle(FINALITY + 3)
            indexer.reach(story)
            wait_for(lambda: count(url, LOGS, place, gone) == 1, "the log", indexer)
            indexer.reach(story)
        assert_equal(url, index(settings(node), database()))


def test_a_protocol_stopped_by_a_log_left_out_is_freed_when_that_log_is_found(database: Database) -> None:
    story = Story(HEAD)
    place = next(n for n in range(HEAD - 6, HEAD) if any(log["topics"][0] == MINT for log in story.blocks[n].logs))
    whole, url = story.blocks[place], database()
    with serve(story, finality_depth=FINALITY) as node:
        bad = FakeBlock(whole.header, tuple(log for log in whole.logs if log["topics"][0] != MINT))
        story.blocks[place] = FakeBlock({**bad.header, "logsBloom": bloom_hex(bloom_of_logs(bad.logs))}, bad.logs)
        with Following(settings(node), url) as indexer:
            indexer.reach(story)
            with node.lock:
                story.blocks[place] = whole
                story.go_on(HEAD + 60)
            wait_for(lambda: {c["block"] for c in cursors(url).values()} == {HEAD + 60}, "both at the head", indexer)
            indexer.reach(story)
        assert {row["status"] for row in cursors(url).values()} == {"following"}
        assert_equal(url, index(settings(node), database()))
