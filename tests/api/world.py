"""A small world, filled row by row, whose every number can be worked out by hand.

Chain    ethereum (1), blocks 100 to 110, twelve seconds apart; 107 has no kept header; 108 is safe, 105 final
Aave     deployment `core`: WETH 2000 USD (LT 0.80), USDC 1 USD (LT 0.75), DAI 1 USD, XYZ without a price
         deployment `m1`: USDC and DAI, the four accounts of docs/methodology.md M1
Rates    are zero, so that amounts are shares x index / 1e27 at every block
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from indexer.types import key64

RAY = 10**27
E18 = 10**18
E6 = 10**6
GENESIS = 1_700_000_000
FIRST, HEAD, UNKEPT = 100, 110, 107

WETH, USDC, DAI, XYZ = ("0x" + digit * 40 for digit in "abcd")
POOL = "0x" + "87" * 20
ORACLE = "0x" + "0e" * 20

ALICE = "0x" + "a1" * 20
BOB = "0x" + "b2" * 20
CAROL = "0x" + "c3" * 20
DAVE = "0x" + "d4" * 20
NOBODY = "0x" + "99" * 20
M1 = ["0x" + f"{n:02x}" * 20 for n in (0x11, 0x12, 0x13, 0x14)]
LIQUIDATOR = "0x" + "bb" * 20


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def block_hash(number: int, branch: int = 0) -> bytes:
    return bytes([branch]) + number.to_bytes(31, "big")


def hash_text(number: int, branch: int = 0) -> str:
    return "0x" + block_hash(number, branch).hex()


def timestamp(number: int) -> int:
    return GENESIS + 12 * number


class World:
    """Writes rows. Each method commits, as a batch of the indexer does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        self.connection.close()

    def insert(self, table: str, **values: Any) -> None:
        names = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(), list(values.values()))

    def run(self, statement: str, *parameters: Any) -> None:
        self.connection.execute(statement.encode(), parameters)

    def chain(self, chain_id: int = 1, name: str = "ethereum", head: int = HEAD) -> None:
        self.insert(
            "chain",
            chain_id=chain_id,
            name=name,
            head_block=head,
            safe_block=108,
            finalized_block=105,
            seen_at=GENESIS + 2000,
        )

    def block(self, number: int, branch: int = 0, chain_id: int = 1) -> None:
        self.insert(
            "block", chain_id=chain_id, block_number=number, block_hash=block_hash(number, branch),
            parent_hash=block_hash(number - 1), block_timestamp=timestamp(number),
        )  # fmt: skip

    def cursor(
        self, protocol: str, number: int, status: str = "following", chain_id: int = 1, start: int = FIRST
    ) -> None:
        self.insert(
            "cursor", chain_id=chain_id, protocol=protocol, start_block=start, block_number=number,
            block_hash=block_hash(number) if number >= start else None, status=status,
        )  # fmt: skip

    def advance(self, number: int, branch: int = 0) -> None:
        """Commit a block: header and cursors at once."""
        with self.connection.transaction():
            self.block(number, branch)
            self.run("UPDATE cursor SET block_number = %s, block_hash = %s", number, block_hash(number, branch))
            self.run("UPDATE chain SET head_block = greatest(head_block, %s)", number)

    def replace(self, number: int, branch: int) -> None:
        """Swap one block for another of the same height."""
        with self.connection.transaction():
            new = block_hash(number, branch)
            self.run("UPDATE block SET block_hash = %s WHERE block_number = %s", new, number)
            self.run("UPDATE cursor SET block_hash = %s WHERE block_number = %s", new, number)

    def stop(self, protocol: str, number: int) -> None:
        error = {"error": "DecodeError", "message": "word too short", "hint": "check", "block_number": number + 1}
        self.run(
            "UPDATE cursor SET status = 'stopped', block_number = %s, block_hash = %s, error = %s WHERE protocol = %s",
            number, block_hash(number), Jsonb(error), protocol,
        )  # fmt: skip

    def token(self, address: str, symbol: str, decimals: int | None) -> None:
        self.insert(
            "token",
            chain_id=1,
            address=raw(address),
            block_number=FIRST,
            symbol=symbol,
            decimals=decimals,
            kind="plain",
        )

    def price(self, asset: str, usd: int, number: int = FIRST) -> None:
        self.insert(
            "price", chain_id=1, feed=raw(ORACLE), asset=raw(asset), block_number=number, log_index=-1, price_raw=usd * 10**8,
            unit_raw=10**8, quote="usd", source="oracle",
        )  # fmt: skip

    def param(self, subject: int, name: str, number: int | None = None, text: str | None = None) -> None:
        self.insert(
            "param", chain_id=1, subject=subject, name=name, qualifier="", block_number=FIRST, log_index=-1, value_raw=number,
            value_text=text,
        )  # fmt: skip

    def deployment(self, name: str) -> int:
        key = key64(f"aave_v3:1:{name}")
        self.insert(
            "deployment", chain_id=1, deployment_key=key, protocol="aave_v3", project="aave", version="3", name=name,
            kind="lending", start_block=FIRST, contracts=Jsonb({"Pool": POOL}),
        )  # fmt: skip
        self.param(key, "price_oracle", text=ORACLE)
        self.param(key, "base_currency_unit", 10**8)
        return key

    def market(self, deployment: str, asset: str, threshold_bps: int, index: int = RAY, listed: int = FIRST) -> None:
        key = key64(market_id(deployment, asset))
        self.insert(
            "market", chain_id=1, market_key=key, block_number=listed, log_index=0, market_id=market_id(deployment, asset),
            deployment_key=key64(f"aave_v3:1:{deployment}"), accounting="aave", asset=raw(asset),
        )  # fmt: skip
        self.insert(
            "market_state", chain_id=1, market_key=key, block_number=listed, regime="half_up_b", accrued_at=timestamp(listed),
            supply_index_raw=index, debt_index_raw=index, supply_rate_raw=0, debt_rate_raw=0, supply_shares_raw=1000 * E18,
            debt_shares_raw=250 * E18,
        )  # fmt: skip
        self.param(key, "ltv_bps", threshold_bps - 500)
        self.param(key, "liquidation_threshold_bps", threshold_bps)
        self.param(key, "liquidation_bonus_bps", 10_500)

    def hold(
        self, account: str, asset: str, side: str, shares: int, number: int = 101, deployment: str = "core"
    ) -> None:
        """Set a balance from a block on; called in the order of blocks."""
        key = key64(market_id(deployment, asset))
        row = {
            "chain_id": 1, "market_key": key, "account": raw(account), "side": side, "block_number": number, "log_index": 1,
            "leg": 0, "shares_raw": shares, "is_collateral": side == "supply",
        }  # fmt: skip
        self.insert("position_change", **row)
        self.run("DELETE FROM position WHERE market_key = %s AND account = %s AND side = %s", key, raw(account), side)
        self.insert("position", **row)

    def liquidation(self, number: int, log_index: int, borrower: str = ALICE, deployment: str = "core") -> None:
        """One thousand DAI repaid for 0.525 WETH (1050 USD)."""
        row = {
            "chain_id": 1, "block_number": number, "log_index": log_index, "tx_index": 7, "tx_hash": block_hash(number, 0x77),
            "deployment_key": key64(f"aave_v3:1:{deployment}"), "borrower": raw(borrower), "liquidator": raw(LIQUIDATOR),
            "contract": raw(POOL),
        }  # fmt: skip
        debt, seized = key64(market_id(deployment, DAI)), key64(market_id(deployment, WETH))
        self.insert(
            "action",
            **row,
            leg=0,
            market_key=debt,
            transaction_type="liquidation",
            token=raw(DAI),
            amount_raw=1000 * E18,
        )
        self.insert(
            "action",
            **row,
            leg=1,
            market_key=seized,
            transaction_type="seize",
            token=raw(WETH),
            amount_raw=525 * E18 // 1000,
        )


def market_id(deployment: str, asset: str) -> str:
    pool = POOL if deployment == "core" else "0x" + "88" * 20
    return f"aave_v3:1:{pool}:{asset}"


def coverage(world: World) -> None:
    """Fill chain, blocks and cursors only."""
    world.chain()
    for number in range(FIRST, HEAD + 1):
        if number != UNKEPT:
            world.block(number)
    world.cursor("aave_v3", HEAD)
    world.cursor("morpho_blue", HEAD)


def everything(world: World) -> None:
    """Fill the whole world."""
    coverage(world)
    for asset, symbol, decimals in ((WETH, "WETH", 18), (USDC, "USDC", 6), (DAI, "DAI", 18), (XYZ, "XYZ", None)):
        world.token(asset, symbol, decimals)
    for asset, usd in ((WETH, 2000), (USDC, 1), (DAI, 1)):
        world.price(asset, usd)
    world.deployment("core")
    world.market("core", WETH, 8000)
    world.market("core", USDC, 7500)
    world.market("core", DAI, 7500, index=RAY * 12 // 10)
    world.market("core", XYZ, 5000)
    # M12: 10 WETH and 5000 USDC against 12000 DAI, of which 2400 were borrowed in block 106
    world.hold(ALICE, WETH, "supply", 10 * E18)
    world.hold(ALICE, USDC, "supply", 5000 * E6)
    world.hold(ALICE, DAI, "debt", 8000 * E18)
    world.hold(ALICE, DAI, "debt", 10_000 * E18, 106)
    # 1 WETH (2000 USD, weighted 1600) against 1600 DAI and one wei of shares more than that: just below 1
    world.hold(BOB, WETH, "supply", E18)
    world.hold(BOB, DAI, "debt", 1400 * E18)
    world.hold(CAROL, USDC, "supply", 700 * E6)
    world.hold(DAVE, WETH, "supply", E18)
    world.hold(DAVE, XYZ, "debt", 5)
    world.deployment("m1")
    world.market("m1", USDC, 9600)
    world.market("m1", DAI, 9600)
    for account, assets, debt in zip(M1, (300, 1000, 1500, 90), (200, 0, 300, 95), strict=True):
        world.hold(account, USDC, "supply", assets * E6, deployment="m1")
        if debt:
            world.hold(account, DAI, "debt", debt * E18, deployment="m1")
    world.liquidation(104, 9)
    world.liquidation(109, 3)
    world.liquidation(109, 5, borrower=BOB)
