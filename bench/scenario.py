"""A seeded crowd that uses one Aave market: supplies, borrows, repays, transfers and gets liquidated.

Choices are plausible (loans within the loan-to-value limit, withdrawals within health and liquidity,
liquidations only below health factor 1) and depend on the seed alone. Values are in 1e-8 USD.
"""

from __future__ import annotations

import random

from bench.aave_market import Market, Reserve
from bench.aave_math import RAY
from bench.evm import made_up_address

USD = 10**8

LISTING: tuple[tuple[str, int, int, int, int, int], ...] = (
    # symbol, decimals, price in 1e-8 USD, loan to value, liquidation threshold, liquidation bonus (basis points)
    ("WETH", 18, 2_500 * USD, 8_050, 8_300, 10_500),
    ("WBTC", 8, 60_000 * USD, 7_300, 7_800, 10_500),
    ("USDC", 6, 1 * USD, 7_500, 7_800, 10_450),
    ("USDT", 6, 1 * USD, 0, 0, 0),
    ("DAI", 18, 1 * USD, 6_300, 7_700, 10_500),
    ("wstETH", 18, 2_950 * USD, 7_850, 8_100, 10_600),
    ("LINK", 18, 14 * USD, 5_300, 6_800, 10_700),
    ("AAVE", 18, 150 * USD, 6_600, 7_300, 10_750),
    ("cbETH", 18, 2_700 * USD, 7_450, 7_700, 10_750),
    ("EURC", 6, 108_000_000, 6_500, 7_000, 10_600),
)
"""The listed assets; more reserves than this repeat the list with a number behind the symbol."""

STABLE = frozenset({"USDC", "USDT", "DAI", "EURC"})

ACTIONS: tuple[tuple[str, int], ...] = (
    ("supply", 310),
    ("withdraw", 215),
    ("borrow", 190),
    ("repay", 155),
    ("transfer", 65),
    ("liquidate", 40),
    ("price", 24),
    ("treasury", 1),
)
"""Weights; an action that is impossible at that moment becomes a supply."""


class Bag:
    """A set of (account, reserve number) with constant-time random choice."""

    def __init__(self) -> None:
        self.items: list[tuple[str, int]] = []
        self._at: dict[tuple[str, int], int] = {}

    def put(self, item: tuple[str, int], present: bool) -> None:
        """Make an item present or absent."""
        at = self._at.get(item)
        if present and at is None:
            self._at[item] = len(self.items)
            self.items.append(item)
        elif not present and at is not None:
            last = self.items.pop()
            del self._at[item]
            if last != item:
                self.items[at] = last
                self._at[last] = at


def make_reserves(seed: int, count: int) -> list[Reserve]:
    """The reserves of a seed, all indexes at one ray."""
    reserves = []
    for n in range(count):
        symbol, decimals, price, ltv, threshold, bonus = LISTING[n % len(LISTING)]
        name = symbol if n < len(LISTING) else f"{symbol}{n // len(LISTING) + 1}"
        stable = symbol in STABLE
        reserves.append(
            Reserve(
                symbol=name,
                decimals=decimals,
                price=price,
                ltv=ltv,
                threshold=threshold,
                bonus=bonus,
                factor=1_000 if stable else 1_500,
                protocol_fee=1_000,
                asset=made_up_address(seed, name, "asset"),
                atoken=made_up_address(seed, name, "aToken"),
                stable_debt=made_up_address(seed, name, "stable debt"),
                debt_token=made_up_address(seed, name, "variable debt"),
                strategy=made_up_address(seed, name, "strategy"),
                base_rate=0 if stable else RAY // 1_000,
                slope1=RAY * 4 // 100 if stable else RAY * 38 // 1_000,
                slope2=RAY * 6 // 10,
                optimal=RAY * 9 // 10 if stable else RAY * 8 // 10,
            )
        )
    return reserves


class Scenario:
    """Acts on a market, one transaction at a time."""

    def __init__(self, market: Market, seed: int, accounts: int) -> None:
        self.market = market
        self.random = random.Random(seed)
        self.accounts = [made_up_address(seed, "account", n) for n in range(accounts)]
        self.liquidators = [made_up_address(seed, "liquidator", n) for n in range(20)]
        self.supplies, self.debts = Bag(), Bag()
        self.held: dict[str, dict[int, None]] = {}
        self.owing: dict[str, dict[int, None]] = {}
        self._names = [name for name, _ in ACTIONS]
        self._weights = [weight for _, weight in ACTIONS]

    def act(self) -> None:
        """One transaction: usually one action, at times a supply and a loan together."""
        name = self.random.choices(self._names, self._weights)[0]
        if not getattr(self, f"_{name}")():
            self._supply()
        if name == "supply" and self.random.random() < 0.05:
            self._borrow()

    # books of who holds what

    def _note(self, account: str, number: int) -> None:
        r = self.market.reserves[number]
        for book, bag, index in ((r.supplied, self.supplies, self.held), (r.owed, self.debts, self.owing)):
            entry = book.get(account)
            present = entry is not None and entry[0] > 0
            bag.put((account, number), present)
            if present:
                index.setdefault(account, {})[number] = None
            else:
                index.get(account, {}).pop(number, None)

    def _standing(self, account: str) -> tuple[int, int, int]:
        """Borrowing power, collateral at its thresholds, and debt of an account, in 1e-8 USD."""
        power = cover = debt = 0
        now = self.market.now
        for n in self.held.get(account, ()):
            r = self.market.reserves[n]
            if account in r.collateral:
                value = r.balance(account, now) * r.price // 10**r.decimals
                power += value * r.ltv // 10_000
                cover += value * r.threshold // 10_000
        for n in self.owing.get(account, ()):
            r = self.market.reserves[n]
            debt += r.debt(account, now) * r.price // 10**r.decimals
        return power, cover, debt

    # choices

    def _account(self) -> str:
        """Few accounts are very active, most are not."""
        return self.accounts[int(len(self.accounts) * self.random.random() ** 2)]

    def _pick(self, bag: Bag) -> tuple[str, int] | None:
        return self.random.choice(bag.items) if bag.items else None

    def _amount(self, r: Reserve, low: float = 1.5, high: float = 5.5) -> int:
        """A random amount worth 10**low to 10**high USD, with random last digits."""
        usd = int(10.0 ** self.random.uniform(low, high) * USD)
        whole: int = usd * 10**r.decimals // r.price
        return max(1, whole - self.random.randrange(max(1, whole // 1_000)))

    def _part(self, whole: int) -> int:
        """A share of an amount; now and then a crumb smaller than the interest on it."""
        if self.random.random() < 0.08:
            return min(whole, self.random.randrange(1, 2_000))
        return max(1, whole * self.random.randrange(50, 950) // 1_000)

    def _supply(self) -> bool:
        user = self._account()
        owner = self._account() if self.random.random() < 0.02 else user
        n = int(len(self.market.reserves) * self.random.random() ** 1.5)
        r = self.market.reserves[n]
        self.market.supply(r, user, owner, self._amount(r))
        self._note(owner, n)
        return True

    def _free(self, account: str, r: Reserve) -> int:
        """How much of a supply can leave without breaking the account's health or the pool's liquidity."""
        balance = r.balance(account, self.market.now)
        most = min(balance, r.available)
        if account in r.collateral:
            _, cover, debt = self._standing(account)
            if debt:
                spare = (cover - debt * 103 // 100) * 10_000 // r.threshold
                most = min(most, max(0, spare) * 10**r.decimals // r.price)
        return most

    def _withdraw(self) -> bool:
        picked = self._pick(self.supplies)
        if picked is None:
            return False
        user, n = picked
        r = self.market.reserves[n]
        most = self._free(user, r)
        if most < 10:
            return False
        everything = most == r.balance(user, self.market.now) and self.random.random() < 0.45
        to = self._account() if self.random.random() < 0.02 else user
        self.market.withdraw(r, user, to, None if everything else self._part(most))
        self._note(user, n)
        return True

    def _borrow(self) -> bool:
        picked = self._pick(self.supplies)
        if picked is None:
            return False
        owner = picked[0]
        n = self.random.randrange(len(self.market.reserves))
        r = self.market.reserves[n]
        power, _, debt = self._standing(owner)
        spare = (power - debt) * 10**r.decimals // r.price
        amount = min(spare * self.random.randrange(450, 1_000) // 1_000, r.available * 9 // 10)
        if amount < 1_000:
            return False
        user = self._account() if self.random.random() < 0.01 else owner
        self.market.borrow(r, user, owner, amount)
        self._note(owner, n)
        return True

    def _repay(self) -> bool:
        picked = self._pick(self.debts)
        if picked is None:
            return False
        owner, n = picked
        r = self.market.reserves[n]
        owed = r.debt(owner, self.market.now)
        everything = self.random.random() < 0.4
        paid = owed if everything else self._part(owed)
        if n in self.held.get(owner, ()) and paid <= self._free(owner, r):
            self.market.repay(r, owner, owner, paid, with_atokens=True)
        else:
            user = self._account() if self.random.random() < 0.02 else owner
            self.market.repay(r, user, owner, None if everything else paid)
        self._note(owner, n)
        return True

    def _transfer(self) -> bool:
        picked = self._pick(self.supplies)
        if picked is None:
            return False
        sender, n = picked
        r = self.market.reserves[n]
        to = self._account()
        balance = r.balance(sender, self.market.now)
        most = min(self._free(sender, r), balance)
        if to == sender or most < 10:
            return False
        everything = most == balance and self.random.random() < 0.3
        self.market.transfer(r, sender, to, None if everything else self._part(most))
        self._note(sender, n)
        self._note(to, n)
        return True

    def _liquidate(self) -> bool:
        for _ in range(60):
            picked = self._pick(self.debts)
            if picked is None:
                return False
            user, n = picked
            _, cover, debt = self._standing(user)
            d = self.market.reserves[n]
            if cover < debt and d.debt(user, self.market.now) > 1_000:
                return self._seize(user, n, full=cover * 100 <= debt * 95)
        return False

    def _seize(self, user: str, n: int, *, full: bool) -> bool:
        """Liquidate the user's largest collateral against this debt."""
        now = self.market.now
        reserves = self.market.reserves
        choices = [
            (reserves[k].balance(user, now) * reserves[k].price // 10 ** reserves[k].decimals, -k)
            for k in self.held.get(user, ())
            if k != n and user in reserves[k].collateral
        ]
        if not choices or max(choices)[0] < USD:
            return False
        k = -max(choices)[1]
        c, d = reserves[k], reserves[n]
        covered, seized, _, _ = self.market._seizure(c, d, user, d.debt(user, now))
        liquidator = self.random.choice(self.liquidators)
        receive = self.random.random() < 0.15 or seized > c.available
        if not covered or not seized:
            return False
        self.market.liquidate(c, d, user, liquidator, full=full, receive_atoken=receive)
        self._note(user, n)
        self._note(user, k)
        self._note(liquidator, k)
        return True

    def _price(self) -> bool:
        r = self.random.choice(self.market.reserves)
        spread = 0.0006 if r.symbol.rstrip("0123456789") in STABLE else 0.011
        step = int(1_000_000 * self.random.gauss(0, spread))
        self.market.set_price(r, max(1, r.price * (1_000_000 + step) // 1_000_000))
        return True

    def _treasury(self) -> bool:
        before = len(self.market.logs)
        for r in self.random.sample(self.market.reserves, min(3, len(self.market.reserves))):
            self.market.mint_to_treasury(r)
        return len(self.market.logs) > before
