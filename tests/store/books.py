"""Fill the tables straight from recorded contract answers: a ledger that cannot be wrong, to hold the SQL against."""

from __future__ import annotations

from typing import Any

import psycopg
from eth_abi import decode
from eth_utils.crypto import keccak

from indexer.types import key64

CHAIN = 31337

Connection = psycopg.Connection[Any]


def raw(text: str) -> bytes:
    """Return the bytes of 0x hex."""
    return bytes.fromhex(text[2:])


def copy(db: Connection, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """COPY rows into a table."""
    with db.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as into:
        for row in rows:
            into.write_row(row)


def ground(db: Connection, recording: Any, slug: str, project: str, version: str) -> int:
    """Insert chain, headers, cursor, tokens and one deployment; return the deployment's key."""
    key = key64(f"{slug}:{CHAIN}:local")
    db.execute(
        "INSERT INTO chain VALUES (%s, 'anvil', %s, NULL, NULL, NULL) ON CONFLICT DO NOTHING",
        (CHAIN, recording.meta["head"]),
    )
    copy(
        db, "block", "chain_id, block_number, block_hash, parent_hash, block_timestamp",
        [(CHAIN, n, n.to_bytes(32, "big"), None, t) for n, t in recording.times.items()],
    )  # fmt: skip
    copy(
        db, "cursor", "chain_id, protocol, start_block, block_number, status",
        [(CHAIN, slug, 1, recording.meta["head"], "following")],
    )  # fmt: skip
    copy(
        db, "token", "chain_id, address, block_number, symbol, decimals, kind",
        [(CHAIN, raw(a), 0, t["symbol"], t["decimals"], "plain") for a, t in recording.meta["tokens"].items()],
    )  # fmt: skip
    copy(
        db, "deployment", "chain_id, deployment_key, protocol, project, version, name, kind, start_block, contracts",
        [(CHAIN, key, slug, project, version, "local", "lending", 1, "{}")],
    )  # fmt: skip
    return key


class Changes:
    """Rows of a history table, written only where a value differs from the one before."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.last: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self.at: dict[tuple[Any, ...], tuple[int, int]] = {}

    def set(self, key: tuple[Any, ...], block: int, value: tuple[Any, ...]) -> None:
        """Note the value of a key at a block."""
        if self.last.get(key) == value:
            return
        self.last[key] = value
        row = (CHAIN, *key, block, 0, *value)
        if self.at.get(key, (None, None))[0] == block:
            self.rows[self.at[key][1]] = row
        else:
            self.at[key] = (block, len(self.rows))
            self.rows.append(row)


def events(logs: list[tuple[int, dict[str, Any]]], signature: str) -> list[tuple[int, list[bytes], bytes, str]]:
    """Return block, topics, data and emitter of every log of an event, in order."""
    topic = "0x" + keccak(text=signature).hex()
    return [
        (block, [raw(t) for t in log["topics"]], raw(log["data"]), log["address"])
        for block, log in logs
        if log["topics"] and log["topics"][0] == topic
    ]


def user_flags(logs: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, str, list[bytes]]]:
    """Return block, name and topics of every collateral flag log, in chain order."""
    names = {
        "0x" + keccak(text=f"{name}(address,address)").hex(): name
        for name in ("ReserveUsedAsCollateralEnabled", "ReserveUsedAsCollateralDisabled")
    }
    return [
        (block, names[log["topics"][0]], [raw(t) for t in log["topics"]])
        for block, log in logs
        if log["topics"] and log["topics"][0] in names
    ]


def load_aave(db: Connection, recording: Any, regime: str) -> dict[str, int]:
    """Book an Aave recording: every balance, flag, index, parameter and price at every checkpoint."""
    deployment = ground(db, recording, "aave_v3", "aave", "3")
    contracts, logs = recording.meta["contracts"], recording.logs
    pool, oracle = contracts["Pool"], raw(contracts["AavePriceOracle"])
    checkpoints = [block for block, _ in recording.meta["checkpoints"]]
    keys: dict[str, int] = {}
    params, states, positions, settings = Changes(), [], Changes(), Changes()
    prices = []
    flags: dict[tuple[str, str], bool] = {}
    flagged = [
        (block, "0x" + topics[1][12:].hex(), "0x" + topics[2][12:].hex(), name == "ReserveUsedAsCollateralEnabled")
        for block, name, topics in user_flags(logs)
    ]
    category_kinds = ["uint256", "uint256", "uint256", "address", "string"]
    emode_events: list[tuple[int, tuple[Any, ...], tuple[Any, ...]]] = []
    for block, topics, data, _ in events(logs, "EModeCategoryAdded(uint8,uint256,uint256,uint256,address,string)"):
        ltv, threshold, bonus, source, label = decode(category_kinds, data)
        category = str(int.from_bytes(topics[1], "big"))
        for name, number, text in (
            ("emode_ltv_bps", ltv, None), ("emode_liquidation_threshold_bps", threshold, None),
            ("emode_liquidation_bonus_bps", bonus, None), ("emode_label", None, label),
            ("emode_price_source", None, source),
        ):  # fmt: skip
            emode_events.append((block, (deployment, name, category), (number, text)))
    for name, event in (
        ("emode_collateral", "AssetCollateralInEModeChanged"), ("emode_borrowable", "AssetBorrowableInEModeChanged"),
        ("emode_ltvzero", "AssetLtvzeroInEModeChanged"),
    ):  # fmt: skip
        for block, topics, data, _ in events(logs, f"{event}(address,uint8,bool)"):
            category, on = decode(["uint8", "bool"], data)
            asset = "0x" + topics[1][12:].hex()
            key = key64(f"aave_v3:{CHAIN}:{pool}:{asset}")
            emode_events.append((block, (key, name, str(category)), (int(on), None)))
    params.set((deployment, "price_oracle", ""), 1, (None, contracts["AavePriceOracle"]))
    for n, checkpoint in enumerate(checkpoints):
        before = checkpoints[n - 1] if n else 0
        for block, asset, user, on in flagged:
            if before < block <= checkpoint:
                flags[asset, user] = on
        for block, key, value in sorted(emode_events, key=lambda entry: entry[0]):
            if before < block <= checkpoint:
                params.set(key, checkpoint, value)
        supply = {}
        for label, (total,) in recording.at(checkpoint, "scaledTotalSupply"):
            supply[label["token"]] = total
        for label, (data,) in recording.at(checkpoint, "getReserveData"):
            asset = label["asset"]
            bits, index, rate, debt_index, debt_rate, _, updated = data[0][0], *data[1:7]
            tokens = [address for address in data[7:] if isinstance(address, str)]
            a_token, v_token = tokens[0], tokens[2]
            if asset not in keys:
                name = f"aave_v3:{CHAIN}:{pool}:{asset}"
                keys[asset] = key64(name)
                copy(
                    db, "market",
                    "chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset,"
                    " supply_token, debt_token",
                    [(CHAIN, keys[asset], 1, 0, name, deployment, "aave", raw(asset), raw(a_token), raw(v_token))],
                )  # fmt: skip
            states.append((
                CHAIN, keys[asset], checkpoint, regime, updated, index, debt_index, rate, debt_rate,
                supply[a_token], supply[v_token],
            ))  # fmt: skip
            for field, shift, width in (
                ("ltv_bps", 0, 16), ("liquidation_threshold_bps", 16, 16), ("liquidation_bonus_bps", 32, 16),
                ("is_active", 56, 1), ("is_frozen", 57, 1), ("borrowing_enabled", 58, 1), ("is_paused", 60, 1),
                ("reserve_factor_bps", 64, 16), ("borrow_cap", 80, 36), ("supply_cap", 116, 36),
                *((("emode_category", 168, 8),) if regime == "half_up_a" else ()),
            ):  # fmt: skip
                params.set((keys[asset], field, ""), checkpoint, ((bits >> shift) & ((1 << width) - 1), None))
        for label, (price,) in recording.at(checkpoint, "getAssetPrice"):
            prices.append((CHAIN, oracle, raw(label["asset"]), checkpoint, -1, price, 10**8, "usd", "oracle"))
        assets = {label["market"]: label["asset"] for label, _ in recording.at(checkpoint, "getReserveData")}
        for label, (shares,) in recording.at(checkpoint, "scaledBalanceOf"):
            asset, account = assets[label["market"]], label["account"]
            side = "supply" if label["kind"] == "aToken" else "debt"
            flag = side == "supply" and flags.get((asset, account), False)
            if shares or (keys[asset], raw(account), side) in positions.last:
                positions.set((keys[asset], raw(account), side), checkpoint, (0, shares, None, flag))
        for label, (category,) in recording.at(checkpoint, "getUserEMode"):
            if category or (deployment, raw(label["account"]), "emode") in settings.last:
                settings.set((deployment, raw(label["account"]), "emode"), checkpoint, (category,))
    copy(
        db, "market_state",
        "chain_id, market_key, block_number, regime, accrued_at, supply_index_raw, debt_index_raw, supply_rate_raw,"
        " debt_rate_raw, supply_shares_raw, debt_shares_raw", states,
    )  # fmt: skip
    copy(db, "price", "chain_id, feed, asset, block_number, log_index, price_raw, unit_raw, quote, source", prices)
    copy(db, "param", "chain_id, subject, name, qualifier, block_number, log_index, value_raw, value_text", params.rows)
    copy(db, "account_setting", "chain_id, subject, account, name, block_number, log_index, value_raw", settings.rows)
    write_positions(db, positions)
    return keys


def write_positions(db: Connection, positions: Changes) -> None:
    """Write every change and, as the ledger does, the newest of each balance."""
    columns = "chain_id, market_key, account, side, block_number, log_index, leg, shares_raw, basis_raw, is_collateral"
    copy(db, "position_change", columns, positions.rows)
    newest = {row[1:4]: row for row in positions.rows}
    copy(db, "position", columns, list(newest.values()))
    db.execute("ANALYZE")


def load_morpho(db: Connection, recording: Any) -> dict[str, int]:
    """Book a Morpho recording: totals, rates, balances and oracle prices at every checkpoint."""
    deployment = ground(db, recording, "morpho_blue", "morpho", "1")
    keys: dict[str, int] = {}
    params, positions = Changes(), Changes()
    states, prices = [], []
    zero = "0x" + "00" * 20
    decimals = {address: token["decimals"] for address, token in recording.meta["tokens"].items()}
    markets = {market["id"]: market for market in recording.meta["notes"]["markets"].values()}
    for native, market in markets.items():
        name = f"morpho_blue:{CHAIN}:{native}"
        keys[native] = key64(name)
        copy(
            db, "market",
            "chain_id, market_key, block_number, log_index, market_id, deployment_key, accounting, asset,"
            " collateral_asset, oracle",
            [(CHAIN, keys[native], market["created"], 0, name, deployment, "morpho", raw(market["loanToken"]),
              raw(market["collateralToken"]), raw(market["oracle"]))],
        )  # fmt: skip
        params.set((keys[native], "lltv_raw", ""), market["created"], (int(market["lltv"]), None))
    for checkpoint, _ in recording.meta["checkpoints"]:
        targets = {label["id"]: rate for label, (rate,) in recording.at(checkpoint, "rateAtTarget")}
        for label, values in recording.at(checkpoint, "market"):
            supply, supply_shares, debt, debt_shares, updated, fee = values
            market = markets[label["id"]]
            states.append((
                CHAIN, keys[label["id"]], checkpoint, "none" if market["irm"] == zero else "adaptive", updated,
                supply_shares, debt_shares, supply, debt, targets.get(label["id"]), fee,
            ))  # fmt: skip
        for label, (price,) in recording.at(checkpoint, "price"):
            market = next(market for market in markets.values() if market["oracle"] == label["oracle"])
            loan, collateral = market["loanToken"], market["collateralToken"]
            unit = 10 ** (36 + decimals[loan] - decimals[collateral])
            prices.append((
                CHAIN, raw(label["oracle"]), raw(collateral), checkpoint, -1, price, unit, loan, "oracle",
            ))  # fmt: skip
        for label, balances in recording.at(checkpoint, "position"):
            for side, shares in zip(("supply", "debt", "collateral"), balances, strict=True):
                key = (keys[label["id"]], raw(label["account"]), side)
                if shares or key in positions.last:
                    positions.set(key, checkpoint, (0, shares, None, side == "collateral"))
    copy(
        db, "market_state",
        "chain_id, market_key, block_number, regime, accrued_at, supply_shares_raw, debt_shares_raw,"
        " supply_assets_raw, debt_assets_raw, rate_at_target_raw, fee_raw", states,
    )  # fmt: skip
    copy(db, "price", "chain_id, feed, asset, block_number, log_index, price_raw, unit_raw, quote, source", prices)
    copy(db, "param", "chain_id, subject, name, qualifier, block_number, log_index, value_raw, value_text", params.rows)
    write_positions(db, positions)
    return keys
