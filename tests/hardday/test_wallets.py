"""Smart wallets on the demo's chain: watched from their first position on, the same rows in any pieces and after any reorg.

The demo has no Safe, so three of its accounts are declared to be some: logs of a factory and of the Safes are added to its
blocks, in the form of Safe 1.4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from eth_abi.abi import encode

from indexer.config import ChainSettings, DeploymentSettings
from indexer.rebuild import rebuild
from tests.decode.making import topic, word
from tests.fakenode import FakeNode
from tests.hardday.database import count, differences, dump
from tests.hardday.drive import Following, index
from tests.hardday.story import Keep, Story, everything, nothing, recorded, serve, settings

Database = Callable[[], str]
FACTORY, NEVER, ALICE, BOB = ("0x" + pair * 20 for pair in ("fa", "5e", "a1", "b0"))
EARLY = "0xf7d836eb5fe09519a48d57e7111f58933f5c867e"
"""Its first balance changes at block 47."""
LATE = "0x68dc13a97dbcabfc69076d28b996174bdbfe0683"
"""Its balances change at blocks 54 and 94."""
HEAD = 110
TRUTH = {"raw_log", "block"}
"""What nodes said stays, although nobody would ask for it on the other branch."""


def log(address: str, signature: str, topics: list[str], kinds: list[str], values: list[Any]) -> dict[str, Any]:
    return {
        "address": address, "topics": [topic(signature), *topics], "data": "0x" + encode(kinds, values).hex(),
        "transactionHash": "0x" + "7e" * 32, "transactionIndex": "0x0", "removed": False,
    }  # fmt: skip


def made(safe: str, *owners: str) -> list[dict[str, Any]]:
    """A Safe of some owners, one of whom has to sign: the Safe speaks before the factory."""
    return [
        log(safe, "SafeSetup(address,address[],uint256,address,address)", [word("address", FACTORY)],
            ["address[]", "uint256", "address", "address"], [list(owners), 1, BOB, BOB]),
        log(FACTORY, "ProxyCreation(address,address)", [word("address", safe)], ["address"], [BOB]),
    ]  # fmt: skip


ADDED: dict[int, list[dict[str, Any]]] = {
    20: [*made(EARLY, ALICE), *made(NEVER, ALICE)],
    30: [log(EARLY, "AddedOwner(address)", [word("address", BOB)], [], []),
         log(EARLY, "ChangedThreshold(uint256)", [], ["uint256"], [2])],
    60: made(LATE, BOB),
    90: [log(EARLY, "RemovedOwner(address)", [word("address", ALICE)], [], []),
         log(EARLY, "ChangedThreshold(uint256)", [], ["uint256"], [1])],
}  # fmt: skip


class Walleted(Story):
    """The demo with those logs."""

    def __init__(self, head: int) -> None:
        super().__init__(19)
        self.put(head)

    def put(self, last: int, keep: Keep = everything) -> None:
        for block in recorded().blocks[self.head + 1 : last + 1]:
            logs = (*(log for log in block.logs if keep(log)), *ADDED.get(block.number, ()))
            self.blocks.append(
                self._block(
                    block.header, [{**log, "blockNumber": block.header["number"]} for log in logs], block.timestamp
                )
            )


def with_safes(node: FakeNode, *protocols: str, **changes: Any) -> ChainSettings:
    plain = settings(node, **changes)
    safes = DeploymentSettings(protocol="safe", name="demo", start_block=0, contracts={"SafeProxyFactory": FACTORY})
    return plain.model_copy(
        update={"deployment": (*plain.deployment, safes), "protocols": protocols or ("aave_v3", "morpho_blue", "safe")}
    )


def owners(url: str, block: int | None = None) -> dict[str, tuple[str, str]]:
    with psycopg.connect(url) as db:
        rows = db.execute("SELECT address, owner_id, evidence FROM owners_at(31337, %s)", (block,)).fetchall()
    return {row[0]: row[1:] for row in rows}


@pytest.fixture(scope="module")
def whole(migrated_database: Database) -> str:
    """All three protocols from the start, in one go."""
    with serve(Walleted(HEAD)) as node:
        return index(with_safes(node, max_block_range=1000), migrated_database())


def assert_same(url: str, other: str) -> None:
    """Compare everything that is derived; of what nodes said, that nothing is lacking."""
    one, two = dump(url), dump(other)
    for name in TRUTH:
        assert not set(two[name]) - set(one[name])
        del one[name], two[name]
    assert differences(one, two) == []


def test_wallets_with_a_position_have_owners(whole: str) -> None:
    assert owners(whole) == {EARLY: (BOB, "safe: its owner"), LATE: (BOB, "safe: its owner")}
    assert (
        owners(whole, 46) == {}
    )  # a wallet without a position; LATE has one by block 93, before it is met as a wallet
    assert owners(whole, 93) == {EARLY: (BOB, "safe: its owner")}
    assert owners(whole, 50)[EARLY] == (EARLY, "safe: 2 of 2, its own owner")
    found = "SELECT count(*) FROM wallet_owner WHERE wallet = decode('" + NEVER[2:] + "', 'hex')"
    assert count(whole, found) == 0  # it is known to be a wallet, and nobody asked it
    assert count(whole, "SELECT count(*) FROM wallet_state WHERE threshold IS NULL") == 3
    assert count(whole, "SELECT count(*) FROM contract WHERE protocol = 'safe' AND kind = 'Safe'") == 2
    assert count(whole, f"SELECT block_number FROM contract WHERE address = decode('{EARLY[2:]}', 'hex')") == 47
    assert count(whole, f"SELECT block_number FROM contract WHERE address = decode('{LATE[2:]}', 'hex')") == 94
    with psycopg.connect(whole) as db:
        rows = db.execute("SELECT DISTINCT account, owner FROM positions WHERE account <> owner ORDER BY 1").fetchall()
        assert rows == [(LATE, BOB), (EARLY, BOB)]


@pytest.mark.parametrize("span", [pytest.param(3, marks=pytest.mark.slow), 40])
def test_ranges_of_any_size_give_the_same_rows(span: int, whole: str, database: Database) -> None:
    with serve(Walleted(HEAD)) as node:
        assert_same(index(with_safes(node, max_block_range=span), database()), whole)


@pytest.mark.parametrize("later", ["safe", "aave_v3"])
def test_a_protocol_that_comes_later(later: str, whole: str, database: Database) -> None:
    """Wallets that catch up know the positions there are; positions that catch up meet the wallets there are.

    The day that ends between blocks 94 and 105 has both wallets as one owner, whenever that came to be known.
    """
    before = [slug for slug in ("aave_v3", "morpho_blue", "safe") if slug != later]
    url = database()
    with serve(Walleted(HEAD)) as node:
        index(with_safes(node, *before), url, to=105)
        index(with_safes(node), url)
        assert_same(url, whole)


def test_a_rebuild_gives_the_same_rows(whole: str, database: Database) -> None:
    with serve(Walleted(HEAD)) as node:
        chain = with_safes(node)
        url = index(chain, database())
        rebuild(chain, url)
    assert_same(url, whole)


@pytest.mark.parametrize("depth", [20, 60])
def test_with_the_position_goes_what_was_known_because_of_it(depth: int, database: Database) -> None:
    """The branch that replaces the last blocks has no balance that changes: LATE is not met, EARLY is, and its owners go on."""
    story = Walleted(HEAD)
    with serve(story) as node:
        with Following(with_safes(node), database()) as indexer:
            indexer.reach(story)
            assert LATE in owners(indexer.url)
            with node.lock:
                story.cut(depth)
                story.put(HEAD + 1, nothing)
            indexer.reach(story)
        assert owners(indexer.url) == {EARLY: (BOB, "safe: its owner")}
        assert_same(indexer.url, index(with_safes(node), database()))
