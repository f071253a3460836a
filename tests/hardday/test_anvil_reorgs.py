"""Reorgs of the real contracts on anvil, over plain HTTP polling: other people do other things on the new branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from eth_abi.exceptions import ValueOutOfBounds

from indexer.config import ChainSettings, DeploymentSettings
from indexer.store.database import connect
from tests.hardday.database import assert_equal, count, dump
from tests.hardday.drive import Following, index
from tests.localchain import BuildUnavailable, LocalChain, Scenario

Database = Callable[[], str]
OLD = 40
"""Turns before the tests begin."""


class World:
    """A chain with people on it."""

    def __init__(self, chain: LocalChain, seed: int) -> None:
        self.chain = chain
        self.people = Scenario(chain, seed)
        self.people.setup()
        self.people.steps(OLD, crashes=False)

    def act(self, blocks: int) -> None:
        for _ in range(blocks):
            try:
                self.people.act(players=5, crowd=(1, 2, 3), seconds=12)
            except ValueOutOfBounds:  # somebody counts on what was undone, and has less than nothing to give
                self.chain.mine()

    def replace(self, depth: int, length: int) -> None:
        """Drop what was built since `mark` (`depth` blocks) and let people do other things."""
        assert self.chain.clock.head - self.point[1].head == depth
        self.chain.revert(self.point)
        self.act(length)

    def mark(self) -> None:
        """Note a block to come back to."""
        self.point = self.chain.snapshot()

    def settings(self, **changes: object) -> ChainSettings:
        names = {"aave_v3": "PoolAddressesProvider", "morpho_blue": "Morpho"}
        deployments = tuple(
            DeploymentSettings(protocol=slug, name="local", start_block=0, contracts={name: self.chain.contracts[name]})
            for slug, name in names.items()
        )
        base = ChainSettings(
            name="local", chain_id=31_337, rpc=(self.chain.rpc_url,), deployment=deployments, poll_seconds=0.02,
            price_interval_blocks=1, max_block_range=20,
        )  # fmt: skip
        return base.model_copy(update=changes)

    def reached(self, indexer: Following) -> None:
        head = self.chain.rpc.call("eth_getBlockByNumber", "latest", False)
        indexer.reach_block(int(head["number"], 16), head["hash"])

    def built_anew(self, database: Database) -> str:
        return index(self.settings(), database())


@pytest.fixture(scope="module", params=["3.6", pytest.param("3.0.2", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    try:
        chain = LocalChain(aave=request.param, seed=23, lifetime=900)
    except BuildUnavailable as missing:
        pytest.skip(f"local chain not available: {missing}")
    with chain:
        yield World(chain, 23)


@pytest.mark.parametrize(
    ("depth", "length"),
    [(1, 2), (16, 17), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((2, 3), (2, 9), (64, 65)))],
)
def test_following(depth: int, length: int, world: World, database: Database) -> None:
    world.mark()
    world.act(depth)
    with Following(world.settings(), database()) as indexer:
        world.reached(indexer)
        before = dump(indexer.url)
        world.replace(depth, length)
        world.reached(indexer)
    after = dump(indexer.url)
    for table in ("action", "position_change", "raw_log", "market_state", "block"):
        assert set(before[table]) - set(after[table]), f"{table} has nothing of its own on the old branch"
    assert count(indexer.url, "SELECT max(depth) FROM reorg") == depth
    assert_equal(indexer.url, world.built_anew(database))


@pytest.mark.slow
def test_two_in_a_row(world: World, database: Database) -> None:
    world.mark()
    outer = world.point
    world.act(4)
    with Following(world.settings(), database()) as indexer:
        world.reached(indexer)
        world.replace(4, 2)
        world.mark()
        world.act(3)
        world.reached(indexer)
        world.replace(3, 4)
        world.reached(indexer)
        world.point = outer
        assert_equal(indexer.url, world.built_anew(database))
        assert count(indexer.url, "SELECT count(*) FROM reorg") == 2


def test_while_backfilling(world: World, database: Database) -> None:
    """Above the finalized block the indexer walks in small ranges; the branch is replaced below and above it."""
    world.mark()
    world.act(50)
    with Following(world.settings(max_block_range=2, prefetch=2), database()) as indexer:
        indexer.pass_by(world.chain.clock.head - 30)
        world.replace(50, 51)
        world.reached(indexer)
    assert_equal(indexer.url, world.built_anew(database))


def test_balances_equal_the_contracts(world: World, database: Database) -> None:
    """After a reorg `positions` says what the contracts say at the head: scaled balances, to the wei."""
    world.mark()
    world.act(8)
    with Following(world.settings(), database()) as indexer:
        world.reached(indexer)
        world.replace(8, 9)
        world.reached(indexer)
    with connect(indexer.url) as connection, psycopg.ClientCursor(connection) as cursor:
        rows = cursor.execute(
            "SELECT account, side, asset, shares_raw FROM positions WHERE project = 'aave' AND side IN ('supply', 'debt')"
        ).fetchall()
    tokens = {}
    for reserve in world.chain.reserves.values():
        tokens["supply", reserve.asset], tokens["debt", reserve.asset] = reserve.a_token, reserve.debt_token
    asked = [
        ("eth_call", [{"to": tokens[side, asset], "data": "0x1da24f3e" + account[2:].rjust(64, "0")}, "latest"])
        for account, side, asset, _ in rows
    ]
    answers = world.chain.rpc.batch(asked)
    assert len(rows) > 30
    assert [int(row[3]) for row in rows] == [int(answer, 16) for answer in answers]


@pytest.mark.slow
def test_anvil_reorg(world: World, database: Database) -> None:
    """anvil's own command: the last blocks are replaced by empty ones. The last test: it takes nonces back."""
    world.act(3)
    with Following(world.settings(), database()) as indexer:
        world.reached(indexer)
        old = dump(indexer.url)["block"]
        world.chain.rpc.call("anvil_reorg", 3, [])
        world.chain.mine()
        world.chain.clock.head = int(world.chain.rpc.call("eth_blockNumber"), 16)
        world.reached(indexer)
        assert set(old) - set(dump(indexer.url)["block"])
        assert_equal(indexer.url, world.built_anew(database))
