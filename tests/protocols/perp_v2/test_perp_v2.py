"""Perpetual Protocol v2 against the answers that its contracts gave on a private chain, through `index --replay` and SQL.

Predicted from events alone, for every account and market at every checkpoint:

* `getTakerPositionSize`, `getTakerOpenNotional`: a taker's size (`positions_at`) and what it paid (`perp_v2_takers_at`)
* `getBalance`: the vault balance in the settlement token (`positions_at`)
* `getPnlAndPendingFee`, first word: profit owed, not in the balance yet (`perp_v2_margins_at`)
* `slot0`, first word: the pool's price, from the first trade on (`market_state.extra`)

No rule, because makers' orders are Uniswap positions whose amounts follow the pool's tick, fee growth and 1-wei roundings:
`getTotalPositionSize`, `getTotalOpenNotional`, the other two words of `getPnlAndPendingFee`,
`getMarginRequirementForLiquidation`. Because pending funding needs the growth accumulators and averages at the asked
second, which no event tells: `getAllPendingFundingPayment`, and `getFreeCollateral` and `getAccountValue`, which hold it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.protocol import Books, Deployment
from indexer.protocols.perp_v2 import PROTOCOL
from indexer.run import Target, follow_chain
from tests.protocols.results import checkpoints_of, record
from tests.replay.answers import answers_of, meta_of

RECORDING = Path(__file__).parent / "recording"
NO_RULE = {
    "getTotalPositionSize", "getTotalOpenNotional", "getMarginRequirementForLiquidation", "getAllPendingFundingPayment",
    "getFreeCollateral", "getAccountValue",
}  # fmt: skip


def index(folder: Path, url: str, stops: Sequence[Target] = ("latest",)) -> dict[str, Any]:
    """Index a recording, naming the contracts that a deployment must list and those it may, and return its meta.

    `stops` are the blocks at which the books are closed and loaded anew.
    """
    meta = meta_of(folder)
    kinds = {contract.kind for contract in PROTOCOL.contracts} | set(PROTOCOL.required)
    contracts = {name: address for name, address in meta["contracts"].items() if name in kinds}
    deployment = DeploymentSettings(protocol="perp_v2", name="recorded", start_block=0, contracts=contracts)
    chain = ChainSettings(name="recorded", chain_id=meta["chain_id"], protocols=("perp_v2",), deployment=(deployment,))
    for stop in stops:
        follow_chain(chain, url, to=stop, replay=folder)
    return meta


class Said:
    """What SQL says at one block."""

    def __init__(self, connection: psycopg.Connection[Any], meta: dict[str, Any], block: int) -> None:
        at = (meta["chain_id"], block)
        self.meta, self.settlement = meta, meta["contracts"]["USDC"]
        with connection.cursor(row_factory=dict_row) as cur:
            rows = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
            self.held = {(r["account"], r["asset"], r["side"]): int(r["amount_raw"]) for r in rows}
            self.takers = {
                (r["account"], r["base_token"]): (int(r["size_raw"]), int(r["open_notional_raw"]))
                for r in cur.execute("SELECT * FROM perp_v2_takers_at(%s, %s)", at)
            }
            self.owed = {
                r["account"]: int(r["owed_realized_pnl_raw"])
                for r in cur.execute("SELECT * FROM perp_v2_margins_at(%s, %s)", at)
                if r["token"] == self.settlement
            }
            self.state = {
                r["market_id"].rsplit(":", 1)[1]: r["extra"] or {}
                for r in cur.execute(
                    "SELECT DISTINCT ON (m.market_id) m.market_id, s.extra FROM market m "
                    "JOIN market_state s USING (chain_id, market_key) WHERE chain_id = %s AND s.block_number <= %s "
                    "ORDER BY m.market_id, s.block_number DESC",
                    at,
                )
            }

    def signed(self, account: str, asset: str, plus: str, minus: str) -> int:
        """Return a signed number that is booked on two sides."""
        return self.held.get((account, asset, plus), 0) - self.held.get((account, asset, minus), 0)

    def say(self, what: str, label: dict[str, Any]) -> int | None:
        """Return the first word that the contract has to answer, None where nothing told it yet."""
        account, base = label.get("account", ""), label.get("base", "")
        match what:
            case "getTakerPositionSize":
                size = self.signed(account, base, "long", "short")
                assert size == self.takers.get((account, base), (0, 0))[0]
                return size
            case "getTakerOpenNotional":
                return self.takers.get((account, base), (0, 0))[1]
            case "getBalance":
                return self.signed(account, self.settlement, "margin", "debt")
            case "getPnlAndPendingFee":
                return self.owed.get(account, 0)
            case "slot0":
                return self.state[self.meta["contracts"][label["market"]]].get("sqrt_price_x96")
        raise AssertionError(f"no comparison for {what}")


def compare(connection: psycopg.Connection[Any], meta: dict[str, Any], folder: Path) -> tuple[Counter[str], list[str]]:
    """Compare every answer that has a rule."""
    asked: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers_of(folder):
        if answer["label"]["what"] not in NO_RULE:
            asked[answer["block"]].append(answer)
    compared: Counter[str] = Counter()
    mismatches = []
    for block, answers in sorted(asked.items()):
        said = Said(connection, meta, block)
        for answer in answers:
            what, ours = answer["label"]["what"], said.say(answer["label"]["what"], answer["label"])
            if ours is None:
                continue
            compared[what] += 1
            if ours % 2**256 != int(answer["result"][2:66], 16):
                mismatches.append(f"block {block} {answer['label']}: contract {answer['result'][2:66]}, SQL {ours}")
    return compared, mismatches


def proven(folder: Path, url: str) -> Counter[str]:
    """Index a recording, hold every answer against SQL and return how many there were."""
    meta = index(folder, url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT protocol, error FROM cursor WHERE status = 'stopped'").fetchall() == []
        compared, mismatches = compare(connection, meta, folder)
    assert mismatches == []
    return compared


def test_the_recording_of_the_repository(migrated_database: Callable[[], str]) -> None:
    url = migrated_database()
    compared = proven(RECORDING, url)
    assert compared.total() >= 2_160
    assert min(compared.values()) > 20
    with psycopg.connect(url) as connection:
        told = dict(connection.execute("SELECT action, count(*) FROM perp_events GROUP BY 1").fetchall())
        assert {"trade", "liquidation", "deposit", "withdraw", "funding", "settle_pnl", "liquidity"} <= set(told)
        # open interest of the takers: the books' running totals are the sum of their positions
        totals = connection.execute(
            "SELECT (SELECT (s.extra->>(v.side || '_size'))::numeric FROM market_state s "
            "        WHERE s.market_key = m.market_key ORDER BY s.block_number DESC LIMIT 1), "
            "       (SELECT coalesce(sum(p.shares_raw), 0) FROM position p "
            "        WHERE p.market_key = m.market_key AND p.side = v.side) "
            "FROM market m CROSS JOIN (VALUES ('long'), ('short')) v (side) WHERE m.accounting = 'perp_v2'"
        ).fetchall()
        assert len(totals) == 4
        assert [pair for pair in totals if pair[0] != pair[1]] == []


def test_the_whole_recording(recordings: Path, migrated_database: Callable[[], str]) -> None:
    compared, blocks = proven(recordings / "perp_v2", migrated_database()), checkpoints_of(recordings / "perp_v2")
    record(
        "perp_v2", "2.8.4 (takers and margin)", blocks, compared.total(), 0, "recorded private chain"
    )  # none differs
    assert compared.pop("slot0") >= 120
    assert compared.total() >= 11_880


def test_verify_asks_what_the_contracts_answered(migrated_database: Callable[[], str]) -> None:
    url, block = migrated_database(), 825
    meta = index(RECORDING, url)
    with psycopg.connect(url) as connection, connection.cursor(row_factory=dict_row) as cur:
        at = (meta["chain_id"], block)
        positions = cur.execute("SELECT * FROM positions_at(%s, %s)", at).fetchall()
        markets = cur.execute("SELECT * FROM markets_at(%s, %s)", at).fetchall()
    deployment = Deployment(1, "perp_v2", meta["chain_id"], "recorded", 0, meta["contracts"])
    assert PROTOCOL.checks is not None
    accounts = [*meta["accounts"], meta["contracts"]["InsuranceFund"]]
    checks = PROTOCOL.checks(Books(deployment, accounts, positions, [], markets))
    expected = {(check.to, check.data): check.expected[0] for check in checks}
    told = {
        (answer["to"], answer["data"]): int(answer["result"], 16)
        for answer in answers_of(RECORDING)
        if answer["block"] == block and (answer["to"], answer["data"]) in expected
    }
    assert len(told) == 90  # 29 accounts and the insurance fund, in two markets and the vault
    assert {call: expected[call] for call in told} == told


def test_books_loaded_from_the_tables_go_on_as_before(migrated_database: Callable[[], str]) -> None:
    found = []
    tables = ("position", "position_change", "market_state", "param", "perp_action")
    for stops in (("latest",), (90, 300, 301, 700, 850, "latest")):
        url = migrated_database()
        index(RECORDING, url, stops)
        with psycopg.connect(url) as connection:
            found.append([connection.execute(f"SELECT * FROM {table} ORDER BY {table}").fetchall() for table in tables])
    assert found[0] == found[1]
    assert all(found[0])
