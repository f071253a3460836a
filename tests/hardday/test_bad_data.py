"""A log that cannot be booked stops its protocol before its block, keeps what was booked, and resumes there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from bench.evm import topic0
from tests.fakenode import FakeBlock
from tests.hardday.database import assert_equal, cursors
from tests.hardday.drive import Following, index, wait_for
from tests.hardday.story import Story, serve, settings

Database = Callable[[], str]
HEAD = 200
SLOW = pytest.mark.slow

AAVE_SUPPLY = topic0("Supply(address,address,address,uint256,uint16)")
AAVE_BURN = topic0("Burn(address,address,uint256,uint256,uint256)")
RESERVE_DATA = topic0("ReserveDataUpdated(address,uint256,uint256,uint256,uint256,uint256)")
MORPHO_SUPPLY = topic0("Supply(bytes32,address,address,uint256,uint256)")
MORPHO_WITHDRAW_COLLATERAL = topic0("WithdrawCollateral(bytes32,address,address,address,uint256)")

TRANSFER = topic0("Transfer(address,address,uint256)")

HUGE = f"{2**200:064x}"


def word(at: int, value: Callable[[str], str]) -> Callable[[str], str]:
    """A change of the data's word at a place."""
    start = 2 + 64 * at
    return lambda data: data[:start] + value(data[start : start + 64]) + data[start + 64 :]


def spoil(story: Story, topic: str, after: int, change: Callable[[str], str]) -> tuple[FakeBlock, dict[str, Any]]:
    """Change the data of the first log with this topic above a block, under the same block hash; return the good block."""
    for at, block in enumerate(story.blocks):
        for place, log in enumerate(block.logs):
            if block.number > after and log["topics"][0] == topic:
                logs = [dict(one) for one in block.logs]
                logs[place]["data"] = change(log["data"])
                story.blocks[at] = FakeBlock(block.header, tuple(logs))
                return block, logs[place]
    raise AssertionError("no such log")


CASES: dict[str, tuple[str, str, int, Callable[[str], str], dict[str, Any]]] = {
    "cut off": ("aave_v3", AAVE_SUPPLY, 70, lambda d: d[:-2], {"error": "DecodeError", "event": "Supply("}),
    "dirty address": (
        "aave_v3", AAVE_SUPPLY, 70, word(0, lambda w: "01" + w[2:]),
        {"error": "DecodeError", "event": "Supply(", "argument": "user", "word": "01"},
    ),
    "no data": ("morpho_blue", MORPHO_SUPPLY, 70, lambda _: "0x", {"error": "DecodeError", "event": "Supply("}),
    "below zero, Aave": ("aave_v3", AAVE_BURN, 70, word(0, lambda _: HUGE), {"error": "NegativeBalance"}),
    "below zero, Morpho": (
        "morpho_blue", MORPHO_WITHDRAW_COLLATERAL, 70, word(1, lambda _: HUGE), {"error": "NegativeBalance"},
    ),
    "other rules": (
        "aave_v3", RESERVE_DATA, 70, word(4, lambda w: f"{int(w, 16) + 1:064x}"), {"error": "WrongRegime"},
    ),
}  # fmt: skip


def changes_of(url: str, protocol: str) -> list[tuple[Any, ...]]:
    """The rows of position_change, raw_log and cursor-bound tables of one protocol."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """
            SELECT 'change', p.block_number, p.log_index, p.leg, p.shares_raw::text, encode(p.account, 'hex'), p.side
            FROM position_change p JOIN market m USING (chain_id, market_key)
            JOIN deployment d USING (chain_id, deployment_key) WHERE d.protocol = %(p)s
            UNION ALL
            SELECT 'position', p.block_number, p.log_index, p.leg, p.shares_raw::text, encode(p.account, 'hex'), p.side
            FROM position p JOIN market m USING (chain_id, market_key)
            JOIN deployment d USING (chain_id, deployment_key) WHERE d.protocol = %(p)s
            UNION ALL
            SELECT 'action', a.block_number, a.log_index, a.leg, a.amount_raw::text, encode(a.tx_hash, 'hex'), a.transaction_type
            FROM action a JOIN deployment d USING (chain_id, deployment_key) WHERE d.protocol = %(p)s
            UNION ALL
            SELECT 'log', l.block_number, l.log_index, 0, '', encode(l.data, 'hex'), encode(l.topics, 'hex')
            FROM raw_log l WHERE EXISTS (
                SELECT FROM contract c WHERE c.chain_id = l.chain_id AND c.address = l.address AND c.protocol = %(p)s
                  AND (c.kind <> 'WalletToken' OR substr(l.topics, 1, 32) = %(transfer)s))
            ORDER BY 1, 2, 3, 4, 5, 6, 7
            """,
            {"p": protocol, "transfer": bytes.fromhex(TRANSFER[2:])},
        ).fetchall()


@pytest.fixture(scope="module")
def honest(migrated_database: Database) -> str:
    """The database of an honest node."""
    with serve(Story(HEAD)) as node:
        return index(settings(node), migrated_database())


@pytest.mark.parametrize(
    ("case", "span"),
    [
        ("dirty address", 25), ("below zero, Morpho", 200),
        *(pytest.param(case, span, marks=SLOW) for case in CASES for span in (7, 60)),
        pytest.param("dirty address", 1, marks=SLOW),
    ],
)  # fmt: skip
def test_stops_there_and_resumes(case: str, span: int, database: Database, honest: str) -> None:
    protocol, topic, after, change, expected = CASES[case]
    other = {"aave_v3": "morpho_blue", "morpho_blue": "aave_v3"}[protocol]
    story = Story(HEAD)
    good, bad_log = spoil(story, topic, after, change)
    url = database()
    with serve(story) as node:
        chain = settings(node, max_block_range=span)
        for _ in range(2):  # the second run tries again, meets the same and changes nothing
            index(chain, url)
            found = cursors(url)
            stopped, error = found[protocol], found[protocol]["error"]
            assert (stopped["status"], stopped["block"]) == ("stopped", good.number - 1)
            assert stopped["hash"] == story.blocks[good.number - 1].hash
            assert (found[other]["status"], found[other]["block"]) == ("following", HEAD)
            assert found[other]["hash"] == story.blocks[HEAD].hash
            assert error["protocol"] == protocol and error["block_number"] == good.number and error["hint"]
            assert all(error[key].startswith(value) for key, value in expected.items())
            if error["error"] == "DecodeError":
                assert error["tx_hash"] == bad_log["transactionHash"]
                assert error["log_index"] == int(bad_log["logIndex"], 16)
                assert error["address"] == bad_log["address"] and error["argument"]
        assert changes_of(url, other) == changes_of(honest, other)
        # transfers of a token that the other protocol names too are the other's as well, and stay
        kept = {row for row in changes_of(honest, other) if row[0] == "log" and row[1] >= good.number}
        found, whole = ([row for row in changes_of(db, protocol) if row not in kept] for db in (url, honest))
        below = [row for row in whole if row[0] != "position" and row[1] < good.number]
        assert [row for row in found if row[0] != "position"] == below
        with serve(Story(good.number - 1)) as short:
            before = index(settings(short), database())
        assert found == changes_of(before, protocol)

        story.blocks[good.number] = good
        index(chain, url)
        assert cursors(url)[protocol]["status"] == "following" and cursors(url)[protocol]["error"] is None
    assert_equal(url, honest)


def test_while_following(database: Database) -> None:
    """The protocol stops at the head; the other follows on, through a reorg too, which frees the first."""
    story = Story(HEAD)
    good, _ = spoil(story, AAVE_SUPPLY, 170, lambda d: d[:-2])
    rest = story.blocks[good.number - 5 :]
    del story.blocks[good.number - 5 :]
    with serve(story) as node, Following(settings(node), database()) as indexer:
        indexer.reach(story)
        for block in rest[:8]:
            with node.lock:
                story.append([block])
            indexer.reach(story)
        found = cursors(indexer.url)
        assert found["aave_v3"]["status"] == "stopped" and found["aave_v3"]["block"] == good.number - 1
        assert found["morpho_blue"]["block"] == good.number + 2
        # the node serves a branch where the block below the bad one is replaced as well: its logs are right
        with node.lock:
            story.replace(6, 7)
        indexer.reach(story)
        wait_for(lambda: {c["status"] for c in cursors(indexer.url).values()} == {"following"}, "both follow", indexer)
        indexer.reach(story)
        assert_equal(indexer.url, index(settings(node), database()))


@SLOW
def test_both_at_once(database: Database, honest: str) -> None:
    story, url = Story(HEAD), database()
    good_aave, _ = spoil(story, AAVE_SUPPLY, 70, lambda d: d[:-2])
    good_morpho, _ = spoil(story, MORPHO_SUPPLY, 75, lambda d: d[:-2])
    with serve(story) as node:
        index(settings(node), url)
        found = cursors(url)
        assert {name: row["status"] for name, row in found.items()} == {"aave_v3": "stopped", "morpho_blue": "stopped"}
        assert found["aave_v3"]["block"] == good_aave.number - 1
        assert found["morpho_blue"]["block"] == good_morpho.number - 1
        story.blocks[good_aave.number], story.blocks[good_morpho.number] = good_aave, good_morpho
        index(settings(node), url)
    assert_equal(url, honest)


@SLOW
def test_only_the_first_of_two_bad_blocks_is_told(database: Database) -> None:
    story, url = Story(HEAD), database()
    first, _ = spoil(story, AAVE_SUPPLY, 70, lambda d: d[:-2])
    second, _ = spoil(story, RESERVE_DATA, 60, word(4, lambda w: f"{int(w, 16) + 1:064x}"))
    assert second.number < first.number
    with serve(story) as node:
        index(settings(node, max_block_range=60), url)
    found = cursors(url)["aave_v3"]
    assert found["error"]["error"] == "WrongRegime" and found["block"] == second.number - 1
