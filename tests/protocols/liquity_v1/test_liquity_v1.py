"""Liquity v1 against the answers that the contracts of a recorded chain gave, and traps worked by hand.

Compared: troves (entire, stored, pending, stake, status), deposits and their gains, accumulators, totals, base rate and
price. No rule: `lusd balanceOf`, the wallets' LUSD, which is no position.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.errors import MissingFact
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment
from indexer.protocols import discover
from indexer.run import follow_chain
from indexer.types import Logs
from indexer.units import WAD
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import answers_of, meta_of

HERE = Path(__file__).parent / "recording"
NO_RULE = {"lusd balanceOf"}


def index(folder: Path, url: str) -> dict[str, Any]:
    meta = meta_of(folder)
    contracts = {"TroveManager": meta["contracts"]["TroveManager"]}  # the rest is found on chain
    entry = DeploymentSettings(protocol="liquity_v1", name="recorded", start_block=0, contracts=contracts)
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("liquity_v1",), deployment=(entry,))
    follow_chain(chain, url, to="latest", replay=folder)
    return meta


class Says:
    """What SQL says at one block."""

    def __init__(self, connection: psycopg.Connection[Any], meta: dict[str, Any], block: int) -> None:
        at = (meta["chain_id"], block)
        with connection.cursor(row_factory=dict_row) as cur:
            rows = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
            self.markets = {
                row["market_id"].rsplit(":", 1)[1]: row
                for row in cur.execute("SELECT * FROM markets_at(%s, %s)", at).fetchall()
            }
            self.health = {
                row["account"]: row for row in cur.execute("SELECT * FROM account_health(%s, %s)", at).fetchall()
            }
        self.rows = {(row["account"], row["market_id"].rsplit(":", 1)[1], row["side"]): row for row in rows}
        names = {row["market_key"]: name for name, row in self.markets.items()}
        states = connection.execute(
            "SELECT DISTINCT ON (market_key) market_key, extra FROM market_state "
            "WHERE chain_id = %s AND block_number <= %s ORDER BY market_key, block_number DESC", at
        ).fetchall()  # fmt: skip
        self.figures = {names[key]: extra for key, extra in states}
        troves = connection.execute(
            "SELECT DISTINCT ON (account) '0x' || encode(account, 'hex'), extra FROM position_change "
            "WHERE chain_id = %s AND block_number <= %s AND side = 'debt' "
            "ORDER BY account, block_number DESC, log_index DESC", at
        ).fetchall()  # fmt: skip
        self.troves = dict(troves)

    def amount(self, account: str, market: str, side: str, column: str = "amount_raw") -> int:
        row = self.rows.get((account, market, side))
        return 0 if row is None else int(row[column])

    def answer(self, what: str, account: str) -> tuple[int, ...]:
        entire = [self.amount(account, "troves", side) for side in ("debt", "collateral")]
        stored = [self.amount(account, "troves", side, "shares_raw") for side in ("debt", "collateral")]
        pending = [a - b for a, b in zip(entire, stored, strict=True)]
        totals, pool = self.figures["troves"], self.figures["stability"]
        found: dict[str, Sequence[int]] = {
            "getEntireDebtAndColl": (*entire, *pending),
            "getTroveDebt": stored[:1],
            "getTroveColl": stored[1:],
            "getPendingLUSDDebtReward": pending[:1],
            "getPendingETHReward": pending[1:],
            "getTroveStake": (self.troves.get(account, {}).get("stake", 0),),
            "getTroveStatus": (self.troves.get(account, {}).get("status", 0),),
            "getCompoundedLUSDDeposit": (self.amount(account, "stability", "supply"),),
            "getDepositorETHGain": (self.amount(account, "gains", "supply"),),
            "L_ETH": (totals.get("L_ETH", 0),),
            "L_LUSDDebt": (totals.get("L_LUSDDebt", 0),),
            "totalStakes": (totals.get("total_stakes", 0),),
            "baseRate": (totals.get("base_rate", 0),),
            "getEntireSystemColl": (totals.get("active_coll", 0) + totals.get("default_coll", 0),),
            "getEntireSystemDebt": (int(self.markets["troves"]["total_debt_raw"]),),
            "getTotalLUSDDeposits": (int(pool.get("total", 0)),),
            "getPrice": (int(self.markets["troves"]["oracle_price_raw"]),),
        }
        return tuple(found[what])


def compare(url: str, folder: Path, meta: dict[str, Any]) -> tuple[Counter[str], list[str]]:
    compared: Counter[str] = Counter()
    wrong: list[str] = []
    asked = defaultdict(list)
    for answer in answers_of(folder):
        if answer["label"]["what"] not in NO_RULE:
            asked[answer["block"]].append(answer)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        for block, answers in sorted(asked.items()):
            says = Says(connection, meta, block)
            entire: dict[str, tuple[int, ...]] = {}
            system: dict[str, int] = {}
            for answer in answers:
                what, account = answer["label"]["what"], answer["label"].get("account", "")
                words = tuple(int(answer["result"][n : n + 64], 16) for n in range(2, len(answer["result"]), 64))
                compared[what] += 1
                if says.answer(what, account) != words:
                    wrong.append(f"block {block} {answer['label']}: contract {words}, SQL {says.answer(what, account)}")
                if what == "getEntireDebtAndColl":
                    entire[account] = words
                elif not account:
                    system[what] = words[0]
            compared["health"] += compare_health(says, entire, system, wrong, block)
    return compared, wrong


def compare_health(
    says: Says, entire: dict[str, tuple[int, ...]], system: dict[str, int], wrong: list[str], block: int
) -> int:
    """Hold health against TroveManager's rules over the contract's own answers: MCR, recovery mode, ICR."""
    price, troves = system["getPrice"], {account: words for account, words in entire.items() if words[0]}
    ratio = system["getEntireSystemColl"] * price // system["getEntireSystemDebt"] if troves else 0
    for account, (debt, coll, _, _) in troves.items():
        row, own = says.health[account], coll * price // debt
        risky = own * 10 < 11 * WAD or (2 * ratio < 3 * WAD and own < ratio and system["getTotalLUSDDeposits"] >= debt)
        said = (row["is_liquidatable"], int(row["health_factor_raw"]), int(row["debt_raw"]), row["status"])
        if said != (risky, own * 10 // 11, debt, "ok" if coll * price > debt * WAD else "insolvent"):
            wrong.append(f"block {block} health of {account}: {said}, ICR {own}, TCR {ratio}")
    return len(troves)


def test_every_answer_is_equal(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    meta = index(HERE, url)
    compared, wrong = compare(url, HERE, meta)
    assert wrong == []
    assert compared.total() > 3_000
    assert compared["health"] > 100


def test_every_answer_of_the_full_recording(recordings: Path, migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    meta = index(recordings / "liquity_v1", url)
    compared, wrong = compare(url, recordings / "liquity_v1", meta)
    answers = compared.total() - compared["health"]  # health is worked out from answers, it is none
    blocks = checkpoints_of(recordings / "liquity_v1")
    record("liquity_v1", "public head", blocks, answers, len(wrong), "recorded private chain")
    assert wrong == []
    assert compared.total() > 24_000


# ---------------------------------------------------------------------------------------------------- by hand

MANAGER, OPERATIONS, POOL, LUSD, ALICE, BOB = (f"0x{n:040x}" for n in range(1, 7))
ADDRESSES = {"TroveManager": MANAGER, "BorrowerOperations": OPERATIONS, "StabilityPool": POOL, "LUSDToken": LUSD}
OPEN, CLOSE, ADJUST = range(3)
APPLY, LIQUIDATE, RECOVER, REDEEM = range(4)


def word(value: int | str) -> str:
    return f"{value:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Chain:
    """Logs written by hand."""

    def __init__(self, listed: Sequence[str] = tuple(ADDRESSES)) -> None:
        self.book = Book(1, "liquity_v1", "liquity", lambda keys: {})
        self.desk = Desk(discover()["liquity_v1"], self.book)
        self.topics = {
            (kind, layout.signature): layout.topic0
            for kind, by_topic in self.desk.router.kinds.items()
            for layouts in by_topic.values()
            for layout in layouts
        }
        contracts = {name: ADDRESSES[name] for name in listed}
        self.desk.open([Deployment(11, "liquity_v1", 1, "test", 0, contracts)])
        self.logs = Logs()

    def add(self, block: int, kind: str, signature: str, topics: Sequence[str], *words: int) -> None:
        logs = self.logs
        logs.block_number.append(block)
        logs.log_index.append(len(logs.log_index))
        logs.tx_index.append(0)
        logs.tx_hash.append("0x" + "ab" * 32)
        logs.block_hash.append("0x" + "cd" * 32)
        logs.address.append(ADDRESSES[kind])
        logs.topics.append((self.topics[kind, signature], *("0x" + word(topic) for topic in topics)))
        logs.data.append("0x" + "".join(map(word, words)))
        logs.timestamp.append(0)

    def trove(self, block: int, kind: str, account: str, debt: int, coll: int, stake: int, operation: int) -> None:
        self.add(
            block, kind, "TroveUpdated(address,uint256,uint256,uint256,uint8)", [account], debt, coll, stake, operation
        )

    def settle(self) -> None:
        self.desk.settle(self.desk.translate(self.logs), [], {block: block for block in self.logs.block_number})
        self.logs = Logs()

    def position(self, account: str, side: str, market: str = "troves") -> Any:
        return self.book.positions[self.book.markets[11, market].key, account, side]

    def actions(self) -> list[tuple[str, int]]:
        return [(row[7], row[15]) for row in self.book.rows["action"]]


def test_troves_are_absolute_and_keep_the_terms_in_force() -> None:
    chain = Chain()
    chain.trove(1, "BorrowerOperations", ALICE, 2_000, 10, 10, OPEN)
    chain.trove(2, "BorrowerOperations", BOB, 3_000, 20, 20, OPEN)
    chain.trove(3, "TroveManager", BOB, 0, 0, 0, LIQUIDATE)
    chain.add(3, "TroveManager", "LTermsUpdated(uint256,uint256)", [], 2 * WAD, 300 * WAD)
    chain.settle()
    assert chain.position(ALICE, "debt").shares == 2_000  # 10 * 300 more are pending, without an event of Alice's
    assert chain.position(ALICE, "debt").extra == {"stake": 10, "status": 1, "L_ETH": 0, "L_LUSDDebt": 0}
    assert chain.position(BOB, "debt").extra["status"] == 3
    assert (chain.book.markets[11, "troves"].extra or {})["total_stakes"] == 10  # no event tells the removal
    chain.trove(4, "TroveManager", ALICE, 5_000, 30, 10, APPLY)
    chain.trove(4, "BorrowerOperations", ALICE, 4_900, 30, 10, ADJUST)
    chain.settle()
    assert chain.position(ALICE, "debt").extra == {"stake": 10, "status": 1, "L_ETH": 2 * WAD, "L_LUSDDebt": 300 * WAD}
    assert chain.actions() == [
        ("supply_collateral", 10), ("borrow", 2_000), ("supply_collateral", 20), ("borrow", 3_000), ("repay", 100),
    ]  # fmt: skip


def test_a_redemption_takes_from_others_and_closes() -> None:
    chain = Chain()
    chain.trove(1, "BorrowerOperations", ALICE, 2_000, 10, 10, OPEN)
    chain.trove(2, "TroveManager", ALICE, 1_500, 8, 8, REDEEM)
    chain.trove(3, "TroveManager", ALICE, 0, 0, 0, REDEEM)
    chain.settle()
    assert chain.position(ALICE, "debt").extra["status"] == 4
    assert chain.actions()[2:] == [
        ("withdraw_collateral", 2),
        ("repay", 500),
        ("withdraw_collateral", 8),
        ("repay", 1_500),
    ]


@pytest.mark.parametrize("epochs", [False, True])
def test_a_deposit_shrinks_with_p_over_a_scale_and_ends_with_the_epoch(epochs: bool) -> None:
    chain = Chain()
    scale = f"ScaleUpdated(uint{128 if epochs else 256})"
    deposit = "UserDepositChanged(address,uint256)"
    chain.add(1, "StabilityPool", deposit, [ALICE], 10**12)
    chain.add(2, "StabilityPool", scale, [], 1)
    chain.add(2, "StabilityPool", "P_Updated(uint256)", [], 10**24)  # 10^24 / 10^9 of 10^18: a thousandth is left
    chain.add(3, "StabilityPool", deposit, [ALICE], 10**9 - 1)
    chain.settle()
    assert chain.actions() == [("supply", 10**12), ("withdraw", 1)]
    if epochs:
        chain.add(4, "StabilityPool", "EpochUpdated(uint128)", [], 1)
        chain.add(4, "StabilityPool", scale, [], 0)
        chain.add(4, "StabilityPool", "P_Updated(uint256)", [], WAD)
        chain.add(5, "StabilityPool", "S_Updated(uint256,uint128,uint128)", [], 7, 1, 0)
        chain.add(6, "StabilityPool", deposit, [ALICE], 500)
        chain.settle()
        assert chain.actions()[2:] == [("supply", 500)]  # the emptied pool left nothing
        assert chain.position(ALICE, "supply", "gains").extra == {"P": WAD, "S": 7, "epoch": 1, "scale": 0}


def test_without_its_token_the_system_stops() -> None:
    chain = Chain(listed=("TroveManager",))
    chain.trove(1, "TroveManager", ALICE, 1_500, 8, 8, REDEEM)
    with pytest.raises(MissingFact, match="names the LUSD token"):
        chain.settle()
