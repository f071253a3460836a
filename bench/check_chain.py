"""Checks a generated chain the way a strict indexer would, from its JSON alone: ``python -m bench.check_chain``.

Rebuilds scaled balances with the event rules (not with the generator's market), recomputes every interest
figure and index, and compares the end with ``truth.json.gz``; recomputes hash links and blooms.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from bench.aave_market import (
    BALANCE_TRANSFER,
    BORROW,
    BURN,
    COLLATERAL_OFF,
    COLLATERAL_ON,
    MINT,
    REPAY,
    RESERVE_DATA,
)
from bench.aave_math import RAY, compounded_growth, linear_growth, ray_div, ray_mul
from bench.chain_generator import GeneratedChain, ensure
from bench.evm import bloom_hex, bloom_of_logs


class Inconsistent(Exception):
    """The chain contradicts itself; the text names the log."""


class Rebuild:
    """Scaled balances, flags and indexes from logs alone."""

    def __init__(self, reserves: list[dict[str, Any]]) -> None:
        self.kind = {r["atoken"]: "aToken" for r in reserves} | {r["variable_debt_token"]: "debt" for r in reserves}
        self.asset = {r[key]: r["asset"] for r in reserves for key in ("atoken", "variable_debt_token")}
        self.scaled: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.seen: dict[tuple[str, str], int] = {}
        self.state: dict[str, tuple[int, int, int, int, int]] = {}
        self.collateral: dict[str, set[str]] = defaultdict(set)
        self.total_debt: dict[str, int] = defaultdict(int)

    def feed(self, log: dict[str, Any]) -> None:
        """Apply one log or raise ``Inconsistent``."""
        first, emitter = log["topics"][0], log["address"]
        data = log["data"][2:]
        words = [int(data[i : i + 64], 16) for i in range(0, len(data), 64)]
        people = ["0x" + topic[-40:] for topic in log["topics"][1:]]
        if first in (MINT, BURN):
            self._mint_or_burn(log, emitter, people[1] if first == MINT else people[0], words, burn=first == BURN)
        elif first == BALANCE_TRANSFER:
            for account, sign in ((people[0], -1), (people[1], 1)):
                self._add(log, emitter, account, sign * words[0], words[1])
        elif first == RESERVE_DATA:
            self._indexes(log, people[0], words)
        elif first == COLLATERAL_ON:
            self.collateral[people[0]].add(people[1])
        elif first == COLLATERAL_OFF:
            self.collateral[people[0]].remove(people[1])
        elif first == BORROW and words[3] != self.state[people[0]][1]:
            raise Inconsistent(f"Borrow rate differs from the reserve's: {log}")
        elif first == REPAY and words[0] == 0:
            raise Inconsistent(f"Repay of nothing: {log}")

    def _mint_or_burn(self, log: dict[str, Any], token: str, account: str, words: list[int], *, burn: bool) -> None:
        value, increase, index = words
        held = self.scaled[token][account]
        expected = ray_mul(held, index) - ray_mul(held, self.seen.get((token, account), 0))
        if increase != expected:
            raise Inconsistent(f"balanceIncrease should be {expected}: {log}")
        if burn:
            moved = -ray_div(value + increase, index)
        else:
            moved = ray_div(value - increase, index) if value >= increase else -ray_div(increase - value, index)
        self._add(log, token, account, moved, index)

    def _add(self, log: dict[str, Any], token: str, account: str, moved: int, index: int) -> None:
        held = self.scaled[token][account] + moved
        if held < 0:
            raise Inconsistent(f"scaled balance of {account} would be {held}: {log}")
        now = int(log["blockTimestamp"], 16)
        asset = self.asset[token]
        liquidity_rate, debt_rate, liquidity_index, debt_index, since = self.state.get(asset, (0, 0, RAY, RAY, now))
        if self.kind[token] == "aToken":
            right = ray_mul(linear_growth(liquidity_rate, now - since), liquidity_index)
        else:
            grown = ray_mul(compounded_growth(debt_rate, now - since), debt_index)
            right = grown if self.total_debt[asset] else debt_index
            self.total_debt[asset] += moved
        if index != right:
            raise Inconsistent(f"index should be {right}: {log}")
        self.scaled[token][account] = held
        self.seen[token, account] = index

    def _indexes(self, log: dict[str, Any], asset: str, words: list[int]) -> None:
        now = int(log["blockTimestamp"], 16)
        rate, _, debt_rate, index, debt_index = words
        old_rate, old_debt_rate, old, old_debt, since = self.state.get(asset, (0, 0, RAY, RAY, now))
        grown = ray_mul(compounded_growth(old_debt_rate, now - since), old_debt)
        if index != ray_mul(linear_growth(old_rate, now - since), old) or debt_index not in (grown, old_debt):
            raise Inconsistent(f"an index does not follow from the rates before: {log}")
        self.state[asset] = (rate, debt_rate, index, debt_index, now)


def blocks(chain: GeneratedChain) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Header and logs of every block, parsed."""
    from bench.replay_chain import ReplayChain

    replay = ReplayChain(chain.directory)
    for number in range(chain.head + 1):
        yield json.loads(replay.header(number)), json.loads(b"[" + replay.logs(number, number) + b"]")


def check(chain: GeneratedChain) -> dict[str, int]:
    """Raise ``Inconsistent`` at the first contradiction; return what was compared."""
    truth = chain.truth()
    rebuild = Rebuild(chain.meta["reserves"])
    parent, count = "0x" + "0" * 64, 0
    for number, (head, logs) in enumerate(blocks(chain)):
        if int(head["number"], 16) != number or head["parentHash"] != parent:
            raise Inconsistent(f"block {number} is not linked to its parent")
        if head["logsBloom"] != bloom_hex(bloom_of_logs(logs)):
            raise Inconsistent(f"bloom of block {number}")
        parent = head["hash"]
        for index, log in enumerate(logs):
            if (log["blockHash"], int(log["logIndex"], 16)) != (parent, index):
                raise Inconsistent(f"log {index} of block {number} is misplaced")
            rebuild.feed(log)
        count += len(logs)
    for token, book in truth["scaled"].items():
        rebuilt = {account: str(value) for account, value in rebuild.scaled[token].items() if value}
        if rebuilt != book:
            raise Inconsistent(f"final scaled balances of {token}")
    for asset, expected in truth["reserves"].items():
        names = ("liquidity_rate", "debt_rate", "liquidity_index", "debt_index", "timestamp")
        got = dict(zip(names, map(str, rebuild.state[asset]), strict=True))
        if any(expected[name] != value for name, value in got.items()):
            raise Inconsistent(f"final indexes of {asset}: {got} against {expected}")
        if sorted(rebuild.collateral[asset]) != truth["collateral"][asset]:
            raise Inconsistent(f"collateral flags of {asset}")
    return {"blocks": chain.head + 1, "logs": count, "balances": sum(map(len, truth["scaled"].values()))}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=200_000)
    parser.add_argument("--blocks", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--transfers", action="store_true", help="with the tokens' own Transfer logs")
    args = parser.parse_args()
    print(check(ensure(logs=args.logs, blocks=args.blocks, seed=args.seed, transfers=args.transfers)))


if __name__ == "__main__":
    main()
