"""One Aave v3.0.2 market in memory: every action moves the books and appends the logs the contracts would emit.

Order of logs and all numbers follow the published 3.0.2 contracts (SupplyLogic, BorrowLogic, LiquidationLogic,
ScaledBalanceTokenBase). Amounts are integers in the token's own units, prices in 1e-8 USD. Actions assume that
the caller checked what the contracts would refuse (health, liquidity); they never check it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.aave_math import (
    RAY,
    compounded_growth,
    linear_growth,
    percent_div,
    percent_mul,
    ray_div,
    ray_mul,
)
from bench.evm import ZERO_ADDRESS, address_topic, address_word, topic0, word

Log = tuple[str, tuple[str, ...], str]
"""Emitter, topics and data (0x text) of one log."""

Book = dict[str, list[int]]
"""Account to [scaled balance, index at its last touch]."""

SUPPLY = topic0("Supply(address,address,address,uint256,uint16)")
WITHDRAW = topic0("Withdraw(address,address,address,uint256)")
BORROW = topic0("Borrow(address,address,address,uint256,uint8,uint256,uint16)")
REPAY = topic0("Repay(address,address,address,uint256,bool)")
LIQUIDATION = topic0("LiquidationCall(address,address,address,uint256,uint256,address,bool)")
RESERVE_DATA = topic0("ReserveDataUpdated(address,uint256,uint256,uint256,uint256,uint256)")
COLLATERAL_ON = topic0("ReserveUsedAsCollateralEnabled(address,address)")
COLLATERAL_OFF = topic0("ReserveUsedAsCollateralDisabled(address,address)")
TO_TREASURY = topic0("MintedToTreasury(address,uint256)")
MINT = topic0("Mint(address,address,uint256,uint256,uint256)")
BURN = topic0("Burn(address,address,uint256,uint256,uint256)")
BALANCE_TRANSFER = topic0("BalanceTransfer(address,address,uint256,uint256)")
TRANSFER = topic0("Transfer(address,address,uint256)")
PRICE = topic0("AssetPriceUpdated(address,uint256,uint256)")

ZERO_TOPIC = "0x" + "0" * 64
NO_REFERRAL = ZERO_TOPIC
VARIABLE_MODE = word(2)


@dataclass(slots=True)
class Reserve:
    """One listed asset: addresses, parameters (basis points), indexes and rates (ray), books of both tokens."""

    symbol: str
    decimals: int
    price: int
    ltv: int
    threshold: int
    bonus: int
    factor: int
    protocol_fee: int
    asset: str
    atoken: str
    stable_debt: str
    debt_token: str
    strategy: str
    base_rate: int
    slope1: int
    slope2: int
    optimal: int
    topic: str = ""
    liquidity_index: int = RAY
    debt_index: int = RAY
    liquidity_rate: int = 0
    debt_rate: int = 0
    timestamp: int = 0
    available: int = 0
    debt_scaled: int = 0
    treasury_scaled: int = 0
    supplied: Book = field(default_factory=dict)
    owed: Book = field(default_factory=dict)
    collateral: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.topic = address_topic(self.asset)

    def income(self, now: int) -> int:
        """Liquidity index at a time (``getNormalizedIncome``)."""
        if now == self.timestamp:
            return self.liquidity_index
        return ray_mul(linear_growth(self.liquidity_rate, now - self.timestamp), self.liquidity_index)

    def debt_now(self, now: int) -> int:
        """Debt index at a time (``getNormalizedDebt``)."""
        if now == self.timestamp:
            return self.debt_index
        return ray_mul(compounded_growth(self.debt_rate, now - self.timestamp), self.debt_index)

    def accrue(self, now: int) -> None:
        """``updateState``: move both indexes to now and keep the treasury's share."""
        if now == self.timestamp:
            return
        if self.liquidity_rate:
            self.liquidity_index = self.income(now)
        if self.debt_scaled:
            before = ray_mul(self.debt_scaled, self.debt_index)
            self.debt_index = self.debt_now(now)
            accrued = percent_mul(ray_mul(self.debt_scaled, self.debt_index) - before, self.factor)
            if self.factor and accrued:
                self.treasury_scaled += ray_div(accrued, self.liquidity_index)
        self.timestamp = now

    def reprice(self) -> None:
        """``updateInterestRates``: a two-slope curve over the use of the reserve."""
        debt = ray_mul(self.debt_scaled, self.debt_index)
        if debt == 0:
            self.liquidity_rate, self.debt_rate = 0, self.base_rate
            return
        use = debt * RAY // (debt + self.available)
        rate = self.base_rate + ray_mul(self.slope1, min(use, self.optimal) * RAY // self.optimal)
        if use > self.optimal:
            rate += ray_mul(self.slope2, (use - self.optimal) * RAY // (RAY - self.optimal))
        self.debt_rate = rate
        self.liquidity_rate = percent_mul(ray_mul(rate, use), 10_000 - self.factor)

    def balance(self, account: str, now: int) -> int:
        """aToken balance of an account at a time."""
        entry = self.supplied.get(account)
        return ray_mul(entry[0], self.income(now)) if entry else 0

    def debt(self, account: str, now: int) -> int:
        """Variable debt of an account at a time."""
        entry = self.owed.get(account)
        return ray_mul(entry[0], self.debt_now(now)) if entry else 0


class Market:
    """The pool with its reserves; ``logs`` collects the logs of the transaction being built.

    Set ``now`` (Unix seconds) before acting. ``transfers`` adds the tokens' own ERC-20 Transfer logs.
    """

    def __init__(self, pool: str, treasury: str, oracle: str, reserves: list[Reserve], *, transfers: bool) -> None:
        self.pool, self.treasury, self.oracle, self.reserves = pool, treasury, oracle, reserves
        self.transfers = transfers
        self.now = 0
        self.logs: list[Log] = []

    # token level

    def _erc20(self, token: str, sender: str, to: str, amount: int) -> None:
        if self.transfers:
            self.logs.append((token, (TRANSFER, address_topic(sender), address_topic(to)), "0x" + word(amount)))

    def _mint_log(self, token: str, caller: str, owner: str, value: int, increase: int, index: int) -> None:
        self._erc20(token, ZERO_ADDRESS, owner, value)
        self.logs.append(
            (token, (MINT, address_topic(caller), address_topic(owner)), f"0x{value:064x}{increase:064x}{index:064x}")
        )

    def _touch(self, book: Book, account: str, index: int) -> tuple[list[int], int]:
        """The account's entry with its index moved to now, and the interest since its last touch."""
        entry = book.get(account)
        if entry is None:
            entry = book[account] = [0, 0]
        increase = ray_mul(entry[0], index) - ray_mul(entry[0], entry[1])
        entry[1] = index
        return entry, increase

    def _mint(self, token: str, book: Book, caller: str, owner: str, amount: int, index: int) -> int:
        """``_mintScaled``; returns the scaled amount."""
        entry, increase = self._touch(book, owner, index)
        scaled = ray_div(amount, index)
        entry[0] += scaled
        self._mint_log(token, caller, owner, amount + increase, increase, index)
        return scaled

    def _burn(self, token: str, book: Book, owner: str, target: str, amount: int, index: int) -> int:
        """``_burnScaled``; a burn below the accrued interest is logged as a Mint. Returns the scaled amount."""
        entry, increase = self._touch(book, owner, index)
        scaled = ray_div(amount, index)
        if scaled > entry[0]:
            raise ArithmeticError(f"burn of {scaled} above the scaled balance {entry[0]} of {owner}")
        entry[0] -= scaled
        if increase > amount:
            self._mint_log(token, owner, owner, increase - amount, increase, index)
            return scaled
        self._erc20(token, owner, ZERO_ADDRESS, amount - increase)
        self.logs.append(
            (
                token,
                (BURN, address_topic(owner), address_topic(target)),
                f"0x{amount - increase:064x}{increase:064x}{index:064x}",
            )
        )
        return scaled

    def _move(self, r: Reserve, caller: str, sender: str, to: str, amount: int, index: int) -> int:
        """``_transfer`` of an aToken without its BalanceTransfer log; returns the scaled amount."""
        source, sender_increase = self._touch(r.supplied, sender, index)
        target, to_increase = self._touch(r.supplied, to, index)
        scaled = ray_div(amount, index)
        if scaled > source[0]:
            raise ArithmeticError(f"transfer of {scaled} above the scaled balance {source[0]} of {sender}")
        source[0] -= scaled
        target[0] += scaled
        if sender_increase:
            self._mint_log(r.atoken, caller, sender, sender_increase, sender_increase, index)
        if to_increase:
            self._mint_log(r.atoken, caller, to, to_increase, to_increase, index)
        self._erc20(r.atoken, sender, to, amount)
        return scaled

    def _balance_transfer(self, r: Reserve, sender: str, to: str, scaled: int, index: int) -> None:
        topics = (BALANCE_TRANSFER, address_topic(sender), address_topic(to))
        self.logs.append((r.atoken, topics, f"0x{scaled:064x}{index:064x}"))

    # pool level

    def _pool(self, topics: tuple[str, ...], data: str = "") -> None:
        self.logs.append((self.pool, topics, "0x" + data))

    def _update_rates(self, r: Reserve) -> None:
        r.reprice()
        stable = r.slope1 + RAY // 20
        rates = f"{r.liquidity_rate:064x}{stable:064x}{r.debt_rate:064x}{r.liquidity_index:064x}{r.debt_index:064x}"
        self._pool((RESERVE_DATA, r.topic), rates)

    def _collateral(self, r: Reserve, account: str, on: bool) -> None:
        if on:
            r.collateral[account] = None
        else:
            r.collateral.pop(account, None)
        self._pool((COLLATERAL_ON if on else COLLATERAL_OFF, r.topic, address_topic(account)))

    def supply(self, r: Reserve, user: str, owner: str, amount: int) -> None:
        """``supply(asset, amount, onBehalfOf)`` called by user."""
        r.accrue(self.now)
        r.available += amount
        self._update_rates(r)
        self._erc20(r.asset, user, r.atoken, amount)
        held = r.supplied.get(owner)
        first = held is None or held[0] == 0
        self._mint(r.atoken, r.supplied, user, owner, amount, r.liquidity_index)
        if first and r.ltv:
            self._collateral(r, owner, True)
        self._pool((SUPPLY, r.topic, address_topic(owner), NO_REFERRAL), address_word(user) + word(amount))

    def withdraw(self, r: Reserve, user: str, to: str, amount: int | None) -> None:
        """``withdraw(asset, amount, to)``; ``None`` is everything."""
        r.accrue(self.now)
        balance = r.balance(user, self.now)
        taken = balance if amount is None else amount
        r.available -= taken
        self._update_rates(r)
        if taken == balance and user in r.collateral:
            self._collateral(r, user, False)
        self._burn(r.atoken, r.supplied, user, to, taken, r.liquidity_index)
        self._erc20(r.asset, r.atoken, to, taken)
        self._pool((WITHDRAW, r.topic, address_topic(user), address_topic(to)), word(taken))

    def borrow(self, r: Reserve, user: str, owner: str, amount: int) -> None:
        """``borrow(asset, amount, variable, 0, onBehalfOf)`` called by user."""
        r.accrue(self.now)
        r.debt_scaled += self._mint(r.debt_token, r.owed, user, owner, amount, r.debt_index)
        r.available -= amount
        self._update_rates(r)
        self._erc20(r.asset, r.atoken, user, amount)
        data = address_word(user) + word(amount) + VARIABLE_MODE + word(r.debt_rate)
        self._pool((BORROW, r.topic, address_topic(owner), NO_REFERRAL), data)

    def repay(self, r: Reserve, user: str, owner: str, amount: int | None, *, with_atokens: bool = False) -> None:
        """``repay`` by user for owner (``None``: all of it), or ``repayWithATokens`` by the owner."""
        r.accrue(self.now)
        paid = r.debt(owner, self.now) if amount is None else amount
        r.debt_scaled -= self._burn(r.debt_token, r.owed, owner, ZERO_ADDRESS, paid, r.debt_index)
        if not with_atokens:
            r.available += paid
        self._update_rates(r)
        if with_atokens:
            self._burn(r.atoken, r.supplied, user, r.atoken, paid, r.liquidity_index)
        else:
            self._erc20(r.asset, user, r.atoken, paid)
        self._pool((REPAY, r.topic, address_topic(owner), address_topic(user)), word(paid) + word(int(with_atokens)))

    def transfer(self, r: Reserve, sender: str, to: str, amount: int | None) -> None:
        """aToken ``transfer``; ``None`` is everything."""
        index = r.income(self.now)
        held, received = r.balance(sender, self.now), r.balance(to, self.now)
        moved = held if amount is None else amount
        scaled = self._move(r, sender, sender, to, moved, index)
        if sender in r.collateral and moved == held:
            self._collateral(r, sender, False)
        if received == 0 and r.ltv:
            self._collateral(r, to, True)
        self._balance_transfer(r, sender, to, scaled, index)

    def mint_to_treasury(self, r: Reserve) -> None:
        """``mintToTreasury`` of one reserve; nothing to do leaves no log."""
        if not r.treasury_scaled:
            return
        index = r.income(self.now)
        amount = ray_mul(r.treasury_scaled, index)
        r.treasury_scaled = 0
        self._mint(r.atoken, r.supplied, self.pool, self.treasury, amount, index)
        self._pool((TO_TREASURY, r.topic), word(amount))

    def set_price(self, r: Reserve, price: int) -> None:
        """A new oracle price in 1e-8 USD."""
        r.price = price
        self.logs.append((self.oracle, (PRICE,), "0x" + address_word(r.asset) + word(price) + word(self.now)))

    def liquidate(
        self, c: Reserve, d: Reserve, user: str, liquidator: str, *, full: bool, receive_atoken: bool
    ) -> None:
        """``liquidationCall`` for as much as the close factor allows (full: 100 %, else 50 %)."""
        d.accrue(self.now)
        owed = d.debt(user, self.now)
        covered, seized, fee, held = self._seizure(c, d, user, owed if full else percent_mul(owed, 5_000))
        if seized + fee == held:
            self._collateral(c, user, False)
        d.debt_scaled -= self._burn(d.debt_token, d.owed, user, ZERO_ADDRESS, covered, d.debt_index)
        d.available += covered
        self._update_rates(d)
        if receive_atoken:
            index = c.income(self.now)
            first = c.balance(liquidator, self.now) == 0
            scaled = self._move(c, self.pool, user, liquidator, seized, index)
            self._balance_transfer(c, user, liquidator, scaled, index)
            if first and c.ltv:
                self._collateral(c, liquidator, True)
        else:
            c.accrue(self.now)
            c.available -= seized
            self._update_rates(c)
            self._burn(c.atoken, c.supplied, user, liquidator, seized, c.liquidity_index)
            self._erc20(c.asset, c.atoken, liquidator, seized)
        if fee:
            index = c.income(self.now)
            left = c.supplied[user][0]
            if ray_div(fee, index) > left:
                fee = ray_mul(left, index)
            scaled = self._move(c, self.pool, user, self.treasury, fee, index)
            self._balance_transfer(c, user, self.treasury, scaled, index)
        self._erc20(d.asset, liquidator, d.atoken, covered)
        self._pool(
            (LIQUIDATION, c.topic, d.topic, address_topic(user)),
            word(covered) + word(seized) + address_word(liquidator) + word(int(receive_atoken)),
        )

    def _seizure(self, c: Reserve, d: Reserve, user: str, covered: int) -> tuple[int, int, int, int]:
        """Debt covered, collateral to the liquidator, protocol fee, and the user's collateral balance."""
        held = c.balance(user, self.now)
        unit, debt_unit = 10**c.decimals, 10**d.decimals
        seized = percent_mul(d.price * covered * unit // (c.price * debt_unit), c.bonus)
        if seized > held:
            seized = held
            covered = percent_div(c.price * seized * debt_unit // (d.price * unit), c.bonus)
        fee = percent_mul(seized - percent_div(seized, c.bonus), c.protocol_fee)
        return covered, seized - fee, fee, held
