"""Every Aave v2, Aave v3 shaped and Morpho log of the real receipts, against a second decoder written here.

It knows the contracts' signatures by hand and uses eth-abi only: it reads neither indexer.decode nor the files of abis/.
A transfer's amount is the scaled one at the log's index, which may differ by one unit from the aToken's own ERC-20 log.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import pytest
from eth_abi.abi import decode
from making import HERE, receipts, topic

from indexer.decode_file import Decoded, decode_entries
from indexer.protocols import discover

SHARED = HERE.parents[2] / "shared" / "mainnet" / "receipts.jsonl"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the real receipts are not beside the repository")

Row = dict[str, Any]
Args = tuple[Any, ...]

AAVE_V3 = {
    (1, "0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2"): "ethereum_core",
    (1, "0x4e033931ad43597d96d6bcc25c280717730b58b1"): "ethereum_prime",
    (10, "0x794a61358d6845594f94dc1db02a252b5b4814ad"): "optimism",
    (137, "0x794a61358d6845594f94dc1db02a252b5b4814ad"): "polygon",
    (42161, "0x794a61358d6845594f94dc1db02a252b5b4814ad"): "arbitrum",
    (8453, "0xa238dd80c259a72e81d7e4664a9801593f98d1c5"): "base",
    (100, "0xb50201558b00496a145fe76f7424749556e326d8"): "gnosis",
    (534352, "0x11fcfe756c05ad438e312a7fd934381537d3cffe"): "scroll",
    (56, "0x6807dc923806fe8fd134338eabca509979a7e0cb"): "bnb",
}
AAVE_V2 = {
    (1, "0x7d2768de32b0b80b7a3454c06bdac94a69ddc7a9"): "ethereum",
    (137, "0x8dff5e27ea6b7ac08ebfdf9eb090f32ee9a30fcf"): "polygon",
}
SPARK = {(1, "0xc13e21b648a5ee794902342038ff3adab66be987"): "ethereum"}
MORPHO = {
    (1, "0xbbbbbbbbbb9cc5e90e3b3af64bdaf62c37eeffcb"): "ethereum",
    (8453, "0xbbbbbbbbbb9cc5e90e3b3af64bdaf62c37eeffcb"): "base",
    (42161, "0x6c247b1f6182318877311737bac0844baa518f5e"): "arbitrum",
    (137, "0x1bf0c2541f820e775182832f06c0b7fc27a25f67"): "polygon",
}
CHAINS = {
    1: "ethereum", 10: "optimism", 137: "polygon", 42161: "arbitrum", 8453: "base", 100: "gnosis", 534352: "scroll", 56: "bnb",
}  # fmt: skip


class Shape(NamedTuple):
    """An event: types of its topics, types of its data, and what its arguments (topics, then data) make."""

    topics: list[str]
    data: list[str]
    rows: Callable[..., list[Row]]


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


AAVE_ONLY: dict[str, Shape] = {
    topic("Supply(address,address,address,uint256,uint16)"): Shape(
        ["address", "address", "uint16"], ["address", "uint256"],
        lambda reserve, owner, _referral, user, amount: [
            {"transaction_type": "supply", "token_address": reserve, "depositor": user, "on_behalf_of": owner, "amount_raw": amount}
        ],
    ),
    topic("Borrow(address,address,address,uint256,uint8,uint256,uint16)"): Shape(
        ["address", "address", "uint16"], ["address", "uint256", "uint8", "uint256"],
        lambda reserve, debtor, _referral, caller, amount, _mode, _rate: [
            {"transaction_type": "borrow", "token_address": reserve, "borrower": debtor, "on_behalf_of": debtor,
             "recipient": caller, "amount_raw": amount}
        ],
    ),
    topic("Repay(address,address,address,uint256,bool)"): Shape(
        ["address", "address", "address"], ["uint256", "bool"],
        lambda reserve, debtor, payer, amount, in_kind: [
            {"transaction_type": "repay_with_atokens" if in_kind else "repay", "token_address": reserve,
             "borrower": debtor, "on_behalf_of": debtor, "repayer": payer, "amount_raw": amount}
        ],
    ),
}  # fmt: skip
AAVE_V2_ONLY: dict[str, Shape] = {
    topic("Deposit(address,address,address,uint256,uint16)"): Shape(
        ["address", "address", "uint16"], ["address", "uint256"],
        lambda reserve, owner, _referral, user, amount: [
            {"transaction_type": "supply", "token_address": reserve, "depositor": user, "on_behalf_of": owner, "amount_raw": amount}
        ],
    ),
    topic("Borrow(address,address,address,uint256,uint256,uint256,uint16)"): Shape(
        ["address", "address", "uint16"], ["address", "uint256", "uint256", "uint256"],
        lambda reserve, debtor, _referral, caller, amount, _mode, _rate: [
            {"transaction_type": "borrow", "token_address": reserve, "borrower": debtor, "on_behalf_of": debtor,
             "recipient": caller, "amount_raw": amount}
        ],
    ),
    topic("Repay(address,address,address,uint256)"): Shape(
        ["address", "address", "address"], ["uint256"],
        lambda reserve, debtor, payer, amount: [
            {"transaction_type": "repay", "token_address": reserve, "borrower": debtor, "on_behalf_of": debtor,
             "repayer": payer, "amount_raw": amount}
        ],
    ),
}  # fmt: skip
AAVE_EITHER: dict[str, Shape] = {  # the pools of v2 and v3 both emit them
    topic("Withdraw(address,address,address,uint256)"): Shape(
        ["address", "address", "address"], ["uint256"],
        lambda reserve, user, to, amount: [
            {"transaction_type": "withdraw", "token_address": reserve, "depositor": user, "on_behalf_of": user,
             "recipient": to, "amount_raw": amount}
        ],
    ),
    topic("LiquidationCall(address,address,address,uint256,uint256,address,bool)"): Shape(
        ["address", "address", "address"], ["uint256", "uint256", "address", "bool"],
        lambda collateral, debt, user, covered, seized, liquidator, _in_atokens: [
            {"transaction_type": "liquidation", "token_address": debt, "borrower": user, "on_behalf_of": user,
             "repayer": liquidator, "liquidator": liquidator, "amount_raw": covered},
            {"transaction_type": "seize", "token_address": collateral, "depositor": user, "on_behalf_of": user,
             "liquidator": liquidator, "recipient": liquidator, "amount_raw": seized},
        ],
    ),
}  # fmt: skip
MORPHO_EVENTS: dict[str, Shape] = {
    topic("Supply(bytes32,address,address,uint256,uint256)"): Shape(
        ["bytes32", "address", "address"], ["uint256", "uint256"],
        lambda market, caller, owner, assets, _shares: [
            {"transaction_type": "supply", "market": market, "depositor": caller, "on_behalf_of": owner, "amount_raw": assets}
        ],
    ),
    topic("Withdraw(bytes32,address,address,address,uint256,uint256)"): Shape(
        ["bytes32", "address", "address"], ["address", "uint256", "uint256"],
        lambda market, owner, receiver, _caller, assets, _shares: [
            {"transaction_type": "withdraw", "market": market, "depositor": owner, "on_behalf_of": owner,
             "recipient": receiver, "amount_raw": assets}
        ],
    ),
    topic("Borrow(bytes32,address,address,address,uint256,uint256)"): Shape(
        ["bytes32", "address", "address"], ["address", "uint256", "uint256"],
        lambda market, owner, receiver, _caller, assets, _shares: [
            {"transaction_type": "borrow", "market": market, "borrower": owner, "on_behalf_of": owner,
             "recipient": receiver, "amount_raw": assets}
        ],
    ),
    topic("Repay(bytes32,address,address,uint256,uint256)"): Shape(
        ["bytes32", "address", "address"], ["uint256", "uint256"],
        lambda market, caller, owner, assets, _shares: [
            {"transaction_type": "repay", "market": market, "borrower": owner, "on_behalf_of": owner, "repayer": caller,
             "amount_raw": assets}
        ],
    ),
    topic("SupplyCollateral(bytes32,address,address,uint256)"): Shape(
        ["bytes32", "address", "address"], ["uint256"],
        lambda market, caller, owner, assets: [
            {"transaction_type": "supply_collateral", "market": market, "depositor": caller, "on_behalf_of": owner,
             "amount_raw": assets}
        ],
    ),
    topic("WithdrawCollateral(bytes32,address,address,address,uint256)"): Shape(
        ["bytes32", "address", "address"], ["address", "uint256"],
        lambda market, owner, receiver, _caller, assets: [
            {"transaction_type": "withdraw_collateral", "market": market, "depositor": owner, "on_behalf_of": owner,
             "recipient": receiver, "amount_raw": assets}
        ],
    ),
}  # fmt: skip
V3_TOKEN = {
    topic("Mint(address,address,uint256,uint256,uint256)"),
    topic("Burn(address,address,uint256,uint256,uint256)"),
}
V2_TOKEN = {(topic("Mint(address,uint256,uint256)"), 2), (topic("Burn(address,address,uint256,uint256)"), 3)}
BALANCE_TRANSFER = topic("BalanceTransfer(address,address,uint256,uint256)")
TRANSFER = topic("Transfer(address,address,uint256)")
RAY = 10**27
COLUMNS = [
    "chain_id", "blockchain", "project", "version", "deployment", "transaction_type", "token_address", "borrower",
    "depositor", "on_behalf_of", "repayer", "liquidator", "amount_raw", "block_number", "block_time", "tx_hash",
    "tx_index", "evt_index", "project_contract_address", "market_id", "recipient",
]  # fmt: skip


def arguments(log: dict[str, Any], shape: Shape) -> Args:
    indexed = decode(shape.topics, b"".join(bytes.fromhex(part[2:]) for part in log["topics"][1:]))
    return (*indexed, *decode(shape.data, bytes.fromhex(log["data"][2:])))


def shaped(log: dict[str, Any], shapes: dict[str, Shape]) -> Shape | None:
    found = shapes.get(log["topics"][0]) if log["topics"] else None
    return found if found and len(log["topics"]) == 1 + len(found.topics) else None


def sent(logs: list[dict[str, Any]], log: dict[str, Any], before: bool) -> int:
    """The amount of the aToken's own Transfer of the same two sides: the last before (v3) or the first after (v2)."""
    sides = log["topics"][1:]
    same = [
        one for one in logs
        if one["address"] == log["address"] and one["topics"][:1] == [TRANSFER] and one["topics"][1:] == sides
        and (int(one["logIndex"], 16) < int(log["logIndex"], 16)) is before
    ]  # fmt: skip
    return int(same[-1 if before else 0]["data"], 16)


def transferred(log: dict[str, Any], amount: Callable[[int, int], int]) -> list[Row]:
    sides = b"".join(bytes.fromhex(part[2:]) for part in log["topics"][1:])
    source, target = decode(["address", "address"], sides)
    value, index = decode(["uint256", "uint256"], bytes.fromhex(log["data"][2:]))
    return [
        {"transaction_type": "transfer", "depositor": source, "on_behalf_of": source, "recipient": target,
         "amount_raw": amount(value, index)}
    ]  # fmt: skip


def expected(entry: dict[str, Any]) -> list[Row]:
    receipt, chain = entry["receipt"], entry["chain_id"]
    logs = sorted(receipt["logs"], key=lambda log: int(log["logIndex"], 16))
    surely_v3 = {
        log["address"] for log in logs if shaped(log, AAVE_ONLY) or (log["topics"] and log["topics"][0] in V3_TOKEN)
    }
    surely_v2 = {
        log["address"] for log in logs
        if shaped(log, AAVE_V2_ONLY) or (log["topics"] and (log["topics"][0], len(log["topics"])) in V2_TOKEN)
    }  # fmt: skip
    rows = []
    for log in logs:
        where = (chain, log["address"])
        known: Row = {}
        found: list[Row] = []
        slug = "aave_v3"
        if shape := shaped(log, MORPHO_EVENTS):
            market, *others = arguments(log, shape)
            found = shape.rows(market, *others)
            known = {"project": "morpho", "version": "1", "deployment": MORPHO[where]}
            known["market_id"] = f"morpho_blue:{chain}:{hexed(market)}"
        elif where in AAVE_V2 or log["address"] in surely_v2:
            slug = "aave_v2"
            known = {"project": "aave", "version": "2", "deployment": AAVE_V2.get(where)}
            if shape := shaped(log, AAVE_V2_ONLY | AAVE_EITHER):
                found = shape.rows(*arguments(log, shape))
            elif log["topics"][:1] == [BALANCE_TRANSFER]:
                found = transferred(log, lambda amount, _index: amount)
                assert found[0]["amount_raw"] == sent(logs, log, before=False)
        elif where in AAVE_V3 or where in SPARK or log["address"] in surely_v3:
            known = {"project": "aave", "version": "3", "deployment": AAVE_V3.get(where)}
            if where in SPARK:
                slug, known = "spark", {"project": "spark", "version": "1", "deployment": SPARK[where]}
            if shape := shaped(log, AAVE_ONLY | AAVE_EITHER):
                found = shape.rows(*arguments(log, shape))
            elif log["topics"][:1] == [BALANCE_TRANSFER]:
                found = transferred(log, lambda scaled, index: (scaled * index + RAY // 2) // RAY)
                assert abs(found[0]["amount_raw"] - sent(logs, log, before=True)) <= 1
        for row in found:
            place = {
                "chain_id": chain, "blockchain": CHAINS[chain], "block_number": int(receipt["blockNumber"], 16),
                "block_time": datetime.fromtimestamp(entry["block_timestamp"], UTC).isoformat(),
                "tx_hash": receipt["transactionHash"], "tx_index": int(receipt["transactionIndex"], 16),
                "evt_index": int(log["logIndex"], 16), "project_contract_address": log["address"],
            }  # fmt: skip
            whole = dict.fromkeys(COLUMNS) | known | place | row | {"amount_raw": str(row["amount_raw"])}
            whole.pop("market", None)
            if whole["token_address"]:
                whole["market_id"] = f"{slug}:{chain}:{log['address']}:{whole['token_address']}"
            rows.append(whole)
    return rows


@cache
def everything() -> list[tuple[dict[str, Any], Decoded]]:
    entries = list(receipts(SHARED).values())
    return list(zip(entries, decode_entries(entries), strict=True))


def test_every_action_agrees_field_by_field() -> None:
    seen: Counter[str] = Counter()
    for entry, decoded in everything():
        actions = [row for row in decoded.actions if row["project"] in ("aave", "spark", "morpho")]  # known here
        assert actions == expected(entry), entry["receipt"]["transactionHash"]
        seen.update(f"{row['project']}_v{row['version']} {row['transaction_type']}" for row in actions)
    assert seen == {
        "aave_v2 supply": 2, "aave_v2 withdraw": 3, "aave_v2 borrow": 1, "aave_v2 transfer": 1,
        "aave_v3 supply": 16, "aave_v3 withdraw": 10, "aave_v3 borrow": 6, "aave_v3 repay": 5, "aave_v3 transfer": 7,
        "aave_v3 liquidation": 1, "aave_v3 seize": 1, "spark_v1 supply": 1,
        "morpho_v1 supply": 8, "morpho_v1 withdraw": 6, "morpho_v1 borrow": 3, "morpho_v1 repay": 1,
        "morpho_v1 supply_collateral": 2, "morpho_v1 withdraw_collateral": 1,
    }  # fmt: skip


def test_nothing_fails_and_nothing_is_ambiguous() -> None:
    """Aave v2's Withdraw has the form of v3's, but its pools are listed."""
    assert [failure for _, decoded in everything() for failure in decoded.failures] == []
    assert [log for _, decoded in everything() for log in decoded.ambiguous] == []


@pytest.mark.parametrize(
    "slug", ["aave_v2", "compound_v2", "compound_v3", "euler_v2", "liquity_v1", "maker", "perp_v2"]
)
def test_a_protocol_without_an_adapter_never_gives_a_row(slug: str) -> None:
    """Whole recorded histories of other protocols, by transaction: what fits one of ours as well is ambiguous."""
    if slug in discover():
        pytest.skip("has an adapter by now")
    logs: dict[str, list[dict[str, Any]]] = {}
    with gzip.open(SHARED.parents[1] / "recordings" / slug / "chain.jsonl.gz", "rt") as file:
        next(file)
        for line in file:
            for log in json.loads(line)["logs"]:
                logs.setdefault(log["transactionHash"], []).append(log)
    decoded = list(decode_entries(({"logs": found} for found in logs.values()), chain_id=31337))
    assert [row for one in decoded for row in one.actions] == []
    assert [failure for one in decoded for failure in one.failures] == []
    assert {log.protocols for one in decoded for log in one.ambiguous} <= {("aave_v2", "aave_v3")}
