"""Everything an account can do, in no particular order: the part of a run that hunts for accounting errors.

These accounts are nobody's story, so nothing here reaches `truth.json`. Some steps are meant to be reverted.
"""

from __future__ import annotations

from collections.abc import Callable

from .world import MAX, Call, Step, World, join

BORROWED = ("WETH", "USDC", "DAI", "WBTC", "wstETH", "LINK")


class Noise:
    """Makes one random step for a random account of its own."""

    def __init__(self, world: World, accounts: list[str], fresh: list[str]) -> None:
        self.world, self.accounts, self.fresh = world, accounts, fresh
        aave = [
            (self.supply, 6),
            (self.withdraw, 4),
            (self.borrow, 6),
            (self.repay, 4),
            (self.repay_with_receipts, 2),
            (self.transfer, 4),
            (self.toggle, 2),
            (self.emode, 2),
            (self.delegated, 2),
            (self.flash, 1),
            (self.too_much, 1),
            (self.dust, 3),
            (self.two_in_a_row, 2),
        ]
        morpho = [
            (self.lend, 3),
            (self.unlend, 3),
            (self.pledge, 4),
            (self.unpledge, 2),
            (self.morpho_borrow, 4),
            (self.morpho_repay, 3),
            (self.morpho_flash, 1),
            (self.poke, 2),
            (self.too_much_collateral, 1),
        ]
        self.deck: list[Callable[[str], Step]] = []
        for kinds, there in ((aave, world.chain.reserves), (morpho, world.chain.markets)):
            self.deck += [make for make, often in kinds for _ in range(often if there else 0)]
        self.deck += [self.vaults] * 3

    def step(self) -> Step:
        """Whatever comes up; an account with nothing to do supplies."""
        return self.world.rng.choice(self.deck)(self.world.rng.choice(self.accounts))

    # -- helpers ----------------------------------------------------------------------------------------------

    def _usd(self) -> float:
        return self.world.rng.choice((50, 900, 4_000, 15_000, 40_000)) * self.world.rng.uniform(0.5, 1.5)

    def _odd(self, amount: int) -> int:
        """An amount with no round digits."""
        return amount + self.world.rng.randrange(1, 1000)

    def _held(self, account: str, kind: str) -> list[str]:
        """Reserves in which the account has an aToken or debt balance."""
        names = [f"{kind}_{symbol}" for symbol in self.world.chain.reserves]
        balances = self.world.chain.views([(name, "balanceOf", (account,)) for name in names])
        return [symbol for symbol, held in zip(self.world.chain.reserves, balances, strict=True) if held]

    def _borrowed(self) -> list[str]:
        return [symbol for symbol in BORROWED if symbol in self.world.chain.reserves]

    def _other(self, account: str) -> str:
        return self.world.rng.choice([one for one in self.accounts if one != account])

    # -- Aave -------------------------------------------------------------------------------------------------

    def supply(self, account: str) -> Step:
        """Into the pool, sometimes for somebody else."""
        symbol = self.world.rng.choice((*self._borrowed(), "sDAI"))
        amount = self._odd(self.world.amount(symbol, self._usd()))
        behalf = self._other(account) if self.world.rng.random() < 0.15 else None
        return join(self.world.bring(account, symbol, amount), self.world.supply(account, symbol, amount, behalf))

    def withdraw(self, account: str) -> Step:
        """Part of it or everything."""
        held = self._held(account, "aToken")
        if not held:
            return self.supply(account)
        symbol = self.world.rng.choice(held)
        balance = self.world.balance(account, f"a{symbol}")
        part = MAX if self.world.rng.random() < 0.35 else max(1, balance * self.world.rng.randrange(1, 70) // 100)
        return self.world.withdraw(account, symbol, part)

    def borrow(self, account: str) -> Step:
        """Some of what may be borrowed."""
        symbol = self.world.rng.choice(self._borrowed())
        amount = self.world.room(account, symbol, self.world.rng.uniform(0.05, 0.95))
        return self.world.borrow(account, symbol, amount) if amount > 1 else self.supply(account)

    def repay(self, account: str) -> Step:
        """Part or all, sometimes another account's debt."""
        debtor = self._other(account) if self.world.rng.random() < 0.15 else account
        owed = self._held(debtor, "variableDebtToken")
        if not owed:
            return self.borrow(account)
        symbol = self.world.rng.choice(owed)
        debt = self.world.debt(debtor, symbol)
        everything = self.world.rng.random() < 0.4
        amount = debt * 1001 // 1000 + 10 if everything else max(1, debt * self.world.rng.randrange(1, 90) // 100)
        paid = MAX if everything and debtor == account else amount
        return join(self.world.bring(account, symbol, amount), self.world.repay(account, symbol, paid, debtor))

    def repay_with_receipts(self, account: str) -> Step:
        """Debt paid with the aToken of the same asset; the aToken is bought first where it is missing."""
        owed = self._held(account, "variableDebtToken")
        if not owed:
            return self.borrow(account)
        symbol = self.world.rng.choice(owed)
        debt, asset = self.world.debt(account, symbol), self.world.chain.contracts[symbol]
        amount = max(1, debt * self.world.rng.randrange(1, 120) // 100)
        paid = MAX if self.world.rng.random() < 0.4 else amount
        last: Call = ("Pool", "repayWithATokens", (asset, paid, 2))
        if self.world.rng.random() < 0.4:
            return Step(account, (last,))
        first = join(self.world.bring(account, symbol, amount), self.world.supply(account, symbol, amount))
        return Step(account, (*first.calls, last))

    def transfer(self, account: str) -> Step:
        """aTokens to another account, often to one that was never seen, often all of them."""
        held = self._held(account, "aToken")
        if not held:
            return self.supply(account)
        symbol, rng = self.world.rng.choice(held), self.world.rng
        to = rng.choice(self.fresh) if rng.random() < 0.4 else self._other(account)
        if rng.random() < 0.08:
            to = account
        balance = self.world.balance(account, f"a{symbol}")
        amount = balance if rng.random() < 0.4 else max(1, balance * rng.randrange(1, 95) // 100)
        return Step(account, ((f"aToken_{symbol}", "transfer", (to, amount)),))

    def toggle(self, account: str) -> Step:
        """Collateral on or off."""
        held = self._held(account, "aToken")
        if not held:
            return self.supply(account)
        asset = self.world.chain.contracts[self.world.rng.choice(held)]
        return Step(account, (("Pool", "setUserUseReserveAsCollateral", (asset, self.world.rng.random() < 0.5)),))

    def emode(self, account: str) -> Step:
        """In or out of a category."""
        return self.world.set_emode(account, self.world.rng.choice((0, 1, 2)))

    def delegated(self, account: str) -> Step:
        """Somebody else borrows on this account's behalf."""
        other, symbol = self._other(account), self.world.rng.choice(("WETH", "USDC", "DAI"))
        asset, amount = self.world.chain.contracts[symbol], self.world.room(account, symbol, 0.3)
        allowed = self.world.chain.view(f"variableDebtToken_{symbol}", "borrowAllowance", account, other)
        if allowed == 0 or amount < 2:
            return Step(account, self.world.delegate(account, symbol, other))
        return Step(other, (("Pool", "borrow", (asset, amount, 2, 0, account)),))

    def flash(self, account: str) -> Step:
        """A flash loan that does nothing."""
        symbol = self.world.rng.choice(("WETH", "USDC"))
        amount = self._odd(self.world.amount(symbol, 50_000))
        fee = amount * 6 // 10_000 + 2
        asset = self.world.chain.contracts[symbol]
        spend = self.world.allow(account, symbol, "AaveLooper")
        return Step(account, ((symbol, "mint", (account, fee)), *spend, ("AaveLooper", "flash", (asset, amount, fee))))

    def too_much(self, account: str) -> Step:
        """Reverted: borrows beyond any room."""
        return self.world.borrow(account, "USDC", self.world.amount("USDC", 3_000_000))

    def dust(self, account: str) -> Step:
        """Moves less than the interest that has come up, so that a burn is reported as a mint."""
        kind = self.world.rng.choice(("aToken", "variableDebtToken"))
        held = self._held(account, kind)
        if not held:
            return self.supply(account)
        symbol, amount = self.world.rng.choice(held), self.world.rng.randrange(1, 40)
        if kind == "aToken":
            return self.world.withdraw(account, symbol, amount)
        return join(self.world.bring(account, symbol, amount), self.world.repay(account, symbol, amount))

    def two_in_a_row(self, account: str) -> Step:
        """Several updates of one reserve in one block."""
        symbol = self.world.rng.choice(("WETH", "USDC", "WBTC"))
        amount = self._odd(self.world.amount(symbol, self._usd()))
        part = max(1, amount // 3)
        steps = [self.world.bring(account, symbol, amount), self.world.supply(account, symbol, amount)]
        steps += [self.world.borrow(account, symbol, part), self.world.withdraw(account, symbol, part)]
        return join(*steps)

    # -- Morpho -----------------------------------------------------------------------------------------------

    def _market(self) -> str:
        return self.world.rng.choice(list(self.world.chain.markets))

    def lend(self, account: str) -> Step:
        """Lends in a market, by assets or by shares."""
        name = self._market()
        symbol = self.world.market(name).loan
        amount = self._odd(self.world.amount(symbol, self._usd()))
        money = self.world.bring(account, symbol, amount * 2)
        step = self.world.lend(account, name, amount)
        if self.world.rng.random() < 0.3:
            call: Call = ("Morpho", "supply", (self.world.market(name).params, 0, amount * 10**6, account, b""))
            step = Step(account, (*self.world.allow(account, symbol, "Morpho"), *step.calls[:-1], call))
        return join(money, step)

    def unlend(self, account: str) -> Step:
        """Takes lent money back, part or all."""
        for name in self.world.chain.markets:
            shares = self.world.position(account, name)[0]
            if shares:
                part = (
                    shares if self.world.rng.random() < 0.4 else max(1, shares * self.world.rng.randrange(1, 90) // 100)
                )
                return self.world.unlend(account, name, part)
        return self.lend(account)

    def pledge(self, account: str) -> Step:
        """Collateral in, sometimes for somebody else."""
        names = [name for name, market in self.world.chain.markets.items() if not market.collateral.endswith("aWETH")]
        names = [name for name in names if self.world.market(name).collateral in (*BORROWED, "sDAI")]
        name = self.world.rng.choice(names)
        symbol = self.world.market(name).collateral
        amount = self._odd(self.world.amount(symbol, self._usd()))
        behalf = self._other(account) if self.world.rng.random() < 0.1 else None
        return join(self.world.bring(account, symbol, amount), self.world.pledge(account, name, amount, behalf))

    def _pledged(self, account: str) -> str | None:
        names = list(self.world.chain.markets)
        identifiers = [bytes.fromhex(self.world.market(name).id[2:]) for name in names]
        positions = self.world.chain.views([("Morpho", "position", (one, account)) for one in identifiers])
        having = [name for name, position in zip(names, positions, strict=True) if position[2]]
        return self.world.rng.choice(having) if having else None

    def unpledge(self, account: str) -> Step:
        """Collateral out; reverted when the debt needs it."""
        name = self._pledged(account)
        if name is None:
            return self.pledge(account)
        held = self.world.position(account, name)[2]
        part = held if self.world.rng.random() < 0.3 else max(1, held * self.world.rng.randrange(1, 60) // 100)
        return self.world.unpledge(account, name, part)

    def morpho_borrow(self, account: str) -> Step:
        """Borrows against what is pledged."""
        name = self._pledged(account)
        amount = self.world.morpho_room(account, name, self.world.rng.uniform(0.05, 0.97)) if name else 0
        return self.world.morpho_borrow(account, name, amount) if name and amount > 1 else self.pledge(account)

    def morpho_repay(self, account: str) -> Step:
        """Part by assets, or all by shares."""
        name = self._pledged(account)
        shares = self.world.position(account, name)[1] if name else 0
        if name is None or shares == 0:
            return self.morpho_borrow(account)
        market = self.world.market(name)
        totals = self.world.chain.view("Morpho", "market", bytes.fromhex(market.id[2:]))
        debt = shares * (totals[2] + 1) // (totals[3] + 10**6) + 1
        money = self.world.bring(account, market.loan, debt * 2)
        everything = self.world.rng.random() < 0.4
        part = max(1, debt * self.world.rng.randrange(1, 90) // 100)
        return join(money, self.world.morpho_repay(account, name, part, shares if everything else 0))

    def morpho_flash(self, account: str) -> Step:
        """A flash loan that does nothing."""
        asset = self.world.chain.contracts["USDC"]
        return Step(account, (("MorphoLooper", "flash", (asset, self._odd(10**9))),))

    def poke(self, account: str) -> Step:
        """Accrues a market from outside, also one without a rate model."""
        return Step(account, (("Morpho", "accrueInterest", (self.world.market(self._market()).params,)),))

    def too_much_collateral(self, account: str) -> Step:
        """Reverted: takes out more than is there."""
        return self.world.unpledge(account, self._market(), 10**24)

    # -- vaults -----------------------------------------------------------------------------------------------

    def vaults(self, account: str) -> Step:
        """Shares bought or given back."""
        vault = self.world.rng.choice(self.world.vaults)
        shares = self.world.balance(account, vault)
        if shares and self.world.rng.random() < 0.5:
            return self.world.redeem(account, vault, max(1, shares * self.world.rng.randrange(1, 101) // 100))
        asset = self.world.vault_asset[vault]
        if asset == "aWETH":
            amount = self._odd(self.world.amount("WETH", self._usd()))
            funded = join(self.world.bring(account, "WETH", amount), self.world.supply(account, "WETH", amount))
            return join(funded, self.world.deposit(account, vault, amount * 9 // 10))
        amount = self._odd(self.world.amount(asset, self._usd()))
        return join(self.world.bring(account, asset, amount), self.world.deposit(account, vault, amount))
