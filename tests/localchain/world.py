"""The market that the scenario acts in: prices, wallets, approvals, and one builder per kind of step.

A `Step` is what one account does in one block: a few transactions in a row, the last of which is the point.
Builders look things up at the newest block, so a step is made just before it is sent.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from .aave_v2 import price_in_ether
from .chain import LocalChain, Market
from .tokens import OPENING_RATE, PLAIN

WAD = 10**18
MAX = 2**256 - 1
ORACLE_SCALE = 10**36
YEAR = 365 * 86_400
WRAPPER_YIELD = 0.031
SAVINGS_YIELD = 0.055

__all__ = ["MAX", "WAD", "Call", "Step", "World", "join"]

Call = tuple[str, str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """What an account does in one block. `op` is empty for steps that are not part of anyone's story."""

    sender: str
    calls: tuple[Call, ...]
    protocol: str = ""
    op: str = ""
    token: str | None = None
    amount: str = "0"
    market: str | None = None
    note: str | None = None


def join(*steps: Step) -> Step:
    """Several steps of one account as one, outside of any story."""
    return Step(steps[0].sender, tuple(call for step in steps for call in step.calls))


class World:
    """Prices and builders over one chain; all chance comes from `rng`."""

    def __init__(self, chain: LocalChain, rng: random.Random) -> None:
        self.chain, self.rng = chain, rng
        self.price: dict[str, int] = {symbol: price for symbol, (_, price) in PLAIN.items()}
        self.rate = OPENING_RATE
        self._priced_at = chain.clock.now
        self._decimals: dict[str, int] = {}
        self._allowed: set[tuple[str, str, str]] = set()
        self.vaults = [symbol for symbol in ("sDAI", "waWETH", "mvUSDC") if symbol in chain.contracts]
        self.vault_asset = {"sDAI": "DAI", "waWETH": "aWETH", "mvUSDC": "USDC"}

    @property
    def decimals(self) -> dict[str, int]:
        """Of every token by symbol."""
        if len(self._decimals) < len(self.chain.tokens):
            self._decimals = {token["symbol"]: int(token["decimals"]) for token in self.chain.tokens.values()}
        return self._decimals

    def unit(self, symbol: str) -> int:
        """One whole token in its smallest parts."""
        return int(10 ** self.decimals[symbol])

    # -- prices -----------------------------------------------------------------------------------------------

    def derive(self) -> None:
        """Prices of wrappers and shares, from what they wrap."""
        chain = self.chain
        self.price["wstETH"] = self.price["WETH"] * self.rate // WAD
        unit = {vault: self.unit(vault) for vault in self.vaults}
        worth = chain.views([(vault, "convertToAssets", (unit[vault],)) for vault in self.vaults])
        for vault, assets in zip(self.vaults, worth, strict=True):
            under = {"waWETH": "WETH"}.get(vault, self.vault_asset[vault])
            self.price[vault] = self.price[under] * assets // unit[vault]
        for symbol in chain.reserves:
            self.price[f"a{symbol}"] = self.price[symbol]

    def publish(self) -> Step:
        """One transaction that tells every oracle and the exchange what things cost now."""
        chain = self.chain
        elapsed, self._priced_at = chain.clock.now - self._priced_at, chain.clock.now
        jobs: list[Call] = []
        if elapsed > 3600:
            self.rate += int(self.rate * WRAPPER_YIELD * elapsed / YEAR)
            jobs.append(("wstETH", "setRate", (self.rate,)))
            saved = chain.view("sDAI", "totalAssets")
            jobs.append(("DAI", "mint", (chain.contracts["sDAI"], int(saved * SAVINGS_YIELD * elapsed / YEAR))))
        self.derive()
        traded = [symbol for symbol in self.price if symbol in chain.contracts]
        jobs.append(
            ("Dex", "setPrices", ([chain.contracts[one] for one in traded], [self.price[one] for one in traded]))
        )
        for symbol, reserve in chain.reserves.items():
            jobs.append(("AavePriceOracle", "setAssetPrice", (reserve.asset, self.price[symbol])))
        for name in chain.markets:
            jobs.append((f"Oracle {name}", "setPrice", (self.oracle_price(name),)))
        for symbol, old in chain.old_reserves.items():
            jobs.append(("V2SettableOracle", "setAssetPrice", (old.asset, price_in_ether(self.price, symbol))))
        for name, pair in chain.perp_markets.items():
            jobs.append((f"Feed {name}", "setPrice", (self.price[pair.follows] * 10**10,)))
        targets = [chain.book[name].address for name, _, _ in jobs]
        data = [bytes.fromhex(chain.book[name](function, *args)[2:]) for name, function, args in jobs]
        return Step(chain.admin, (("Batch", "run", (targets, data)),))

    def oracle_price(self, name: str) -> int:
        """Loan units per collateral unit, scaled as Morpho wants it."""
        market = self.chain.markets[name]
        up = self.price[market.collateral] * ORACLE_SCALE * self.unit(market.loan)
        return up // (self.price[market.loan] * self.unit(market.collateral))

    def amount(self, symbol: str, usd: float) -> int:
        """How much of a token `usd` dollars buy."""
        return int(usd * 100) * 10**6 * self.unit(symbol) // self.price[symbol]

    def usd(self, symbol: str, amount: int) -> float:
        """What an amount costs."""
        return amount * self.price[symbol] / (10**8 * self.unit(symbol))

    # -- looking ----------------------------------------------------------------------------------------------

    def token(self, symbol: str) -> str:
        """The book name of a token: aTokens are known by the reserve they stand for."""
        return symbol if symbol in self.chain.contracts else f"aToken_{symbol[1:]}"

    def balance(self, account: str, symbol: str) -> int:
        """Wallet balance now."""
        return int(self.chain.view(self.token(symbol), "balanceOf", account))

    def debt(self, account: str, symbol: str) -> int:
        """Aave variable debt now."""
        return int(self.chain.view(f"variableDebtToken_{symbol}", "balanceOf", account))

    def room(self, account: str, symbol: str, share: float) -> int:
        """`share` of what Aave would still lend of a token."""
        available = self.chain.view("Pool", "getUserAccountData", account)[2]
        return int(available * share) * self.unit(symbol) // self.price[symbol]

    def position(self, account: str, name: str) -> tuple[int, int, int]:
        """Morpho supply shares, borrow shares, collateral."""
        supply, borrow, collateral = self.chain.view("Morpho", "position", self._id(name), account)
        return supply, borrow, collateral

    def morpho_room(self, account: str, name: str, share: float) -> int:
        """`share` of what the market would still lend, by its last accrued totals."""
        market = self.chain.markets[name]
        (_, shares, collateral), totals = self.chain.views(
            [("Morpho", "position", (self._id(name), account)), ("Morpho", "market", (self._id(name),))]
        )
        debt = shares * (totals[2] + 1) // (totals[3] + 10**6) + 1 if shares else 0
        limit = collateral * self.oracle_price(name) // ORACLE_SCALE * market.params[4] // WAD
        return max(0, int((limit - debt) * share))

    def _id(self, name: str) -> bytes:
        return bytes.fromhex(self.chain.markets[name].id[2:])

    def allow(self, account: str, symbol: str, spender: str) -> tuple[Call, ...]:
        """The approval that is still missing, if any."""
        key = (account, symbol, spender)
        if key in self._allowed:
            return ()
        self._allowed.add(key)
        return ((self.token(symbol), "approve", (self.chain.contracts[spender], MAX)),)

    # -- money ------------------------------------------------------------------------------------------------

    def fund(self, account: str, symbol: str, amount: int) -> Step:
        """Outside money: plain tokens are minted."""
        return Step(account, ((symbol, "mint", (account, amount)),), "wallet", "fund", symbol, str(amount))

    def bring(self, account: str, symbol: str, amount: int) -> Step:
        """Money in hand: what cannot be minted is bought from the exchange with minted tokens."""
        if symbol in PLAIN:
            return self.fund(account, symbol, amount)
        plain = {"wstETH": "WETH", "sDAI": "DAI"}[symbol]
        cost = amount * self.price[symbol] // self.price[plain] * 1002 // 1000 + 10
        return join(self.fund(account, plain, cost), self.swap(account, plain, symbol, cost))

    def wrap(self, account: str, amount: int) -> Step:
        """WETH into wstETH."""
        calls = (*self.allow(account, "WETH", "wstETH"), ("wstETH", "wrap", (amount,)))
        return Step(account, calls, "wstETH", "wrap", "WETH", str(amount))

    def unwrap(self, account: str, amount: int) -> Step:
        """wstETH into WETH."""
        return Step(account, (("wstETH", "unwrap", (amount,)),), "wstETH", "unwrap", "wstETH", str(amount))

    def deposit(self, account: str, vault: str, amount: int) -> Step:
        """Into an ERC-4626 vault."""
        asset = self.vault_asset[vault]
        calls = (*self.allow(account, asset, vault), (vault, "deposit", (amount, account)))
        return Step(account, calls, vault, "vault_deposit", asset, str(amount))

    def redeem(self, account: str, vault: str, shares: int) -> Step:
        """Out of an ERC-4626 vault."""
        return Step(
            account, ((vault, "redeem", (shares, account, account)),), vault, "vault_redeem", vault, str(shares)
        )

    def swap(self, account: str, sold: str, bought: str, amount: int) -> Step:
        """On the exchange, at the scenario's prices."""
        worth = amount * self.price[sold] * self.unit(bought)
        got = worth // (self.price[bought] * self.unit(sold))
        addresses = self.chain.contracts[sold], self.chain.contracts[bought]
        calls = (*self.allow(account, sold, "Dex"), ("Dex", "swap", (*addresses, amount)))
        return Step(account, calls, "dex", "swap", f"{sold}->{bought}", f"{amount}->{got}")

    def convert(self, account: str, sold: str, bought: str, amount: int) -> Step:
        """The natural way from one token into another: wrap, deposit, or trade."""
        if (sold, bought) == ("WETH", "wstETH"):
            return self.wrap(account, amount)
        if (sold, bought) == ("wstETH", "WETH"):
            return self.unwrap(account, amount)
        if self.vault_asset.get(bought) == sold:
            return self.deposit(account, bought, amount)
        if self.vault_asset.get(sold) == bought:
            return self.redeem(account, sold, amount)
        return self.swap(account, sold, bought, amount)

    # -- Aave -------------------------------------------------------------------------------------------------

    def aave(self, account: str, op: str, function: str, symbol: str | None, amount: int, *arguments: Any) -> Step:
        """A call of the pool; supplies and repayments approve first when they must."""
        spends = function in ("supply", "repay") and symbol is not None
        approval = self.allow(account, symbol, "Pool") if spends and symbol else ()
        calls = (*approval, ("Pool", function, arguments))
        return Step(account, calls, "aave_v3", op, symbol, str(amount))

    def supply(self, account: str, symbol: str, amount: int, behalf: str | None = None) -> Step:
        """Lends to the pool."""
        arguments = (self.chain.contracts[symbol], amount, behalf or account, 0)
        return self.aave(account, "supply", "supply", symbol, amount, *arguments)

    def borrow(self, account: str, symbol: str, amount: int, behalf: str | None = None) -> Step:
        """Borrows at the variable rate."""
        arguments = (self.chain.contracts[symbol], amount, 2, 0, behalf or account)
        return self.aave(account, "borrow", "borrow", symbol, amount, *arguments)

    def withdraw(self, account: str, symbol: str, amount: int) -> Step:
        """Takes supply out; `MAX` is all of it."""
        return self.aave(account, "withdraw", "withdraw", symbol, amount, self.chain.contracts[symbol], amount, account)

    def repay(self, account: str, symbol: str, amount: int, behalf: str | None = None) -> Step:
        """Pays debt back; `MAX` is all of it."""
        arguments = (self.chain.contracts[symbol], amount, 2, behalf or account)
        return self.aave(account, "repay", "repay", symbol, amount, *arguments)

    def set_emode(self, account: str, category: int) -> Step:
        """Enters or leaves an e-mode category."""
        return self.aave(account, "set_emode", "setUserEMode", None, category, category)

    def delegate(self, account: str, symbol: str, to: str) -> tuple[Call, ...]:
        """Lets an address borrow on the account's behalf."""
        return ((f"variableDebtToken_{symbol}", "approveDelegation", (to, MAX)),)

    # -- Morpho -----------------------------------------------------------------------------------------------

    def morpho(self, account: str, op: str, function: str, name: str, symbol: str, amount: int, *rest: Any) -> Step:
        """A call of Morpho in one market; what Morpho pulls is approved first."""
        pulls = function in ("supply", "repay", "supplyCollateral")
        approval = self.allow(account, symbol, "Morpho") if pulls else ()
        calls = (*approval, ("Morpho", function, (self.market(name).params, *rest)))
        return Step(account, calls, "morpho_blue", op, symbol, str(amount), market=name)

    def market(self, name: str) -> Market:
        """A market by its name."""
        return self.chain.markets[name]

    def pledge(self, account: str, name: str, amount: int, behalf: str | None = None) -> Step:
        """Supplies collateral."""
        symbol, rest = self.market(name).collateral, (amount, behalf or account, b"")
        return self.morpho(account, "supply_collateral", "supplyCollateral", name, symbol, amount, *rest)

    def unpledge(self, account: str, name: str, amount: int) -> Step:
        """Takes collateral out."""
        symbol, rest = self.market(name).collateral, (amount, account, account)
        return self.morpho(account, "withdraw_collateral", "withdrawCollateral", name, symbol, amount, *rest)

    def lend(self, account: str, name: str, amount: int) -> Step:
        """Lends the loan token."""
        symbol, rest = self.market(name).loan, (amount, 0, account, b"")
        return self.morpho(account, "supply", "supply", name, symbol, amount, *rest)

    def unlend(self, account: str, name: str, shares: int) -> Step:
        """Takes lent tokens out, by shares."""
        rest = (0, shares, account, account)
        return self.morpho(account, "withdraw", "withdraw", name, self.market(name).loan, shares, *rest)

    def morpho_borrow(self, account: str, name: str, amount: int) -> Step:
        """Borrows the loan token."""
        symbol, rest = self.market(name).loan, (amount, 0, account, account)
        return self.morpho(account, "borrow", "borrow", name, symbol, amount, *rest)

    def morpho_repay(self, account: str, name: str, amount: int, shares: int = 0) -> Step:
        """Pays back by assets, or everything when `shares` is given."""
        symbol, rest = self.market(name).loan, (0 if shares else amount, shares, account, b"")
        return self.morpho(account, "repay", "repay", name, symbol, amount, *rest)
