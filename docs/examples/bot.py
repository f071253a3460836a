"""An example liquidation bot: it asks the indexer, re-checks on the node, and prints what it would send. It never sends.

    python docs/examples/bot.py --api http://127.0.0.1:8000 --rpc $ETH_RPC_URL

1. `GET /v1/liquidation-risk/liquidatable?min_block=N&wait=25`: answered when block N is indexed, 204 when it did not come.
2. For each row the protocol's own health view, by `eth_call` in the newest block of the node. The index is a list of
   candidates; the contract is the judge. Somebody else may have been faster, the price may have moved.
3. What still stands is printed as one JSON object a line, with the call that a bot with keys would sign.

It knows the re-check of the Aave family and of Morpho Blue; rows of other protocols are printed as `unchecked`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from web3 import Web3

WAIT = 25
ONE = 10**18
ORACLE_SCALE = 10**36
VIRTUAL_SHARES, VIRTUAL_ASSETS = 10**6, 1
"""Morpho Blue's own constants (ConstantsLib, SharesMathLib)."""

Row = dict[str, Any]


class Api:
    """The indexer."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Accept": "application/json", **({"X-API-Key": key} if key else {})}

    def get(self, path: str, **query: object) -> Row | None:
        """Return an answer, or None for 204. A 503 or 429 is waited out as `Retry-After` says."""
        asked = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        request = urllib.request.Request(f"{self.url}{path}?{asked}", headers=self.headers)
        while True:
            try:
                with urllib.request.urlopen(request, timeout=WAIT + 10) as response:
                    return None if response.status == 204 else json.load(response)
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503):
                    raise SystemExit(f"{path}: {error.code} {error.read().decode()}") from None
                time.sleep(int(error.headers.get("Retry-After", 1)))

    def liquidatable(self, min_block: int | None, min_profit_usd: float) -> tuple[int, list[Row]] | None:
        """Return the block and its rows, most profitable first; None when the block did not come."""
        rows: list[Row] = []
        cursor = None
        while True:
            wait = WAIT if min_block is not None and cursor is None else None
            answer = self.get(
                "/v1/liquidation-risk/liquidatable", min_profit_usd=min_profit_usd, cursor=cursor,
                min_block=min_block if cursor is None else None, wait=wait,
            )  # fmt: skip
            if answer is None:
                return None
            rows += answer["data"]
            cursor = answer["page"]["next_cursor"]
            if cursor is None:
                return answer["meta"]["block_number"], rows

    def contracts(self) -> dict[tuple[str, str], dict[str, str]]:
        """Return the contracts of each (protocol, deployment)."""
        answer = self.get("/v1/protocols", limit=1000)
        assert answer is not None
        return {
            (row["protocol"], each["deployment"]): each["contracts"]
            for row in answer["data"]
            for each in row["deployments"]
        }


class Node:
    """The chain: `eth_call` only."""

    def __init__(self, web3: Web3) -> None:
        self.web3 = web3

    def call(self, to: str, signature: str, types: tuple[str, ...], *arguments: Any, block: int) -> tuple[Any, ...]:
        """Call a view of a contract in a block. `signature` is `name(type,...)`, `types` what it returns."""
        inputs = [part for part in signature[signature.index("(") + 1 : -1].split(",") if part]
        data = Web3.keccak(text=signature)[:4] + self.web3.codec.encode(inputs, arguments)
        answer = self.web3.eth.call({"to": Web3.to_checksum_address(to), "data": Web3.to_hex(data)}, block)
        return tuple(self.web3.codec.decode(types, answer))


Health = Callable[[Node, dict[str, str], Row, int], tuple[float, Row]]
"""Health factor on chain, and the call that would liquidate."""


def aave(node: Node, contracts: dict[str, str], row: Row, block: int) -> tuple[float, Row]:
    """Aave v2, v3 and Spark: `getUserAccountData` of the pool that the provider names."""
    if "PoolAddressesProvider" in contracts:
        provider, name = contracts["PoolAddressesProvider"], "getPool()"
    else:
        provider, name = contracts["LendingPoolAddressesProvider"], "getLendingPool()"
    (pool,) = node.call(provider, name, ("address",), block=block)
    data = node.call(
        pool, "getUserAccountData(address)", ("uint256",) * 6, Web3.to_checksum_address(row["account"]), block=block
    )
    call = {
        "to": pool.lower(), "function": "liquidationCall(address,address,address,uint256,bool)",
        "arguments": [row["best_collateral_asset"], row["best_debt_asset"], row["account"], row["max_repay_raw"], False],
    }  # fmt: skip
    return data[5] / ONE, call


def morpho(node: Node, contracts: dict[str, str], row: Row, block: int) -> tuple[float, Row]:
    """Morpho Blue: `_isHealthy` from `position`, `market` and the market's oracle.

    `market` does not hold the interest since it last accrued, so the health factor is a little high: a bot that relies
    on it sends too late, never too early. A call of `liquidate` itself by `eth_call` settles it.
    """
    core, market_id = contracts["Morpho"], bytes.fromhex(row["market_id"].rsplit("0x", 1)[1])
    _, shares, collateral = node.call(
        core, "position(bytes32,address)", ("uint256", "uint128", "uint128"), market_id,
        Web3.to_checksum_address(row["account"]), block=block,
    )  # fmt: skip
    market = node.call(core, "market(bytes32)", ("uint128",) * 6, market_id, block=block)
    parameters = node.call(
        core,
        "idToMarketParams(bytes32)",
        ("address", "address", "address", "address", "uint256"),
        market_id,
        block=block,
    )
    (price,) = node.call(parameters[2], "price()", ("uint256",), block=block)
    above, below = shares * (market[2] + VIRTUAL_ASSETS), market[3] + VIRTUAL_SHARES
    debt = -(-above // below)
    limit = collateral * price // ORACLE_SCALE * parameters[4] // ONE
    call = {
        "to": core, "function": "liquidate((address,address,address,address,uint256),address,uint256,uint256,bytes)",
        "arguments": [[str(part).lower() for part in parameters], row["account"], row["seize_raw"], "0", "0x"],
    }  # fmt: skip
    return (limit / debt if debt else float("inf")), call


CHECKS: dict[str, Health] = {"aave_v2": aave, "aave_v3": aave, "spark": aave, "morpho_blue": morpho}


def judge(node: Node, contracts: dict[tuple[str, str], dict[str, str]], rows: list[Row], block: int) -> Iterator[Row]:
    """Yield what the bot makes of each candidate in a block."""
    for row in rows:
        told = {
            name: row[name]
            for name in ("protocol", "deployment", "market_id", "account", "health_factor", "est_profit_usd")
        }
        told |= {"indexed_block": row["as_of_block"], "checked_block": block}
        check = CHECKS.get(row["protocol"])
        if row["blocked_reason"]:
            yield {"verdict": "blocked", "reason": row["blocked_reason"], **told}
        elif check is None:
            yield {"verdict": "unchecked", **told}
        else:
            health, call = check(node, contracts[row["protocol"], row["deployment"]], row, block)
            verdict = "would send" if health < 1 else "no longer liquidatable"
            yield {
                "verdict": verdict,
                **told,
                "health_factor_on_chain": health,
                **({"call": call} if health < 1 else {}),
            }


def main() -> int:
    """Poll, check, print."""
    parser = argparse.ArgumentParser(description="Print the liquidations that a bot would send. Nothing is sent.")
    parser.add_argument("--api", default="http://127.0.0.1:8000", help="where the indexer serves")
    parser.add_argument("--key", help="API key, where one is needed")
    parser.add_argument("--rpc", required=True, help="a node of the same chain")
    parser.add_argument("--min-profit-usd", type=float, default=0, help="gross: before gas and the price of selling")
    parser.add_argument("--once", action="store_true", help="look at the newest block and stop")
    asked = parser.parse_args()
    api, node = Api(asked.api, asked.key), Node(Web3(Web3.HTTPProvider(asked.rpc)))
    contracts = api.contracts()
    next_block: int | None = None
    while True:
        found = api.liquidatable(next_block, asked.min_profit_usd)
        if found is not None:
            block, rows = found
            for told in judge(node, contracts, rows, node.web3.eth.block_number):
                print(json.dumps(told), flush=True)
            next_block = block + 1
        if asked.once:
            return 0


if __name__ == "__main__":
    sys.exit(main())
