"""What `leverage verify` asks GMX v2: size in tokens and collateral of every position, where the DataStore is listed.

Source   gmx-synthetics PositionStoreUtils.sol, PositionUtils.getPositionKey: a field is the uint under
         keccak256(abi.encode(position key, keccak256(abi.encode(name of the field))))
"""

from __future__ import annotations

from eth_hash.auto import keccak

from indexer.decode.abi import call
from indexer.protocol import Books, Check
from indexer.protocols.gmx_v2.rules import POSITIONS, margin_id
from indexer.types import Address


def checks(books: Books) -> list[Check]:
    """Return two contract calls a position: both sides of every account and pair of which one side is held."""
    store = books.deployment.contracts.get("DataStore")
    if store is None:
        return []
    held = {(row["account"], row["market_id"], row["side"]): int(row["shares_raw"]) for row in books.positions}
    ours = {row["market_id"] for row in books.markets if row["accounting"] == POSITIONS}
    found: list[Check] = []
    for account, market_id in sorted({(account, market_id) for account, market_id, _ in held if market_id in ours}):
        prefix, native = market_id.rsplit(":", 1)
        market, collateral = native.split("-")
        for side in ("long", "short"):
            key = position_key(account, market, collateral, side == "long")
            margin = held.get((account, f"{prefix}:{margin_id(market, collateral, side)}", "margin"), 0)
            for what, name, value in (
                ("size", "SIZE_IN_TOKENS", held.get((account, market_id, side), 0)),
                ("collateral", "COLLATERAL_AMOUNT", margin),
            ):
                found.append(
                    Check(what, account, market_id, store, call("getUint(bytes32)", field(key, name)), (value,))
                )
    return found


def position_key(account: Address, market: Address, collateral: Address, is_long: bool) -> bytes:
    """Return the key of a position: the hash of its four words."""
    words = [part[2:].rjust(64, "0") for part in (account, market, collateral)]
    return keccak(bytes.fromhex("".join(words)) + int(is_long).to_bytes(32))


def field(key: bytes, name: str) -> str:
    """Return under which key the DataStore has a field of a position. `name` fits one word."""
    text = name.encode()
    encoded = (32).to_bytes(32) + len(text).to_bytes(32) + text.ljust(32, b"\0")
    return "0x" + keccak(key + keccak(encoded)).hex()
