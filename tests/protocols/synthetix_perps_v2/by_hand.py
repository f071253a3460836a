"""Logs of Synthetix Perps v2 written by hand, and what the tables say of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from indexer.config import ChainSettings, DeploymentSettings
from indexer.decode import abi
from indexer.errors import BadData
from indexer.protocols.synthetix_perps_v2 import PROTOCOL
from indexer.run import follow_chain

MANAGER, LEGACY, SETTINGS, SUSD, ETH, OLD, ALICE, BOB, KEEPER = (f"0x{n:040x}" for n in range(1, 10))
E18 = 10**18
DAY = 86400
CHAIN = 31337
LISTED = {
    "FuturesMarketManager": MANAGER, "LegacyFuturesMarketManager": LEGACY, "PerpsV2MarketSettings": SETTINGS,
    "SynthsUSD": SUSD,
}  # fmt: skip
PARAMETERS = {
    "maxFundingVelocity": 9 * E18, "skewScale": 10**6 * E18, "liquidationBufferRatio": 75 * 10**14,
    "liquidationPremiumMultiplier": 15625 * 10**14,
}  # fmt: skip


def word(value: int | str) -> str:
    if isinstance(value, int):
        return f"{value % 2**256:064x}"
    return value[2:].rjust(64, "0") if value.startswith("0x") else value.encode().hex().ljust(64, "0")


def topic(kind: str, event: str, words: int) -> str:
    """The topic of the form of an event that has so many words of data."""
    (found,) = (form for form in abi.events(PROTOCOL.abi_folder, kind)[event] if len(form.static) == words)
    return found.topic0


class Chain:
    """Logs written by hand, block after block, as a recording."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.blocks: list[tuple[int, list[dict[str, Any]]]] = []
        self.prices: list[dict[str, Any]] = []
        self.now = 1_680_000_000
        self.next()
        self.setting("ParameterUpdated", ["sETHPERP", "maxLeverage"], 100 * E18)  # may come before the listing
        self.add(LEGACY, "LegacyFuturesMarketManager", "MarketAdded", ["sETH", "sETH"], [OLD])
        self.add(LEGACY, "LegacyFuturesMarketManager", "MarketAdded", ["sETH", "sETHPERP"], [ETH])
        self.index = 0

    def next(self, seconds: int = 2, price: int | None = None) -> None:
        self.now += seconds
        self.blocks.append((self.now, []))
        if price is not None:
            result = "0x" + word(price * E18) + word(0)
            self.prices.append(
                {
                    "block": len(self.blocks),
                    "label": {},
                    "to": ETH,
                    "data": abi.selector("assetPrice()"),
                    "result": result,
                }
            )

    def add(self, at: str, kind: str, event: str, topics: Sequence[int | str], words: Sequence[int | str]) -> None:
        logs = self.blocks[-1][1]
        number = f"{len(self.blocks):#x}"
        logs.append({
            "address": at, "topics": [topic(kind, event, len(words)), *("0x" + word(value) for value in topics)],
            "data": "0x" + "".join(map(word, words)), "blockHash": "0x" + word(len(self.blocks)), "blockNumber": number,
            "transactionHash": "0x" + "ab" * 32, "transactionIndex": "0x0", "logIndex": f"{len(logs):#x}", "removed": False,
        })  # fmt: skip

    def setting(self, event: str, topics: Sequence[str], value: int) -> None:
        self.add(SETTINGS, "PerpsV2MarketSettings", event, topics, [value])

    def parameters(self) -> None:
        for name, value in PARAMETERS.items():
            self.setting("ParameterUpdated", ["sETHPERP", name], value)
        self.setting("LiquidationFeeRatioUpdated", [], 35 * 10**14)
        self.setting("MinKeeperFeeUpdated", [], E18)
        self.setting("MaxKeeperFeeUpdated", [], 1000 * E18)
        self.setting("KeeperLiquidationFeeUpdated", [], 2 * E18)

    def recompute(self, funding: int = 0, rate: int = 0, market: str = ETH) -> None:
        self.index += 1
        self.add(market, "PerpsV2Proxy", "FundingRecomputed", [], [funding, rate, self.index, self.now])

    def modify(
        self, account: str, margin: int, size: int, traded: int, price: int, skew: int | None, index: int | None = None,
        market: str = ETH,
    ) -> None:  # fmt: skip
        words = [margin, size, traded, price, self.index if index is None else index, 0]
        self.add(market, "PerpsV2Proxy", "PositionModified", [7, account], words if skew is None else [*words, skew])

    def settle(self, stops: Sequence[int] = ()) -> psycopg.Connection[Any]:
        """Index up to each stop and then to the end, every time with the books loaded anew."""
        with gzip.open(self.folder / "chain.jsonl.gz", "wt") as file:
            file.write(json.dumps({"meta": {"chain_id": CHAIN}}) + "\n")
            for number, (seconds, logs) in enumerate(self.blocks, 1):
                header = {
                    "hash": "0x" + word(number), "parentHash": "0x" + word(number - 1), "number": f"{number:#x}",
                    "timestamp": f"{seconds:#x}",
                }  # fmt: skip
                file.write(json.dumps({"block": header, "logs": logs}) + "\n")
        with gzip.open(self.folder / "reads.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(line) + "\n" for line in self.prices)
        deployment = DeploymentSettings(protocol="synthetix_perps_v2", name="hand", start_block=1, contracts=LISTED)
        chain = ChainSettings(name="hand", chain_id=CHAIN, protocols=("synthetix_perps_v2",), deployment=(deployment,))
        for stop in (*stops, "latest"):
            follow_chain(chain, self.url, to=stop, replay=self.folder)
        return psycopg.connect(self.url, row_factory=dict_row)

    def refuses(self, error: type[BadData], match: str) -> None:
        with self.settle() as db:
            row = db.execute("SELECT status, error FROM cursor").fetchone()
        assert row and row["status"] == "stopped"
        assert row["error"]["error"] == error.__name__
        assert match in row["error"]["message"]


def held(db: psycopg.Connection[Any], block: int | None = None) -> dict[tuple[str, str], int]:
    rows = db.execute("SELECT account, side, amount_raw FROM positions_at(%s, %s)", (CHAIN, block)).fetchall()
    return {(row["account"], row["side"]): int(row["amount_raw"]) for row in rows}


def positions(db: psycopg.Connection[Any], block: int | None = None) -> dict[str, dict[str, Any]]:
    rows = db.execute("SELECT * FROM synthetix_perps_v2_positions_at(%s, %s)", (CHAIN, block)).fetchall()
    return {row["account"]: row for row in rows}
