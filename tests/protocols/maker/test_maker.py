"""Maker against the answers that the Vat of a recorded chain gave, and traps worked by hand.

Compared: urns, gem, ilks, dai, sin, debt, vice. No rule: `erc20 dai`, the wallets' DAI: Maker's positions end where DAI
leaves the Vat, and every transfer of DAI on Ethereum would have to be indexed for it.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.decode.abi import selector
from indexer.errors import MissingFact, NegativeBalance
from indexer.ledger.book import Book
from indexer.ledger.desk import Desk
from indexer.protocol import Deployment
from indexer.protocols import discover
from indexer.run import follow_chain
from indexer.types import Answer, Logs, Read
from indexer.units import RAY, WAD
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import answers_of, meta_of

HERE = Path(__file__).parent / "recording"
LISTED = ("Vat", "Dai", "Jug", "Spotter", "Cat")


def index(folder: Path, url: str) -> dict[str, Any]:
    meta = meta_of(folder)
    contracts = {name: meta["contracts"][name] for name in LISTED}
    entry = DeploymentSettings(protocol="maker", name="recorded", start_block=0, contracts=contracts)
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("maker",), deployment=(entry,))
    follow_chain(chain, url, to="latest", replay=folder)
    return meta


class Says:
    """What SQL says at one block, in the Vat's own figures."""

    def __init__(self, connection: psycopg.Connection[Any], meta: dict[str, Any], block: int) -> None:
        self.ilks = {name: ilk["ilk"] for name, ilk in meta["notes"]["ilks"].items()}
        at = (meta["chain_id"], block)
        with connection.cursor(row_factory=dict_row) as cur:
            rows = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
            self.markets = {
                row["market_id"].rsplit(":", 1)[1]: row
                for row in cur.execute("SELECT * FROM markets_at(%s, %s)", at).fetchall()
            }
        states = connection.execute(
            "SELECT DISTINCT ON (market_key) market_key, extra FROM market_state "
            "WHERE chain_id = %s AND block_number <= %s ORDER BY market_key, block_number DESC", at
        ).fetchall()  # fmt: skip
        self.extra = dict(states)
        self.shares = {(r["account"], r["market_id"].rsplit(":", 1)[1], r["side"]): int(r["shares_raw"]) for r in rows}
        self.amounts = {(r["account"], r["market_id"].rsplit(":", 1)[1], r["side"]): int(r["amount_raw"]) for r in rows}

    def answer(self, label: dict[str, Any]) -> tuple[int, ...]:
        what, account = label["what"], label.get("account")
        ilk = self.ilks.get(label.get("ilk", ""), "")
        if what == "urns":
            return tuple(self.shares.get((account, ilk, side), 0) for side in ("collateral", "debt"))
        if what == "gem":
            return (self.shares.get((account, f"gem-{ilk}", "supply"), 0),)
        if what in ("dai", "sin"):
            return (self.shares.get((account, "dai", "supply" if what == "dai" else "debt"), 0),)
        if what in ("debt", "vice"):
            return (int(self.markets["dai"]["supply_shares_raw" if what == "debt" else "debt_shares_raw"]),)
        market = self.markets[ilk]
        extra = self.extra[market["market_key"]]
        return (
            int(market["debt_shares_raw"]),
            int(market["debt_index_raw"]),
            *(extra[n] for n in ("spot", "line", "dust")),
        )


def words_of(answer: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(answer["result"][n : n + 64], 16) for n in range(2, len(answer["result"]), 64))


def compare(url: str, folder: Path, meta: dict[str, Any]) -> tuple[Counter[str], list[str]]:
    compared: Counter[str] = Counter()
    wrong: list[str] = []
    asked = defaultdict(list)
    for answer in answers_of(folder):
        if answer["label"]["what"] != "erc20 dai":
            asked[answer["block"]].append(answer)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        for block, answers in sorted(asked.items()):
            says = Says(connection, meta, block)
            rates = {}
            for answer in answers:
                label, words = answer["label"], words_of(answer)
                compared[label["what"]] += 1
                if says.answer(label) != words:
                    wrong.append(f"block {block} {label}: contract {words}, SQL {says.answer(label)}")
                if label["what"] == "ilks":
                    rates[says.ilks[label["ilk"]]] = words[1]
            for answer in answers:  # DAI that pays an urn off: art * rate of the contract's own answers, rounded up
                if answer["label"]["what"] == "urns":
                    ilk, art = says.ilks[answer["label"]["ilk"]], words_of(answer)[1]
                    compared["urns: DAI owed"] += 1
                    if says.amounts.get((answer["label"]["account"], ilk, "debt"), 0) != -(-art * rates[ilk] // RAY):
                        wrong.append(f"block {block} {answer['label']}: amount")
    return compared, wrong


def test_every_answer_is_equal(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    meta = index(HERE, url)
    compared, wrong = compare(url, HERE, meta)
    assert wrong == []
    assert compared.total() > 2_500


def test_every_answer_of_the_full_recording(recordings: Path, migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    meta = index(recordings / "maker", url)
    compared, wrong = compare(url, recordings / "maker", meta)
    blocks = checkpoints_of(recordings / "maker")
    answers = compared.total() - compared["urns: DAI owed"]  # worked out from answers, they are none
    record("maker", "dss of November 2019", blocks, answers, len(wrong), "recorded private chain")
    assert wrong == []
    assert compared.total() > 18_000


def with_joins(folder: Path, meta: dict[str, Any]) -> Path:
    """Write a recording that also holds what the joins answer (by the recording's notes) when the Vat relies on them."""
    shutil.copy(HERE / "chain.jsonl.gz", folder)
    joins = {ilk["join"]: ilk for ilk in meta["notes"]["ilks"].values()}
    with gzip.open(HERE / "chain.jsonl.gz", "rt") as blocks:
        next(blocks)
        logs = [
            log for line in blocks for log in json.loads(line)["logs"] if log["address"] == meta["contracts"]["Vat"]
        ]
    with gzip.open(folder / "reads.jsonl.gz", "wt") as lines:
        for log in logs:
            if log["topics"][0].startswith(selector("rely(address)")):
                address = "0x" + log["topics"][1][26:]
                ilk = joins.get(address)
                told = (ilk and f"0x{ilk['gem'][2:]:>064}", ilk and ilk["ilk"], ilk and f"0x{18:064x}")
                for question, result in zip(("gem()", "ilk()", "dec()"), told, strict=True):
                    said = {"result": result} if result else {"error": "execution reverted"}
                    read = {
                        "block": int(log["blockNumber"], 16),
                        "label": {},
                        "to": address,
                        "data": selector(question),
                    }
                    lines.write(json.dumps({**read, **said}) + "\n")
    return folder


def test_health_is_the_vats_own_test(migrated_database: Callable[[], str], tmp_path: Path) -> None:
    """With the joins' answers, urns have tokens and prices: art * rate against ink * spot, by contract answers."""
    url, meta = migrated_database(), meta_of(HERE)
    index(with_joins(tmp_path, meta), url)
    answers: dict[int, dict[tuple[str, Any, Any], tuple[int, ...]]] = defaultdict(dict)
    for answer in answers_of(HERE):
        label = answer["label"]
        answers[answer["block"]][label["what"], label.get("ilk"), label.get("account")] = words_of(answer)
    compared = 0
    with psycopg.connect(url) as connection, connection.cursor(row_factory=dict_row) as cur:
        for block, said in answers.items():
            rows = cur.execute("SELECT * FROM account_health(%s, %s)", (meta["chain_id"], block)).fetchall()
            found = {(row["account"], row["market_id"].rsplit(":", 1)[1]): row for row in rows}
            for (what, name, account), words in said.items():
                if what != "urns" or not words[1]:
                    continue
                (ink, art), (_, rate, spot, _, _) = words, said["ilks", name, None]
                row = found[account, meta["notes"]["ilks"][name]["ilk"]]
                assert row["is_liquidatable"] == (ink * spot < art * rate)
                assert int(row["health_factor_raw"]) == ink * spot * WAD // (art * rate)
                assert int(row["max_borrow_raw"]) == ink * spot // RAY
                assert int(row["debt_raw"]) == -(-art * rate // RAY)
                assert row["status"] in ("ok", "insolvent")
                assert row["collateral_assets"] == [meta["notes"]["ilks"][name]["gem"]]
                compared += 1
    assert compared > 50


# ---------------------------------------------------------------------------------------------------- by hand

VAT, DAI, JUG, SPOTTER, JOIN, GEM, ALICE, BOB, VOW, MANAGER, CAT = (f"0x{n:040x}" for n in range(1, 12))
ILK = "0x" + b"ETH-A".hex().ljust(64, "0")
RAD = RAY * WAD


def word(value: int | str) -> str:
    return f"{value % 2**256:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")


class Chain:
    """A Vat whose notes are written by hand, as `LogNote` lays them out."""

    def __init__(self) -> None:
        self.book = Book(1, "maker", "maker", lambda keys: {})
        self.desk = Desk(discover()["maker"], self.book)
        listed = {"Vat": VAT, "Dai": DAI, "Jug": JUG, "Spotter": SPOTTER, "CdpManager": MANAGER, "Cat": CAT}
        self.desk.open([Deployment(11, "maker", 1, "test", 0, listed)])
        self.logs = Logs()
        self.answers: list[Answer] = []

    def note(self, block: int, address: str, signature: str, *arguments: int | str) -> None:
        calldata = selector(signature)[2:] + "".join(map(word, arguments))
        data = (word(32) + word(224) + calldata).ljust(9 * 64, "0")
        self.log(block, address, ["0x" + selector(signature)[2:].ljust(64, "0"), *["0x" + word(0)] * 3], "0x" + data)

    def log(self, block: int, address: str, topics: Sequence[str], data: str) -> None:
        logs = self.logs
        logs.block_number.append(block)
        logs.log_index.append(len(logs.log_index))
        logs.tx_index.append(0)
        logs.tx_hash.append("0x" + "ab" * 32)
        logs.block_hash.append("0x" + "cd" * 32)
        logs.address.append(address)
        logs.topics.append(tuple(topics))
        logs.data.append(data)
        logs.timestamp.append(0)

    def answer(self, block: int, to: str, data: str, result: int | str) -> None:
        self.answers.append(Answer(Read(block, to, data, "test"), "0x" + word(result)))

    def settle(self) -> None:
        facts = self.desk.translate(self.logs)
        self.desk.settle(facts, self.answers, {block: block * 12 for block in self.logs.block_number})

    def shares(self, account: str, side: str, market: str = ILK) -> int:
        position = self.book.positions.get((self.book.markets[11, market].key, account, side))
        return position.shares if position else 0

    def actions(self) -> list[tuple[str, int]]:
        return [(row[7], row[15]) for row in self.book.rows["action"]]


FROB = "frob(bytes32,address,address,address,int256,int256)"
GRAB = "grab(bytes32,address,address,address,int256,int256)"
FORK = "fork(bytes32,address,address,int256,int256)"


def opened() -> Chain:
    """Alice locks 10 and draws 300 normalised at rate 1."""
    chain = Chain()
    chain.note(1, VAT, "init(bytes32)", ILK)
    chain.note(2, VAT, "slip(bytes32,address,int256)", ILK, ALICE, 10 * WAD)
    chain.note(3, VAT, FROB, ILK, ALICE, ALICE, ALICE, 10 * WAD, 300 * WAD)
    return chain


def test_dart_is_normalised_and_the_fee_is_the_vows_dai() -> None:
    chain = opened()
    chain.note(4, VAT, "fold(bytes32,address,int256)", ILK, VOW, RAY // 10)  # 10 % on 300 art: 30 DAI
    chain.note(5, VAT, FROB, ILK, ALICE, ALICE, BOB, 0, 100 * WAD)  # 100 art at 1.1: 110 DAI
    chain.settle()
    assert (chain.shares(ALICE, "collateral"), chain.shares(ALICE, "debt")) == (10 * WAD, 400 * WAD)
    assert chain.shares(ALICE, "supply", f"gem-{ILK}") == 0
    dai = [chain.shares(account, "supply", "dai") for account in (ALICE, VOW, BOB)]
    assert dai == [300 * RAD, 30 * RAD, 110 * RAD]
    assert chain.book.markets[11, "dai"].supply_shares == 440 * RAD == 400 * WAD * (RAY + RAY // 10)
    assert chain.actions() == [("supply_collateral", 10 * WAD), ("borrow", 300 * WAD), ("borrow", 110 * WAD)]


def test_a_seizure_moves_collateral_to_gem_and_debt_to_sin_once() -> None:
    chain = opened()
    chain.note(4, VAT, GRAB, ILK, ALICE, BOB, VOW, -10 * WAD, -300 * WAD)
    topics = ["0xa716da86bc1fb6d43d1493373f34d7a418b619681cd7b90f7ea667ba1489be28", ILK, "0x" + word(ALICE)]
    chain.log(4, CAT, topics, "0x" + "".join(map(word, (10 * WAD, 300 * WAD, 300 * RAD, BOB, 1))))
    chain.settle()  # Bite repeats what grab has moved
    assert (chain.shares(ALICE, "collateral"), chain.shares(ALICE, "debt")) == (0, 0)
    assert chain.shares(BOB, "supply", f"gem-{ILK}") == 10 * WAD
    assert chain.shares(VOW, "debt", "dai") == 300 * RAD
    assert chain.actions()[2:] == [("liquidation", 300 * WAD), ("seize", 10 * WAD)]


def test_heal_is_the_vows_though_its_log_names_nobody() -> None:
    chain = opened()
    chain.note(4, JUG, "file(bytes32,address)", "0x" + b"vow".hex().ljust(64, "0"), VOW)
    chain.note(5, VAT, "suck(address,address,uint256)", VOW, VOW, 50 * RAD)
    chain.note(6, VAT, "heal(uint256)", 20 * RAD)
    chain.settle()
    assert (chain.shares(VOW, "supply", "dai"), chain.shares(VOW, "debt", "dai")) == (30 * RAD, 30 * RAD)


def test_heal_without_a_vow_stops() -> None:
    chain = opened()
    chain.note(4, VAT, "heal(uint256)", RAD)
    with pytest.raises(MissingFact, match="does not log its caller"):
        chain.settle()


def test_fork_to_oneself_and_to_another() -> None:
    chain = opened()
    chain.note(4, VAT, FORK, ILK, ALICE, ALICE, 4 * WAD, 100 * WAD)
    chain.note(5, VAT, FORK, ILK, ALICE, BOB, 4 * WAD, 100 * WAD)
    chain.settle()
    assert [chain.shares(a, s) // WAD for a in (ALICE, BOB) for s in ("collateral", "debt")] == [6, 200, 4, 100]
    rows = chain.book.rows["position_change"]
    assert len({row[:6] for row in rows}) == len(rows)  # one row a key and leg


def test_more_collateral_than_there_is() -> None:
    chain = opened()
    chain.note(4, VAT, "flux(bytes32,address,address,uint256)", ILK, ALICE, BOB, 1)
    with pytest.raises(NegativeBalance, match="would be -1 shares"):
        chain.settle()


def test_a_join_relied_on_after_init_in_one_block_tells_token_and_decimals() -> None:
    chain = Chain()
    chain.note(1, VAT, "init(bytes32)", ILK)
    chain.note(1, VAT, "rely(address)", JOIN)
    for question, result in (("gem()", GEM), ("ilk()", ILK), ("dec()", 8)):
        chain.answer(1, JOIN, selector(question), result)
    chain.note(2, VAT, "slip(bytes32,address,int256)", ILK, ALICE, WAD)
    chain.note(3, VAT, FROB, ILK, ALICE, ALICE, ALICE, WAD, 0)
    chain.settle()
    assert chain.book.listings[11, ILK].collateral_asset == GEM
    assert chain.shares(ALICE, "collateral") == WAD  # the Vat counts WAD whatever the token's decimals
    assert chain.actions() == [("supply_collateral", 10**8)]


def test_a_cdp_has_an_owner() -> None:
    chain = opened()
    topics = ["0x" + word(BOB), "0x" + word(BOB), "0x" + word(7)]
    chain.log(4, MANAGER, ["0xd6be0bc178658a382ff4f91c8c68b542aa6b71685b8fe427966b87745c3ea7a2", *topics], "0x")
    chain.answer(4, MANAGER, selector("urns(uint256)") + word(7), ALICE)
    chain.settle()
    said = {row[2]: row[5] for row in chain.book.rows["account_setting"] if row[1] == ALICE}
    assert said == {"cdp": 7, "owner": int(BOB, 16)}
