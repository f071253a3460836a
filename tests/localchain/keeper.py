"""The people who are always there: liquidators who look for prey, and the admin who turns knobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .aave import COVERER, EMODES, LISTINGS, deploy_curve
from .chain import ZERO
from .world import MAX, ORACLE_SCALE, WAD, Call, Step, World

INCENTIVE_CURSOR = 3 * 10**17
LARGEST_INCENTIVE = 115 * 10**16


@dataclass
class Prey:
    """A liquidation about to happen; `before` holds debt and collateral."""

    step: Step
    story: dict[str, Any]
    before: tuple[int, int]


def find_prey(world: World, accounts: list[str], liquidators: list[str], most: int = 6) -> list[Prey]:
    """Whoever can be liquidated now, worst first, a few of them."""
    found: list[Prey] = []
    if world.chain.reserves:
        found += _aave_prey(world, accounts, liquidators, most)
    if world.chain.markets:
        found += _morpho_prey(world, accounts, liquidators, most - len(found))
    return found


def _aave_prey(world: World, accounts: list[str], liquidators: list[str], most: int) -> list[Prey]:
    chain, rng = world.chain, world.rng
    states = chain.views([("Pool", "getUserAccountData", (account,)) for account in accounts])
    weak = [(s[5], a) for s, a in zip(states, accounts, strict=True) if s[5] < WAD and s[0] > 10**6 and s[1] > 10**6]
    found = []
    for _, account in sorted(weak)[:most]:
        asked = []
        for symbol in chain.reserves:
            asked += [
                (f"aToken_{symbol}", "balanceOf", (account,)),
                (f"variableDebtToken_{symbol}", "balanceOf", (account,)),
            ]
        balances = chain.views(asked)
        bits = chain.view("Pool", "getUserConfiguration", account)[0]
        supplied = {
            symbol: balances[2 * at]
            for at, symbol in enumerate(chain.reserves)
            if bits >> (2 * at + 1) & 1 and balances[2 * at]
        }
        owed = {symbol: balances[2 * at + 1] for at, symbol in enumerate(chain.reserves) if balances[2 * at + 1]}
        if not supplied or not owed:
            continue
        collateral = max(supplied, key=lambda one: world.usd(one, supplied[one]))
        debt = max(owed, key=lambda one: world.usd(one, owed[one]))
        receipt, partly = rng.random() < 0.35, rng.random() < 0.35 and world.usd(debt, owed[debt]) > 12_000
        cover = owed[debt] * rng.randrange(10, 45) // 100 if partly else MAX
        liquidator = rng.choice(liquidators)
        calls = list(world.bring(liquidator, debt, owed[debt] * 101 // 100 + 10).calls)
        calls += world.allow(liquidator, debt, "Pool")
        arguments = (chain.contracts[collateral], chain.contracts[debt], account, cover, receipt)
        calls.append(("Pool", "liquidationCall", arguments))
        story = {
            "protocol": "aave_v3",
            "borrower": account,
            "liquidator": liquidator,
            "collateral": collateral,
            "debt": debt,
            "receive_receipt_token": receipt,
        }
        found.append(Prey(Step(liquidator, tuple(calls)), story, (owed[debt], supplied[collateral])))
    return found


def _morpho_prey(world: World, accounts: list[str], liquidators: list[str], most: int) -> list[Prey]:
    chain, rng = world.chain, world.rng
    found: list[Prey] = []
    for name, market in chain.markets.items():
        identifier = bytes.fromhex(market.id[2:])
        asked = [("Morpho", "position", (identifier, account)) for account in accounts]
        *positions, totals = chain.views([*asked, ("Morpho", "market", (identifier,))])
        price, lltv = world.oracle_price(name), market.params[4]
        for (_, shares, collateral), account in zip(positions, accounts, strict=True):
            if not shares or not collateral:
                continue
            debt = shares * (totals[2] + 1) // (totals[3] + 10**6) + 1
            worth = collateral * price // ORACLE_SCALE
            if worth * lltv // WAD >= debt:
                continue
            if len(found) == most:  # a step that is built is sent: it may carry the only approval
                return found
            incentive = min(LARGEST_INCENTIVE, WAD * WAD // (WAD - INCENTIVE_CURSOR * (WAD - lltv) // WAD))
            under_water = debt * incentive // WAD > worth
            part = shares if rng.random() < 0.5 else shares * rng.randrange(20, 80) // 100
            seized, repaid = (collateral, 0) if under_water else (0, part)
            liquidator = rng.choice(liquidators)
            calls = list(world.bring(liquidator, market.loan, debt * 2).calls)
            calls += world.allow(liquidator, market.loan, "Morpho")
            calls.append(("Morpho", "liquidate", (market.params, account, seized, repaid, b"")))
            story = {"protocol": "morpho_blue", "market": name, "borrower": account, "liquidator": liquidator}
            found.append(Prey(Step(liquidator, tuple(calls)), story, (debt, collateral)))
    return found


def after(world: World, prey: Prey) -> tuple[int, int]:
    """Debt and collateral of the borrower once the liquidation is done."""
    story = prey.story
    if story["protocol"] == "aave_v3":
        asked = [
            (f"variableDebtToken_{story['debt']}", "balanceOf", (story["borrower"],)),
            (f"aToken_{story['collateral']}", "balanceOf", (story["borrower"],)),
        ]
        debt, collateral = world.chain.views(asked)
        return debt, collateral
    identifier = bytes.fromhex(world.chain.markets[story["market"]].id[2:])
    (_, shares, collateral), totals = world.chain.views(
        [("Morpho", "position", (identifier, story["borrower"])), ("Morpho", "market", (identifier,))]
    )
    return shares * (totals[2] + 1) // (totals[3] + 10**6) + 1 if shares else 0, collateral


class Admin:
    """Turns one knob at a time; what must be undone later waits in `undo`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.undo: list[tuple[Call, ...]] = []
        self.knobs = []
        if world.chain.reserves:
            self.knobs += [self.collateral, self.factor, self.caps, self.freeze, self.emode, self.membership]
            self.knobs += [self.rates, self.fee, self.treasury, self.pause]
            if world.chain.aave_version != "3.0.2":
                self.knobs += [self.cover, self.cover]
        if world.chain.markets:
            self.knobs += [self.morpho_fee, self.morpho_fee, self.recipient, self.recipient]

    def step(self) -> Step:
        """A change of parameters, or the end of an earlier one."""
        if self.undo and self.world.rng.random() < 0.6:
            return Step(self.world.chain.admin, self.undo.pop(0))
        knob = self.world.rng.choice(self.knobs)
        sender = self.world.chain.accounts[COVERER] if knob == self.cover else self.world.chain.admin
        return Step(sender, knob())

    def _set(self, function: str, *arguments: Any) -> Call:
        return ("PoolConfigurator", function, arguments)

    def _listed(self, *symbols: str) -> str:
        return self.world.chain.contracts[self.world.rng.choice(symbols)]

    def collateral(self) -> tuple[Call, ...]:
        """LTV, threshold and bonus move a little."""
        symbol = self.world.rng.choice(list(self.world.chain.reserves))
        listing, move = LISTINGS[symbol], self.world.rng.randrange(-300, 101, 50)
        numbers = (listing.ltv + move, listing.threshold + move, listing.bonus + self.world.rng.randrange(0, 101, 25))
        return (self._set("configureReserveAsCollateral", self.world.chain.contracts[symbol], *numbers),)

    def factor(self) -> tuple[Call, ...]:
        """Reserve factor."""
        asset = self._listed(*self.world.chain.reserves)
        return (self._set("setReserveFactor", asset, self.world.rng.randrange(500, 3001, 100)),)

    def caps(self) -> tuple[Call, ...]:
        """Supply and borrow caps, in whole tokens."""
        asset = self._listed(*self.world.chain.reserves)
        rng = self.world.rng
        return (
            self._set("setSupplyCap", asset, rng.randrange(200, 900) * 10**6),
            self._set("setBorrowCap", asset, rng.randrange(100, 800) * 10**6),
        )

    def freeze(self) -> tuple[Call, ...]:
        """Freezes a reserve for a while; 3.6 needs its LTV put back by hand."""
        chain, symbol = self.world.chain, self.world.rng.choice(["WBTC", "DAI", "sDAI"])
        asset, listing = chain.contracts[symbol], LISTINGS[symbol]
        back = [self._set("setReserveFreeze", asset, False)]
        if chain.aave_version != "3.0.2":
            back.append(self._set("configureReserveAsCollateral", asset, listing.ltv, listing.threshold, listing.bonus))
            for number, entry in EMODES.items():
                if symbol in entry[4]:
                    back.append(self._set("setAssetLtvzeroInEMode", asset, number, False))
        self.undo.append(tuple(back))
        return (self._set("setReserveFreeze", asset, True),)

    def emode(self) -> tuple[Call, ...]:
        """A category's numbers move."""
        number = self.world.rng.choice(list(EMODES))
        ltv, threshold, bonus, label, _ = EMODES[number]
        move = self.world.rng.randrange(-100, 51, 25)
        oracle = (ZERO,) if self.world.chain.aave_version == "3.0.2" else ()
        return (self._set("setEModeCategory", number, ltv + move, threshold + move, bonus, *oracle, label),)

    def membership(self) -> tuple[Call, ...]:
        """DAI leaves the stablecoin category, and comes back."""
        dai = self.world.chain.contracts["DAI"]
        if self.world.chain.aave_version == "3.0.2":
            self.undo.append((self._set("setAssetEModeCategory", dai, 2),))
            return (self._set("setAssetEModeCategory", dai, 0),)
        function = self.world.rng.choice(["setAssetCollateralInEMode", "setAssetBorrowableInEMode"])
        self.undo.append((self._set(function, dai, 2, True),))
        return (self._set(function, dai, 2, False),)

    def rates(self) -> tuple[Call, ...]:
        """Another rate curve."""
        chain, rng = self.world.chain, self.world.rng
        symbol = rng.choice([one for one, reserve in chain.reserves.items() if reserve.borrowable])
        optimal, base, slope1, slope2 = LISTINGS[symbol].rates
        slope1 += rng.randrange(0, 301, 20)
        asset = chain.contracts[symbol]
        if chain.aave_version != "3.0.2":
            curve = b"".join(part.to_bytes(32, "big") for part in (optimal, base, slope1, slope2))
            return (self._set("setReserveInterestRateData", asset, curve),)
        new = deploy_curve(chain, (optimal, base, slope1, slope2))
        return (self._set("setReserveInterestRateStrategyAddress", asset, new),)

    def fee(self) -> tuple[Call, ...]:
        """The protocol's share of the liquidation bonus."""
        asset = self._listed(*self.world.chain.reserves)
        return (self._set("setLiquidationProtocolFee", asset, self.world.rng.randrange(0, 3001, 250)),)

    def treasury(self) -> tuple[Call, ...]:
        """Mints what the reserve factor has earned."""
        return (("Pool", "mintToTreasury", ([one.asset for one in self.world.chain.reserves.values()],)),)

    def pause(self) -> tuple[Call, ...]:
        """Paused and released in one block."""
        asset = self._listed(*self.world.chain.reserves)
        both = [("PoolConfigurator", "setReservePause(address,bool)", (asset, state)) for state in (True, False)]
        return tuple(both)

    def cover(self) -> tuple[Call, ...]:
        """Bad debt is written off against aTokens bought for it; with no bad debt, they are just bought."""
        chain, account = self.world.chain, self.world.chain.accounts[COVERER]
        asked = [("Pool", "getReserveDeficit", (reserve.asset,)) for reserve in chain.reserves.values()]
        missing = {
            symbol: gap
            for (symbol, reserve), gap in zip(chain.reserves.items(), chain.views(asked), strict=True)
            if gap and reserve.borrowable
        }
        if not missing:
            return self.treasury()
        symbol = self.world.rng.choice(list(missing))
        gap = missing[symbol]
        part = gap if self.world.rng.random() < 0.5 else max(1, gap * self.world.rng.randrange(10, 90) // 100)
        money = self.world.bring(account, symbol, part + 10)
        supplied = self.world.supply(account, symbol, part + 10)
        last: Call = ("Pool", "eliminateReserveDeficit", (chain.contracts[symbol], part))
        return (*money.calls, *supplied.calls, last)

    def morpho_fee(self) -> tuple[Call, ...]:
        """A market's fee, up to a quarter of the interest."""
        market = self.world.rng.choice([one for one in self.world.chain.markets.values() if one.params[3] != ZERO])
        return (("Morpho", "setFee", (market.params, self.world.rng.randrange(1, 26) * 10**16)),)

    def recipient(self) -> tuple[Call, ...]:
        """Who gets the fee shares."""
        chain = self.world.chain
        return (("Morpho", "setFeeRecipient", (self.world.rng.choice(chain.accounts[6:9]),)),)
