"""What the contracts themselves say: every view an indexer is compared with, asked at past blocks.

Answers have the shape of the recordings: `{"block", "label", "to", "data", "result"}`, where `label.sig` is
enough to decode `result`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .chain import ZERO, LocalChain
from .newcomers import Newcomers

Answer = dict[str, Any]
AT_CHECKPOINT, AT_REGULAR_BLOCK = "price at a checkpoint", "price at a regular block"


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, the same at every block."""

    label: dict[str, Any]
    to: str
    data: str


def _ask(chain: LocalChain, name: str, function: str, *arguments: Any, what: str = "", **label: Any) -> Asked:
    contract = chain.book[name]
    found = contract.functions[function]
    full = {**label, "what": what or function, "sig": found.signature}
    return Asked(full, contract.address, found.calldata(*arguments))


def _account_questions(chain: LocalChain, account: str, wallets: bool) -> list[Asked]:
    asked = []
    if chain.reserves:
        for what in ("getUserAccountData", "getUserEMode"):
            asked.append(_ask(chain, "Pool", what, account, account=account))
    for symbol in chain.reserves:
        for kind in ("aToken", "variableDebtToken"):
            name = f"{kind}_{symbol}"
            label = {"account": account, "market": symbol, "kind": kind, "token": chain.contracts[name]}
            for what in ("scaledBalanceOf", "balanceOf"):
                asked.append(_ask(chain, name, what, account, **label))
    for name, market in chain.markets.items():
        label = {"account": account, "market": name, "id": market.id}
        asked.append(_ask(chain, "Morpho", "position", bytes.fromhex(market.id[2:]), account, **label))
    for address, token in chain.tokens.items():
        symbol = token["symbol"]
        if wallets and chain.contracts.get(symbol) == address and "protocol" not in token:
            label = {"account": account, "symbol": symbol, "token": address}
            asked.append(_ask(chain, symbol, "balanceOf", account, what="erc20 balanceOf", **label))
    return asked


def _market_questions(chain: LocalChain) -> list[Asked]:
    asked = []
    for symbol, reserve in chain.reserves.items():
        label = {"market": symbol, "asset": reserve.asset}
        for what in ("getReserveNormalizedIncome", "getReserveNormalizedVariableDebt", "getReserveData"):
            asked.append(_ask(chain, "Pool", what, reserve.asset, **label))
        for kind in ("aToken", "variableDebtToken"):
            name = f"{kind}_{symbol}"
            for what in ("scaledTotalSupply", "totalSupply"):
                asked.append(_ask(chain, name, what, market=symbol, kind=kind, token=chain.contracts[name]))
    for name, market in chain.markets.items():
        identifier, label = bytes.fromhex(market.id[2:]), {"market": name, "id": market.id}
        asked.append(_ask(chain, "Morpho", "market", identifier, **label))
        if market.params[3] != ZERO:
            asked.append(_ask(chain, "AdaptiveCurveIrm", "rateAtTarget", identifier, **label))
    asked.append(_ask(chain, "wstETH", "rate", token=chain.contracts["wstETH"]))
    for vault in vaults(chain):
        label = {"vault": vault, "token": chain.contracts[vault]}
        asked.append(_ask(chain, vault, "totalAssets", what="vault totalAssets", **label))
        asked.append(_ask(chain, vault, "totalSupply", what="vault totalSupply", **label))
    return asked


def _in_v2(symbol: str) -> dict[str, str]:
    return {"protocol": "aave_v2", "market": symbol}


def v2_questions(chain: LocalChain, accounts: Sequence[str]) -> list[Asked]:
    """What Aave v2 is asked: every balance of these accounts, and the reserves."""
    asked = []
    for account in accounts:
        asked.append(_ask(chain, "LendingPool", "getUserAccountData", account, protocol="aave_v2", account=account))
        for symbol in chain.old_reserves:
            for kind, scaled in (
                ("aToken", "scaledBalanceOf"),
                ("variableDebtToken", "scaledBalanceOf"),
                ("stableDebtToken", "principalBalanceOf"),
            ):
                name = f"v2_{kind}_{symbol}"
                label = {**_in_v2(symbol), "account": account, "kind": kind, "token": chain.contracts[name]}
                asked += [_ask(chain, name, what, account, **label) for what in (scaled, "balanceOf")]
    for symbol, old in chain.old_reserves.items():
        for what in ("getReserveNormalizedIncome", "getReserveNormalizedVariableDebt", "getReserveData"):
            asked.append(_ask(chain, "LendingPool", what, old.asset, **_in_v2(symbol), asset=old.asset))
        for kind, scaled in (
            ("aToken", "scaledTotalSupply"),
            ("variableDebtToken", "scaledTotalSupply"),
            ("stableDebtToken", "getTotalSupplyAndAvgRate"),
        ):
            name = f"v2_{kind}_{symbol}"
            label = {**_in_v2(symbol), "kind": kind, "token": chain.contracts[name]}
            asked += [_ask(chain, name, what, **label) for what in (scaled, "totalSupply")]
    return asked


def perp_questions(chain: LocalChain, accounts: Sequence[str]) -> list[Asked]:
    """What the perp venue is asked: takers' positions, margin, profit owed, and the pools' prices."""
    asked = []
    for account in accounts:
        label = {"protocol": "perp_v2", "account": account}
        for name, pair in chain.perp_markets.items():
            for what in ("getTakerPositionSize", "getTakerOpenNotional"):
                asked.append(
                    _ask(chain, "AccountBalance", what, account, pair.base, **label, market=name, base=pair.base)
                )
        asked.append(_ask(chain, "Vault", "getBalance", account, **label))
        asked.append(_ask(chain, "AccountBalance", "getPnlAndPendingFee", account, **label))
    for name, pair in chain.perp_markets.items():
        label = {"protocol": "perp_v2", "market": name, "base": pair.base}
        asked.append(_ask(chain, f"UniswapV3Pool {name}", "slot0", **label))
    return asked


def vaults(chain: LocalChain) -> list[str]:
    """ERC-4626 tokens of the chain."""
    return [token["symbol"] for token in chain.tokens.values() if token["kind"].startswith("ERC-4626")]


def _oracle_questions(chain: LocalChain) -> list[Asked]:
    asked = []
    for symbol, reserve in chain.reserves.items():
        asked.append(_ask(chain, "AavePriceOracle", "getAssetPrice", reserve.asset, market=symbol, asset=reserve.asset))
    for name, market in chain.markets.items():
        asked.append(_ask(chain, f"Oracle {name}", "price", market=name, oracle=market.params[2]))
    for symbol, old in chain.old_reserves.items():
        asked.append(_ask(chain, "AaveOracle", "getAssetPrice", old.asset, **_in_v2(symbol), asset=old.asset))
    for name, pair in chain.perp_markets.items():
        asked.append(_ask(chain, name, "getIndexPrice", 0, protocol="perp_v2", market=name, base=pair.base))
    for vault in vaults(chain):
        unit = 10 ** int(chain.tokens[chain.contracts[vault]]["decimals"])
        asked.append(_ask(chain, vault, "convertToAssets", unit, vault=vault, token=chain.contracts[vault]))
    return asked


def _answers(chain: LocalChain, wanted: Iterable[tuple[int, Asked]]) -> list[Answer]:
    """Runs the calls, 500 a request, bodies written by hand: they are most of the work."""
    todo, answers = list(wanted), []
    for start in range(0, len(todo), 500):
        part = todo[start : start + 500]
        body = ",".join(
            f'{{"jsonrpc":"2.0","id":{at},"method":"eth_call",'
            f'"params":[{{"to":"{asked.to}","data":"{asked.data}"}},"{hex(block)}"]}}'
            for at, (block, asked) in enumerate(part)
        )
        got = chain.rpc.post(f"[{body}]")
        got.sort(key=lambda one: one["id"])
        for (block, asked), one in zip(part, got, strict=True):
            said = {"result": one["result"]} if "result" in one else {"error": one["error"]}
            answers.append({"block": block, "label": asked.label, "to": asked.to, "data": asked.data, **said})
    return answers


def _existing(chain: LocalChain, asked: Sequence[Asked], blocks: Sequence[int]) -> list[tuple[int, Asked]]:
    """Pairs of block and call, without the markets that did not exist yet."""
    born = {market.id: market.created for market in chain.markets.values()}
    by_name = {market.name: market.created for market in chain.markets.values()}
    by_name |= {pair.name: pair.created for pair in chain.perp_markets.values()}
    by_name |= {reserve.symbol: reserve.created for reserve in chain.reserves.values()}

    def since(one: Asked) -> int:
        label = one.label
        if label.get("protocol") == "aave_v2":
            return max(old.created for old in chain.old_reserves.values()) + 1
        return born.get(label.get("id", ""), by_name.get(label.get("market", ""), 0))

    dated = [(since(one), one) for one in asked]
    return [(block, one) for block in blocks for first, one in dated if block >= first]


def collect_views(
    chain: LocalChain,
    blocks: Sequence[int],
    accounts: Sequence[str],
    wallets: bool = True,
    newcomers: Newcomers | None = None,
) -> list[Answer]:
    """Every view of every account and market at every block; `wallets` adds plain token balances.

    `newcomers` are asked about in Aave v2 and at the perp venue; their answers have a `protocol` in the label.
    """
    asked = [one for account in accounts for one in _account_questions(chain, account, wallets)]
    asked += _market_questions(chain) + _oracle_questions(chain)
    if newcomers is not None:
        asked += v2_questions(chain, newcomers.old_users)
        if chain.perp_markets:
            asked += perp_questions(chain, [*newcomers.traders, chain.contracts["InsuranceFund"]])
    answers = _answers(chain, _existing(chain, asked, blocks))
    return answers + _borrow_rates(chain, answers)


def _borrow_rates(chain: LocalChain, answers: Sequence[Answer]) -> list[Answer]:
    """`borrowRateView` needs what `market()` said at the same block."""
    markets = {market.id: market for market in chain.markets.values()}
    wanted = []
    for one in answers:
        if one["label"]["what"] == "market" and markets[one["label"]["id"]].params[3] != ZERO:
            market = markets[one["label"]["id"]]
            totals = tuple(int(one["result"][2 + 64 * at : 66 + 64 * at], 16) for at in range(6))
            label = {"market": market.name, "id": market.id}
            wanted.append(
                (one["block"], _ask(chain, "AdaptiveCurveIrm", "borrowRateView", market.params, totals, **label))
            )
    return _answers(chain, wanted)


def collect_reads(chain: LocalChain, blocks: Sequence[int], reason: str = AT_CHECKPOINT) -> list[Answer]:
    """What every watched oracle and vault answered at these blocks."""
    answers = _answers(chain, _existing(chain, _oracle_questions(chain), blocks))
    return [{**one, "label": {**one["label"], "reason": reason}} for one in answers]
